"""Planners against workers who are language models, all with the same number of questions."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.table import Table

from econjax import BracketSchedule
from econjax.planning import plan
from experiments.compare.run import people
from experiments.contest.config import ContestConfig
from experiments.core.config import FORMULA, with_uninformed
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext, titled
from experiments.core.session import Session
from experiments.report.console import NOTES, print_notes, results
from experiments.report.disclosure import BY_CHOICE, nature
from experiments.report.intervals import Measured, mean_of
from experiments.runs.directory import METRICS, write_table
from experiments.runs.rows import Row, in_columns, rate_columns, run_columns, welfare_columns
from llm_policy.answers.reading import Tally
from llm_policy.engines.base import Engine
from llm_policy.prompts.welfare import WelfareSpec
from llm_policy.surrogate.expectation import recorded_value
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.evaluator import ModelEvaluator
from llm_policy.workers.society import Society


@dataclass(frozen=True)
class ContestRow:
    """One planner under one welfare function, over the seeds.

    `equivalents` are those expected of the recommended schedules, seed by seed, in dollars a year,
    from the probabilities of the workers' answers in a tax year of its own: no chance of draws is
    in them, and `runs` says what was recommended and asked. `lead` is the surrogate planner's less
    this one's, paired by seed, and `beaten` whether its whole 95 % interval is above 0 (None for
    the surrogate planner itself). `queries` are the workers' answers a run took in its search,
    `proposals` the planner's own questions to a model.
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
    tally: Tally | None = None,
) -> tuple[ContestRow, ...]:
    """Let every entrant plan for the same workers with the same luck, seed by seed.

    A seed draws the workers' personas and their hours. Without an engine the workers are those of
    the formula itself. Everybody of `ENTRANTS` plans if not said who; no model does without an
    engine. `tally` counts the answers of all.

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
                found.append(_run(engine, config, aim, seed, entry, tally or Tally()))
                who = titled(entry, config.law_title)
                progress(f"{aim.name}, seed {seed}, {who}: {found[-1].equivalent:,.0f}")
        rows += [_row(aim, entry, runs, config.law_title) for entry in entrants]
    return tuple(rows)


def run_contest(config: ContestConfig, path: Path, session: Session | None) -> None:
    """Run the contest, write its rows into the run directory, print it.

    What each planner reached is told on standard error as it ends.

    Raises:
        EngineError: the engine cannot answer.
    """
    described = nature(session.describe()) if session else None
    tally = Tally()
    rows = compete(session and session.engine, config, progress=NOTES.print, tally=tally)
    write_table(path / "timings.parquet", in_columns([_timing(row) for row in rows]))
    write_table(path / METRICS, in_columns(list(contest_rows(config, rows, session))))
    if config.json:
        said = [asdict(replace(row, runs=())) for row in rows]
        print(json.dumps([_without_runs(row) for row in said], indent=2, allow_nan=False))
        return
    console = results(config)
    who = (
        "workers of the formula that econjax-small was taught"
        if described is None
        else described.workers
    )
    sizes = f"{config.evaluations} tax years of {config.steps} questions for every planner"
    title = f"{config.size:,} {who}, {sizes}, {config.seeds} seeds"
    console.print(contest_table(rows, title))
    console.print(
        "Dollars a year of equivalent, expected from the probabilities of the workers' answers in "
        "a tax year of its own. Answers: those of workers that a planner's search took. Leads are "
        "paired by seed, with 95 % intervals. All hear values that are expected from the "
        "probabilities; the surrogate planner alone sees these, and what workers are told."
    )
    print_notes(config, console)
    for remark in (*session.remarks(BY_CHOICE), tally.words) if session else ():
        console.print(remark)
    console.print(f"Run directory: {path}")


def contest_rows(
    config: ContestConfig, rows: Sequence[ContestRow], session: Session | None
) -> Iterator[Row]:
    """Yield a row for each planner, welfare function and seed: dollars a year, and counts."""
    model = session.describe()["model"] if session else FORMULA
    first = run_columns("contest", config) | {"worker_model": model}
    aims = {aim.name: aim for aim in map(config.aim, config.welfare)}
    for row in rows:
        columns = first | welfare_columns(aims[row.welfare])
        columns |= {"planner": row.planner, "observes": row.observes}
        for seed, run in enumerate(row.runs, start=config.seed):
            yield columns | {
                "planner_model": model if run.proposals else None,
                "seed": seed,
                "equivalent": run.equivalent,
                "queries": run.queries,
                "proposals": run.proposals,
                **rate_columns(run.schedule),
            }


def _timing(row: ContestRow) -> Row:
    seconds = sum(run.seconds for run in row.runs)
    return {"welfare": row.welfare, "planner": row.planner, "seconds": seconds}


def _without_runs(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "runs"}


def contest_table(rows: Sequence[ContestRow], title: str) -> Table:
    """Return the rows for people."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in _COLUMNS:
        left = column in _COLUMNS[:3]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        lead = "-" if row.lead is None else f"{row.lead.value:,.0f}"
        ends = "-" if row.lead is None else f"{row.lead.low:,.0f} to {row.lead.high:,.0f}"
        table.add_row(
            *(row.welfare, row.planner, row.observes, f"{row.mean.value:,.0f}", lead, ends),
            {None: "-", True: "yes", False: "NO"}[row.beaten],
            *(f"{row.queries:,.0f}", f"{row.proposals:,.0f}", f"{row.seconds:,.1f}"),
        )
    return table


class ContestRun(NamedTuple):
    """What a planner recommends with one seed, what it brings, and what it took."""

    observes: str
    schedule: BracketSchedule
    equivalent: float
    queries: int
    proposals: int
    seconds: float


def _run(
    engine: Engine | None,
    config: ContestConfig,
    aim: WelfareSpec,
    seed: int,
    entry: PlannerSpec,
    tally: Tally,
) -> ContestRun:
    key = jax.random.key(seed)
    people_key, plan_key, search_key, final_key = jax.random.split(key, 4)
    economy, floor = config.economy(), config.subsistence
    workers = people(
        economy,
        engine,
        people_key,
        tally=tally,
        statuses=config.statuses,
        fixed=config.fixed_hours(economy),
    )
    assert isinstance(workers, RecordedWorkers)
    society, own = Society(workers, aim.welfare, subsistence=floor), Tally()
    started = time.perf_counter()
    setting = PlanningContext(
        law=config.status_quo(),
        elasticity=None,
        engine=engine,
        aim=aim,
        tally=own,
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
    ModelEvaluator(society, steps=config.steps, key=final_key).value(found)
    value = recorded_value(
        economy, aim.welfare, workers.years[-1], workers.hours, subsistence=floor
    )
    tally.add(own)
    return ContestRun(entry.observes(planner), found, value, queries, own.asked, seconds)


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


_COLUMNS = (
    "welfare",
    "planner",
    "observes",
    "expected $",
    "surrogate leads by",
    "95 % interval",
    "beaten",
    "answers",
    "proposals",
    "seconds",
)
