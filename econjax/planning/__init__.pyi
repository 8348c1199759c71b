from .evaluators import Evaluator, RationalEvaluator, no_counts
from .planners import (
    Incumbent,
    Plan,
    Planner,
    evaluated,
    hear,
    plan,
    require_law,
    to_learn_from,
    worth,
)
from .report import CLIMBS, OBSERVATIONS, VALUE, Observation, Report, observed, summarise

__all__ = [
    "CLIMBS",
    "OBSERVATIONS",
    "VALUE",
    "Evaluator",
    "Incumbent",
    "Observation",
    "Plan",
    "Planner",
    "RationalEvaluator",
    "Report",
    "evaluated",
    "hear",
    "no_counts",
    "observed",
    "plan",
    "require_law",
    "summarise",
    "to_learn_from",
    "worth",
]
