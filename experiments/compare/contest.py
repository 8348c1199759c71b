"""All planners under one welfare function, among workers of one kind: searches, then lived anew."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, InverseIncome, equilibrium
from econjax.planning import CLIMBS, Evaluator, RationalEvaluator, Report, plan
from experiments.compare.archetypes import StandIn
from experiments.compare.config import CompareConfig
from experiments.compare.crews import Crew, with_model
from experiments.compare.rows import (
    ComparisonRow,
    CostOfErrors,
    cannot_be_told_apart,
)
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext, titled
from experiments.report.disclosure import nature
from experiments.report.rates import rates_of
from llm_policy.archetypes.certificate import certify_bias
from llm_policy.archetypes.society import ArchetypeSociety
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.prompts.workers import Mode
from llm_policy.workers.evaluator import ModelEvaluator, mean_year

STATUS_QUO = REGISTRY["federal"].name
OPTIMISER = "optimiser, no limit"
INVERSE_INCOME = "inverse_income"
"""The column of the mean of utility over own income, of recommended schedules."""

Progress = Callable[[str, str, int, int | None], None]
"""Called with a table, a planner, and its evaluations so far and in all (None if unknown)."""


class _Searched(NamedTuple):
    """What a planner observes, the schedule that it recommends, and the last report."""

    observes: str
    schedule: BracketSchedule
    last: Report


class _Measured(NamedTuple):
    """A schedule lived afresh: the report, each year's equivalent, and what errors cost."""

    report: Report
    years: tuple[float, ...] = ()
    errors: CostOfErrors | None = None
    at_best: float | None = None


