"""Quasi-linear workers of one elasticity: exact responses, and what the bracket formula needs.

Within a bracket such a worker's best utility is linear in its potential income, that at a net rate
of 1, and what an income at a threshold costs does not depend on rates. So all choices are compared
by sums and products, whatever the rates, once those costs are known.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from econjax._arrays import UNROLLED
from econjax._jumps import default_bandwidth, density, log_types, peak
from econjax.economy import Economy, Outcome
from econjax.population import REFERENCE_HOURS, Population
from econjax.preferences import Quasilinear
from econjax.statistics import BracketStatistics
from econjax.welfare import AbstractWelfare, Atkinson

Evaluate = Callable[
    [Float[Array, " brackets"]], tuple[BracketStatistics, Float[Array, " brackets"]]
]
"""Of rates: bracket statistics, and the derivative of revenue that is due to who jumps."""


def is_of_one_elasticity(economy: Economy, thresholds: Float[Array, "..."]) -> bool:
    """Return whether this module knows the workers, and they share one schedule of few brackets.

    In float64 alone: utilities are compared, where those of neighbours differ by little.
    """
    workers = economy.population
    own = (workers.elasticity, workers.fixed_cost, workers.other_income, workers.credit)
    own = (*own, workers.credits)
    return (
        type(economy.preferences) is Quasilinear
        and all(values is None for values in own)
        and thresholds.ndim == 1
        and thresholds.size <= UNROLLED
        and economy.spending.dtype == jnp.float64
    )


def statistics_and_jumps(
    economy: Economy, thresholds: Float[Array, " brackets"], welfare: AbstractWelfare
) -> Evaluate:
    """Return what `bracket_statistics` and `jump_revenue` say of the equilibrium at any rates."""
    known = _costs(economy, thresholds)

    def evaluate(
        rates: Float[Array, " brackets"],
    ) -> tuple[BracketStatistics, Float[Array, " brackets"]]:
        brackets = _brackets(known, rates)
        statistics = _statistics(economy, known, brackets, welfare)
        return statistics, _jumps(economy, known, brackets)

    return evaluate


def outcomes_at(
    economy: Economy, thresholds: Float[Array, " brackets"]
) -> Callable[[Float[Array, " brackets"]], Outcome]:
    """Return what says the outcome of `equilibrium` at any rates."""
    known = _costs(economy, thresholds)
    return lambda rates: _outcome(economy, _choose(known, _brackets(known, rates)))


class _Costs(NamedTuple):
    """What does not depend on rates: of each worker, and of each threshold as an income."""

    starts: Float[Array, " brackets"]
    elasticity: Float[Array, ""]
    potential: Float[Array, " agents"]
    reach: Float[Array, " agents"]
    of_reach: Float[Array, " agents"]
    of_starts: Float[Array, "brackets agents"]
    types: Float[Array, " agents"]
    bandwidth: Float[Array, ""]
    ends: tuple[Float[Array, ""], Float[Array, ""]]


class _Chosen(NamedTuple):
    """Everybody's best income, the lead of consumption over the rebate and cost, and the cost."""

    income: Float[Array, " agents"]
    lead: Float[Array, " agents"]
    cost: Float[Array, " agents"]


def _costs(economy: Economy, starts: Float[Array, " brackets"]) -> _Costs:
    workers, elasticity = economy.population, economy.preferences.elasticity_of(economy.population)
    assert elasticity is not None
    works = workers.skill > 0
    endless, types = works & (workers.taste == 0), log_types(economy)
    log_potential = jnp.log(REFERENCE_HOURS) + jnp.where(works & ~endless, types, 0)
    potential = jnp.where(works, jnp.exp(jnp.where(endless, _ENDLESS, log_potential)), 0)
    reach = jnp.where(works, workers.skill, 0) * jnp.minimum(economy.max_labor, _MOST_HOURS)

    def cost(income: Float[Array, "..."]) -> Float[Array, " agents"]:
        found = _cost(income, log_potential, elasticity)
        return jnp.where(works & ~endless, found, 0)

    counts = (workers.weight > 0) & jnp.isfinite(types)
    lowest = jnp.min(jnp.where(counts, types, jnp.inf))
    highest = jnp.max(jnp.where(counts, types, -jnp.inf))
    return _Costs(
        starts,
        elasticity,
        potential,
        reach,
        cost(reach),
        jax.vmap(cost)(starts),
        types,
        default_bandwidth(economy),
        (lowest, highest),
    )


_ENDLESS = 300.0
_MOST_HOURS = 1e150


def _cost(
    income: Float[Array, "..."], log_potential: Float[Array, "..."], elasticity: Float[Array, ""]
) -> Float[Array, "..."]:
    """Return the disutility of labor that brings an income, in dollars a year."""
    power = 1 + 1 / elasticity
    log = jnp.log(jnp.where(income > 0, income, 1)) - log_potential
    most = 0.5 * jnp.log(jnp.finfo(log.dtype).max)
    effort = jnp.exp(jnp.minimum(power * log + log_potential, most)) / power
    return jnp.where(income > 0, effort, 0)


