"""What schedules are worth to other workers, in tables."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.transfer.config import TransferConfig
from experiments.transfer.run import Transfer


class Transferred(NamedTuple):
    """What was found, what each kind of workers is called, and how much was asked."""

    transfers: Sequence[Transfer]
    names: Mapping[str, str]
    config: TransferConfig


def print_transfer(found: Transferred, console: Console) -> None:
    """Print a table for each welfare function."""
    transfers, names, config = found
    kinds = [config.label(workers) for workers in config.workers]
    for welfare in dict.fromkeys(one.welfare for one in transfers):
        table = Table(title=welfare, box=box.SIMPLE_HEAD, title_justify="left")
        for column in ("planner", "learned from"):
            table.add_column(column, no_wrap=True)
        for kind in kinds:
            table.add_column(f"$ on {names[kind]}", justify="right")
            table.add_column("lost by not learning from them, 95 % interval", justify="right")
        for one in transfers:
            if one.welfare == welfare:
                cells = [
                    cell
                    for kind in kinds
                    for cell in (f"{one.on[kind].value:,.2f}", _lost(one, kind))
                ]
                table.add_row(one.planner, names[one.learned_from], *cells)
        console.print(table)
    rational, model = config.evaluations
    console.print(
        f"Dollars a year of equivalent per head: {config.size:,} people, the same ones of "
        f"each kind, so that all are on one scale; {config.seeds} seeds. "
        f"Evaluations: {rational} among rational workers, {model} tax years of {config.tax_year} "
        "steps among language models. What a schedule brings among language models is the mean of "
        f"{config.checks} further tax years, the same draws for all. They have no gradient: the "
        "gradient planner hears that of rational workers."
    )


def _lost(one: Transfer, kind: str) -> str:
    if one.learned_from == kind or kind not in one.lost:
        return "-"
    lost = one.lost[kind]
    return f"{lost.value:,.2f} ({lost.low:,.2f} to {lost.high:,.2f})"
