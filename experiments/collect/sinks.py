"""Collected numbers in TensorBoard or Weights & Biases: a line for each planner, seed and so on.

Neither library is imported unless it is asked for.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from experiments.collect.columns import MEASURE, TITLE, VALUE
from experiments.report.console import Mistake

_WHOSE = ("planner", "schedule", "kind", "seed", "point")
_OF = (TITLE, "welfare")


class Scalar(NamedTuple):
    """A number: the line that it is of, what it measures, where on the line, its value."""

    line: str
    tag: str
    step: int
    value: float


Sink = Callable[[str, pa.Table], None]
"""Takes the name of a run and its numbers."""


def scalars(table: pa.Table) -> Iterator[Scalar]:
    """Yield the numbers of a run in long form, by step or, without steps, by row."""
    for row in table.to_pylist():
        whose = [f"{name} {row[name]}" for name in _WHOSE if row.get(name) is not None]
        of = next((row[name] for name in _OF if row.get(name) is not None), None)
        step = row["row"] if row["step"] is None else row["step"]
        tag = row[MEASURE] if of is None else f"{of}/{row[MEASURE]}"
        yield Scalar(", ".join(whose) or "all", tag, int(step), row[VALUE])


def to_tensorboard(folder: Path) -> Sink:
    """Return what writes event files, a folder for each line of each run.

    Raises:
        Mistake: tensorboardX is not installed.
    """
    library = _library("tensorboardX")

    def write(run: str, table: pa.Table) -> None:
        writers: dict[str, Any] = {}
        try:
            for line, tag, step, value in scalars(table):
                if line not in writers:
                    writers[line] = library.SummaryWriter(logdir=str(folder / run / line))
                writers[line].add_scalar(tag, value, step)
        finally:
            for writer in writers.values():
                writer.close()

    return write


def to_wandb(project: str) -> Sink:
    """Return what logs to a project of Weights & Biases, a run there for each line of each run.

    What their own settings say holds: with WANDB_MODE=offline nothing is sent.

    Raises:
        Mistake: wandb is not installed.
    """
    library = _library("wandb")

    def write(run: str, table: pa.Table) -> None:
        lines: dict[str, dict[int, dict[str, float]]] = {}
        for line, tag, step, value in scalars(table):
            lines.setdefault(line, {}).setdefault(step, {})[tag] = value
        for line, steps in lines.items():
            logged = library.init(project=project, name=f"{run}, {line}", group=run, reinit=True)
            for step in sorted(steps):
                logged.log(steps[step], step=step)
            logged.finish()

    return write


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Mistake(f"{name} is not installed: pip install {name}") from error
