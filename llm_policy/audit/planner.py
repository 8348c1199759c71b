"""How much of a planner's choice is recall: asked in dollars and in currencies of no country."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from llm_policy.answers.proposals import (
    answer_tokens,
    listed_rates,
    proposal_answer,
    read_proposal,
)
from llm_policy.answers.reading import schema
from llm_policy.audit.variation import mean_if_any
from llm_policy.audit.workers import check_audit
from llm_policy.engines.base import Completion, Engine
from llm_policy.engines.wrappers.currency import CURRENCIES, Currency, Renamed
from llm_policy.planners.text import LLMPlanner, LLMPlannerState


@dataclass(frozen=True)
class Recall:
    """How much of a planner's choice is recall; None where no answer could be read.

    It answers the same question `samples` times in dollars and in each of some currencies, in which
    nothing is different but the name and the size of the unit. `shift` is the mean, over currencies
    and brackets, of the absolute difference between the mean changes of a rate, in percentage
    points; `same` is the share of currencies in which the commonest answer is the same (of equally
    common ones the lowest). Each floor is the same figure with the question in dollars, asked again
    as often as there are currencies. `unreadable` is the share of texts that could not be read.
    """

    samples: int
    unreadable: float
    shift: float | None
    shift_floor: float | None
    same: float | None
    same_floor: float | None


def recall(
    planner: LLMPlanner,
    state: LLMPlannerState,
    *,
    samples: int = 16,
    currencies: Sequence[Currency] = CURRENCIES,
) -> Recall:
    """Ask a planner its next question, without what-if, in dollars and in other currencies.

    Raises:
        ValueError: no sample, or no currency.
        EngineError: the engine cannot answer.
    """
    check_audit(samples, currencies)
    again = len(currencies)
    plain = _propose(planner, planner.engine, state, samples, times=1 + again)
    other = [
        asked
        for currency in currencies
        for asked in _propose(
            planner, Renamed(planner.engine, **currency._asdict()), state, samples
        )
    ]
    first, repeats = plain[0], plain[1:]
    answered = sum(map(len, plain + other))
    return Recall(
        samples=samples,
        unreadable=1 - answered / (samples * (1 + 2 * again)),
        shift=mean_if_any(list(_mean_differences(first, other))),
        shift_floor=mean_if_any(list(_mean_differences(first, repeats))),
        same=mean_if_any(list(_same_modes(first, other))),
        same_floor=mean_if_any(list(_same_modes(first, repeats))),
    )


def _propose(
    planner: LLMPlanner, engine: Engine, state: LLMPlannerState, samples: int, *, times: int = 1
) -> list[Float[np.ndarray, "answers brackets"]]:
    """Return the changes of rates, in percentage points, of each time that a planner is asked."""
    answer, brackets, think = planner.style.answer, state.current.rates.size, planner.style.think
    said = engine.complete(
        [planner.prompt(state)] * times,
        schema(proposal_answer(answer, brackets), thought=think),
        samples=samples,
        max_tokens=answer_tokens(brackets, think=think),
    )
    return [_changes(planner, state, completion) for completion in said]


def _changes(
    planner: LLMPlanner, state: LLMPlannerState, said: Completion
) -> Float[np.ndarray, "answers brackets"]:
    read = (read_proposal(text, state.current, planner.style.answer) for text in said.texts)
    now = np.asarray(listed_rates(state.current), float)
    rows = [np.asarray(listed_rates(schedule)) - now for schedule in read if schedule is not None]
    return np.round(100 * np.array(rows).reshape(-1, len(now)), 2)


def _mean_differences(first: np.ndarray, others: Sequence[np.ndarray]) -> Iterator[float]:
    for other in others:
        if len(first) and len(other):
            yield float(np.abs(first.mean(axis=0) - other.mean(axis=0)).mean())


def _same_modes(first: np.ndarray, others: Sequence[np.ndarray]) -> Iterator[float]:
    for other in others:
        if len(first) and len(other):
            yield float(np.array_equal(_mode(first), _mode(other)))


def _mode(changes: Float[np.ndarray, "answers brackets"]) -> Float[np.ndarray, " brackets"]:
    rows, counts = np.unique(changes, axis=0, return_counts=True)
    return rows[np.argmax(counts)]
