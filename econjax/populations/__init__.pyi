from .calibration import calibrate
from .distributions import (
    GB2,
    GB2_ACS_2023,
    GB2_CPS_2023,
    GB2_SSA_2022,
    AbstractDistribution,
    Lognormal,
    LognormalPareto,
    Pareto,
    Uniform,
    shares,
)
from .empirical import Empirical, Quantiles, from_incomes, from_quantiles
from .fitting import GB2Fit, IncomeTable, fit_gb2, us_incomes
from .microdata import Counted, LossRule, Microdata, MicrodataReport, from_microdata
from .sampling import gb2, lognormal, lognormal_pareto, pareto, stratified, uniform

__all__ = [
    "GB2",
    "GB2_ACS_2023",
    "GB2_CPS_2023",
    "GB2_SSA_2022",
    "AbstractDistribution",
    "Counted",
    "Empirical",
    "GB2Fit",
    "IncomeTable",
    "Lognormal",
    "LognormalPareto",
    "LossRule",
    "Microdata",
    "MicrodataReport",
    "Pareto",
    "Quantiles",
    "Uniform",
    "calibrate",
    "fit_gb2",
    "from_incomes",
    "from_microdata",
    "from_quantiles",
    "gb2",
    "lognormal",
    "lognormal_pareto",
    "pareto",
    "shares",
    "stratified",
    "uniform",
    "us_incomes",
]
