"""How far apart answers are: total variation, what of it is chance, and divergence."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import binom


def total_variation(
    one: Float[np.ndarray, "*rows options"], other: Float[np.ndarray, "*rows options"]
) -> Float[np.ndarray, "*rows"]:
    """Return half the sum of absolute differences of each row's probabilities."""
    return np.abs(one - other).sum(axis=-1) / 2


def jensen_shannon(
    one: Float[np.ndarray, "*rows options"], other: Float[np.ndarray, "*rows options"]
) -> Float[np.ndarray, "*rows"]:
    """Return the Jensen-Shannon divergence (Lin 1991) in bits: from 0, the same, to 1."""
    middle = (one + other) / 2
    return (_relative_entropy(one, middle) + _relative_entropy(other, middle)) / 2


def shares_of(
    hours: Float[np.ndarray, "n samples"],
    readable: Bool[np.ndarray, "n samples"],
    values: Float[np.ndarray, " options"],
) -> Float[np.ndarray, "n options"]:
    """Return the share of each worker's readable texts that is nearest to each option."""
    nearest = np.argmin(np.abs(hours[..., None] - values), axis=-1)
    counts = ((nearest[..., None] == np.arange(len(values))) & readable[..., None]).sum(axis=1)
    return counts / np.maximum(readable.sum(axis=1), 1)[:, None]


def expected_variation(
    probabilities: Float[np.ndarray, "n options"], draws: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the mean total variation between probabilities and shares of as many draws from them.

    Each option's count is binomial, with mean absolute deviation 2 m (1 - p) P(count = m), m the
    first whole number above draws * p (de Moivre 1730; Diaconis and Zabell 1991, Statistical
    Science 6, 284-302). NaN where there are no draws.
    """
    number, probabilities = draws[:, None], np.clip(probabilities, 0, 1)
    mode = np.floor(number * probabilities) + 1
    deviation = 2 * mode * (1 - probabilities) * binom.pmf(mode, number, probabilities)
    return np.where(draws > 0, deviation.sum(axis=1) / 2 / np.maximum(draws, 1), np.nan)


def mean_if_any(values: Sequence[float] | np.ndarray) -> float | None:
    """Return the mean, or None of nothing."""
    return float(np.mean(values)) if len(values) else None


def _relative_entropy(
    p: Float[np.ndarray, "*rows options"], q: Float[np.ndarray, "*rows options"]
) -> Float[np.ndarray, "*rows"]:
    some = p > 0
    ratio = np.where(some, p, 1) / np.where(some, q, 1)
    return np.maximum((p * np.log2(ratio)).sum(axis=-1), 0)
