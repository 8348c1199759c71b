"""How a model names the next schedule, and how its answer is read. Reading never raises."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from llm_policy.answers.reading import (
    NoAnswer,
    as_rates,
    changes_answer,
    changes_in,
    rates_answer,
    rates_in,
    reading,
    value_in,
)

Answer = Literal["changes", "rates"]
"""What a proposal names: changes of rates in percentage points, or the rates in per cent."""

_FIELDS: dict[Answer, str] = {"changes": "changes", "rates": "rates_percent"}
_STANDS = {"true": True, "yes": True, "false": False, "no": False}


def proposal_answer(answer: Answer, brackets: int) -> dict[str, Any]:
    """Return the properties of an answer that proposes a schedule."""
    return changes_answer(brackets) if answer == "changes" else rates_answer(brackets)


def question_answer(answer: Answer, brackets: int) -> dict[str, Any]:
    """Return the properties of an answer: a schedule proposed or asked about, the other null."""
    question = {"what_if": rates_answer(brackets)["rates_percent"]}
    either = question | proposal_answer(answer, brackets)
    return {name: {"anyOf": [kind, {"type": "null"}]} for name, kind in either.items()}


def read_proposal(text: str, current: BracketSchedule, answer: Answer) -> BracketSchedule | None:
    """Return what `proposal_in` reads, or None."""
    return proposal_in(text, current, answer).value


@reading
def proposal_in(text: str, current: BracketSchedule, answer: Answer) -> BracketSchedule:
    """Return the schedule that a text proposes to follow `current`.

    A change past 0 or 1 ends there; a rate without a change stays as it is.
    """
    return _proposed(text, current, answer)


@reading
def question_in(
    text: str, current: BracketSchedule, answer: Answer, *, may_ask: bool = True
) -> tuple[BracketSchedule, bool]:
    """Return the schedule that a text asks about, if it may, or proposes, and whether it asks."""
    asked = value_in(text, "what_if", _FIELDS[answer]) if may_ask else None
    if asked is None:
        return _proposed(text, current, answer), False
    return with_listed(current, as_rates(asked, current.rates.size).tolist()), True


@reading
def platform_in(text: str, current: BracketSchedule, answer: Answer) -> tuple[float, ...]:
    """Return the rates that a worker promises who stands for election, none if it does not."""
    said = value_in(text, "stands")
    stands = _STANDS.get(said.strip().lower()) if isinstance(said, str) else said
    if stands is not True and stands is not False:
        raise NoAnswer('"stands" is neither true nor false')
    if not stands:
        return ()
    return listed_rates(_proposed(text, current, answer))


def _proposed(text: str, current: BracketSchedule, answer: Answer) -> BracketSchedule:
    read = changes_in if answer == "changes" else rates_in
    found, why = read(text, current.rates.size)
    if found is None:
        raise NoAnswer(why)
    if answer == "changes":
        return changed(current, found)
    return with_listed(current, found.tolist())


def changed(current: BracketSchedule, changes: Float[np.ndarray, " rates"]) -> BracketSchedule:
    """Return a schedule after changes, in shares, of its rates as listed.

    Past 0 or 1 a rate ends there; a change of 0 leaves it as it is.
    """
    rates = np.asarray(listed_rates(current), float)
    after = np.where(changes == 0, rates, np.clip(rates + changes, 0, 1).round(4))
    return with_listed(current, after.tolist())


def listed_rates(schedule: BracketSchedule) -> tuple[float, ...]:
    """Return the rates from the lowest bracket up, of one group after the other, as shares."""
    return tuple(np.asarray(schedule.rates, float).ravel().tolist())


def with_listed(schedule: BracketSchedule, rates: Sequence[float]) -> BracketSchedule:
    """Return the schedule with other rates, as `listed_rates` lists them."""
    own = np.reshape(np.asarray(rates, float), schedule.rates.shape)
    return BracketSchedule(schedule.thresholds, own.tolist())


def answer_tokens(numbers: int, *, think: bool) -> int:
    """Return how many tokens an answer of so many numbers may take, with room for a thought."""
    return 16 * (numbers + 1) + 400 * think
