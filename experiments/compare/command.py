"""Run a comparison: progress, tables, figures, files."""

import dataclasses
import json
import re
import time
from pathlib import Path

from econjax import BracketSchedule
from econjax.laws import save_schedule
from experiments.compare.config import CompareConfig
from experiments.compare.figures import plot_schedules, plot_welfare
from experiments.compare.rows import Comparison
from experiments.compare.run import Players, compare
from experiments.compare.seeds import over_seeds, print_seeds
from experiments.compare.tables import print_comparison
from experiments.core.config import FORMULA
from experiments.core.session import Session
from experiments.report.console import progress_bar, results
from experiments.report.plain import plain
from experiments.runs.directory import METRICS, write_table
from experiments.runs.rows import pooling_columns


def run_compare(config: CompareConfig, path: Path, session: Session | None) -> None:
    """Compare, write what came out into the run directory, print."""
    started = time.perf_counter()
    players = _players(config, session)
    every = [
        _with_progress(dataclasses.replace(config, seed=config.seed + one), players)
        for one in range(config.seeds)
    ]
    comparison = every[0]
    write_table(path / "timings.parquet", [row for one in every for row in _timings(one)])
    symbol = config.currency.symbol
    plot_schedules(
        comparison,
        config.status_quo(),
        path / "schedules.png",
        symbol=symbol,
        statuses=config.statuses,
    )
    plot_welfare(comparison, path / "welfare.png", symbol=symbol)
    _save_schedules(comparison, config, path / "schedules")
    first = pooling_columns("compare", config)
    write_table(path / METRICS, [first | row for one in every for row in one.metrics])
    if config.json:
        tables = {
            w: [dataclasses.asdict(row) for row in rows] for w, rows in comparison.tables.items()
        }
        result = {"run": str(path), "engine": session and session.describe()}
        result |= {"sizes": comparison.sizes, "tables": tables}
        if config.seeds > 1:
            result["seeds"] = {
                title: [dataclasses.asdict(row) for row in rows]
                for title, rows in over_seeds(every).items()
            }
        print(json.dumps(result, indent=2, allow_nan=False))
        return
    console = results(config)
    remarks = _remarks(config)
    for each in session.all if session else ():
        remarks += each.remarks(comparison.asked, comparison.workers)
    if session:
        remarks.append(comparison.tally.words)
    print_comparison(comparison, console, remarks=remarks, subsistence=config.subsistence)
    if config.seeds > 1:
        print_seeds(over_seeds(every), config.seeds, console)
    console.print(
        f"{time.perf_counter() - started:.0f} s for the comparison. Run directory: {path}"
    )


def _save_schedules(comparison: Comparison, config: CompareConfig, folder: Path) -> None:
    """Write what each planner recommends, and the law, as JSON, for `econjax reform`."""
    law = config.status_quo()
    folder.mkdir(exist_ok=True)
    save_schedule(law, folder / "law.json")
    for title, rows in comparison.tables.items():
        for row in rows:
            name = re.sub(r"[^a-z0-9]+", "-", f"{title} {row.planner}".lower()).strip("-")
            save_schedule(BracketSchedule(law.thresholds, list(row.rates)), folder / f"{name}.json")


def _players(config: CompareConfig, session: Session | None) -> Players:
    """Return the engines of those who plan and work."""
    models = [asked.model for asked in config.models()]
    engines = (
        dict(zip(models, (each.engine for each in session.all), strict=True)) if session else {}
    )
    return Players(
        planners=tuple(engines[asked.model] for asked in config.who_plans),
        workers=tuple(engines.get(asked.model) for asked in config.who_works),
    )


def _with_progress(config: CompareConfig, players: Players) -> Comparison:
    with progress_bar(width=50) as progress:
        tasks = {}

        def on_progress(table: str, planner: str, done: int, total: int | None) -> None:
            name = f"{table}: {planner}"
            if name not in tasks:
                tasks[name] = progress.add_task(plain(name), total=total)
            progress.update(tasks[name], completed=done, total=total, visible=done != total)

        return compare(config, players, on_progress)


def _timings(comparison: Comparison) -> list[dict]:
    return [
        {"welfare": welfare, "planner": row.planner, "seconds": row.seconds, "calls": row.calls}
        for welfare, rows in comparison.tables.items()
        for row in rows
    ]


def _remarks(config: CompareConfig) -> list[str]:
    remarks = [f"{config.source.words()} Seed {config.seed}."]
    if "llm" in config.workers:
        remarks.append(
            "Language-model workers: ± is the standard error of the mean of "
            f"{config.repetitions} independent tax years; they have no gradient, so the gradient "
            "planner hears that of rational workers."
        )
    if any(asked.model == FORMULA for asked in config.who_works):
        remarks.append(
            "Workers of the formula choose with the probabilities that econjax-small was taught: "
            "an assumption to measure with, and no claim about people."
        )
    if "llm" in config.workers and config.keep_memory:
        remarks.append(
            "Workers kept their memory from year to year: the order of a planner's schedules is "
            "part of its result, and its recommendation was lived by workers who remember them."
        )
    if len(config.workers) > 1:
        remarks.append(
            "Other workers, other numbers of them, other numbers of evaluations: compare rows "
            "within a table."
        )
    return remarks
