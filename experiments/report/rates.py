"""Rates in a table: one list of them, or one for each group."""

from collections.abc import Sequence

import numpy as np

from econjax import BracketSchedule

Rates = Sequence[float] | Sequence[Sequence[float]]
"""Shares of money by bracket, or such a list for each group."""


def rates_of(schedule: BracketSchedule) -> tuple:
    """Return the rates on the host: by bracket, or where groups have their own a list for each."""
    return tuple(np.asarray(schedule.rates, float).tolist())


def rates_text(rates: Rates, form: str = ".1f") -> str:
    """Return rates in per cent, with a stroke between groups."""
    groups = np.atleast_2d(np.asarray(rates, float))
    return " | ".join(" ".join(format(100 * rate, form) for rate in own) for own in groups)
