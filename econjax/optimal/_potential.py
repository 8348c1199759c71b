"""Choices of quasi-linear workers of one elasticity within brackets, by potential income.

Potential income is what a worker earns at a net rate of 1. Within a bracket the best utility is
linear in it, and who has more of it earns more: so the potential incomes at which brackets are
entered say all choices, but where the week is too short for one.
"""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from econjax._jumps import log_types
from econjax.economy import Economy
from econjax.population import REFERENCE_HOURS

T = TypeVar("T")


class Potential(NamedTuple):
    """Workers: potential income, its log, the income of the longest week, and what that costs."""

    income: Float[Array, "*agents"]
    log: Float[Array, "*agents"]
    reach: Float[Array, "*agents"]
    of_reach: Float[Array, "*agents"]


class Brackets(NamedTuple):
    """A bracket, or all: ends, rate, what is owed before, best over potential income, and logs."""

    number: Int[Array, "*brackets"]
    start: Float[Array, "*brackets"]
    end: Float[Array, "*brackets"]
    rate: Float[Array, "*brackets"]
    owed: Float[Array, "*brackets"]
    stretch: Float[Array, "*brackets"]
    log_start: Float[Array, "*brackets"]
    log_end: Float[Array, "*brackets"]
    log_stretch: Float[Array, "*brackets"]


class Chosen(NamedTuple):
    """Everybody's best income, what is owed there, and what the labor for it costs."""

    income: Float[Array, "*agents"]
    tax: Float[Array, "*agents"]
    cost: Float[Array, "*agents"]


class Sides(NamedTuple):
    """For a type at each border the best points below and above: bracket, income, cost, lead.

    The lead is consumption without the rebate, less the cost.
    """

    number: Int[Array, "sides=2 borders"]
    income: Float[Array, "sides=2 borders"]
    cost: Float[Array, "sides=2 borders"]
    lead: Float[Array, "sides=2 borders"]


def potential_of(economy: Economy, elasticity: Float[Array, ""]) -> Potential:
    """Return everybody's potential income; 0 without skill, beyond all reach without distaste."""
    workers, types = economy.population, log_types(economy)
    works = workers.skill > 0
    log = jnp.where(works, jnp.log(REFERENCE_HOURS) + types, _LOG_0)
    log = jnp.where(works & (workers.taste == 0), _ENDLESS, log)
    reach = jnp.where(works, workers.skill, 0) * jnp.minimum(economy.max_labor, _MOST_HOURS)
    of_reach = _cost(_log(reach) - log, log, elasticity)
    return Potential(jnp.where(works, jnp.exp(log), 0), log, reach, of_reach)


def brackets_at(
    starts: Float[Array, " brackets"],
    rates: Float[Array, " brackets"],
    elasticity: Float[Array, ""],
) -> Brackets:
    """Return all brackets at their rates."""
    owed = jnp.cumsum(rates[:-1] * jnp.diff(starts))
    log_starts, stretch = _log(starts), (1 - rates) ** elasticity
    return Brackets(
        jnp.arange(rates.size),
        starts,
        jnp.append(starts[1:], jnp.inf),
        rates,
        jnp.append(0.0, owed),
        stretch,
        log_starts,
        jnp.append(log_starts[1:], jnp.inf),
        _log(stretch),
    )


def chosen_by_search(
    workers: Potential, brackets: Brackets, elasticity: Float[Array, ""]
) -> Chosen:
    """Return everybody's best point: of the best in each bracket, beyond its start, the best."""

    def better_of(best: tuple, bracket: Brackets) -> tuple[tuple, None]:
        there = _within(workers, bracket, elasticity)
        lead = there.income - there.tax - there.cost
        reached = (there.income > bracket.start) | (bracket.number == 0)
        better = reached & (lead > best[0])
        return (jnp.where(better, lead, best[0]), jnp.where(better, bracket.number, best[1])), None

    lowest = jnp.full_like(workers.income, -jnp.inf)
    begin = (lowest, jnp.zeros(lowest.shape, brackets.number.dtype))
    (_, number), _ = jax.lax.scan(better_of, begin, brackets)
    return _within(workers, own_of(brackets, number), elasticity)


def chosen_by_entry(
    workers: Potential,
    brackets: Brackets,
    elasticity: Float[Array, ""],
    entries: Float[Array, " borders"],
) -> Chosen:
    """Return everybody's best point by potential income; by search if a week is too short for it.

    `entries` are those of `entries_of`.
    """
    own = own_of(brackets, last_below(workers.income, entries))
    unlimited, _ = _wanted(workers, own)
    return jax.lax.cond(
        jnp.any(unlimited > workers.reach),
        lambda: chosen_by_search(workers, brackets, elasticity),
        lambda: _within(workers, own, elasticity),
    )


