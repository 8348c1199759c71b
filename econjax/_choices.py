"""Choices among brackets: which of them holds a worker's best point, and who is at its border."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from econjax._arrays import fold
from econjax._budget import (
    Bracket,
    Point,
    advantage,
    brackets_of,
    by_row,
    home,
    optimum,
    own_bracket,
    pick,
    point_in,
    reach,
    skill_of,
    smooth_optimum,
    smooth_point,
    table_of,
    with_brackets,
)
from econjax._groups import spread
from econjax.economy import Economy
from econjax.population import REFERENCE_HOURS, Population
from econjax.schedule import AbstractSchedule, BracketSchedule


def shared_entries(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> Float[Array, "borders _"] | None:
    """Return the log types that enter each bracket but the lowest, without a derivative.

    They are of each group, where groups have schedules of their own; None where a type does not say
    all, or there is no border.
    """
    if schedule.segments is None or not is_shared(economy) or schedule.rates.shape[-1] == 1:
        return None
    known = jax.lax.stop_gradient((economy, with_brackets(schedule), rebate))
    return jax.lax.stop_gradient(entry_types(one_worker(*known[:2]), *known[1:]))


def choices(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    entries: Float[Array, "borders _"] | None,
) -> Int[Array, " agents"]:
    """Return the number of the bracket that holds each worker's best point, 0 where none are.

    It has no derivative. `entries` are the `shared_entries` of the first three.
    """
    if schedule.segments is None:
        return jnp.zeros(economy.population.skill.shape, int)
    known = jax.lax.stop_gradient((economy, brackets_of(economy, schedule), rebate))
    return checkpoint_name(jax.lax.stop_gradient(_choose(*known, entries)), "bracket")


def entry_types(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> Float[Array, "borders agents"]:
    """Return the log type from which each worker's best point lies above each border, by bisection.

    Borders lie between home and the lowest bracket, if working has a fixed cost, and between
    brackets. A better type earns more (single crossing), so there is one such type; inf if there is
    none.
    """
    workers = economy.population
    starts = _border_starts(economy, schedule)
    cost = jnp.zeros_like(workers.skill) if workers.fixed_cost is None else workers.fixed_cost
    least = 0.0 if workers.other_income is None else workers.other_income[None]
    earned = jnp.maximum(starts, starts - least)
    centre = jnp.log(jnp.maximum(jnp.maximum(earned, cost[None, :]), 1e-6) / REFERENCE_HOURS)

    def is_above(log_types: Float[Array, "borders agents"]) -> Bool[Array, "borders agents"]:
        best, _, ahead = sides(economy, schedule, rebate, log_types)
        low, high = best.income[:, 0], best.income[:, 1]
        # Next to a border where rates rise the lead is of second order and drowns in rounding;
        # whoever is at the border if confined below it wants more if the upper optimum is beyond
        # it.
        return (ahead > 0) | ((low >= starts) & (high > starts) & (starts > least))

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        above = is_above(middle)
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # However far tastes and rates push a type, short of what the format cannot hold.
    highest = jnp.minimum(centre + 60, jnp.log(jnp.finfo(centre.dtype).max) - 8)
    lowest = jnp.minimum(centre, highest) - 12
    low, high = jax.lax.fori_loop(0, jnp.finfo(centre.dtype).nmant + 6, halve, (lowest, highest))
    exists = high < highest
    if workers.other_income is not None:  # whoever has more without working is above at once
        border = jnp.arange(first_border(workers), first_border(workers) + starts.shape[0])
        exists = exists & ((starts > least) | (border == 0)[:, None])
    return jnp.where(exists, (low + high) / 2, jnp.inf)


def sides(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    log_types: Float[Array, "borders agents"],
) -> tuple[Point, Int[Array, "borders sides=2 agents"], Float[Array, "borders agents"]]:
    """Return the best points [borders, sides, agents] of workers moved to the given log types.

    They are those below and above every border. Then which options hold them (0: home, 1: the
    lowest bracket, ...), and the lead of the upper one over the lower, in dollars of the richest.
    """
    numbers = first_border(economy.population) + jnp.arange(log_types.shape[0])
    if log_types.shape[0] <= _AT_ONCE:
        return _sides(economy, schedule, rebate, log_types, numbers)

    def of_one(border: tuple[Float[Array, " agents"], Int[Array, ""]]):
        return _sides(economy, schedule, rebate, *(values[None] for values in border))

    return jax.tree.map(lambda one: one[:, 0], jax.lax.map(of_one, (log_types, numbers)))


_AT_ONCE = 64
"""So many borders are compared with all brackets at once; more, one by one, to save memory."""


@jax.jit
def _sides(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    log_types: Float[Array, "borders agents"],
    numbers: Int[Array, " borders"],
) -> tuple[Point, Int[Array, "borders sides=2 agents"], Float[Array, "borders agents"]]:
    """Return `sides` of the borders of these numbers."""
    skill = skill_of(economy, log_types)
    points, reached = _options(economy, schedule, rebate, skill)
    richest = jnp.max(jnp.where(reached, points.consumption, -jnp.inf), axis=1, keepdims=True)
    gain = by_row(_gain, economy, skill[:, None], points, richest)
    options = jnp.arange(reached.shape[1])[None, None, :, None]
    below = options[:, 0] <= numbers[:, None, None]
    allowed = jnp.stack([reached & below, reached & ~below], axis=1)
    gain = jnp.where(allowed, gain[:, None], -jnp.inf)
    option, best = jnp.argmax(gain, axis=2), jnp.max(gain, axis=2)
    held = options == option[:, :, None]
    points = jax.tree.map(lambda x: jnp.sum(jnp.where(held, x[:, None], 0), axis=2), points)
    return points, option, best[:, 1] - best[:, 0]


def _gain(
    economy: Economy, point: Point, consumption: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return how much better a point is than a consumption without work, in dollars of that."""
    idle = consumption, jnp.zeros_like(consumption)
    return economy.preferences.advantage(point.consumption, point.labor, idle, economy.population)


