"""Run a transfer: a row for each planner, kind of workers and seed."""

import dataclasses
from collections.abc import Iterator, Sequence
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
from llm_policy.engines.wrappers.tally import Tallied


def run_transfer(config: TransferConfig, path: Path, session: Session | None) -> Result:
    """Let planners learn, and measure what they learned.

    Raises:
        EngineError: the engine cannot answer.
    """
    assert session is not None, "a transfer asks a model"
    engine = Tallied(session.engine)
    with NOTES.status("") as status:
        found = transfer(config, engine, status.update)
    return Result(
        Transferred(found, nature(session.describe()).workers, config),
        [_as_dict(one) for one in found],
        list(transfer_rows(config, found, session)),
        remarks=[*config.notes(), *session.remarks(BY_CHOICE), engine.tally.words],
    )


def transfer_rows(
    config: TransferConfig, found: Sequence[Transfer], session: Session
) -> Iterator[Row]:
    """Yield a row for each planner, kind of workers it learned from and met, and seed."""
    model = session.describe().model
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
                    "worker_model": model if kind == "llm" else None,
                    "seed": seed,
                    "equivalent": equivalent,
                    **rate_columns(schedule),
                }


def _as_dict(one: Transfer) -> dict[str, Any]:
    whole = dataclasses.asdict(dataclasses.replace(one, schedules=()))
    return {name: value for name, value in whole.items() if name not in ("worth", "schedules")}
