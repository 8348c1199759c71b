"""The result of a comparison for people: one table per welfare function."""

from rich.console import Console
from rich.table import Table

from experiments.compare import Comparison, Row

_COLUMNS = (
    ("planner", "left"),
    ("equivalent $", "right"),
    ("regret $", "right"),
    ("US→best %", "right"),
    ("last $", "right"),
    ("Gini", "right"),
    ("hours", "right"),
    ("rebate $", "right"),
    ("rates, % by bracket", "left"),
    ("values", "right"),
    ("grads", "right"),
    ("sees", "left"),
    ("seconds", "right"),
    ("calls", "right"),
    ("read %", "right"),
)


def print_comparison(comparison: Comparison, console: Console, *, remarks: list[str]) -> None:
    """Print the tables, the `remarks`, and what the columns mean."""
    for welfare, rows in comparison.tables.items():
        table = Table(title=f"Welfare: {welfare}", title_justify="left", title_style="bold", pad_edge=False)
        for name, justify in _COLUMNS:
            table.add_column(name, justify=justify, no_wrap=True)  # pyright: ignore[reportArgumentType]
        for row in sorted(rows, key=lambda row: -row.equivalent):
            table.add_row(*_cells(row))
        console.print(table)
        for row in rows:
            if row.floored > 0:
                console.print(
                    f"{row.planner}: {row.floored:.2%} of workers' utilities were below the floor of $1."
                )
    for remark in (*_LEGEND, *remarks):
        console.print(remark)


_LEGEND = [
    "equivalent: what everyone could get equally, in dollars a year, for the same welfare, under the "
    "schedule that the planner recommends.",
    "regret: dollars short of the best schedule anyone found. US→best: share of the distance from US "
    "federal to the best that is covered.",
    "last: equivalent of the last schedule tried. Gini: of income after tax and rebate. values, grads: "
    "evaluations by kind. seconds: with compilation. read: share of model answers understood.",
    "Taxed is all income, without a standard deduction. Revenue beyond --spending is paid back in equal "
    "rebates, in the row US federal too: today nobody receives one.",
]


def _cells(row: Row) -> tuple[str, ...]:
    error = f" ±{row.standard_error:,.0f}" if row.standard_error else ""
    return (
        row.planner,
        f"{row.equivalent:,.2f}{error}",
        f"{row.regret:,.2f}",
        "-" if row.share is None else f"{100 * row.share:.2f}",
        f"{row.last:,.2f}",
        f"{row.gini:.4f}",
        f"{row.hours:.2f}",
        f"{row.rebate:,.0f}",
        " ".join(f"{100 * rate:4.1f}" for rate in row.rates),
        str(row.values),
        str(row.gradients),
        row.sees,
        f"{row.seconds:.1f}",
        str(row.calls),
        "-" if row.understood is None else f"{100 * row.understood:.1f}",
    )
