"""Measure the small model against the known formula that it imitates, as worker and as planner."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from experiments.fidelity.config import FidelityConfig
from experiments.fidelity.planner import PlannerFidelity, planner_fidelity, planner_table
from experiments.fidelity.workers import WorkerFidelity, WorkerSizes, worker_fidelity, worker_tables
from experiments.report.disclosure import nature
from llm_policy.engines.base import Engine, EngineInfo

SEEDS = 20


@dataclass(frozen=True)
class Fidelity:
    """How faithful a model is to its formula, as worker and as planner."""

    workers: WorkerFidelity
    planner: PlannerFidelity


def run_fidelity(config: FidelityConfig, on_stage: Callable[[str], Any]) -> Fidelity:
    """Measure the embedded model.

    Raises:
        EngineError: no such model, or it cannot answer.
    """
    from llm_policy.engines.embedded.engine import EmbeddedEngine

    with contextlib.closing(EmbeddedEngine(config.model)) as engine:
        return fidelity(config, engine, on_stage)


def fidelity(
    config: FidelityConfig, engine: Engine, on_stage: Callable[[str], Any] = lambda stage: None
) -> Fidelity:
    """Measure any engine that serves the small model.

    Raises:
        ValueError: a choice that makes no measurement, or a model that does not answer as the small
        one.
        EngineError: the engine cannot answer.
    """
    config.check()
    sizes = WorkerSizes().scaled(config.size)
    workers = worker_fidelity(engine, sizes=sizes, seed=config.seed, progress=on_stage)
    planner = planner_fidelity(engine, seeds=max(2, round(config.size * SEEDS)), progress=on_stage)
    return Fidelity(workers, planner)


def print_fidelity(found: Fidelity, console: Console) -> None:
    """Print a table for each kind of figure, and what they mean."""
    for table in (*worker_tables(found.workers), planner_table(found.planner)):
        console.print(table)
    for remark in _REMARKS:
        console.print(remark)
    model = found.workers.model
    console.print(f"Model: {model['model']}, {model['weights']}.")
    for remark in nature(EngineInfo.of(model)).remarks:
        console.print(remark)


_REMARKS = (
    "Divergence: Kullback-Leibler, of the model's chances from the formula's; their mean, no "
    "taxes: that of the mean of the formula's chances, and of a neutral worker's who has worked 40 "
    "hours and pays no tax.",
    "Formula and model are what somebody made up: nothing here says how people behave.",
)
