"""Solve the chunks of a sweep on a cluster, each as a task."""

import functools
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from experiments.cluster.connection import Cluster, LostTask, Tasks
from experiments.cluster.files import Files, unpack
from experiments.cluster.tasks import overheard, prepare_process
from experiments.economies.kept import ECONOMY, FOLDER
from experiments.report.console import NOTES, Mistake
from experiments.sweep.chunks import ChunkSolver, SolvedChunk, Spent
from experiments.sweep.design import points_of
from experiments.sweep.memory import peak_so_far
from experiments.sweep.plan import CellGroup, groups_of, layout_of
from llm_policy.engines.base import EngineError


def solved_on(
    cluster: Cluster,
    files: Files,
    memory: float,
    groups: Sequence[CellGroup],
    left: Sequence[int],
    spent: Spent,
) -> Iterator[SolvedChunk]:
    """Yield chunks of a sweep, of those that are left, as they are solved.

    `files` are those that its run keeps, and `memory` is in gigabytes.

    Raises:
        Mistake: an economy in which the formula implies no rates.
        EngineError: a chunk's process was lost again and again.
    """
    errand = _Errand(tuple(files.items()), memory, layout_of(groups))
    shared, tasks, waiting = cluster.shared(errand), Tasks[int](cluster), deque(left)
    while waiting or tasks:
        while waiting and not tasks.full:
            number = waiting.popleft()
            gpus = 1 if cluster.gpus else 0
            tasks.add(number, cluster.task(_solve, shared, number, gpus=gpus))
        number, said = tasks.next()
        if isinstance(said, LostTask):
            raise EngineError(f"Chunk {number} was lost again and again. {said.why}")
        for line in said.noted.splitlines():
            NOTES.print(line)
        if said.rows is None:
            raise Mistake(said.why)
        spent.add(said.spent)
        yield SolvedChunk(number, said.rows)


class _Errand(NamedTuple):
    """A sweep for a process elsewhere: what its folder holds, and the sizes of its chunks."""

    files: tuple[tuple[str, bytes], ...]
    memory: float
    layout: tuple[int, ...]


class _Said(NamedTuple):
    """Rows of a chunk, or why there are none; what it took, and what was noted."""

    rows: pa.Table | None
    why: str
    spent: Spent
    noted: str


def _solve(errand: _Errand, number: int) -> _Said:
    """Return what came of a chunk; a program is compiled once in a process."""
    spent = Spent()
    with overheard() as (_, noted):
        try:
            [(_, rows)] = _Here.of(errand).solver.solved([number], spent)
        except Mistake as mistake:
            return _Said(None, str(mistake), spent, noted.getvalue())
    spent.peak = peak_so_far()
    return _Said(rows, "", spent, noted.getvalue())


class _Here:
    """A sweep in a folder of the process that solves some of its chunks."""

    def __init__(self, errand: _Errand) -> None:
        prepare_process()
        self._home = tempfile.TemporaryDirectory(prefix="econjax-")
        unpack(dict(errand.files), Path(self._home.name))
        file = Path(self._home.name) / FOLDER / ECONOMY
        groups = groups_of(points_of(file), file, memory=errand.memory * 1e9)
        if layout_of(groups) != errand.layout:
            raise Mistake(
                "A machine of the cluster divides the sweep otherwise than this one: give the "
                "command on a machine of the same kind, with or without a GPU."
            )
        self.solver = ChunkSolver(groups, file)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def of(cls, errand: _Errand) -> "_Here":
        """Return the sweep that the process is at."""
        return cls(errand)
