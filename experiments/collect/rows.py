"""Metrics in long form: who, of what, and one number in each row."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from experiments.collect.columns import (
    KNOWN,
    MEASURE,
    NUMBER,
    OF_FILE,
    TEXT,
    TITLE,
    VALUE,
    WHOLE,
)
from experiments.collect.sources import CollectedRun
from experiments.core.config import FORMULA, WelfareName

_OF_SWEEP = ("sweep.", "vary.")
"""Tables of a sweep file that are not of the economy."""
_FROM_VARIED = {"preferences.elasticity": "elasticity", "welfare.aversion": "aversion"}
_SCORES = get_args(WelfareName)


def collected_schema(runs: Sequence[CollectedRun]) -> pa.Schema:
    """Return the columns of a collection: the known ones, other texts of rows, keys that differ.

    A column of a name has the same type in every collection.
    """
    texts = {
        name: TEXT
        for run in runs
        for name, kind in zip(run.metrics.column_names, run.metrics.schema.types, strict=True)
        if pa.types.is_string(kind) and name not in KNOWN
    }
    if any(run.manifest["command"] == "compare" for run in runs):
        texts[TITLE] = TEXT
    more = dict(sorted(texts.items())) | {f"{OF_FILE}{key}": TEXT for key in _differing(runs)}
    return pa.schema([*(KNOWN | more).items(), (MEASURE, TEXT), (VALUE, NUMBER)])


def _differing(runs: Sequence[CollectedRun]) -> list[str]:
    """Return the keys of economy files in which those collected differ."""
    keys = sorted({key for run in runs for key in run.file_keys if not key.startswith(_OF_SWEEP)})
    return [key for key in keys if len({run.file_keys.get(key) for run in runs}) > 1]


def long_rows(run: CollectedRun, schema: pa.Schema) -> pa.Table:
    """Return a run's numbers, each in a row: measure by measure, in the order of its metrics.

    Lists become measures with numbers, as in rate_1, and shares of yes are 0 or 1.
    """
    metrics = run.metrics
    tables = [
        _measured(run, schema, welfare, measure, values)
        for welfare, measure, values in _measures(metrics, run.manifest["command"])
    ]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def final_rows(rows: pa.Table, measure: str) -> Iterator[dict[str, Any]]:
    """Yield a measure's rows in the end: of evaluations what is recommended, of years the last."""
    here = np.flatnonzero(rows[MEASURE].to_numpy(zero_copy_only=False) == measure)
    some = [row for row in rows.take(here).to_pylist() if row["kind"] in (None, "recommended")]
    last = max((row["tax_year"] or 0 for row in some if row["kind"] is None), default=0)
    yield from (row for row in some if row["kind"] or (row["tax_year"] or 0) == last)


def _measures(metrics: pa.Table, command: str) -> Iterator[tuple[str | None, str, pa.Array]]:
    """Yield every column of numbers with its name, and the welfare function it is of, if one."""
    for name in metrics.column_names:
        column = metrics[name].combine_chunks()
        if name in KNOWN or name in _FROM_VARIED:
            continue
        if command == "simulate" and name in _SCORES:
            yield name, "equivalent", column.cast(NUMBER)
        elif pa.types.is_list(column.type):
            for place, values in _unpacked(column):
                single = name.removesuffix("s") if name.endswith("s") else name
                yield None, f"{single}_{place}", values
        elif pa.types.is_boolean(column.type):
            yield None, name, column.cast(pa.int8()).cast(NUMBER)
        elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            yield None, name, column.cast(NUMBER)


