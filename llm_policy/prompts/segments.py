"""Questions to workers in named segments, which are joined once."""

from collections.abc import Sequence
from typing import NamedTuple

from llm_policy.engines.base import Prompt


class WorkerLines(NamedTuple):
    """What never changes about a worker: who it is, its means and effort, and its aim."""

    person: str
    means: str
    aim: str

    def __str__(self) -> str:
        return "".join(self)


class SharedLines(NamedTuple):
    """What all workers read alike: the rules, the law, and how to answer."""

    rules: str
    law: str
    form: str

    def __str__(self) -> str:
        return "\n".join(filter(None, self))


class LaborQuestion(NamedTuple):
    """The question for hours to one worker; whatever is "" is left out.

    `offer` says what letters mean, `memory` what it remembers, `advice` whether to try more.
    """

    shared: SharedLines
    worker: str
    offer: str
    memory: str
    advice: str
    question: str


def joined(questions: Sequence[LaborQuestion]) -> list[Prompt]:
    """Return the questions as prompts; what several workers share is joined once."""
    shared = {question.shared: "" for question in questions}
    shared = {lines: str(lines) for lines in shared}
    return [
        Prompt(shared[lines], f"{worker}\n{offer}{memory}{advice}{question}".removesuffix("\n"))
        for lines, worker, offer, memory, advice, question in questions
    ]
