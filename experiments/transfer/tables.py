"""What schedules are worth to other workers, for people and as JSON."""

import contextlib
import dataclasses
import json
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.core.config import WorkersName
from experiments.core.engines import engine_of, spoken
from experiments.report.console import NOTES, mistakes, print_notes, results
from experiments.report.disclosure import nature
from experiments.transfer.config import TransferConfig
from experiments.transfer.run import KINDS, Transfer, transfer


def run_transfer(config: TransferConfig) -> None:
    """Measure and print.

    Raises:
        Mistake: a choice that makes no comparison.
        EngineError: the engine cannot answer.
    """
    with mistakes():
        config.check()
    with (
        contextlib.closing(spoken(engine_of(config), config)) as engine,
        NOTES.status("") as status,
    ):
        found = transfer(config, engine, status.update)
        described = nature(engine.describe())
    if config.json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2, allow_nan=False))
        return
    console = results(config)
    print_transfer(found, described.workers, config, console)
    print_notes(config, console)
    for remark in described.remarks:
        console.print(remark)


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
