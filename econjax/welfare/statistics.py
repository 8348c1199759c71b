"""What the formulas for optimal rates must know of an outcome, bracket by bracket."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from econjax._compiled import compiled
from econjax._groups import spread
from econjax.economy import Economy, Outcome, utility_of
from econjax.population import Population
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


class BracketStatistics(eqx.Module):
    """What the bracket formula must know of an outcome, per head of the population and per bracket.

    `share` of the population has its last dollar in the bracket; `base` is the income in the
    bracket, in dollars a year; `weighted_base` is the same with every worker counted at its
    marginal welfare weight, the value of a dollar of its consumption (mean 1; NaN where no worker's
    counts, all being below a floor); `active` is all that labor brings to those strictly inside the
    bracket, who alone respond to its
    rate: workers bunched at a threshold do not, nor do those who already work the longest week. No
    part of other income is active.
    `elasticity` is the mean elasticity with which that income best-responds (everybody's, where
    nobody is active), and `elasticity_variance` the variance around it; None with income effects,
    as an elasticity then depends on the budget, and of workers whose responses nobody knows. Of a
    schedule of several groups, entries are as its rates: of each group's bracket, or, where groups
    have rates in common, of all workers whose last dollar that rate taxes.

    With credits that depend on income, whoever is at a kink of the own does not respond either.
    `active` then counts income as often as it responds to what the bracket's rate leaves: (1 -
    rate) / (1 - rate - c) times, where c is the worker's marginal rate of credits, and `credited`
    is the tax on a response that is theirs and not the bracket's: c / (1 - rate - c) of income.
    """

    share: Float[Array, "*groups brackets"]
    base: Float[Array, "*groups brackets"]
    weighted_base: Float[Array, "*groups brackets"]
    active: Float[Array, "*groups brackets"]
    elasticity: Float[Array, "*groups brackets"] | None = None
    elasticity_variance: Float[Array, "*groups brackets"] | None = None
    credited: Float[Array, "*groups brackets"] | None = None


def bracket_statistics(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    """Return the statistics of every bracket, with the weights of the welfare function itself."""
    return _statistics(economy, schedule, outcome, welfare)


@compiled
def _statistics(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    def equivalent(consumption: Float[Array, " agents"]) -> Float[Array, ""]:
        utility = utility_of(economy, consumption, outcome.labor)
        fed = eqx.tree_at(lambda o: (o.consumption, o.utility), outcome, (consumption, utility))
        return welfare.equivalent(economy.population, fed)

    # Each entry is already multiplied by the worker's share of the population.
    social = jax.grad(equivalent)(outcome.consumption)
    social = social / jnp.sum(social)

    def row(share, base, dollars, responding, credited) -> tuple[Float[Array, ""] | None, ...]:
        mean, variance, own = _elasticities(economy, responding)
        less = None if credited is None else jnp.sum(credited * own)
        return share, base, jnp.sum(social * dollars), jnp.sum(responding), mean, variance, less

    return BracketStatistics(*_within_brackets(economy, schedule, outcome, row))


def _elasticities(
    economy: Economy, responding: Float[Array, " agents"]
) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None, Float[Array, "*agents"] | float]:
    """Return elasticities' mean and variance by responding income, and each over the mean.

    With income effects there are none.
    """
    workers = economy.population
    own = economy.preferences.elasticity_of(workers)
    if own is None:
        return None, None, 1.0
    if own.ndim == 0:
        return own, jnp.zeros_like(own), 1.0
    part = jnp.where(jnp.sum(responding) > 0, responding, workers.weight)
    part = part / jnp.sum(part)
    mean = jnp.sum(part * own)
    return mean, jnp.sum(part * (own - mean) ** 2), own / mean


def shares_and_bases(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome
) -> tuple[
    Float[Array, "*groups brackets"],
    Float[Array, "*groups brackets"],
    Float[Array, "*groups brackets"],
]:
    """Return `share`, `base` and `active` of `BracketStatistics`."""
    share, base, active = _shares_and_bases(economy, schedule, outcome)
    return share, base, active


@compiled
def _shares_and_bases(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome
) -> tuple[Float[Array, "*groups brackets"], ...]:
    return _within_brackets(
        economy,
        schedule,
        outcome,
        lambda share, base, dollars, responding, _: (share, base, jnp.sum(responding)),
    )


def _within_brackets(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    row: Callable[..., tuple[Float[Array, ""] | None, ...]],
) -> tuple[Any, ...]:
    """Return what `row` does for each bracket, stacked.

    Its arguments are `share` and `base` of `BracketStatistics`, each worker's dollars in the
    bracket, part of `active`, and part of `credited` (None without such credits).
    """
    income, weight = outcome.income, economy.population.weight
    earned = income
    if economy.population.other_income is not None:
        earned = economy.population.skill * outcome.labor
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    responds = (earned > 0) & (outcome.labor < economy.max_labor * (1 - rounding))
    credits = economy.population.credits
    given = jnp.zeros_like(income)
    if credits is not None:
        kinks = spread(credits.thresholds.T[1:], credits.kind)
        responds &= jnp.all(jnp.abs(income[None] - kinks) > rounding * kinks, axis=0)
        given = _marginal_credit(economy.population, income)

    @partial(jax.checkpoint, prevent_cse=False)
    def within(bracket: _Bracket):
        start, end, belongs = _of_workers(economy, schedule, bracket)
        above = (income > start * (1 + rounding)) | (bracket.j == 0)
        last = above & (income <= end * (1 + rounding))
        inside = above & (income < end * (1 - rounding)) & responds
        dollars = jnp.where(above, jnp.clip(income, start, end) - start, 0)
        if belongs is not None:
            last, inside, dollars = last & belongs, inside & belongs, dollars * belongs
        responding, credited = jnp.where(inside, weight * earned, 0), None
        if credits is not None:
            kept = 1 - bracket.rate - given
            kept = jnp.where(kept > 0, kept, jnp.inf)
            responding, credited = (responding * of / kept for of in (1 - bracket.rate, given))
        share, base = jnp.sum(weight * last), jnp.sum(weight * dollars)
        return row(share, base, dollars, responding, credited)

    found = jax.lax.map(within, _rows(schedule))
    return jax.tree.map(lambda values: values.reshape(schedule.rates.shape), found)


def _marginal_credit(
    workers: Population, income: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return the part of everybody's marginal tax rate that credits are."""
    none = BracketSchedule([0.0], [0.0])
    return none.of(workers).marginal_rate(income)


