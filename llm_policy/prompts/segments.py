"""What models are asked, in named segments, which are joined once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from llm_policy.engines.base import Prompt


@dataclass(frozen=True)
class Lines:
    """Named segments of a text, of one line or more each, first to last; "" is left out."""

    def __str__(self) -> str:
        return "\n".join(filter(None, map(str, vars(self).values())))


_Shared = TypeVar("_Shared", bound=Lines, covariant=True)
_Personal = TypeVar("_Personal", bound=Lines, covariant=True)


class Question(NamedTuple, Generic[_Shared, _Personal]):
    """What everybody who is asked reads alike, and what one of them reads."""

    shared: _Shared
    personal: _Personal


def joined(questions: Sequence[Question[Lines, Lines]]) -> list[Prompt]:
    """Return the questions as prompts; what several share is joined once."""
    shared = dict.fromkeys(question.shared for question in questions)
    texts = {lines: str(lines) for lines in shared}
    return [Prompt(texts[lines], str(personal)) for lines, personal in questions]


class WorkerLines(NamedTuple):
    """What never changes about a worker: who it is, its means and effort, and its aim."""

    person: str
    means: str
    aim: str

    def __str__(self) -> str:
        return "".join(self)


@dataclass(frozen=True)
class WorkersShared(Lines):
    """What all workers read alike: the rules, the law, and how to answer."""

    rules: str
    law: str
    form: str


@dataclass(frozen=True)
class WorkerQuestion(Lines):
    """What one worker reads.

    `offer` says what letters mean, `memory` what it remembers, `advice` whether to try more.
    """

    worker: WorkerLines
    offer: str
    memory: str
    advice: str
    question: str


@dataclass(frozen=True)
class PlannerRules(Lines):
    """What a planner is to do, and how."""

    task: str
    economy: str
    brackets: str
    change: str
    groups: str
    explore: str
    exploit: str
    form: str
    what_if: str = ""


@dataclass(frozen=True)
class PlannerFacts(Lines):
    """What a planner reads of itself, the last tax year and what was tried, and of the rates now.

    `answers` are those to its what-if questions, of which so many are `left`.
    """

    person: str
    people: str
    trials: str
    comparison: str
    answers: str
    in_force: str
    left: str


@dataclass(frozen=True)
class PlannerQuestion(Lines):
    """What one planner reads where it names all rates at once."""

    facts: PlannerFacts
    question: str


@dataclass(frozen=True)
class BracketsShared(Lines):
    """What a planner reads before it is asked bracket by bracket."""

    rules: PlannerRules
    facts: PlannerFacts


@dataclass(frozen=True)
class BracketQuestion(Lines):
    """What a planner reads of one bracket; `letters` says what they mean."""

    bracket: str
    letters: str
    question: str


@dataclass(frozen=True)
class ElectionShared(Lines):
    """What all voters read alike; `ballot` says who may be elected, or how one stands."""

    opening: str
    aim: str
    economy: str
    rates: str
    ballot: str
    form: str


@dataclass(frozen=True)
class VoterQuestion(Lines):
    """What one voter reads: its situation, what it is called on its ballot, the question."""

    voter: str
    called: str
    question: str
