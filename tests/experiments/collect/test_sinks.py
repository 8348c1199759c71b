"""Collected numbers in other programs: each arrives once, where it belongs."""

import sys
import types
from collections import Counter
from typing import ClassVar

import pyarrow as pa
import pytest

from experiments.collect.sinks import scalars, to_tensorboard, to_wandb
from experiments.report.console import Mistake

ROWS = [
    {"planner": planner, "seed": seed, "welfare": "atkinson", "step": step, "row": 9}
    | {"measure": measure, "value": 100.0 * seed + step}
    for planner in ("flat", "random search")
    for seed in (0, 1)
    for step in (1, 2, 3)
    for measure in ("equivalent", "labor")
]
TABLE = pa.Table.from_pylist(ROWS)


class Writer:
    """Stands for a writer of event files, and remembers what it wrote."""

    written: ClassVar = Counter()

    def __init__(self, logdir):
        self.place = logdir

    def add_scalar(self, tag, value, step):
        assert self.place
        self.written[self.place, tag, step, value] += 1

    def close(self):
        self.place = None


class Logged:
    """Stands for a run of Weights & Biases."""

    written: ClassVar = Counter()
    last = -1

    def __init__(self, **choices):
        self.choices = choices

    def log(self, values, step):
        assert step > self.last
        self.last = step
        for tag, value in values.items():
            self.written[self.choices["name"], tag, step, value] += 1

    def finish(self):
        self.last = float("inf")


def expected(place):
    return Counter(
        (
            place(f"planner {row['planner']}, seed {row['seed']}"),
            f"atkinson/{row['measure']}",
            row["step"],
            row["value"],
        )
        for row in ROWS
    )


def test_every_number_arrives_once(monkeypatch, tmp_path):
    board = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "tensorboardX", board)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=Logged))
    to_tensorboard(tmp_path)("one", TABLE)
    assert Writer.written == expected(lambda line: str(tmp_path / "one" / line))
    to_wandb("taxes")("one", TABLE)
    assert Logged.written == expected(lambda line: f"one, {line}")


def test_without_steps_a_number_stands_at_its_row():
    [only] = scalars(TABLE.slice(0, 1).set_column(3, "step", pa.array([None], pa.int64())))
    assert only.step == 9


def test_a_library_that_is_missing_is_told(monkeypatch, tmp_path):
    for name, sink in (("tensorboardX", to_tensorboard), ("wandb", to_wandb)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(Mistake, match=f"pip install {name}"):
            sink(tmp_path)