@dataclass
class PlannersTable:
    """All planners under one welfare function, among workers of one kind."""

    config: CompareConfig
    economy: Economy
    setting: PlanningContext
    crew: Crew
    planners: tuple[Engine, ...]
    tally: Tally
    asked: Mapping[str, Mode]
    key: Key[Array, ""]
    progress: Progress
    metrics: list[dict[str, Any]] = field(default_factory=list)
    stand_in: StandIn | None = field(default=None, init=False)

    @property
    def title(self) -> str:
        """The welfare function, and who works if not the rational."""
        return self.setting.aim.name + (f" ({self.crew.words})" if self.crew.workforce else "")

    @property
    def size(self) -> str:
        """How many workers there are and how often planners try."""
        if self.crew.workforce is None:
            kind, years = "rational", ""
        else:
            kind, years = "language-model", f", each a tax year of {self.config.tax_year} steps"
        return (
            f"{self.config.size:,} {kind} workers. Evaluations of a planner that learns from them: "
            f"{self.config.evaluations}{years}."
        )

    def rows(self) -> list[ComparisonRow]:
        """Run everyone; then measure all against the best row and the status quo."""
        drawn_before = self.crew.archetypes.decisions if self.crew.archetypes else 0
        recorded = self.setting.workers is not None
        rows = []
        for entry in (REGISTRY[name] for name in self.config.roster):
            if recorded or not entry.needs_models:
                who = self.planners if entry.is_model else (self.setting.engine,)
                rows += [self._planner(entry, engine) for engine in who]
        if self.crew.workforce is None:
            rows.append(self._optimiser(max(rows, key=lambda row: row.equivalent)))
        best = max(rows, key=lambda row: row.equivalent)
        start = next((row.equivalent for row in rows if row.planner == self.config.law_title), None)
        if start is None:
            evaluate, law = self._evaluator(_SEARCH), self.setting.law
            start = float(self._measure(evaluate, law).report.equivalent)
        way = best.equivalent - start
        seconds = sum(row.seconds for row in rows)
        self.stand_in = self._stand_in(best, drawn_before, seconds)
        return [
            replace(
                row,
                regret=best.equivalent - row.equivalent,
                share=(row.equivalent - start) / way if way > 0 else None,
                tied=row is not best and cannot_be_told_apart(best, row),
            )
            for row in rows
        ]

    def _stand_in(self, best: ComparisonRow, drawn_before: int, seconds: float) -> StandIn | None:
        """Return what archetypes took, and err by under the best schedule, if there are some."""
        few = self.crew.archetypes
        if few is None:
            return None
        drawn = few.decisions - drawn_before
        found = StandIn(
            archetypes=len(few.nodes.cell),
            cells=len(few.cells.typical),
            calls=few.calls,
            held_out=few.held_out,
            planner=best.planner,
            decisions=drawn,
            a_second=drawn / seconds,
        )
        if not self.config.audited:
            return found
        certificate = certify_bias(
            jax.random.fold_in(self.key, _AUDIT),
            ArchetypeSociety(few, self.setting.aim.welfare, subsistence=self.config.subsistence),
            BracketSchedule(self.setting.law.thresholds, jnp.asarray(best.rates)),
            steps=self.config.tax_year,
            audited=self.config.audited,
        )
        return found._replace(certificate=certificate)

    def _planner(self, entry: PlannerSpec, engine: Engine | None) -> ComparisonRow:
        name, model = titled(entry, self.config.law_title), None
        if entry.is_model and engine is not None:
            described = engine.describe()
            model = described.model
            title = entry.title(nature(described, self.asked))
            name = with_model(title, model, self.planners)
        steps = entry.evaluations or self.config.evaluations or 0
        setting = replace(self.setting, engine=engine)

        def search(evaluate: Evaluator) -> _Searched:
            def on_step(step: int, schedule: BracketSchedule, report: Report) -> None:
                record = self._record(name, "evaluated", step, schedule, report)
                record |= {"planner_model": model, "tax_year": _tax_year(evaluate)}
                self.progress(self.title, name, step + 1, steps)

            planner = entry.planner(setting)
            result = plan(self.key, planner, evaluate, steps=steps, on_step=on_step)
            return _Searched(entry.observes(planner), result.recommended, result.reports[-1])

        return self._row(name, search, model)

    def _optimiser(self, best: ComparisonRow) -> ComparisonRow:
        """Search without limit: from the law, no tax, 50 % for all, and the best recommendation."""
        law = self.setting.law
        others = [jnp.zeros_like(law.rates), jnp.full_like(law.rates, 0.5), jnp.asarray(best.rates)]
        starts = [law, *(BracketSchedule(law.thresholds, rates) for rates in others)]

        def search(evaluate: Evaluator) -> _Searched:
            self.progress(self.title, OPTIMISER, 0, None)
            schedule = best_found(evaluate, starts, bounds=self.setting.bounds).schedule
            tries = sum(evaluate.counts.values())
            self.progress(self.title, OPTIMISER, tries, tries)
            last = self._evaluator(_FINAL).value(schedule)
            return _Searched(", ".join(CLIMBS), schedule, last)

        return self._row(OPTIMISER, search, None)

    def _row(
        self, name: str, search: Callable[[Evaluator], _Searched], model: str | None
    ) -> ComparisonRow:
        """Time the search, whose schedule is evaluated afresh."""
        started, before = time.perf_counter(), replace(self.tally)
        evaluate = self._evaluator(_SEARCH)
        observes, schedule, last = search(evaluate)
        found = self._measure(evaluate, schedule)
        final, last_step = found.report, sum(evaluate.counts.values())
        record = self._record(name, "recommended", last_step, schedule, final)
        record |= {"planner_model": model, "tax_year": _tax_year(evaluate)}
        record |= {"at_best": found.at_best, "years": list(found.years) or None}
        record |= _errors_in_columns(found.errors) | self._inverse_income(schedule)
        calls = self.tally.asked - before.asked
        return ComparisonRow(
            planner=name,
            observes=observes,
            rates=rates_of(schedule),
            equivalent=float(final.equivalent),
            standard_error=float(final.standard_error),
            last=float(last.equivalent),
            gini=float(final.gini),
            labor=float(final.labor),
            rebate=float(final.rebate),
            floored=float(final.floored),
            values=evaluate.counts["value"],
            gradients=evaluate.counts["gradient"],
            seconds=time.perf_counter() - started,
            calls=calls,
            understood=(self.tally.read - before.read) / calls if calls else None,
            planner_model=model,
            worker_model=self.crew.model,
            years=found.years,
            at_best=found.at_best,
            errors=found.errors,
        )

    def _inverse_income(self, schedule: BracketSchedule) -> dict[str, float]:
        """Return the LLM Economist's welfare of rational workers, if the file wants it."""
        floor = self.config.inverse_income_floor
        if floor is None or self.crew.workforce is not None:
            return {}
        outcome = equilibrium(self.economy, schedule).outcome
        return {INVERSE_INCOME: float(InverseIncome(floor)(self.economy.population, outcome))}

    def _measure(self, evaluate: Evaluator, schedule: BracketSchedule) -> _Measured:
        """Live a schedule afresh, from where `evaluate` has left those who keep their memory."""
        fresh = self._evaluator(_FINAL)
        if not isinstance(fresh, ModelEvaluator) or not isinstance(evaluate, ModelEvaluator):
            return _Measured(fresh.value(schedule))
        fresh.state = evaluate.state
        years = fresh.years(schedule, self.config.repetitions)
        report, errors = mean_year(years)
        costs = np.array([year.errors.cost for year in years])
        spread = float(costs.std(ddof=1) / len(costs) ** 0.5) if len(costs) > 1 else 0.0
        cost = CostOfErrors(errors.cost, spread, errors.share_of_costliest, errors.share_bounded)
        at_best = float(fresh.what_if(schedule).equivalent)
        return _Measured(report, tuple(float(y.report.equivalent) for y in years), cost, at_best)

    def _evaluator(self, place: int) -> Evaluator:
        """Return an evaluator whose draws differ by `place`, and whose workers know nothing."""
        welfare = self.setting.aim.welfare
        if self.crew.workforce is None:
            return RationalEvaluator(self.economy, welfare)
        key = jax.random.fold_in(self.key, place)
        society = self.crew.workforce.society(welfare, self.config.subsistence)
        begun = society.begin(self.setting.law) if self.config.keep_memory else None
        return ModelEvaluator(society, steps=self.config.tax_year, key=key, begun=begun)

    def _record(
        self, planner: str, kind: str, step: int, schedule: BracketSchedule, report: Report
    ) -> dict[str, Any]:
        """Keep the figures of an evaluation; return the record, to which more may be added."""
        who = {
            "welfare": self.title,
            "agents": self.config.size,
            "planner": planner,
            "seed": self.config.seed,
            "kind": kind,
            "step": step,
        }
        rates = {"rates": np.asarray(schedule.rates, float).tolist()}
        figures = {name: float(getattr(report, name)) for name in _RECORDED}
        if not all(math.isfinite(figure) for figure in figures.values()):
            raise ArithmeticError(
                f"{planner}, evaluation {step + 1}, at {rates}: not all finite: {figures}."
            )
        blank = dict.fromkeys(_OF_MODELS) | {"worker_model": self.crew.model}
        blank |= {} if self.config.inverse_income_floor is None else {INVERSE_INCOME: None}
        self.metrics.append(who | rates | figures | blank)
        return self.metrics[-1]


def _tax_year(evaluate: Evaluator) -> int | None:
    """Return the number of the tax year that workers who keep their memory have come to."""
    state = evaluate.state if isinstance(evaluate, ModelEvaluator) else None
    return None if state is None else state.tax_year


def _errors_in_columns(errors: CostOfErrors | None) -> dict[str, float | None]:
    if errors is None:
        return {}
    return {
        "cost_of_errors": errors.mean,
        "cost_error": errors.error,
        "costliest_tenth": errors.costliest,
        "bounded": errors.bounded,
    }


_SEARCH, _FINAL, _AUDIT = 1, 2, 3
_RECORDED = (
    "equivalent",
    "standard_error",
    "rebate",
    "income",
    "labor",
    "gini",
    "floored",
    "understood",
)
_OF_MODELS = (
    "planner_model",
    "worker_model",
    "tax_year",
    "years",
    "at_best",
    "cost_of_errors",
    "cost_error",
    "costliest_tenth",
    "bounded",
)
"""What a record holds of language models: None where it has no meaning."""
