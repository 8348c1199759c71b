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
from econjax.planning import Report, summarise
from econjax.preferences import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare, require_dollars
from llm_policy.engines.base import EngineError
from llm_policy.memory.workers import Memory, Records, remember
from llm_policy.prompts.objectives import objective_results
from llm_policy.prompts.workers import Phase, Situation, economy_text, memory_lines
from llm_policy.workers.llm import MOST_LAWS, NOBODY, Answers, LLMWorkers, present, settle_answers

_DISCONTENT = 0.5


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

    Where the workers are asked for satisfaction, each says after a step whether the taxes satisfy
    it, and the utility that it remembers is less by half its size if not. With
    `satisfaction_counts` the same utility enters welfare, without those whose answer was not
    understood. Altruistic workers remember welfare as their result, adversarial ones its negative.

    Raises:
        ValueError: a welfare function of dollars, and preferences whose utility is not in dollars;
            or satisfaction that counts, of workers who are not asked.
    """

    def __init__(
        self, workers: LLMWorkers, welfare: AbstractWelfare, *, satisfaction_counts: bool = False
    ):
        require_dollars(workers.economy, welfare)
        if satisfaction_counts and not workers.asks_satisfaction:
            raise ValueError(
                "Satisfaction can count only if workers are asked: ask, or do not count it."
            )
        self.workers, self.welfare = workers, welfare
        self.satisfaction_counts = satisfaction_counts

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
        step = Step(
            economy, settle(economy, schedule, labor), answers, np.full(labor.shape, np.nan)
        )
        report = _summarise(economy, schedule, step.outcome, self.welfare, understood=jnp.ones(()))
        return step, report

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
        the run's step says so. `on_step` is called after each step.

        Raises:
            ValueError: a year without a step.
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if steps < 1:
            raise ValueError(f"A tax year has at least 1 step; got {steps}.")
        year = state.tax_year + 1
        state = replace(state, tax_year=year, laws={**state.laws, year: schedule})
        reports = []
        for place in range(steps):
            number = state.step + 1
            phase: Phase = "exploit" if place == steps - 1 or exploit(number) else "explore"
            step, state = self._step(jax.random.fold_in(key, number), state, phase)
            report = self.report(step, schedule)
            own = np.asarray(_felt(step.outcome.utility, jnp.asarray(step.satisfied)), float)
            state = self._remember(state, step, np.where(self._unread(step), np.nan, own), report)
            on_step(number, step, report)
            reports.append(report)
        return mean_report(reports), state

    def situation(self, state: State, phase: Phase = "explore") -> Situation:
        """Return what all workers know in the state's tax year.

        Tax year 0 is that of the first 40 hours.
        """
        first = max(1, state.tax_year - MOST_LAWS)
        past = {year: state.laws[year] for year in range(first, state.tax_year)}
        now = state.laws[state.tax_year]
        return Situation(now, state.tax_year, past, state.rebate, phase)

    def voters(self, state: State) -> tuple[str, list[str]]:
        """Return how the economy stands, in words, and each worker's own situation.

        Neither holds a question.
        """
        return self.voters_of(self.situation(state), state.memory)

    def voters_of(self, situation: Situation, memory: Memory) -> tuple[str, list[str]]:
        """Return the same of any situation and memory."""
        workers = self.workers
        told = memory_lines(workers.style, memory, unit=workers.unit)
        own = [
            f"{constant}\n{lines}" for constant, lines in zip(workers.constants, told, strict=True)
        ]
        return economy_text(situation), own

    def report(
        self, step: Step, schedule: BracketSchedule, welfare: AbstractWelfare | None = None
    ) -> Report:
        """Return the report on a step, under the society's welfare function or another one.

        `understood` is the share of the models asked who enter it.
        """
        economy, outcome, known = step.economy, step.outcome, np.asarray(step.answers.understood)
        if self.satisfaction_counts:
            known = known & ~self._unread(step)
            economy = eqx.tree_at(
                lambda e: e.population, economy, present(economy.population, jnp.asarray(known))
            )
            utility = _felt(outcome.utility, jnp.asarray(step.satisfied))
            outcome = eqx.tree_at(lambda o: o.utility, outcome, utility)
        asked = self.workers.asked
        share = jnp.asarray(np.mean(known[asked]) if asked.size else 1.0)
        return _summarise(economy, schedule, outcome, welfare or self.welfare, understood=share)

    def _step(self, key: Key[Array, ""], state: State, phase: Phase) -> tuple[Step, State]:
        """Ask, settle and ask for satisfaction; return the step and state but for its memory."""
        labor_key, satisfaction_key = jax.random.split(key)
        answers = self.workers.labor(labor_key, self.situation(state, phase), state.memory)
        economy, outcome = _settle(self.workers.economy, state.laws[state.tax_year], answers)
        state = replace(state, step=state.step + 1, rebate=float(outcome.rebate))
        step = Step(economy, outcome, answers, np.full(answers.labor.shape, np.nan))
        if self.workers.asks_satisfaction:
            satisfied = self.workers.satisfied(
                satisfaction_key,
                self.situation(state, phase),
                remember(state.memory, _records(state, step)),
                np.asarray(answers.understood),
            )
            step = step._replace(satisfied=satisfied)
            if self.satisfaction_counts:
                known = np.asarray(answers.understood) & ~self._unread(step)
                self.workers.asker.require(
                    known[self.workers.asked],
                    "on hours and satisfaction together",
                    "they are left out of welfare",
                )
                if not known.any():
                    raise EngineError(NOBODY)
        return step, state

    def _remember(
        self, state: State, step: Step, own: Float[np.ndarray, " agents"], report: Report
    ) -> State:
        """Return the state with the step in every memory, its result being `own` or welfare."""
        result = objective_results(self.workers.aims, own, float(report.equivalent))
        seen = _records(state, step)._replace(satisfied=step.satisfied, result=result)
        return replace(state, memory=remember(state.memory, seen))

    def _unread(self, step: Step) -> Bool[np.ndarray, " agents"]:
        """Return whose satisfaction should be known, and is not."""
        workers = self.workers
        return np.isnan(workers.fixed) & workers.asks_satisfaction & np.isnan(step.satisfied)


def mean_report(reports: list[Report]) -> Report:
    """Return the mean report on several steps, with the standard error of the mean equivalent.

    Steps are taken as independent; a single one has no error, and that of infinite ones is NaN.
    """
    mean = jax.tree.map(lambda *values: jnp.mean(jnp.stack(values), axis=0), *reports)
    if len(reports) == 1:
        return mean
    values = np.array([float(report.equivalent) for report in reports])
    error = np.std(values, ddof=1) / len(values) ** 0.5 if np.isfinite(values).all() else np.nan
    return eqx.tree_at(lambda r: r.standard_error, mean, jnp.asarray(error, mean.equivalent.dtype))


@eqx.filter_jit
def _summarise(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    welfare: AbstractWelfare,
    *,
    understood: Float[Array, ""],
) -> Report:
    """Return the report without an elasticity: nobody knows that of language-model workers."""
    report = summarise(economy, schedule, outcome, welfare, understood=understood)
    return replace(
        report, brackets=replace(report.brackets, elasticity=None, elasticity_variance=None)
    )


_settle = eqx.filter_jit(settle_answers)


def _records(state: State, step: Step) -> Records:
    """Return what workers will remember of the step, but for its result and satisfaction."""
    answers, outcome = step.answers, step.outcome
    labor, income, tax = (
        np.asarray(values, float) for values in (answers.labor, outcome.income, outcome.tax)
    )
    one = np.ones_like(income)
    return Records(
        step=one * state.step,
        tax_year=one * state.tax_year,
        labor=np.where(np.asarray(answers.understood), labor, np.nan),
        income=income,
        tax=tax,
        rebate=one * float(outcome.rebate),
        result=one * np.nan,
        satisfied=one * np.nan,
    )


def _felt(
    utility: Float[Array, " agents"], satisfied: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return utility after satisfaction: less by half its size for who is not satisfied."""
    return jnp.where(satisfied == 0, utility - (1 - _DISCONTENT) * jnp.abs(utility), utility)
