"""Run a comparison: progress, figures, files, rows."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from econjax import BracketSchedule
from econjax.laws import save_schedule
from experiments.compare.archetypes import as_dict
from experiments.compare.config import CompareConfig
from experiments.compare.crews import Players, check_crews
from experiments.compare.figures import plot_schedules, plot_welfare
from experiments.compare.rankings import ranking_changes
from experiments.compare.rows import Comparison
from experiments.compare.run import compare
from experiments.compare.seeds import over_seeds
from experiments.compare.tables import Compared
from experiments.core.config import FORMULA
from experiments.core.session import Session
from experiments.report.console import progress_bar
from experiments.report.plain import plain
from experiments.runs.result import Result
from experiments.validity.cards import card_of
from llm_policy.engines.wrappers.tally import Tally


def run_compare(config: CompareConfig, path: Path, session: Session | None) -> Result:
    """Compare, and write what is recommended into the run directory, as figures and schedules."""
    players = _players(config, session)
    check_crews(config, players)
    every = [
        _with_progress(dataclasses.replace(config, seed=config.seed + one), players)
        for one in range(config.seeds)
    ]
    comparison, symbol = every[0], config.currency.symbol
    schedules = path / "schedules.png"
    law = config.status_quo()
    plot_schedules(comparison, law, schedules, symbol=symbol, statuses=config.statuses)
    plot_welfare(comparison, path / "welfare.png", symbol=symbol)
    _save_schedules(comparison, law, path / "schedules")
    pooled = over_seeds(every) if config.seeds > 1 else {}
    rankings, asked = ranking_changes(every), comparison.cards
    return Result(
        Compared(comparison, pooled, config.seeds, config.subsistence, rankings),
        {
            "run": str(path),
            "engine": session and session.describe().asdict(),
            "sizes": comparison.sizes,
        }
        | {"tables": _as_dicts(comparison.tables)}
        | ({"seeds": _as_dicts(pooled)} if pooled else {})
        | ({"rankings": [dataclasses.asdict(one) for one in rankings]} if rankings else {})
        | ({"archetypes": stand_ins} if (stand_ins := _stand_ins(comparison)) else {}),
        [row for one in every for row in one.metrics],
        timings=[row for one in every for row in _timings(one)],
        remarks=_remarks(config, every, session),
        card=card_of(config, asked, config.certificates()) if asked else None,
    )


def _stand_ins(comparison: Comparison) -> dict[str, dict[str, Any]]:
    return {title: as_dict(one) for title, one in comparison.stand_ins.items()}


def _as_dicts(tables: Mapping[str, Sequence[Any]]) -> dict[str, list[dict[str, Any]]]:
    return {title: [dataclasses.asdict(row) for row in rows] for title, rows in tables.items()}


def _save_schedules(comparison: Comparison, law: BracketSchedule, folder: Path) -> None:
    """Write what each planner recommends, and the law, as JSON, for `econjax reform`."""
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


def _remarks(
    config: CompareConfig, every: Sequence[Comparison], session: Session | None
) -> list[str]:
    """Return remarks on comparisons, one for each seed."""
    comparison = every[0]
    remarks = [f"{config.source.words()} Seed {config.seed}."]
    if config.models_work:
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
    if config.models_work and config.keep_memory:
        remarks.append(
            "Workers kept their memory from year to year: the order of a planner's schedules is "
            "part of its result, and its recommendation was lived by workers who remember them."
        )
    if len(config.workers) > 1:
        remarks.append(
            "Other workers, other numbers of them, other numbers of evaluations: compare rows "
            "within a table."
        )
    for each in session.all if session else ():
        remarks += each.remarks(comparison.asked, comparison.workers)
    if session:
        remarks.append(Tally.of_all(one.tally for one in every).words)
    return remarks
