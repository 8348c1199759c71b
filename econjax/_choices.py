"""Choices among brackets: which of them holds a worker's best point, and who is at its border."""

from collections.abc import Callable
from operator import itemgetter

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
    copies,
    home,
    moved_to,
    optimum,
    own_bracket,
    pick,
    point_in,
    reach,
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
        (low, high), _, ahead = sides(economy, schedule, rebate, log_types)
        # Next to a border where rates rise the lead is of second order and drowns in rounding;
        # whoever is at the border if confined below it wants more if the upper optimum is beyond
        # it.
        return (ahead > 0) | ((low.income >= starts) & (high.income > starts) & (starts > least))

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
) -> tuple[
    tuple[Point, Point], Int[Array, "borders sides=2 agents"], Float[Array, "borders agents"]
]:
    """Return the best points below and above every border for workers moved to the given log types.

    Then which options hold them (0: home, 1: the lowest bracket, ...), and the lead of the upper
    one over the lower, in dollars.
    """
    numbers = first_border(economy.population) + jnp.arange(log_types.shape[0])
    if log_types.shape[0] <= _AT_ONCE:
        return _sides(economy, schedule, rebate, log_types, numbers)

    def of_one(border: tuple[Float[Array, " agents"], Int[Array, ""]]):
        return _sides(economy, schedule, rebate, *(values[None] for values in border))

    return jax.tree.map(lambda one: one[:, 0], jax.lax.map(of_one, (log_types, numbers)))


_AT_ONCE = 64
"""So many borders are compared with all brackets at once; more, one by one, to save memory."""


def _sides(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    log_types: Float[Array, "borders agents"],
    numbers: Int[Array, " borders"],
) -> tuple[
    tuple[Point, Point], Int[Array, "borders sides=2 agents"], Float[Array, "borders agents"]
]:
    """Return `sides` of the borders of these numbers, as if of so many times as many workers."""
    moved = moved_to(copies(economy, len(numbers)), log_types.reshape(-1))
    points, reached = _options(moved, schedule, rebate)
    border = jnp.repeat(numbers, log_types.shape[1])
    below = jnp.arange(len(reached))[:, None] <= border[None]
    allowed = jnp.stack([reached & below, reached & ~below], axis=1)
    best, option = _best(moved, points, allowed)
    low, high = (jax.tree.map(itemgetter(side), best) for side in (0, 1))
    ahead = jnp.where(jnp.any(allowed[:, 1], axis=0), advantage(moved, high, low), -jnp.inf)
    low, high, ahead = jax.tree.map(lambda v: v.reshape(log_types.shape), (low, high, ahead))
    return (low, high), jnp.moveaxis(option.reshape(2, *log_types.shape), 0, 1), ahead


def lead_between(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    log_types: Float[Array, "borders agents"],
    found: tuple[Int[Array, "borders sides=2 agents"], Float[Array, "borders sides=2 agents"]],
) -> Float[Array, "borders agents"]:
    """Return the lead in `sides`, where options and incomes of the two points are known.

    Incomes stay as they are, but at the end of a bracket or of the longest week: as they are the
    best, the lead's derivative is the same (envelope theorem).
    """
    moved = moved_to(copies(economy, len(log_types)), log_types.reshape(-1))
    option, income = (jnp.moveaxis(values, 1, 0).reshape(-1) for values in found)
    twice = copies(moved, 2)
    if schedule.segments is None:
        at_work = smooth_point(twice, schedule, rebate, income)
    else:
        bracket = pick(twice, with_brackets(schedule), jnp.maximum(option - 1, 0))
        at_work = point_in(twice, bracket, rebate, income)
    at_home = home(twice, schedule, rebate)
    both = jax.tree.map(lambda work, rest: jnp.where(option > 0, work, rest), at_work, at_home)
    halves = jax.tree.map(lambda values: values.reshape(2, -1), both)
    low, high = (jax.tree.map(itemgetter(side), halves) for side in (0, 1))
    return advantage(moved, high, low).reshape(log_types.shape)


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
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> tuple[Point, Bool[Array, "options agents"]]:
    """Return home and the best point of each bracket, and which points are reached."""
    if schedule.segments is None:
        points = jax.tree.map(lambda x: x[None], smooth_optimum(economy, schedule, rebate))
        reached = jnp.ones_like(points.income, bool)
    else:
        schedule = with_brackets(schedule)
        table = own_bracket(economy, schedule, table_of(schedule))
        shape = (table.rate.shape[0], economy.population.agents)
        flat = jax.tree.map(lambda v: _each(v, shape).reshape(-1), table)
        points = optimum(copies(economy, shape[0]), flat, rebate)
        points = jax.tree.map(lambda v: v.reshape(shape), points)
        lowest = jnp.arange(shape[0])[:, None] == 0
        table = jax.tree.map(lambda v: _each(v, shape), table)
        reached = _reached(economy, table, points.income, lowest=lowest)
    at_home = home(economy, schedule, rebate)
    points = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), at_home, points)
    return points, jnp.concatenate([jnp.ones_like(reached[:1]), reached])


def _reached(
    economy: Economy,
    bracket: Bracket,
    income: Float[Array, "*brackets agents"],
    *,
    lowest: Bool[Array, "..."],
) -> Bool[Array, "*brackets agents"]:
    """Return whose best income in a bracket is within: not at its start, nor past it without work.

    Those where a bracket starts belong to the bracket below: either it holds a better one, or the
    longest week ends before. Who has an income without work is within the bracket of that.
    """
    reached, other = lowest | (income > bracket.start), economy.population.other_income
    if other is None:
        return reached
    other = jnp.broadcast_to(other, income.shape)
    return (reached | (other >= bracket.start)) & (other < bracket.end)


def _each(
    values: Float[Array, "brackets ..."], shape: tuple[int, int]
) -> Float[Array, "brackets agents"]:
    """Return entries of brackets for each worker, who may all have the same."""
    return jnp.broadcast_to(values.reshape(len(values), -1), shape)


def _best(
    economy: Economy, points: Point, allowed: Bool[Array, "options sides agents"]
) -> tuple[Point, Int[Array, "sides agents"]]:
    """Return the best of the allowed options and its number; the lowest of equals."""
    options, sides, _ = allowed.shape

    def take(values: Float[Array, "options agents"], option: Int[Array, "sides agents"]):
        chosen = jnp.arange(options)[:, None, None] == option[None]
        return jnp.sum(jnp.where(chosen, values[:, None], 0), axis=0)

    def everywhere(values: Float[Array, "... agents"]) -> Float[Array, " all"]:
        return jnp.broadcast_to(values, allowed.shape).reshape(-1)

    richest = jnp.argmax(jnp.where(allowed, points.consumption[:, None], -jnp.inf), axis=0)
    ahead = economy.preferences.advantage(
        everywhere(points.consumption[:, None]),
        everywhere(points.labor[:, None]),
        (everywhere(take(points.consumption, richest)), everywhere(take(points.labor, richest))),
        copies(economy, options * sides).population,
    ).reshape(allowed.shape)
    option = jnp.argmax(jnp.where(allowed, ahead, -jnp.inf), axis=0)
    return jax.tree.map(lambda values: take(values, option), points), option
