"""Choices among a few hours: the best of them, and logit probabilities and draws."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require, require_scalar
from econjax._compiled import compiled
from econjax.economy import Economy, income_and_tax, spendable
from econjax.response.rational import one_rebate
from econjax.schedule import AbstractSchedule


def grid_response(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: ArrayLike = 0.0,
    *,
    grid: ArrayLike | None = None,
) -> Float[Array, " agents"]:
    """Return each worker's best of a few weekly hours, at most `max_labor`; the fewest of equals.

    The `grid` is 0, 10, ..., 100 hours, as in the LLM Economist, if not given.

    It has no derivative, and asking for one raises a TypeError: such workers' hours are a step
    function of everything, so a gradient through them would say that nobody responds and that every
    rate should rise. Use `best_response` or `logit_probabilities`.
    """
    return _best_on_grid(economy, schedule, one_rebate(rebate), _hours_grid(grid, economy))


def logit_probabilities(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: ArrayLike = 0.0,
    *,
    temperature: ArrayLike,
    grid: ArrayLike | None = None,
) -> Float[Array, "options agents"]:
    """Return the probabilities that workers choose each of a few weekly hours (quantal response).

    The log odds of two choices are their difference in utility over `temperature`, both in dollars:
    utils over the marginal utility of consumption at the best choice (McFadden 1974; McKelvey and
    Palfrey 1995). Smooth in rates, rebate and temperature. Hours beyond `max_labor` have
    probability 0; a worker whom no choice leaves positive consumption, where utility needs it,
    takes any as likely.
    """
    temperature = require_scalar("temperature, in dollars,", temperature, positive=True)
    return _odds(economy, schedule, one_rebate(rebate), _hours_grid(grid, economy), temperature)


@compiled
def _odds(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    hours: Float[Array, " options"],
    temperature: Float[Array, ""],
) -> Float[Array, "options agents"]:
    best = jax.lax.stop_gradient(
        _best_of_grid(*jax.lax.stop_gradient((economy, schedule, rebate, hours)))
    )
    ahead = jax.vmap(lambda h: _ahead(economy, schedule, rebate, jnp.full_like(best, h), best))(
        hours
    )
    hopeless = jnp.all(ahead == -jnp.inf, axis=0)[None]
    ahead = jnp.where(hopeless & (hours <= economy.max_labor)[:, None], 0, ahead)
    return jax.nn.softmax(ahead / temperature, axis=0)


def logit_response(
    key: Key[Array, ""],
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: ArrayLike = 0.0,
    *,
    temperature: ArrayLike,
    grid: ArrayLike | None = None,
) -> Float[Array, " agents"]:
    """Return hours drawn for each worker from `logit_probabilities`."""
    odds = logit_probabilities(economy, schedule, rebate, temperature=temperature, grid=grid)
    return _hours_grid(grid, economy)[jax.random.categorical(key, jnp.log(odds), axis=0)]


def _hours_grid(grid: ArrayLike | None, economy: Economy) -> Float[Array, " options"]:
    hours = jnp.arange(0.0, 101.0, 10.0) if grid is None else as_float(grid)
    if hours.ndim != 1 or hours.size == 0:
        raise ValueError(
            f"The grid is a flat list of weekly hours, at least one; got shape {hours.shape}."
        )
    ok = (hours[0] >= 0) & jnp.all(jnp.diff(hours) > 0)
    hours = require(hours, ok, "The grid holds weekly hours of 0 or more, rising.")
    return require(hours, hours[0] <= economy.max_labor, "The grid begins beyond the longest week.")


@eqx.filter_custom_jvp
def _grid_response(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    hours: Float[Array, " options"],
) -> Float[Array, " agents"]:
    return _best_of_grid(economy, schedule, rebate, hours)


_best_on_grid = compiled(_grid_response)


@_grid_response.def_jvp
def _no_derivative(primals, tangents):
    raise TypeError(
        "The best of a few hours is a step function and has no useful derivative: use "
        "best_response, or logit_probabilities for expected hours."
    )


def _best_of_grid(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    hours: Float[Array, " options"],
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
    """Return how much better some hours are than others, in dollars; -inf past the longest week."""

    def consumption(labor: Float[Array, " agents"]) -> Float[Array, " agents"]:
        income, tax = income_and_tax(economy.population, schedule, labor)
        return spendable(economy, income - tax + rebate, labor)

    ahead = economy.preferences.advantage(
        consumption(labor), labor, (consumption(over), over), economy.population
    )
    return jnp.where(labor <= economy.max_labor, ahead, -jnp.inf)
