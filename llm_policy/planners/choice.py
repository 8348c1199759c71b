"""A language-model planner that says with one token, bracket by bracket, how each rate changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Observation, Report, require_law
from econjax.welfare import AbstractWelfare
from llm_policy.answers.elicitation import MOST_LEAKED, is_answer, why_unchosen
from llm_policy.answers.orders import average_over_orders
from llm_policy.answers.proposals import changed, with_listed
from llm_policy.answers.reading import STEPS
from llm_policy.engines.base import Engine, Prompt, Unread
from llm_policy.engines.wrappers.tally import Tally, tallied
from llm_policy.memory.planner import records
from llm_policy.planners.text import LLMPlannerState, as_recalled, as_trial
from llm_policy.prompts.planner import (
    LETTERS,
    PlannerStyle,
    bracket_questions,
    letter_orders,
)
from llm_policy.prompts.segments import joined
from llm_policy.prompts.welfare import goal_of


class Decision(NamedTuple):
    """One tax year's choices: log probabilities of the changes, and the places of those drawn.

    Places are in `STEPS`, whatever the letters were.
    """

    logprob: Float[np.ndarray, "brackets changes"]
    places: Int[np.ndarray, " brackets"]


class ChoicePlannerState(NamedTuple):
    """What a planner has seen, and what it decided, tax year by tax year."""

    seen: LLMPlannerState
    decisions: tuple[Decision, ...] = ()


class ChoicePlanner:
    """A language model that says for each bracket, with one token, by how much its rate changes.

    The model reads what an `LLMPlanner` reads, and one bracket's question; the brackets are
    independent given that. Its probabilities of the changes `STEPS`, averaged over the orders of
    the letters in which it is asked, are bent by `bias`, zeros if not given, and JAX draws, so that
    a run is repeatable. The start is evaluated first, without a choice. It recommends the schedule
    with the best mean so far. Every question is counted; one that got none of the letters is an
    error.
    """

    def __init__(
        self,
        engine: Engine,
        start: BracketSchedule,
        welfare: AbstractWelfare | None = None,
        *,
        goal: str | None = None,
        bias: Float[Array, "brackets changes"] | None = None,
        style: PlannerStyle | None = None,
        bounds: RateBounds = USUAL_BOUNDS,
        most_leaked: float = MOST_LEAKED,
    ) -> None:
        """Hold the engine; the model is told to maximise `welfare`, or what the `goal` says.

        It has given no answer where more than `most_leaked` of its probability is on no change.
        Of the `style` the answer does not count. What it recommends is the best that it saw,
        whatever of that the model reads.

        Raises:
            ValueError: a bias of another shape than rates x changes.
        """
        self.engine, self.start = tallied(engine), require_law(start)
        shape = start.rates.size, len(STEPS)
        self.goal = goal_of(welfare) if goal is None else goal
        self.bias = jnp.zeros(shape) if bias is None else jnp.asarray(bias)
        if self.bias.shape != shape:
            raise ValueError(
                f"The bias has one number per bracket and change, {shape}; got {self.bias.shape}."
            )
        self.style = _with_letters(style or PlannerStyle(), engine)
        self.bounds = bounds
        self.most_leaked = most_leaked

    @property
    def tally(self) -> Tally:
        """The count of answers."""
        return self.engine.tally

    @property
    def observes(self) -> tuple[Observation, ...]:
        """What its prompts show, and the value, by which it recommends."""
        return self.style.observes

    def init(self, key: Key[Array, ""]) -> ChoicePlannerState:
        """Return the start, with nothing seen."""
        return ChoicePlannerState(LLMPlannerState(self.start))

    def ask(
        self, key: Key[Array, ""], state: ChoicePlannerState
    ) -> tuple[BracketSchedule, ChoicePlannerState]:
        """Propose the start, and then what is drawn.

        Raises:
            EngineError: the model gave the changes no probability, or the engine cannot answer.
        """
        if not state.seen.trials:
            return self.start, state
        [state] = self.decide([key], [state])
        return state.seen.current, state

    def tell(
        self, state: ChoicePlannerState, schedule: BracketSchedule, report: Report
    ) -> ChoicePlannerState:
        """Remember the tax year."""
        trials = (*state.seen.trials, as_trial(schedule, report))
        return state._replace(
            seen=state.seen._replace(current=schedule, trials=trials, report=report)
        )

    def recommend(self, state: ChoicePlannerState) -> BracketSchedule:
        """Recommend the schedule with the best mean; before all the start."""
        best = records(state.seen.trials)
        return with_listed(self.start, best[0].rates) if best else self.start

    def decide(
        self, keys: Sequence[Key[Array, ""]], states: Sequence[ChoicePlannerState]
    ) -> list[ChoicePlannerState]:
        """Return several planners' states after their next choice, all asked in one batch."""
        prompts = [prompt for state in states for prompt in self.prompts(state)]
        choices = self.engine.choose(prompts, LETTERS)
        orders = letter_orders(self.style, self.start.rates.size)
        leaked = choices.leaked.reshape(-1, orders.shape[1]).mean(axis=1)
        heard = is_answer(leaked, self.most_leaked)
        answered = np.repeat(heard, orders.shape[1])
        self.tally.count(answered, why_unchosen(answered, self.most_leaked))
        if not heard.all():
            raise Unread(
                f"The model gives {leaked.max():.0%} of its probability to none of the changes of "
                f"a rate, and at most {self.most_leaked:.0%} may be: use text mode, or a model "
                "that answers with a letter.",
                [prompts[place] for place in np.flatnonzero(~answered)],
            )
        by_letter = choices.logprob.reshape(len(states), *orders.shape)
        logprob = average_over_orders(by_letter, orders)
        return [
            self._decided(key, state, own)
            for key, state, own in zip(keys, states, logprob, strict=True)
        ]

    def prompts(self, state: ChoicePlannerState) -> list[Prompt]:
        """Return the questions about each bracket, in each order of its letters."""
        seen = as_recalled(state.seen, self.style.history)
        asked = bracket_questions(
            seen.current, self.goal, seen.trials, style=self.style, report=seen.report
        )
        return joined(asked)

    def bent(self, bias: Float[Array, "brackets changes"]) -> "ChoicePlanner":
        """Return this planner with another bias."""
        return ChoicePlanner(
            self.engine,
            self.start,
            goal=self.goal,
            bias=bias,
            style=self.style,
            bounds=self.bounds,
            most_leaked=self.most_leaked,
        )

    def _decided(
        self,
        key: Key[Array, ""],
        state: ChoicePlannerState,
        logprob: Float[np.ndarray, "brackets changes"],
    ) -> ChoicePlannerState:
        places = np.asarray(jax.random.categorical(key, jnp.asarray(logprob) + self.bias))
        current = self.bounds.keep(changed(state.seen.current, np.array(STEPS)[places] / 100))
        return ChoicePlannerState(
            state.seen._replace(current=current), (*state.decisions, Decision(logprob, places))
        )


def _with_letters(style: PlannerStyle, engine: Engine) -> PlannerStyle:
    """Return the style, whose letters are as the model was taught them if it does not say how."""
    taught = "fixed" if engine.describe().letters == "fixed" else "balanced"
    return style if style.letters else replace(style, letters=taught)
