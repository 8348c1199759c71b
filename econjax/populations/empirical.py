"""Distributions known from data: published quantiles, and samples of incomes (microdata)."""

from typing import Literal

import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special

from econjax.population import REFERENCE_HOURS, Population
from econjax.populations.distributions import AbstractDistribution


def from_quantiles(
    n: int, key: Key[Array, ""] | None = None, *, shares: ArrayLike, incomes: ArrayLike
) -> Population:
    """Return n workers whose incomes at 40 hours a week have the published quantiles.

    `Quantiles` says how the gaps are filled and the tails continued.

    Raises:
        ValueError: n is not a positive whole number, or illegal quantiles.
    """
    return Quantiles(shares, incomes).population(n, key)


def from_incomes(
    incomes: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    n: int | None = None,
    key: Key[Array, ""] | None = None,
    losses: Literal["refused", "zero", "left out"] = "refused",
) -> Population:
    """Return the workers of a sample of incomes, taken to be earned in 40 hours a week.

    One worker per record, in the order of the sample; `weight`, equal if not given, is divided by
    its sum. With `n`, that many workers of equal weight instead: the sample's quantile grid, or
    with a key draws with replacement. `losses`, incomes below 0, which no hours of work explain,
    are refused, or count as no income, or are left out with their weight. Who has no income becomes
    a worker without skill.

    Raises:
        ValueError: an illegal sample (`Empirical`) or n, a key without n, or another word for
            `losses`.
    """
    sample = Empirical(*_without_losses(incomes, weight, losses))
    if n is not None:
        return sample.population(n, key)
    if key is not None:
        raise ValueError("A key draws workers from the sample: say how many with n.")
    return Population(skill=sample.incomes / REFERENCE_HOURS, weight=sample.weight)


_WAY_ON = "; from_incomes has `losses` for those below 0"


class Quantiles(AbstractDistribution):
    """A distribution through published quantiles: `shares` of people have at most these `incomes`.

    Log income is a monotone cubic function of the log odds of the share (Fritsch and Carlson 1980,
    SIAM Journal on Numerical Analysis 17, 238-246), so a Fisk distribution is met exactly. Beyond
    the first and the last quantile the straight line through the nearest two goes on: both tails
    are Pareto.

    Quantiles that are equal say that the people between have the same income. Where the first are
    0, nobody up to the last such share has an income.

    Raises:
        ValueError: not two flat lists of one length; shares that do not rise strictly within
            (0, 1); incomes that fall, or are negative or infinite, or fewer than two above 0.
    """

    shares: Float[np.ndarray, " quantiles"]
    incomes: Float[np.ndarray, " quantiles"]

    def __init__(self, shares: ArrayLike, incomes: ArrayLike):
        self.shares, self.incomes = np.asarray(shares, np.float64), np.asarray(incomes, np.float64)
        if self.shares.ndim != 1 or self.shares.shape != self.incomes.shape or self.shares.size < 2:
            raise ValueError(
                "Quantiles are two flat lists of one length, at least 2; "
                f"got shapes {self.shares.shape} and {self.incomes.shape}."
            )
        shares, incomes = self.shares, self.incomes
        if not (shares[0] > 0 and shares[-1] < 1 and np.all(np.diff(shares) > 0)):
            raise ValueError(
                f"shares must rise strictly between 0 and 1, neither included; got "
                f"{shares.tolist()}."
            )
        rising = incomes[0] >= 0 and incomes[-1] < np.inf and np.all(np.diff(incomes) >= 0)
        if not rising or np.sum(incomes > 0) < 2:
            raise ValueError(
                "incomes must not fall between 0 and inf, and two must be above 0; got "
                f"{incomes.tolist()}."
            )

    @property
    def mean(self) -> float:
        """E[z] in dollars by quadrature between quantiles; infinite unless the tail's index > 1."""
        shares, incomes = self._positive
        x = special.logit(shares)
        slope = np.diff(np.log(incomes)) / np.diff(x)
        if slope[-1] >= 1:
            return np.inf
        nodes, weights = np.polynomial.legendre.leggauss(40)
        half = np.diff(x)[:, None] / 2
        at = x[:-1, None] + half * (1 + nodes)
        density = special.expit(at) * special.expit(-at)
        between = np.sum(half * weights * density * np.exp(self._log_income(at)))
        below = incomes[0] * _beyond(shares[0], slope[0])
        if self._idle > 0:
            ends = special.logit(self._idle) - x[0]
            below -= incomes[0] * np.exp(slope[0] * ends) * _beyond(self._idle, slope[0])
        return float(below + between + incomes[-1] * _beyond(1 - shares[-1], -slope[-1]))

    @property
    def _positive(self) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
        """The quantiles above 0."""
        return self.shares[self.incomes > 0], self.incomes[self.incomes > 0]

    @property
    def _idle(self) -> float:
        """The share of people without an income."""
        return float(self.shares[self.incomes == 0].max(initial=0.0))

    def _quantile(self, share):
        return np.where(share <= self._idle, 0.0, np.exp(self._log_income(special.logit(share))))

    def _cdf(self, income):
        log_income = np.log(income)
        low, high = np.full_like(log_income, -700.0), np.full_like(log_income, 700.0)
        for _ in range(80):  # halvings, until the log odds differ by less than their rounding
            middle = (low + high) / 2
            below = self._log_income(middle) <= log_income + 4 * np.finfo(np.float64).eps
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.maximum(special.expit((low + high) / 2), self._idle)

    def _log_income(self, log_odds):
        from scipy import interpolate  # here: it is slow to import

        shares, incomes = self._positive
        x, y = special.logit(shares), np.log(incomes)
        slope = np.diff(y) / np.diff(x)
        inner = interpolate.PchipInterpolator(x, y)(np.clip(log_odds, x[0], x[-1]))
        below, above = np.minimum(log_odds - x[0], 0), np.maximum(log_odds - x[-1], 0)
        return inner + slope[0] * below + slope[-1] * above


