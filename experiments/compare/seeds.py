"""A comparison done with several seeds: everything is drawn anew, and means have intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.compare.rows import Comparison, ComparisonRow
from experiments.report.intervals import Measured, mean_of


@dataclass(frozen=True)
class SeedsRow:
    """One planner over the seeds, in money a year: means with 95 % intervals (Student's).

    `regret` is the distance to the best row of each seed, paired; `equivalents` are seed by seed.
    """

    planner: str
    equivalent: Measured
    regret: Measured
    equivalents: tuple[float, ...]


def over_seeds(comparisons: Sequence[Comparison]) -> dict[str, list[SeedsRow]]:
    """Return a row for each planner of each table, the least regret first."""
    return {
        title: sorted(
            (
                _row(name, [_named(one.tables[title], name) for one in comparisons])
                for name in names
            ),
            key=lambda row: row.regret.value,
        )
        for title, names in _planners(comparisons[0]).items()
    }


def print_seeds(tables: Mapping[str, Sequence[SeedsRow]], seeds: int, console: Console) -> None:
    """Print a table for each welfare function, of means and intervals over the seeds."""
    for title, rows in tables.items():
        table = Table(box=box.SIMPLE_HEAD, title=f"{title}: {seeds} seeds", title_justify="left")
        for place, name in enumerate(("planner", "equivalent $", _WIDE, "regret $", _WIDE)):
            table.add_column(name, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            table.add_row(row.planner, *_cells(row.equivalent), *_cells(row.regret))
        console.print(table)


_WIDE = "95 % interval"


def _planners(comparison: Comparison) -> dict[str, list[str]]:
    return {title: [row.planner for row in rows] for title, rows in comparison.tables.items()}


def _named(rows: Sequence[ComparisonRow], name: str) -> ComparisonRow:
    return next(row for row in rows if row.planner == name)


def _row(planner: str, rows: Sequence[ComparisonRow]) -> SeedsRow:
    reached, short = (np.array([getattr(row, what) for row in rows]) for what in _MEANS)
    return SeedsRow(planner, mean_of(reached), mean_of(short), tuple(reached.tolist()))


_MEANS = ("equivalent", "regret")


def _cells(measured: Measured) -> tuple[str, str]:
    return f"{measured.value:,.2f}", f"{measured.low:,.2f} to {measured.high:,.2f}"
