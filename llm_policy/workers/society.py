"""A society of language-model workers, by step: they answer, the economy settles, they remember."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import BracketSchedule, Economy, Outcome, settle
from econjax.dynamics.simulation import Ar1Skills, with_skills
from econjax.planning import Report
from econjax.population import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare, require_dollars
from llm_policy.engines.base import EngineError
from llm_policy.memory.workers import Memory, Records, remember
from llm_policy.prompts.objectives import objective_results
from llm_policy.prompts.workers import Phase, Situation, economy_text, memory_lines
from llm_policy.workers.chances import Chances, Moment, expected
from llm_policy.workers.lived import SUBSISTENCE, LivedStep, felt, lived, own_best, standing
from llm_policy.workers.llm import (
    MOST_LAWS,
    NOBODY,
    Answers,
    SkilledWorkers,
    Workers,
    present,
    settle_answers,
)
from llm_policy.workers.reports import year_report


@dataclass(frozen=True)
class State:
    """Where a society stands: what its workers remember, the laws by tax year, the last rebate.

    `deviation` is by how much everybody's log skill is above their own; None: not at all.
    """

    memory: Memory
    rebate: float
    laws: Mapping[int, BracketSchedule]
    step: int = 0
    tax_year: int = 0
    deviation: Float[Array, " agents"] | None = None

    def next_year(self, schedule: BracketSchedule) -> "State":
        """Return the state at the start of a tax year under a schedule."""
        year = self.tax_year + 1
        return replace(self, tax_year=year, laws={**self.laws, year: schedule})

    def situation(self, phase: Phase = "explore") -> Situation:
        """Return what all workers know in the state's tax year; 0 is that of the first 40 hours."""
        first = max(1, self.tax_year - MOST_LAWS)
        past = {year: self.laws[year] for year in range(first, self.tax_year)}
        return Situation(self.laws[self.tax_year], self.tax_year, past, self.rebate, phase)


class Step(NamedTuple):
    """One settled step: the economy of those who were understood, what it brought, who said what.

    `outcome.utility` is the workers' own, before satisfaction. `chances` are those of the hours
    that they chose from, where known, and `key` draws from them; `lived` is the step as it counts.
    """

    economy: Economy
    outcome: Outcome
    answers: Answers
    satisfied: Float[np.ndarray, " agents"]
    key: Key[Array, ""]
    chances: Chances | None = None
    lived: LivedStep | None = None


class MovingSkills(NamedTuple):
    """How log skills move about everybody's own before each step, and the workers who have them."""

    process: Ar1Skills
    workers: SkilledWorkers


ChooseHours = Callable[[Key[Array, ""], Situation, Memory], Answers]
"""Says everybody's hours of a step, as `LLMWorkers.labor` does."""


