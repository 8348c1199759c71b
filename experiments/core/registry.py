"""The planners of a comparison: a new one is a file of its own and one entry here."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from baselines.fixed import FixedPlanner, laissez_faire, uniform_rates
from baselines.gradient.ascent import GradientPlanner, MultiStart, adam
from baselines.gradient.parametrisation import LogNetRates
from baselines.gradient.trust_region import TrustRegionPlanner
from baselines.learned.neural import AmortisedNetwork, AmortisedPlanner
from baselines.learned.ppo import PPOPlanner
from baselines.learned.training import TrainingOptions, train_network
from baselines.saez.empirical import EmpiricalSaezPlanner
from baselines.saez.iterated import REFERENCE_ELASTICITIES, SaezPlanner, StaticSaezPlanner
from baselines.search.coordinate import CoordinateSearch
from baselines.search.evolution import EvolutionPlanner
from baselines.search.grid import even_grid
from baselines.search.random import FlatSearch, RandomSearch
from baselines.search.uninformed import RampPlanner, WalkPlanner
from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Planner
from econjax.welfare import AbstractWelfare
from experiments.core.config import PlannerName
from experiments.report.disclosure import MODEL, Nature
from llm_policy.answers.elicitation import MOST_LEAKED
from llm_policy.engines.base import Engine
from llm_policy.memory.planner import History
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.welfare import WelfareSpec
from llm_policy.prompts.workers import Mode
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.surrogate.refit import SurrogateRefit
from llm_policy.workers.lived import SUBSISTENCE


@dataclass(frozen=True, kw_only=True)
class PlanningContext:
    """What planners may start from: the law, the elasticity told only to Saez, an engine, the aim.

    Without an elasticity, Saez reads each bracket's from the reports. `evaluations` is how many
    there will be. `mode` is how a model that plans answers: one token for each bracket, or a text.
    `workers` are the language models who work, in `steps` of each evaluation, where their choices
    are recorded. `statuses` are the names of groups that have schedules of their own.
    """

    law: BracketSchedule
    elasticity: float | None
    engine: Engine | None
    aim: WelfareSpec
    evaluations: int = 40
    mode: Mode = "choice"
    most_leaked: float = MOST_LEAKED
    workers: RecordedWorkers | None = None
    steps: int = 1
    bounds: RateBounds = USUAL_BOUNDS
    subsistence: float = SUBSISTENCE
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannerSpec:
    """A planner that commands know: its name for people, and how to make it.

    What it observes of an evaluation it declares itself. One that is `told_elasticity` is told the
    workers' true one before it begins; no other reads it from the context. `evaluations` is how
    many it takes, if not as many as others do. `training` counts evaluations of other economies
    that it learned from before. One who `needs_models` plans for language models only.
    """

    name: str
    make: Callable[[PlanningContext], Planner]
    told_elasticity: bool = False
    is_model: bool = False
    needs_models: bool = False
    evaluations: int | None = None
    training: int = 0

    def planner(self, context: PlanningContext) -> Planner:
        """Return the planner, who learns of the elasticity only if it is told."""
        return self.make(context if self.told_elasticity else replace(context, elasticity=None))

    def title(self, model: Nature | None) -> str:
        """Return the name for people, of whom a `model` is said to be what it is."""
        return self.name.replace(MODEL, model.planner) if self.is_model and model else self.name

    def observes(self, planner: Planner) -> str:
        """Return what the planner observes and is told, in words for a table."""
        told = self.told_elasticity and "elasticity" not in planner.observes
        return ", ".join((*planner.observes, *["told the elasticity"] * told)) or "nothing"


def titled(entry: PlannerSpec, law: str) -> str:
    """Return a planner's name for people, where the law as it stands has a title of its own."""
    return law if entry is REGISTRY["federal"] else entry.name


def language_model(setting: PlanningContext, history: History = "kept") -> Planner:
    """Return a language model as planner, who reads its history as it was or not.

    Raises:
        ValueError: there is no engine to ask.
    """
    if setting.engine is None:
        raise ValueError("A planner that is a language model needs an engine.")
    make = LLMPlanner
    if setting.mode == "choice":
        make = functools.partial(ChoicePlanner, most_leaked=setting.most_leaked)
    return make(
        setting.engine,
        setting.law,
        goal=setting.aim.words,
        style=PlannerStyle(statuses=setting.statuses, history=history),
        bounds=setting.bounds,
    )


def surrogate_planner(
    law: BracketSchedule,
    workers: RecordedWorkers,
    welfare: AbstractWelfare,
    *,
    steps: int,
    bounds: RateBounds = USUAL_BOUNDS,
    subsistence: float = SUBSISTENCE,
) -> TrustRegionPlanner:
    """Return the planner that climbs on a surrogate of workers with `steps` of labor a tax year."""
    refit = SurrogateRefit(workers, welfare, steps, len(workers.years), subsistence)
    return TrustRegionPlanner(law, refit, bounds=bounds)


def _evolution(setting: PlanningContext) -> EvolutionPlanner:
    return EvolutionPlanner(uniform_rates(setting.law).schedule, bounds=setting.bounds)


