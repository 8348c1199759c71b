"""Figures on a population from its workers, with jackknife errors and Student intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

Features = Mapping[str, Float[np.ndarray, " agents"]]
"""What is known of each worker, by name."""
FeatureMeans = Mapping[str, Float[np.ndarray, "..."]]
"""Weighted means of features, by name."""


@dataclass(frozen=True)
class MomentEstimate:
    """A figure, its standard error over `workers`, and its interval (99 %: there are many figures).

    The workers stand for more like them, of whom they are a sample by weight. None where fewer than
    two are known, or the figure means nothing of them.
    """

    workers: int
    value: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None


def jackknifed(
    features: Features,
    weight: Float[np.ndarray, " agents"],
    known: Bool[np.ndarray, " agents"],
    figure: Callable[[FeatureMeans], Float[np.ndarray, "..."]],
    *,
    limits: tuple[float, float] | None = None,
) -> MomentEstimate:
    """Return a figure that is a smooth function of means over those who are known.

    Its error is the jackknife's: each worker left out in turn. The interval takes Student's
    quantile, for fewer degrees of freedom where a few workers make most of the error (as many as
    give the variance of such squares: Satterthwaite), and reaches further to the side where few
    workers add much (Hall 1992). With `limits`, between which everybody has the figure, it reaches
    as far as a kind of people at a limit may move it of whom there is nobody among as many (Clopper
    and Pearson 1934): where none of 200 are at work for 60 hours, 2.6 % may be.
    """
    weight = np.where(known & (weight > 0), weight, 0.0)
    workers, total = int(np.sum(weight > 0)), weight.sum()
    if workers < 2:
        return MomentEstimate(workers)
    there = weight > 0
    sums = {name: np.where(there, each, 0.0) @ weight for name, each in features.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(figure({name: each / total for name, each in sums.items()}))
        rest = total - weight[there]
        without = figure(
            {
                name: (sums[name] - weight[there] * each[there]) / rest
                for name, each in features.items()
            }
        )
    if not (np.isfinite(value) and np.isfinite(without).all()):
        return MomentEstimate(workers)
    own = without.mean() - without  # what each worker adds
    error = float(np.sqrt((workers - 1) / workers * np.sum(own**2)))
    spread = workers * np.sum(own**4) / np.sum(own**2) ** 2 - 1 if error else 0.0
    freedom = min(workers - 1, max(2 * workers / spread, 1)) if spread > 0 else workers - 1
    reach = float(stats.t.ppf(0.5 + _COVERED / 2, freedom))
    ends = [(-reach, reach), _skewed(own, reach)] if error else [(0.0, 0.0)]
    low = value + error * min(low for low, _ in ends)
    high = value + error * max(high for _, high in ends)
    if limits is not None:
        alike = total**2 / np.sum(weight**2)  # so many workers of equal weight know as much
        unseen = 1 - (0.5 - _COVERED / 2) ** (1 / alike)
        low = min(low, value - unseen * max(value - limits[0], 0))
        high = max(high, value + unseen * max(limits[1] - value, 0))
    return MomentEstimate(workers, value, error, float(low), float(high))


def _skewed(own: Float[np.ndarray, " workers"], reach: float) -> tuple[float, float]:
    """Return the ends of an interval in standard errors, by the skewness of what workers add.

    The cubic transformation of Hall (1992): a sample with few of those who add much finds too
    little, and too small an error.
    """
    root = own.size**0.5
    skew = float(np.mean(own**3) / np.mean(own**2) ** 1.5)
    if abs(skew) < 1e-6:
        return -reach, reach
    low, high = (
        -3 * root / skew * (np.cbrt(1 + skew * (side / root - skew / (6 * own.size))) - 1)
        for side in (reach, -reach)
    )
    return float(low), float(high)


PER_CENT = 0.0, 100.0
"""The limits of a share."""
_COVERED = 0.99
