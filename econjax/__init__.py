"""A differentiable economy in JAX: bracket taxes, exact worker responses, welfare in dollars."""

from econjax.calibration import calibrate
from econjax.economy import Economy, Outcome, settle
from econjax.equilibrium import Equilibrium, equilibrium
from econjax.inequality import gini
from econjax.law import us_federal
from econjax.planning import Evaluator, Planner, RationalEvaluator, Report, plan
from econjax.population import Population
from econjax.preferences import GHH, Isoelastic, Quasilinear
from econjax.response import best_response, grid_response, logit_probabilities, logit_response
from econjax.saez import bracket_statistics, saez_rates
from econjax.sampling import gb2
from econjax.schedule import BracketSchedule, LogLinearSchedule
from econjax.welfare import Atkinson, InverseIncome, Rawlsian, Utilitarian

__all__ = [
    "GHH",
    "Atkinson",
    "BracketSchedule",
    "Economy",
    "Equilibrium",
    "Evaluator",
    "InverseIncome",
    "Isoelastic",
    "LogLinearSchedule",
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
    "grid_response",
    "logit_probabilities",
    "logit_response",
    "plan",
    "saez_rates",
    "settle",
    "us_federal",
]
