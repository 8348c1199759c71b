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
from .reform import GroupEffects, ReformEffects, effects_by, quantile_groups, reform_effects
from .voting import approval, borda, plurality

__all__ = [
    "Bunching",
    "Estimate",
    "GroupEffects",
    "Panel",
    "Redistribution",
    "ReformEffects",
    "approval",
    "arc_elasticity",
    "borda",
    "bunching",
    "difference_ols",
    "effects_by",
    "gruber_saez",
    "kakwani",
    "level_ols",
    "plurality",
    "quantile_groups",
    "reform_effects",
    "reynolds_smolensky",
    "suits",
]
