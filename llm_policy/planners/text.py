"""A planner who is a language model: it proposes schedules from what it has seen."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Observation, Report, require_law
from econjax.welfare import AbstractWelfare
from llm_policy.answers.elicitation import Asker
from llm_policy.answers.proposals import (
    answer_tokens,
    listed_rates,
    proposal_answer,
    question_answer,
    question_in,
    with_listed,
)
from llm_policy.answers.reading import schema
from llm_policy.engines.base import Engine, Prompt, Unread
from llm_policy.engines.requests import TextRequest
from llm_policy.engines.wrappers.tally import tallied
from llm_policy.memory.planner import History, Trial, recalled, records
from llm_policy.prompts.numbers import LONGEST_RATE
from llm_policy.prompts.planner import NO_QUESTIONS, PlannerStyle, Questions, planner_question
from llm_policy.prompts.segments import joined
from llm_policy.prompts.welfare import goal_of


class LLMPlannerState(NamedTuple):
    """What the planner has seen: the schedule in force, all tax years in order, the last report.

    `unread` counts the tax years whose schedule came of no answer, `queries` the what-if questions.
    """

    current: BracketSchedule
    trials: tuple[Trial, ...] = ()
    report: Report | None = None
    unread: int = 0
    queries: int = 0


class LLMPlanner:
    """A language model that reads the best schedules and latest tax years, and sets the next one.

    It starts from `start`, which stays for `warmup` tax years before the first question. As `style`
    says it then changes each rate by up to 20 points, where a change past 0 or 1 ends there, or
    sets each. An answer that cannot be read is asked again, `attempts` times in all; after that the
    schedule stays as it is for this tax year, and if that happens in more than `most_unread` of 10
    or more tax years, it raises. Every answer is counted. With `what_if` it may ask `queries`
    times a tax year what a schedule would bring among rational workers. It recommends the schedule
    with the best mean so far. Utility has to be in dollars, for so its prompts call it.

    Raises:
        ValueError: a negative warm-up, or questions without anyone to answer them.
    """

    def __init__(
        self,
        engine: Engine,
        start: BracketSchedule,
        welfare: AbstractWelfare | None = None,
        *,
        goal: str | None = None,
        style: PlannerStyle | None = None,
        person: str = "",
        warmup: int = 1,
        attempts: int = 3,
        most_unread: float = 0.2,
        what_if: Callable[[BracketSchedule], Report] | None = None,
        queries: int = 0,
        bounds: RateBounds = USUAL_BOUNDS,
    ):
        """Hold the engine; the model is told to maximise `welfare`, or what the `goal` says.

        `person` tells it who it is. What it recommends is the best that it saw, whatever of that
        the model reads in its `style`.
        """
        if warmup < 0:
            raise ValueError(f"The warm-up is a number of tax years, 0 or more; got {warmup}.")
        if (queries > 0) != (what_if is not None) or queries < 0:
            raise ValueError(
                f"What-if questions need both what_if and queries above 0; got {what_if} and "
                f"{queries}."
            )
        self.asker = Asker(tallied(engine), attempts, most_unread, who="planners")
        self.start = require_law(start)
        self.goal = goal_of(welfare) if goal is None else goal
        self.style = style or PlannerStyle()
        self.person = person
        self.warmup = warmup
        self.what_if = what_if
        self.queries = queries
        self.bounds = bounds

    @property
    def engine(self) -> Engine:
        """Whom the planner asks."""
        return self.asker.engine

    @property
    def observes(self) -> tuple[Observation, ...]:
        """What its prompts show, the value, by which it recommends, and whether it may ask."""
        return (*self.style.observes, "what-if") if self.queries else self.style.observes

    def init(self, key: Key[Array, ""]) -> LLMPlannerState:
        """Return the start, with nothing seen."""
        return LLMPlannerState(self.start)

    def ask(
        self, key: Key[Array, ""], state: LLMPlannerState
    ) -> tuple[BracketSchedule, LLMPlannerState]:
        """Propose the start, and after the warm-up what the model answers.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if len(state.trials) < self.warmup:
            return state.current, state
        prompt = self.prompt(state, Questions(self.queries))
        schedule, unreadable, queries = self._proposal(state)
        state = state._replace(queries=state.queries + queries)
        if schedule is not None:
            schedule = self.bounds.keep(schedule)
            return schedule, state._replace(current=schedule)
        state = state._replace(unread=state.unread + 1)
        if state.unread > self.asker.most_unread * max(len(state.trials), 10):
            raise Unread(
                f"The planner's answers could not be read in {state.unread} of "
                f"{len(state.trials) + 1} tax years; the last was {unreadable}. Use a model that "
                "follows a schema.",
                [prompt],
                self.asker.attempts,
            )
        return state.current, state

    def tell(
        self, state: LLMPlannerState, schedule: BracketSchedule, report: Report
    ) -> LLMPlannerState:
        """Remember the tax year."""
        trials = (*state.trials, as_trial(schedule, report))
        return state._replace(current=schedule, trials=trials, report=report)

    def recommend(self, state: LLMPlannerState) -> BracketSchedule:
        """Recommend the schedule of the best mean: of equals the first, before all the start."""
        best = records(state.trials)
        return with_listed(self.start, best[0].rates) if best else self.start

    def prompt(self, state: LLMPlannerState, questions: Questions = NO_QUESTIONS) -> Prompt:
        """Return the question that the model is asked."""
        seen = as_recalled(state, self.style.history)
        asked = planner_question(
            seen.current,
            self.goal,
            seen.trials,
            style=self.style,
            report=seen.report,
            person=self.person,
            questions=questions,
        )
        return joined([asked])[0]

    def longest_question(self, report: Report) -> tuple[Prompt, int]:
        """Return a run's longest prompt and its answer's tokens, memory and questions full."""
        rates = np.full(self.start.rates.size, LONGEST_RATE)
        trials = [
            Trial(
                tuple((rates + place / 1e4).tolist()),
                (-1_234_567.0, 12_345_678.0)[place % 2],
                1_234_567.0,
            )
            for place in range(2 * self.style.shown)
            for _ in range(10)
        ]
        heard = Questions(self.queries, tuple(trials[:1] * self.queries))
        current = with_listed(self.start, rates.tolist())
        return self.prompt(
            LLMPlannerState(current, tuple(trials), report), heard
        ), self._answer_tokens(asks=self.queries > 0)

    def _proposal(self, state: LLMPlannerState) -> tuple[BracketSchedule | None, str, int]:
        """Return the schedule proposed, or None and why, and how many what-ifs it took."""
        questions, left = Questions(self.queries), self.asker.attempts
        while True:
            read = functools.partial(
                question_in,
                current=state.current,
                answer=self.style.answer,
                may_ask=questions.left > 0,
            )
            heard = self.asker.hear(self._request(state, questions), read, left)
            [(said, _)], left = heard.readings, left - heard.failures
            if said is None:
                return None, heard.unreadable, len(questions.heard)
            schedule, asks = said
            if not asks or self.what_if is None:
                return schedule, "", len(questions.heard)
            questions = questions.hear(as_trial(schedule, self.what_if(schedule)))

    def _request(self, state: LLMPlannerState, questions: Questions) -> TextRequest:
        """Return what is asked."""
        brackets, asks = state.current.rates.size, questions.left > 0
        answer = question_answer if asks else proposal_answer
        return TextRequest(
            [self.prompt(state, questions)],
            schema(answer(self.style.answer, brackets), thought=self.style.think),
            max_tokens=self._answer_tokens(asks=asks),
        )

    def _answer_tokens(self, *, asks: bool) -> int:
        brackets = self.start.rates.size
        return answer_tokens(2 * brackets if asks else brackets, think=self.style.think)


def as_recalled(state: LLMPlannerState, history: History) -> LLMPlannerState:
    """Return the state as the model reads it; without a history, also of no report."""
    return state._replace(
        trials=recalled(state.trials, history),
        report=None if history == "none" else state.report,
    )


def as_trial(schedule: BracketSchedule, report: Report) -> Trial:
    """Return what is remembered of a tax year."""
    rates = listed_rates(schedule)
    return Trial(rates, float(report.equivalent), float(report.standard_error))
