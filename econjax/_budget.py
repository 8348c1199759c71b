"""Budgets: the best point of a worker within a bracket, and the tables of brackets."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from econjax._arrays import UNROLLED, at_least, at_most, fold
from econjax._groups import row_of, spread, summed
from econjax.economy import Economy, income_and_tax
from econjax.population import Population
from econjax.schedule import AbstractSchedule, BracketSchedule

Result = TypeVar("Result")


class Point(NamedTuple):
    """A point on everybody's budget; consumption is what the fixed cost of working leaves."""

    labor: Float[Array, "..."]
    income: Float[Array, "..."]
    tax: Float[Array, "..."]
    consumption: Float[Array, "..."]


class Bracket(NamedTuple):
    """A bracket (or one for each worker): its rate, its ends, and the tax owed where it starts.

    As a table of them, brackets come first: [brackets], or [brackets, groups].
    """

    rate: Float[Array, "..."]
    log_net_rate: Float[Array, "..."]
    start: Float[Array, "..."]
    end: Float[Array, "..."]
    owed: Float[Array, "..."]


def with_credits(economy: Economy, schedule: AbstractSchedule) -> tuple[Economy, AbstractSchedule]:
    """Return an economy without credits that depend on income, and the schedule less these.

    Groups of the schedule are then those there were, times the kinds of credits: budgets, and so
    choices and taxes, are the same.

    Raises:
        ValueError: such credits, under a schedule that is not of brackets.
    """
    workers, credits = economy.population, economy.population.credits
    if credits is None:
        return economy, schedule
    segments = schedule.segments
    if segments is None:
        raise ValueError(
            "Best hours with credits that depend on income are known under a BracketSchedule only, "
            f"not under a {type(schedule).__name__}: make the population without `credits`, or use "
            "brackets."
        )
    group, kinds = schedule.group_of(workers), credits.rates.shape[0]
    law = [jnp.repeat(jnp.atleast_2d(v), kinds, axis=0) for v in segments.each_group()]
    less = [jnp.tile(v, (segments.groups or 1, 1)) for v in (credits.thresholds, credits.rates)]
    table = jax.vmap(summed)(*law, *less)
    if len(law[0]) == 1:
        table, own = [values[0] for values in table], {}
    else:
        number = credits.kind if group is None else kinds * group + credits.kind
        own = {"group": number, "groups": len(law[0])}
    workers = dataclasses.replace(workers, credits=None, **own)
    return (
        eqx.tree_at(lambda e: e.population, economy, workers),
        eqx.tree_at(lambda s: (s.thresholds, s.rates), segments, tuple(table)),
    )


def best_point(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    brackets: Int[Array, " agents"],
) -> Point:
    """Return the best point of every worker who works within the bracket chosen."""
    if schedule.segments is None:
        return smooth_optimum(economy, schedule, rebate)
    return optimum(economy, pick(economy, brackets_of(economy, schedule), brackets), rebate)


def home(economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]) -> Point:
    """Return the point at which nobody works."""
    workers = economy.population
    zero = jnp.zeros_like(workers.skill)
    if workers.other_income is None and workers.credit is None:
        return Point(zero, zero, zero, zero + rebate)
    income, tax = income_and_tax(workers, schedule, zero)
    return Point(zero, income, tax, income - tax + rebate)


def advantage(economy: Economy, point: Point, over: Point) -> Float[Array, " agents"]:
    """Return how much better one point is than another for every worker, in dollars."""
    return economy.preferences.advantage(
        point.consumption, point.labor, (over.consumption, over.labor), economy.population
    )


def skill_of(
    economy: Economy, log_types: Float[Array, "borders agents"]
) -> Float[Array, "borders agents"]:
    """Return the skills that give workers these log types."""
    unit = eqx.tree_at(
        lambda e: e.population.skill, economy, jnp.ones_like(economy.population.skill)
    )
    return jnp.exp(log_types - economy.preferences.log_type(unit.population)[None])


def by_row(
    function: Callable[..., Result], economy: Economy, skill: Float[Array, "..."], *given: Any
) -> Result:
    """Return function(economy, *given) for each row of skills, all arrays [..., agents].

    What has one row along an axis is the same for all there, and what follows from it alone is
    reckoned once.
    """
    shape = jnp.broadcast_shapes(skill.shape, *(v.shape for v in jax.tree.leaves(given)))

    def of_row(skill: Float[Array, " agents"], *given: Any) -> Result:
        return function(eqx.tree_at(lambda e: e.population.skill, economy, skill), *given)

    found = _along(len(shape) - 1, of_row, (skill, *given))
    return jax.tree.map(lambda values: jnp.broadcast_to(values, shape), found)


