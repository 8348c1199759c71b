"""The best tax schedule of all where utility is U(c) - V(l) and labor falls with wealth.

The problem is that of Mirrlees (1971). Computed on the host in float64. A worker is its wage w: l
units of labor earn w l, in any unit of account.
"""

import abc
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from econjax.optimal._panels import Panels, Quantile, rate_at

_Nodes = Float[np.ndarray, " nodes"]


class AbstractDisutility(abc.ABC):
    """A convex disutility V of labor, 0 without labor."""

    @abc.abstractmethod
    def value(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return V(l)."""

    @abc.abstractmethod
    def labor(self, marginal: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the labor at which V'(l) is `marginal`; 0 if V' is above it everywhere."""

    @abc.abstractmethod
    def curvature(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return l V''(l) / V'(l)."""


@dataclass(frozen=True)
class PowerDisutility(AbstractDisutility):
    """V = scale * l^exponent, the disutility of `Isoelastic` preferences and taste 1.

    Raises:
        ValueError: a scale that is not positive, or an exponent not above 1.
    """

    scale: float
    exponent: float

    def __post_init__(self):
        if not (self.scale > 0 and self.exponent > 1):
            raise ValueError(
                f"V = scale * l^exponent needs scale > 0 and exponent > 1; got {self}."
            )

    def value(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return scale * l^exponent."""
        return self.scale * labor**self.exponent

    def labor(self, marginal: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return (marginal / (scale * exponent))^(1 / (exponent - 1))."""
        return (marginal / (self.scale * self.exponent)) ** (1 / (self.exponent - 1))

    def curvature(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return exponent - 1."""
        return np.full_like(labor, self.exponent - 1)


@dataclass(frozen=True)
class LogLeisure(AbstractDisutility):
    """V = -log(1 - l), with l a share of the time there is (the example of Mirrlees 1971)."""

    def value(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return -log(1 - l)."""
        return -np.log1p(-labor)

    def labor(self, marginal: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return 1 - 1 / marginal, or 0."""
        return 1 - 1 / np.maximum(marginal, 1)

    def curvature(self, labor: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return l / (1 - l)."""
        return labor / (1 - labor)


class SeparableOptimum(NamedTuple):
    """The optimum over all schedules, and how well it was computed.

    `welfare` is mean utility, `lowest` the consumption of the lowest type and `mean_income` the
    mean of w l, in the unit of account. The arrays follow the types in rising order but for a share
    of 1e-12 at either end: share of people below, labor, income, consumption and marginal rate.
    `gap` is the mean relative error of the workers' first-order condition at the formula's rates.
    If not `monotone`, incomes fall somewhere, where types would have to be pooled, and no schedule
    reaches `welfare`.
    """

    welfare: float
    lowest: float
    mean_income: float
    below: Float[np.ndarray, " nodes"]
    labor: Float[np.ndarray, " nodes"]
    income: Float[np.ndarray, " nodes"]
    consumption: Float[np.ndarray, " nodes"]
    rate: Float[np.ndarray, " nodes"]
    gap: float
    converged: bool
    monotone: bool

    def marginal_rate(self, income: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return the marginal rate at incomes that somebody earns.

        Raises:
            ValueError: an income that nobody earns, or an optimum that is not monotone.
        """
        return rate_at(income, self.income, self.rate, monotone=self.monotone)


def mirrlees_separable(
    quantile: Quantile, *, curvature: float, disutility: AbstractDisutility, spending: float = 0.0
) -> SeparableOptimum:
    """Return the schedule that maximises the mean of U(c) - V(l), with U' = c^(-curvature).

    t / (1 - t) = (1 + l V''/V') U'(c) / (w f) * integral above w of (1/U'(c) - E[1/U'(c)]) dF,
    where wages have the density f (Mirrlees 1971; Saez 2001, section 4). Damped fixed point on
    V'(l) = (1 - t) w U'(c) and the budget line c' = (1 - t) z', from a flat tax of one half;
    `converged` says whether it was reached. E[1/U'(c)] must be finite, which thick tails and a high
    curvature may prevent. `quantile(below, above)` gives wages by the shares of people below and
    above, as in `mirrlees_continuum`; `spending` is per head.

    Raises:
        ValueError: a curvature that is not positive, spending that leaves somebody nothing to
            consume, a `quantile` that falls, or is not positive and finite in the far tails, or
            incomes without a mean.
    """
    if not curvature > 0:
        raise ValueError(f"curvature must be positive (1: log utility); got {curvature}.")
    wages = Panels(quantile)
    labor, income, consumption, net, worth, gap = _fixed_point(
        wages, curvature, disutility, spending
    )
    cost, converged, inner = disutility.value(labor), gap < _CLOSE, wages.inner
    utility = _utility(consumption, curvature) - cost
    if converged:
        wages.require_mean(income)
        # Rents integrate the worker's condition more exactly than the budget line does where work
        # begins.
        rents = wages.from_below(labor * worth * wages.slope)
        middle = int(np.searchsorted(wages.log_odds, 0))
        utility[:middle] = utility[middle] + rents[:middle] - rents[middle]
        consumption[:middle] = _consumption(utility[:middle] + cost[:middle], curvature)
    return SeparableOptimum(
        welfare=float(wages.weight @ utility),
        lowest=float(consumption[0]),
        mean_income=float(wages.weight @ income),
        below=wages.below[inner],
        labor=labor[inner],
        income=income[inner],
        consumption=consumption[inner],
        rate=1 - net[inner],
        gap=gap,
        converged=converged,
        monotone=wages.mostly_rising(income),
    )


def _fixed_point(
    wages: Panels, curvature: float, disutility: AbstractDisutility, spending: float
) -> tuple[_Nodes, _Nodes, _Nodes, _Nodes, _Nodes, float]:
    """Return labor, income, consumption, net-of-tax rates, w (1 - t) U'(c), its gap to V'(l)."""
    wage = np.exp(wages.log_type)
    net, marginal = np.full_like(wage, 0.5), _flat_tax(wages, curvature, disutility)
    gap, share, step = np.inf, 1.0, 0
    while True:
        labor = disutility.labor(marginal)
        income = wage * labor
        kept = wages.from_below(net * wages.derivative(income))
        budget = kept + wages.weight @ (income - kept) - spending
        consumption = np.maximum(budget, _LEAST * (wages.weight @ income))
        bend = disutility.curvature(labor)
        if step >= _FLAT_STEPS:
            cost = consumption**curvature
            above = wages.from_above(cost - wages.weight @ cost)
            odds = (1 + bend) / cost * np.maximum(above, 0) * wages.slope / wages.spread
            net = 1 / (1 + odds)
        worth = net * wage * consumption**-curvature
        before, gap = gap, float(wages.weight @ np.abs(worth / marginal - 1))
        if (step > _FLAT_STEPS and gap < _CLOSE) or step == _MOST_STEPS:
            break
        share = (
            max(share / 2, 0.02) if gap > before and step != _FLAT_STEPS else min(1.1 * share, 1.0)
        )
        # Consumption rises with a type's own labor, and brings down what more labor is worth to it.
        works = bend > 0
        damping = (
            1 + curvature * np.where(works, income / np.where(works, bend, 1), 0) / consumption
        )
        marginal = marginal * np.exp(np.clip(share / damping * np.log(worth / marginal), -1, 1))
        step += 1
    if budget[0] <= 0:
        raise ValueError(
            f"Spending of {spending} a head leaves the lowest type nothing to consume: lower it "
            f"(mean income is about {wages.weight @ income:.6g})."
        )
    return labor, income, consumption, net, worth, gap


_FLAT_STEPS = 40
_MOST_STEPS = 600
_CLOSE = 1e-11
_LEAST = 1e-6


def _flat_tax(
    wages: Panels, curvature: float, disutility: AbstractDisutility
) -> Float[np.ndarray, " nodes"]:
    """Return V' of everybody's labor, about, if half of all is shared out equally; by bisection."""
    wage = np.exp(wages.log_type)
    middle = wage[[np.searchsorted(wages.log_odds, 0)]]

    def marginal(wage: Float[np.ndarray, " types"], shared: float) -> Float[np.ndarray, " types"]:
        low, high = np.full_like(wage, -300.0), np.full_like(wage, 300.0)
        for _ in range(40):
            tried = (low + high) / 2
            with np.errstate(over="ignore", divide="ignore"):
                consumption = (wage * disutility.labor(np.exp(tried)) + shared) / 2
                wanted = np.log(wage / 2) - curvature * np.log(consumption) > tried
            low, high = np.where(wanted, tried, low), np.where(wanted, high, tried)
        return np.exp(low)

    alone = middle * disutility.labor(marginal(middle, 0.0))
    return marginal(wage, float(alone[0]))


def _utility(
    consumption: Float[np.ndarray, " nodes"], curvature: float
) -> Float[np.ndarray, " nodes"]:
    log, power = np.log(consumption), 1 - curvature
    return log if power == 0 else np.expm1(power * log) / power


def _consumption(
    utility: Float[np.ndarray, " nodes"], curvature: float
) -> Float[np.ndarray, " nodes"]:
    power = 1 - curvature
    return np.exp(utility if power == 0 else np.log1p(power * utility) / power)
