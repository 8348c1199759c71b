"""Types of workers in rising order, finitely many or a continuum, and what ties their utilities."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from econjax.optimal._panels import Panels


class Types(NamedTuple):
    """Types in rising order, and what ties their utilities together.

    `rents` gives the utility of each type above the lowest one's from everybody's cost of working,
    and is linear. `log_markup` gives log(1 / (1 - rate)) at the optimum for given welfare weights
    of mean 1, or for weights on the lowest type alone (None).
    """

    potential: Float[np.ndarray, " types"]
    weight: Float[np.ndarray, " types"]
    elasticity: float
    spending: float
    rents: Callable[[Float[np.ndarray, " types"]], Float[np.ndarray, " types"]]
    log_markup: Callable[[Float[np.ndarray, " types"] | None], Float[np.ndarray, " types"]]

    def best_cost(self, social: Float[np.ndarray, " types"] | None) -> Float[np.ndarray, " types"]:
        """Return the costs of working, in dollars, that are best for given welfare weights."""
        kept = np.exp(-(1 + self.elasticity) * self.log_markup(social))
        return self.potential * kept / (1 + 1 / self.elasticity)

    def mean(self, values: Float[np.ndarray, " types"]) -> float:
        """Return the mean over people."""
        return float(np.sum(self.weight * values))

    def income(self, cost: Float[np.ndarray, " types"]) -> Float[np.ndarray, " types"]:
        """Return what those earn who work at these costs, in dollars."""
        positive = np.where(self.potential > 0, self.potential, 1)
        power = 1 + 1 / self.elasticity
        return self.potential * (power * cost / positive) ** (1 / power)

    def utility(self, cost: Float[np.ndarray, " types"]) -> Float[np.ndarray, " types"]:
        """Return utilities where all revenue beyond spending is paid back."""
        rents = self.rents(cost)
        return rents + self.mean(self.income(cost) - cost - rents) - self.spending

    def gain(
        self, cost: Float[np.ndarray, " types"], move: Float[np.ndarray, " types"]
    ) -> Float[np.ndarray, " types"]:
        """Return the derivative of utility in the direction of a move of the costs."""
        rents = self.rents(move)
        # Cost is proportional to income^(1 + 1/e).
        earned = self.income(cost) / np.where(cost > 0, cost, 1) / (1 + 1 / self.elasticity) * move
        return rents + self.mean(earned - move - rents)


def finite_types(
    potential: Float[np.ndarray, " types"],
    weight: Float[np.ndarray, " types"],
    elasticity: float,
    spending: float,
) -> Types:
    """Return as many types as there are potential incomes, in rising order."""
    # To earn what the next lower type earns costs a type less than it, by this share of its cost.
    log_cost = -np.log(np.maximum(potential, np.finfo(float).tiny)) / elasticity
    saved = np.append(-np.expm1(np.diff(log_cost)), 0)

    def rents(cost: Float[np.ndarray, " types"]) -> Float[np.ndarray, " types"]:
        return np.append(0, np.cumsum((saved * cost)[:-1]))

    def log_markup(social: Float[np.ndarray, " types"] | None) -> Float[np.ndarray, " types"]:
        excess = weight if social is None else weight * (1 - social)
        above = np.append(np.cumsum(excess[:0:-1])[::-1], 0)
        alone = log_cost + np.log1p(np.maximum(saved * above / weight, 0))
        return _pooled(alone, weight) - log_cost

    return Types(potential, weight, elasticity, spending, rents, log_markup)


def _pooled(
    level: Float[np.ndarray, " types"], weight: Float[np.ndarray, " types"]
) -> Float[np.ndarray, " types"]:
    """Return the log of the falling sequence nearest to exp(level): the mean where pooled.

    Each run of types that can be pooled with one another is taken alone, so that no exponential
    overflows.
    """
    from scipy import optimize  # here: it is slow to import

    lowest_before = np.minimum.accumulate(level)[:-1]
    highest_after = np.maximum.accumulate(level[::-1])[::-1][1:]
    edges = np.flatnonzero(np.concatenate([[True], lowest_before >= highest_after, [True]]))
    pooled = level.copy()
    for run in np.flatnonzero(np.diff(edges) > 1):
        here = slice(edges[run], edges[run + 1])
        top = level[here].max()
        falling = optimize.isotonic_regression(
            np.exp(level[here] - top), weights=weight[here], increasing=False
        )
        pooled[here] = top + np.log(falling.x)
    return pooled


def continuous_types(panels: Panels, elasticity: float, spending: float) -> Types:
    """Return the types of a continuum, by panels."""

    def rents(cost: Float[np.ndarray, " types"]) -> Float[np.ndarray, " types"]:
        return panels.from_below(cost * panels.slope / elasticity)

    def log_markup(social: Float[np.ndarray, " types"] | None) -> Float[np.ndarray, " types"]:
        excess = panels.above if social is None else panels.from_above(1 - social)
        return np.log1p(np.maximum(excess, 0) * panels.slope / (elasticity * panels.spread))

    return Types(np.exp(panels.log_type), panels.weight, elasticity, spending, rents, log_markup)
