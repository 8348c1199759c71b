"""Run a sweep: progress, rows, a table."""

import json
from pathlib import Path
from typing import Any

from experiments.report.console import mistakes, results
from experiments.runs.directory import METRICS
from experiments.sweep.config import SweepConfig
from experiments.sweep.design import points_of
from experiments.sweep.memory import megabytes
from experiments.sweep.plan import groups_of
from experiments.sweep.run import Spent, solve_groups
from experiments.sweep.tables import print_sweep, swept_means


def run_sweep(config: SweepConfig, path: Path, session: Any = None) -> None:
    """Solve all economies that have no rows yet, write what came out, print.

    Raises:
        Mistake: an economy in which the formula implies no rates.
    """
    with mistakes():
        points = points_of(config.file)
        groups = groups_of(points, config.file, memory=config.memory * 1e9)
    spent = solve_groups(groups, path, config.file)
    varied = list(points[0].values)
    rows = swept_means(path / METRICS, varied)
    if config.json:
        print(json.dumps({"run": str(path), "spent": vars(spent), "rows": rows}, indent=2))
        return
    console = results()
    print_sweep(rows, varied, console)
    console.print(f"{_in_words(spent)} Run directory: {path}")


def _in_words(spent: Spent) -> str:
    return (
        f"{spent.whole:,.1f} s, of which {spent.compiling:,.1f} s to compile and "
        f"{spent.drawing:,.1f} s waiting for draws; peak memory {megabytes(spent.peak)}, "
        f"{megabytes(spent.peak_expected)} stated beforehand."
    )