def lead_between(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    log_types: Float[Array, "borders agents"],
    found: tuple[Int[Array, "borders sides=2 agents"], Float[Array, "borders sides=2 agents"]],
) -> Float[Array, "borders agents"]:
    """Return the lead, in dollars of the lower point; options and incomes of both are known.

    Incomes stay as they are, but at the end of a bracket or of the longest week: as they are the
    best, the lead's derivative is the same (envelope theorem).
    """

    def point(moved: Economy, option: Int[Array, " agents"], income: Float[Array, " agents"]):
        if schedule.segments is None:
            at_work = smooth_point(moved, schedule, rebate, income)
        else:
            bracket = pick(moved, with_brackets(schedule), jnp.maximum(option - 1, 0))
            at_work = point_in(moved, bracket, rebate, income)
        at_home = home(moved, schedule, rebate)
        return jax.tree.map(lambda work, rest: jnp.where(option > 0, work, rest), at_work, at_home)

    skill = skill_of(economy, log_types)
    points = by_row(point, economy, skill[:, None], *found)
    lower = jax.lax.stop_gradient(points.consumption[:, :1])
    gain = by_row(_gain, economy, skill[:, None], points, lower)
    return gain[:, 1] - gain[:, 0]


def first_border(workers: Population) -> int:
    """Return 0 if working has a fixed cost, so that home is a choice of its own, else 1."""
    return 0 if workers.fixed_cost is not None else 1


def is_shared(economy: Economy) -> bool:
    """Return whether one type, of skill and taste together, says all about a worker of a group."""
    workers = economy.population
    own = (workers.elasticity, workers.fixed_cost, workers.other_income)
    same_budget = workers.credit is None or not economy.preferences.income_effects
    return same_budget and all(values is None for values in own)


def one_worker(economy: Economy, schedule: AbstractSchedule) -> Economy:
    """Return the economy of one worker of taste 1, or one of each group, with no longest week."""
    dtype = economy.population.skill.dtype
    groups = schedule.groups
    each = {} if groups is None else {"group": jnp.arange(groups), "groups": groups}
    alone = (Population(skill=jnp.ones(groups or 1, dtype), **each), jnp.asarray(jnp.inf, dtype))
    return eqx.tree_at(lambda e: (e.population, e.max_labor), economy, alone)


def _border_starts(economy: Economy, schedule: AbstractSchedule) -> Float[Array, "borders _"]:
    """Return the income at each border, the same for all or each worker's own."""
    if schedule.segments is None:
        return jnp.zeros((1 - first_border(economy.population), 1))
    starts = with_brackets(schedule).thresholds[..., first_border(economy.population) :]
    group = schedule.group_of(economy.population)
    return starts[:, None] if group is None else spread(starts.T, group)


