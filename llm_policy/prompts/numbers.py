"""Numbers in words, with their units: what every prompt is made of."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule


def schedule_table(schedule: BracketSchedule) -> str:
    """Return the brackets and their rates in per cent, one line each."""
    names = bracket_names(np.asarray(schedule.thresholds))
    rates = np.asarray(schedule.rates)
    return "\n".join(
        f"- {name}: {100 * rate:.4g} %" for name, rate in zip(names, rates, strict=True)
    )


def bracket_names(thresholds: Float[np.ndarray, " brackets"]) -> list[str]:
    """Return the brackets in words: "$0 to $11,600", the last one "above $609,350"."""
    between = [f"{dollars(low)} to {dollars(high)}" for low, high in itertools.pairwise(thresholds)]
    return [*between, f"above {dollars(thresholds[-1])}"]


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
