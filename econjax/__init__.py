"""A differentiable economy in JAX: bracket taxes, exact worker responses, welfare in dollars."""

from econjax.calibration import calibrate
from econjax.economy import Economy, Outcome, settle
from econjax.inequality import gini
from econjax.law import us_federal
from econjax.planning import Evaluator, Planner, RationalEvaluator, Report, plan
from econjax.population import Population, gb2
from econjax.preferences import Quasilinear
from econjax.response import Equilibrium, best_response, equilibrium
from econjax.saez import bracket_statistics, saez_rates
from econjax.schedule import BracketSchedule
from econjax.welfare import Atkinson, InverseIncome, Rawlsian, Utilitarian

__all__ = [
    "Atkinson",
    "BracketSchedule",
    "Economy",
    "Equilibrium",
    "Evaluator",
    "InverseIncome",
    "Outcome",
    "Planner",
    "Population",
    "Quasilinear",
    "RationalEvaluator",
    "Rawlsian",
    "Report",
    "Utilitarian",
    "best_response",
    "bracket_statistics",
    "calibrate",
    "equilibrium",
    "gb2",
    "gini",
    "plan",
    "saez_rates",
    "settle",
    "us_federal",
]