def _along(axes: int, function: Callable[..., Result], given: Any) -> Result:
    """Return function(*given) along so many axes, with one row along each where all have one."""
    if axes == 0:
        return function(*given)
    own = jax.tree.map(lambda values: values[0] if values.shape[0] == 1 else values, given)
    rows = jax.tree.map(lambda values: None if values.shape[0] == 1 else 0, given)
    if not jax.tree.leaves(rows):
        return jax.tree.map(lambda values: values[None], _along(axes - 1, function, own))
    return jax.vmap(lambda *one: _along(axes - 1, function, one), rows)(*own)


def brackets_of(economy: Economy, schedule: AbstractSchedule) -> BracketSchedule:
    """Return the brackets in which workers choose: with other income also that of losses, untaxed.

    Raises:
        TypeError: a schedule that has no brackets.
    """
    schedule = with_brackets(schedule)
    if economy.population.other_income is None:
        return schedule
    lowest = jnp.full_like(
        schedule.thresholds[..., :1], -0.25 * jnp.finfo(schedule.rates.dtype).max
    )
    thresholds = jnp.concatenate([lowest, schedule.thresholds], axis=-1)
    rates = jnp.concatenate([jnp.zeros_like(schedule.rates[..., :1]), schedule.rates], axis=-1)
    return eqx.tree_at(lambda s: (s.thresholds, s.rates), schedule, (thresholds, rates))


def with_brackets(schedule: AbstractSchedule) -> BracketSchedule:
    segments = schedule.segments
    if segments is None:
        raise TypeError(f"A {type(schedule).__name__} has no brackets: use a BracketSchedule.")
    return segments


def table_of(schedule: BracketSchedule) -> Bracket:
    """Return the table of brackets."""
    starts, rates = (values.T for values in schedule.each_group())
    ends = jnp.concatenate([starts[1:], jnp.full_like(starts[:1], jnp.inf)])
    owed = jnp.cumsum(rates[:-1] * jnp.diff(starts, axis=0), axis=0)
    owed = jnp.concatenate([jnp.zeros_like(starts[:1]), owed])
    log_net = jnp.where(rates < 1, jnp.log(jnp.where(rates < 1, 1 - rates, 1)), -jnp.inf)
    return Bracket(rates, log_net, starts, ends, owed)


def own_bracket(economy: Economy, schedule: BracketSchedule, bracket: Bracket) -> Bracket:
    """Return a bracket for each worker, of the own group, where groups have their own schedules."""
    group = schedule.group_of(economy.population)
    return bracket if group is None else jax.tree.map(lambda v: spread(v, group), bracket)


def optimum(economy: Economy, bracket: Bracket, rebate: Float[Array, ""]) -> Point:
    """Return the best point within a bracket, or as far towards it as the longest week reaches."""
    workers = economy.population
    at_zero = rebate - (bracket.owed - bracket.rate * bracket.start) - _cost(workers)
    if workers.other_income is not None:
        at_zero = at_zero + (1 - bracket.rate) * workers.other_income
    hours = economy.preferences.linear_labor(bracket.log_net_rate, at_zero, workers)
    earned = _earned(economy, hours)
    unlimited = at_most(at_least(_in_all(workers, earned), bracket.start), bracket.end)
    income = at_most(unlimited, _in_all(workers, reach(economy)))
    return _at_income(economy, bracket, rebate, income)


def point_in(
    economy: Economy,
    bracket: Bracket,
    rebate: Float[Array, ""],
    income: Float[Array, " agents"],
) -> Point:
    """Return the point of an income that stays as it is, but where `optimum` is held by an end."""
    most = _in_all(economy.population, reach(economy))
    for held in (bracket.start, bracket.end, most):
        income = jnp.where(income == held, held, income)
    return _at_income(economy, bracket, rebate, income)


def _at_income(
    economy: Economy,
    bracket: Bracket,
    rebate: Float[Array, ""],
    income: Float[Array, " agents"],
) -> Point:
    return _point(economy, income, bracket.owed + bracket.rate * (income - bracket.start), rebate)


def smooth_optimum(economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]) -> Point:
    if economy.population.other_income is not None:
        raise ValueError(
            "Best hours beside other income are known under a BracketSchedule only, not under a "
            f"{type(schedule).__name__}: make the population without `other_income`, or use "
            "brackets."
        )
    at_zero = rebate - _cost(economy.population)
    hours = schedule.smooth_labor(economy.preferences, at_zero, economy.population)
    income = _earned(economy, hours)
    return _point(economy, income, schedule.tax(income), rebate)


def smooth_point(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    income: Float[Array, " agents"],
) -> Point:
    """Return the point of an income that stays as it is, but at the end of the longest week."""
    most = reach(economy)
    income = jnp.where(income == most, most, income)
    return _point(economy, income, schedule.tax(income), rebate)


