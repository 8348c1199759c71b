from .formulas import (
    asymptotic_rate,
    linear_rate,
    nonlinear_rate,
    pareto_index,
    three_elasticity_top_rate,
    top_rate,
)
from .inverse import WelfareWeights, inverse_optimum, weights_by_income
from .mirrlees import MirrleesBound, MirrleesContinuum, mirrlees_bound, mirrlees_continuum
from .mirrlees_separable import AbstractDisutility, LogLeisure, PowerDisutility, SeparableOptimum
from .published import ai_economist_rates, llm_economist_rates
from .saez import SaezFixedPoint, converged_saez, jump_revenue, saez_rates

__all__ = [
    "AbstractDisutility",
    "LogLeisure",
    "MirrleesBound",
    "MirrleesContinuum",
    "PowerDisutility",
    "SaezFixedPoint",
    "SeparableOptimum",
    "WelfareWeights",
    "ai_economist_rates",
    "asymptotic_rate",
    "converged_saez",
    "inverse_optimum",
    "jump_revenue",
    "linear_rate",
    "llm_economist_rates",
    "mirrlees_bound",
    "mirrlees_continuum",
    "nonlinear_rate",
    "pareto_index",
    "saez_rates",
    "three_elasticity_top_rate",
    "top_rate",
    "weights_by_income",
]
