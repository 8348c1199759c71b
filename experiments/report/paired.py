"""Paired differences: intervals, tests corrected for their number, and how many pairs decide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from experiments.report.intervals import DRAWS, Measured

LEVEL = 0.05
"""The chance of a difference that is none, over all comparisons of a family."""
POWER = 0.8
"""The chance to find a difference of the size that was seen, with as many pairs as decide."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of independent differences, what its test says, and how they spread.

    `p` is that of the two-sided t test against 0: 1 of one difference alone, which tells nothing,
    and 0 of several that are equal and not 0. `deviation` is their standard deviation.
    """

    mean: float
    deviation: float
    p: float
    pairs: int


def difference_of(values: Float[np.ndarray, " pairs"]) -> PairedDifference:
    """Return the mean of differences, one at least, with its test."""
    mean, pairs = float(np.mean(values)), len(values)
    deviation = float(np.std(values, ddof=1)) if pairs > 1 else math.nan
    if pairs == 1 or mean == 0:
        return PairedDifference(mean, deviation, 1.0, pairs)
    if deviation == 0:
        return PairedDifference(mean, deviation, 0.0, pairs)
    distance = abs(mean) / deviation * pairs**0.5
    return PairedDifference(mean, deviation, float(2 * stats.t.sf(distance, pairs - 1)), pairs)


def resampled(values: Float[np.ndarray, " n"]) -> Measured | None:
    """Return a mean with its 95 % bootstrap interval; None of one value alone.

    See `ends_of_mean`, which draws the same for the same values.
    """
    if len(values) < 2:
        return None
    low, high = ends_of_mean(values)
    return Measured(float(np.mean(values)), float(low), float(high))


def per_cent_of(
    apart: Float[np.ndarray, " pairs"], base: Float[np.ndarray, " pairs"]
) -> float | None:
    """Return a mean difference in per cent of a mean, None where that is not told apart from 0."""
    mean, known = float(np.mean(base)), resampled(base)
    if mean == 0 or (known is not None and known.low <= 0 <= known.high):
        return None
    return 100 * float(np.mean(apart)) / abs(mean)


def ends_of_mean(
    values: Float[np.ndarray, "*samples n"], *, draws: int = DRAWS
) -> tuple[Float[np.ndarray, "*samples"], Float[np.ndarray, "*samples"]]:
    """Return the ends of the 95 % interval of the mean of each sample of 2 values or more.

    It is the bias-corrected and accelerated bootstrap (Efron 1987). Resampling n values spreads too
    little by the square root of 1 - 1/n, and knows no t: the level is raised to what Student's
    interval needs (Hesterberg 2015, the expanded percentile interval). Of fewer than 5 values it
    reaches about from the least to the greatest, and covers less than 95 %: of 2 normal ones 50 %.
    """
    values = np.asarray(values, float)
    least, most = values.min(axis=-1), values.max(axis=-1)
    n, spread = values.shape[-1], most > least
    tail = stats.norm.sf(stats.t.isf(LEVEL / 2, n - 1) * (n / (n - 1)) ** 0.5)
    low, high = np.array(least), np.array(most)
    if spread.any():
        found = stats.bootstrap(
            (values[spread],),
            np.mean,
            axis=-1,
            n_resamples=draws,
            confidence_level=1 - 2 * max(float(tail), 1e-6),
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low[spread], high[spread] = found.low, found.high
    return low, high


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p values of a family, corrected for their number (Holm 1979)."""
    adjusted, least = [1.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = least
    return adjusted


def pairs_to_decide(mean: float, deviation: float, *, level: float = LEVEL) -> int | None:
    """Return how many pairs find a difference of this size with a chance of `POWER`.

    It is the least number at which the two-sided t test of the level has that power (Cohen 1988,
    chapter 2); None of a difference of 0, which no number finds.
    """
    if mean == 0 or not math.isfinite(deviation):
        return None
    if deviation == 0:
        return 2
    effect = abs(mean) / deviation
    normal = ((stats.norm.isf(level / 2) + stats.norm.ppf(POWER)) / effect) ** 2
    if normal > _LARGE:
        return math.ceil(normal)
    pairs = max(2, math.floor(normal))
    while _power(effect, pairs, level) < POWER:
        pairs += 1
    return pairs


_LARGE = 10_000
"""Pairs from which on t is normal."""


def _power(effect: float, pairs: int, level: float) -> float:
    """Return the chance that the test finds a mean of so many standard deviations."""
    threshold = stats.t.isf(level / 2, pairs - 1)
    return float(stats.nct.sf(threshold, pairs - 1, effect * pairs**0.5))