def _point(
    economy: Economy,
    income: Float[Array, " agents"],
    tax: Float[Array, " agents"],
    rebate: Float[Array, ""],
) -> Point:
    workers, skill = economy.population, economy.population.skill
    earned = income
    if workers.other_income is not None:
        earned = jax.nn.relu(income - workers.other_income)
    labor = jnp.where(skill > 0, _hours_for(earned, jnp.where(skill > 0, skill, 1)), 0)
    kept = income - tax + rebate - _cost(workers)
    return Point(labor, income, tax if workers.credit is None else tax - workers.credit, kept)


@jax.custom_jvp
def _hours_for(
    income: Float[Array, " agents"], skill: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    return income / skill


@_hours_for.defjvp
def _hours_for_jvp(primals, tangents):
    """Without the square of the skill, which the least skills do not have."""
    (income, skill), (more, abler) = primals, tangents
    hours = income / skill
    return hours, (more - hours * abler) / skill


def _cost(workers: Population) -> Float[Array, "..."]:
    """Return what working costs, less the credit: what every point at work is lower by."""
    cost = jnp.zeros((), workers.skill.dtype) if workers.fixed_cost is None else workers.fixed_cost
    return cost if workers.credit is None else cost - workers.credit


def _in_all(workers: Population, earned: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return income with what labor does not bring."""
    return earned if workers.other_income is None else earned + workers.other_income


def _earned(economy: Economy, hours: Float[Array, " agents"]) -> Float[Array, " agents"]:
    skill = economy.population.skill
    return jnp.where(skill > 0, skill * at_most(hours, economy.max_labor), 0)


def reach(economy: Economy) -> Float[Array, " agents"]:
    """Return the income of the longest week; its derivative is finite where there is none."""
    skill, limited = economy.population.skill, jnp.isfinite(economy.max_labor)
    most = skill * jnp.where(limited, economy.max_labor, 1)
    return jnp.where(limited | (skill == 0), most, jnp.inf)


def pick(economy: Economy, schedule: BracketSchedule, chosen: Int[Array, "*shape"]) -> Bracket:
    """Return everybody's bracket: of a few people, or of many brackets, by a gather.

    Otherwise by chains of selections, which fuse unlike that.
    """
    table = table_of(schedule)
    group = schedule.group_of(economy.population)
    if group is not None:
        return jax.tree.map(lambda values: row_of(values, chosen, group), table)
    if table.rate.shape[0] > UNROLLED:
        return jax.tree.map(lambda values: values[chosen], table)
    return _select(table, chosen)


_FEW = 2**10
"""So many entries of a table are gathered: as soon as selected, and compiled in less time. In a
loop more of them take longer (JAX 0.10.1 on a CPU)."""


@jax.custom_jvp
def _select(table: Bracket, chosen: Int[Array, "*shape"]) -> Bracket:
    if chosen.size <= _FEW:
        return jax.tree.map(lambda v: v.at[chosen].get(mode="promise_in_bounds"), table)

    def select(own: Bracket, row: tuple[Bracket, Int[Array, ""]]) -> Bracket:
        return jax.tree.map(
            lambda below, value: jnp.where(chosen >= row[1], value, below), own, row[0]
        )

    lowest = jax.tree.map(lambda values: jnp.broadcast_to(values[0], chosen.shape), table)
    higher = jax.tree.map(lambda values: values[1:], table)
    return fold(select, lowest, (higher, jnp.arange(1, table.rate.shape[0])))


@partial(_select.defjvp, symbolic_zeros=True)
def _select_jvp(primals, tangents):
    """As a product with who is in which bracket, whose transpose is one too: no kernel a sum.

    The log of what is kept moves with the rate.
    """
    table, chosen = primals
    own, moves = _select(table, chosen), tangents[0]._replace(log_net_rate=None)
    moving = {
        name: moved
        for name, moved in moves._asdict().items()
        if moved is not None and not isinstance(moved, SymbolicZero)
    }
    still = jax.tree.map(jnp.zeros_like, own)
    if not moving:
        return own, still

    @partial(jax.checkpoint, prevent_cse=False)
    def own_moves(rows: dict[str, Float[Array, " brackets"]]) -> dict[str, Float[Array, "*shape"]]:
        number = jnp.arange(table.rate.size).reshape(-1, *(1 for _ in chosen.shape))
        held = (chosen[None] == number).astype(table.rate.dtype)
        return {
            name: jnp.tensordot(row, held, 1, precision="highest") for name, row in rows.items()
        }

    found = own_moves(moving)
    if "rate" in found:
        keeps = own.rate < 1
        found["log_net_rate"] = jnp.where(
            keeps, -found["rate"] / jnp.where(keeps, 1 - own.rate, 1), 0
        )
    return own, still._replace(**found)
