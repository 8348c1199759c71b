"""Distributions of income of people who work 40 hours a week; computed on the host in float64."""

import abc

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special

from econjax._arrays import is_concrete
from econjax.population import REFERENCE_HOURS, Population


class AbstractDistribution(eqx.Module):
    """A distribution of incomes, in dollars a year, 0 or more."""

    @property
    @abc.abstractmethod
    def mean(self) -> float:
        """E[z], in dollars; infinite where the tail is too thick."""

    def quantile(self, share: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return the incomes below which these shares of the people are, for shares of any shape.

        Raises:
            ValueError: a share outside (0, 1).
        """
        share = np.asarray(share, np.float64)
        if not np.all((share > 0) & (share < 1)):
            wrong = share[~((share > 0) & (share < 1))][0]
            raise ValueError(
                f"Shares of people lie between 0 and 1, neither included; got {wrong}."
            )
        return np.asarray(self._quantile(share))

    def cdf(self, income: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return the shares of people with these incomes or less, for incomes of any shape."""
        income = np.maximum(np.asarray(income, np.float64), np.finfo(np.float64).tiny)
        return np.asarray(self._cdf(income))

    def population(self, n: int, key: Key[Array, ""] | None = None) -> Population:
        """Return n equal-weight workers whose incomes at 40 hours a week follow the distribution.

        Without a key they are the mid-points of the quantile grid, Q((i - 1/2)/n), in rising order;
        with one they are independent draws: on the host, the same in float32 and float64.

        Raises:
            ValueError: n is not a positive whole number, or a key inside `jit` or `vmap`.
        """
        return Population(skill=self.quantile(shares(n, key)) / REFERENCE_HOURS)

    @abc.abstractmethod
    def _quantile(self, share: np.ndarray) -> np.ndarray: ...

    @abc.abstractmethod
    def _cdf(self, income: np.ndarray) -> np.ndarray: ...


class GB2(AbstractDistribution):
    """The generalized beta of the second kind (McDonald 1984, Econometrica 52, 647-663).

    Named as in GAMLSS: `mu` is the scale in dollars, `sigma`, `nu` and `tau` are McDonald's shapes
    a, p and q. The upper tail is Pareto with index a q. `nu` = 1 is Singh-Maddala, `tau` = 1 Dagum,
    both 1 Fisk.

    Raises:
        ValueError: a parameter is not positive.
    """

    mu: float
    sigma: float
    nu: float
    tau: float

    def __check_init__(self):
        _require_positive(mu=self.mu, sigma=self.sigma, nu=self.nu, tau=self.tau)

    @property
    def mean(self) -> float:
        """E[z] = b B(p + 1/a, q - 1/a) / B(p, q), in dollars; infinite unless a q > 1."""
        if self.sigma * self.tau <= 1:
            return np.inf
        h = 1 / self.sigma
        ratio = special.betaln(self.nu + h, self.tau - h) - special.betaln(self.nu, self.tau)
        return float(self.mu * np.exp(ratio))

    def _quantile(self, share):
        # v / (1 - v) for the beta quantile v of p, q; from 1 - v, the mirror image, where v is
        # above 1/2.
        p, q = self.nu, self.tau
        log_v = _log_beta_quantile(special.betaincinv(p, q, share), p, q, np.log(share))
        log_rest = _log_beta_quantile(special.betainccinv(q, p, share), q, p, np.log1p(-share))
        low = log_v < np.log(0.5)
        smaller = np.where(low, log_v, log_rest)
        log_odds = np.where(low, 1, -1) * (smaller - np.log1p(-np.exp(smaller)))
        return self.mu * np.exp(log_odds / self.sigma)

    def _cdf(self, income):
        # I_v(p, q) with v = x / (1 + x), x = (z / b)^a; large x from the mirror image.
        log_odds, p, q = self.sigma * (np.log(income) - np.log(self.mu)), self.nu, self.tau
        lower = special.betainc(p, q, special.expit(log_odds))
        lower = np.where(log_odds < -_FAR, _leading(p, q, log_odds), lower)
        upper = special.betaincc(q, p, special.expit(-log_odds))
        upper = np.where(log_odds > _FAR, 1 - _leading(q, p, -log_odds), upper)
        return np.where(log_odds <= 0, lower, upper)


class Lognormal(AbstractDistribution):
    """Incomes whose logarithm is normal with standard deviation `sigma`; `median` is in dollars.

    Raises:
        ValueError: a parameter is not positive.
    """

    median: float
    sigma: float

    def __check_init__(self):
        _require_positive(median=self.median, sigma=self.sigma)

    @property
    def mean(self) -> float:
        """E[z] = median exp(sigma^2 / 2), in dollars."""
        return float(self.median * np.exp(self.sigma**2 / 2))

    def _quantile(self, share):
        return self.median * np.exp(self.sigma * special.ndtri(share))

    def _cdf(self, income):
        return special.ndtr(np.log(income / self.median) / self.sigma)


class Pareto(AbstractDistribution):
    """Incomes above `minimum` dollars, 1 - F(z) = (minimum / z)^index, cut at `maximum` if given.

    Raises:
        ValueError: a parameter is not positive, or the maximum is not above the minimum.
    """

    minimum: float
    index: float
    maximum: float = np.inf

    def __check_init__(self):
        _require_positive(minimum=self.minimum, index=self.index)
        if not self.maximum > self.minimum:
            raise ValueError(
                f"maximum must exceed minimum = {self.minimum}; got maximum = {self.maximum}."
            )

    @property
    def mean(self) -> float:
        """E[z], in dollars; infinite without a maximum unless index > 1."""
        a, low, high = self.index, self.minimum, self.maximum
        if high == np.inf:
            return a / (a - 1) * low if a > 1 else np.inf
        power = np.log(high / low) if a == 1 else ((high / low) ** (1 - a) - 1) / (1 - a)
        return float(a * low * power / (1 - self._cut))

    @property
    def _cut(self) -> float:
        return (self.minimum / self.maximum) ** self.index

    def _quantile(self, share):
        return self.minimum * (1 - share + share * self._cut) ** (-1 / self.index)

    def _cdf(self, income):
        within = np.clip(income, self.minimum, self.maximum)
        return (1 - (self.minimum / within) ** self.index) / (1 - self._cut)


class LognormalPareto(AbstractDistribution):
    """A lognormal of median `scale` dollars times a Pareto factor: lognormal with a Pareto tail.

    ln z = N(ln scale, sigma^2) + Exp(index), the exponentially modified Gaussian (Colombi 1990, A
    new model of income distribution: the Pareto-lognormal distribution).

    Raises:
        ValueError: a parameter is not positive.
    """

    scale: float
    sigma: float
    index: float

    def __check_init__(self):
        _require_positive(scale=self.scale, sigma=self.sigma, index=self.index)

    @property
    def mean(self) -> float:
        """E[z] = scale exp(sigma^2 / 2) index / (index - 1), dollars; infinite unless index > 1."""
        if self.index <= 1:
            return np.inf
        return float(self.scale * np.exp(self.sigma**2 / 2) * self.index / (self.index - 1))

    def _quantile(self, share):
        # log F and log(1 - F) are concave: from where F < share (lower half) or 1 - F < above
        # (upper half), Newton's steps approach the root from one side. P(A + B > s + t) <= P(A > s)
        # + P(B > t).
        lower, above, k = share <= 0.5, 1 - share, self.index * self.sigma
        y = np.where(lower, special.ndtri(share), -special.ndtri(above / 2) - np.log(above / 2) / k)
        for _ in range(20):  # four in common cases, twelve if index sigma is 1e-5
            tail = self._tail(y)
            below, beyond = special.ndtr(y) - tail, special.ndtr(-y) + tail
            gap = np.where(lower, -below * np.log(below / share), beyond * np.log(beyond / above))
            y = y + gap / (k * tail)
            if np.all(np.abs(gap) <= 1e-9 * k * tail):
                break
        return self.scale * np.exp(self.sigma * y)

    def _cdf(self, income):
        y = np.log(income / self.scale) / self.sigma
        return special.ndtr(y) - self._tail(y)

    def _tail(self, y):
        """Return Phi(y) - F; times index sigma it is the density of y = ln(z / scale) / sigma."""
        k = self.index * self.sigma
        return np.exp(k**2 / 2 - k * y + special.log_ndtr(y - k))


class Uniform(AbstractDistribution):
    """Incomes spread evenly from `low` to `high` dollars.

    Raises:
        ValueError: low is negative, or high is not above it.
    """

    low: float
    high: float

    def __check_init__(self):
        if not 0 <= self.low < self.high < np.inf:
            raise ValueError(
                f"A uniform needs 0 <= low < high; got low = {self.low}, high = {self.high}."
            )

    @property
    def mean(self) -> float:
        """E[z], in dollars."""
        return (self.low + self.high) / 2

    def _quantile(self, share):
        return self.low + (self.high - self.low) * share

    def _cdf(self, income):
        return np.clip((income - self.low) / (self.high - self.low), 0, 1)


def shares(n: int, key: Key[Array, ""] | None = None) -> Float[np.ndarray, " n"]:
    """Return n shares in (0, 1): mid-points (i - 1/2)/n, or with a key independent uniform draws.

    Draws are the mid-points of 2^32 cells, on the host, the same in float32 and float64.

    Raises:
        ValueError: n is not a positive whole number, or a key inside `jit` or `vmap`.
    """
    if n < 1 or n != int(n):
        raise ValueError(
            f"A population needs a whole number of workers, at least one; got n = {n}."
        )
    if key is None:
        return (np.arange(n) + 0.5) / n
    bits = jax.random.bits(key, (int(n),), np.uint32)
    if not is_concrete(bits):
        raise ValueError(
            "Populations are drawn on the host: draw them outside jit and vmap, and stack them for "
            f"a batch. Got the traced key {key}."
        )
    return (np.asarray(bits, np.float64) + 0.5) / 2.0**32


_FAR = 660.0  # exp(-660) is near the smallest float


def _leading(p: float, q: float, log_v: ArrayLike) -> np.ndarray:
    """Return I_v(p, q) by its leading power v^p / (p B(p, q)), exact where v is next to 0."""
    return np.asarray(np.exp(p * np.minimum(log_v, -_FAR) - np.log(p) - special.betaln(p, q)))


def _log_beta_quantile(v: ArrayLike, p: float, q: float, log_share: ArrayLike) -> np.ndarray:
    """Return log v of I_v(p, q) = share, by the leading power where v is too small for a float."""
    least = np.exp(-_FAR)
    leading = (log_share + np.log(p) + special.betaln(p, q)) / p
    return np.where(v < least, leading, np.log(np.maximum(v, least)))


def _require_positive(**parameters: float) -> None:
    for name, value in parameters.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be positive and finite; got {name} = {value}.")


GB2_ACS_2023 = GB2(72402.78177917618, 2.0721070746154746, 0.48651871959386955, 1.1410398548220329)
"""Individual incomes, fitted to ACS 2023 as the LLM Economist (arXiv 2507.15815) states."""

GB2_SSA_2022 = GB2(68659.316, 5.3551273, 0.14743569, 0.36714319)
"""Net compensation of wage earners in 2022.

`fitting.fit_gb2` to `us_incomes("ssa_2022")` with its mean.
"""

GB2_CPS_2023 = GB2(71593.774, 3.3401350, 0.27215327, 0.62951792)
"""Money income of all with income in 2023: `fit_gb2` to `us_incomes("cps_2023")` with its mean.

The table says nothing of incomes above 100,000 dollars, 17 % of the people: there only the mean
does.
"""
