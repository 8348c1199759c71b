"""The main job: every planner on the same economy, with the same seed and number of evaluations."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, InverseIncome, equilibrium
from econjax.planning import CLIMBS, Evaluator, RationalEvaluator, Report, plan
from experiments.compare.config import CompareConfig
from experiments.compare.rows import (
    Comparison,
    ComparisonRow,
    CostOfErrors,
    cannot_be_told_apart,
)
from experiments.core.config import FORMULA
from experiments.core.modes import mode_for
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext, titled
from experiments.report.disclosure import nature
from experiments.report.rates import rates_of
from llm_policy.answers.elicitation import MOST_LEAKED
from llm_policy.answers.reading import Tally
from llm_policy.audit.probe import probe_planner, probe_workers
from llm_policy.engines.base import Engine
from llm_policy.formula.policy import TaughtWorkers
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.workers import Mode, Style
from llm_policy.surrogate.recording import RecordedWorkers, person_features
from llm_policy.workers.evaluator import ModelEvaluator, mean_year
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

STATUS_QUO = REGISTRY["federal"].name
OPTIMISER = "optimiser, no limit"
INVERSE_INCOME = "inverse_income"
"""The column of the mean of utility over own income, of recommended schedules."""


@dataclass(frozen=True)
class Players:
    """Who answers: the engines that plan, in one table, and those that work, in tables each.

    None among the workers is the formula that econjax-small was taught, with no model in between.
    """

    planners: tuple[Engine, ...] = ()
    workers: tuple[Engine | None, ...] = ()


Progress = Callable[[str, str, int, int | None], None]
"""Called with a table, a planner, and its evaluations so far and in all (None if unknown)."""


def compare(
    config: CompareConfig, players: Players | Engine | None, progress: Progress
) -> Comparison:
    """Run every planner of `config` under every welfare function, among workers of each kind.

    One engine plays everyone. Figures are as exact as JAX's default precision: enable float64 for
    cents.

    Raises:
        ValueError: a choice makes no comparison, or a language model takes part and there is no
        engine.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    cast = _cast(config, players)
    law, key, tally = config.status_quo(), jax.random.key(config.seed), Tally()
    asked = _modes(config, cast, law, jax.random.fold_in(key, 0))
    config = replace(config, mode=asked.get("workers", "choice"))
    config.check()
    done = Comparison({}, {}, [], asked=asked, tally=tally)
    for kind in config.workers:
        some = config.among(kind)
        economy = some.economy()
        for crew in _crews(some, economy, cast, asked, jax.random.fold_in(key, 0), tally):
            if kind == "llm" and done.workers is None:
                done = replace(done, workers=crew.workers)
            recorded = crew.workers if isinstance(crew.workers, RecordedWorkers) else None
            for name in config.welfare:
                setting = PlanningContext(
                    law=law,
                    elasticity=config.told,
                    engine=cast.planners[0] if cast.planners else None,
                    aim=config.aim(name),
                    tally=tally,
                    evaluations=some.evaluations or 1,
                    mode=asked.get("planner", "choice"),
                    most_leaked=config.most_leaked,
                    workers=recorded,
                    steps=config.tax_year,
                    subsistence=config.subsistence,
                    statuses=config.statuses,
                )
                planned = jax.random.fold_in(key, 1)
                contest = _Contest(
                    some, economy, setting, crew, cast.planners, asked, planned, progress
                )
                done.tables[contest.title] = contest.rows()
                done.sizes[contest.title] = contest.size
                done.metrics.extend(contest.metrics)
    return done


class _Crew(NamedTuple):
    """Who works, if not the rational: with the words for a title, and the model's name."""

    workers: LLMWorkers | None = None
    words: str = ""
    model: str | None = None


def _cast(config: CompareConfig, players: Players | Engine | None) -> Players:
    """Return who plays, one engine at least for each part that a model has.

    Raises:
        ValueError: there is no engine for a part.
    """
    if not isinstance(players, Players):
        engines = () if players is None else (players,)
        players = Players(engines, engines)
    if (config.model_plans and not players.planners) or (
        "llm" in config.workers and not players.workers
    ):
        raise ValueError("Language models take part and there is no engine to ask.")
    return players


def _modes(
    config: CompareConfig, cast: Players, law: BracketSchedule, key: Key[Array, ""]
) -> dict[str, Mode]:
    """Return in which mode those answer who are language models, workers and planner."""
    goal, modes = config.aim(config.welfare[0]).words, {}
    if "llm" in config.workers:
        economy = config.among("llm").economy()
        texts = describe(draw_personas(key, economy.population))
        works = [engine for engine in cast.workers if engine is not None]
        modes["workers"] = mode_for(
            "workers",
            config,
            works,
            lambda engine: probe_workers(
                LLMWorkers(
                    engine,
                    economy,
                    texts,
                    style=Style(mode="choice", statuses=config.statuses),
                    fixed=config.fixed_hours(economy),
                ),
                law,
            ),
        )
    if config.model_plans:
        modes["planner"] = mode_for(
            "planner",
            config,
            cast.planners,
            lambda engine: probe_planner(
                ChoicePlanner(engine, law, goal=goal, style=PlannerStyle(statuses=config.statuses))
            ),
        )
    return modes


