"""The scoreboard for people, and as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from econjax.bounds import USUAL_BOUNDS
from experiments.core.session import Session
from experiments.report.console import NOTES, print_notes, results
from experiments.report.disclosure import BY_CHOICE
from experiments.report.intervals import Measured
from experiments.runs.directory import METRICS, write_table
from experiments.runs.rows import (
    Row,
    digest_of,
    in_columns,
    rate_columns,
    run_columns,
    welfare_columns,
)
from experiments.scoreboard.config import ScoreboardConfig
from experiments.scoreboard.economies import Kind
from experiments.scoreboard.run import (
    Contest,
    ContestSize,
    Score,
    contest_scores,
    contests,
    pooled,
)
from llm_policy.answers.reading import Tally

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


def run_scoreboard(config: ScoreboardConfig, path: Path, session: Session | None) -> None:
    """Make the scoreboard, write its rows into the run directory, print it.

    Raises:
        EngineError: a planner is a model whose engine cannot answer.
    """
    sizes = ContestSize(
        config.populations, config.agents or config.size, config.evaluations, config.seed
    )
    console, scores, tally = results(config), [], Tally()
    if not config.json:
        console.print(_words(sizes))
    with NOTES.status("") as status:
        wanted = contests(config)
        for place, contest in enumerate(wanted):
            status.update(f"{place + 1} of {len(wanted)}, {contest.title}")
            engine = session and session.engine
            some = contest_scores(contest, config.roster, sizes, engine, tally)
            scores += some
            if not config.json:
                console.print(score_table(contest.title, some))
    write_table(path / "timings.parquet", in_columns([_timing(score) for score in scores]))
    write_table(path / METRICS, in_columns(list(score_rows(config, sizes, scores, session))))
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
            console.print(score_table(title, some))
    if not config.json:
        for remark in (*session.remarks(BY_CHOICE), tally.words) if session else ():
            console.print(remark)
        console.print(f"Run directory: {path}")


def score_rows(
    config: ScoreboardConfig, sizes: ContestSize, scores: Sequence[Score], session: Session | None
) -> Iterator[Row]:
    """Yield a row for each planner on each draw of each contest: dollars a year, shares, counts."""
    first = run_columns("scoreboard", config) | {"agents": sizes.agents}
    model = session and session.describe()["model"]
    for score in scores:
        columns = first | _of_contest(score.contest)
        columns |= {"planner": score.planner, "observes": score.observes}
        draws = zip(sizes.seeds, score.tried, score.regrets, score.shares, strict=True)
        for seed, tried, regret, share in draws:
            yield columns | {
                "planner_model": model if tried.answers.asked else None,
                "seed": seed,
                "equivalent": tried.equivalent,
                "regret": regret,
                "share": share,
                "values": tried.counts["value"],
                "gradients": tried.counts["gradient"],
                "training": score.training,
                "queries": tried.answers.asked,
                **rate_columns(tried.schedule),
            }


def _of_contest(contest: Contest) -> Row:
    """Return an economy, what is maximised and the elasticity that is told, in columns."""
    kind = contest.kind
    columns = {"economy_name": kind.name, "elasticity": kind.elasticity, "told": contest.told}
    if isinstance(kind, Kind):  # the other's digest is that of the run's own economy
        said = [kind.name, kind.status, kind.elasticity, kind.spread, repr(kind.incomes)]
        columns |= {"economy": digest_of({"scoreboard": said})}
    return columns | welfare_columns(contest.aim)


def _timing(score: Score) -> Row:
    said = {"contest": score.contest.title, "planner": score.planner}
    return said | {"seconds": score.seconds * len(score.tried)}


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
    names = [field.name for field in dataclasses.fields(score) if field.name != "tried"]
    figures = {name: getattr(score, name) for name in names}
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
