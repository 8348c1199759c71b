"""What schedules are worth to other workers, for people and as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.core.config import WorkersName
from experiments.core.registry import REGISTRY, titled
from experiments.core.session import Session
from experiments.report.console import NOTES, print_notes, results
from experiments.report.disclosure import BY_CHOICE, nature
from experiments.runs.directory import METRICS, write_table
from experiments.runs.rows import Row, in_columns, rate_columns, run_columns, welfare_columns
from experiments.transfer.config import TransferConfig
from experiments.transfer.run import KINDS, Transfer, transfer
from llm_policy.answers.reading import Tally


def run_transfer(config: TransferConfig, path: Path, session: Session | None) -> None:
    """Measure, write the rows into the run directory, print.

    Raises:
        EngineError: the engine cannot answer.
    """
    assert session is not None, "a transfer asks a model"
    tally = Tally()
    with NOTES.status("") as status:
        found = transfer(config, session.engine, status.update, tally)
    write_table(path / METRICS, in_columns(list(transfer_rows(config, found, session))))
    if config.json:
        print(json.dumps([_as_dict(one) for one in found], indent=2, allow_nan=False))
        return
    console = results(config)
    print_transfer(found, nature(session.describe()).workers, config, console)
    print_notes(config, console)
    for remark in (*session.remarks(BY_CHOICE), tally.words):
        console.print(remark)
    console.print(f"Run directory: {path}")


def transfer_rows(
    config: TransferConfig, found: Sequence[Transfer], session: Session
) -> Iterator[Row]:
    """Yield a row for each planner, kind of workers it learned from and met, and seed."""
    model = session.describe()["model"]
    first, aims = run_columns("transfer", config), map(config.aim, config.welfare)
    aim = {each.name: each for each in aims}
    plans = {titled(entry, config.law_title) for entry in REGISTRY.values() if not entry.is_model}
    for one in found:
        columns = first | welfare_columns(aim[one.welfare]) | {"planner": one.planner}
        columns |= {"planner_model": None if one.planner in plans else model}
        for kind, worth in one.worth.items():
            for seed, (equivalent, schedule) in enumerate(
                zip(worth, one.schedules, strict=True), start=config.seed
            ):
                yield columns | {
                    "learned_from": one.learned_from,
                    "enacted_on": kind,
                    "worker_model": model if kind == "llm" else None,
                    "seed": seed,
                    "equivalent": equivalent,
                    **rate_columns(schedule),
                }


def _as_dict(one: Transfer) -> dict[str, Any]:
    whole = dataclasses.asdict(dataclasses.replace(one, schedules=()))
    return {name: value for name, value in whole.items() if name not in ("worth", "schedules")}


def print_transfer(
    found: Sequence[Transfer], models: str, config: TransferConfig, console: Console
) -> None:
    """Print a table for each welfare function."""
    names = dict(zip(KINDS, ("rational workers", models), strict=True))
    for welfare in dict.fromkeys(one.welfare for one in found):
        table = Table(title=welfare, box=box.SIMPLE_HEAD, title_justify="left")
        for column in ("planner", "learned from"):
            table.add_column(column, no_wrap=True)
        for kind in KINDS:
            table.add_column(f"$ on {names[kind]}", justify="right")
            table.add_column("lost by not learning from them, 95 % interval", justify="right")
        for one in found:
            if one.welfare == welfare:
                cells = [
                    cell
                    for kind in KINDS
                    for cell in (f"{one.on[kind].value:,.2f}", _lost(one, kind))
                ]
                table.add_row(one.planner, names[one.learned_from], *cells)
        console.print(table)
    rational, model = config.evaluations
    console.print(
        f"Dollars a year of equivalent per head: {config.size:,} people, the same ones rational "
        f"and as language models, so that both are on one scale; {config.seeds} seeds. "
        f"Evaluations: {rational} among rational workers, {model} tax years of {config.tax_year} "
        "steps among language models. What a schedule brings among language models is the mean of "
        f"{config.checks} further tax years, the same draws for all. They have no gradient: the "
        "gradient planner hears that of rational workers."
    )


def _lost(one: Transfer, kind: WorkersName) -> str:
    if one.learned_from == kind or kind not in one.lost:
        return "-"
    lost = one.lost[kind]
    return f"{lost.value:,.2f} ({lost.low:,.2f} to {lost.high:,.2f})"