class Empirical(AbstractDistribution):
    """The distribution of a sample of incomes, with a sampling `weight` each (equal if not given).

    Weights need not sum to 1. The quantile function is a staircase: it returns incomes of the
    sample only.

    Raises:
        ValueError: not flat or of unequal lengths, a negative or infinite income or weight, or no
        weight.
    """

    incomes: Float[np.ndarray, " records"]
    weight: Float[np.ndarray, " records"]

    def __init__(self, incomes: ArrayLike, weight: ArrayLike | None = None):
        incomes = np.asarray(incomes, np.float64)
        weight = np.ones_like(incomes) if weight is None else np.asarray(weight, np.float64)
        if incomes.ndim != 1 or weight.shape != incomes.shape:
            raise ValueError(
                f"incomes and weight are flat arrays of one length; got {incomes.shape} and "
                f"{weight.shape}."
            )
        for name, values in (("incomes", incomes), ("weight", weight)):
            bad = ~((values >= 0) & (values < np.inf))
            if bad.any():
                raise ValueError(
                    f"{name} must be finite and 0 or more: mend or leave out {values[bad][0]}, "
                    f"entry {np.argmax(bad)}{_WAY_ON * (name == 'incomes')}."
                )
        if not weight.sum() > 0:
            raise ValueError(
                f"A sample needs a positive weight; got {weight.sum()} in {weight.size} records."
            )
        self.incomes, self.weight = incomes, weight / weight.sum()

    @property
    def mean(self) -> float:
        """The weighted mean of the sample, in dollars."""
        return float(self.weight @ self.incomes)

    def _quantile(self, share):
        order = np.argsort(self.incomes, kind="stable")
        reached = np.cumsum(self.weight[order])
        # A share that is the share reached, but for the rounding of the sum, is reached.
        rounding = (4 + reached.size) * np.finfo(np.float64).eps
        return self.incomes[order][np.searchsorted(reached / reached[-1], share * (1 - rounding))]

    def _cdf(self, income):
        order = np.argsort(self.incomes, kind="stable")
        reached = np.append(0.0, np.cumsum(self.weight[order]))
        return reached[np.searchsorted(self.incomes[order], income, side="right")] / reached[-1]


def _without_losses(
    incomes: ArrayLike, weight: ArrayLike | None, losses: str
) -> tuple[ArrayLike, ArrayLike | None]:
    if losses not in ("refused", "zero", "left out"):
        raise ValueError(f'losses are "refused", "zero" or "left out"; got {losses!r}.')
    if losses == "refused":
        return incomes, weight
    incomes = np.asarray(incomes, np.float64)
    if losses == "zero":
        return np.where(incomes < 0, 0, incomes), weight
    kept = ~(incomes < 0)
    if weight is None or np.shape(weight) != kept.shape:
        return incomes[kept], weight
    return incomes[kept], np.asarray(weight)[kept]


def _beyond(share: float, slope: float) -> float:
    """Return the integral of ((u / (1 - u)) / (share / (1 - share)))^slope from u = 0 to share."""
    return share * (1 - share) / (1 + slope) * special.hyp2f1(1, 2, 2 + slope, share)
