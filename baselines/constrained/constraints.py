"""What a schedule is required to bring, and the certificate of what it was heard to bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from econjax.bounds import RateBounds
from econjax.planning import Observation, Plan, Report

BOOKS: tuple[Observation, ...] = ("distribution", "brackets")
"""What revenue and losses are read from."""


class Requirement(Protocol):
    """One or more numbers, in dollars a year, that a schedule's report must not leave below 0.

    `observes` declares the parts of a report that they are read from.
    """

    @property
    def observes(self) -> tuple[Observation, ...]:
        """The parts of a report that are read."""
        ...

    def margins(self, report: Report) -> dict[str, float]:
        """Return by how much each is kept, by name; below 0, by how much it is broken."""
        ...

    def slopes(
        self, schedule: BracketSchedule, report: Report
    ) -> Float[np.ndarray, "margins brackets"]:
        """Return how the margins would move with the rates if nobody's hours did: a first guess."""
        ...


@dataclass(frozen=True)
class RevenueFloor:
    """Revenue (the rebate and public `spending`) is at least so many dollars a year per head."""

    least: float
    spending: float = 0.0
    observes: ClassVar = BOOKS

    def margins(self, report: Report) -> dict[str, float]:
        """Return revenue less the least."""
        return {
            f"revenue of at least ${self.least:,.0f}": float(report.rebate)
            + self.spending
            - self.least
        }

    def slopes(self, schedule: BracketSchedule, report: Report) -> Float[np.ndarray, "1 brackets"]:
        """Return the income per head in each bracket."""
        return np.asarray(report.brackets.base, float).reshape(1, -1)


@dataclass(frozen=True)
class LossLimit:
    """Utility at every decile falls by at most `most` dollars a year below that of a `reference`.

    Deciles are the nine of `Report.utility_deciles`: people are compared by rank, and whoever is
    below the first tenth or above the last is not looked at. For preferences whose utility is in
    dollars.

    Raises:
        ValueError: not nine deciles.
    """

    most: float
    reference: tuple[float, ...]
    observes: ClassVar = BOOKS

    def __post_init__(self):
        if len(self.reference) != 9:
            raise ValueError(
                f"A report has nine deciles; got {len(self.reference)}. Use LossLimit.below."
            )

    @classmethod
    def below(cls, report: Report, *, most: float) -> "LossLimit":
        """Return the limit of losses below what a reference schedule was reported to bring."""
        return cls(most, tuple(np.asarray(report.utility_deciles, float).tolist()))

    def margins(self, report: Report) -> dict[str, float]:
        """Return, for each decile, the most that may be lost less what is lost."""
        lost = np.asarray(self.reference) - np.asarray(report.utility_deciles, float)
        names = [f"loss of at most ${self.most:,.0f} at decile {decile}" for decile in range(1, 10)]
        return dict(zip(names, (self.most - lost).tolist(), strict=True))

    def slopes(self, schedule: BracketSchedule, report: Report) -> Float[np.ndarray, "9 brackets"]:
        """Return the income per head in each bracket less that of the worker at the income decile.

        Whoever works as much as is best loses with a rate the income taxed at it and no more (the
        envelope theorem), and deciles of income and utility are taken to be the same people. Where
        groups have thresholds of their own, that worker is of each group as often as people are, or
        as of any other where reports do not tell.
        """
        starts = np.atleast_2d(np.asarray(schedule.thresholds, float))
        ends = np.append(starts[:, 1:], np.full_like(starts[:, :1], np.inf), axis=1)
        income = np.asarray(report.income_deciles, float)[:, None, None]
        taxed = np.clip(income, starts, ends) - starts
        if schedule.rates.ndim == 2:
            share = np.asarray(report.brackets.share, float).sum(axis=1)
            taxed = share[:, None] * taxed
        else:
            taxed = taxed.mean(axis=1)
        return np.asarray(report.brackets.base, float).ravel() - taxed.reshape(len(income), -1)


@dataclass(frozen=True)
class Certificate:
    """A schedule's margin at each constraint: shares for rates, dollars a year for what it brings.

    A margin below 0 is a constraint that is broken, by so much.
    """

    margins: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether no constraint is broken."""
        return not self.broken

    @property
    def broken(self) -> dict[str, float]:
        """The constraints that are broken, and by how much."""
        return {name: -margin for name, margin in self.margins.items() if not margin >= 0}

    def __str__(self) -> str:
        if self.holds:
            return f"all {len(self.margins)} constraints hold"
        return "broken: " + ", ".join(
            f"{name}, by {amount:,.4g}" for name, amount in self.broken.items()
        )


def certify(
    schedule: BracketSchedule,
    report: Report,
    *,
    bounds: RateBounds | None = None,
    requirements: Sequence[Requirement] = (),
) -> Certificate:
    """Return the certificate of a schedule, given the report on it."""
    margins = {} if bounds is None else _rate_margins(schedule, bounds)
    for requirement in requirements:
        margins |= requirement.margins(report)
    return Certificate(margins)


def certify_plan(
    found: Plan, *, bounds: RateBounds | None = None, requirements: Sequence[Requirement] = ()
) -> Certificate:
    """Return the certificate of the schedule that a plan recommends, from what was heard of it.

    Raises:
        ValueError: the recommended schedule was never evaluated: evaluate it and use `certify`.
    """
    for schedule, report in zip(found.schedules, found.reports, strict=True):
        if np.array_equal(schedule.rates, found.recommended.rates):
            return certify(found.recommended, report, bounds=bounds, requirements=requirements)
    raise ValueError(
        f"No evaluation of the recommended rates {found.recommended.rates} was heard: evaluate "
        "them and use certify."
    )


def _rate_margins(schedule: BracketSchedule, bounds: RateBounds) -> dict[str, float]:
    """Return the margins of the bounds, which are as exact as the rates themselves."""
    if schedule.rates.ndim == 1:
        return _margins_of(np.asarray(schedule.rates), bounds, "")
    each = enumerate(np.asarray(schedule.rates))
    margins = [_margins_of(own, bounds, f" of group {number}") for number, own in each]
    return {name: margin for own in margins for name, margin in own.items()}


def _margins_of(
    rates: Float[np.ndarray, " brackets"], bounds: RateBounds, whose: str
) -> dict[str, float]:
    floor, cap = (
        np.broadcast_to(np.asarray(end, rates.dtype), rates.shape)
        for end in (bounds.floor, bounds.cap)
    )
    margins = {}
    for j in range(rates.size):
        name = f"rate{whose} of bracket {j + 1}"
        margins[f"{name} at least {floor[j]:.4g}"] = float(rates[j] - floor[j])
        margins[f"{name} at most {cap[j]:.4g}"] = float(cap[j] - rates[j])
        if bounds.rising and j > 0:
            margins[f"{name} at least that of {j}"] = float(rates[j] - rates[j - 1])
    return margins
