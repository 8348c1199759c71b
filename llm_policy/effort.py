"""What effort costs a worker, in words and in dollars."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import Economy, Isoelastic, Quasilinear
from econjax.preferences import REFERENCE_HOURS

HOURS = (20.0, 40.0, 60.0)


def price_of_an_hour(economy: Economy) -> Float[np.ndarray, "agents 3"]:
    """Return what one more weekly hour at 20, 40 and 60 hours is worth avoiding, in dollars a year.

    It is the marginal rate of substitution of consumption for labor, at the untaxed income of 40 hours.
    """
    population, preferences = economy.population, economy.preferences
    consumption = population.skill * REFERENCE_HOURS

    def price(hours: float) -> Float[Array, " agents"]:
        def utility(consumption, labor):
            return preferences.utility(consumption, labor, population)

        labor, one = jnp.full_like(consumption, hours), jnp.ones_like(consumption)
        less = jax.jvp(lambda hours: utility(consumption, hours), (labor,), (one,))[1]
        more = jax.jvp(lambda c: utility(c, labor), (consumption,), (one,))[1]
        return -less / more

    return np.stack([np.asarray(price(hours), float) for hours in HOURS], axis=1)


def utility_in_words(economy: Economy) -> tuple[str, list[str]]:
    """Return the formula of the utility that all share, and each worker's own numbers in it.

    Raises:
        ValueError: the preferences have no formula in words here.
    """
    population, preferences = economy.population, economy.preferences
    nothing, labor = jnp.zeros_like(population.skill), jnp.full_like(population.skill, REFERENCE_HOURS)
    if isinstance(preferences, Quasilinear):
        formula = (
            "Your result of a year is the money you keep (income - tax + rebate), in dollars, minus your "
            "cost of effort, in dollars: A x (hours / 40) ^ p."
        )
        own = preferences.elasticity if population.elasticity is None else population.elasticity
        scale, power = preferences.cost(labor, population), jnp.broadcast_to(1 + 1 / own, labor.shape)
        return formula, _each("A = ${:,.0f} a year and p = {:.4g} (a pure number)", scale, power)
    if isinstance(preferences, Isoelastic):
        eta, unit = float(preferences.curvature), float(preferences.unit)
        kept = f"(money you keep / ${unit:,.0f})"
        gain = f"log{kept}" if eta == 1 else f"({kept} ^ {1 - eta:.4g} - 1) / {1 - eta:.4g}"
        formula = (
            f"Your result of a year, in utils, is {gain}, where the money you keep is income - tax + rebate, "
            "minus your cost of effort, in utils: B x (hours / 40) ^ p."
        )
        worse = preferences.utility(nothing + unit, nothing, population) - preferences.utility(
            nothing + unit, labor, population
        )
        power = jnp.broadcast_to(preferences.exponent, labor.shape)
        return formula, _each("B = {:.4g} utils and p = {:.4g} (a pure number)", worse, power)
    raise ValueError(
        f"{type(preferences).__name__} preferences have no formula in words: use Quasilinear or Isoelastic, "
        "or the bounded scenario, which states the price of effort instead."
    )


def _each(words: str, *numbers: Float[Array, " agents"]) -> list[str]:
    rows = zip(*(np.asarray(column, float).tolist() for column in numbers), strict=True)
    return [words.format(*row) for row in rows]
