"""Planners against workers who are language models, all with the same number of questions."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

from econjax import BracketSchedule
from econjax.planning import plan
from experiments.contest.config import ContestConfig
from experiments.core.config import with_uninformed
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext, titled
from experiments.core.workforce import workforce_of
from experiments.report.intervals import Measured, mean_of
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tallied
from llm_policy.prompts.welfare import WelfareSpec
from llm_policy.surrogate.expectation import recorded_value
from llm_policy.workers.evaluator import ModelEvaluator


@dataclass(frozen=True)
class ContestRow:
    """One planner under one welfare function, over the seeds.

    `equivalents` are those expected of the recommended schedules, seed by seed, in dollars a year,
    from the probabilities of the workers' answers in a tax year of its own: no chance of draws is
    in them (little, of more than 8,192 who are drawn from archetypes), and `runs` says what was
    recommended and asked. `lead` is the surrogate planner's less this one's, paired by seed, and
    `beaten` whether its whole 95 % interval is above 0 (None for the surrogate planner itself).
    `queries` are the workers' answers a run took in its search, `proposals` the planner's own
    questions to a model.
    """

    welfare: str
    planner: str
    observes: str
    equivalents: tuple[float, ...]
    mean: Measured
    lead: Measured | None
    beaten: bool | None
    queries: float
    proposals: float
    seconds: float
    runs: "tuple[ContestRun, ...]" = ()


SURROGATE = REGISTRY["surrogate"]
ENTRANTS = (
    SURROGATE,
    *(REGISTRY[name] for name in with_uninformed(("random", "cma-es", "llm", "federal"))),
)


def compete(
    engine: Engine | None,
    config: ContestConfig,
    *,
    entrants: Sequence[PlannerSpec] | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> tuple[ContestRow, ...]:
    """Let every entrant plan for the same workers with the same luck, seed by seed.

    A seed draws the workers' personas and their hours. Without an engine the workers are those of
    the formula itself. Everybody of `ENTRANTS` plans if not said who; no model does without an
    engine.

    Raises:
        ValueError: the surrogate planner is not among the entrants, or fewer than two seeds.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    if entrants is None:
        entrants = [entry for entry in ENTRANTS if engine or not entry.is_model]
    if SURROGATE not in entrants or config.seeds < 2:
        raise ValueError(f"A contest has the entrant {SURROGATE.name!r} and two seeds at least.")
    rows = []
    for aim in map(config.aim, config.welfare):
        runs: dict[PlannerSpec, list[ContestRun]] = {entry: [] for entry in entrants}
        for seed in range(config.seed, config.seed + config.seeds):
            for entry, found in runs.items():
                found.append(_run(engine, config, aim, seed, entry))
                who = titled(entry, config.law_title)
                progress(f"{aim.name}, seed {seed}, {who}: {found[-1].equivalent:,.0f}")
        rows += [_row(aim, entry, runs, config.law_title) for entry in entrants]
    return tuple(rows)


class ContestRun(NamedTuple):
    """What a planner recommends with one seed, what it brings, and what it took."""

    observes: str
    schedule: BracketSchedule
    equivalent: float
    queries: int
    proposals: int
    seconds: float


def _run(
    engine: Engine | None, config: ContestConfig, aim: WelfareSpec, seed: int, entry: PlannerSpec
) -> ContestRun:
    key = jax.random.key(seed)
    people_key, plan_key, search_key, final_key = jax.random.split(key, 4)
    economy, floor = config.economy(), config.subsistence
    corrected = config.correction_of(config.workers)
    correction = corrected and corrected.as_correction()
    workforce = workforce_of(config, economy, engine, people_key, correction=correction)
    workers, society = workforce.workers, workforce.society(aim.welfare, floor)
    assert workers is not None, "they choose"
    asked, started = None if engine is None else Tallied(engine), time.perf_counter()
    setting = PlanningContext(
        law=config.status_quo(),
        elasticity=None,
        engine=asked,
        aim=aim,
        evaluations=config.evaluations,
        workers=workers,
        steps=config.steps,
        subsistence=floor,
        statuses=config.statuses,
    )
    planner = entry.planner(setting)
    evaluate = ModelEvaluator(society, steps=config.steps, key=search_key)
    steps = entry.evaluations or config.evaluations
    found = plan(plan_key, planner, evaluate, steps=steps).recommended
    queries, seconds = workers.queries, time.perf_counter() - started
    proposals = 0 if asked is None else asked.tally.asked
    report = ModelEvaluator(society, steps=config.steps, key=final_key).value(found)
    value = float(report.equivalent)
    if workforce.archetypes is None:
        year, hours = workers.years[-1], workers.hours
        value = recorded_value(economy, aim.welfare, year, hours, subsistence=floor)
    return ContestRun(entry.observes(planner), found, value, queries, proposals, seconds)


def _row(
    aim: WelfareSpec,
    entry: PlannerSpec,
    runs: Mapping[PlannerSpec, Sequence[ContestRun]],
    law: str,
) -> ContestRow:
    values, own = (np.array([run.equivalent for run in runs[who]]) for who in (SURROGATE, entry))
    lead = None if entry is SURROGATE else mean_of(values - own)
    queries, proposals, seconds = (
        float(np.mean([getattr(run, what) for run in runs[entry]]))
        for what in ("queries", "proposals", "seconds")
    )
    return ContestRow(
        welfare=aim.name,
        planner=titled(entry, law),
        observes=runs[entry][0].observes,
        equivalents=tuple(own.tolist()),
        mean=mean_of(own),
        lead=lead,
        beaten=None if lead is None else lead.low > 0,
        queries=queries,
        proposals=proposals,
        seconds=seconds,
        runs=tuple(runs[entry]),
    )