def _crews(
    config: CompareConfig,
    economy: Economy,
    cast: Players,
    asked: Mapping[str, Mode],
    key: Key[Array, ""],
    tally: Tally,
) -> list[_Crew]:
    """Return the crews of workers of the kind that `config` names: the same people, each model."""
    if config.workers == ("rational",):
        return [_Crew()]
    crews = []
    for engine in cast.workers:
        workers = people(
            economy,
            engine,
            key,
            tally=tally,
            mode=asked["workers"],
            most_leaked=config.most_leaked,
            statuses=config.statuses,
            fixed=config.fixed_hours(economy),
        )
        if engine is None:
            crews.append(_Crew(workers, "workers of the formula", FORMULA))
            continue
        described = engine.describe()
        words, model = nature(described, asked).workers, str(described["model"])
        crews.append(_Crew(workers, _named(words, model, cast.workers), model))
    return crews


def _named(words: str, model: str, engines: Sequence[Engine | None]) -> str:
    """Return the words with the model's name where there are several."""
    return f"{words}: {model}" if len(engines) > 1 else words


def people(
    economy: Economy,
    engine: Engine | None,
    key: Key[Array, ""],
    *,
    tally: Tally,
    mode: Mode = "choice",
    most_leaked: float = MOST_LEAKED,
    statuses: tuple[str, ...] = (),
    fixed: np.ndarray | None = None,
) -> LLMWorkers:
    """Return language models as the workers of an economy, each with a persona drawn with the key.

    They are recorded where they choose. Without an engine they are the formula itself. `statuses`
    are the names of their groups, and nobody is asked who has `fixed` hours, not NaN.
    """
    personas = draw_personas(key, economy.population)
    options: dict[str, Any] = {
        "style": Style(mode=mode, statuses=statuses),
        "fixed": fixed,
        "tally": tally,
    }
    if engine is None:
        return TaughtWorkers(economy, personas, **options)
    if mode == "text":
        return LLMWorkers(engine, economy, describe(personas), **options)
    return RecordedWorkers(
        engine,
        economy,
        describe(personas),
        person=person_features(personas),
        most_leaked=most_leaked,
        **options,
    )


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
class _Contest:
    """All planners under one welfare function, among workers of one kind."""

    config: CompareConfig
    economy: Economy
    setting: PlanningContext
    crew: _Crew
    planners: tuple[Engine, ...]
    asked: Mapping[str, Mode]
    key: Key[Array, ""]
    progress: Progress
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The welfare function, and who works if not the rational."""
        return self.setting.aim.name + (f" ({self.crew.words})" if self.crew.workers else "")

    @property
    def size(self) -> str:
        """How many workers there are and how often planners try."""
        if self.crew.workers is None:
            kind, years = "rational", ""
        else:
            kind, years = "language-model", f", each a tax year of {self.config.tax_year} steps"
        return (
            f"{self.config.size:,} {kind} workers. Evaluations of a planner that learns from them: "
            f"{self.config.evaluations}{years}."
        )

    def rows(self) -> list[ComparisonRow]:
        """Run everyone; then measure all against the best row and the status quo."""
        recorded = self.setting.workers is not None
        rows = []
        for entry in (REGISTRY[name] for name in self.config.roster):
            if recorded or not entry.needs_choices:
                who = self.planners if entry.is_model else (self.setting.engine,)
                rows += [self._planner(entry, engine) for engine in who]
        if self.crew.workers is None:
            rows.append(self._optimiser(max(rows, key=lambda row: row.equivalent)))
        best = max(rows, key=lambda row: row.equivalent)
        start = next((row.equivalent for row in rows if row.planner == self.config.law_title), None)
        if start is None:
            evaluate, law = self._evaluator(_SEARCH), self.setting.law
            start = float(self._measure(evaluate, law).report.equivalent)
        way = best.equivalent - start
        return [
            replace(
                row,
                regret=best.equivalent - row.equivalent,
                share=(row.equivalent - start) / way if way > 0 else None,
                tied=row is not best and cannot_be_told_apart(best, row),
            )
            for row in rows
        ]

    def _planner(self, entry: PlannerSpec, engine: Engine | None) -> ComparisonRow:
        name, model = titled(entry, self.config.law_title), None
        if entry.is_model and engine is not None:
            described = engine.describe()
            model = str(described["model"])
            title = entry.title(nature(described, self.asked))
            name = _named(title, model, self.planners)
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
        started, before = time.perf_counter(), replace(self.setting.tally)
        evaluate = self._evaluator(_SEARCH)
        observes, schedule, last = search(evaluate)
        found = self._measure(evaluate, schedule)
        final, last_step = found.report, sum(evaluate.counts.values())
        record = self._record(name, "recommended", last_step, schedule, final)
        record |= {"planner_model": model, "tax_year": _tax_year(evaluate)}
        record |= {"at_best": found.at_best, "years": list(found.years) or None}
        record |= _errors_in_columns(found.errors) | self._inverse_income(schedule)
        calls = self.setting.tally.asked - before.asked
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
            understood=(self.setting.tally.read - before.read) / calls if calls else None,
            planner_model=model,
            worker_model=self.crew.model,
            years=found.years,
            at_best=found.at_best,
            errors=found.errors,
        )

    def _inverse_income(self, schedule: BracketSchedule) -> dict[str, float]:
        """Return the LLM Economist's welfare of rational workers, if the file wants it."""
        floor = self.config.inverse_income_floor
        if floor is None or self.crew.workers is not None:
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
        if self.crew.workers is None:
            return RationalEvaluator(self.economy, welfare)
        key, floor = jax.random.fold_in(self.key, place), self.config.subsistence
        society = Society(self.crew.workers, welfare, subsistence=floor)
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
