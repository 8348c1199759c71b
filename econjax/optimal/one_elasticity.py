"""Quasi-linear workers of one elasticity: exact responses, and what the bracket formula needs."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from econjax._arrays import UNROLLED, dot
from econjax._jumps import Crowd, crowd_of, density, peak
from econjax.economy import Economy, Outcome
from econjax.optimal._potential import (
    Brackets,
    Chosen,
    Potential,
    Sides,
    brackets_at,
    chosen_by_entry,
    chosen_by_search,
    entries_of,
    indifferent_at,
    last_below,
    own_of,
    potential_of,
)
from econjax.population import REFERENCE_HOURS, Population
from econjax.preferences import Quasilinear
from econjax.welfare import AbstractWelfare, Atkinson
from econjax.welfare.statistics import BracketStatistics

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
    elasticity = _elasticity(economy)
    workers, crowd = potential_of(economy, elasticity), crowd_of(economy)

    def evaluate(
        rates: Float[Array, " brackets"],
    ) -> tuple[BracketStatistics, Float[Array, " brackets"]]:
        brackets = brackets_at(thresholds, rates, elasticity)
        at, sides = indifferent_at(brackets, elasticity)
        chosen = chosen_by_entry(workers, brackets, elasticity, entries_of(brackets, at))
        statistics = _statistics(economy, workers, brackets, chosen, welfare)
        return statistics, _jumps(economy, crowd, brackets, at, sides)

    return evaluate


def outcomes_at(
    economy: Economy, thresholds: Float[Array, " brackets"]
) -> Callable[[Float[Array, " brackets"]], Outcome]:
    """Return what says the outcome of `equilibrium` at any rates."""
    elasticity = _elasticity(economy)
    workers = potential_of(economy, elasticity)

    def outcome(rates: Float[Array, " brackets"]) -> Outcome:
        brackets = brackets_at(thresholds, rates, elasticity)
        return _outcome(economy, chosen_by_search(workers, brackets, elasticity))

    return outcome


def _elasticity(economy: Economy) -> Float[Array, ""]:
    elasticity = economy.preferences.elasticity_of(economy.population)
    assert elasticity is not None
    return elasticity


def _outcome(economy: Economy, chosen: Chosen) -> Outcome:
    """Return what `settle` does of the choices."""
    workers, floor = economy.population, economy.consumption_floor
    rebate = jnp.sum(workers.weight * chosen.tax) - economy.spending
    consumption = chosen.income - chosen.tax + rebate
    return Outcome(
        labor=chosen.income / jnp.where(workers.skill > 0, workers.skill, 1),
        income=chosen.income,
        tax=chosen.tax,
        consumption=consumption,
        utility=jnp.maximum(consumption, floor) - chosen.cost,
        rebate=rebate,
        floored=jnp.sum(workers.weight * (consumption < floor)),
    )


def _statistics(
    economy: Economy,
    potential: Potential,
    brackets: Brackets,
    chosen: Chosen,
    welfare: AbstractWelfare,
) -> BracketStatistics:
    workers, income = economy.population, chosen.income
    outcome = _outcome(economy, chosen)
    social = _marginal(workers, outcome, welfare)
    social = social * (outcome.consumption > economy.consumption_floor)
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    last = last_below(income, brackets.start[1:] * (1 + rounding))
    limit = jnp.minimum(own_of(brackets.end, last), potential.reach) * (1 - rounding)
    inside = (income > 0) & (income < limit)
    starts, ends = brackets.start[None], brackets.end[None]
    dollars = jnp.clip(income[:, None], starts, ends) - starts
    base, weighted_base = dot(jnp.stack([workers.weight, social]), dollars)
    share, active = (
        jax.ops.segment_sum(jnp.where(who, part, 0), last, brackets.rate.size)
        for who, part in ((True, workers.weight), (inside, workers.weight * income))
    )
    return BracketStatistics(
        share,
        base,
        weighted_base / jnp.sum(social),
        active,
        jnp.broadcast_to(_elasticity(economy), share.shape),
        jnp.zeros_like(share),
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


def _jumps(
    economy: Economy,
    crowd: Crowd,
    brackets: Brackets,
    at: Float[Array, " borders"],
    sides: Sides,
) -> Float[Array, " brackets"]:
    """Return the derivative of revenue in each rate that is due to workers who jump, in dollars.

    A rise of rate m by dt lifts the lead of the upper point by as much as its dollars in m are
    fewer, times dt, and the indifferent log type falls by that over the slope of the lead.
    """
    if brackets.rate.size == 1:
        return jnp.zeros_like(brackets.rate)
    falls = jnp.diff(brackets.rate) < 0
    starts, ends = brackets.start[:, None], brackets.end[:, None]
    low, high = (jnp.clip(income[None], starts, ends) for income in sides.income)
    more, slope = high - low, (sides.cost[1] - sides.cost[0]) / _elasticity(economy)
    # Whoever jumps over several borders at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls)
    counted = falls & (stretch[sides.number[1] - 1] == stretch) & (slope > 0)
    brought = jnp.where(counted, dot(brackets.rate, more) / jnp.where(counted, slope, 1), 0)
    mass = _mass(economy, crowd, jnp.log(at / REFERENCE_HOURS), counted)
    return -dot(more, brought * mass)


def _mass(
    economy: Economy,
    crowd: Crowd,
    at: Float[Array, " borders"],
    counted: Bool[Array, " borders"],
) -> Float[Array, " borders"]:
    """Return the density of workers' log types at the points that are counted, elsewhere 0."""
    weight = economy.population.weight

    def mass(border: tuple[Float[Array, " 1"], Float[Array, " 1"], Bool[Array, " 1"]]):
        at, height, counted = border

        def found() -> Float[Array, ""]:
            return jnp.sum(density(at, height, crowd))

        return jax.lax.cond(counted[0], found, lambda: jnp.zeros_like(weight[0]))

    at = at[:, None]
    return jax.lax.map(mass, (at, peak(at, crowd), counted[:, None]))
