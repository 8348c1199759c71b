"""A figure with its 95 % interval, by Student's t or by the bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

DRAWS = 10_000
"""Of a bootstrap."""


@dataclass(frozen=True)
class Measured:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def mean_of(values: Float[np.ndarray, " n"]) -> Measured:
    """Return the mean of independent values with Student's interval."""
    mean, count = float(values.mean()), len(values)
    half = float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5)
    return Measured(mean, mean - half, mean + half)


def bootstrap(groups: Sequence[Sequence[float]], *, seed: int = 0) -> Measured:
    """Return the mean of the groups' means, and its 95 % interval when each group is drawn anew.

    Draws within a group are exchangeable; groups are what they are. The bootstrap is that of Efron
    (1979).
    """
    rng = np.random.default_rng(seed)
    means = [
        np.asarray(group)[rng.integers(0, len(group), (DRAWS, len(group)))].mean(axis=1)
        for group in groups
    ]
    return quantiles(float(np.mean([np.mean(group) for group in groups])), np.mean(means, axis=0))


def quantiles(value: float, draws: Float[np.ndarray, " draws"]) -> Measured:
    """Return a figure with the interval that holds 95 % of its bootstrap draws."""
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return Measured(value, low, high)
