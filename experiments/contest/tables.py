"""A contest in a table: a line for each planner under each welfare function."""

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.contest.run import ContestRow


class Contested(NamedTuple):
    """The rows of a contest, and what was contested, in words."""

    rows: Sequence[ContestRow]
    title: str


def print_contest(found: Contested, console: Console) -> None:
    """Print the table, and what it says."""
    console.print(contest_table(found.rows, found.title))
    console.print(_LEGEND)


_LEGEND = (
    "Dollars a year of equivalent, expected from the probabilities of the workers' answers in "
    "a tax year of its own. Answers: those of workers that a planner's search took. Leads are "
    "paired by seed, with 95 % intervals. All hear values that are expected from the "
    "probabilities; the surrogate planner alone sees these, and what workers are told."
)


def contest_table(rows: Sequence[ContestRow], title: str) -> Table:
    """Return the rows for people."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in _COLUMNS:
        left = column in _COLUMNS[:3]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        lead = "-" if row.lead is None else f"{row.lead.value:,.0f}"
        ends = "-" if row.lead is None else f"{row.lead.low:,.0f} to {row.lead.high:,.0f}"
        table.add_row(
            row.welfare,
            row.planner,
            row.observes,
            f"{row.mean.value:,.0f}",
            lead,
            ends,
            {None: "-", True: "yes", False: "NO"}[row.beaten],
            f"{row.queries:,.0f}",
            f"{row.proposals:,.0f}",
            f"{row.seconds:,.1f}",
        )
    return table


_COLUMNS = (
    "welfare",
    "planner",
    "observes",
    "expected $",
    "surrogate leads by",
    "95 % interval",
    "beaten",
    "answers",
    "proposals",
    "seconds",
)
