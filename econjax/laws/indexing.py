"""Indexing: a schedule moved to another year, its thresholds raised as prices or wages rose."""

import math
from typing import Literal

import numpy as np

from econjax.schedule import BracketSchedule

Rounding = Literal["down", "nearest", "up"]
Rounded = Literal["increase", "threshold"]

US_FEDERAL_STEPS = {"single": 25.0, "joint": 50.0, "separate": 25.0, "head_of_household": 50.0}
"""Dollars to a multiple of which US federal law rounds each increase of a threshold down.

26 U.S.C. 1(f)(7)(A): 50 dollars; (B): 25 for the married who file separately, and by
1(j)(3)(B)(iii) (2018 and later) for the unmarried who are neither surviving spouses nor heads of
households. Increases are those over the amounts of 2018, times the change of the chained consumer
price index since 2017 (1(f)(3), 1(j)(3)(B)); from 2026 on the lowest two thresholds have one more
year of it, so that no single factor gives them all.
"""


def indexed(
    schedule: BracketSchedule,
    factor: float,
    *,
    step: float = 0.0,
    rounding: Rounding = "down",
    of: Rounded = "increase",
) -> BracketSchedule:
    """Return the schedule with thresholds `factor` times as high, rates as they are.

    With a `step` the increase of each threshold (or, `of` "threshold", the new threshold itself) is
    rounded to a multiple of so many dollars: down as US federal law does, whose steps are
    `US_FEDERAL_STEPS`, or up, or to the nearest. On the host, in float64: not within `jit`.

    Raises:
        ValueError: a factor that is not positive, a negative step, or thresholds that no longer
            rise once rounded.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"factor is new prices over old ones, positive: 1.03, say; got {factor}.")
    if not 0 <= step < math.inf:
        raise ValueError(f"step is dollars to round to a multiple of, or 0; got {step}.")
    old = np.asarray(schedule.thresholds, np.float64)
    fixed = old if of == "increase" else np.zeros_like(old)
    moved = old * factor - fixed
    if step:
        moved = step * _WAYS[rounding](moved / step)
    new = fixed + moved
    if not np.all(np.diff(new) > 0):
        raise ValueError(
            f"Indexed by {factor:g} in steps of {step:g}, thresholds no longer rise: "
            f"{new.tolist()}. Take a smaller step."
        )
    return BracketSchedule(new, schedule.rates)


_HAIR = 1e-9  # of a step: what multiplication of exact amounts may lose
_WAYS = {
    "down": lambda steps: np.floor(steps + _HAIR),
    "nearest": lambda steps: np.floor(steps + 0.5 + _HAIR),
    "up": lambda steps: np.ceil(steps - _HAIR),
}
