"""Run a search for the optimum: rows and lines of what it found."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from experiments.core.session import Session
from experiments.optimum import models
from experiments.optimum.config import OptimumConfig
from experiments.optimum.models import ModelOptimum
from experiments.optimum.run import Optimum, find_optimum
from experiments.optimum.tables import lines_of, lines_of_models
from experiments.report.console import NOTES
from experiments.report.disclosure import BY_CHOICE
from experiments.runs.result import Result
from experiments.runs.rows import Row, numbered, rate_columns, welfare_columns
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.checks import check_certificates
from experiments.validity.config import are_models
from llm_policy.engines.wrappers.tally import Tallied


def run_optimum(config: OptimumConfig, path: Path, session: Session | None) -> Result:
    """Search, among rational workers or language models.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    if are_models(config.workers):
        return _among_models(config, session)
    with NOTES.status("searching with gradients, then without"):
        found = find_optimum(config)
    rows, lines = optimum_rows(config, found), lines_of(found)
    return Result(lines, dataclasses.asdict(found), rows, remarks=config.notes())


def _among_models(config: OptimumConfig, session: Session | None) -> Result:
    """Search among language models, or without a session among workers of the formula."""
    info, corrected = session and session.describe(), config.correction_of(config.workers)
    check_certificates(config, [info], config.economy())
    engine = Tallied(session.engine) if session else None
    with NOTES.status("") as status:
        found = models.search_models(config, engine, models.SEARCH, status.update)
    asked = asked_workers(info, "choice", corrected)
    lines = lines_of_models(found, models.SEARCH, config.size)
    if corrected is not None:
        lines.append(f"The workers are corrected by {corrected.of.name}.")
    said = [*session.remarks(BY_CHOICE)] if session else []
    return Result(
        lines,
        dataclasses.asdict(found),
        list(candidate_rows(config, found, asked.model)),
        remarks=[*config.notes(), *said, *([engine.tally.words] if engine else ())],
        card=card_of(config, [asked], config.certificates()),
    )


def optimum_rows(config: OptimumConfig, found: Optimum) -> list[Row]:
    """Return a row for the best found, for each of the two searches, and for the law.

    Dollars a year; `slope_1`, ... are dollars per percentage point of each rate at the best found,
    `share_1`, ... the shares of people in each bracket.
    """
    first = welfare_columns(config.aim(config.welfare))
    first |= {"seed": config.seed, "bound": found.bound}
    best = rate_columns(found.rates) | numbered("slope", found.slopes)
    best |= numbered("share", found.share) | {"rebate": found.rebate}
    rows = [
        {"schedule": "best found", "equivalent": found.equivalent, **best},
        {"schedule": "best by gradients", "equivalent": found.gradients},
        {"schedule": "best without gradients", "equivalent": found.search},
        {
            "schedule": config.law_title,
            "equivalent": found.status_quo,
            **rate_columns(config.status_quo()),
        },
    ]
    return [first | row for row in rows]


def candidate_rows(config: OptimumConfig, found: ModelOptimum, model: str) -> Iterator[Row]:
    """Yield a row for each candidate and each of the further tax years that it was enacted in."""
    first = welfare_columns(config.aim(config.welfare))
    first |= {"seed": config.seed, "worker_model": model}
    for candidate in found.candidates:
        columns = first | {"schedule": candidate.name}
        for check, equivalent in enumerate(candidate.equivalents, start=1):
            said = {"check": check, "equivalent": equivalent}
            yield columns | said | rate_columns(candidate.rates)
