"""The law as it stands: dated, sourced federal schedules of the United States; credits."""

import functools
import importlib.resources
import tomllib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require
from econjax._groups import summed
from econjax.schedule import BracketSchedule

FILING_STATUSES = ("single", "joint", "separate", "head_of_household")
"""Who files how, in the order of the groups of `us_federal(year, FILING_STATUSES)`."""


def us_federal(
    year: int, status: str | Sequence[str] = "single", *, deduction: bool = False
) -> BracketSchedule:
    """Return the federal income-tax brackets of a year, for a filing status or for several.

    `status` is one of `FILING_STATUSES`, or a list of them: then the schedule has a group for each,
    in that order, with thresholds of its own and the rates in common. The brackets apply to taxable
    income. With `deduction` they apply to gross wages: the first bracket is then the standard
    deduction, taxed at 0, and the others begin that much higher. Not in it: the additions for the
    aged and blind, the personal exemptions of 2013-2017 (3,900 to 4,050 dollars a head, taken back
    from high incomes), credits. Source and checks: `econjax/data/us_federal.toml`.

    Raises:
        ValueError: a year or status that the table does not hold.
    """
    if isinstance(status, str):
        return BracketSchedule(*_brackets(year, status, deduction=deduction))
    rows = [_brackets(year, each, deduction=deduction) for each in status]
    thresholds, rates = zip(*rows, strict=True)
    return BracketSchedule(np.array(thresholds), rates[0])


def phased_credit(
    *, phase_in: ArrayLike, most: ArrayLike, until: ArrayLike, phase_out: ArrayLike
) -> BracketSchedule:
    """Return a credit that rises with income to a plateau and falls again, as a tax below 0.

    The shape of the earned income tax credit (Internal Revenue Code section 32): `phase_in` of each
    dollar up to `most` dollars, kept `until` that income, then taken back by `phase_out` of each
    dollar, to 0. Shares and dollars a year; lists of them make a group of each. `added` to a
    schedule it is part of what workers respond to.

    Raises:
        ValueError: shares that are not above 0, or a plateau that ends before it begins.
    """
    phase_in, most, until, phase_out = jnp.broadcast_arrays(
        *(as_float(value) for value in (phase_in, most, until, phase_out))
    )
    shares = jnp.stack([phase_in, phase_out])
    require(shares, jnp.all(shares > 0), "phase_in and phase_out are shares above 0.")
    zero = jnp.zeros_like(most)
    thresholds = jnp.stack([zero, most / phase_in, until, until + most / phase_out], axis=-1)
    return BracketSchedule(thresholds, jnp.stack([-phase_in, zero, phase_out, zero], axis=-1))


def added(first: BracketSchedule, second: BracketSchedule) -> BracketSchedule:
    """Return the schedule under which everybody owes what both take together.

    It has the thresholds of both; one that they share is followed by a bracket as narrow as the
    format holds. May be compiled and differentiated. A schedule without groups is added to each
    group's.

    Raises:
        ValueError: schedules of different numbers of groups, or rates that sum to more than 1 or to
            less than -1.
    """
    groups = {schedule.groups for schedule in (first, second)} - {None}
    if len(groups) > 1:
        raise ValueError(f"Schedules to add must be of the same groups; got {groups} groups.")
    (t1, r1), (t2, r2) = first.each_group(), second.each_group()
    if not groups:
        return BracketSchedule(*summed(t1, r1, t2, r2))
    n = groups.pop()
    grouped = [jnp.broadcast_to(v, (n, v.shape[-1])) for v in (t1, r1, t2, r2)]
    return BracketSchedule(*jax.vmap(summed)(*grouped))


def _brackets(year: int, status: str, *, deduction: bool) -> tuple[list[float], list[float]]:
    """Return thresholds and rates."""
    law = _law_book()
    if str(year) not in law:
        raise ValueError(
            f"No federal schedule for year {year}; the table holds {min(law)} to {max(law)}. To "
            "move one to another year by a factor of your own: econjax.laws.indexed, or "
            "[law.index] in an economy file."
        )
    if status not in law[str(year)]:
        raise ValueError(
            f"Unknown filing status {status!r}; choose one of {', '.join(law[str(year)])}."
        )
    entry = law[str(year)][status]
    thresholds, rates = entry["thresholds"], entry["rates"]
    if deduction:
        thresholds = [0, *(entry["standard_deduction"] + threshold for threshold in thresholds)]
        rates = [0.0, *rates]
    return thresholds, rates


@functools.cache
def _law_book() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(
        importlib.resources.files("econjax").joinpath("data/us_federal.toml").read_text("utf-8")
    )
