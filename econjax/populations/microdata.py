"""Microdata: records of people with earnings or none, other income and losses."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from econjax.population import REFERENCE_HOURS, Population

LossRule = Literal["clip", "drop", "keep"]
"""What becomes of losses: they count as 0, their records go, or they count as they are."""


@dataclass(frozen=True)
class Counted:
    """Some records: how many, the share of all weight, and their dollars, times their weights."""

    records: int
    share: float
    dollars: float


@dataclass(frozen=True)
class MicrodataReport:
    """What was read, what was changed, and who does not work.

    `read` and `used` are all records, with earnings and other income as their dollars, before and
    after. `losses` are the records with a negative entry, their dollars the sum of those entries
    (below 0), and `rule` says what became of them. `without_work` are those of the records used
    that have no earnings, their dollars what other income they have, whether they were `dropped` or
    not. Shares are of the weight read, that of `without_work` of the weight left once the rule on
    losses was kept.
    """

    read: Counted
    used: Counted
    losses: Counted
    rule: LossRule
    without_work: Counted
    dropped: bool


@dataclass(frozen=True)
class Microdata:
    """A population, the records that it holds (in order, by number), and the report on the rest."""

    population: Population
    records: np.ndarray = field(repr=False)
    report: MicrodataReport


def from_microdata(
    earnings: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    other_income: ArrayLike | None = None,
    credit: ArrayLike | None = None,
    group: ArrayLike | None = None,
    groups: int | None = None,
    losses: LossRule = "clip",
    without_work: Literal["keep", "drop"] = "keep",
) -> Microdata:
    """Return the people of a sample: those who earn work 40 hours a week, the others do not.

    One worker per record, in the order of the sample, of skill `earnings` / 40; all are flat arrays
    of one length, dollars a year. Records without earnings have skill 0: no tax moves them to work,
    unlike workers of low skill. They receive the rebate, and count in welfare unless it is
    `AmongWorkers`; `without_work="drop"` leaves them out of everything.

    Losses, negative earnings or other income, by rule: "clip" counts them as 0, "drop" leaves the
    records out, and "keep" counts them as they are: a loss of labor is then other income, whose
    owner does not work. No schedule pays for a loss that is left in all. Weights are divided by
    their sum once records have been left out.

    Raises:
        ValueError: lengths that differ, a value that is not finite, a negative weight or credit, no
            weight that is left, or an unknown rule.
    """
    groups = _groups(group, groups, np.shape(earnings))
    given = _columns(earnings, weight=weight, other=other_income, credit=credit)
    _require_rules(losses, without_work)
    earned, other, weights = given["earnings"], given["other_income"], given["weight"]
    lost = np.minimum(earned, 0) + np.minimum(other, 0)
    kept = lost == 0 if losses == "drop" else np.ones(earned.shape, bool)
    if losses == "clip":
        other = np.maximum(other, 0)
    other = other + np.minimum(earned, 0) * (losses == "keep")
    works = earned > 0
    idle = kept & ~works
    used = kept & works if without_work == "drop" else kept
    if not weights[used].sum() > 0:
        raise ValueError("No record of positive weight is left: lift a rule, or mend the weights.")
    left_over = np.where(kept, weights, 0)
    report = MicrodataReport(
        read=_count(np.ones_like(kept), weights, given["earnings"] + given["other_income"]),
        used=_count(used, weights, np.maximum(earned, 0) + other),
        losses=_count(lost < 0, weights, lost),
        rule=losses,
        without_work=_count(idle, left_over, other),
        dropped=without_work == "drop",
    )
    population = Population(
        np.maximum(earned, 0)[used] / REFERENCE_HOURS,
        weight=weights[used] / weights[used].sum(),
        other_income=None if other_income is None and not other.any() else other[used],
        credit=None if credit is None else given["credit"][used],
        group=None if group is None else np.asarray(group)[used],
        groups=groups,
    )
    return Microdata(population, np.flatnonzero(used), report)


def _require_rules(losses: str, without_work: str) -> None:
    if losses not in get_args(LossRule) or without_work not in ("keep", "drop"):
        raise ValueError(
            f"losses are {', '.join(get_args(LossRule))} and without_work is keep or drop; got "
            f"{losses!r} and {without_work!r}."
        )


def _columns(earnings: ArrayLike, **more: ArrayLike | None) -> dict[str, np.ndarray]:
    """Return all columns, with 0 for what is not given, and equal weights."""
    first = np.asarray(earnings, np.float64)
    names = {"weight": "weight", "other": "other_income", "credit": "credit"}
    columns = {"earnings": first} | {
        names[short]: np.full(first.shape, short == "weight", np.float64)
        if values is None
        else np.asarray(values, np.float64)
        for short, values in more.items()
    }
    for name, values in columns.items():
        if values.ndim != 1 or values.shape != first.shape or values.size == 0:
            raise ValueError(
                f"Columns are flat and of one length, that of earnings {first.shape}; {name} is "
                f"of shape {values.shape}."
            )
        signed = name in ("earnings", "other_income")
        bad = ~(np.isfinite(values) & (signed | (values >= 0)))
        if bad.any():
            raise ValueError(
                f"{name} must be finite{'' if signed else ' and 0 or more'}: mend or leave out "
                f"record {np.argmax(bad)}, {values[bad][0]}."
            )
    return columns


def _groups(group: ArrayLike | None, groups: int | None, shape: tuple[int, ...]) -> int | None:
    """Return how many groups there are among all records, some of which may be left out."""
    if group is None:
        return groups
    numbers = np.asarray(group)
    if numbers.shape != shape:
        raise ValueError(f"group needs one entry for each record, {shape}; got {numbers.shape}.")
    return int(numbers.max()) + 1 if groups is None else groups


def _count(
    some: Bool[np.ndarray, " records"],
    weight: Float[np.ndarray, " records"],
    dollars: Float[np.ndarray, " records"],
) -> Counted:
    counted = np.where(some, weight, 0)
    return Counted(int(some.sum()), float(counted.sum() / weight.sum()), float(counted @ dollars))
