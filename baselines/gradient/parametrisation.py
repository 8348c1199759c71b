"""Coordinates in which a planner moves rates, so that each point it reaches is a legal schedule."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from econjax.bounds import INTERIOR, MOST, RateBounds, nearest


class AbstractCoordinates(eqx.Module):
    """Positions that stand for rates within bounds: where an optimiser is, instead of the rates."""

    bounds: eqx.AbstractVar[RateBounds]

    @abc.abstractmethod
    def position(self, rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the position of rates, or that of the nearest legal ones."""

    @abc.abstractmethod
    def rates(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the rates of a position, legal ones up to rounding if the position is."""

    @abc.abstractmethod
    def nearest(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the nearest legal position."""

    @abc.abstractmethod
    def slope(
        self, position: Float[Array, " brackets"], gradient: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return the gradient in the position of what has this `gradient` in the rates there."""

    def legal_rates(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the rates of a position, within the bounds to the last bit."""
        return self.bounds.nearest(self.rates(position))

    def legal_slope(
        self, position: Float[Array, " brackets"], gradient: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return the slope without what leads out of the bounds (the projected gradient).

        It is 0 where the first-order conditions of Karush, Kuhn and Tucker hold.
        """
        slope = self.slope(position, gradient)
        steepest = jnp.max(jnp.abs(slope))
        reach = 0.01 / jnp.where(steepest > 0, steepest, 1)
        there = position + reach * slope
        return slope - (there - self.nearest(there)) / reach


class LogNetRates(AbstractCoordinates):
    """Positions are -log(1 - rate), the scale on which workers respond, projected to the bounds.

    They end at a rate of 99.9 %, if not before.
    """

    bounds: RateBounds = eqx.field(static=True, default=INTERIOR)

    def position(self, rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return -log(1 - rates)."""
        return self.nearest(-jnp.log1p(-jnp.minimum(self.bounds.nearest(rates), MOST)))

    def rates(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return 1 - exp(-position)."""
        return -jnp.expm1(-position)

    def nearest(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the projection in coordinates in which bounds are limits and order is order."""
        floor, cap = (
            -jnp.log1p(-jnp.minimum(end, MOST)) for end in self.bounds.each(position.shape[-1])
        )
        return nearest(position, floor, cap, rising=self.bounds.rising)

    def slope(
        self, position: Float[Array, " brackets"], gradient: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return the gradient times 1 - rate."""
        return gradient * jnp.exp(-position)


class PlainRates(AbstractCoordinates):
    """Positions are the rates themselves, projected to the bounds."""

    bounds: RateBounds = eqx.field(static=True, default=INTERIOR)

    def position(self, rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the rates."""
        return self.bounds.nearest(rates)

    def rates(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the position."""
        return position

    def nearest(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the nearest legal rates."""
        return self.bounds.nearest(position)

    def slope(
        self, position: Float[Array, " brackets"], gradient: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return the gradient."""
        return gradient


class Squashed(AbstractCoordinates):
    """Any position is legal: its logistic says how far a rate is from least to highest possible.

    Where rates must rise, the least possible is the rate of the bracket below. Positions are kept
    within [-8, 8]: a rate comes as near to a limit as 0.03 % of the way, and the nearer it is the
    slower it moves.
    """

    bounds: RateBounds = eqx.field(static=True, default=INTERIOR)

    def position(self, rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the log odds of each rate's way from the least to the highest."""
        rates = self.bounds.nearest(rates)
        least, cap = self.bounds.each_of(rates)
        if self.bounds.rising:
            least = least.at[..., 1:].set(jnp.maximum(least[..., 1:], rates[..., :-1]))
        way = jnp.clip((rates - least) / jnp.where(cap > least, cap - least, 1), 1e-4, 1 - 1e-4)
        return self.nearest(jnp.log(way) - jnp.log1p(-way))

    def rates(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the rates, from the lowest bracket up."""
        way, (floor, cap) = jax.nn.sigmoid(position), self.bounds.each_of(position)
        if not self.bounds.rising:
            return floor + (cap - floor) * way
        floor, cap, way = (jnp.moveaxis(values, -1, 0) for values in (floor, cap, way))
        rates = [floor[0] + (cap[0] - floor[0]) * way[0]]
        for least, highest, share in zip(floor[1:], cap[1:], way[1:], strict=True):
            least = jnp.maximum(least, rates[-1])
            rates.append(least + (highest - least) * share)
        return jnp.stack(rates, axis=-1)

    def nearest(self, position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        """Return the position, cut to [-8, 8]."""
        return jnp.clip(position, -8, 8)

    def slope(
        self, position: Float[Array, " brackets"], gradient: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return the gradient times the derivative of the rates."""
        return jax.vjp(self.rates, position)[1](gradient)[0]
