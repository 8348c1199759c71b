"""Run a transfer: a row for each planner, kind of workers and seed."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.core.registry import REGISTRY, titled
from experiments.core.session import Session
from experiments.report.console import NOTES
from experiments.report.disclosure import BY_CHOICE, nature
from experiments.runs.result import Result
from experiments.runs.rows import Row, rate_columns, welfare_columns
from experiments.transfer.config import TransferConfig
from experiments.transfer.run import Transfer, transfer
from experiments.transfer.tables import Transferred
from experiments.validity.cards import AskedWorkers, asked_workers, card_of
from experiments.validity.checks import check_certificates
from experiments.validity.config import are_models
from llm_policy.engines.base import EngineInfo
from llm_policy.engines.wrappers.tally import Tallied


def run_transfer(config: TransferConfig, path: Path, session: Session | None) -> Result:
    """Let planners learn, and measure what they learned.

    Raises:
        EngineError: the engine cannot answer.
    """
    info, engine = session and session.describe(), Tallied(session.engine) if session else None
    works = any(config.model_works(kind) for kind in config.workers)
    formula = any(are_models(kind) and not config.model_works(kind) for kind in config.workers)
    check_certificates(config, [info] * works + [None] * formula, config.economy())
    with NOTES.status("") as status:
        found = transfer(config, engine, status.update)
    asked = {kind: _asked(config, kind, info) for kind in config.workers if are_models(kind)}
    names = {"rational": "rational workers"}
    names |= {config.label(kind): _words(one, info) for kind, one in asked.items()}
    models = {config.label(kind): one.model for kind, one in asked.items()}
    said = session.remarks(BY_CHOICE) if session else []
    return Result(
        Transferred(found, names, config),
        [_as_dict(one) for one in found],
        list(transfer_rows(config, found, models, info and info.model)),
        remarks=[*config.notes(), *said, *([engine.tally.words] if engine else ())],
        card=card_of(config, list(asked.values()), config.certificates()),
    )


def _asked(config: TransferConfig, kind: str, info: EngineInfo | None) -> AskedWorkers:
    model = info if config.model_works(kind) else None
    return asked_workers(model, "choice", config.correction_of(kind))


def _words(asked: AskedWorkers, info: EngineInfo | None) -> str:
    """Return who works, in words for a table."""
    words = "workers of the formula"
    if info is not None and asked.model == info.model:
        words = nature(info).workers
    return words + (f", corrected by {asked.corrected.of.name}" if asked.corrected else "")


def transfer_rows(
    config: TransferConfig, found: Sequence[Transfer], models: Mapping[str, str], model: str | None
) -> Iterator[Row]:
    """Yield a row for each planner, kind of workers it learned from and met, and seed.

    `models` are those that work, by kind, and `model` plans.
    """
    aim = {each.name: each for each in map(config.aim, config.welfare)}
    plans = {titled(entry, config.law_title) for entry in REGISTRY.values() if not entry.is_model}
    for one in found:
        columns = welfare_columns(aim[one.welfare]) | {"planner": one.planner}
        columns |= {"planner_model": None if one.planner in plans else model}
        for kind, worth in one.worth.items():
            for seed, (equivalent, schedule) in enumerate(
                zip(worth, one.schedules, strict=True), start=config.seed
            ):
                yield columns | {
                    "learned_from": one.learned_from,
                    "enacted_on": kind,
                    "worker_model": models.get(kind),
                    "seed": seed,
                    "equivalent": equivalent,
                    **rate_columns(schedule),
                }


def _as_dict(one: Transfer) -> dict[str, Any]:
    whole = dataclasses.asdict(dataclasses.replace(one, schedules=()))
    return {name: value for name, value in whole.items() if name not in ("worth", "schedules")}
