"""What a democracy asks its people: pure functions from platforms to text, numbers with units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int

from econjax import BracketSchedule
from llm_policy.answers.ballots import FIELDS, Rule
from llm_policy.prompts.numbers import per_cent, schedule_table
from llm_policy.prompts.planner import PlannerStyle, form, thought_form
from llm_policy.prompts.segments import ElectionShared, Question, VoterQuestion

OWN_GOAL = (
    "You were elected, and you set it as is best for yourself. Your aim is what a year is worth to "
    "you in dollars, after tax, rebate and the effort of work. The result of a schedule is that "
    "amount."
)
"""The aim of a leader who serves itself."""


@dataclass(frozen=True)
class ElectionRules:
    """Who may be elected, how, for how long, and whom the leader serves.

    With `platforms` people stand with proposed rates, which the winner enacts in the first tax year
    of its term. At most so many `candidates` are drawn of those who may be elected, all of them if
    None. A term is `term` tax years; whoever served `term_limit` terms may not be elected again.

    Raises:
        ValueError: no candidates, terms of no tax year, a limit of no terms, an unknown rule or
        leader.
    """

    platforms: bool = False
    candidates: int | None = None
    rule: Rule = "plurality"
    term: int = 1
    term_limit: int | None = None
    leader: Literal["self", "society"] = "self"

    def __post_init__(self) -> None:
        """Check every choice."""
        if self.candidates is not None and self.candidates < 1:
            raise ValueError(
                f"An election needs candidates, or None for all who may stand; got "
                f"{self.candidates}."
            )
        if self.term < 1:
            raise ValueError(f"A term is at least 1 tax year; got {self.term}.")
        if self.term_limit is not None and self.term_limit < 1:
            raise ValueError(f"A limit is at least 1 term, or None; got {self.term_limit}.")
        if self.rule not in FIELDS:
            raise ValueError(f"Vote by {', '.join(FIELDS)}; got {self.rule!r}.")
        if self.leader not in ("self", "society"):
            raise ValueError(f'A leader serves "self" or "society"; got {self.leader!r}.')


def stand_questions(
    current: BracketSchedule,
    voters: Sequence[str],
    *,
    rules: ElectionRules,
    goal: str,
    style: PlannerStyle,
    economy: str,
) -> list[Question[ElectionShared, VoterQuestion]]:
    """Return the question whether to stand, and with which rates, one per voter."""
    answer = form(style, current.rates.size, before='"stands": true or false, ')
    shared = replace(
        _shared(current, rules, goal, economy, style),
        ballot=_STANDING,
        form=f"Answer with JSON only: {answer}. If you do not stand, the numbers do not count.",
    )
    return [Question(shared, VoterQuestion(voter, "", _STAND)) for voter in voters]


def vote_questions(
    current: BracketSchedule,
    voters: Sequence[str],
    candidates: Sequence[int],
    *,
    rules: ElectionRules,
    goal: str,
    style: PlannerStyle,
    economy: str,
    platforms: Sequence[Sequence[float]],
    past: Sequence[int | None],
    orders: Int[np.ndarray, "voters candidates"] | None = None,
) -> list[Question[ElectionShared, VoterQuestion]]:
    """Return the question how to vote, one per voter.

    `candidates` are the workers on the ballot, `platforms` their rates as shares, if they promise
    any, and `past` the leaders of all tax years so far. `orders` are the places in `candidates` of
    those whom each voter finds called 1, 2, ...; if not given, all find them in the given order.
    """
    count = len(candidates)
    if orders is None:
        orders = np.tile(np.arange(count), (len(voters), 1))
    lists = [tuple(order) for order in orders.tolist()]
    known = [
        _known(worker, past, platforms[place] if platforms else None)
        for place, worker in enumerate(candidates)
    ]
    ballot = _BALLOTS[rules.rule].format(count=count)
    common = replace(
        _shared(current, rules, goal, economy, style),
        form=f"Answer with JSON only: {{{thought_form(style)}{ballot}",
    )
    shared = {order: replace(common, ballot=_ballot(known, order)) for order in set(lists)}
    return [
        Question(shared[order], VoterQuestion(voter, _own(i, candidates, order), _VOTE))
        for i, (voter, order) in enumerate(zip(voters, lists, strict=True))
    ]


_OPENING = "The people elect who sets the income tax for the next {term}."
_STANDING = (
    "You may stand for election. A candidate promises rates, and as winner sets them in the first "
    "tax year of the term."
)
_STAND = "Do you stand for election, and with which rates?"
_VOTE = "Whoever is elected, you live under the rates they set. How do you vote?"
_AIMS = {
    "self": "Whoever wins may set the rates as is best for themselves.",
    "society": "Whoever wins is asked to serve this aim: {goal}",
}
_BALLOTS: dict[Rule, str] = {
    "plurality": '"vote": N}}, where N is the number of one of the {count} candidates, or 0 to '
    "abstain.",
    "borda": '"ranking": [..]}}, with the numbers of all {count} candidates, the best for you '
    "first, or [] to abstain.",
    "approval": '"approve": [..]}}, with the numbers of all of the {count} candidates whom you '
    "approve of, or [] to abstain.",
}


def _shared(
    current: BracketSchedule, rules: ElectionRules, goal: str, economy: str, style: PlannerStyle
) -> ElectionShared:
    """Return what voters share in all that they are asked."""
    term = "tax year" if rules.term == 1 else f"{rules.term} tax years"
    table = schedule_table(current, style.statuses)
    return ElectionShared(
        opening=_OPENING.format(term=term),
        aim=_AIMS[rules.leader].format(goal=goal),
        economy=economy,
        rates=f"The rates now, by bracket of annual income:\n{table}",
        ballot="",
        form="",
    )


def _ballot(known: Sequence[str], order: Sequence[int]) -> str:
    """Return the list of candidates, of whom each is described by what is `known`, in an order."""
    lines = [f"- Candidate {n}: {known[place]}" for n, place in enumerate(order, start=1)]
    return "\n".join(["The candidates:", *lines])


def _known(worker: int, past: Sequence[int | None], platform: Sequence[float] | None) -> str:
    """Return what voters read of a candidate."""
    promise = "" if platform is None else f"promises the rates {per_cent(platform)}"
    return "; ".join(filter(None, (_office(worker, past), promise))) or "has not been in office"


def _own(voter: int, candidates: Sequence[int], order: Sequence[int]) -> str:
    """Return what a candidate is called in its own list; nothing to others."""
    called = [n for n, place in enumerate(order, start=1) if candidates[place] == voter]
    return f"You are candidate {called[0]}." if called else ""


def _office(worker: int, past: Sequence[int | None]) -> str:
    """Return when a worker was in office, tax years counted from 1; nothing if never."""
    years = [str(year) for year, leader in enumerate(past, start=1) if leader == worker]
    return (
        f"in office in tax year{'s' if len(years) > 1 else ''} {', '.join(years)}" if years else ""
    )
