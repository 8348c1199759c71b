"""Calibration: the tastes for which observed incomes are what workers would choose under a law."""

import equinox as eqx
import jax.numpy as jnp

from econjax._arrays import known
from econjax.population import Population
from econjax.preferences import REFERENCE_HOURS
from econjax.schedule import AbstractSchedule


def calibrate(population: Population, law: AbstractSchedule) -> Population:
    """Return the population with tastes under which everyone works 40 hours under `law`.

    Saez (2001, section 5) inverts the worker's first-order condition at the observed income. In
    reference-hours form it reads taste = 1 - T'(income), where income = 40 * skill is what is observed.
    It holds for `Quasilinear` preferences of any elasticity, wherever `law` leaves budget sets convex
    (rates that rise with income, as today's do).

    Raises:
        ValueError: the law takes the whole of someone's next dollar, which no taste for work explains.
    """
    taste = 1 - law.marginal_rate(REFERENCE_HOURS * population.skill)
    if known(taste) and not bool(jnp.all(taste > 0)):
        raise ValueError(
            f"Nobody's work is explained by a law with a marginal rate of {1 - float(jnp.min(taste)):.0%}: "
            "use rates below 100 %."
        )
    return eqx.tree_at(lambda p: p.taste, population, taste)
