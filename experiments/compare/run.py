"""The main job: every planner on the same economy, with the same seed and number of evaluations."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, us_federal
from econjax.planning import CLIMBS, Evaluator, RationalEvaluator, Report, plan
from experiments.compare.config import CompareConfig
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext
from experiments.report.disclosure import nature
from llm_policy.answers.reading import Tally
from llm_policy.engines.base import Engine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.welfare import WELFARE
from llm_policy.prompts.workers import Mode, Style
from llm_policy.surrogate.recording import RecordedWorkers, person_features
from llm_policy.workers.evaluator import ModelEvaluator
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

STATUS_QUO = REGISTRY["federal"].name
OPTIMISER = "optimiser, no limit"


@dataclass(frozen=True)
class ComparisonRow:
    """One planner under one welfare function: what it recommends, what that brings, what it took.

    In dollars a year; `labor` is the mean week in hours. `regret` is the distance to the best row,
    `share` the part of the distance from US federal to the best row that was covered (None without
    such a distance), `last` the equivalent of the last schedule evaluated, `understood` the share
    of model answers read (None where no model was asked).
    """

    planner: str
    observes: str
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
    """The rows of each table by its title, its size in words, and a record of every evaluation.

    A table holds one welfare function and workers of one kind. `workers` are the language models
    who worked, if any.
    """

    tables: dict[str, list[ComparisonRow]]
    sizes: dict[str, str]
    metrics: list[dict[str, Any]]
    workers: LLMWorkers | None = None


Progress = Callable[[str, str, int, int | None], None]
"""Called with a table, a planner, and its evaluations so far and in all (None if unknown)."""


def compare(config: CompareConfig, engine: Engine | None, progress: Progress) -> Comparison:
    """Run every planner of `config` under every welfare function, among workers of each kind.

    Figures are as exact as JAX's default precision: enable float64 for cents.

    Raises:
        ValueError: a choice makes no comparison, or a language model takes part and there is no
        engine.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    if config.asks_a_model and engine is None:
        raise ValueError("Language models take part and there is no engine to ask.")
    law, key, tally = us_federal(config.year, config.status), jax.random.key(config.seed), Tally()
    done = Comparison({}, {}, [])
    for kind in config.workers:
        some = config.among(kind)
        economy, workers = some.economy(), None
        if kind == "llm" and engine is not None:
            workers = people(
                economy, engine, jax.random.fold_in(key, 0), tally=tally, mode=some.mode
            )
            done = replace(done, workers=workers)
        for name in config.welfare:
            tries = some.evaluations or 1
            setting = PlanningContext(
                law=law,
                elasticity=config.elasticity,
                engine=engine,
                aim=WELFARE[name],
                tally=tally,
                evaluations=tries,
                mode=config.mode,
                workers=workers if isinstance(workers, RecordedWorkers) else None,
                steps=config.tax_year,
            )
            contest = _Contest(
                some, economy, setting, workers, jax.random.fold_in(key, 1), progress
            )
            done.tables[contest.title] = contest.rows()
            done.sizes[contest.title] = contest.size
            done.metrics.extend(contest.metrics)
    return done


def people(
    economy: Economy, engine: Engine, key: Key[Array, ""], *, tally: Tally, mode: Mode = "choice"
) -> LLMWorkers:
    """Return language models as the workers of an economy, each with a persona drawn with the key.

    They are recorded where they choose.
    """
    personas = draw_personas(key, economy.population)
    if mode == "text":
        return LLMWorkers(engine, economy, describe(personas), style=Style(mode=mode), tally=tally)
    person = person_features(personas)
    return RecordedWorkers(engine, economy, describe(personas), person=person, tally=tally)


class _Searched(NamedTuple):
    """What a planner observes, the schedule that it recommends, and the last report."""

    observes: str
    schedule: BracketSchedule
    last: Report


@dataclass
class _Contest:
    """All planners under one welfare function, among workers of one kind."""

    config: CompareConfig
    economy: Economy
    setting: PlanningContext
    workers: LLMWorkers | None
    key: Key[Array, ""]
    progress: Progress
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The welfare function, and who works if not the rational."""
        workers = self.workers and nature(self.workers.engine.describe(), self.config.asked).workers
        return self.setting.aim.name + (f" ({workers})" if workers else "")

    @property
    def size(self) -> str:
        """How many workers there are and how often planners try."""
        kind = "rational" if self.workers is None else "language-model"
        years = "" if self.workers is None else f", each a tax year of {self.config.tax_year} steps"
        return (
            f"{self.config.size:,} {kind} workers. Evaluations of a planner that learns from them: "
            f"{self.config.evaluations}{years}."
        )

    def rows(self) -> list[ComparisonRow]:
        """Run everyone; then measure all against the best row and the status quo."""
        entries = [REGISTRY[name] for name in self.config.roster]
        recorded = self.setting.workers is not None
        rows = [self._planner(entry) for entry in entries if recorded or not entry.needs_choices]
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

    def _planner(self, entry: PlannerSpec) -> ComparisonRow:
        engine = self.setting.engine
        name = entry.title(nature(engine.describe(), self.config.asked) if engine else None)
        steps = entry.evaluations or self.config.evaluations or 0

        def on_step(step: int, schedule: BracketSchedule, report: Report) -> None:
            self._record(name, "evaluated", step, schedule, report)
            self.progress(self.title, name, step + 1, steps)

        def search(evaluate: Evaluator) -> _Searched:
            planner = entry.planner(self.setting)
            result = plan(self.key, planner, evaluate, steps=steps, on_step=on_step)
            return _Searched(entry.observes(planner), result.recommended, result.reports[-1])

        return self._row(name, search)

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

        return self._row(OPTIMISER, search)

    def _row(self, name: str, search: Callable[[Evaluator], _Searched]) -> ComparisonRow:
        """Time the search, whose schedule is evaluated afresh."""
        started, before = time.perf_counter(), replace(self.setting.tally)
        evaluate = self._evaluator(_SEARCH)
        observes, schedule, last = search(evaluate)
        final = self._evaluator(_FINAL).value(schedule)
        self._record(name, "recommended", sum(evaluate.counts.values()), schedule, final)
        calls = self.setting.tally.asked - before.asked
        return ComparisonRow(
            planner=name,
            observes=observes,
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

    def _record(
        self, planner: str, kind: str, step: int, schedule: BracketSchedule, report: Report
    ) -> None:
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
