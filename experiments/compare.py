"""The main job: every planner on the same economy, with the same seed and number of evaluations."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, Quasilinear, calibrate, gb2, us_federal
from econjax.planning import Evaluator, RationalEvaluator, Report, plan
from experiments.config import CompareConfig
from experiments.evaluation import ModelEvaluator
from experiments.roster import ROSTER, Entry, Setting, aim
from llm_policy.answers import Tally
from llm_policy.engine import Engine
from llm_policy.personas import draw_personas
from llm_policy.workers import LLMWorkers

STATUS_QUO = ROSTER["federal"].name
OPTIMISER = "optimiser, no limit"


@dataclass(frozen=True)
class Row:
    """One planner under one welfare function: what it recommends, what that brings, what it took.

    In dollars a year. `regret` is the distance to the best row, `share` the part of the distance from US
    federal to the best row that was covered (None without such a distance), `last` the equivalent of the
    last schedule evaluated, `understood` the share of model answers read (None where no model was asked).
    """

    planner: str
    sees: str
    rates: tuple[float, ...]
    equivalent: float
    standard_error: float
    last: float
    gini: float
    hours: float
    rebate: float
    floored: float
    values: int
    gradients: int
    seconds: float
    calls: int
    understood: float | None
    regret: float = 0.0
    share: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The rows of each welfare function by its name, and a record of every evaluation behind them."""

    tables: dict[str, list[Row]]
    metrics: list[dict[str, Any]]


Progress = Callable[[str, str, int], None]
"""Called with the welfare function, the planner and the number of its evaluations so far."""


def compare(config: CompareConfig, engine: Engine | None, progress: Progress) -> Comparison:
    """Run every planner of `config` under every welfare function.

    Figures are as exact as JAX's default precision: enable float64 for cents.
    """
    law = us_federal(config.year, config.status)
    population = calibrate(gb2(config.size), law)
    economy = Economy(population=population, preferences=Quasilinear(config.elasticity))
    key, tally = jax.random.key(config.seed), Tally()
    workers = None
    if config.workers == "llm":
        if engine is None:
            raise ValueError("Workers that are language models need a model: give --model or --server.")
        workers = LLMWorkers(engine, draw_personas(key, population), tally=tally)
    tables, metrics = {}, []
    for goal in config.welfare:
        setting = Setting(law, config.elasticity, engine, aim(goal), tally)
        contest = _Contest(config, economy, setting, workers, key, progress)
        tables[setting.aim.name] = contest.rows()
        metrics += contest.metrics
    return Comparison(tables, metrics)


@dataclass
class _Contest:
    """All planners under one welfare function."""

    config: CompareConfig
    economy: Economy
    setting: Setting
    workers: LLMWorkers | None
    key: jax.Array
    progress: Progress
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Run everyone; then measure all against the best row and the status quo."""
        rows = [self._planner(ROSTER[name]) for name in self.config.planners]
        if self.workers is None:
            rows.append(self._optimiser(max(rows, key=lambda row: row.equivalent)))
        best = max(row.equivalent for row in rows)
        start = next((row.equivalent for row in rows if row.planner == STATUS_QUO), best)
        return [
            replace(
                row,
                regret=best - row.equivalent,
                share=(row.equivalent - start) / (best - start) if best > start else None,
            )
            for row in rows
        ]

    def _planner(self, entry: Entry) -> Row:
        started, tally = time.perf_counter(), replace(self.setting.tally)
        evaluate, budget = self._evaluator(), self.config.evaluations

        def on_step(step: int, schedule: BracketSchedule, report: Report) -> None:
            self._record(entry.name, step, "evaluated", schedule, report)
            self.progress(self.setting.aim.name, entry.name, step + 1)

        result = plan(self.key, entry.make(self.setting), evaluate, steps=budget, on_step=on_step)
        final = self._evaluator().value(result.recommended)
        self._record(entry.name, budget, "recommended", result.recommended, final)
        return self._row(
            (entry.name, entry.sees),
            result.recommended,
            final,
            result.reports[-1],
            evaluate.counts,
            started,
            tally,
        )

    def _optimiser(self, best: Row) -> Row:
        """Search without a limit: from the law, no tax, 50 % for all, and the best recommendation."""
        self.progress(self.setting.aim.name, OPTIMISER, 0)
        started, tally, evaluate = time.perf_counter(), replace(self.setting.tally), self._evaluator()
        law = self.setting.law
        others = [jnp.zeros_like(law.rates), jnp.full_like(law.rates, 0.5), jnp.asarray(best.rates)]
        starts = [law, *(BracketSchedule(law.thresholds, rates) for rates in others)]
        schedule = best_found(evaluate, starts)
        final = self._evaluator().value(schedule)
        self._record(OPTIMISER, 0, "recommended", schedule, final)
        self.progress(self.setting.aim.name, OPTIMISER, self.config.evaluations)
        return self._row(
            (OPTIMISER, "values, gradients"), schedule, final, final, evaluate.counts, started, tally
        )

    def _evaluator(self) -> Evaluator:
        if self.workers is None:
            return RationalEvaluator(self.economy, self.setting.aim.welfare)
        return ModelEvaluator(
            self.economy, self.setting.aim.welfare, self.workers, steps=self.config.tax_year
        )

    def _row(
        self,
        who: tuple[str, str],
        schedule: BracketSchedule,
        final: Report,
        last: Report,
        counts: dict[str, int],
        started: float,
        before: Tally,
    ) -> Row:
        calls = self.setting.tally.asked - before.asked
        return Row(
            planner=who[0],
            sees=who[1],
            rates=tuple(np.asarray(schedule.rates, float).tolist()),
            equivalent=float(final.equivalent),
            standard_error=float(final.standard_error),
            last=float(last.equivalent),
            gini=float(final.gini),
            hours=float(final.hours),
            rebate=float(final.rebate),
            floored=float(final.floored),
            values=counts["value"],
            gradients=counts["gradient"],
            seconds=time.perf_counter() - started,
            calls=calls,
            understood=(self.setting.tally.read - before.read) / calls if calls else None,
        )

    def _record(self, planner: str, step: int, kind: str, schedule: BracketSchedule, report: Report):
        record = {"welfare": self.setting.aim.name, "planner": planner, "seed": self.config.seed}
        record |= {"step": step, "kind": kind, "rates": np.asarray(schedule.rates, float).tolist()}
        self.metrics.append(record | {name: float(getattr(report, name)) for name in _RECORDED})


_RECORDED = (
    "equivalent",
    "standard_error",
    "rebate",
    "income",
    "hours",
    "gini",
    "floored",
    "understood",
)
