"""Run a sweep: its rows, and what it took."""

import contextlib
from pathlib import Path
from typing import Any

from experiments.cluster.connection import joined_cluster
from experiments.report.console import mistakes
from experiments.runs.directory import METRICS
from experiments.runs.result import Result
from experiments.sweep.chunks import Spent
from experiments.sweep.config import SweepConfig
from experiments.sweep.design import points_of
from experiments.sweep.memory import megabytes
from experiments.sweep.plan import groups_of
from experiments.sweep.run import solve_groups
from experiments.sweep.tables import Swept, swept_means


def run_sweep(config: SweepConfig, path: Path, session: Any = None) -> Result:
    """Solve all economies that have no rows yet, and write the rows of each.

    Raises:
        Mistake: an economy in which the formula implies no rates.
    """
    with mistakes():
        points = points_of(config.file)
        groups = groups_of(points, config.file, memory=config.memory * 1e9)
    with contextlib.nullcontext() if config.ray is None else joined_cluster(config.ray) as cluster:
        spent = solve_groups(groups, path, config, cluster)
    varied = list(points[0].values)
    rows = swept_means(path / METRICS, varied)
    said = {"run": str(path), "spent": vars(spent), "rows": rows}
    timings = [{name: value for name, value in vars(spent).items() if name != "batch"}]
    return Result(Swept(rows, varied), said, None, timings=timings, remarks=[_in_words(spent)])


def _in_words(spent: Spent) -> str:
    return (
        f"{spent.whole:,.1f} s to solve, of which {spent.compiling:,.1f} s to compile and "
        f"{spent.drawing:,.1f} s waiting for draws; peak memory {megabytes(spent.peak)}, "
        f"{megabytes(spent.peak_expected)} stated beforehand."
    )
