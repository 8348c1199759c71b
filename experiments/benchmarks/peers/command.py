"""`econjax benchmark peers`: how many times as fast as each peer, in turns, and from what size."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import BracketSchedule
from econjax.population import REFERENCE_HOURS
from experiments.benchmarks.cases import shuffled_workers
from experiments.benchmarks.config import PeersBenchmarkConfig
from experiments.benchmarks.peers.environments import environment_of
from experiments.benchmarks.peers.process import Contender, InNumpy, Peer, seconds_of
from experiments.benchmarks.peers.rows import NUMPY, OPERATIONS, Operation, SpeedBar
from experiments.benchmarks.timing import Ratio, compile_for, machine, ratio
from llm_policy.engines.gguf.folder import model_cache


@dataclass(frozen=True)
class PeerRow:
    """One operation for so many people: seconds of both sides, medians of the rounds.

    `times` is the peer's seconds over ours. `apart` is how far, in dollars, anybody's taxes are
    apart, None where the two sides do not compute the same.
    """

    peer: str
    operation: str
    people: int
    ours: float
    theirs: float
    times: Ratio
    rounds: int
    apart: float | None


@dataclass(frozen=True)
class PeerVerdict:
    """From how many people on an operation is faster here (None: at no size), and its bar.

    `faster_from` is the least size from which on every larger one was faster too. A bar is met if
    the median over the rounds and the ratio of the least times meet it; None where there is none.
    """

    peer: str
    operation: str
    work: str
    faster_from: int | None
    bar: SpeedBar | None
    met: bool | None


@dataclass(frozen=True)
class PeersBenchmark:
    """Everything that was measured, and on what."""

    machine: dict[str, Any]
    rows: list[PeerRow]
    verdicts: list[PeerVerdict]


def run_peers(
    config: PeersBenchmarkConfig, on_start: Callable[[str], None] = lambda what: None
) -> PeersBenchmark:
    """Measure every row of the peers that were chosen, at every size up to the largest.

    Raises:
        Mistake: a peer's environment cannot be made, or its program fails.
    """
    # Set before JAX is used: whoever waits for each call needs no second thread that computes.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    rows, verdicts = [], []
    for peer in config.peers:
        with _started(peer, on_start) as side:
            for row in (row for row in OPERATIONS if row.peer == peer):
                found = [
                    _measure(row, people, side, config, on_start)
                    for people in row.sizes
                    if people <= config.most
                ]
                rows += found
                verdicts.append(judge_peer(row, found))
    return PeersBenchmark(machine(), rows, verdicts)


def judge_peer(row: Operation, found: Sequence[PeerRow]) -> PeerVerdict:
    """Return from what size on an operation is faster, and whether its bar is met."""
    faster_from = None
    for measured in reversed(found):
        if measured.times.median <= 1:
            break
        faster_from = measured.people
    met = None
    for measured in found:
        if row.bar and measured.people == row.bar.people:
            met = min(measured.times.median, measured.times.least) >= row.bar.times
    return PeerVerdict(row.peer, row.title, row.work, faster_from, row.bar, met)


def print_peers(benchmark: PeersBenchmark, console: Console) -> None:
    """Print the machine, every measurement, and of every operation the work and the bar."""
    console.print(", ".join(f"{name} {value}" for name, value in benchmark.machine.items()))
    table = _empty("peer", "operation", *_FIGURES, words=2)
    for row, after in zip(benchmark.rows, [*benchmark.rows[1:], None], strict=True):
        table.add_row(
            *(row.peer, row.operation, f"{row.people:,}"),
            *(f"{1e3 * row.ours:,.3f}", f"{1e3 * row.theirs:,.3f}"),
            *(f"{row.times.median:,.2f}", f"{row.times.least:,.2f}", str(row.rounds)),
            "-" if row.apart is None else f"{row.apart:,.2g}",
            end_section=after is not None and after.operation != row.operation,
        )
    console.print(table)
    for verdict in benchmark.verdicts:
        console.print(_sentence(verdict), markup=False)
    for remark in _LEGEND:
        console.print(remark)


_FIGURES = ("people", "ours ms", "peer ms", "times", "by least", "rounds", "apart $")
_LEGEND = (
    "times: the peer's seconds over ours, the median over rounds in which both take turns; by "
    "least: its least time over ours. A turn is as many calls from Python, with arguments in "
    "place, as take 20 ms; each side's clock is in its own process; ours is compiled before, and "
    "computed without JAX's asynchronous dispatch (jax_cpu_enable_async_dispatch). apart: "
    "the largest difference between anybody's taxes by the two, where they mean the same.",
    "People have incomes on the quantile grid of ACS-2023. Everyone is in the law that the peer "
    "has: thresholds and rates are read from it, and given to our side.",
)


def _started(peer: str, on_start: Callable[[str], None]) -> AbstractContextManager[Contender]:
    if peer == NUMPY:
        return InNumpy()
    return Peer(peer, environment_of(peer, model_cache().parent / "peers", on_start))


def _measure(
    row: Operation,
    people: int,
    side: Contender,
    config: PeersBenchmarkConfig,
    on_start: Callable[[str], None],
) -> PeerRow:
    """Prepare both sides, then let them take turns."""
    on_start(f"{row.peer}, {row.title}: {people:,} people")
    incomes = np.asarray(shuffled_workers(people).skill * REFERENCE_HOURS, np.float64)
    law, found = side.prepare(row.operation, incomes)
    ours = compile_for(row.ours, BracketSchedule(*law), *row.given(incomes))
    taxes = np.asarray(ours.run()[0]) if row.compared else None
    turns = (lambda calls: seconds_of(ours.run, calls) / row.steps, side.seconds)
    many = [max(1, math.ceil(_TURN / max(turn(1), 1e-9))) for turn in turns]
    both = ([], [])
    started = time.perf_counter()
    while not both[0] or (
        len(both[0]) < config.repeats and time.perf_counter() - started < config.patience
    ):
        for seconds, turn, calls in zip(both, turns, many, strict=True):
            seconds.append(turn(calls) / calls)
    return PeerRow(
        peer=row.peer,
        operation=row.title,
        people=people,
        ours=statistics.median(both[0]),
        theirs=statistics.median(both[1]),
        times=ratio(both[1], both[0]),
        rounds=len(both[0]),
        apart=None if taxes is None or found is None else float(np.max(np.abs(taxes - found))),
    )


_TURN = 0.02


def _empty(*columns: str, words: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < words else "right", no_wrap=True)
    return table


def _sentence(verdict: PeerVerdict) -> str:
    start = f"{verdict.peer}, {verdict.operation}: "
    if verdict.faster_from is None:
        start += "not faster at the largest size"
    else:
        start += f"faster from {verdict.faster_from:,} people on"
    if verdict.bar:
        met = {True: "met", False: "NOT met", None: "not run"}[verdict.met]
        start += f"; bar {verdict.bar.times:,g} times at {verdict.bar.people:,}: {met}"
    return f"{start}. Work: {verdict.work}."
