"""What schedules are worth to other workers than their own: rational ones, language models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.planning import Evaluator, RationalEvaluator, plan
from experiments.core.config import PlannerName, WelfareName, WorkersName
from experiments.core.registry import REGISTRY, PlanningContext, titled
from experiments.core.workforce import workforce_of
from experiments.report.disclosure import nature
from experiments.report.intervals import Measured, bootstrap
from experiments.transfer.config import TransferConfig
from llm_policy.engines.base import Engine
from llm_policy.workers.evaluator import ModelEvaluator


@dataclass(frozen=True)
class Transfer:
    """One planner that learned from workers of one kind: dollars a year of equivalent per head.

    `on` holds the mean over seeds, by the kind of workers under whom its schedules were enacted,
    and `lost` what these brought less than those that the same planner learned from the workers
    themselves, seed by seed, if it can learn from them. `worth` is what each seed's schedule of
    `schedules` brought, by the kind of workers.
    """

    welfare: str
    planner: str
    learned_from: WorkersName
    on: dict[WorkersName, Measured]
    lost: dict[WorkersName, Measured]
    worth: dict[WorkersName, tuple[float, ...]] = field(default_factory=dict)
    schedules: tuple[BracketSchedule, ...] = ()


def transfer(
    config: TransferConfig, engine: Engine, progress: Callable[[str], None] = lambda what: None
) -> list[Transfer]:
    """Let every planner learn from both kinds of workers, and measure each schedule on both.

    All schedules of a seed meet the same people and the same draws. Planners have as many
    evaluations among workers of each kind as in `compare`.

    Raises:
        ValueError: a choice that makes no comparison.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    found: dict[tuple[str, str, WorkersName, WorkersName], list[float]] = {}
    schedules: dict[tuple[str, str, WorkersName], list[BracketSchedule]] = {}
    for seed in range(config.seeds):
        place = _Place(config, engine, jax.random.key(config.seed + seed))
        for welfare in config.welfare:
            for name in config.roster:
                for source in _sources(name):
                    progress(
                        f"seed {seed + 1} of {config.seeds}, {config.aim(welfare).name}: "
                        f"{REGISTRY[name].name}"
                    )
                    schedule = place.learned(name, welfare, source)
                    schedules.setdefault((welfare, name, source), []).append(schedule)
                    for target in KINDS:
                        worth = place.worth(schedule, welfare, target)
                        found.setdefault((welfare, name, source, target), []).append(worth)
    return [
        Transfer(
            config.aim(welfare).name,
            _name(name, engine, config.law_title),
            source,
            {target: bootstrap([found[welfare, name, source, target]]) for target in KINDS},
            {
                target: _difference(
                    found[welfare, name, target, target], found[welfare, name, source, target]
                )
                for target in _sources(name)
            },
            {target: tuple(found[welfare, name, source, target]) for target in KINDS},
            tuple(schedules[welfare, name, source]),
        )
        for welfare in config.welfare
        for name in config.roster
        for source in _sources(name)
    ]


KINDS: tuple[WorkersName, ...] = ("rational", "llm")


def _sources(name: PlannerName) -> tuple[WorkersName, ...]:
    """Return the kinds of workers whom a planner can learn from."""
    return ("llm",) if REGISTRY[name].needs_choices else KINDS


class _Seat(NamedTuple):
    """What a schedule is measured on."""

    welfare: WelfareName
    workers: WorkersName


@dataclass
class _Place:
    """The people of one seed, rational and as language models."""

    config: TransferConfig
    engine: Engine
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.law = self.config.status_quo()
        self.economy = self.config.economy()
        key = jax.random.fold_in(self.key, 0)
        self.workforce = workforce_of(self.config, self.economy, self.engine, key)

    def learned(
        self, name: PlannerName, welfare: WelfareName, source: WorkersName
    ) -> BracketSchedule:
        """Return what a planner recommends after meeting workers of one kind."""
        tries = self.config.evaluations[KINDS.index(source)]
        aim = self.config.aim(welfare)
        workers = self.workforce.recorded if source == "llm" else None
        setting = PlanningContext(
            law=self.law,
            elasticity=self.config.told,
            engine=self.engine,
            aim=aim,
            evaluations=tries,
            workers=workers,
            steps=self.config.tax_year,
            subsistence=self.config.subsistence,
            statuses=self.config.statuses,
        )
        steps = REGISTRY[name].evaluations or tries
        evaluate = self._evaluator(_Seat(welfare, source), 1)
        key = jax.random.fold_in(self.key, 2)
        return plan(key, REGISTRY[name].planner(setting), evaluate, steps=steps).recommended

    def worth(self, schedule: BracketSchedule, welfare: WelfareName, target: WorkersName) -> float:
        """Return the equivalent that a schedule brings among workers of one kind."""
        evaluate = self._evaluator(_Seat(welfare, target), 3)
        checks = 1 if target == "rational" else self.config.checks
        return float(np.mean([float(evaluate.value(schedule).equivalent) for _ in range(checks)]))

    def _evaluator(self, seat: _Seat, purpose: int) -> Evaluator:
        welfare = self.config.aim(seat.welfare).welfare
        if seat.workers == "rational":
            return RationalEvaluator(self.economy, welfare)
        key = jax.random.fold_in(self.key, purpose)
        society = self.workforce.society(welfare, self.config.subsistence)
        return ModelEvaluator(society, steps=self.config.tax_year, key=key)


def _difference(own: Sequence[float], other: Sequence[float]) -> Measured:
    return bootstrap([(np.asarray(own) - np.asarray(other)).tolist()])


def _name(name: PlannerName, engine: Engine, law: str) -> str:
    entry = REGISTRY[name]
    return entry.title(nature(engine.describe())) if entry.is_model else titled(entry, law)
