"""One-shot Saez schedules as two published simulators compute them, to compare with their reports.

Both take incomes as they are and weights 1 / income whatever welfare is reported, and neither lets
incomes answer the rates: `converged_saez` does. Computed on the host with NumPy and SciPy.
"""

import itertools

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats


def ai_economist_rates(
    incomes: ArrayLike, thresholds: ArrayLike, *, elasticity: float
) -> Float[np.ndarray, " brackets"]:
    """Return rates by the AI Economist's recipe (Zheng et al. 2022, Science Advances 8, eabk2607).

    Incomes up to the last threshold go into 100 equal bins. In each, the Pareto index is a = z f /
    (1 - F) at the bin's middle, and G the mean weight of those above (weights 1 / max(z, 1), also
    at the middles), over the weight of all; the rate (1 - G) / (1 - G + a e) is interpolated over
    empty bins and averaged within brackets; it rises to the first from 0 before the first bin. The
    last bracket takes a = m / (m - threshold), m the mean income above it.

    Known biases: a bin with one person has a far too high a, so that thinly populated brackets get
    low rates; the density is the actual one, not that of a linearised schedule; where nobody earns
    more than the last threshold, a is 0 there and the rate 100 %.

    Raises:
        ValueError: fewer than two thresholds, or incomes that are not 0 or more.
    """
    incomes, thresholds = _checked(incomes, thresholds)
    edges = np.linspace(0, thresholds[-1], 101)
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1]
    over = incomes[incomes > edges[-1]]
    count = np.append(np.histogram(incomes, edges)[0], over.size)
    welfare = np.append(count[:-1] / np.maximum(middle, 1), np.sum(1 / np.maximum(over, 1)))
    share, social = count / count.sum(), welfare / welfare.sum()
    share_from, social_from = np.cumsum(share[::-1])[::-1], np.cumsum(social[::-1])[::-1]
    at_edge = social_from / np.maximum(share_from, _TINY)
    weight = np.append((at_edge[:-1] + at_edge[1:]) / 2, at_edge[-1])
    pareto = middle * (share[:-1] / width) / np.maximum(share_from[:-1] - share[:-1] / 2, _TINY)
    top = over.mean() / (over.mean() - edges[-1]) if over.size else 0.0
    position, seen = np.arange(101), np.append(count[:-1] > 0, True)
    with np.errstate(invalid="ignore"):  # in empty bins
        rate = (1 - weight) / (1 - weight + np.append(pareto, top) * elasticity)
    rate = np.interp(position, np.append(-1, position[seen]), np.append(0, rate[seen]))
    within = [
        np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
        for start, end in itertools.pairwise(thresholds)
    ]
    mean = [overlap @ rate[:-1] / overlap.sum() for overlap in within]
    return np.clip(np.append(mean, rate[-1]), 0, 1)


def llm_economist_rates(
    incomes: ArrayLike,
    thresholds: ArrayLike,
    *,
    elasticity: ArrayLike = 0.4,
    top: ArrayLike | None = None,
) -> Float[np.ndarray, " brackets"]:
    """Return rates by the recipe of the LLM Economist (arXiv 2507.15815).

    There the incomes are those at 100 hours. In each bracket z is the middle and a = z f / (1 - F),
    with f a Gaussian kernel density of raw incomes (Scott's bandwidth); G is the share of all
    weights 1 / income that those at or above z hold, over 1 - F. In the last bracket z is the mean
    income (1.5 times the threshold if nobody is there) and a = m / (m - threshold), m the mean
    income at or above z. The rate is (1 - G) / (1 - G + a e), rounded to 0.01 %; where nobody earns
    more than z, G is 0 and a is 10, unless somebody earns z itself in the last bracket.
    `elasticity` is one for all, or one for each bracket; `top` is another z for the last bracket,
    in dollars.

    Known biases: the largest incomes set the bandwidth, which smooths the low ones away; m is taken
    above the wrong point, so that for a Pareto tail of index a it finds a^2 / (2 a - 1) < a and the
    last rate is too high; one poor person can hold most of the weight, and one without income holds
    all of it.

    Raises:
        ValueError: no thresholds, incomes that are not 0 or more, or all of them the same, or
            elasticities that are not one for all or one for each bracket.
    """
    incomes, thresholds = _checked(incomes, thresholds, least=1)
    elasticity = np.asarray(elasticity, np.float64)
    if elasticity.shape not in ((), thresholds.shape):
        raise ValueError(
            f"elasticity is one number, or one for each of {thresholds.size} brackets; got "
            f"{elasticity}."
        )
    elasticity = np.broadcast_to(elasticity, thresholds.shape)
    if incomes.min() == incomes.max():
        raise ValueError(f"A density needs incomes that differ; all are {incomes.min()}.")
    social = 1 / np.maximum(incomes, 1e-10)
    social = social / social.sum()
    density = stats.gaussian_kde(incomes)
    last = incomes[incomes >= thresholds[-1]]
    usual = last.mean() if last.size else 1.5 * thresholds[-1]
    points = np.append((thresholds[:-1] + thresholds[1:]) / 2, usual if top is None else top)
    rates = []
    for j, point in enumerate(points):
        above, reached = np.mean(incomes > point), incomes >= point
        pareto, weight = 10.0, 0.0
        if above > 0:
            pareto, weight = point * density(point)[0] / above, social[reached].sum() / above
        if j == points.size - 1 and reached.any():
            mean = incomes[reached].mean()
            pareto = mean / (mean - thresholds[-1]) if mean > thresholds[-1] else np.inf
        rates.append((1 - weight) / (1 - weight + pareto * elasticity[j]))
    return np.round(np.clip(rates, 0, 1), 4)


_TINY = 1e-300


def _checked(
    incomes: ArrayLike, thresholds: ArrayLike, *, least: int = 2
) -> tuple[Float[np.ndarray, " workers"], Float[np.ndarray, " brackets"]]:
    incomes, thresholds = np.asarray(incomes, np.float64), np.asarray(thresholds, np.float64)
    flat = thresholds.ndim == 1 and thresholds.size >= least
    if not flat or thresholds[0] != 0 or np.any(np.diff(thresholds) <= 0):
        number = {1: "one threshold", 2: "two thresholds"}[least]
        raise ValueError(
            f"The recipe needs {number} or more, rising from 0; got {thresholds.tolist()}."
        )
    if incomes.ndim != 1 or incomes.size == 0 or not np.all(np.isfinite(incomes) & (incomes >= 0)):
        raise ValueError("incomes must be a flat array of finite dollars a year, 0 or more.")
    return incomes, thresholds
