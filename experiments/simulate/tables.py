"""A simulation in tables: a line for each tax year, and means over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.intervals import mean_of
from experiments.report.rates import rates_text
from experiments.simulate.reform import OUTCOMES, REFORM_ELASTICITIES, column_of
from experiments.simulate.seeds import SeedsYear, print_years


class Simulated(NamedTuple):
    """The tax years of the first seed, the means over `seeds`, and what they are scored under.

    `reforms` are elasticities about a reform by column, of each seed.
    """

    years: Sequence[Mapping[str, Any]]
    over_seeds: Sequence[SeedsYear]
    seeds: int
    scores: Sequence[str]
    elected: bool
    reforms: Sequence[Mapping[str, float | None]] = ()


def print_simulated(found: Simulated, console: Console) -> None:
    """Print the tables."""
    console.print(_table(found))
    if found.over_seeds:
        print_years(found.over_seeds, found.seeds, console)
    if found.reforms:
        console.print(_reform_table(found.reforms))


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


def reform_cells(
    reforms: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows of elasticities about a reform, means over seeds with intervals."""
    wide = ["95 % interval"] if len(reforms) > 1 else []
    columns = (column for outcome in OUTCOMES for column in (outcome, *wide))
    rows = []
    for name, words in REFORM_ELASTICITIES.items():
        known = [[reform[column_of(outcome, name)] for reform in reforms] for outcome in OUTCOMES]
        rows.append((words, *(cell for values in known for cell in _mean_cells(values))))
    return ("of", *columns), rows


REFORM_TITLE = "Elasticity to the net-of-tax rate about the reform"


def _reform_table(reforms: Sequence[Mapping[str, Any]]) -> Table:
    columns, rows = reform_cells(reforms)
    table = Table(box=box.SIMPLE_HEAD, title=REFORM_TITLE, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name == "of" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _mean_cells(values: Sequence[float | None]) -> list[str]:
    """Return a mean over seeds, and its interval if there are several."""
    known = [value for value in values if value is not None]
    if len(values) == 1:
        return [f"{known[0]:.3f}" if known else "-"]
    if len(known) < 2:
        return [f"{known[0]:.3f}" if known else "-", "-"]
    one = mean_of(np.array(known))
    return [f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"]
