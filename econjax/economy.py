"""The economy: what a planner takes as given, and the one place where money moves."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, at_least, require, require_scalar, seen
from econjax._compiled import compiled
from econjax.population import Population
from econjax.schedule import AbstractSchedule
from econjax.utility import AbstractPreferences


class Economy(eqx.Module):
    """All that a planner takes as given. A batch of economies is a `vmap` over this pytree.

    `spending` is public spending per head and `consumption_floor` the least consumption that
    utility sees, both in dollars a year; `max_labor` is the longest possible working week, in hours
    (`jnp.inf`: no limit).

    Raises:
        ValueError: a field that is not one number, or not finite where infinity means nothing; a
            longest week that is not positive.
    """

    population: Population
    preferences: AbstractPreferences
    spending: Float[Array, ""]
    max_labor: Float[Array, ""]
    consumption_floor: Float[Array, ""]

    def __init__(
        self,
        *,
        population: Population,
        preferences: AbstractPreferences,
        spending: ArrayLike = 0.0,
        max_labor: ArrayLike = 100.0,
        consumption_floor: ArrayLike = -jnp.inf,
    ):
        self.population = population
        self.preferences = preferences
        self.spending = require_scalar("spending", spending)
        self.max_labor = require_scalar("max_labor", max_labor, positive=True, finite=False)
        floor = require_scalar("consumption_floor", consumption_floor, finite=False)
        self.consumption_floor = require(
            floor, seen(floor) < jnp.inf, "consumption_floor is dollars a year, or -inf for none."
        )


class Outcome(eqx.Module):
    """What a year brought every worker.

    The budget balances: the sum of weight * (income - consumption) is the economy's spending. Labor
    is in hours a week, utility in utils, the rest in dollars a year. `income` is all that is taxed,
    what labor does not bring included; `tax` is less credits, negative where these are more.
    `floored` is the share of workers whose consumption fell below the economy's floor (their
    consumption is shown as it is).
    """

    labor: Float[Array, " agents"]
    income: Float[Array, " agents"]
    tax: Float[Array, " agents"]
    consumption: Float[Array, " agents"]
    utility: Float[Array, " agents"]
    rebate: Float[Array, ""]
    floored: Float[Array, ""]


@compiled
def settle(
    economy: Economy,
    schedule: AbstractSchedule,
    labor: Float[Array, " agents"],
    *,
    arriving: Float[Array, ""] | None = None,
) -> Outcome:
    """Return what follows from everybody's hours: incomes, taxes, rebate of all revenue, utilities.

    Labor is data: who chose it does not matter here. Revenue less public spending goes back as one
    equal rebate, negative if spending exceeds revenue. `arriving`, 0 in value, carries the
    derivative of revenue that hours do not tell: that of workers who jump.

    Raises:
        ValueError: `labor` does not have one entry per worker, or a schedule of more than one group
            that is not of the population's.
    """
    population = economy.population
    labor = as_float(labor)
    if labor.shape != population.skill.shape:
        raise ValueError(
            f"labor needs one entry for each of {population.agents} workers; got {labor.shape}."
        )
    income, tax = income_and_tax(population, schedule, labor)
    return paid_out(economy, labor, income, tax, arriving=arriving)


def paid_out(
    economy: Economy,
    labor: Float[Array, " agents"],
    income: Float[Array, " agents"],
    tax: Float[Array, " agents"],
    *,
    arriving: Float[Array, ""] | None,
) -> Outcome:
    """Return what `settle` does, of incomes and taxes that follow from hours."""
    population = economy.population
    rebate = jnp.sum(population.weight * tax) - economy.spending
    rebate = rebate if arriving is None else rebate + arriving
    consumption = income - tax + rebate
    below = spendable(economy, consumption, labor) < economy.consumption_floor
    return Outcome(
        labor=labor,
        income=income,
        tax=tax,
        consumption=consumption,
        utility=utility_of(economy, consumption, labor),
        rebate=rebate,
        floored=jnp.sum(population.weight * below),
    )


def income_and_tax(
    population: Population, schedule: AbstractSchedule, labor: Float[Array, " agents"]
) -> tuple[Float[Array, " agents"], Float[Array, " agents"]]:
    """Return everybody's income, what labor does not bring included, and the tax less credits.

    The tax of a loss is that of no income.
    """
    income = taxed = income_of(population, labor)
    if population.other_income is not None:
        taxed = jnp.where(income < 0, 0, income)
    tax = schedule.of(population).tax(taxed)
    return income, tax if population.credit is None else tax - population.credit


def income_of(population: Population, labor: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return everybody's income, what labor does not bring included."""
    income = population.skill * labor
    return income if population.other_income is None else income + population.other_income


def utility_of(
    economy: Economy, consumption: Float[Array, " agents"], labor: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return everybody's utility, in utils, of consumption less what working costs, floored."""
    seen = at_least(spendable(economy, consumption, labor), economy.consumption_floor)
    return economy.preferences.utility(seen, labor, economy.population)


def spendable(
    economy: Economy, consumption: Float[Array, " agents"], labor: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return consumption less the fixed cost of working, in dollars a year."""
    cost = economy.population.fixed_cost
    return consumption if cost is None else consumption - jnp.where(labor > 0, cost, 0)
