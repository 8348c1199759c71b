"""Workers through tax years, under a planner, or under leaders whom they elect."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule, Economy
from econjax.dynamics.simulation import Ar1Skills
from econjax.planning import Report
from experiments.core.modes import mode_for
from experiments.simulate.config import SimulateConfig
from experiments.simulate.context import REMEDY
from experiments.simulate.government import Government, form_government
from experiments.simulate.population import Cast, cast_all, cast_models, cast_people, own_hours
from experiments.simulate.reform import ReformRecord, YearMeans, reformed
from llm_policy.audit.probe import Probe, probe_workers
from llm_policy.engines.base import Engine, EngineError
from llm_policy.engines.wrappers.budget import Usage, estimate
from llm_policy.engines.wrappers.tally import Tally, tallied
from llm_policy.personas.text import People
from llm_policy.prompts.workers import Mode
from llm_policy.workers.context import check_context, longest_question, worst_case
from llm_policy.workers.society import MovingSkills, Society, State, Step

EXPLOITED_SHARE = 0.1
"""The last share of a run in which workers are told to stop trying."""


class Year(NamedTuple):
    """A tax year: who set which rates (None: a planner or nobody), and its steps' mean report."""

    leader: int | None
    schedule: BracketSchedule
    report: Report
    satisfied: float | None


@dataclass(frozen=True)
class Simulation:
    """What came of a simulation: tax years, a row per step, a table of workers per step.

    `government` says how elections went, or what the planner recommends, and `reform` the
    elasticities about a reform by column.
    """

    years: list[Year] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    workers: list[pa.Table] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    government: dict[str, Any] = field(default_factory=dict)
    reform: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """A society and its government, ready to live."""

    config: SimulateConfig
    people: People | None
    society: Society
    government: Government
    beginning: State
    tally: Tally
    key: Key[Array, ""]
    cast: Cast


def prepare(config: SimulateConfig, engine: Engine | None) -> Setup:
    """Return the society and government that `config` asks for, after checking that prompts fit.

    Figures are as exact as JAX's default precision: enable float64 for cents.

    Raises:
        ValueError: a choice makes no simulation, or prompts do not fit into the model's context.
        EngineError: the engine that writes personas cannot answer.
    """
    config.check()
    people_key, cast_key, key = jax.random.split(jax.random.key(config.seed), 3)
    economy, engine = config.economy(), None if engine is None else tallied(engine)
    tally = Tally() if engine is None else engine.tally
    people = cast_people(config, economy, engine, people_key)
    config = replace(config, mode=_mode(config, economy, people, engine, cast_key))
    cast = cast_all(config, economy, people, engine, (people_key, cast_key), tally=tally)
    process = Ar1Skills(config.skill_persistence, config.skill_sigma)
    society = Society(
        cast.living,
        config.aim(config.welfare).welfare,
        satisfaction_counts=config.satisfaction_counts,
        subsistence=None,  # scores are welfare of the utilities in workers.parquet, as they are
        skills=MovingSkills(process, cast.living) if config.skill_sigma else None,
    )
    start, government = config.schedule(), form_government(config, engine, society)
    longest = list(government.longest(society, society.usual(start)[1]))
    if config.workers == "llm":
        longest.insert(0, longest_question(society.workers, start))
    if engine is not None:
        check_context(engine, longest, remedy=REMEDY)
    return Setup(config, people, society, government, society.begin(start), tally, key, cast)


def _mode(
    config: SimulateConfig,
    economy: Economy,
    people: People | None,
    engine: Engine | None,
    key: Key[Array, ""],
) -> Mode:
    """Return the mode in which workers answer; those who think first write."""
    if engine is None or config.workers != "llm":
        return "choice"
    if config.mode == "auto" and config.think:
        return "text"
    choosing = replace(config, mode="choice")

    def probe(engine: Engine) -> Probe:
        fixed = own_hours(config, economy, key)
        workers = cast_models(choosing, economy, people, engine, key, fixed=fixed)
        return probe_workers(workers, config.schedule())

    return mode_for("workers", config.mode, [engine], probe, most_leaked=config.most_leaked)


