"""How a model can be asked: a few questions before a run, and the mode that is right for it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from econjax import BracketSchedule, Utilitarian
from llm_policy.answers.elicitation import MOST_LEAKED
from llm_policy.answers.orders import average_over_orders
from llm_policy.answers.proposals import answer_tokens, proposal_answer, read_proposal
from llm_policy.answers.reading import schema
from llm_policy.audit.variation import (
    expected_variation,
    mean_if_any,
    shares_of,
    total_variation,
)
from llm_policy.audit.workers import ScoredHours, WorkersQuestion
from llm_policy.engines.base import EngineError
from llm_policy.planners.choice import ChoicePlanner, ChoicePlannerState
from llm_policy.planners.text import LLMPlanner, LLMPlannerState
from llm_policy.prompts.planner import LETTERS, PlannerStyle, letter_orders
from llm_policy.prompts.workers import Mode
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

MOST_ORDER = 0.25
"""Mean total variation between orders of a list at which choices count as made by place."""
LEAST_READABLE = 0.5
"""Share of texts that must be readable at the first asking: three attempts then read 7 in 8."""


@dataclass(frozen=True)
class Probe:
    """What a few questions to a model in one part, as workers or as planner, tell of its answers.

    Of `choices` scored, `leaked` is the mean probability on none of the options, and `order` the
    mean total variation between lists of the same options in other orders, 0 to 1 (None where
    there is one order); `tokens` is the most that an option has. Of `texts` written, `readable` is
    the share that could be read. `disagreement` is the mean total variation between texts and
    choices, and `noise` what it would be were texts drawn from the choices (None where that was
    not compared). `refused` holds the words of an engine that scores nothing.
    """

    part: Literal["workers", "planner"]
    texts: int
    readable: float
    choices: int = 0
    tokens: int = 0
    leaked: float = 1.0
    order: float | None = None
    disagreement: float | None = None
    noise: float | None = None
    refused: str = ""

    def chooses(self, most_leaked: float = MOST_LEAKED) -> bool:
        """Return whether choices are answers, and not made by place."""
        return not self.refused and self.leaked <= most_leaked and (self.order or 0) <= MOST_ORDER

    @property
    def writes(self) -> bool:
        """Whether texts can be read."""
        return self.readable >= LEAST_READABLE

    def __str__(self) -> str:
        """Return the figures in words."""
        order = "" if self.order is None else f", order {self.order:.2f}"
        scored = f"{self.leaked:.0%} of the probability on no option{order}"
        choices = f"no scores ({self.refused})" if self.refused else scored
        agree = "" if self.disagreement is None else f", apart by {self.disagreement:.2f}"
        agree += "" if self.noise is None else f" (noise {self.noise:.2f})"
        return f"as {self.part}: {choices}; {self.readable:.0%} of texts readable{agree}"


def right_mode(probes: Sequence[Probe], *, most_leaked: float = MOST_LEAKED) -> Mode:
    """Return choice mode where choices are answers in every part, else text mode.

    Raises:
        EngineError: neither can be read.
    """
    if all(probe.chooses(most_leaked) for probe in probes):
        return "choice"
    if all(probe.writes for probe in probes):
        return "text"
    found = "; ".join(map(str, probes))
    raise EngineError(
        f"A probe found no way to read this model's answers: {found}. Use another model, or name "
        "the --mode that it is to answer in all the same."
    )


def probe_workers(
    workers: LLMWorkers, law: BracketSchedule, *, agents: int = 6, samples: int = 4
) -> Probe:
    """Ask the first few workers for their first hours under a law, in both modes.

    `workers` are in choice mode. Two batches of choices, and one of `samples` texts each.

    Raises:
        EngineError: the engine cannot answer.
    """
    society = Society(workers, Utilitarian())
    state = society.begin(law)
    some = copy.copy(workers)
    some.asked = workers.asked[:agents]
    question = WorkersQuestion(some, state.situation(), state.memory)
    hours, readable = question.write(samples)
    written = Probe("workers", readable.size, float(readable.mean()))
    try:
        plain = question.choose()
        style = replace(workers.style, reverse=not workers.style.reverse)
        other = question.choose(style=style)
    except (EngineError, ValueError) as error:
        return replace(written, refused=str(error))
    disagreement, noise = _agreement(
        plain, hours, readable, np.array(workers.choice_set.values, float)
    )
    return replace(
        written,
        choices=2 * len(some.asked),
        tokens=max(workers.engine.count(workers.choice_set.codes)),
        leaked=float(plain.leaked.mean()),
        order=_apart(plain, other),
        disagreement=disagreement,
        noise=noise,
    )


def probe_planner(planner: ChoicePlanner, *, samples: int = 8) -> Probe:
    """Ask a planner for its first change of every bracket by letter, and as `samples` texts.

    Raises:
        EngineError: the engine cannot answer.
    """
    readable = _proposals(planner, samples)
    written = Probe("planner", len(readable), float(np.mean(readable)))
    prompts = planner.prompts(ChoicePlannerState(LLMPlannerState(planner.start)))
    try:
        heard = planner.engine.choose(prompts, LETTERS)
    except (EngineError, ValueError) as error:
        return replace(written, refused=str(error))
    orders = letter_orders(planner.style, planner.start.rates.size)
    logprob = heard.logprob.reshape(orders.shape)
    meant = np.exp(np.take_along_axis(logprob, np.argsort(orders, axis=-1), axis=-1))
    mean = np.exp(average_over_orders(logprob, orders))[:, None]
    apart = total_variation(meant.reshape(-1, len(LETTERS)), _like(mean, meant))
    return replace(
        written,
        choices=len(prompts),
        tokens=max(planner.engine.count(LETTERS)),
        leaked=float(heard.leaked.mean()),
        order=float(apart.mean()) if orders.shape[1] > 1 else None,
    )


def _proposals(planner: ChoicePlanner, samples: int) -> list[bool]:
    """Return which of some texts of a planner, who has seen nothing, propose a schedule."""
    style = PlannerStyle(statuses=planner.style.statuses)
    writer = LLMPlanner(planner.engine, planner.start, goal=planner.goal, style=style)
    answer, brackets = writer.style.answer, planner.start.rates.size
    [said] = planner.engine.complete(
        [writer.prompt(LLMPlannerState(planner.start))],
        schema(proposal_answer(answer, brackets), thought=writer.style.think),
        samples=samples,
        max_tokens=answer_tokens(brackets, think=writer.style.think),
    )
    return [read_proposal(text, planner.start, answer) is not None for text in said.texts]


def _apart(one: ScoredHours, other: ScoredHours) -> float:
    """Return the mean total variation of two ways of asking, whoever is known."""
    return float(total_variation(one.probabilities, other.probabilities).mean())


def _agreement(
    scored: ScoredHours,
    hours: Float[np.ndarray, "n samples"],
    readable: Bool[np.ndarray, "n samples"],
    values: Float[np.ndarray, " options"],
) -> tuple[float | None, float | None]:
    """Return how far texts are from choices, and would be by chance, where both are answers."""
    drawn = readable.sum(axis=1)
    both = scored.known & (drawn > 0)
    share = shares_of(hours, readable, values)
    apart, noise = (
        total_variation(share, scored.probabilities),
        expected_variation(scored.probabilities, drawn),
    )
    return mean_if_any(apart[both]), mean_if_any(noise[both])


def _like(mean: np.ndarray, meant: np.ndarray) -> Float[np.ndarray, "rows options"]:
    return np.broadcast_to(mean, meant.shape).reshape(-1, meant.shape[-1])
