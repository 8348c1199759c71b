"""The result of a comparison for people: one table per welfare function."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from econjax.bounds import USUAL_BOUNDS
from experiments.compare.run import Comparison, ComparisonRow


def print_comparison(comparison: Comparison, console: Console, *, remarks: list[str]) -> None:
    """Print the tables, the `remarks`, and what the columns mean.

    What does not fit the terminal's width goes on in a further table below; no figure is cut.
    """
    for title, rows in comparison.tables.items():
        rows = sorted(rows, key=lambda row: -row.equivalent)
        console.print(f"Welfare: {title}", style="bold")
        console.print(comparison.sizes[title])
        for columns in _fitting(rows, console.width):
            console.print(_table(rows, columns), crop=False, width=10_000)
        for row in rows:
            if row.floored > 0:
                console.print(
                    f"{row.planner}: {row.floored:.2%} of workers had a utility below the floor "
                    "that this welfare function counts it as."
                )
    for remark in (*_LEGEND, *remarks):
        console.print(remark)


def _fitting(rows: Sequence[ComparisonRow], width: int) -> list[list[int]]:
    """Split the columns into groups that fit the width, each led by the planner's name."""
    cells = [_COLUMNS, *(_cells(row) for row in rows)]
    needed = [max(len(line[column]) for line in cells) + 3 for column in range(len(_COLUMNS))]
    groups = [[0]]
    for column in range(1, len(_COLUMNS)):
        if sum(needed[c] for c in groups[-1]) + needed[column] > width and len(groups[-1]) > 1:
            groups.append([0])
        groups[-1].append(column)
    return groups


def _table(rows: Sequence[ComparisonRow], columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        left = column == 0 or _COLUMNS[column] in ("rates, % by bracket", "observes")
        table.add_column(_COLUMNS[column], justify="left" if left else "right", no_wrap=True)
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[column] for column in columns))
    return table


_COLUMNS = (
    "planner",
    "equivalent $",
    "regret $",
    "US→best %",
    "rates, % by bracket",
    "last $",
    "Gini",
    "hours",
    "rebate $",
    "values",
    "grads",
    "observes",
    "seconds",
    "calls",
    "read %",
)
_LEGEND = [
    "equivalent: what everyone could get equally, in dollars a year, for the same welfare, under "
    "the schedule that the planner recommends.",
    "regret: dollars short of the best schedule anyone found. US→best: share of the distance from "
    "US federal to the best that is covered.",
    "last: equivalent of the last schedule tried. Gini: of income after tax and rebate. values, "
    "grads: evaluations by kind. seconds: with compilation. read: share of model answers "
    "understood.",
    f"observes: the parts of an evaluation that the planner hears. All rates lie {USUAL_BOUNDS}.",
    "Taxed is all income, without a standard deduction. Revenue beyond --spending is paid back in "
    "equal rebates, in the row US federal too: today nobody receives one.",
]


def _cells(row: ComparisonRow) -> tuple[str, ...]:
    error = f" ±{row.standard_error:,.0f}" if row.standard_error else ""
    return (
        row.planner,
        f"{row.equivalent:,.2f}{error}",
        f"{row.regret:,.2f}",
        "-" if row.share is None else f"{100 * row.share:.2f}",
        " ".join(f"{100 * rate:4.1f}" for rate in row.rates),
        f"{row.last:,.2f}",
        f"{row.gini:.4f}",
        f"{row.labor:.2f}",
        f"{row.rebate:,.0f}",
        str(row.values),
        str(row.gradients),
        row.observes,
        f"{row.seconds:.1f}",
        str(row.calls),
        "-" if row.understood is None else f"{100 * row.understood:.1f}",
    )
