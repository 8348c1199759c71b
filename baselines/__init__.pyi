from .constrained.constraints import (
    Certificate,
    LossLimit,
    Requirement,
    RevenueFloor,
    certify,
    certify_plan,
)
from .constrained.planner import ConstrainedPlanner
from .fixed import FixedPlanner, federal, flat_rate, from_file, laissez_faire, uniform_rates
from .gradient.ascent import GradientPlanner, MultiStart, adam, lbfgs
from .gradient.parametrisation import LogNetRates, PlainRates, Squashed
from .gradient.trust_region import SurrogateModel, TrustRegionPlanner
from .learned.neural import AmortisedNetwork, AmortisedPlanner
from .learned.ppo import PPOPlanner
from .learned.training import TrainingOptions, held_out, train_network
from .learned.two_level import TwoLevel, judge_two_level, train_two_level
from .optimum import adapt, best_found, climb, evolve, simplex
from .saez.empirical import EmpiricalSaezPlanner
from .saez.iterated import SaezPlanner, StaticSaezPlanner, reference_saez
from .search.coordinate import CoordinateSearch
from .search.evolution import EvolutionPlanner
from .search.grid import GridSearch, even_grid, factorial_grid, reference_grid
from .search.random import FlatSearch, RandomSearch
from .search.uninformed import RampPlanner, WalkPlanner

__all__ = [
    "AmortisedNetwork",
    "AmortisedPlanner",
    "Certificate",
    "ConstrainedPlanner",
    "CoordinateSearch",
    "EmpiricalSaezPlanner",
    "EvolutionPlanner",
    "FixedPlanner",
    "FlatSearch",
    "GradientPlanner",
    "GridSearch",
    "LogNetRates",
    "LossLimit",
    "MultiStart",
    "PPOPlanner",
    "PlainRates",
    "RampPlanner",
    "RandomSearch",
    "Requirement",
    "RevenueFloor",
    "SaezPlanner",
    "Squashed",
    "StaticSaezPlanner",
    "SurrogateModel",
    "TrainingOptions",
    "TrustRegionPlanner",
    "TwoLevel",
    "WalkPlanner",
    "adam",
    "adapt",
    "best_found",
    "certify",
    "certify_plan",
    "climb",
    "even_grid",
    "evolve",
    "factorial_grid",
    "federal",
    "flat_rate",
    "from_file",
    "held_out",
    "judge_two_level",
    "laissez_faire",
    "lbfgs",
    "reference_grid",
    "reference_saez",
    "simplex",
    "train_network",
    "train_two_level",
    "uniform_rates",
]
