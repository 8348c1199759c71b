"""A continuum of types: integrals and derivatives on Gauss-Legendre panels.

The panels divide the log odds of the share below.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial import legendre
from numpy.typing import ArrayLike
from scipy import special

Quantile = Callable[
    [Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]], Float[np.ndarray, " nodes"]
]
"""Types by the shares of people below and above: with both given, neither tail loses digits."""


class Panels:
    """Nodes over a continuous distribution of positive types, in rising order.

    `below` and `above` are the shares of people on either side of a node, `spread` is below * above
    (the density of log odds), `weight` the share that a node stands for, `log_type` the log of the
    type and `slope` its derivative with respect to log odds. `inner` leaves out a share of 1e-12 at
    either end.

    Raises:
        ValueError: `quantile` falls somewhere, or gives types that are not positive and finite.
    """

    def __init__(self, quantile: Quantile):
        # The far lower tail matters only for the utility of types near 0: it may end where floats
        # do.
        far, near = np.linspace(-700, -30, 670, endpoint=False), np.linspace(-30, 80, 331)
        edges = np.concatenate([far, near])
        nodes, self._gauss = legendre.leggauss(_NODES)
        half = np.diff(edges)[:, None] / 2
        log_odds = (edges[:-1] + edges[1:])[:, None] / 2 + half * nodes
        types = np.asarray(
            quantile(special.expit(log_odds).ravel(), special.expit(-log_odds).ravel())
        )
        types = types.reshape(log_odds.shape)
        rises = np.all(types > 0, axis=1) & np.all(np.diff(types) >= -1e-9 * types[:, 1:], axis=1)
        first = far.size - int(np.argmin(np.append(rises[: far.size][::-1], False)))
        if not np.all(rises[far.size :] & np.all(np.isfinite(types[far.size :]), axis=1)):
            raise ValueError(
                "quantile(below, above) must give rising, positive and finite types, even where a "
                "share is 1e-30: compute the upper half from `above`, not from 1 - `below`."
            )
        self._half, types, self.log_odds = half[first:], types[first:], log_odds[first:].ravel()
        self.below, self.above = special.expit(self.log_odds), special.expit(-self.log_odds)
        self.spread = self.below * self.above
        self.weight = self.spread * (self._gauss * self._half).ravel()
        self.inner: Bool[np.ndarray, " nodes"] = (self.below > 1e-12) & (self.above > 1e-12)
        values = np.linalg.inv(legendre.legvander(nodes, _NODES - 1))
        unit = np.eye(_NODES)
        self._integrate = (legendre.legval(nodes, legendre.legint(unit, lbnd=-1)).T @ values).T
        self._derive = (legendre.legval(nodes, legendre.legder(unit)).T @ values).T
        self.log_type = np.log(types).ravel()
        self.slope = np.maximum(self.derivative(self.log_type), 0)

    def derivative(self, values: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the derivative with respect to log odds."""
        return (values.reshape(-1, _NODES) @ self._derive / self._half).ravel()

    def from_below(self, density: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the integral of a density of log odds from the lowest end up to each node."""
        rows = density.reshape(-1, _NODES) * self._half
        whole = rows @ self._gauss
        return ((np.cumsum(whole) - whole)[:, None] + rows @ self._integrate).ravel()

    def from_above(self, excess: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the sum over people above each node of an excess that sums to 0 over everyone."""
        rows = (self.spread * excess).reshape(-1, _NODES) * self._half
        whole, within = rows @ self._gauss, rows @ self._integrate
        below = (np.cumsum(whole) - whole)[:, None] + within + self.below[0] * excess[0]
        above = np.cumsum(whole[::-1])[::-1][:, None] - within + self.above[-1] * excess[-1]
        # Either sum has its digits in its own tail.
        return np.where(self.log_odds < 0, -below.ravel(), above.ravel())

    def require_mean(self, values: Float[np.ndarray, " nodes"]) -> None:
        """Raise a ValueError if a visible part of positive values' mean is beyond the last node."""
        mean, tail = self.weight @ values, self.above[-1] * values[-1]
        if not tail < 1e-6 * mean:
            raise ValueError(
                f"The highest share {self.above[-1]:.0e} of types has {tail / mean:.2g} or more of "
                "the mean, which may be infinite: use a thinner upper tail (a Pareto index above "
                "1.3)."
            )

    def mostly_rising(self, income: Float[np.ndarray, " nodes"]) -> bool:
        """Return whether income rises with type but for rounding and 1e-6 of people at each end."""
        inner = income[(self.below > 1e-6) & (self.above > 1e-6)]
        return bool(np.all(inner >= np.maximum.accumulate(inner) * (1 - 1e-7)))


def rate_at(
    income: ArrayLike,
    incomes: Float[np.ndarray, " nodes"],
    rates: Float[np.ndarray, " nodes"],
    *,
    monotone: bool,
) -> Float[np.ndarray, "*shape"]:
    """Return marginal rates at given incomes, by a cubic spline over the log of the nodes' incomes.

    Raises:
        ValueError: an income that nobody earns, or incomes that are not monotone.
    """
    if not monotone:
        raise ValueError(
            "Incomes fall with the type somewhere, so no schedule has these marginal rates."
        )
    income = np.asarray(income, np.float64)
    log, rates = np.log(incomes[incomes > 0]), rates[incomes > 0]
    # From the middle outward, so that rounding at the ends, where types hardly differ, stays there.
    middle = log.size // 2
    down = np.diff(np.minimum.accumulate(log[middle::-1])) < -1e-9
    up = np.diff(np.maximum.accumulate(log[middle:])) > 1e-9
    apart = np.concatenate([down[::-1], [True], up])
    log, rates = log[apart], rates[apart]
    if np.any((income < np.exp(log[0])) | (income > np.exp(log[-1]))):
        raise ValueError(
            f"Rates are known where people are, at incomes of {np.exp(log[0]):.6g} to "
            f"{np.exp(log[-1]):.6g}; got {income.tolist()}."
        )
    from scipy import interpolate  # here: it is slow to import

    return interpolate.CubicSpline(log, rates)(np.log(income))


_NODES = 8
