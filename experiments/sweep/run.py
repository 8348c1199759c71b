"""Solve what a sweep plans, chunk by chunk, and join what came out: resumable to the same bytes."""

import importlib.metadata
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.report.console import NOTES, Mistake
from experiments.report.files import whole
from experiments.runs.directory import METRICS, write_table
from experiments.sweep.design import DesignPoint, economy_digest, sweep_digest
from experiments.sweep.memory import expected_peak, megabytes, peak_so_far
from experiments.sweep.plan import Cell, CellGroup, bracket_rates, chunks_of, compared
from experiments.sweep.program import Brought, Found, solve_all
from experiments.sweep.progress import showing

_PARTS = "parts"
"""The folder of a run with the rows of each chunk, until all are joined."""
OPTIMAL = "optimal"
"""The name of the best schedule among those compared."""


@dataclass
class Spent:
    """Seconds and bytes of a sweep: to compile, to wait for draws, and in all; and its peaks."""

    compiling: float = 0.0
    drawing: float = 0.0
    whole: float = 0.0
    peak_expected: int = 0
    peak: int = 0
    batch: dict[int, int] = field(default_factory=dict)


def solve_groups(groups: Sequence[CellGroup], path: Path, file: Path) -> Spent:
    """Write the rows of every chunk that has none into the run directory, then `metrics.parquet`.

    Raises:
        Mistake: an economy in which the formula implies no rates.
    """
    began, spent, parts = time.perf_counter(), Spent(), path / _PARTS
    parts.mkdir(exist_ok=True)
    schema = _schema(groups)
    left = [c for c in chunks_of(groups) if not _part(parts, c[0]).is_file()]
    total = sum(len(chunk) for group in groups for chunk in group.chunks)
    done = total - sum(len(group.chunks[own]) for _, group, own in left)
    with showing(total, done=done) as advance, ThreadPoolExecutor(1) as ahead:
        try:
            for group in groups:
                own = [(number, place) for number, g, place in left if g is group]
                for number, found in _solved(group, own, ahead, spent):
                    chunk = group.chunks[dict(own)[number]]
                    rows = list(_rows(group, chunk, found, file))
                    write_table(_part(parts, number), pa.Table.from_pylist(rows, schema))
                    advance(len(chunk))
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)
    _join([_part(parts, number) for number, _, _ in chunks_of(groups)], path / METRICS, schema)
    shutil.rmtree(parts)
    spent.whole, spent.peak = time.perf_counter() - began, peak_so_far()
    return spent


def _solved(
    group: CellGroup, chunks: Sequence[tuple[int, int]], ahead: ThreadPoolExecutor, spent: Spent
) -> Iterator[tuple[int, Found]]:
    """Yield the number of each chunk and what was found; the next is drawn meanwhile."""
    if not chunks:
        return
    coming = ahead.submit(group.arguments, chunks[0][1])
    program = None
    for place, (number, _) in enumerate(chunks):
        waited = time.perf_counter()
        arguments = coming.result()
        spent.drawing += time.perf_counter() - waited
        if place + 1 < len(chunks):
            coming = ahead.submit(group.arguments, chunks[place + 1][1])
        program = program or _compile(group, arguments, spent)
        try:
            yield number, jax.tree.map(np.asarray, program(*arguments))
        except jax.errors.JaxRuntimeError as error:
            told = re.search("EquinoxRuntimeError: (.+)", str(error))
            if told is None:
                raise
            raise Mistake(told[1]) from error


def _compile(group: CellGroup, arguments: Any, spent: Spent) -> jax.stages.Compiled:
    """Return the group's program, having said how much memory it will take."""
    began = time.perf_counter()
    program = jax.jit(solve_all(group.search, group.batch)).lower(*arguments).compile()
    spent.compiling += time.perf_counter() - began
    peak = expected_peak(program)
    spent.peak_expected = max(spent.peak_expected, peak.total)
    spent.batch[group.points[0].number] = group.batch
    NOTES.print(
        f"Peak memory will be about {megabytes(peak.total)} ({megabytes(peak.program)} of it for "
        f"{len(group.chunks[0])} economies at a time, {group.batch} side by side); compiled in "
        f"{time.perf_counter() - began:.1f} s."
    )
    return program


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:05}.parquet"


def _join(parts: Sequence[Path], path: Path, schema: pa.Schema) -> None:
    """Write the rows of all parts into one file, whole or not at all."""
    with whole(path) as file, pq.ParquetWriter(file, schema) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part, schema=schema))


def _rows(
    group: CellGroup, chunk: Sequence[Cell], found: Found, file: Path
) -> Iterator[dict[str, Any]]:
    """Yield a row for every cell and schedule."""
    points = {cell.point.number: cell.point for cell in chunk}
    heads = {number: _head(point, group) for number, point in points.items()}
    others = {number: _rates_beside(point, file) for number, point in points.items()}
    for place, (point, seed) in enumerate(chunk):
        rates = {OPTIMAL: found.rates[place].tolist()} | others[point.number]
        for row, name in enumerate(rates):
            searched = name == OPTIMAL
            yield heads[point.number] | {
                "seed": seed,
                "schedule": name,
                "planner": group.search.planner if searched else None,
                **{
                    column: float(getattr(found.brought, column)[place, row]) for column in _BROUGHT
                },
                "gap": float(found.gap[place]) if searched else None,
                "steps": int(found.steps[place]) if searched else None,
                "converged": bool(found.converged[place]) if searched else None,
                **{f"rate_{j + 1}": rate for j, rate in enumerate(rates[name])},
            }


def _head(point: DesignPoint, group: CellGroup) -> dict[str, Any]:
    """Return what all rows of a point say alike."""
    return {
        "run": sweep_digest(point.base),
        "command": "sweep",
        "version": importlib.metadata.version("econjax"),
        "economy": economy_digest(point.base),
        "point": point.number,
        **point.values,
        "agents": group.agents,
        "welfare": point.welfare_name,
        "aversion": point.aversion if point.welfare_name == "atkinson" else None,
    }


def _rates_beside(point: DesignPoint, file: Path) -> dict[str, list[float]]:
    """Return the rates of the law and of the other schedules beside the best one, by name."""
    others = compared(point, file)
    law = {"law": bracket_rates(point.source.schedule())}
    return law | {name: bracket_rates(schedule) for name, schedule in others.items()}


_BROUGHT = Brought._fields


def _schema(groups: Sequence[CellGroup]) -> pa.Schema:
    """Return the columns of all rows."""
    points = [point for group in groups for point in group.points]
    varied = {
        name: pa.array([point.values[name] for point in points]).type for name in points[0].values
    }
    beside = [_rates_beside(point, point.source.file or Path()) for point in points]
    most = max(len(rates) for each in beside for rates in each.values())
    text, number = pa.string(), pa.float64()
    return pa.schema(
        {
            **dict.fromkeys(("run", "command", "version", "economy"), text),
            "point": pa.int64(),
            **varied,
            "seed": pa.int64(),
            "agents": pa.int64(),
            "welfare": text,
            "aversion": number,
            "schedule": text,
            "planner": text,
            **dict.fromkeys(_BROUGHT, number),
            "gap": number,
            "steps": pa.int64(),
            "converged": pa.bool_(),
            **{f"rate_{j + 1}": number for j in range(most)},
        }.items()
    )