def run_years(setup: Setup, progress: Callable[[int], None] = lambda steps: None) -> Simulation:
    """Live through all tax years; `progress` hears the number of steps so far.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config, society, government, now = (
        setup.config,
        setup.society,
        setup.government,
        setup.beginning,
    )
    rule_key, live_key = jax.random.split(setup.key)
    rule, done = government.init(rule_key), Simulation(tally=setup.tally)
    reform, means = _reform_of(setup), YearMeans()
    for year in range(config.tax_years):
        schedule, rule = government.decide(jax.random.fold_in(rule_key, year), rule, society, now)
        leader = government.leader(rule)
        means = YearMeans()
        record = _Recorder(config, society, schedule, leader, year + 1, done, progress, means)
        if reform is not None:
            reform.begin(year + 1, now)
            reform.live(live_key, _late(config))
        report, now = society.tax_year(
            live_key, now, schedule, steps=config.tax_year, exploit=_late(config), on_step=record
        )
        if reform is not None:
            reform.end(year + 1, means)
        rule = government.tell(rule, schedule, report, record.utility())
        done.years.append(Year(leader, schedule, report, record.satisfied()))
    done.government.update(government.summary(rule))
    if reform is not None:
        reform.finish(now, means)
        done.reform.update(reform.found)
        done.metrics[-1] |= reform.found
    return done


def _reform_of(setup: Setup) -> ReformRecord | None:
    """Return what will be known about the reform, if there is one."""
    config, old = setup.config, setup.config.schedule()
    if config.reform_year is None:
        return None
    return ReformRecord(
        setup.society,
        setup.cast.choosing,
        old,
        reformed(old, config.reform_keep),
        config.reform_keep,
        steps=config.tax_year,
        year=config.reform_year,
        key=setup.key,
    )


def foresee(setup: Setup, engine: Engine, prices: tuple[float, float]) -> Usage:
    """Return what the workers' answers take, memories full, none asked again; from a sample."""
    workers, config = setup.society.workers, setup.config
    prompts = workers.prompts(*worst_case(workers, setup.config.schedule()))
    sample = [prompts[i] for i in workers.asked[:: -(-len(workers.asked) // _SAMPLE)]]
    times = config.asked_steps + workers.asks_satisfaction * config.lived_steps
    batches = math.ceil(times * len(workers.asked) / len(sample))
    return estimate(
        engine, sample, batches=batches, answer_tokens=workers.answer_tokens, prices=prices
    )


_SAMPLE = 100


def _late(config: SimulateConfig) -> Callable[[int], bool]:
    return lambda number: number > (1 - EXPLOITED_SHARE) * config.steps


@dataclass
class _Recorder:
    """Keeps what the steps of one tax year brought."""

    config: SimulateConfig
    society: Society
    schedule: BracketSchedule
    leader: int | None
    year: int
    done: Simulation
    progress: Callable[[int], None]
    means: YearMeans
    utilities: list[Float[np.ndarray, " agents"]] = field(default_factory=list)
    opinions: list[Float[np.ndarray, " agents"]] = field(default_factory=list)

    def __call__(self, number: int, step: Step, report: Report) -> None:
        scores = {
            name: float(
                self.society.report(step, self.schedule, self.config.aim(name).welfare).equivalent
            )
            for name in self.config.scores
        }
        figures = {name: float(getattr(report, name)) for name in _FIGURES}
        figures["distance"], figures["lost"] = self.society.errors(step, self.schedule)
        leaked = step.answers.leaked[self.society.workers.asked]
        if not all(math.isfinite(value) for value in (*scores.values(), *figures.values())):
            raise EngineError(f"Step {number}: not all figures are finite: {scores | figures}.")
        self.done.metrics.append(
            {
                "seed": self.config.seed,
                "step": number,
                "tax_year": self.year,
                "leader": -1 if self.leader is None else self.leader,
            }
            | {"rates": np.asarray(self.schedule.rates, float).tolist()}
            | scores
            | figures
            | {"leaked": float(np.mean(leaked)), "satisfied": _share(step.satisfied)}
        )
        self._remember(number, step)
        self.means(number, step, report)
        self.progress(number)

    def utility(self) -> Float[np.ndarray, " agents"]:
        """Return each worker's mean utility over the steps in which it was understood.

        It is NaN without any.
        """
        known = np.array(self.utilities)
        count = np.sum(~np.isnan(known), axis=0)
        return np.where(count, np.nansum(known, axis=0) / np.maximum(count, 1), np.nan)

    def satisfied(self) -> float | None:
        """Return the share of satisfied answers in the tax year; None where nobody was asked."""
        return _share(np.array(self.opinions))

    def _remember(self, number: int, step: Step) -> None:
        understood, agents = np.asarray(step.answers.understood), len(step.satisfied)
        brought = {name: np.asarray(getattr(step.outcome, name), float) for name in _BROUGHT}
        self.utilities.append(np.where(understood, brought["utility"], np.nan))
        self.opinions.append(step.satisfied)
        who = {
            "seed": np.full(agents, self.config.seed),
            "step": np.full(agents, number),
            "worker": np.arange(agents),
            "understood": understood,
        }
        satisfied = pa.array(step.satisfied == 1, mask=np.isnan(step.satisfied))
        self.done.workers.append(pa.table(who | {"satisfied": satisfied} | brought))


_BROUGHT = ("labor", "income", "tax", "consumption", "utility")
_FIGURES = ("rebate", "income", "labor", "gini", "floored", "understood")


def _share(satisfied: Float[np.ndarray, "..."]) -> float | None:
    known = satisfied[~np.isnan(satisfied)]
    return float(known.mean()) if known.size else None
