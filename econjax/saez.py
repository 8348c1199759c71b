"""Formulas for optimal rates (Saez 2001) and the statistics of an economy that they need."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from econjax.economy import Outcome
from econjax.population import Population
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


class BracketStatistics(eqx.Module):
    """What the bracket formula must know of an outcome, per head of the population and per bracket.

    `share` of the population has its last dollar in the bracket; `base` is the income in the bracket,
    in dollars a year; `weighted_base` is the same with every worker counted at its marginal welfare
    weight (mean 1); `active` is the whole income of those strictly inside the bracket, who alone respond
    to its rate: workers bunched at a threshold do not. Those who already work the longest week do not
    either, but count here as if they did.
    """

    share: Float[Array, " brackets"]
    base: Float[Array, " brackets"]
    weighted_base: Float[Array, " brackets"]
    active: Float[Array, " brackets"]


def bracket_statistics(
    population: Population, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    """Return the statistics of every bracket, with the weights of the welfare function itself."""

    def equivalent(utility: Float[Array, " agents"]) -> Float[Array, ""]:
        return welfare.equivalent(population, eqx.tree_at(lambda o: o.utility, outcome, utility))

    # Each entry is already multiplied by the worker's share of the population.
    social = jax.grad(equivalent)(outcome.utility)
    social = social / jnp.sum(social)
    income, weight = outcome.income, population.weight
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    starts, ends = schedule.thresholds, jnp.append(schedule.thresholds[1:], jnp.inf)
    rows = []
    for j, (start, end) in enumerate(zip(starts, ends, strict=True)):
        above = (income > start * (1 + rounding)) | (j == 0)
        last = above & (income <= end * (1 + rounding))
        inside = above & (income < end * (1 - rounding)) & (income > 0)
        base = jnp.clip(income, start, end) - start
        rows.append((weight @ last, weight @ base, social @ base, weight @ jnp.where(inside, income, 0)))
    return BracketStatistics(*(jnp.stack(column) for column in zip(*rows, strict=True)))


def saez_rates(
    statistics: BracketStatistics, *, elasticity: Float[Array, ""] | float, current: Float[Array, " brackets"]
) -> Float[Array, " brackets"]:
    """Return the rates that the first-order condition of each bracket implies for given statistics.

    rate / (1 - rate) = (base - weighted_base) / (elasticity * active): an exact condition for quasi-linear
    preferences wherever no worker jumps over a threshold, so biased where rates fall with income (the
    perturbation of Saez 2001, section 3, made to the rate of one bracket). Statistics change with the
    rates: iterate. Where nobody is strictly inside a bracket its rate stays as in `current`.
    """
    identified = statistics.active > 0
    gain = statistics.base - statistics.weighted_base
    odds = gain / (elasticity * jnp.where(identified, statistics.active, 1))
    rate = jnp.where(odds > -0.5, odds / (1 + jnp.maximum(odds, -0.5)), -1)
    return jnp.where(identified, rate, current)
