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
) -> MomentEstimate:
    """Return a figure that is a smooth function of means over those who are known.

    Its error is the jackknife's: each worker left out in turn. The interval takes Student's
    quantile, for fewer degrees of freedom where a few workers make most of the error: as many as
    give the variance of such squares (Satterthwaite).
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
    away = (without - without.mean()) ** 2
    error = float(np.sqrt((workers - 1) / workers * away.sum()))
    spread = workers * np.sum(away**2) / away.sum() ** 2 - 1 if error else 0.0
    freedom = min(workers - 1, max(2 * workers / spread, 1)) if spread > 0 else workers - 1
    reach = float(stats.t.ppf(0.5 + _COVERED / 2, freedom)) * error
    return MomentEstimate(workers, value, error, value - reach, value + reach)


_COVERED = 0.99
