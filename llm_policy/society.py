"""A society of language-model workers, step after step: they answer, the economy settles, they remember."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import BracketSchedule, Economy, Outcome, settle
from econjax.planning import Report, summarise
from econjax.preferences import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare, require_dollars
from llm_policy.memory import Memory, Records, remember
from llm_policy.prompts import Phase, Situation, economy_text, memory_lines
from llm_policy.workers import AIMS, Answers, LLMWorkers, present, settle_answers

_DISCONTENT = 0.5
_LAWS_REMEMBERED = 10


@dataclass(frozen=True)
class State:
    """Where a society stands: what its workers remember, the laws by tax year, the last rebate."""

    memory: Memory
    rebate: float
    laws: Mapping[int, BracketSchedule]
    step: int = 0
    tax_year: int = 0


class Step(NamedTuple):
    """One settled step: the economy of those who were understood, what it brought, who said what.

    `outcome.utility` is the workers' own, before satisfaction.
    """

    economy: Economy
    outcome: Outcome
    answers: Answers
    satisfied: Float[np.ndarray, " agents"]


class Society:
    """Workers who answer, are settled and remember.

    With `asks_satisfaction` every worker is asked after each step whether the taxes satisfy it, and the
    utility that it remembers is less by half its size if not. With `satisfaction_counts` the same utility
    enters welfare, without those whose answer was not understood. Altruistic workers remember welfare as
    their result, adversarial ones its negative.

    Raises:
        ValueError: a welfare function of dollars, and preferences whose utility is not in dollars; or
            satisfaction that counts and is not asked for.
    """

    def __init__(
        self,
        workers: LLMWorkers,
        welfare: AbstractWelfare,
        *,
        asks_satisfaction: bool = False,
        satisfaction_counts: bool = False,
    ):
        require_dollars(workers.economy, welfare)
        if satisfaction_counts and not asks_satisfaction:
            raise ValueError("Satisfaction can count only if workers are asked: ask, or do not count it.")
        self.workers, self.welfare = workers, welfare
        self.asks_satisfaction, self.satisfaction_counts = asks_satisfaction, satisfaction_counts

    def begin(self, schedule: BracketSchedule) -> State:
        """Return the state after a step 0 in which everybody works 40 hours under `schedule`."""
        economy = self.workers.economy
        labor = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
        answers = Answers(labor, jnp.ones(labor.shape, bool), np.zeros(labor.shape))
        outcome = settle(economy, schedule, labor)
        state = State(self.workers.begin(), float(outcome.rebate), laws={0: schedule})
        return replace(state, memory=remember(state.memory, _records(state, answers, outcome)))

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

        Workers are told to stop trying in the last step of the year, and where `exploit(number)` of the
        run's step says so. `on_step` is called after each step.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        year = state.tax_year + 1
        state = replace(state, tax_year=year, laws={**state.laws, year: schedule})
        reports = []
        for place in range(steps):
            number = state.step + 1
            phase: Phase = "exploit" if place == steps - 1 or exploit(number) else "explore"
            step, state = self._step(jax.random.fold_in(key, number), state, phase)
            report = self.report(step, schedule)
            seen = _records(state, step.answers, step.outcome)
            seen = seen._replace(satisfied=step.satisfied, result=self._results(step, report))
            state = replace(state, memory=remember(state.memory, seen))
            on_step(number, step, report)
            reports.append(report)
        return mean_report(reports), state

    def situation(self, state: State, phase: Phase = "explore") -> Situation:
        """Return what all workers know in the state's tax year; tax year 0 is that of the first 40 hours."""
        first = max(1, state.tax_year - _LAWS_REMEMBERED)
        past = {year: state.laws[year] for year in range(first, state.tax_year)}
        now = state.laws[state.tax_year]
        return Situation(now, state.tax_year, past, state.rebate, phase)

    def voters(self, state: State) -> tuple[str, list[str]]:
        """Return how the economy stands, in words, and each worker's own situation, without a question."""
        workers = self.workers
        told = memory_lines(workers.style, state.memory, unit=workers.unit)
        own = [f"{constant}\n{lines}" for constant, lines in zip(workers.constants, told, strict=True)]
        return economy_text(self.situation(state)), own

    def report(self, step: Step, schedule: BracketSchedule, welfare: AbstractWelfare | None = None) -> Report:
        """Return the report on a step, under the society's welfare function or another one."""
        economy, outcome = step.economy, step.outcome
        if self.satisfaction_counts:
            known = jnp.asarray(~self._unread(step.satisfied))
            economy = eqx.tree_at(lambda e: e.population, economy, present(economy.population, known))
            utility = _felt(outcome.utility, jnp.asarray(step.satisfied))
            outcome = eqx.tree_at(lambda o: o.utility, outcome, utility)
        share = jnp.mean(step.answers.understood)
        return _summarise(economy, schedule, outcome, welfare or self.welfare, understood=share)

    def _step(self, key: Key[Array, ""], state: State, phase: Phase) -> tuple[Step, State]:
        """Ask, settle and ask for satisfaction; return the step and the state but for its memory."""
        answers = self.workers.labor(key, self.situation(state, phase), state.memory)
        economy, outcome = _settle(self.workers.economy, state.laws[state.tax_year], answers)
        state = replace(state, step=state.step + 1, rebate=float(outcome.rebate))
        satisfied = np.full(answers.labor.shape, np.nan)
        if self.asks_satisfaction:
            memory = remember(state.memory, _records(state, answers, outcome))
            satisfied = self.workers.satisfied(self.situation(state, phase), memory)
        return Step(economy, outcome, answers, satisfied), state

    def _results(self, step: Step, report: Report) -> Float[np.ndarray, " agents"]:
        """Return what each worker takes as its result: its utility after satisfaction, or welfare."""
        own = np.asarray(_felt(step.outcome.utility, jnp.asarray(step.satisfied)), float)
        own = np.where(self._unread(step.satisfied), np.nan, own)
        welfare, aims = float(report.equivalent), self.workers.aims
        own = np.where(aims == AIMS.index("altruistic"), welfare, own)
        return np.where(aims == AIMS.index("adversarial"), -welfare, own)

    def _unread(self, satisfied: Float[np.ndarray, " agents"]) -> Bool[np.ndarray, " agents"]:
        """Return who was asked for satisfaction and could not be understood."""
        return np.isnan(self.workers.fixed) & self.asks_satisfaction & np.isnan(satisfied)


