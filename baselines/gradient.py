"""Gradient ascent on the equivalent, with an optimiser from optax."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from econjax import BracketSchedule
from econjax.planning import Favourite, Report


class Ascent(NamedTuple):
    """Where the optimiser stands: `position` is -log(1 - rates), the next point to climb from.

    `idle` counts the evaluations since the favourite last gained, `reach` is the size of trial steps.
    """

    position: Float[Array, " brackets"]
    optimiser: optax.OptState
    favourite: Favourite
    idle: Int[Array, ""]
    reach: Float[Array, ""]


class GradientPlanner(NamedTuple):
    """Climb the gradient of the log equivalent in -log(1 - rate), from `start`; recommend the best seen.

    The log net-of-tax rate is the scale on which workers respond. The default optimiser is L-BFGS with
    every step cut to 0.5 in its largest component and no line search, so each evaluation is a step;
    pass any `optax.GradientTransformation` that minimises instead. Rates stay within [-0.8, 0.999]. A
    bracket that nobody is in has no gradient: start from rates at which somebody is.

    A finite population's equivalent has steps, one for each worker who jumps, which gradients cannot see.
    Once the climb has brought nothing for `patience` evaluations, the rest try random points near the best
    seen, further off after a gain and nearer after a failure (a (1+1) evolution strategy with the
    one-fifth rule, Rechenberg 1973).
    """

    start: BracketSchedule
    optimiser: optax.GradientTransformation = optax.chain(
        optax.scale_by_lbfgs(memory_size=10), optax.scale(-1.0), optax.clip(0.5)
    )
    patience: int = 6
    needs_gradient = True

    def init(self, key: Key[Array, ""]) -> Ascent:
        """Return the start."""
        position = _positions(self.start.rates)
        return Ascent(
            position,
            self.optimiser.init(position),
            Favourite.none(self.start),
            jnp.zeros((), int),
            jnp.full((), 0.001, position.dtype),
        )

    def ask(self, key: Key[Array, ""], state: Ascent) -> tuple[BracketSchedule, Ascent]:
        """Propose the optimiser's next point, or one near the favourite."""
        position = state.position
        if state.idle >= self.patience:
            best = _positions(state.favourite.schedule.rates)
            position = _bounded(best + state.reach * jax.random.normal(key, best.shape, best.dtype))
        return BracketSchedule(self.start.thresholds, -jnp.expm1(-position)), state

    def tell(self, state: Ascent, schedule: BracketSchedule, report: Report) -> Ascent:
        """Take a step along the gradient that was heard, or keep the trial point if it is better."""
        if report.gradient is None or not jnp.all(jnp.isfinite(report.gradient)):
            raise ValueError(
                f"No step can be taken from rates {schedule.rates} with gradient {report.gradient}."
            )
        gains = report.equivalent > state.favourite.equivalent
        favourite = state.favourite.or_better(schedule, report)
        if state.idle >= self.patience:
            return state._replace(favourite=favourite, reach=state.reach * (2.0 if gains else 0.84))
        slope = report.gradient / jnp.maximum(report.equivalent, 1.0)
        position, optimiser = _step(self.optimiser, state.position, state.optimiser, slope)
        return Ascent(position, optimiser, favourite, jnp.where(gains, 0, state.idle + 1), state.reach)

    def recommend(self, state: Ascent) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.favourite.schedule


@eqx.filter_jit
def _step(
    optimiser: optax.GradientTransformation, position: Float[Array, " brackets"], state, slope: Array
) -> tuple[Float[Array, " brackets"], optax.OptState]:
    """Return the position after a step up the `slope` in rates, and the optimiser's new state."""
    change, state = optimiser.update(-slope * jnp.exp(-position), state, position)
    return _bounded(jnp.asarray(optax.apply_updates(position, change))), state


_LOWEST, _HIGHEST = -0.8, 0.999


def _positions(rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
    return _bounded(-jnp.log1p(-jnp.minimum(rates, _HIGHEST)))


def _bounded(position: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
    return jnp.clip(position, -jnp.log1p(-_LOWEST), -jnp.log1p(-_HIGHEST))