class _Bracket(NamedTuple):
    """A bracket's number, rate and ends, of one schedule or each group; whose, if one's only."""

    j: Int[Array, ""]
    rate: Float[Array, ""]
    start: Float[Array, "*groups"]
    end: Float[Array, "*groups"]
    whose: Int[Array, ""] | None


def _rows(schedule: BracketSchedule) -> _Bracket:
    """Return the brackets of which there are statistics, stacked, in the order of the rates."""
    starts = schedule.thresholds
    ends = jnp.concatenate([starts[..., 1:], jnp.full_like(starts[..., :1], jnp.inf)], axis=-1)
    numbers = jnp.arange(starts.shape[-1])
    if schedule.rates.ndim == 1:
        return _Bracket(numbers, schedule.rates, starts.T, ends.T, None)
    groups, brackets = starts.shape
    whose = jnp.repeat(jnp.arange(groups), brackets)
    rates, starts, ends = (values.reshape(-1) for values in (schedule.rates, starts, ends))
    return _Bracket(jnp.tile(numbers, groups), rates, starts, ends, whose)


def _of_workers(
    economy: Economy, schedule: BracketSchedule, bracket: _Bracket
) -> tuple[Float[Array, "*agents"], Float[Array, "*agents"], Bool[Array, " agents"] | None]:
    """Return where the bracket starts and ends for each worker, and who belongs to its group."""
    group = schedule.group_of(economy.population)
    if group is None:
        return bracket.start, bracket.end, None
    if bracket.whose is None:
        return spread(bracket.start, group), spread(bracket.end, group), None
    return bracket.start, bracket.end, group == bracket.whose