class _Bracket(NamedTuple):
    """A bracket (or all of them): ends, rate, what is owed at its start, income over potential.

    `of_end` is what the income at its end costs everybody.
    """

    number: Int[Array, "*brackets"]
    start: Float[Array, "*brackets"]
    end: Float[Array, "*brackets"]
    rate: Float[Array, "*brackets"]
    owed: Float[Array, "*brackets"]
    stretch: Float[Array, "*brackets"]
    of_end: Float[Array, "*brackets agents"]


def _brackets(known: _Costs, rates: Float[Array, " brackets"]) -> _Bracket:
    owed = jnp.cumsum(rates[:-1] * jnp.diff(known.starts))
    return _Bracket(
        jnp.arange(rates.size),
        known.starts,
        jnp.append(known.starts[1:], jnp.inf),
        rates,
        jnp.append(0.0, owed),
        (1 - rates) ** known.elasticity,
        jnp.roll(known.of_starts, -1, axis=0),
    )


def _choose(known: _Costs, brackets: _Bracket) -> _Chosen:
    """Return everybody's best point: of each bracket the best beyond its start, then of all.

    By a loop, or each of the sums over workers that follow would choose for them anew.
    """
    part = known.elasticity / (1 + known.elasticity)

    def better_of(best: _Chosen, bracket: _Bracket) -> tuple[_Chosen, None]:
        wanted = known.potential * bracket.stretch
        inside = wanted < bracket.end
        unlimited = jnp.where(inside, wanted, bracket.end)
        cost = jnp.where(inside, part * (1 - bracket.rate) * wanted, bracket.of_end)
        income = jnp.minimum(unlimited, known.reach)
        cost = jnp.where(known.reach < unlimited, known.of_reach, cost)
        tax = bracket.owed + bracket.rate * (income - bracket.start)
        there = _Chosen(income, income - tax - cost, cost)
        reached = (income > bracket.start) | (bracket.number == 0)
        better = reached & (there.lead > best.lead)
        return jax.tree.map(lambda new, old: jnp.where(better, new, old), there, best), None

    zero = jnp.zeros_like(known.potential)
    return jax.lax.scan(better_of, _Chosen(zero, zero - jnp.inf, zero), brackets)[0]


def _outcome(economy: Economy, chosen: _Chosen) -> Outcome:
    """Return what `settle` does of the choices."""
    workers, floor = economy.population, economy.consumption_floor
    tax = chosen.income - chosen.cost - chosen.lead
    rebate = jnp.sum(workers.weight * tax) - economy.spending
    consumption = chosen.income - tax + rebate
    return Outcome(
        labor=chosen.income / jnp.where(workers.skill > 0, workers.skill, 1),
        income=chosen.income,
        tax=tax,
        consumption=consumption,
        utility=jnp.maximum(consumption, floor) - chosen.cost,
        rebate=rebate,
        floored=jnp.sum(workers.weight * (consumption < floor)),
    )


def _statistics(
    economy: Economy, known: _Costs, brackets: _Bracket, welfare: AbstractWelfare
) -> BracketStatistics:
    workers, chosen = economy.population, _choose(known, brackets)
    outcome = _outcome(economy, chosen)
    social = _marginal(workers, outcome, welfare)
    social = social * (outcome.consumption > economy.consumption_floor)
    social = social / jnp.sum(social)
    income = chosen.income
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    responds = (income > 0) & (income < known.reach * (1 - rounding))

    def within(bracket: _Bracket) -> tuple[Float[Array, ""], ...]:
        above = (income > bracket.start * (1 + rounding)) | (bracket.number == 0)
        last = above & (income <= bracket.end * (1 + rounding))
        inside = above & (income < bracket.end * (1 - rounding)) & responds
        dollars = jnp.where(above, jnp.minimum(income, bracket.end) - bracket.start, 0)
        parts = (last, dollars, jnp.where(inside, income, 0))
        share, base, active = (jnp.sum(workers.weight * part) for part in parts)
        return share, base, jnp.sum(social * dollars), active

    found = jax.lax.map(within, brackets._replace(of_end=brackets.number))
    share, base, weighted_base, active = found
    elasticity = jnp.broadcast_to(known.elasticity, share.shape)
    return BracketStatistics(
        share, base, weighted_base, active, elasticity, jnp.zeros_like(elasticity)
    )


def _marginal(
    workers: Population, outcome: Outcome, welfare: AbstractWelfare
) -> Float[Array, " agents"]:
    """Return what a dollar of each worker's utility is worth, times weight, up to a factor."""
    if type(welfare) is Atkinson:
        values = jnp.exp(-welfare.aversion * jnp.log(jnp.maximum(outcome.utility, welfare.floor)))
        return jnp.where(outcome.utility > welfare.floor, workers.weight * values, 0)

    def equivalent(utility: Float[Array, " agents"]) -> Float[Array, ""]:
        return welfare.equivalent(workers, eqx.tree_at(lambda o: o.utility, outcome, utility))

    return jax.grad(equivalent)(outcome.utility)


