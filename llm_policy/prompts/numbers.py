"""Numbers in words, with their units: what every prompt is made of."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule

LONGEST_RATE = 0.12344
"""A rate that takes as many digits as any: 12.34 %."""


def schedule_table(schedule: BracketSchedule, statuses: Sequence[str] = ()) -> str:
    """Return the brackets and their rates in per cent, one line each (see `rate_names`)."""
    names = rate_names(schedule, statuses)
    rates = np.asarray(schedule.rates).ravel()
    lines = [f"- {name}: {100 * rate:.4g} %" for name, rate in zip(names, rates, strict=True)]
    return "\n".join((*lines, *filter(None, [groups_text(schedule, statuses)])))


def bracket_names(thresholds: Float[np.ndarray, " brackets"]) -> list[str]:
    """Return the brackets in words: "$0 to $11,600", the last one "above $609,350"."""
    between = [f"{dollars(low)} to {dollars(high)}" for low, high in itertools.pairwise(thresholds)]
    return [*between, f"above {dollars(thresholds[-1])}"]


def rate_names(schedule: BracketSchedule, statuses: Sequence[str] = ()) -> list[str]:
    """Return in words what each rate applies to, of one group after the other.

    Where groups have rates of their own, `statuses` are their names: "single, $0 to $11,600". Rates
    in common are named by the brackets of the first group, and `groups_text` says the others'.
    """
    if schedule.groups is None:
        return bracket_names(np.asarray(schedule.thresholds))
    each = [bracket_names(own) for own in np.asarray(schedule.thresholds)]
    if schedule.rates.ndim == 1:
        return each[0]
    called = group_names(schedule, statuses)
    return [f"{status}, {name}" for status, own in zip(called, each, strict=True) for name in own]


def groups_text(schedule: BracketSchedule, statuses: Sequence[str] = ()) -> str:
    """Return whose brackets those of `rate_names` are, and where those of others begin.

    Nothing where all have the same, or where each name says whose it is.
    """
    if schedule.groups is None or schedule.rates.ndim == 2:
        return ""
    first, *others = group_names(schedule, statuses)
    begin = [
        f"those of {status} begin at {', '.join(map(dollars, own))}"
        for status, own in zip(others, np.asarray(schedule.thresholds)[1:], strict=True)
    ]
    return "; ".join((f"These are the brackets of the tax status {first}", *begin)) + "."


def group_names(schedule: BracketSchedule, statuses: Sequence[str]) -> Sequence[str]:
    """Return the names of groups, which are numbers if there are none."""
    return statuses or [f"group {number + 1}" for number in range(schedule.groups or 1)]


def per_cent(rates: Sequence[float]) -> str:
    """Return rates, which are shares, as "10 %, 12.5 %"."""
    return ", ".join(f"{100 * rate:.4g} %" for rate in rates)


def dollars(amount: float) -> str:
    """Return an amount in whole dollars: "$1,234", "-$5"."""
    whole = round(float(amount))
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def money(amounts: Float[np.ndarray, " n"]) -> list[str]:
    """Return many finite amounts as `dollars` does."""
    whole = np.rint(amounts).astype(np.int64).tolist()
    return [f"${value:,}" if value >= 0 else f"-${-value:,}" for value in whole]
