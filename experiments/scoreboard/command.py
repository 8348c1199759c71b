"""Run a scoreboard: contest after contest, a row for each planner on each draw."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.core.session import Session
from experiments.report.console import NOTES
from experiments.report.disclosure import BY_CHOICE
from experiments.runs.result import Result
from experiments.runs.rows import Row, rate_columns, welfare_columns
from experiments.scoreboard.config import ScoreboardConfig
from experiments.scoreboard.run import Contest, ContestSize, Score, contest_scores, contests
from experiments.scoreboard.tables import Scored
from llm_policy.engines.wrappers.tally import Tallied


def run_scoreboard(config: ScoreboardConfig, path: Path, session: Session | None) -> Result:
    """Let all planners plan in every contest.

    Raises:
        EngineError: a planner is a model whose engine cannot answer.
    """
    agents = config.agents or config.size
    sizes = ContestSize(config.populations, agents, config.evaluations, config.seed)
    wanted, scores = contests(config), []
    engine = Tallied(session.engine) if session else None
    with NOTES.status("") as status:
        for place, contest in enumerate(wanted):
            status.update(f"{place + 1} of {len(wanted)}, {contest.title}")
            scores += contest_scores(contest, config.roster, sizes, engine)
    left_out = sorted(set(config.planners) - set(config.roster))
    notes = [f"Left out, for it knows one schedule for all: {', '.join(left_out)}."]
    return Result(
        Scored(scores, sizes, len({contest.kind.name for contest in wanted}) > 1),
        {"sizes": dataclasses.asdict(sizes), "scores": [_as_dict(score) for score in scores]},
        list(score_rows(config, sizes, scores, session)),
        timings=[_timing(score) for score in scores],
        remarks=[
            *config.notes(),
            *(notes if left_out else ()),
            *(session.remarks(BY_CHOICE) if session else ()),
            *([engine.tally.words] if engine else ()),
        ],
    )


def score_rows(
    config: ScoreboardConfig, sizes: ContestSize, scores: Sequence[Score], session: Session | None
) -> Iterator[Row]:
    """Yield a row for each planner on each draw of each contest: dollars a year, shares, counts."""
    first = {"agents": sizes.agents}
    model = session and session.describe().model
    for score in scores:
        columns = first | _of_contest(score.contest)
        columns |= {"planner": score.planner, "observes": score.observes}
        draws = zip(sizes.seeds, score.tried, score.regrets, score.shares, strict=True)
        for seed, tried, regret, share in draws:
            yield columns | {
                "planner_model": model if tried.queries else None,
                "seed": seed,
                "equivalent": tried.equivalent,
                "regret": regret,
                "share": share,
                "values": tried.counts["value"],
                "gradients": tried.counts["gradient"],
                "training": score.training,
                "queries": tried.queries,
                **rate_columns(tried.schedule),
            }


def _of_contest(contest: Contest) -> Row:
    """Return an economy, what is maximised and the elasticity that is told, in columns."""
    kind = contest.kind
    columns = {"economy_name": kind.name, "elasticity": kind.elasticity, "told": contest.told}
    return columns | kind.digest | welfare_columns(contest.aim)


def _timing(score: Score) -> Row:
    said = {"contest": score.contest.title, "planner": score.planner}
    return said | {"seconds": score.seconds * len(score.tried)}


def _as_dict(score: Score) -> dict[str, Any]:
    kind, aim, told = score.contest
    names = [field.name for field in dataclasses.fields(score) if field.name != "tried"]
    figures = {name: getattr(score, name) for name in names}
    figures |= {
        "regret": dataclasses.asdict(score.regret),
        "share": dataclasses.asdict(score.share),
    }
    return figures | {"contest": {"economy": kind.name, "welfare": aim.name, "told": told}}
