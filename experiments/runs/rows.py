"""Rows of `metrics.parquet` that can be pooled over runs: one number per column, and who, of what.

A row begins with what its run is: its digest and command, the version, the economy's digest, and
the sizes that tables are read by. Rates are columns `rate_1`, `rate_2`, ...
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from econjax import BracketSchedule
from experiments.economies.kept import digest_of, digests_of
from experiments.report.rates import Rates
from experiments.validity.config import CORRECTED, is_corrected
from llm_policy.prompts.welfare import WelfareSpec

Row = dict[str, Any]


def run_columns(command: str, choices: Mapping[str, Any], files: Mapping[str, bytes]) -> Row:
    """Return what every row says of a run, from its choices and the files that it keeps.

    `run` is the digest of all that its figures depend on, not a name: equal runs have equal bytes.
    """
    said = identity(choices, files)
    own = {name: value for name, value in said["config"].items() if name not in MAY_CHANGE}
    return {
        "run": digest_of({"command": command} | own | {"economy_file": said["files"]}),
        "command": command,
        "version": importlib.metadata.version("econjax"),
    }


def identity(choices: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return all that a run's figures depend on: choices, and digests of files wherever they are.

    Ready for JSON.
    """
    said = {name: value for name, value in choices.items() if name not in FILE_CHOICES}
    if "workers" in said:
        said["workers"] = _without_files(said["workers"])
    return {"config": json.loads(json.dumps(said)), "files": digests_of(files)}


FILE_CHOICES = ("economy_file", "file", "population", "human", "certificate")
"""Choices that say where a file is of which the run keeps a copy."""


def _without_files(workers: str | Sequence[str]) -> Any:
    """Return who works, without saying where the corrections are that the run keeps."""
    if not isinstance(workers, str):
        return [_without_files(one) for one in workers]
    return CORRECTED if is_corrected(workers) else workers


MAY_CHANGE = ("most_unread",)
"""What a run may be finished or repeated under instead: its figures do not depend on it."""


def welfare_columns(aim: WelfareSpec) -> Row:
    """Return a welfare function's name, as flags have it, and its aversion, where it has one."""
    welfare = aim.welfare.of_those_who_count
    own = welfare.constant_aversion if welfare.needs_dollars else None
    aversion = None if own is None else float(own)
    return {"welfare": aim.name.partition(",")[0].lower(), "aversion": aversion}


def rate_columns(schedule: BracketSchedule | Rates) -> Row:
    """Return the rates of a schedule in columns, of one group after the other if it has groups."""
    rates = schedule.rates if isinstance(schedule, BracketSchedule) else schedule
    return numbered("rate", np.asarray(rates, float).ravel().tolist())


def numbered(name: str, values: Sequence[float]) -> Row:
    """Return a column for each of some values, counted from 1."""
    return {f"{name}_{place}": value for place, value in enumerate(values, start=1)}


def in_columns(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table with all their columns; one that no row fills has its usual type.

    Equal rows make equal tables.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    return pa.table(
        {
            name: column.cast(_USUAL.get(name, pa.float64()))
            if pa.types.is_null(column.type)
            else column
            for name, column in columns.items()
        }
    )


_TEXTS = ("planner_model", "worker_model", "planner", "observes")
_USUAL = dict.fromkeys(_TEXTS, pa.string()) | {"years": pa.list_(pa.float64())}
"""The types of columns that do not hold a number."""
