"""Distributions of incomes by name, and those that an economy file states with parameters."""

from collections.abc import Mapping
from typing import Any

from econjax.populations import (
    GB2,
    GB2_ACS_2023,
    GB2_CPS_2023,
    GB2_SSA_2022,
    AbstractDistribution,
    Lognormal,
    LognormalPareto,
    Pareto,
    Uniform,
)
from experiments.economies.document import Blame

DISTRIBUTIONS: dict[str, AbstractDistribution] = {
    "acs-2023": GB2_ACS_2023,
    "cps-2023": GB2_CPS_2023,
    "ssa-2022": GB2_SSA_2022,
}
"""Distributions fitted to published tables, by name."""
PARAMETRIC: dict[str, tuple[Any, tuple[str, ...]]] = {
    "gb2": (GB2, ("mu", "sigma", "nu", "tau")),
    "lognormal": (Lognormal, ("median", "sigma")),
    "pareto": (Pareto, ("minimum", "index")),
    "lognormal-pareto": (LognormalPareto, ("scale", "sigma", "index")),
    "uniform": (Uniform, ("low", "high")),
}
"""Distributions that an economy file states with parameters."""


def distribution_of(
    name: str, parameters: Mapping[str, float], blame: Blame
) -> AbstractDistribution:
    """Return the distribution of a name.

    Raises:
        ValueError: an unknown name, or parameters that are not those of the distribution.
    """
    if name in PARAMETRIC:
        made, wanted = PARAMETRIC[name]
        if set(parameters) != set(wanted):
            raise blame.error(
                ("incomes", "parameters" if parameters else "distribution"),
                f"the distribution {name} takes parameters {', '.join(wanted)}; got "
                f"{', '.join(parameters) or 'none'}.",
            )
        with blame.at("incomes", "parameters"):
            return made(**parameters)
    if name not in DISTRIBUTIONS:
        raise blame.error(
            ("incomes", "distribution"),
            f"there are no incomes {name!r}: give one of {', '.join(DISTRIBUTIONS)} or cps, a CSV "
            f"or Parquet file, or in an economy file, with parameters, {', '.join(PARAMETRIC)}.",
        )
    return DISTRIBUTIONS[name]
