from .env import Box, EnvState, TaxEnv, WorkerEnv
from .evaluator import SimulatedEvaluator
from .gymnax import Gymnax
from .policies import Chosen, FixedHours, LaborPolicy, Lagged, Logit, Rational
from .simulation import (
    Ar1Skills,
    SimulationState,
    Trajectory,
    advance,
    begin,
    simulate,
    summary,
)

__all__ = [
    "Ar1Skills",
    "Box",
    "Chosen",
    "EnvState",
    "FixedHours",
    "Gymnax",
    "LaborPolicy",
    "Lagged",
    "Logit",
    "Rational",
    "SimulatedEvaluator",
    "SimulationState",
    "TaxEnv",
    "Trajectory",
    "WorkerEnv",
    "advance",
    "begin",
    "simulate",
    "summary",
]
