"""A vote on two schedules, in words: what each leaves the voter, and an argument about one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from econjax import BracketSchedule
from llm_policy.prompts.numbers import dollars, schedule_table
from llm_policy.prompts.segments import Lines, Question

Argument = Literal["none", "fairness", "efficiency"]
ARGUMENTS: tuple[Argument, ...] = ("none", "fairness", "efficiency")
"""What is said before the vote: nothing, for the proposal that it is fair, against it its cost."""
TAX_LETTERS = ("A", "B")
"""What the first and the second tax on a voter's list are called."""


class Referendum(NamedTuple):
    """The law and a proposal: schedules, everybody's rebate, and what each voter keeps, $ a year.

    The law comes first everywhere.
    """

    schedules: tuple[BracketSchedule, BracketSchedule]
    rebates: tuple[float, float]
    kept: Float[np.ndarray, "2 voters"]

    @property
    def gain(self) -> Float[np.ndarray, " voters"]:
        """What the proposal brings each voter, in dollars a year."""
        return self.kept[1] - self.kept[0]


@dataclass(frozen=True)
class ReferendumShared(Lines):
    """What all voters with the same list read alike."""

    rules: str
    taxes: str
    argument: str
    form: str


@dataclass(frozen=True)
class StakesQuestion(Lines):
    """What one voter reads: who it is, what it would keep, the question."""

    voter: str
    stakes: str
    question: str


def referendum_questions(
    reform: Referendum,
    voters: Sequence[str],
    *,
    argument: Argument,
    orders: Int[np.ndarray, "voters 2"],
    form: str,
    phrasing: Literal[0, 1] = 0,
) -> list[Question[ReferendumShared, StakesQuestion]]:
    """Return the question which of the two taxes a voter is for, one per voter.

    `orders` says which schedule, 0 the law and 1 the proposal, each voter finds called A and B;
    `form` how to answer.
    """
    lists = [tuple(order) for order in orders.tolist()]
    shared = {
        order: ReferendumShared(
            _RULES[phrasing],
            "\n".join(_tax(reform, place, TAX_LETTERS[n]) for n, place in enumerate(order)),
            _ARGUMENTS[argument][phrasing].format(tax=TAX_LETTERS[order.index(1)]),
            form,
        )
        for order in set(lists)
    }
    kept = np.take_along_axis(reform.kept, orders.T, axis=0)
    return [
        Question(shared[order], StakesQuestion(voter, _stakes(first, second), _QUESTIONS[phrasing]))
        for voter, order, first, second in zip(voters, lists, *kept.tolist(), strict=True)
    ]


def _tax(reform: Referendum, place: int, letter: str) -> str:
    table, rebate = schedule_table(reform.schedules[place]), dollars(reform.rebates[place])
    return (
        f"Tax {letter}, by bracket of annual income; each rate applies only to the income within "
        f"its bracket:\n{table}\nWith tax {letter} everyone's rebate is {rebate} a year."
    )


def _stakes(first: float, second: float) -> str:
    return (
        f"If you work as usual you keep {dollars(first)} a year with tax {TAX_LETTERS[0]} and "
        f"{dollars(second)} with tax {TAX_LETTERS[1]}, the rebate included."
    )


_RULES = (
    "You take part in a study of taxes. Two income taxes are put to the vote. Revenue beyond "
    "public spending is paid back to everyone in equal shares, as a rebate. Vote as the person "
    "you are.",
    "This is a study about taxes and work. People vote on which of two income taxes they will "
    "have. What is left of revenue after public spending goes back to all, the same to each: the "
    "rebate. Be the person you are.",
)
_QUESTIONS = ("Which tax do you vote for?", "Which of the two taxes has your vote?")
_ARGUMENTS: Mapping[Argument, tuple[str, str]] = {
    "none": ("", ""),
    "fairness": (
        "Before the vote somebody argues for tax {tax}: it is the fairer one. It asks more of "
        "those who earn most and can best bear it, and what it brings goes to all alike.",
        "You hear a speaker for tax {tax}: whoever has most should give most, that is only fair, "
        "and everybody gets the same share of what it brings.",
    ),
    "efficiency": (
        "Before the vote somebody argues against tax {tax}: it is the costlier one. Its higher "
        "rates make those who earn most work and invest less, and then there is less to share.",
        "You hear a speaker against tax {tax}: where so much of the next dollar is taken people "
        "try less, the economy shrinks, and all have less in the end.",
    ),
}
