"""The scoreboard for people, and as JSON."""

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from econjax.bounds import USUAL_BOUNDS
from experiments.core.engines import engine_of, spoken
from experiments.report.console import NOTES, mistakes, print_notes, results
from experiments.report.intervals import Measured
from experiments.scoreboard.config import ScoreboardConfig
from experiments.scoreboard.run import ContestSize, Score, contest_scores, contests, pooled

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


def run_scoreboard(config: ScoreboardConfig) -> None:
    """Make the scoreboard and print it.

    Raises:
        Mistake: a choice that makes no scoreboard.
        EngineError: a planner is a model whose engine cannot answer.
    """
    with mistakes():
        config.check()
    sizes = ContestSize(config.populations, config.agents or config.size, config.evaluations)
    console, scores = results(config), []
    if not config.json:
        console.print(_words(sizes))
    with contextlib.ExitStack() as stack:
        engine = (
            stack.enter_context(contextlib.closing(spoken(engine_of(config), config)))
            if config.asks_a_model
            else None
        )
        status = stack.enter_context(NOTES.status(""))
        wanted = contests(config)
        for place, contest in enumerate(wanted):
            status.update(f"{place + 1} of {len(wanted)}, {contest.title}")
            some = contest_scores(contest, config.roster, sizes, engine)
            scores += some
            if not config.json:
                console.print(score_table(contest.title, some), crop=False)
    left_out = sorted(set(config.planners) - set(config.roster))
    if not config.json:
        print_notes(config, console)
        if left_out:
            console.print(f"Left out, for it knows one schedule for all: {', '.join(left_out)}.")
    if config.json:
        rows = [_as_dict(score) for score in scores]
        print(
            json.dumps(
                {"sizes": dataclasses.asdict(sizes), "scores": rows}, indent=2, allow_nan=False
            )
        )
    elif len({contest.kind.name for contest in wanted}) > 1:
        together = pooled(scores)
        for title in dict.fromkeys(score.contest.title for score in together):
            some = [score for score in together if score.contest.title == title]
            console.print(score_table(title, some), crop=False)


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


def _as_dict(score: Score) -> dict[str, Any]:
    kind, aim, told = score.contest
    figures = {field.name: getattr(score, field.name) for field in dataclasses.fields(score)}
    figures |= {
        "regret": dataclasses.asdict(score.regret),
        "share": dataclasses.asdict(score.share),
    }
    return figures | {"contest": {"economy": kind.name, "welfare": aim.name, "told": told}}


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
