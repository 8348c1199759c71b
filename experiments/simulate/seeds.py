"""A simulation lived with several seeds: each draws people and answers anew; means, intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.intervals import Measured, mean_of


@dataclass(frozen=True)
class SeedsYear:
    """A tax year over the seeds: the mean of each figure with its 95 % interval (Student's).

    `turnover` is the share of seeds in which another leader than in the year before sets the taxes,
    None in the first year and where nobody is elected.
    """

    tax_year: int
    figures: dict[str, Measured]
    turnover: float | None = None


def years_over_seeds(
    runs: Sequence[Sequence[Mapping[str, Any]]], names: Sequence[str]
) -> list[SeedsYear]:
    """Return the figures of those names in every tax year; `runs` hold the years of each seed."""
    years = []
    for place, at_once in enumerate(zip(*runs, strict=True)):
        figures = {
            name: mean_of(np.array([year[name] for year in at_once], float)) for name in names
        }
        before = [run[place - 1]["leader"] for run in runs] if place else []
        changed = [year["leader"] != old for year, old in zip(at_once, before, strict=False)]
        elected = place and at_once[0]["leader"] is not None
        turnover = float(np.mean(changed)) if elected else None
        years.append(SeedsYear(at_once[0]["tax_year"], figures, turnover))
    return years


def print_years(years: Sequence[SeedsYear], seeds: int, console: Console) -> None:
    """Print a table of means and intervals over the seeds, a line for each tax year."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{seeds} seeds", title_justify="left")
    elected = any(year.turnover is not None for year in years)
    columns = [column for name in years[0].figures for column in (_titled(name), "95 % interval")]
    for column in ("tax year", *columns, *(["new leader %"] if elected else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for year in years:
        cells = [cell for name, one in year.figures.items() for cell in _cells(name, one)]
        turnover = "-" if year.turnover is None else f"{100 * year.turnover:.0f}"
        table.add_row(str(year.tax_year), *cells, *([turnover] if elected else []))
    console.print(table)


_FORMS = {
    "labor": (".1f", "hours"),
    "distance": (".1f", "off best"),
    "lost": (",.0f", "errors $"),
    "gini": (".4f", "Gini"),
}


def _titled(name: str) -> str:
    return _FORMS.get(name, ("", f"{name} $"))[1]


def _cells(name: str, one: Measured) -> tuple[str, str]:
    form = _FORMS.get(name, (",.0f",))[0]
    return format(one.value, form), f"{one.low:{form}} to {one.high:{form}}"
