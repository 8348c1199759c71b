"""Calibration: the tastes for which observed incomes are what workers would choose under a law."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import is_concrete, require_scalar, seen
from econjax._compiled import compiled
from econjax.economy import Economy, income_and_tax
from econjax.population import REFERENCE_HOURS, Population
from econjax.preferences import AbstractPreferences, Quasilinear
from econjax.response import best_response
from econjax.schedule import AbstractSchedule


def calibrate(
    population: Population,
    law: AbstractSchedule,
    *,
    preferences: AbstractPreferences | None = None,
    rebate: ArrayLike = 0.0,
) -> Population:
    """Return the population with tastes under which everyone works 40 hours under `law`.

    Saez (2001, section 5) inverts the worker's first-order condition at the observed income, which
    is 40 * skill beside other income. `preferences` are `Quasilinear` if not given: taste = 1 -
    T'(income), whatever the elasticity. With income effects the taste depends on the `rebate` that
    workers receive under the law, in dollars a year (0: all revenue is spent). Workers without
    skill have taste 1 and do not work. It holds where `law` leaves budget sets convex (rates that
    rise with income, as today's do).

    Raises:
        ValueError: where values are known: a law that takes the whole of someone's next dollar,
            which no taste for work explains; nothing left to consume where utility needs something;
            a fixed cost of working at which someone would rather stay home, or one without
            `preferences`.
    """
    rebate = require_scalar("rebate", rebate)
    wants = Quasilinear(1.0) if preferences is None else preferences
    taste, net_rate, consumption = _revealed(population, law, wants, rebate)
    if is_concrete(net_rate) and not (seen(net_rate) > 0).all():
        raise ValueError(
            f"Nobody's work is explained by a law with a marginal rate of "
            f"{1 - float(seen(net_rate).min()):.0%}: use rates below 100 %."
        )
    found = eqx.tree_at(lambda p: p.taste, population, taste)
    if is_concrete(taste):
        _check(found, law, preferences, rebate, consumption)
    return found


@compiled
def _revealed(
    population: Population,
    law: AbstractSchedule,
    preferences: AbstractPreferences,
    rebate: Float[Array, ""],
) -> tuple[Float[Array, " agents"], Float[Array, " agents"], Float[Array, " agents"]]:
    """Return the tastes that 40 hours reveal, the net-of-tax rates there, and consumption."""
    works, hours = population.skill > 0, jnp.full_like(population.skill, REFERENCE_HOURS)
    income, tax = income_and_tax(population, law, hours)
    marginal_rate = law.of(population).marginal_rate(jnp.where(works, income, 1))
    net_rate = jnp.where(works, 1 - marginal_rate, 1)
    cost = 0.0 if population.fixed_cost is None else population.fixed_cost
    consumption = income - tax + rebate - cost
    taste = preferences.revealed_taste(net_rate, consumption, hours, population)
    return jnp.where(works, taste, 1), net_rate, consumption


def _check(
    population: Population,
    law: AbstractSchedule,
    preferences: AbstractPreferences | None,
    rebate: ArrayLike,
    consumption: Float[Array, " agents"],
) -> None:
    taste = seen(population.taste)
    if not (np.isfinite(taste) & (taste > 0)).all():
        raise ValueError(
            f"Somebody would be left with {float(jnp.min(consumption)):,.2f} dollars to consume, "
            "at which no taste explains 40 hours of work: raise the rebate."
        )
    if population.fixed_cost is None:
        return
    if preferences is None:
        raise ValueError(
            "Whether someone who has a fixed cost works depends on `preferences`: state them."
        )
    hours = best_response(Economy(population=population, preferences=preferences), law, rebate)
    idle = (hours == 0) & (population.skill > 0)
    if bool(jnp.any(idle)):
        raise ValueError(
            f"{int(jnp.sum(idle))} workers would rather stay home than pay their fixed cost of "
            f"working (the first is entry {int(jnp.argmax(idle))}): lower it."
        )