class _Sides(NamedTuple):
    """For a type at each border the best income below and above, what they cost, and the lead."""

    income: Float[Array, "sides=2 borders"]
    cost: Float[Array, "sides=2 borders"]
    highest: Float[Array, " borders"]
    lead: Float[Array, " borders"]


def _sides(known: _Costs, brackets: _Bracket, potential: Float[Array, " borders"]) -> _Sides:
    number, start, end, rate, owed, stretch = (v[:, None] for v in brackets[:-1])
    income = jnp.clip(potential[None] * stretch, start, end)
    cost = _cost(income, jnp.log(potential)[None], known.elasticity)
    value = income - owed - rate * (income - start) - cost
    below = number <= jnp.arange(potential.size)[None]
    best = jnp.argmax(jnp.where(jnp.stack([below, ~below]), value[None], -jnp.inf), axis=1)
    incomes, costs, values = (jnp.take_along_axis(v, best, axis=0) for v in (income, cost, value))
    return _Sides(incomes, costs, best[1], values[1] - values[0])


def _indifferent(known: _Costs, brackets: _Bracket) -> tuple[Float[Array, " borders"], _Sides]:
    """Return the potential income at which a worker is indifferent about each border that falls.

    And its best points there. Newton's method on the lead of the one above over that below, which
    rises: it is linear between points within brackets. Bisection where a step would leave the
    interval.
    """
    falls, stretch = jnp.diff(brackets.rate) < 0, brackets.stretch
    widest = jax.lax.cummax(stretch, reverse=True)[1:]
    low = jnp.where(falls, known.starts[1:] / widest, 1)
    below = jnp.maximum(stretch[:-1], 1e-6 * widest)  # nothing is earned where all is taken
    high = jnp.where(falls, known.starts[1:] / below, 2)
    near = 8 * jnp.finfo(low.dtype).eps

    def is_far(state) -> Bool[Array, ""]:
        *_, moved, steps = state
        return (moved > near) & (steps < _MOST_STEPS)

    def closer(state):
        (low, high, at), _, _, steps = state
        sides = _sides(known, brackets, at)
        low, high = jnp.where(sides.lead > 0, low, at), jnp.where(sides.lead > 0, at, high)
        slope = (sides.cost[1] - sides.cost[0]) / (known.elasticity * at)
        aim = at - sides.lead / jnp.where(slope > 0, slope, 1)
        within = (slope > 0) & (aim >= low) & (aim <= high)
        aim = jnp.where(within, aim, (low + high) / 2)
        moved = jnp.max(jnp.where(falls, jnp.abs(aim / at - 1), 0))
        return (low, high, aim), sides, moved, steps + 1

    both = jnp.zeros((2, low.size), low.dtype)
    nowhere = _Sides(both, both, jnp.ones(low.size, int), low)
    begin = ((low, high, (low + high) / 2), nowhere, jnp.full_like(low[0], jnp.inf), 0)
    (*_, at), sides, _, _ = jax.lax.while_loop(is_far, closer, begin)
    return at, sides


_MOST_STEPS = 60


def _jumps(economy: Economy, known: _Costs, brackets: _Bracket) -> Float[Array, " brackets"]:
    """Return the derivative of revenue in each rate that is due to workers who jump, in dollars.

    A rise of rate m by dt lifts the lead of the upper point by as much as its dollars in m are
    fewer, times dt, and the indifferent log type falls by that over the slope of the lead.
    """
    if brackets.rate.size == 1:
        return jnp.zeros_like(brackets.rate)
    falls, (at, sides) = jnp.diff(brackets.rate) < 0, _indifferent(known, brackets)
    starts, ends = (v[:, None, None] for v in (brackets.start, brackets.end))
    dollars = jnp.clip(sides.income[None], starts, ends) - starts
    tax = jnp.tensordot(brackets.rate, dollars, 1)
    slope = (sides.cost[1] - sides.cost[0]) / known.elasticity
    # Whoever jumps over several borders at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls)
    counted = falls & (stretch[sides.highest - 1] == stretch) & (slope > 0)
    brought = jnp.where(counted, (tax[1] - tax[0]) / jnp.where(counted, slope, 1), 0)
    mass = _mass(economy, known, jnp.log(at / REFERENCE_HOURS))
    return -(dollars[:, 1] - dollars[:, 0]) @ (brought * mass)


def _mass(
    economy: Economy, known: _Costs, at: Float[Array, " borders"]
) -> Float[Array, " borders"]:
    """Return the density of workers' log types at points."""
    weight = economy.population.weight

    def mass(border: tuple[Float[Array, " 1"], Float[Array, " 1"]]) -> Float[Array, ""]:
        return jnp.sum(density(*border, known.types, weight, known.bandwidth))

    at = at[:, None]
    return jax.lax.map(mass, (at, peak(at, known.bandwidth, known.ends)))
