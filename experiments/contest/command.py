"""Run a contest: its rows, and what it is called."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from experiments.contest.config import ContestConfig
from experiments.contest.run import ContestRow, compete
from experiments.contest.tables import Contested
from experiments.core.config import FORMULA
from experiments.core.session import Session
from experiments.report.console import NOTES
from experiments.report.disclosure import BY_CHOICE, nature
from experiments.runs.result import Result
from experiments.runs.rows import Row, rate_columns, welfare_columns
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.checks import check_certificates
from llm_policy.engines.wrappers.tally import Tallied


def run_contest(config: ContestConfig, path: Path, session: Session | None) -> Result:
    """Run the contest; what each planner reached is told on standard error as it ends.

    Raises:
        EngineError: the engine cannot answer.
    """
    who = (
        nature(session.describe()).workers
        if session
        else "workers of the formula that econjax-small was taught"
    )
    info = session and session.describe()
    check_certificates(config, [info], config.economy())
    corrected = config.correction_of(config.workers)
    if corrected is not None:
        who += f", corrected by {corrected.of.name},"
    card = card_of(config, [asked_workers(info, "choice", corrected)], config.certificates())
    engine = Tallied(session.engine) if session else None
    rows = compete(engine, config, progress=NOTES.print)
    sizes = f"{config.evaluations} tax years of {config.steps} questions for every planner"
    title = f"{config.size:,} {who}, {sizes}, {config.seeds} seeds"
    said = [_without_runs(asdict(replace(row, runs=()))) for row in rows]
    return Result(
        Contested(rows, title),
        said,
        list(contest_rows(config, rows, session)),
        timings=[_timing(row) for row in rows],
        remarks=[
            *config.notes(),
            *(session.remarks(BY_CHOICE) if session else ()),
            *([engine.tally.words] if engine else ()),
        ],
        card=card,
    )


def contest_rows(
    config: ContestConfig, rows: Sequence[ContestRow], session: Session | None
) -> Iterator[Row]:
    """Yield a row for each planner, welfare function and seed: dollars a year, and counts."""
    model = session.describe().model if session else FORMULA
    first = {"worker_model": model}
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
