"""The scoreboard in tables."""

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from econjax.bounds import USUAL_BOUNDS
from experiments.report.intervals import Measured
from experiments.scoreboard.run import ContestSize, Score, pooled

_COLUMNS = (
    "planner",
    "observes",
    "equivalent $",
    "regret $",
    "95 % interval",
    "US→best %",
    "95 % interval",
    "best on %",
    "values",
    "gradients",
    "training",
    "queries",
    "seconds",
)


class Scored(NamedTuple):
    """All scores, how much each contest held, and whether there were several economies."""

    scores: Sequence[Score]
    sizes: ContestSize
    pools: bool


def print_scoreboard(found: Scored, console: Console) -> None:
    """Print a table for each contest and, of several economies, for all of them together."""
    console.print(_words(found.sizes))
    for scores in (found.scores, pooled(found.scores) if found.pools else ()):
        for title in dict.fromkeys(score.contest.title for score in scores):
            own = [score for score in scores if score.contest.title == title]
            console.print(score_table(title, own))


def _words(sizes: ContestSize) -> str:
    return (
        f"{sizes.agents:,} rational workers, {sizes.populations} draws of each economy, "
        f"{sizes.evaluations} evaluations of a planner that learns from them. All planners meet "
        "the same draws. Regret is the distance to the best schedule that anybody found on a draw, "
        "a search without a limit included; intervals are of the mean over draws (bootstrap). "
        f"Training evaluations come on top. All rates lie {USUAL_BOUNDS}."
    )


def score_table(title: str, scores: Sequence[Score]) -> Table:
    """Return the scores of one contest, the least regret first."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in _COLUMNS:
        left = column in _COLUMNS[:2]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for score in sorted(scores, key=lambda score: score.regret.value):
        table.add_row(*_cells(score))
    return table


def _cells(score: Score) -> tuple[str, ...]:
    return (
        score.planner,
        score.observes,
        f"{score.equivalent:,.2f}",
        f"{score.regret.value:,.2f}",
        _between(score.regret, 1.0),
        f"{100 * score.share.value:,.2f}",
        _between(score.share, 100.0),
        f"{100 * score.wins:.0f}",
        f"{score.values:,.0f}",
        f"{score.gradients:,.0f}",
        f"{score.training:,}",
        f"{score.queries:,.0f}",
        f"{score.seconds:.2f}",
    )


def _between(interval: Measured, unit: float) -> str:
    return f"{unit * interval.low:,.2f} to {unit * interval.high:,.2f}"
