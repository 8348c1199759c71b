"""A differentiable economy in JAX: taxes, exact responses, welfare in dollars, optimal schedules.

The names here are what most programs need. More is in the folders: `optimal` (formulas and bounds),
`populations`, `measures` (progressivity, elasticities, votes), `welfare` (inequality, statistics of
brackets), `planning` and `dynamics` (years in a row, environments), and in the module `bounds`.
"""

from econjax._arrays import nan_where_illegal
from econjax.bounds import RateBounds
from econjax.dynamics.simulation import simulate
from econjax.economy import Economy, Outcome, settle
from econjax.laws.federal import FILING_STATUSES, added, phased_credit, us_federal
from econjax.optimal.formulas import top_rate
from econjax.optimal.mirrlees import mirrlees_bound
from econjax.optimal.saez import converged_saez, saez_rates
from econjax.planning.evaluators import Evaluator, RationalEvaluator
from econjax.planning.planners import Planner, plan
from econjax.planning.report import Report
from econjax.population import REFERENCE_HOURS, IncomeCredits, Population
from econjax.populations.calibration import calibrate
from econjax.populations.empirical import from_incomes, from_quantiles
from econjax.populations.fitting import fit_gb2
from econjax.populations.microdata import from_microdata
from econjax.populations.sampling import (
    gb2,
    lognormal,
    lognormal_pareto,
    pareto,
    stratified,
    uniform,
)
from econjax.preferences.isoelastic import Isoelastic
from econjax.preferences.quasilinear import GHH, Quasilinear
from econjax.response import (
    Equilibrium,
    best_response,
    equilibrium,
    grid_response,
    logit_probabilities,
    logit_response,
)
from econjax.schedule import AbstractSchedule, BracketSchedule, LogLinearSchedule
from econjax.utility import AbstractPreferences
from econjax.welfare.functions import (
    AbstractWelfare,
    AmongWorkers,
    Atkinson,
    InverseIncome,
    Rawlsian,
    Utilitarian,
    WeightedUtilitarian,
)
from econjax.welfare.gain import consumption_equivalent_gain
from econjax.welfare.inequality import gini
from econjax.welfare.statistics import bracket_statistics

__version__ = "0.1.0"

__all__ = [
    "FILING_STATUSES",
    "GHH",
    "REFERENCE_HOURS",
    "AbstractPreferences",
    "AbstractSchedule",
    "AbstractWelfare",
    "AmongWorkers",
    "Atkinson",
    "BracketSchedule",
    "Economy",
    "Equilibrium",
    "Evaluator",
    "IncomeCredits",
    "InverseIncome",
    "Isoelastic",
    "LogLinearSchedule",
    "Outcome",
    "Planner",
    "Population",
    "Quasilinear",
    "RateBounds",
    "RationalEvaluator",
    "Rawlsian",
    "Report",
    "Utilitarian",
    "WeightedUtilitarian",
    "added",
    "best_response",
    "bracket_statistics",
    "calibrate",
    "consumption_equivalent_gain",
    "converged_saez",
    "equilibrium",
    "fit_gb2",
    "from_incomes",
    "from_microdata",
    "from_quantiles",
    "gb2",
    "gini",
    "grid_response",
    "logit_probabilities",
    "logit_response",
    "lognormal",
    "lognormal_pareto",
    "mirrlees_bound",
    "nan_where_illegal",
    "pareto",
    "phased_credit",
    "plan",
    "saez_rates",
    "settle",
    "simulate",
    "stratified",
    "top_rate",
    "uniform",
    "us_federal",
]
