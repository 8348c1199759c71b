"""Bounds on marginal rates that hold for every schedule proposed."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from econjax.schedule import BracketSchedule


@dataclass(frozen=True)
class RateBounds:
    """The least and the highest rate, as shares, of all brackets or of each; whether they may fall.

    They belong to the problem: all planners who are compared keep the same ones. By default no
    rate is negative and none takes more than the dollar.

    One number is for all brackets, a tuple has one for each. With `rising` rates, each is at least
    the one below it: the schedule is progressive at the margin, and no worker jumps.

    Raises:
        ValueError: a limit outside [-1, 1], or bounds that no schedule can keep.
    """

    floor: float | tuple[float, ...] = 0.0
    cap: float | tuple[float, ...] = 1.0
    rising: bool = False

    def __post_init__(self):
        for limit in (self.floor, self.cap):
            if not all(
                -1 <= value <= 1 for value in (limit if isinstance(limit, tuple) else (limit,))
            ):
                raise ValueError(
                    f"Bounds of rates are shares of a dollar between -1 and 1; got {limit}."
                )
        sizes = {len(limit) for limit in (self.floor, self.cap) if isinstance(limit, tuple)}
        if len(sizes) > 1:
            raise ValueError(
                f"floor and cap have one number for each bracket; got {sizes} numbers."
            )
        floor, cap = (np.atleast_1d(limit) for limit in (self.floor, self.cap))
        if np.any((np.maximum.accumulate(floor) if self.rising else floor) > cap):
            raise ValueError(
                f"No {'rising ' * self.rising}rates are at least {self.floor} and at most "
                f"{self.cap}: lower a floor or lift a cap."
            )

    def each_of(
        self, rates: Float[Array, "*groups brackets"]
    ) -> tuple[Float[Array, "*groups brackets"], Float[Array, "*groups brackets"]]:
        """Return `each` for all rates of a schedule, in their shape."""
        floor, cap = self.each(rates.shape[-1])
        return jnp.broadcast_to(floor, rates.shape), jnp.broadcast_to(cap, rates.shape)

    def each(self, brackets: int) -> tuple[Float[Array, " brackets"], Float[Array, " brackets"]]:
        """Return the least and the highest rate that each bracket can have, given the others.

        Raises:
            ValueError: limits for another number of brackets.
        """
        for limit in (self.floor, self.cap):
            if isinstance(limit, tuple) and len(limit) != brackets:
                raise ValueError(
                    f"The bounds are for {len(limit)} brackets, and the schedule has {brackets}."
                )
        floor, cap = (
            jnp.broadcast_to(jnp.asarray(limit), (brackets,)) for limit in (self.floor, self.cap)
        )
        return (
            (jax.lax.cummax(floor), jax.lax.cummin(cap, reverse=True))
            if self.rising
            else (floor, cap)
        )

    def box(self, brackets: int) -> Float[np.ndarray, "brackets 2"]:
        """Return the least and the highest rate of each bracket, side by side, on the host."""
        return np.stack([np.asarray(end, np.float64) for end in self.each(brackets)], axis=1)

    def interior(self, brackets: int) -> Float[np.ndarray, "brackets 2"]:
        """Return the same where something of a dollar must be kept: rates of 99.9 % at most."""
        return np.minimum(self.box(brackets), MOST)

    def interior_of(self, rates: Float[Array, "*groups brackets"]) -> Float[np.ndarray, "rates 2"]:
        """Return `interior` for all rates of a schedule, of one group after the other."""
        return np.tile(self.interior(rates.shape[-1]), (rates.size // rates.shape[-1], 1))

    def keep(self, schedule: BracketSchedule) -> BracketSchedule:
        """Return the nearest schedule within the bounds, which are those of every group."""
        return BracketSchedule(schedule.thresholds, self.nearest(schedule.rates))

    def __str__(self) -> str:
        """Say the bounds in words."""
        floor, cap = (
            " ".join(f"{100 * value:g}" for value in np.atleast_1d(end))
            for end in (self.floor, self.cap)
        )
        return f"from {floor} % to {cap} %" + ", never falling" * self.rising

    def nearest(self, rates: Float[Array, "*groups brackets"]) -> Float[Array, "*groups brackets"]:
        """Return the legal rates nearest to the given ones, which are themselves if legal."""
        return nearest(rates, *self.each(rates.shape[-1]), rising=self.rising)


MOST = 0.999
"""The highest rate that planners try who count in -log(1 - rate), which has no end at 1."""
USUAL_BOUNDS, INTERIOR = RateBounds(), RateBounds(cap=MOST)
"""The bounds of planners who are given no others, and of those who need something to be kept."""


@eqx.filter_jit
def nearest(
    values: Float[Array, "*groups brackets"],
    floor: Float[Array, " brackets"],
    cap: Float[Array, " brackets"],
    *,
    rising: bool,
) -> Float[Array, "*groups brackets"]:
    """Return the nearest values (least squares) between floor and cap, not falling if `rising`.

    Bounds of rising values must not fall. Then entry i is the highest over a <= i of the lowest
    over b >= i of mean(values[a..b]), which counts as at least floor[b] and at most cap[a]: the
    formula of isotonic regression (Barlow et al. 1972), here with bounds. The result keeps to them,
    and rises, to the last bit.
    """
    if not rising:
        return jnp.clip(values, *(jnp.broadcast_to(end, values.shape) for end in (floor, cap)))
    if values.ndim > 1:
        return jax.vmap(lambda own: nearest(own, floor, cap, rising=True))(values)
    places = jnp.arange(values.shape[0])
    first, last = places[:, None], places[None, :]
    total = jnp.append(jnp.zeros_like(values[:1]), jnp.cumsum(values))
    mean = (total[None, 1:] - total[:-1, None]) / jnp.maximum(last - first + 1, 1)
    lowest = jax.lax.cummin(jnp.clip(mean, floor[None, :], cap[:, None]), axis=1, reverse=True)
    highest = jnp.max(jnp.where(first <= last, lowest, -jnp.inf), axis=0)
    return jnp.where(_legal(values, floor, cap), values, highest)


def _legal(
    values: Float[Array, " brackets"],
    floor: Float[Array, " brackets"],
    cap: Float[Array, " brackets"],
) -> Bool[Array, ""]:
    return jnp.all((values >= floor) & (values <= cap)) & jnp.all(jnp.diff(values) >= 0)
