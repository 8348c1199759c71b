"""A simulation in tables: a line for each tax year, and means over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.rates import rates_text
from experiments.simulate.seeds import SeedsYear, print_years


class Simulated(NamedTuple):
    """The tax years of the first seed, the means over `seeds`, and what they are scored under."""

    years: Sequence[Mapping[str, Any]]
    over_seeds: Sequence[SeedsYear]
    seeds: int
    scores: Sequence[str]
    elected: bool


def print_simulated(found: Simulated, console: Console) -> None:
    """Print the tables."""
    console.print(_table(found))
    if found.over_seeds:
        print_years(found.over_seeds, found.seeds, console)


def _table(found: Simulated) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    columns = ["tax year", *(["leader"] if found.elected else []), "rates, % by bracket"]
    columns += [f"{name} $" for name in found.scores] + [
        "± $",
        "hours",
        "off best",
        "errors $",
        "Gini",
        "rebate $",
        "satisfied %",
        "read %",
    ]
    for column in columns:
        table.add_column(
            column, justify="left" if column.startswith("rates") else "right", no_wrap=True
        )
    for year in found.years:
        leader = "-" if year["leader"] is None else str(year["leader"])
        table.add_row(
            str(year["tax_year"]),
            *([leader] if found.elected else []),
            rates_text(year["rates"], "4.1f"),
            *(f"{year[name]:,.0f}" for name in found.scores),
            f"{year['standard_error']:,.0f}",
            f"{year['labor']:.1f}",
            f"{year['distance']:.1f}",
            f"{year['lost']:,.0f}",
            f"{year['gini']:.4f}",
            f"{year['rebate']:,.0f}",
            "-" if year["satisfied"] is None else f"{100 * year['satisfied']:.0f}",
            f"{100 * year['understood']:.1f}",
        )
    return table
