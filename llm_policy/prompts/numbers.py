"""Numbers in words, with their units: what every prompt is made of."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule


def schedule_table(schedule: BracketSchedule, statuses: Sequence[str] = ()) -> str:
    """Return the brackets and their rates in per cent, one line each (see `rate_names`)."""
    names = rate_names(schedule, statuses)
    rates = np.asarray(schedule.rates).ravel()
    return "\n".join(
        f"- {name}: {100 * rate:.4g} %" for name, rate in zip(names, rates, strict=True)
    )


def bracket_names(thresholds: Float[np.ndarray, " brackets"]) -> list[str]:
    """Return the brackets in words: "$0 to $11,600", the last one "above $609,350"."""
    between = [f"{dollars(low)} to {dollars(high)}" for low, high in itertools.pairwise(thresholds)]
    return [*between, f"above {dollars(thresholds[-1])}"]


def rate_names(schedule: BracketSchedule, statuses: Sequence[str] = ()) -> list[str]:
    """Return in words what each rate applies to, of one group after the other.

    Where groups have thresholds of their own, `statuses` are their names: "single, $0 to $11,600",
    or for rates in common "$0 to $11,600 for single, $0 to $23,200 for joint".
    """
    if schedule.groups is None:
        return bracket_names(np.asarray(schedule.thresholds))
    each = [bracket_names(own) for own in np.asarray(schedule.thresholds)]
    called = statuses or [f"group {number + 1}" for number in range(len(each))]
    if schedule.rates.ndim == 2:
        return [
            f"{status}, {name}" for status, own in zip(called, each, strict=True) for name in own
        ]
    return [_shared_name(dict(zip(called, own, strict=True))) for own in zip(*each, strict=True)]


def _shared_name(own: dict[str, str]) -> str:
    """Return a bracket by status, those together for whom it is the same."""
    who: dict[str, list[str]] = {}
    for status, name in own.items():
        who.setdefault(name, []).append(status)
    return ", ".join(f"{name} for {' and '.join(some)}" for name, some in who.items())


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
