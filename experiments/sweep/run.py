"""Solve what a sweep plans, chunk by chunk, and join what came out: resumable to the same bytes."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.cluster.connection import Cluster
from experiments.economies.kept import kept_by
from experiments.report.files import whole
from experiments.runs.directory import METRICS, write_table
from experiments.sweep.chunks import ChunkSolver, Spent, columns_of
from experiments.sweep.cluster import solved_on
from experiments.sweep.config import SweepConfig
from experiments.sweep.memory import peak_so_far
from experiments.sweep.plan import CellGroup, layout_of
from experiments.sweep.progress import showing

_PARTS = "parts"
"""The folder of a run with the rows of each chunk, until all are joined."""


def solve_groups(
    groups: Sequence[CellGroup], path: Path, config: SweepConfig, cluster: Cluster | None = None
) -> Spent:
    """Write the rows of every chunk that has none into the run directory, then `metrics.parquet`.

    On a cluster, if one is given.

    Raises:
        Mistake: an economy in which the formula implies no rates.
        EngineError: a process of the cluster was lost again and again.
    """
    began, spent, parts = time.perf_counter(), Spent(), path / _PARTS
    parts.mkdir(exist_ok=True)
    sizes = layout_of(groups)
    left = [number for number in range(len(sizes)) if not _part(parts, number).is_file()]
    with showing(sum(sizes), done=sum(sizes) - sum(sizes[number] for number in left)) as advance:
        if cluster is None:
            coming = ChunkSolver(groups, config.file).solved(left, spent)
        else:
            coming = solved_on(cluster, kept_by(path), config.memory, groups, left, spent)
        for number, rows in coming:
            write_table(_part(parts, number), rows)
            advance(sizes[number])
    schema = columns_of(groups)
    _join([_part(parts, number) for number in range(len(sizes))], path / METRICS, schema)
    shutil.rmtree(parts)
    spent.whole, spent.peak = time.perf_counter() - began, max(spent.peak, peak_so_far())
    return spent


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:05}.parquet"


def _join(parts: Sequence[Path], path: Path, schema: pa.Schema) -> None:
    """Write the rows of all parts into one file, whole or not at all."""
    with whole(path) as file, pq.ParquetWriter(file, schema) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part, schema=schema))
