"""What one outcome is worth beside another: the gain in everybody's consumption that equals it."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from econjax._arrays import require
from econjax._compiled import compiled
from econjax.economy import Economy, Outcome, utility_of
from econjax.welfare.functions import AbstractWelfare, require_dollars


def consumption_equivalent_gain(
    economy: Economy, before: Outcome, after: Outcome, welfare: AbstractWelfare
) -> Float[Array, ""]:
    """Return by what share everyone's consumption in `before` must rise to be as good as `after`.

    Labor is held as it was: g solves welfare(u((1 + g) c, l)) = welfare of `after` (Lucas 1987), by
    bisection in log(1 + g), with the derivative of the implicit function. With the mean of log
    utility as welfare it is exp(difference) - 1. Welfare has to rise with g, as it does if nobody's
    consumption in `before` is negative; where it is flat in between, g is one of the solutions.

    Raises:
        ValueError: welfare that `require_dollars` refuses; or (under `jit`, when the function runs)
            no 1 + g from 1/1000 to 1000 is a solution, or welfare is the same at both.
    """
    require_dollars(economy, welfare)
    return _uniform_gain(economy, before, after, welfare)


@compiled
def _uniform_gain(
    economy: Economy, before: Outcome, after: Outcome, welfare: AbstractWelfare
) -> Float[Array, ""]:
    def scaled(log_growth: Float[Array, ""]) -> Float[Array, ""]:
        consumption = jnp.exp(log_growth) * before.consumption
        utility = utility_of(economy, consumption, before.labor)
        outcome = eqx.tree_at(lambda o: (o.consumption, o.utility), before, (consumption, utility))
        return welfare.equivalent(economy.population, outcome)

    aim = welfare.equivalent(economy.population, after)
    most = jnp.full_like(aim, jnp.log(1000.0))
    least_aim_most = jnp.stack([scaled(-most), aim, scaled(most)])
    reached = jnp.all(jnp.diff(least_aim_most) >= 0) & (least_aim_most[0] < least_aim_most[2])
    aim = require(least_aim_most, reached, _OUT_OF_REACH)[1]

    def closer(step: Int[Array, ""], log_growth: Float[Array, ""]) -> Float[Array, ""]:
        return log_growth + jnp.sign(aim - scaled(log_growth)) * most * 0.5 ** (step + 1)

    root = jax.lax.stop_gradient(jax.lax.fori_loop(0, 60, closer, jnp.zeros_like(aim)))
    value, slope = jax.value_and_grad(scaled)(root)
    # Nothing in value; in derivative, what the implicit function theorem says.
    excess = (value - aim) - jax.lax.stop_gradient(value - aim)
    return jnp.expm1(root - excess / jax.lax.stop_gradient(jnp.where(slope > 0, slope, 1)))


_OUT_OF_REACH = (
    "No uniform change of consumption by a factor of 1/1000 to 1000 is as good as `after`. Welfare "
    "of the least, of `after` and of the most, as equivalents, must rise in this order."
)
