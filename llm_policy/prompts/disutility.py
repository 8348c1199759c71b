"""What effort costs a worker, in words and in dollars."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import GHH, Economy, Isoelastic, Quasilinear
from econjax.population import REFERENCE_HOURS

PRICED_HOURS = (20.0, 40.0, 60.0)
_LEAST_CONSUMPTION = 1000.0


def price_of_an_hour(economy: Economy) -> Float[np.ndarray, "agents 3"]:
    """Return what one more weekly hour at 20, 40 and 60 hours is worth avoiding, in dollars a year.

    It is the marginal rate of substitution of consumption for labor, where consumption is the
    untaxed income of 40 hours, and at least $1,000 a year.
    """
    return np.asarray(prices(economy), float)


@eqx.filter_jit
def prices(economy: Economy) -> Float[Array, "agents 3"]:
    """Return what `price_of_an_hour` returns, as an array on the device."""
    population, preferences = economy.population, economy.preferences
    if isinstance(
        preferences, GHH
    ):  # a function of consumption less the cost of labor, which is this one
        preferences = preferences.composite
    consumption = jnp.maximum(population.skill * REFERENCE_HOURS, _LEAST_CONSUMPTION)

    def price(hours: float) -> Float[Array, " agents"]:
        def utility(consumption, labor):
            return preferences.utility(consumption, labor, population)

        labor, one = jnp.full_like(consumption, hours), jnp.ones_like(consumption)
        less = jax.jvp(lambda hours: utility(consumption, hours), (labor,), (one,))[1]
        more = jax.jvp(lambda consumption: utility(consumption, labor), (consumption,), (one,))[1]
        return -less / more

    return jnp.stack([price(hours) for hours in PRICED_HOURS], axis=1)


def effort_cost(prices: tuple[Any, Any, Any], hours: Float[Any, "..."]) -> Float[Any, "..."]:
    """Return what weekly hours cost in effort, in the money of `prices`, NumPy's or JAX's.

    That is the power function of hours that meets the prices of an hour at 20 and 60 hours in
    shape, which are above 0, and at 40 in height.
    """
    low, middle, high = prices
    steepness = low.__array_namespace__().log(high / low)
    power = 1 + steepness / np.log(PRICED_HOURS[2] / PRICED_HOURS[0])
    return middle * REFERENCE_HOURS / power * (hours / REFERENCE_HOURS) ** power


def utility_in_words(economy: Economy) -> tuple[str, list[str]]:
    """Return the formula of the utility that all share, and each worker's own numbers in it.

    Raises:
        ValueError: the preferences have no formula in words here.
    """
    population, preferences = economy.population, economy.preferences
    labor = jnp.full_like(population.skill, REFERENCE_HOURS)
    if isinstance(preferences, Quasilinear):
        formula = (
            "Your utility of a year, in dollars, is the money you keep minus your cost of effort, "
            "A x (weekly hours / 40 hours) ^ p."
        )
        own = preferences.elasticity if population.elasticity is None else population.elasticity
        scale, power = (
            preferences.cost(labor, population),
            jnp.broadcast_to(1 + 1 / own, labor.shape),
        )
        return formula, _each("A = ${:,.0f} a year and p = {:.4g} (a pure number)", scale, power)
    if isinstance(preferences, Isoelastic):
        eta, kept = (
            float(preferences.curvature),
            f"(money you keep / ${float(preferences.unit):,.4g})",
        )
        gain = (
            f"the natural log of {kept}"
            if eta == 1
            else f"({kept} ^ {1 - eta:.4g} - 1) / {1 - eta:.4g}"
        )
        formula = (
            f"Your utility of a year, in utils, is {gain}, minus your cost of effort, "
            "B x (weekly hours / 40 hours) ^ p."
        )
        unit = jnp.full_like(labor, preferences.unit)
        idle = preferences.utility(unit, jnp.zeros_like(labor), population)
        cost = idle - preferences.utility(unit, labor, population)
        power = jnp.broadcast_to(preferences.exponent, labor.shape)
        return formula, _each("B = {:.4g} utils and p = {:.4g} (a pure number)", cost, power)
    raise ValueError(
        f"{type(preferences).__name__} preferences have no formula in words: use Quasilinear or "
        "Isoelastic, or the bounded scenario, which states the price of effort instead."
    )


def _each(words: str, *numbers: Float[Array, " agents"]) -> list[str]:
    rows = zip(*(np.asarray(column, float).tolist() for column in numbers), strict=True)
    return [words.format(*row) for row in rows]
