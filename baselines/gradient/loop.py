"""The climb of the gradient planner among rational workers as one loop that may be compiled."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from baselines.gradient.ascent import lbfgs
from baselines.gradient.parametrisation import AbstractCoordinates, LogNetRates
from econjax import BracketSchedule, Economy, equilibrium
from econjax.welfare import AbstractWelfare


class Climb(eqx.Module):
    """The best schedule of a climb and its equivalent, in dollars a year.

    `slope` is the steepest slope of the log equivalent that remains there in any coordinate,
    without what leads out of the bounds; `steps` counts evaluations.
    """

    schedule: BracketSchedule
    equivalent: Float[Array, ""]
    slope: Float[Array, ""]
    steps: Int[Array, ""]


def climbed(
    economy: Economy,
    start: BracketSchedule,
    welfare: AbstractWelfare,
    *,
    steps: int = 40,
    coordinates: AbstractCoordinates | None = None,
) -> Climb:
    """Return the best of the schedules that `GradientPlanner` climbs over, one each evaluation.

    Its first climb alone: no trials near the best one follow. May be compiled and batched. Where
    the equivalent is not finite, the next step goes half of the way back to the best.
    """
    where = LogNetRates() if coordinates is None else coordinates
    optimiser = lbfgs()

    def at(rates: Float[Array, " brackets"]) -> BracketSchedule:
        return eqx.tree_at(lambda law: law.rates, start, rates)

    def value(rates: Float[Array, " brackets"]) -> Float[Array, ""]:
        outcome = equilibrium(economy, at(rates)).outcome
        return welfare.equivalent(economy.population, outcome)

    def step(state: _State, _: None) -> tuple[_State, None]:
        rates = where.legal_rates(state.position)
        equivalent, gradient = jax.value_and_grad(value)(rates)
        known = jnp.isfinite(equivalent) & jnp.all(jnp.isfinite(gradient))
        gradient = jnp.where(known, gradient, 0) / jnp.maximum(equivalent, 1.0)
        slope = where.legal_slope(state.position, gradient)
        change, optimiser_state = optimiser.update(-slope, state.optimiser, state.position)
        ahead = where.nearest(jnp.asarray(optax.apply_updates(state.position, change)))
        better = known & (equivalent > state.equivalent)
        best = jnp.where(better, state.position, state.best)
        return _State(
            jnp.where(known, ahead, (state.position + best) / 2),
            jax.tree.map(
                lambda new, old: jnp.where(known, new, old), optimiser_state, state.optimiser
            ),
            best,
            jnp.where(better, equivalent, state.equivalent),
            jnp.where(better, jnp.max(jnp.abs(slope)), state.slope),
        ), None

    begin = where.position(where.bounds.nearest(start.rates))
    lost = jnp.full_like(economy.spending, -jnp.inf)
    first = _State(begin, optimiser.init(begin), begin, lost, -lost)
    end = jax.lax.scan(step, first, None, length=steps)[0]
    return Climb(at(where.legal_rates(end.best)), end.equivalent, end.slope, jnp.asarray(steps))


class _State(NamedTuple):
    position: Float[Array, " brackets"]
    optimiser: Any
    best: Float[Array, " brackets"]
    equivalent: Float[Array, ""]
    slope: Float[Array, ""]
