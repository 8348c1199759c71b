"""What is owed under brackets, of one schedule or of each group: chains of sums, which fuse."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float, Int

from econjax._arrays import at_most, fold
from econjax._compiled import compiled
from econjax._groups import row_of, spread


def row_passed(
    thresholds: Float[Array, "groups brackets"],
    group: Int[Array, " agents"],
    passes: Callable[[Float[Array, " agents"]], Bool[Array, "*more agents"]],
    shape: tuple[int, ...],
) -> Int[Array, "*more agents"]:
    """Return the number of the last bracket that everybody's income passes."""

    def add(count: Int[Array, "*more agents"], start: Float[Array, " groups"]):
        return count + passes(spread(start, group))

    return fold(add, jnp.zeros(shape, int), thresholds.T[1:])


@jax.custom_jvp
def owed_by_group(
    income: Float[Array, "*more agents"],
    thresholds: Float[Array, "groups brackets"],
    rates: Float[Array, "groups brackets"],
    group: Int[Array, " agents"],
) -> Float[Array, "*more agents"]:
    """Return everybody's tax: a chain of sums and selections, which fuses."""

    def add(owed: Float[Array, "*more agents"], row: tuple[Float[Array, " groups"], ...]):
        step, start = (spread(values, group) for values in row)
        return owed + step * jax.nn.relu(income - start)

    first = spread(rates[:, 0], group) * jax.nn.relu(income)
    return fold(add, first, (jnp.diff(rates).T, thresholds.T[1:]))


@owed_by_group.defjvp
def _owed_by_group_jvp(primals, tangents):
    """By a gather of what is owed where the own bracket starts, and its rate on.

    Its transpose adds everybody up in one pass.
    """
    *moving, group = primals

    def owed(income, thresholds, rates):
        income = jnp.where(income < 0, 0, income)
        wide = rates[:, :-1] * jnp.diff(thresholds)
        starts = jnp.pad(jnp.cumsum(wide, axis=1), ((0, 0), (1, 0)))
        row = row_passed(thresholds, group, lambda start: income > start, income.shape)
        tables = (starts, rates, thresholds)
        due, rate, start = (row_of(values.T, row, group) for values in tables)
        return due + rate * (income - start)

    return owed_by_group(*primals), jax.jvp(owed, moving, list(tangents[:3]))[1]


@jax.custom_jvp
def _owed(
    income: Float[Array, "*shape"],
    thresholds: Float[Array, " brackets"],
    rates: Float[Array, " brackets"],
) -> Float[Array, "*shape"]:
    """Return the tax on incomes: a chain of sums, which fuses."""

    def add(owed: Float[Array, "*shape"], row: tuple[Float[Array, ""], Float[Array, ""]]):
        return owed + row[0] * jax.nn.relu(income - row[1])

    return fold(add, rates[0] * jax.nn.relu(income), (jnp.diff(rates), thresholds[1:]))


@partial(_owed.defjvp, symbolic_zeros=True)
def _owed_jvp(primals, tangents):
    """With respect to the schedule a loop, whose transpose is one sum over incomes per bracket."""
    income, thresholds, rates = primals
    by_income, by_thresholds, by_rates = (None if _is_zero(t) else t for t in tangents)
    moved = jnp.zeros_like(income)
    if by_income is not None:
        slope = _last_rate(rates, thresholds, lambda at: income > at, income.shape)
        moved = by_income * jnp.where(income < 0, 0, slope)
    if by_thresholds is None and by_rates is None:
        return _owed(*primals), moved
    by_thresholds = jnp.zeros_like(thresholds) if by_thresholds is None else by_thresholds
    by_rates = jnp.zeros_like(rates) if by_rates is None else by_rates

    @partial(jax.checkpoint, prevent_cse=False)
    def add(moved: Float[Array, "*shape"], row: tuple[Float[Array, ""], ...]):
        threshold, by_step, by_threshold = row
        return moved + by_step * jax.nn.relu(income - threshold) - by_threshold * (
            income > threshold
        ), None

    rows = (thresholds[1:], jnp.diff(by_rates), jnp.diff(rates) * by_thresholds[1:])
    return _owed(*primals), jax.lax.scan(add, moved + by_rates[0] * jax.nn.relu(income), rows)[0]


@compiled
def owed(
    income: Float[Array, "*shape"],
    thresholds: Float[Array, " brackets"],
    rates: Float[Array, " brackets"],
) -> Float[Array, "*shape"]:
    """Return the tax on incomes, of which inf is the largest number there is."""
    return _owed(at_most(income, jnp.finfo(income.dtype).max), thresholds, rates)


@compiled
def rate_above(
    income: Float[Array, "*shape"],
    thresholds: Float[Array, " brackets"],
    rates: Float[Array, " brackets"],
) -> Float[Array, "*shape"]:
    """Return the tax on the next dollar: the rate of the bracket above a threshold."""
    rate = _last_rate(rates, thresholds, lambda threshold: income >= threshold, income.shape)
    return jnp.where(income >= 0, rate, jnp.where(income < 0, 0, income))


def _last_rate(
    rates: Float[Array, " brackets"],
    thresholds: Float[Array, " brackets"],
    passes: Callable[[Float[Array, ""]], Bool[Array, "*shape"]],
    shape: tuple[int, ...],
) -> Float[Array, "*shape"]:
    """Return the rate of the last bracket whose threshold an income passes."""

    def pass_on(rate: Float[Array, "*shape"], row: tuple[Float[Array, ""], Float[Array, ""]]):
        return jnp.where(passes(row[1]), row[0], rate)

    return fold(pass_on, jnp.broadcast_to(rates[0], shape), (rates[1:], thresholds[1:]))


def _is_zero(tangent) -> bool:
    return isinstance(tangent, SymbolicZero)