class Society:
    """Workers who answer, are settled and remember.

    Where the workers are asked for satisfaction, each says after a step whether the taxes satisfy
    it, and the utility that it remembers is less by half its size if not. With
    `satisfaction_counts` the same utility enters welfare, without those whose answer was not
    understood. Altruistic workers remember welfare as their result, adversarial ones its negative.

    Welfare is that of years as they count (`lived.standing`), with `subsistence` dollars a year as
    the least that anyone's error leaves; None takes every utility as it is. Where the chances of
    the workers' answers are known, and satisfaction does not count, it is the one expected of them
    (`chances.expected`); what workers remember are always the hours that were drawn. With `labor`
    the workers live and remember as otherwise, but it says their hours, and no model is asked.
    With `skills` these move before each step, by draws that do not depend on what workers do, and
    each is told its own.

    Raises:
        ValueError: a welfare function of dollars, and preferences whose utility is not in dollars;
            satisfaction that counts, of workers who are not asked; or a subsistence below 0.
    """

    def __init__(
        self,
        workers: Workers,
        welfare: AbstractWelfare,
        *,
        satisfaction_counts: bool = False,
        subsistence: float | None = SUBSISTENCE,
        labor: ChooseHours | None = None,
        skills: MovingSkills | None = None,
    ):
        require_dollars(workers.models.economy, welfare)
        if satisfaction_counts and not workers.models.asks_satisfaction:
            raise ValueError(
                "Satisfaction can count only if workers are asked: ask, or do not count it."
            )
        if subsistence is not None and not 0 <= subsistence < np.inf:
            raise ValueError(
                f"Subsistence is in dollars a year, 0 or more; got {subsistence}. None: no bound."
            )
        self.workers, self.answering, self.welfare = workers.models, workers, welfare
        self.satisfaction_counts, self.subsistence = satisfaction_counts, subsistence
        self._labor, self._skills = labor, skills

    @property
    def economy(self) -> Economy:
        """The economy that the workers are of, with their own skills."""
        return self.workers.economy

    def standing_at(self, state: State) -> Workers:
        """Return the workers with the skills that they have in a state."""
        if self._skills is None or state.deviation is None:
            return self.answering
        return self._skills.workers.at(with_skills(self.economy, state.deviation))

    def begin(self, schedule: BracketSchedule) -> State:
        """Return the state after a step 0 in which everybody works 40 hours under `schedule`."""
        step, report = self.usual(schedule)
        state = State(self.workers.begin(), float(step.outcome.rebate), laws={0: schedule})
        unknown = np.nan if self.workers.asks_satisfaction else 1.0  # nobody was asked yet
        own = unknown * np.asarray(step.outcome.utility, float)
        return self._remember(state, step, own, report)

    def usual(self, schedule: BracketSchedule) -> tuple[Step, Report]:
        """Return a step in which everybody works 40 hours, and the report on it."""
        economy = self.workers.economy
        labor = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
        answers = Answers(labor, jnp.ones(labor.shape, bool), np.zeros(labor.shape))
        outcome, unasked = settle(economy, schedule, labor), np.full(labor.shape, np.nan)
        step = Step(economy, outcome, answers, unasked, jax.random.key(0))
        best = own_best(economy, schedule, outcome.rebate)
        options = {"best": best, "subsistence": None, "understood": jnp.ones(())}
        return step, lived(economy, schedule, outcome, self.welfare, **options).report

    def tax_year(
        self,
        key: Key[Array, ""],
        state: State,
        schedule: BracketSchedule,
        *,
        steps: int,
        exploit: Callable[[int], bool] = lambda step: False,
        on_step: Callable[[int, Step, Report], None] = lambda number, step, report: None,
    ) -> tuple[Report, State]:
        """Live `steps` steps under one schedule; return their mean report with its standard error.

        Workers are told to stop trying in the last step of the year, and where `exploit(number)` of
        the run's step says so. `on_step` is called after each step. The error (`year_error`) is for
        a year lived again by the same people, whose steps depend on each other.

        Raises:
            ValueError: a year without a step.
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if steps < 1:
            raise ValueError(f"A tax year has at least 1 step; got {steps}.")
        state = state.next_year(schedule)
        reports, moments = [], []
        for place in range(steps):
            number = state.step + 1
            phase: Phase = "exploit" if place == steps - 1 or exploit(number) else "explore"
            step, state = self._step(jax.random.fold_in(key, number), state, phase)
            counts = self.live(step, schedule)
            step, report = step._replace(lived=counts), counts.report
            own = np.asarray(felt(step.outcome.utility, jnp.asarray(step.satisfied)), float)
            state = self._remember(state, step, np.where(self._unread(step), np.nan, own), report)
            on_step(number, step, report)
            reports.append(report)
            moments.append(self._moment(step, counts))
        options = {"deciding": self.answering.deciding, "subsistence": self.subsistence}
        return year_report(schedule, reports, moments, self.welfare, **options), state

    def voters(self, state: State) -> tuple[str, list[str]]:
        """Return how the economy stands, in words, and each worker's own situation.

        Neither holds a question.
        """
        return self.voters_of(state.situation(), state.memory, self.standing_at(state))

    def voters_of(
        self, situation: Situation, memory: Memory, who: Workers | None = None
    ) -> tuple[str, list[str]]:
        """Return the same of any situation and memory, of `who` or workers of their own skills."""
        workers = (who or self.answering).models
        told = memory_lines(workers.style, memory, unit=workers.unit)
        own = [f"{worker}\n{lines}" for worker, lines in zip(workers.lines, told, strict=True)]
        return economy_text(situation, workers.style.statuses), own

    def report(
        self, step: Step, schedule: BracketSchedule, welfare: AbstractWelfare | None = None
    ) -> Report:
        """Return the report on a step, under the society's welfare function or another one.

        `understood` is the share of the models asked who enter it.
        """
        return self.live(step, schedule, welfare).report

    def live(
        self, step: Step, schedule: BracketSchedule, welfare: AbstractWelfare | None = None
    ) -> LivedStep:
        """Return a step as it counts, with its report, and what errors cost in it."""
        known = self._known(step)
        economy, asked = self._economy(step), self.workers.asked
        share = jnp.asarray(np.mean(known[asked]) if asked.size else 1.0)
        options = {"subsistence": self.subsistence, "understood": share}
        function = welfare or self.welfare
        if step.chances is not None and not self.satisfaction_counts:
            return expected(step.key, economy, schedule, step.chances, function, **options)
        best = own_best(economy, schedule, step.outcome.rebate)
        satisfied = jnp.asarray(step.satisfied) if self.satisfaction_counts else None
        options |= {"best": best, "satisfied": satisfied}
        return lived(economy, schedule, step.outcome, function, **options)

    def errors(self, step: Step, schedule: BracketSchedule) -> tuple[float, float]:
        """Return means of those who enter welfare: hours a week off their own best, and the loss.

        The loss is utility short of that best at the same rebate, without a bound.
        """
        economy, outcome = self._economy(step), step.outcome
        best = own_best(economy, schedule, outcome.rebate)
        lost = standing(economy, schedule, outcome.rebate, best, 0.0).best - outcome.utility
        weight = economy.population.weight
        off = jnp.abs(outcome.labor - best)
        return float(jnp.sum(weight * off)), float(jnp.sum(weight * jnp.maximum(lost, 0)))

    def _step(self, key: Key[Array, ""], state: State, phase: Phase) -> tuple[Step, State]:
        """Ask, settle and ask for satisfaction; return the step and state but for its memory."""
        labor_key, satisfaction_key = jax.random.split(key)
        state = self._moved(jax.random.fold_in(key, _SKILLS_KEY), state)
        who = self.standing_at(state)
        choose = who.labor if self._labor is None else self._labor
        answers = choose(labor_key, state.situation(phase), state.memory)
        economy, outcome = _settle(who.models.economy, state.laws[state.tax_year], answers)
        state = replace(state, step=state.step + 1, rebate=float(outcome.rebate))
        unasked = np.full(answers.labor.shape, np.nan)
        draw_key = jax.random.fold_in(key, _DRAWS_KEY)
        chances = who.chances if self._labor is None else None
        step = Step(economy, outcome, answers, unasked, draw_key, chances)
        if self.workers.asks_satisfaction:
            satisfied = who.models.satisfied(
                satisfaction_key,
                state.situation(phase),
                remember(state.memory, step_records(state, step.outcome, step.answers.understood)),
                np.asarray(answers.understood),
            )
            step = step._replace(satisfied=satisfied)
            if self.satisfaction_counts:
                known = self._known(step)
                self.workers.asker.require(
                    known[self.workers.asked],
                    "on hours and satisfaction together",
                    "they are left out of welfare",
                )
                if not known.any():
                    raise EngineError(NOBODY)
        return step, state

    def _moved(self, key: Key[Array, ""], state: State) -> State:
        """Return the state with the skills of the next step."""
        if self._skills is None:
            return state
        before = state.deviation
        before = jnp.zeros_like(self.economy.population.skill) if before is None else before
        return replace(state, deviation=self._skills.process(key, before))

    def _remember(
        self, state: State, step: Step, own: Float[np.ndarray, " agents"], report: Report
    ) -> State:
        """Return the state with the step in every memory, its result being `own` or welfare."""
        result = objective_results(self.workers.aims, own, float(report.equivalent))
        seen = step_records(state, step.outcome, step.answers.understood)._replace(
            satisfied=step.satisfied, result=result
        )
        return replace(state, memory=remember(state.memory, seen))

    def _known(self, step: Step) -> Bool[np.ndarray, " agents"]:
        """Return who enters welfare."""
        known = np.asarray(step.answers.understood)
        return known & ~self._unread(step) if self.satisfaction_counts else known

    def _economy(self, step: Step) -> Economy:
        """Return the economy of those who enter welfare."""
        who = present(step.economy.population, jnp.asarray(self._known(step)))
        return eqx.tree_at(lambda e: e.population, step.economy, who)

    def _moment(self, step: Step, counts: LivedStep) -> Moment:
        return Moment(
            economy=self._economy(step),
            labor=step.outcome.labor,
            chances=None if self.satisfaction_counts else step.chances,
            key=step.key,
            satisfied=jnp.asarray(step.satisfied) if self.satisfaction_counts else None,
            error=counts.error,
        )

    def _unread(self, step: Step) -> Bool[np.ndarray, " agents"]:
        """Return whose satisfaction should be known, and is not."""
        workers = self.workers
        return np.isnan(workers.fixed) & workers.asks_satisfaction & np.isnan(step.satisfied)


_DRAWS_KEY, _SKILLS_KEY = 2, 3  # beside the two keys of a step's questions
_settle = eqx.filter_jit(settle_answers)


def step_records(state: State, outcome: Outcome, understood: Bool[Array, " agents"]) -> Records:
    """Return what workers will remember of a step, but for its result and satisfaction."""
    labor, income, tax = (
        np.asarray(values, float) for values in (outcome.labor, outcome.income, outcome.tax)
    )
    one = np.ones_like(income)
    return Records(
        step=one * state.step,
        tax_year=one * state.tax_year,
        labor=np.where(np.asarray(understood), labor, np.nan),
        income=income,
        tax=tax,
        rebate=one * float(outcome.rebate),
        result=one * np.nan,
        satisfied=one * np.nan,
    )