def _choose(
    economy: Economy,
    schedule: BracketSchedule,
    rebate: Float[Array, ""],
    entries: Float[Array, "borders _"] | None,
) -> Int[Array, " agents"]:
    """Return the number of the bracket that holds each worker's best point.

    Workers of one type need only compare it with the types that enter each bracket, and the income
    of the longest week with where it starts, but for those whom that week keeps from earning what
    their type would: where rates fall, all points are compared.
    """
    lowest = jnp.zeros(economy.population.skill.shape, int)
    if schedule.rates.shape[-1] == 1:
        return lowest
    if entries is None:
        return _compare(economy, schedule, rebate, none=lowest - 1)
    log_type = economy.preferences.log_type(economy.population)
    group = schedule.group_of(economy.population)

    def passes(
        values: Float[Array, " agents"], border: Float[Array, " _"]
    ) -> Bool[Array, " agents"]:
        return values > (border[0] if group is None else spread(border, group))

    most, starts = reach(economy), _border_starts(one_worker(economy, schedule), schedule)
    chosen = fold(
        lambda passed, row: passed + (passes(log_type, row[0]) & passes(most, row[1])),
        lowest,
        (entries, starts),
    )

    def mend(chosen: Int[Array, " agents"]) -> Int[Array, " agents"]:
        none = jnp.minimum(chosen, 0)
        wanted = fold(lambda passed, entry: passed + passes(log_type, entry), none, entries)
        own = pick(economy, schedule, wanted)
        free = eqx.tree_at(
            lambda e: e.max_labor, economy, jnp.full_like(economy.max_labor, jnp.inf)
        )
        kept = jnp.any(optimum(free, own, rebate).income > reach(economy))
        return _if(
            kept, lambda none: _compare(economy, schedule, rebate, none=_minus_one(none)), chosen
        )

    return _if(jnp.any(jnp.diff(schedule.rates) < 0), mend, chosen)


def _if(
    condition: Bool[Array, ""],
    change: Callable[[Int[Array, " agents"]], Int[Array, " agents"]],
    value: Int[Array, " agents"],
) -> Int[Array, " agents"]:
    """Return change(value) if the condition holds, else value: a conditional that `vmap` keeps."""
    return jax.lax.while_loop(
        lambda state: state[0],
        lambda state: (jnp.zeros_like(state[0]), change(state[1])),
        (condition, value),
    )[1]


def _compare(
    economy: Economy,
    schedule: BracketSchedule,
    rebate: Float[Array, ""],
    *,
    none: Int[Array, " agents"],
) -> Int[Array, " agents"]:
    """Return the bracket that holds each worker's best point, the best points of all compared.

    `none` is -1 for everyone.
    """
    table = table_of(schedule)

    def challenge(j: Int[Array, ""] | int, held: tuple[Point, Int[Array, " agents"]]):
        best, chosen = held
        bracket = own_bracket(economy, schedule, jax.tree.map(lambda values: values[j], table))
        point = optimum(economy, bracket, rebate)
        reached = _reached(economy, bracket, point.income, lowest=jnp.equal(j, 0))
        better = reached & ((chosen < 0) | (advantage(economy, point, best) > 0))
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), point, best)
        return best, jnp.where(better, j, chosen)

    return jax.lax.fori_loop(
        0, table.rate.shape[0], challenge, (home(economy, schedule, rebate), none)
    )[1]


def _minus_one(chosen: Int[Array, " agents"]) -> Int[Array, " agents"]:
    """Return -1, depending on a loop's state, or XLA would do the loop's work before it."""
    return jnp.minimum(chosen, 0) - 1


def _options(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    skill: Float[Array, "borders agents"],
) -> tuple[Point, Bool[Array, "borders options agents"]]:
    """Return home and the best point of each bracket, and which points are reached."""
    if schedule.segments is None:
        best = by_row(
            lambda moved: smooth_optimum(moved, schedule, rebate), economy, skill[:, None]
        )
        reached = jnp.ones_like(best.income, bool)
    else:
        table = table_of(with_brackets(schedule))
        own = own_bracket(economy, with_brackets(schedule), table)
        own = jax.tree.map(lambda values: values.reshape(1, len(values), -1), own)

        def option(moved: Economy, bracket: Bracket, lowest: Bool[Array, " agents"]):
            point = optimum(moved, bracket, rebate)
            return point, _reached(moved, bracket, point.income, lowest=lowest)

        lowest = (jnp.arange(len(table.rate)) == 0)[None, :, None]
        best, reached = by_row(option, economy, skill[:, None], own, lowest)
    at_home = by_row(lambda moved: home(moved, schedule, rebate), economy, skill[:, None])
    points = jax.tree.map(lambda one, more: jnp.concatenate([one, more], axis=1), at_home, best)
    return points, jnp.concatenate([jnp.ones_like(reached[:, :1]), reached], axis=1)


def _reached(
    economy: Economy,
    bracket: Bracket,
    income: Float[Array, " agents"],
    *,
    lowest: Bool[Array, "..."],
) -> Bool[Array, " agents"]:
    """Return whose best income in a bracket is within: not at its start, nor past it without work.

    Those where a bracket starts belong to the bracket below: either it holds a better one, or the
    longest week ends before. Who has an income without work is within the bracket of that.
    """
    reached, other = lowest | (income > bracket.start), economy.population.other_income
    if other is None:
        return reached
    return (reached | (other >= bracket.start)) & (other < bracket.end)
