from .functions import (
    AbstractWelfare,
    AmongWorkers,
    Atkinson,
    InverseIncome,
    Rawlsian,
    Utilitarian,
    WeightedUtilitarian,
    require_dollars,
)
from .gain import consumption_equivalent_gain
from .inequality import (
    atkinson_index,
    concentration,
    equally_distributed_equivalent,
    gini,
    lorenz,
    position,
    theil_l,
    theil_t,
    top_share,
)
from .statistics import BracketStatistics, bracket_statistics

__all__ = [
    "AbstractWelfare",
    "AmongWorkers",
    "Atkinson",
    "BracketStatistics",
    "InverseIncome",
    "Rawlsian",
    "Utilitarian",
    "WeightedUtilitarian",
    "atkinson_index",
    "bracket_statistics",
    "concentration",
    "consumption_equivalent_gain",
    "equally_distributed_equivalent",
    "gini",
    "lorenz",
    "position",
    "require_dollars",
    "theil_l",
    "theil_t",
    "top_share",
]
