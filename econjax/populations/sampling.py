"""Populations drawn from distributions of income at 40 weekly hours; on the host, not in `jit`."""

import numpy as np
from jaxtyping import Array, Key
from numpy.typing import ArrayLike

from econjax.population import REFERENCE_HOURS, Population
from econjax.populations.distributions import (
    GB2,
    GB2_ACS_2023,
    AbstractDistribution,
    Lognormal,
    LognormalPareto,
    Pareto,
    Uniform,
    shares,
)


def gb2(
    n: int,
    key: Key[Array, ""] | None = None,
    *,
    mu: float = GB2_ACS_2023.mu,
    sigma: float = GB2_ACS_2023.sigma,
    nu: float = GB2_ACS_2023.nu,
    tau: float = GB2_ACS_2023.tau,
) -> Population:
    """Return n workers whose incomes at 40 hours a week are generalized beta of the second kind.

    Without a key they are the n mid-points of the quantile grid, Q((i - 1/2)/n), in rising order;
    with one they are independent draws; so for every distribution here. Parameters:
    `distributions.GB2`.

    Raises:
        ValueError: n is not a positive whole number, or a parameter is not positive.
    """
    return GB2(mu, sigma, nu, tau).population(n, key)


def lognormal(
    n: int, key: Key[Array, ""] | None = None, *, median: float, sigma: float
) -> Population:
    """Return n workers whose incomes at 40 hours a week are lognormal (`distributions.Lognormal`).

    Raises:
        ValueError: n is not a positive whole number, or a parameter is not positive.
    """
    return Lognormal(median, sigma).population(n, key)


def pareto(
    n: int,
    key: Key[Array, ""] | None = None,
    *,
    minimum: float,
    index: float,
    maximum: float = np.inf,
) -> Population:
    """Return n workers whose incomes at 40 hours a week are Pareto, cut at a maximum if given.

    Raises:
        ValueError: n is not a positive whole number, or an illegal parameter
        (`distributions.Pareto`).
    """
    return Pareto(minimum, index, maximum).population(n, key)


def lognormal_pareto(
    n: int, key: Key[Array, ""] | None = None, *, scale: float, sigma: float, index: float
) -> Population:
    """Return n workers with lognormal incomes and a Pareto tail (`distributions.LognormalPareto`).

    Raises:
        ValueError: n is not a positive whole number, or a parameter is not positive.
    """
    return LognormalPareto(scale, sigma, index).population(n, key)


def uniform(n: int, key: Key[Array, ""] | None = None, *, low: float, high: float) -> Population:
    """Return n workers whose incomes at 40 hours a week are spread evenly from low to high dollars.

    Raises:
        ValueError: n is not a positive whole number, or not 0 <= low < high.
    """
    return Uniform(low, high).population(n, key)


def stratified(
    n: int,
    key: Key[Array, ""] | None = None,
    *,
    distribution: AbstractDistribution,
    edges: ArrayLike,
) -> Population:
    """Return n workers in each income stratum, weighted by the stratum's share of the people.

    `edges` part the incomes at 40 hours a week, in dollars: a schedule's thresholds, so that its
    thin top brackets hold workers enough, or `distribution.quantile([0.9, 0.99, 0.999])`. Within a
    stratum workers are the mid-points of equal shares, or with a key independent draws. Strata
    where n shares of the people cannot be told apart in float64 are left out (below the lowest
    income, say).

    Raises:
        ValueError: n is not a positive whole number, or edges that do not rise strictly.
    """
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or not (np.isfinite(edges).all() and np.all(np.diff(edges) > 0)):
        raise ValueError(
            f"edges are dollars in one flat list, finite, rising; got {edges.tolist()}."
        )
    bounds = np.concatenate([[0.0], distribution.cdf(edges), [1.0]])
    held = np.diff(bounds) > n * 1e-15
    low, share = bounds[:-1][held], np.diff(bounds)[held]
    within = np.tile(shares(n), share.size) if key is None else shares(n * share.size, key)
    income = distribution.quantile(np.repeat(low, n) + within * np.repeat(share, n))
    return Population(skill=income / REFERENCE_HOURS, weight=np.repeat(share / share.sum() / n, n))