def indifferent_at(
    brackets: Brackets, elasticity: Float[Array, ""]
) -> tuple[Float[Array, " borders"], Sides]:
    """Return the potential income at which a worker is indifferent about each border that falls.

    And its best points there. Newton's method on the lead of the one above over that below, which
    rises: it is linear between points within brackets. Bisection where a step would leave the
    interval, or return to an end of it.
    """
    falls, border, stretch = jnp.diff(brackets.rate) < 0, brackets.start[1:], brackets.stretch
    widest = jax.lax.cummax(stretch, reverse=True)[1:]
    low = jnp.where(falls, border / widest, 1)
    below = jnp.maximum(jax.lax.cummin(stretch)[:-1], 1e-6 * widest)  # 0 where all is taken
    high = jnp.where(falls, border / below, 2)
    near = 8 * jnp.finfo(low.dtype).eps

    def is_far(state: _Interval) -> Bool[Array, ""]:
        return (state.moved > near) & (state.steps < _MOST_STEPS)

    def closer(state: _Interval) -> _Interval:
        at, sides = state.at, _sides(brackets, elasticity, state.at)
        lead = sides.lead[1] - sides.lead[0]
        low, high = jnp.where(lead > 0, state.low, at), jnp.where(lead > 0, at, state.high)
        slope = (sides.cost[1] - sides.cost[0]) / (elasticity * at)
        aim = at - lead / jnp.where(slope > 0, slope, 1)
        within = ((aim > low) & (aim < high)) | (jnp.abs(aim / at - 1) <= near)
        aim = jnp.where((slope > 0) & within, aim, (low + high) / 2)
        moved = jnp.max(jnp.where(falls, jnp.abs(aim / at - 1), 0), initial=0)
        return _Interval(low, high, aim, moved, state.steps + 1)

    far, none = jnp.full_like(elasticity, jnp.inf), jnp.zeros((), int)
    found = jax.lax.while_loop(is_far, closer, _Interval(low, high, (low + high) / 2, far, none)).at
    return found, _sides(brackets, elasticity, found)


def entries_of(
    brackets: Brackets, indifferent: Float[Array, " borders"]
) -> Float[Array, " borders"]:
    """Return above which potential income the best income is beyond each border.

    Where rates rise it is as within the bracket above, unless those who jump pass over the border.
    `indifferent` are the potential incomes of `indifferent_at`.
    """
    falls, stretch = jnp.diff(brackets.rate) < 0, brackets.stretch[1:]
    alone = jnp.where(stretch > 0, brackets.start[1:] / stretch, jnp.inf)
    sooner = jax.lax.cummin(jnp.where(falls, indifferent, jnp.inf), reverse=True)
    later = jax.lax.cummax(jnp.where(falls, indifferent, -jnp.inf))
    return jnp.where(falls, indifferent, jnp.maximum(jnp.minimum(alone, sooner), later))


def last_below(
    values: Float[Array, " agents"], borders: Float[Array, " borders"]
) -> Int[Array, " agents"]:
    """Return in which bracket each value lies: how many borders are less."""
    return sum((values > border for border in borders), jnp.zeros(values.shape, int))


def own_of(table: T, number: Int[Array, " agents"]) -> T:
    """Return everybody's entries of arrays with one a bracket: by choices, which are fused."""

    def own(entries: Shaped[Array, " brackets"]) -> Shaped[Array, " agents"]:
        found = jnp.full(number.shape, entries[0])
        for other, entry in enumerate(entries[1:], 1):
            found = jnp.where(number >= other, entry, found)
        return found

    return jax.tree.map(own, table)


class _Interval(NamedTuple):
    low: Float[Array, " borders"]
    high: Float[Array, " borders"]
    at: Float[Array, " borders"]
    moved: Float[Array, ""]
    steps: Int[Array, ""]


_MOST_STEPS = 60


def _sides(
    brackets: Brackets, elasticity: Float[Array, ""], income: Float[Array, " borders"]
) -> Sides:
    """Return the best points of one type for each border; of equally good ones the lowest."""
    limit = jnp.full_like(income, jnp.inf)
    types = jax.tree.map(
        lambda values: values[None], Potential(income, jnp.log(income), limit, limit)
    )
    own = jax.tree.map(lambda values: values[:, None], brackets)
    earned, tax, cost = _within(types, own, elasticity)
    below = own.number <= jnp.arange(income.size)[None]
    lead = jnp.where(jnp.stack([below, ~below]), (earned - tax - cost)[None], -jnp.inf)
    most = jnp.max(lead, axis=1)
    best = lead == most[:, None]
    return Sides(
        jnp.min(jnp.where(best, own.number[None], brackets.rate.size), axis=1),
        jnp.min(jnp.where(best, earned[None], jnp.inf), axis=1),
        jnp.min(jnp.where(best, cost[None], jnp.inf), axis=1),
        most,
    )


def _within(workers: Potential, bracket: Brackets, elasticity: Float[Array, ""]) -> Chosen:
    """Return everybody's best point within one bracket, its ends included, and within the week."""
    wanted, log_share = _wanted(workers, bracket)
    income = jnp.minimum(wanted, workers.reach)
    cost = _cost(log_share, workers.log, elasticity)
    tax = bracket.owed + bracket.rate * (income - bracket.start)
    return Chosen(income, tax, jnp.where(wanted > workers.reach, workers.of_reach, cost))


def _wanted(
    workers: Potential, bracket: Brackets
) -> tuple[Float[Array, "*agents"], Float[Array, "*agents"]]:
    """Return the best income within one bracket, and the log of it over potential income."""
    wanted = workers.income * bracket.stretch
    income = jnp.clip(wanted, bracket.start, bracket.end)
    log_end = jnp.where(wanted < bracket.start, bracket.log_start, bracket.log_end)
    return income, jnp.where(income == wanted, bracket.log_stretch, log_end - workers.log)


def _cost(
    log_share: Float[Array, "..."], log_potential: Float[Array, "..."], elasticity: Float[Array, ""]
) -> Float[Array, "..."]:
    """Return what the labor for a share of potential income costs, in dollars a year."""
    power = 1 + 1 / elasticity
    most = 0.5 * jnp.log(jnp.finfo(log_potential.dtype).max)
    return jnp.exp(jnp.minimum(power * log_share + log_potential, most)) / power


_LOG_0 = -1e6
_ENDLESS = 300.0
_MOST_HOURS = 1e150


def _log(values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return logarithms, finite ones of zeros, with a derivative of 0 there."""
    return jnp.where(values > 0, jnp.log(jnp.where(values > 0, values, 1)), _LOG_0)