def _multi_start(setting: PlanningContext) -> MultiStart:
    flat = [
        BracketSchedule(setting.law.thresholds, jnp.full_like(setting.law.rates, r))
        for r in (0.3, 0.7)
    ]
    coordinates = LogNetRates(setting.bounds)
    climbs = (GradientPlanner(s, coordinates=coordinates) for s in (setting.law, *flat))
    return MultiStart(tuple(climbs), rounds=6)


def _surrogate(setting: PlanningContext) -> TrustRegionPlanner:
    if setting.workers is None:
        raise ValueError("A surrogate is made of language-model workers, and there are none.")
    return surrogate_planner(
        setting.law,
        setting.workers,
        setting.aim.welfare,
        steps=setting.steps,
        bounds=setting.bounds,
        subsistence=setting.subsistence,
    )


@functools.cache
def _trained(thresholds: tuple[float, ...], rates: tuple[float, ...]) -> AmortisedNetwork:
    """Return the network for one law: trained once in a process, which takes minutes."""
    law = BracketSchedule(list(thresholds), list(rates))
    return train_network(jax.random.key(0), law, _TRAINING).network


def _amortised(setting: PlanningContext) -> AmortisedPlanner:
    """Return the network's planner; a utilitarian's aversion is the least that it knows."""
    law, aversion = setting.law, setting.aim.welfare.constant_aversion
    if aversion is None:
        raise ValueError("The network plans for Atkinson, Rawlsian and utilitarian welfare.")
    network = _trained(
        *(tuple(np.asarray(values, float).tolist()) for values in (law.thresholds, law.rates))
    )
    return AmortisedPlanner(network, max(float(aversion), _LEAST_AVERSION), bounds=setting.bounds)


_TRAINING = TrainingOptions()
_LEAST_AVERSION = 0.5  # that training shows the network

REGISTRY: dict[PlannerName, PlannerSpec] = {
    "laissez-faire": PlannerSpec("laissez-faire", lambda s: laissez_faire(s.law), evaluations=1),
    "federal": PlannerSpec("US federal", lambda s: FixedPlanner(s.law), evaluations=1),
    "uniform": PlannerSpec("uniform 50 %", lambda s: uniform_rates(s.law), evaluations=1),
    "flat": PlannerSpec("flat, best by search", lambda s: FlatSearch(s.law, s.bounds)),
    "random": PlannerSpec("random search", lambda s: RandomSearch(s.law, s.bounds)),
    "grid": PlannerSpec(
        "grid, Halton points",
        lambda s: even_grid(s.law, tries=s.evaluations, bounds=s.bounds),
    ),
    "coordinate": PlannerSpec(
        "one rate at a time", lambda s: CoordinateSearch(s.law, bounds=s.bounds)
    ),
    "cma-es": PlannerSpec("evolution (CMA-ES), from 50 %", _evolution),
    "cma-es-long": PlannerSpec("evolution (CMA-ES), 600 evaluations", _evolution, evaluations=600),
    "ppo": PlannerSpec(
        "PPO, a Gaussian of schedules",
        lambda s: PPOPlanner(s.law, coordinates=LogNetRates(s.bounds)),
    ),
    "saez-static": PlannerSpec(
        "Saez, once",
        lambda s: StaticSaezPlanner(s.law, s.elasticity, s.bounds),
        told_elasticity=True,
    ),
    "saez-flat": PlannerSpec(
        "Saez, once, elasticity 0.4",
        lambda s: StaticSaezPlanner(s.law, REFERENCE_ELASTICITIES["SAEZ_FLAT"], s.bounds),
    ),
    "saez-empirical": PlannerSpec(
        "Saez, elasticities measured", lambda s: EmpiricalSaezPlanner(s.law, bounds=s.bounds)
    ),
    "saez": PlannerSpec(
        "Saez, iterated",
        lambda s: SaezPlanner(s.law, s.elasticity, bounds=s.bounds),
        told_elasticity=True,
    ),
    "adam": PlannerSpec(
        "gradient (Adam)",
        lambda s: GradientPlanner(s.law, adam(), coordinates=LogNetRates(s.bounds)),
    ),
    "multi-start": PlannerSpec("gradient, three starts", _multi_start),
    "gradient": PlannerSpec(
        "gradient (L-BFGS)", lambda s: GradientPlanner(s.law, coordinates=LogNetRates(s.bounds))
    ),
    "amortised": PlannerSpec(
        "amortised network, one call",
        _amortised,
        evaluations=2,
        training=_TRAINING.steps * _TRAINING.batch,
    ),
    "surrogate": PlannerSpec(
        "gradient on a surrogate",
        _surrogate,
        needs_models=True,
    ),
    "ramp": PlannerSpec(
        "ramp, 10 points up each time", lambda s: RampPlanner(s.law, bounds=s.bounds)
    ),
    "walk": PlannerSpec(
        "random walk, a model's moves", lambda s: WalkPlanner(s.law, bounds=s.bounds)
    ),
    "llm": PlannerSpec(MODEL, language_model, is_model=True),
    "llm-forgetful": PlannerSpec(
        f"{MODEL}, without its history",
        lambda s: language_model(s, history="none"),
        is_model=True,
    ),
    "llm-shuffled": PlannerSpec(
        f"{MODEL}, its history shuffled",
        lambda s: language_model(s, history="shuffled"),
        is_model=True,
    ),
}
