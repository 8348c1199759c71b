"""`econjax benchmark core`: what a worker costs, next to NumPy and to the machine's limits."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from econjax.optimal.saez import SaezFixedPoint
from experiments.benchmarks.cases import Case, cases, many_schedules, saez
from experiments.benchmarks.config import CoreBenchmarkConfig
from experiments.benchmarks.timing import Ratio, compile_for, machine, ratio, take_turns
from experiments.report.console import NOTES


@dataclass(frozen=True)
class TimedRow:
    """One operation at one number of workers.

    `seconds` is the median of the rounds, `least_seconds` the shortest. `bytes_per_worker` counts
    what the compiler lays out: arguments, outputs and temporary buffers, `bandwidth` is the share
    of a copy's bytes a second at which arguments and outputs pass (None if it does not say).
    `ratios` are times as fast as a NumPy form, and times as long as anything else.
    """

    operation: str
    workers: int
    note: str
    compile_seconds: float
    seconds: float
    least_seconds: float
    rounds: int
    workers_per_second: float
    bytes_per_worker: float | None
    bandwidth: float | None
    ratios: dict[str, Ratio]


class Bar(NamedTuple):
    """The bar of an operation: so many times as fast as NumPy, or at most so many times as long."""

    operation: str
    workers: int
    reference: str
    bar: float
    at_least: bool


@dataclass(frozen=True)
class CoreVerdict:
    """A bar, what was measured, and whether it is met; None where its size was not run.

    It is met if both the median over the rounds and the ratio of the least times meet it.
    """

    operation: str
    workers: int
    reference: str
    bar: float
    at_least: bool
    measured: Ratio | None
    met: bool | None


@dataclass(frozen=True)
class CoreBenchmark:
    """Everything that was measured, and on what."""

    machine: dict[str, Any]
    rows: list[TimedRow]
    bars: list[CoreVerdict]


BARS = (
    Bar("tax", 1_000_000, "numpy searchsorted", 30.0, True),
    Bar("best response, quasi-linear", 1_000_000, "power", 3.0, False),
    Bar("value and gradient of welfare", 1_000_000, "power", 15.0, False),
    Bar("settle, welfare only", 10_000_000, "by hand", 1.5, False),
)
"""Set for float32 on two CPU cores."""


_LARGE = 1e9
"""Bytes from which on what is to be held is printed before it is, for who has not so much."""


def measure_core(
    config: CoreBenchmarkConfig, on_start: Callable[[str], None] = lambda what: None
) -> CoreBenchmark:
    """Measure every operation at every size, in JAX's default precision.

    `on_start` hears what is about to be compiled, and how much memory it will take before it runs.
    """
    rows = [_row(case, config, on_start) for size in config.sizes for case in cases(size)]
    rows.append(_row(many_schedules(*config.batch), config, on_start))
    return CoreBenchmark(machine(), rows, judge_core(rows))


def judge_core(rows: list[TimedRow]) -> list[CoreVerdict]:
    """Return what the rows say about each bar."""
    verdicts = []
    for bar in BARS:
        found = [
            row for row in rows if (row.operation, row.workers) == (bar.operation, bar.workers)
        ]
        measured = found[0].ratios.get(bar.reference) if found else None
        met = None
        if measured:
            both = (measured.median, measured.least)
            met = min(both) >= bar.bar if bar.at_least else max(both) <= bar.bar
        verdicts.append(CoreVerdict(*bar, measured, met))
    return verdicts


def _row(case: Case, config: CoreBenchmarkConfig, on_start: Callable[[str], None]) -> TimedRow:
    what = f"{case.operation}: {case.workers:,} workers"
    on_start(what)
    ours = compile_for(case.function, *case.arguments)
    if ours.held is not None:
        on_start(told := f"{what}, {ours.held / 1e6:,.0f} MB")
        if ours.held >= _LARGE:
            NOTES.print(f"{told}.")
    sides = {_OURS: ours.run} | {
        name: run
        for name, run in case.references.items()
        if config.numpy or not name.startswith("numpy")
    }
    seconds = take_turns(sides, repeats=config.repeats, patience=config.patience)
    own = seconds.pop(_OURS)
    typical = statistics.median(own)
    return TimedRow(
        operation=case.operation,
        workers=case.workers,
        note=_note(ours.run()) if case.function is saez else "",
        compile_seconds=ours.seconds,
        seconds=typical,
        least_seconds=min(own),
        rounds=len(own),
        workers_per_second=case.workers / typical,
        bytes_per_worker=None if ours.held is None else ours.held / case.workers,
        bandwidth=_bandwidth(ours.moved, case.workers, ratio(own, seconds["copy"])),
        ratios={
            name: ratio(other, own) if name.startswith("numpy") else ratio(own, other)
            for name, other in seconds.items()
        },
    )


def _bandwidth(moved: int | None, workers: int, copies: Ratio) -> float | None:
    """Return how fast bytes pass, next to a copy of a number each, which takes and leaves one."""
    if moved is None:
        return None
    return moved / (2 * workers * jnp.zeros(()).dtype.itemsize) / copies.median


_OURS = "econjax"


def _note(found: SaezFixedPoint) -> str:
    return f"{found.steps} steps" + (
        "" if found.converged else f", NOT converged, gap {found.gap:.1e}"
    )
