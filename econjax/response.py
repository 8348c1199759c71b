"""What workers do: exact best responses, the best of a few choices, and quantal responses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require, require_scalar
from econjax._budget import best_point, home, lead
from econjax.economy import Economy, spendable
from econjax.schedule import AbstractSchedule

HOURS_GRID = np.arange(0.0, 101.0, 10.0)
"""The eleven weekly hours that workers of the LLM Economist choose from."""


def best_response(
    economy: Economy, schedule: AbstractSchedule, rebate: ArrayLike = 0.0
) -> Float[Array, " agents"]:
    """Return the hours a week that maximise each worker's own utility, the rebate taken as given.

    Within a bracket the budget is a straight line and utility is concave, so the best point there is
    the unconstrained one, moved to the bracket's nearer end if it lies outside. The best of these
    points over all brackets is exact for every schedule: workers bunch where rates rise, jump over
    thresholds where rates fall, and skip brackets (Hausman 1985, Econometrica 53, 1255-1282). Among
    equally good points the one with the lowest income is taken. Workers do not count on the economy's
    consumption floor.

    Derivatives are those of workers who stay in their bracket, and at work or at home: they miss that
    some would jump over a threshold where rates fall, or start to work. `equilibrium` counts those.

    Raises:
        TypeError: a schedule that is neither of brackets nor log-linear.
    """
    rebate = as_float(rebate)
    point = best_point(economy, schedule, rebate)
    if economy.population.fixed_cost is None:
        return point.labor
    goes = lead(economy, point, home(rebate, economy.population)) > 0
    return jnp.where(jax.lax.stop_gradient(goes), point.labor, 0)


def grid_response(
    economy: Economy, schedule: AbstractSchedule, rebate: ArrayLike = 0.0, *, grid: ArrayLike = HOURS_GRID
) -> Float[Array, " agents"]:
    """Return the best of a few weekly hours, at most `max_labor`, for each worker; the fewest of equals.

    It has no derivative, and asking for one raises a TypeError: such workers' hours are a step function
    of everything, so a gradient through them would say that nobody responds and that every rate should
    rise. Use `best_response` or `logit_probabilities`.
    """
    return _grid_response(economy, schedule, as_float(rebate), _hours_grid(grid))


def logit_probabilities(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: ArrayLike = 0.0,
    *,
    temperature: ArrayLike,
    grid: ArrayLike = HOURS_GRID,
) -> Float[Array, "options agents"]:
    """Return the probabilities with which workers choose each of a few weekly hours (quantal response).

    The log odds of two choices are their difference in utility over `temperature`, both in dollars: utils
    over the marginal utility of consumption at the best choice (McFadden 1974; McKelvey and Palfrey
    1995). Smooth in rates, rebate and temperature. Hours beyond `max_labor` have probability 0.
    """
    temperature = require_scalar("temperature, in dollars,", temperature, positive=True)
    hours, rebate = _hours_grid(grid), as_float(rebate)
    best = jax.lax.stop_gradient(_best_of_grid(*jax.lax.stop_gradient((economy, schedule, rebate, hours))))
    ahead = jax.vmap(lambda h: _ahead(economy, schedule, rebate, jnp.full_like(best, h), best))(hours)
    return jax.nn.softmax(ahead / temperature, axis=0)


def logit_response(
    key: Key[Array, ""],
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: ArrayLike = 0.0,
    *,
    temperature: ArrayLike,
    grid: ArrayLike = HOURS_GRID,
) -> Float[Array, " agents"]:
    """Return hours drawn for each worker from `logit_probabilities`."""
    odds = logit_probabilities(economy, schedule, rebate, temperature=temperature, grid=grid)
    return _hours_grid(grid)[jax.random.categorical(key, jnp.log(odds), axis=0)]


def _hours_grid(grid: ArrayLike) -> Float[Array, " options"]:
    hours = as_float(grid)
    if hours.ndim != 1 or hours.size == 0:
        raise ValueError(f"The grid is a flat list of weekly hours, at least one; got shape {hours.shape}.")
    ok = (hours[0] >= 0) & jnp.all(jnp.diff(hours) > 0)
    return require(hours, ok, "The grid holds weekly hours of 0 or more, rising.")


@eqx.filter_custom_jvp
def _grid_response(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""], hours: Float[Array, " options"]
) -> Float[Array, " agents"]:
    return _best_of_grid(economy, schedule, rebate, hours)


@_grid_response.def_jvp
def _no_derivative(primals, tangents):
    raise TypeError(
        "The best of a few hours is a step function and has no useful derivative: use best_response, or "
        "logit_probabilities for expected hours."
    )


def _best_of_grid(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""], hours: Float[Array, " options"]
) -> Float[Array, " agents"]:
    def challenge(best: Float[Array, " agents"], h: Float[Array, ""]):
        labor = jnp.full_like(best, h)
        better = _ahead(economy, schedule, rebate, labor, best) > 0
        return jnp.where(better, labor, best), None

    return jax.lax.scan(challenge, jnp.full_like(economy.population.skill, hours[0]), hours[1:])[0]


def _ahead(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    labor: Float[Array, " agents"],
    over: Float[Array, " agents"],
) -> Float[Array, " agents"]:
    """Return how much better some hours are than others, in dollars; -inf beyond the longest week."""

    def consumption(labor: Float[Array, " agents"]) -> Float[Array, " agents"]:
        income = economy.population.skill * labor
        return spendable(economy, income - schedule.tax(income) + rebate, labor)

    ahead = economy.preferences.advantage(
        consumption(labor), labor, (consumption(over), over), economy.population
    )
    return jnp.where(labor <= economy.max_labor, ahead, -jnp.inf)
