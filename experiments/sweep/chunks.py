"""Solve chunks of a sweep in this process: programs, draws ahead of time, and rows."""

import functools
import importlib.metadata
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import pyarrow as pa

from econjax import nan_where_illegal
from experiments.report.console import NOTES, Mistake
from experiments.sweep.design import DesignPoint, economy_digest, sweep_digest
from experiments.sweep.memory import expected_peak, megabytes
from experiments.sweep.plan import Cell, CellGroup, bracket_rates, chunks_of, compared
from experiments.sweep.program import Brought, Found, SearchRule, solve_all

OPTIMAL = "optimal"
"""The name of the best schedule among those compared."""


@dataclass
class Spent:
    """Seconds and bytes of a sweep: to compile, to wait for draws, and in all; and its peaks.

    Of several processes, seconds to compile and to wait are those of all, and peaks the highest.
    """

    compiling: float = 0.0
    drawing: float = 0.0
    whole: float = 0.0
    peak_expected: int = 0
    peak: int = 0
    batch: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Spent") -> None:
        """Add what another process spent."""
        self.compiling += other.compiling
        self.drawing += other.drawing
        self.peak_expected = max(self.peak_expected, other.peak_expected)
        self.peak = max(self.peak, other.peak)
        self.batch |= other.batch


class SolvedChunk(NamedTuple):
    """The rows of a chunk, and its number in the sweep."""

    number: int
    rows: pa.Table


class ChunkSolver:
    """Solves chunks of a sweep, whose file it reads; a program is kept for the next chunk of it."""

    def __init__(self, groups: Sequence[CellGroup], file: Path) -> None:
        self._file = file
        self._chunks = {number: (group, own) for number, group, own in chunks_of(groups)}
        self._columns = columns_of(groups)
        self._program: tuple[CellGroup, jax.stages.Compiled] | None = None

    def solved(self, numbers: Sequence[int], spent: Spent) -> Iterator[SolvedChunk]:
        """Yield the chunks of these numbers, in their order; the next is drawn meanwhile.

        Raises:
            Mistake: an economy in which the formula implies no rates.
        """
        with ThreadPoolExecutor(1) as ahead:
            try:
                coming = [ahead.submit(self._drawn, number) for number in numbers[:1]]
                for place, number in enumerate(numbers):
                    waited = time.perf_counter()
                    arguments = coming.pop().result()
                    spent.drawing += time.perf_counter() - waited
                    coming += [
                        ahead.submit(self._drawn, more) for more in numbers[place + 1 : place + 2]
                    ]
                    yield SolvedChunk(number, self._rows(number, arguments, spent))
            finally:
                ahead.shutdown(wait=False, cancel_futures=True)

    def _drawn(self, number: int) -> Any:
        """Return the arguments of a chunk's program."""
        group, own = self._chunks[number]
        return group.arguments(own)

    def _rows(self, number: int, arguments: Any, spent: Spent) -> pa.Table:
        """Return the rows of a chunk."""
        group, own = self._chunks[number]
        if self._program is None or self._program[0] is not group:
            self._program = group, _compile(group, arguments, spent)
        _, program = self._program
        found = jax.tree.map(np.asarray, program(*arguments))
        if any(np.isnan(part).any() for part in jax.tree.leaves(found)):
            _tell_mistakes(group, arguments)
        rows = list(_rows(group, group.chunks[own], found, self._file))
        return pa.Table.from_pylist(rows, self._columns)


def _tell_mistakes(group: CellGroup, arguments: Any) -> None:
    """Raise the mistake, if any, for which the group's program gives nan."""
    try:
        jax.block_until_ready(_checked(group.search, group.batch)(*arguments))
    except eqx.EquinoxRuntimeError as error:
        told = re.search("EquinoxRuntimeError: (.+)", str(error))
        raise Mistake(told[1] if told else str(error)) from error


@functools.cache
def _checked(search: SearchRule, batch: int) -> Callable[..., Found]:
    """Return `solve_all` as a program that raises for illegal values."""
    return eqx.filter_jit(solve_all(search, batch))


def _compile(group: CellGroup, arguments: Any, spent: Spent) -> jax.stages.Compiled:
    """Return the group's program, having said how much memory it will take.

    Illegal values give nan: so it can be kept for the next sweep.
    """
    began = time.perf_counter()
    with nan_where_illegal():
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


def columns_of(groups: Sequence[CellGroup]) -> pa.Schema:
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