def _unpacked(column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Yield the first, second, ... elements of lists, and of lists in them."""
    lists = column.to_pylist()
    for place in range(max((len(one) for one in lists if one is not None), default=0)):
        values = [None if one is None or len(one) <= place else one[place] for one in lists]
        if pa.types.is_list(column.type.value_type):
            inside = _unpacked(pa.array(values, column.type.value_type))
            yield from ((f"{place + 1}_{inner}", own) for inner, own in inside)
        else:
            yield str(place + 1), pa.array(values, NUMBER)


def _measured(
    run: CollectedRun, schema: pa.Schema, welfare: str | None, measure: str, values: pa.Array
) -> pa.Table:
    """Return the rows of a measure: those that hold a number."""
    here = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    some, alone = _with_names(run).take(here), _of_run(run)
    if welfare is not None:
        alone["welfare"] = welfare
    columns = [
        _column(run, some, field, alone, here)
        for field in schema
        if field.name not in (MEASURE, VALUE)
    ]
    columns += [pa.array([measure] * len(here), TEXT), values.take(pa.array(here))]
    return pa.Table.from_arrays(columns, schema=schema)


def _with_names(run: CollectedRun) -> pa.Table:
    """Return metrics with welfare functions named as flags do; a comparison's have titles too."""
    metrics = run.metrics
    if run.manifest["command"] != "compare":
        return metrics
    titles = metrics["welfare"].to_pylist()
    names = [re.split(r"[, (]", title, maxsplit=1)[0].lower() for title in titles]
    place = metrics.column_names.index("welfare")
    named = metrics.set_column(place, "welfare", pa.array(names, TEXT))
    return named.append_column(TITLE, pa.array(titles, TEXT))


def _column(
    run: CollectedRun,
    some: pa.Table,
    field: pa.Field,
    alone: Mapping[str, Any],
    here: np.ndarray,
) -> pa.Array:
    """Return a column of some rows; an aversion is that of Atkinson welfare alone."""
    if field.name == "row":
        return pa.array(here, WHOLE)
    if field.name == "aversion":
        welfare = _said(run, some, pa.field("welfare", TEXT), alone).to_pylist()
        values = _said(run, some, field, alone).to_pylist()
        known = zip(values, welfare, strict=True)
        return pa.array([a if name == "atkinson" else None for a, name in known], NUMBER)
    return _said(run, some, field, alone)


def _said(run: CollectedRun, some: pa.Table, field: pa.Field, alone: Mapping[str, Any]) -> pa.Array:
    """Return what rows say themselves or else, where they do not, what their run does."""
    names = [field.name, *(old for old, new in _FROM_VARIED.items() if new == field.name)]
    own = next((name for name in names if name in some.column_names), None)
    said = alone.get(field.name)
    if own is not None and _is_column(field.name, some.schema.field(own).type):
        column = some[own].combine_chunks().cast(field.type)
        return column if said is None else column.fill_null(said)
    return pa.array([said] * len(some), field.type)


def _is_column(name: str, kind: pa.DataType) -> bool:
    """Whether what rows have of a name stays a column: numbers of other names are measures."""
    if name in KNOWN:
        return name not in _OF_DIRECTORY
    return pa.types.is_string(kind) or pa.types.is_null(kind)


_OF_DIRECTORY = ("run", "command", "version")
"""Columns that say where rows are from, whatever the rows say."""


def _of_run(run: CollectedRun) -> dict[str, Any]:
    """Return what all rows of a run have in common, by column: None where nobody knows."""
    choices = run.choices
    said: dict[str, Any] = {
        "run": run.name,
        "command": run.manifest["command"],
        "version": run.version,
        "economy": run.economy,
        "spending": None if (spending := choices.get("spending")) is None else str(spending),
    }
    said |= {name: choices.get(name) for name in _AS_CHOSEN}
    if run.manifest["command"] == "simulate":
        said |= _of_simulation(run)
    said |= {f"{OF_FILE}{key}": value for key, value in run.file_keys.items()}
    return said


_AS_CHOSEN = ("agents", "incomes", "elasticity", "law", "year", "status", "aversion", "seed")


def _of_simulation(run: CollectedRun) -> dict[str, Any]:
    """Return who worked, planned and was aimed at in a simulation, whose rows do not say it."""
    choices, engine = run.choices, run.manifest["engine"] or {}
    model = engine.get("model")
    works = {"llm": model, "formula": FORMULA}.get(choices.get("workers", "llm"))
    plans = choices.get("planner") == "llm" or choices.get("scenario") == "democratic"
    who = "elected" if choices.get("scenario") == "democratic" else choices.get("planner")
    return {
        "worker_model": works,
        "planner_model": model if plans else None,
        "planner": who,
        "welfare": choices.get("welfare"),
    }
