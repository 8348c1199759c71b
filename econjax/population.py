"""Populations: everything that differs between workers."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete, require, seen

REFERENCE_HOURS = 40.0
"""L0, hours a week: a `Quasilinear` worker with taste 1 works so long at a zero rate."""


class IncomeCredits(eqx.Module):
    """Credits on the tax that depend on income, each worker's by its kind; paid out where above it.

    As a tax below 0: a kind's is piecewise linear, `rates` [kinds, brackets] (shares, below 0 where
    the credit rises with income) from `thresholds` [kinds, brackets] on (dollars a year, from 0).
    `*phased_credit(...).each_group()` are these of credits that phase in and out. `kind` is the
    number, from 0, of each worker's. They are part of the law and beside the schedule: they stay
    where a planner sets other rates, and workers respond to both together. All are pytree leaves.

    Raises:
        ValueError: shapes that do not fit, thresholds that do not rise from 0, rates beyond [-1,
            1], or a kind that is none.
    """

    thresholds: Float[Array, "kinds brackets"]
    rates: Float[Array, "kinds brackets"]
    kind: Int[Array, " agents"]

    def __init__(self, thresholds: ArrayLike, rates: ArrayLike, kind: ArrayLike):
        starts, rates = as_float(thresholds), as_float(rates)
        if starts.ndim != 2 or starts.shape != rates.shape or starts.size == 0:
            raise ValueError(
                "Credits have thresholds and rates of one shape, [kinds, brackets]; got "
                f"{starts.shape} and {rates.shape}."
            )
        edges = seen(starts)
        rises = (edges[:, 0] == 0).all() & (edges[:, 1:] > edges[:, :-1]).all()
        self.thresholds = require(
            starts, rises, "Thresholds of credits are dollars a year, rising strictly from 0."
        )
        self.rates = require(
            rates, (abs(seen(rates)) <= 1).all(), "Rates of credits are shares between -1 and 1."
        )
        self.kind = _numbers("kind", kind, starts.shape[0])


class Population(eqx.Module):
    """Workers, one per entry of arrays of equal length.

    `skill` is in dollars of annual income per weekly hour, `taste` is the dimensionless scale of
    the disutility of labor (1 for everyone if not given), `weight` is the share of the population
    that a worker stands for (equal if not given). Those without skill do not work; a skill or taste
    of next to 0 (1e-31 in float32, 1e-292 in float64) is 0. These may be left out: `elasticity`,
    each worker's own, in place of the one of the preferences; `fixed_cost`, what working at all
    costs, in dollars a year (child care, the way to work; part of consumption, but it brings no
    utility), so that some stay home; `other_income`, what labor does not bring (pensions, capital),
    in dollars a year, taxed with what it brings, negative if a loss; `credit`, a lump sum that the
    worker's tax is lower by, in dollars a year, paid out where the tax is less (for dependents,
    say); `credits`, by which it is lower as they depend on income.

    `group` is the number, from 0, of the group that a worker belongs to, as by filing status: a
    schedule of several groups taxes each by its own. `groups` is how many there are: one more than
    the highest number, if not given.

    Raises:
        ValueError: unequal lengths, a negative or infinite value, an elasticity of 0, a group that
            is no whole number below `groups`, or weights that do not sum to 1. Values are checked
            where they are known, so not inside `jit`, where `groups` must be given.
    """

    skill: Float[Array, " agents"]
    taste: Float[Array, " agents"]
    weight: Float[Array, " agents"]
    elasticity: Float[Array, " agents"] | None
    fixed_cost: Float[Array, " agents"] | None
    other_income: Float[Array, " agents"] | None
    credit: Float[Array, " agents"] | None
    credits: IncomeCredits | None
    group: Int[Array, " agents"] | None
    groups: int = eqx.field(static=True)

    def __init__(
        self,
        skill: ArrayLike,
        *,
        taste: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        elasticity: ArrayLike | None = None,
        fixed_cost: ArrayLike | None = None,
        other_income: ArrayLike | None = None,
        credit: ArrayLike | None = None,
        credits: IncomeCredits | None = None,
        group: ArrayLike | None = None,
        groups: int | None = None,
    ):
        self.skill = _normal(as_float(skill))
        self.taste = jnp.ones_like(self.skill) if taste is None else _normal(as_float(taste))
        self.weight = _equal_shares(self.skill) if weight is None else as_float(weight)
        self.elasticity = None if elasticity is None else as_float(elasticity)
        self.fixed_cost = None if fixed_cost is None else as_float(fixed_cost)
        self.other_income = None if other_income is None else as_float(other_income)
        self.credit = None if credit is None else as_float(credit)
        self.credits = credits
        self.group, self.groups = _grouped(group, groups)
        given = {
            field.name: values
            for field in dataclasses.fields(self)
            if isinstance(values := getattr(self, field.name), Array)
        }
        given |= {} if credits is None else {"kind": credits.kind}
        for name, values in given.items():
            if values.ndim != 1 or values.shape != self.skill.shape or values.size == 0:
                shapes = {field: array.shape for field, array in given.items()}
                raise ValueError(
                    f"{', '.join(given)} are flat arrays of one length; got shapes {shapes}."
                )
            if is_concrete(values):
                _require_finite(name, np.asarray(values), signed=name == "other_income")
        if (
            self.elasticity is not None
            and is_concrete(self.elasticity)
            and not np.all(np.asarray(self.elasticity) > 0)
        ):
            raise ValueError(
                "elasticity must be above 0 for everyone: 0.01 is next to no response."
            )
        if weight is not None and is_concrete(self.weight):
            total = float(np.asarray(self.weight, float).sum())
            if (
                abs(total - 1)
                > 10 * float(jnp.finfo(self.weight.dtype).eps) * self.weight.size**0.5
            ):
                raise ValueError(
                    f"Weights are shares that sum to 1, not {total}: divide by their sum."
                )

    @property
    def agents(self) -> int:
        """The number of workers held, each of whom stands for `weight` of the population."""
        return self.skill.shape[0]


def _normal(values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return values with the least as 0: compiled code may or may not see subnormal numbers.

    What is next to them has no reciprocal, so that derivatives would be nan.
    """
    limits = jnp.finfo(values.dtype)
    least = limits.tiny / limits.eps
    if is_concrete(values):
        known = np.asarray(values)
        if not np.any((np.abs(known) < least) & ((known != 0) | np.signbit(known))):
            return values
    return jnp.where(jnp.abs(values) < least, 0, values)


