from .elasticity import (
    Bunching,
    Estimate,
    Panel,
    arc_elasticity,
    bunching,
    difference_ols,
    gruber_saez,
    level_ols,
)
from .progressivity import Redistribution, kakwani, reynolds_smolensky, suits
from .voting import approval, borda, plurality

__all__ = [
    "Bunching",
    "Estimate",
    "Panel",
    "Redistribution",
    "approval",
    "arc_elasticity",
    "borda",
    "bunching",
    "difference_ols",
    "gruber_saez",
    "kakwani",
    "level_ols",
    "plurality",
    "reynolds_smolensky",
    "suits",
]
