"""Rows of `metrics.parquet` that can be pooled over runs: one number per column, and who, of what.

A row begins with what its run is: its digest and command, the version, the economy's digest, and
the sizes that tables are read by. Rates are columns `rate_1`, `rate_2`, ...
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from econjax import AmongWorkers, Atkinson, BracketSchedule
from experiments.core.config import RunConfig
from experiments.economies.kept import digests_of
from experiments.report.rates import Rates
from llm_policy.prompts.welfare import WelfareSpec

Row = dict[str, Any]


def run_columns(command: str, config: RunConfig) -> Row:
    """Return the columns with which every row of a run begins.

    `run` is the digest of all that its figures depend on, not a name: equal runs have equal bytes.
    """
    return {
        "run": _digest_of_run(command, config),
        "command": command,
        "version": importlib.metadata.version("econjax"),
        "economy": digest_of_economy(vars(config), config.carried()),
        "elasticity": config.elasticity,
        "agents": config.size,
        "planner_model": None,
        "worker_model": None,
    }


def pooling_columns(command: str, config: RunConfig) -> Row:
    """Return the columns of a run but for its digest, which limits of a replay would change."""
    columns = run_columns(command, config)
    return {name: value for name, value in columns.items() if name != "run"}


def welfare_columns(aim: WelfareSpec) -> Row:
    """Return a welfare function's name, as flags have it, and its aversion, where it has one."""
    welfare = aim.welfare.welfare if isinstance(aim.welfare, AmongWorkers) else aim.welfare
    aversion = float(welfare.aversion) if isinstance(welfare, Atkinson) else None
    return {"welfare": aim.name.partition(",")[0].lower(), "aversion": aversion}


def rate_columns(schedule: BracketSchedule | Rates) -> Row:
    """Return the rates of a schedule in columns, of one group after the other if it has groups."""
    rates = schedule.rates if isinstance(schedule, BracketSchedule) else schedule
    return numbered("rate", np.asarray(rates, float).ravel().tolist())


def numbered(name: str, values: Sequence[float]) -> Row:
    """Return a column for each of some values, counted from 1."""
    return {f"{name}_{place}": value for place, value in enumerate(values, start=1)}


def in_columns(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table with all their columns; one that no row fills holds numbers, or texts.

    Equal rows make equal tables.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    return pa.table(
        {
            name: column.cast(_TEXT if name in _TEXTS else pa.float64())
            if pa.types.is_null(column.type)
            else column
            for name, column in columns.items()
        }
    )


_TEXT = pa.string()
_TEXTS = ("planner_model", "worker_model", "planner", "observes")


def digest_of(said: Mapping[str, Any]) -> str:
    """Return a short digest of choices as JSON has them."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


OF_ECONOMY = ("incomes", "elasticity", "law", "year", "status", "group_rates", "spending")
"""The choices that an economy is made of, but for the number of its workers."""


def digest_of_economy(choices: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Return a short digest of `OF_ECONOMY` and of the economy's files, as a run keeps them.

    It is the same of a configuration and of the run that it left.
    """
    said = {name: choices.get(name) for name in OF_ECONOMY}
    return digest_of(said | {"files": digests_of(files)})


def _digest_of_run(command: str, config: RunConfig) -> str:
    choices = config.asdict() | {"economy_file": digests_of(config.carried())}
    return digest_of({"command": command} | choices)
