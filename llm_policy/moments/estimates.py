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
    workers add much (Johnson 1978). With `limits`, between which everybody has a figure of 0 to
    100, it reaches as far as a kind of people at a limit may move it of whom there is nobody among
    as many (Clopper and Pearson 1934): where none of 200 say 60 hours, 2.6 % of people may.
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
    heavy, reach = (float(stats.t.ppf(0.5 + _COVERED / 2, k)) for k in (freedom, workers - 1))
    skew = float(np.mean(own**3) / np.mean(own**2) ** 1.5) if error else 0.0
    aside = skew * (1 + 2 * reach**2) / (6 * workers**0.5)
    low = value + error * min(-heavy, aside - reach)
    high = value + error * max(heavy, aside + reach)
    if limits is not None:
        alike = total**2 / np.sum(weight**2)  # so many workers of equal weight know as much
        unseen = 1 - (0.5 - _COVERED / 2) ** (1 / alike)
        low = max(0.0, min(low, value - unseen * max(value - limits[0], 0)))
        high = min(100.0, max(high, value + unseen * max(limits[1] - value, 0)))
    return MomentEstimate(workers, value, error, float(low), float(high))


def limits_of(own: Float[np.ndarray, " workers"]) -> tuple[float, float]:
    """Return between which limits shares lie, in per cent, if `own` are those of some workers.

    Those of the workers, or 0 and 100 where somebody's is one of these: then it is an answer, and
    no chance of one.
    """
    if own.size == 0 or own.min() <= 0 or own.max() >= 100:
        return 0.0, 100.0
    return float(own.min()), float(own.max())


_COVERED = 0.99