def mean_report(reports: list[Report]) -> Report:
    """Return the mean of the reports on several steps, with the standard error of the mean equivalent.

    Steps are taken as independent; a single one has no error.
    """
    mean = jax.tree.map(lambda *values: jnp.mean(jnp.stack(values), axis=0), *reports)
    if len(reports) == 1:
        return mean
    error = np.std([float(r.equivalent) for r in reports], ddof=1) / len(reports) ** 0.5
    return eqx.tree_at(lambda r: r.standard_error, mean, jnp.asarray(error, mean.equivalent.dtype))


_summarise = eqx.filter_jit(summarise)
_settle = eqx.filter_jit(settle_answers)


def _records(state: State, answers: Answers, outcome: Outcome) -> Records:
    """Return what workers will remember of the step, before satisfaction: their own utility as the result."""
    labor, income, tax, utility = (
        np.asarray(values, float) for values in (answers.labor, outcome.income, outcome.tax, outcome.utility)
    )
    one = np.ones_like(income)
    return Records(
        step=one * state.step,
        tax_year=one * state.tax_year,
        labor=np.where(np.asarray(answers.understood), labor, np.nan),
        income=income,
        tax=tax,
        rebate=one * float(outcome.rebate),
        result=utility,
        satisfied=one * np.nan,
    )


def _felt(utility: Float[Array, " agents"], satisfied: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return utility after satisfaction: less by half its size for who is not satisfied."""
    return jnp.where(satisfied == 0, utility - (1 - _DISCONTENT) * jnp.abs(utility), utility)
