"""Calibration: the tastes for which observed incomes are what workers would choose under a law."""

import equinox as eqx
import jax.numpy as jnp
from numpy.typing import ArrayLike

from econjax._arrays import as_float, known
from econjax.population import REFERENCE_HOURS, Population
from econjax.preferences import AbstractPreferences, Quasilinear
from econjax.schedule import AbstractSchedule


def calibrate(
    population: Population,
    law: AbstractSchedule,
    *,
    preferences: AbstractPreferences | None = None,
    rebate: ArrayLike = 0.0,
) -> Population:
    """Return the population with tastes under which everyone works 40 hours under `law`.

    Saez (2001, section 5) inverts the worker's first-order condition at the observed income, which is
    40 * skill. `preferences` are `Quasilinear` if not given: taste = 1 - T'(income), whatever the
    elasticity. With income effects the taste depends on the `rebate` that workers receive under the law, in
    dollars a year (0: all revenue is spent). It holds where `law` leaves budget sets convex (rates that rise
    with income, as today's do).

    Raises:
        ValueError: the law takes the whole of someone's next dollar, which no taste for work explains.
    """
    income = REFERENCE_HOURS * population.skill
    net_rate = 1 - law.marginal_rate(income)
    if known(net_rate) and not bool(jnp.all(net_rate > 0)):
        raise ValueError(
            f"Nobody's work is explained by a law with a marginal rate of "
            f"{1 - float(jnp.min(net_rate)):.0%}: use rates below 100 %."
        )
    consumption = income - law.tax(income) + as_float(rebate)
    hours = jnp.full_like(income, REFERENCE_HOURS)
    taste = (preferences or Quasilinear(1.0)).revealed_taste(net_rate, consumption, hours, population)
    return eqx.tree_at(lambda p: p.taste, population, taste)
