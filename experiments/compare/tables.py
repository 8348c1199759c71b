"""The result of a comparison for people: one table per welfare function."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from econjax.bounds import USUAL_BOUNDS
from experiments.compare.archetypes import stand_in_lines
from experiments.compare.rankings import RankingChange
from experiments.compare.rows import Comparison, ComparisonRow
from experiments.compare.seeds import SeedsRow, print_seeds
from experiments.report.rates import rates_text
from llm_policy.workers.lived import SUBSISTENCE


class Compared(NamedTuple):
    """A comparison, the rows over `seeds` where there are several, and the least a year counts.

    `rankings` say how planners change places from one kind of workers to another.
    """

    comparison: Comparison
    over_seeds: Mapping[str, Sequence[SeedsRow]]
    seeds: int
    subsistence: float
    rankings: Sequence[RankingChange] = ()


def print_compared(found: Compared, console: Console) -> None:
    """Print the tables, what the columns mean, and the means over seeds."""
    comparison = found.comparison
    for title, rows in comparison.tables.items():
        rows = sorted(rows, key=lambda row: -row.equivalent)
        console.print(f"Welfare: {title}", style="bold")
        console.print(comparison.sizes[title])
        console.print(_table(rows))
        if title in comparison.stand_ins:
            for line in stand_in_lines(comparison.stand_ins[title]):
                console.print(line)
        for row in rows:
            if row.errors is not None and row.errors.bounded > MANY_BOUNDED:
                console.print(
                    f"WARNING, {row.planner}: {row.errors.bounded:.1%} of answers were so bad that "
                    "they count as more than their utility: its welfare says little of them."
                )
            if row.floored > 0:
                console.print(
                    f"{row.planner}: {row.floored:.2%} of workers had a utility below the floor "
                    "that this welfare function counts it as."
                )
    models = any(row.errors for rows in comparison.tables.values() for row in rows)
    for remark in (*_LEGEND, *(_legend_of_models(found.subsistence) if models else ())):
        console.print(remark)
    print_seeds(found.over_seeds, found.seeds, console)
    for change in found.rankings:
        console.print(change.line)


def _table(rows: Sequence[ComparisonRow]) -> Table:
    lines = [_cells(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD)
    for name in lines[0]:
        left = name in ("planner", "rates, % by bracket", "observes")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line.values())
    return table


MANY_BOUNDED = 0.05
"""The share of answers on which the bound acts above which a table warns."""
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


def _legend_of_models(subsistence: float) -> list[str]:
    """Return what columns mean among workers who may err."""
    guideline = " (US poverty guideline)" if subsistence == SUBSISTENCE else ""
    floor = f", nor than ${subsistence:,.0f}{guideline}" if subsistence else ""
    return [text.format(floor=floor) for text in _LEGEND_OF_MODELS]


_LEGEND_OF_MODELS = [
    "Among language models, equivalent is welfare as lived, over independent tax years with the "
    "same draws for all planners: nobody's year counts as less than no work would have "
    "brought{floor}, unless the worker's own best is less. "
    "≈: not told apart from the best row (95 %, paired by year).",
    "all best: welfare if the same people chose best under the same schedule. errors: dollars a "
    "year lost against each worker's own best, on average and without a bound; top 10th: the share "
    "of it that the costliest tenth of workers bears. bounded: answers that count as more than "
    "their utility.",
]


def _cells(row: ComparisonRow) -> dict[str, str]:
    """Return a row's cells by column."""
    error = f" ±{row.standard_error:,.0f}" if row.standard_error else ""
    tied = " ≈" if row.tied else ""
    return {
        "planner": row.planner,
        "equivalent $": f"{row.equivalent:,.2f}{error}{tied}",
        "regret $": f"{row.regret:,.2f}",
        "US→best %": "-" if row.share is None else f"{100 * row.share:.2f}",
        **_cells_of_errors(row),
        "rates, % by bracket": rates_text(row.rates, "4.1f"),
        "last $": f"{row.last:,.2f}",
        "Gini": f"{row.gini:.4f}",
        "hours": f"{row.labor:.2f}",
        "rebate $": f"{row.rebate:,.0f}",
        "values": str(row.values),
        "grads": str(row.gradients),
        "observes": row.observes,
        "seconds": f"{row.seconds:.1f}",
        "calls": str(row.calls),
        "read %": "-" if row.understood is None else f"{100 * row.understood:.1f}",
    }


def _cells_of_errors(row: ComparisonRow) -> dict[str, str]:
    if row.errors is None or row.at_best is None:
        return {}
    return {
        "all best $": f"{row.at_best:,.0f}",
        "errors $": f"{row.errors.mean:,.0f} ±{row.errors.error:,.0f}",
        "top 10th %": f"{100 * row.errors.costliest:.0f}",
        "bounded %": f"{100 * row.errors.bounded:.1f}",
    }
