"""The main job: every planner on the same economy, with the same seed and number of evaluations."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, us_federal
from econjax.planning import Evaluator, RationalEvaluator, Report, plan
from experiments.config import CompareConfig
from experiments.evaluation import ModelEvaluator
from experiments.roster import AIMS, ROSTER, Entry, Setting
from llm_policy.answers import Tally
from llm_policy.engine import Engine
from llm_policy.personas import describe, draw_personas
from llm_policy.prompts import Style
from llm_policy.society import Society
from llm_policy.workers import LLMWorkers

STATUS_QUO = ROSTER["federal"].name
OPTIMISER = "optimiser, no limit"


@dataclass(frozen=True)
class Row:
    """One planner under one welfare function: what it recommends, what that brings, what it took.

    In dollars a year; `labor` is the mean week in hours. `regret` is the distance to the best row, `share`
    the part of the distance from US federal to the best row that was covered (None without such a
    distance), `last` the equivalent of the last schedule evaluated, `understood` the share of model
    answers read (None where no model was asked).
    """

    planner: str
    sees: str
    rates: tuple[float, ...]
    equivalent: float
    standard_error: float
    last: float
    gini: float
    labor: float
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
    """The rows of each welfare function by its name, and a record of every evaluation behind them.

    `workers` are the language models who worked, if any.
    """

    tables: dict[str, list[Row]]
    metrics: list[dict[str, Any]]
    workers: LLMWorkers | None = None


Progress = Callable[[str, str, int], None]
"""Called with the welfare function, the planner and the number of its evaluations so far."""


def compare(config: CompareConfig, engine: Engine | None, progress: Progress) -> Comparison:
    """Run every planner of `config` under every welfare function.

    Figures are as exact as JAX's default precision: enable float64 for cents.

    Raises:
        ValueError: a choice makes no comparison, or a language model takes part and there is no engine.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    law = us_federal(config.year, config.status)
    economy = config.economy()
    key, tally = jax.random.key(config.seed), Tally()
    if config.asks_a_model and engine is None:
        raise ValueError("Language models take part and there is no engine to ask.")
    noise = engine is not None and bool(engine.describe().get("noise"))
    workers = None
    if config.workers == "llm" and engine is not None:
        people = describe(draw_personas(jax.random.fold_in(key, 0), economy.population))
        workers = LLMWorkers(engine, economy, people, style=Style(mode=config.mode), tally=tally)
    tables, metrics = {}, []
    for name in config.welfare:
        setting = Setting(law, config.elasticity, engine, AIMS[name], tally)
        contest = _Contest(config, economy, setting, workers, jax.random.fold_in(key, 1), progress, noise)
        tables[contest.title] = contest.rows()
        metrics += contest.metrics
    return Comparison(tables, metrics, workers)


@dataclass
class _Contest:
    """All planners under one welfare function."""

    config: CompareConfig
    economy: Economy
    setting: Setting
    workers: LLMWorkers | None
    key: jax.Array
    progress: Progress
    noise: bool
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The welfare function, and whether noise does the work."""
        return self.setting.aim.name + (" (workers are noise)" if self.workers and self.noise else "")

    def rows(self) -> list[Row]:
        """Run everyone; then measure all against the best row and the status quo."""
        rows = [self._planner(ROSTER[name]) for name in self.config.planners]
        if self.workers is None:
            rows.append(self._optimiser(max(rows, key=lambda row: row.equivalent)))
        best = max(row.equivalent for row in rows)
        start = next((row.equivalent for row in rows if row.planner == STATUS_QUO), None)
        if start is None:
            start = float(self._evaluator(_FINAL).value(self.setting.law).equivalent)
        return [
            replace(
                row,
                regret=best - row.equivalent,
                share=(row.equivalent - start) / (best - start) if best > start else None,
            )
            for row in rows
        ]

    def _planner(self, entry: Entry) -> Row:
        name = entry.name + (" (noise)" if entry.is_model and self.noise else "")

        def on_step(step: int, schedule: BracketSchedule, report: Report) -> None:
            self._record(name, "evaluated", step, schedule, report)
            self.progress(self.title, name, step + 1)

        def search(evaluate: Evaluator) -> tuple[BracketSchedule, Report]:
            planner, steps = entry.make(self.setting), self.config.evaluations
            result = plan(self.key, planner, evaluate, steps=steps, on_step=on_step)
            return result.recommended, result.reports[-1]

        return self._row(name, entry.sees, search)

    def _optimiser(self, best: Row) -> Row:
        """Search without a limit: from the law, no tax, 50 % for all, and the best recommendation."""
        law = self.setting.law
        others = [jnp.zeros_like(law.rates), jnp.full_like(law.rates, 0.5), jnp.asarray(best.rates)]
        starts = [law, *(BracketSchedule(law.thresholds, rates) for rates in others)]

        def search(evaluate: Evaluator) -> tuple[BracketSchedule, Report]:
            self.progress(self.title, OPTIMISER, 0)
            schedule = best_found(evaluate, starts).schedule
            self.progress(self.title, OPTIMISER, sum(evaluate.counts.values()))
            return schedule, self._evaluator(_FINAL).value(schedule)

        return self._row(OPTIMISER, "values, gradients", search)

    def _row(
        self, name: str, sees: str, search: Callable[[Evaluator], tuple[BracketSchedule, Report]]
    ) -> Row:
        """Let `search` return the schedule to recommend and the last report; evaluate the schedule afresh."""
        started, before, evaluate = time.perf_counter(), replace(self.setting.tally), self._evaluator(_SEARCH)
        schedule, last = search(evaluate)
        final = self._evaluator(_FINAL).value(schedule)
        self._record(name, "recommended", sum(evaluate.counts.values()), schedule, final)
        calls = self.setting.tally.asked - before.asked
        return Row(
            planner=name,
            sees=sees,
            rates=tuple(np.asarray(schedule.rates, float).tolist()),
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
            understood=(self.setting.tally.read - before.read) / calls if calls else None,
        )

    def _evaluator(self, place: int) -> Evaluator:
        """Return an evaluator, whose draws differ by `place`."""
        welfare = self.setting.aim.welfare
        if self.workers is None:
            return RationalEvaluator(self.economy, welfare)
        society, key = Society(self.workers, welfare), jax.random.fold_in(self.key, place)
        return ModelEvaluator(society, steps=self.config.tax_year, key=key)

    def _record(self, planner: str, kind: str, step: int, schedule: BracketSchedule, report: Report) -> None:
        who = {
            "welfare": self.title,
            "planner": planner,
            "seed": self.config.seed,
            "kind": kind,
            "step": step,
        }
        rates = {"rates": np.asarray(schedule.rates, float).tolist()}
        figures = {name: float(getattr(report, name)) for name in _RECORDED}
        if not all(math.isfinite(figure) for figure in figures.values()):
            raise ArithmeticError(f"{planner}, evaluation {step + 1}, at {rates}: not all finite: {figures}.")
        self.metrics.append(who | rates | figures)


_SEARCH, _FINAL = 1, 2
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