def _equal_shares(skill: Float[Array, "..."]) -> Float[Array, "..."]:
    number = skill.dtype.type
    return jnp.full_like(skill, number(1) / number(max(skill.size, 1)))


def _require_finite(name: str, values: np.ndarray, *, signed: bool) -> None:
    """Refuse what is not finite, and unless `signed` what is negative."""
    bad = ~(np.isfinite(values) & (signed | (values >= 0)))
    if bad.any():
        where = int(np.argmax(bad))
        legal = "finite" if signed else "finite and 0 or more"
        raise ValueError(f"{name} must be {legal}: mend entry {where}, {values[where]}.")


def _grouped(group: ArrayLike | None, groups: int | None) -> tuple[Int[Array, "..."] | None, int]:
    """Return everybody's group as integers, and how many groups there are."""
    if group is None:
        if groups not in (None, 1):
            raise ValueError(
                f"Say which of the {groups} groups each worker belongs to, by `group`."
            )
        return None, 1
    given = jnp.asarray(group)
    if groups is None:
        if not is_concrete(given):
            raise ValueError("Inside jit the values of `group` are not known: say how many groups.")
        groups = int(np.asarray(given).max(initial=0)) + 1
    return _numbers("group", given, groups), groups


def _numbers(name: str, numbers: ArrayLike, count: int) -> Int[Array, "..."]:
    """Return integers, each a number below `count` as far as they are known."""
    given = jnp.asarray(numbers)
    found = given.astype(jnp.int32)
    if is_concrete(given):
        values = np.asarray(given)
        bad = ~((values >= 0) & (values < count) & (values == np.asarray(found)))
        if bad.any():
            where = int(np.argmax(bad))
            raise ValueError(
                f"{name} holds whole numbers from 0 to {count - 1}: mend entry {where}, "
                f"{values.flat[where]}."
            )
    return found
