"""How a model names the next schedule, and how its answer is read. Reading never raises."""

from typing import Any, Literal

import msgspec
import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from llm_policy.answers.reading import (
    changes_answer,
    rates_answer,
    read_changes,
    read_field,
    read_rates,
)

Answer = Literal["changes", "rates"]
"""What a proposal names: changes of rates in percentage points, or the rates in per cent."""


def proposal_answer(answer: Answer, brackets: int) -> dict[str, Any]:
    """Return the properties of an answer that proposes a schedule."""
    return changes_answer(brackets) if answer == "changes" else rates_answer(brackets)


def question_answer(answer: Answer, brackets: int) -> dict[str, Any]:
    """Return the properties of an answer: a schedule proposed or asked about, the other null."""
    question = {"what_if": rates_answer(brackets)["rates_percent"]}
    either = question | proposal_answer(answer, brackets)
    return {name: {"anyOf": [kind, {"type": "null"}]} for name, kind in either.items()}


def read_proposal(text: str, current: BracketSchedule, answer: Answer) -> BracketSchedule | None:
    """Return the schedule that a text proposes to follow `current`, or None.

    A change past 0 or 1 ends there; a rate without a change stays as it is.
    """
    brackets = len(current.rates)
    if answer == "changes":
        changes = read_changes(text, brackets)
        return None if changes is None else changed(current, changes)
    rates = read_rates(text, brackets)
    return None if rates is None else BracketSchedule(current.thresholds, rates.tolist())


def changed(current: BracketSchedule, changes: Float[np.ndarray, " brackets"]) -> BracketSchedule:
    """Return a schedule after changes, in shares.

    Past 0 or 1 a rate ends there; a change of 0 leaves it as it is.
    """
    rates = np.asarray(current.rates, float)
    after = np.where(changes == 0, rates, np.clip(rates + changes, 0, 1).round(4))
    return BracketSchedule(current.thresholds, after.tolist())


def read_question(text: str, current: BracketSchedule) -> BracketSchedule | None:
    """Return the schedule that a text asks about, or None."""
    field = msgspec.json.encode({"rates_percent": read_field(text, "what_if")}).decode()
    rates = read_rates(field, len(current.rates))
    return None if rates is None else BracketSchedule(current.thresholds, rates.tolist())


def answer_tokens(numbers: int, *, think: bool) -> int:
    """Return how many tokens an answer of so many numbers may take, with room for a thought."""
    return 16 * (numbers + 1) + 400 * think
