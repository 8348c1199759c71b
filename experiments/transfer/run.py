"""What schedules are worth to other workers than their own: rational ones, language models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.planning import Evaluator, RationalEvaluator, plan
from experiments.core.config import PlannerName, WelfareName
from experiments.core.registry import REGISTRY, PlanningContext, titled
from experiments.core.workforce import Workforce, workforce_of
from experiments.report.disclosure import nature
from experiments.report.intervals import Measured, bootstrap
from experiments.transfer.config import TransferConfig
from experiments.validity.config import are_models
from llm_policy.engines.base import Engine
from llm_policy.workers.evaluator import ModelEvaluator


@dataclass(frozen=True)
class Transfer:
    """One planner that learned from workers of one kind: dollars a year of equivalent per head.

    Kinds are as `config.label` calls them.
    `on` holds the mean over seeds, by the kind of workers under whom its schedules were enacted,
    and `lost` what these brought less than those that the same planner learned from the workers
    themselves, seed by seed, if it can learn from them. `worth` is what each seed's schedule of
    `schedules` brought, by the kind of workers.
    """

    welfare: str
    planner: str
    learned_from: str
    on: dict[str, Measured]
    lost: dict[str, Measured]
    worth: dict[str, tuple[float, ...]] = field(default_factory=dict)
    schedules: tuple[BracketSchedule, ...] = ()


def transfer(
    config: TransferConfig,
    engine: Engine | None,
    progress: Callable[[str], None] = lambda what: None,
) -> list[Transfer]:
    """Let every planner learn from all kinds of workers, and measure each schedule on all.

    All schedules of a seed meet the same people and the same draws. Planners have as many
    evaluations among workers of each kind as in `compare`.

    Raises:
        ValueError: a choice that makes no comparison.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    kinds = [config.label(workers) for workers in config.workers]
    found: dict[tuple[str, str, str, str], list[float]] = {}
    schedules: dict[tuple[str, str, str], list[BracketSchedule]] = {}
    for seed in range(config.seeds):
        place = _Place(config, engine, jax.random.key(config.seed + seed))
        for welfare in config.welfare:
            for name in config.roster:
                for source in _sources(name, kinds):
                    progress(
                        f"seed {seed + 1} of {config.seeds}, {config.aim(welfare).name}: "
                        f"{REGISTRY[name].name}"
                    )
                    schedule = place.learned(name, welfare, source)
                    schedules.setdefault((welfare, name, source), []).append(schedule)
                    for target in kinds:
                        worth = place.worth(schedule, welfare, target)
                        found.setdefault((welfare, name, source, target), []).append(worth)
    return [
        Transfer(
            config.aim(welfare).name,
            _name(name, engine, config.law_title),
            source,
            {target: bootstrap([found[welfare, name, source, target]]) for target in kinds},
            {
                target: _difference(
                    found[welfare, name, target, target], found[welfare, name, source, target]
                )
                for target in _sources(name, kinds)
            },
            {target: tuple(found[welfare, name, source, target]) for target in kinds},
            tuple(schedules[welfare, name, source]),
        )
        for welfare in config.welfare
        for name in config.roster
        for source in _sources(name, kinds)
    ]


def _sources(name: PlannerName, kinds: Sequence[str]) -> list[str]:
    """Return the kinds of workers whom a planner can learn from."""
    only_models = REGISTRY[name].needs_models
    return [kind for kind in kinds if are_models(kind) or not only_models]


class _Seat(NamedTuple):
    """What a schedule is measured on."""

    welfare: WelfareName
    workers: str


@dataclass
class _Place:
    """The people of one seed, of each kind."""

    config: TransferConfig
    engine: Engine | None
    key: Key[Array, ""]

    def __post_init__(self) -> None:
        self.law = self.config.status_quo()
        self.economy = self.config.economy()
        key = jax.random.fold_in(self.key, 0)
        models = [kind for kind in self.config.workers if are_models(kind)]
        self.workforces = {self.config.label(kind): self._workforce(kind, key) for kind in models}

    def _workforce(self, kind: str, key: Key[Array, ""]) -> Workforce:
        """Return language models of a kind: those of the formula where no model is asked."""
        config, corrected = self.config, self.config.correction_of(kind)
        engine = self.engine if config.model_works(kind) else None
        correction = corrected and corrected.as_correction()
        return workforce_of(config, self.economy, engine, key, correction=correction)

    def learned(self, name: PlannerName, welfare: WelfareName, source: str) -> BracketSchedule:
        """Return what a planner recommends after meeting workers of one kind."""
        tries = self.config.evaluations[are_models(source)]
        aim, met = self.config.aim(welfare), self.workforces.get(source)
        workers = met and met.workers
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

    def worth(self, schedule: BracketSchedule, welfare: WelfareName, target: str) -> float:
        """Return the equivalent that a schedule brings among workers of one kind."""
        evaluate = self._evaluator(_Seat(welfare, target), 3)
        checks = 1 if target == "rational" else self.config.checks
        return float(np.mean([float(evaluate.value(schedule).equivalent) for _ in range(checks)]))

    def _evaluator(self, seat: _Seat, purpose: int) -> Evaluator:
        welfare = self.config.aim(seat.welfare).welfare
        if seat.workers == "rational":
            return RationalEvaluator(self.economy, welfare)
        key = jax.random.fold_in(self.key, purpose)
        society = self.workforces[seat.workers].society(welfare, self.config.subsistence)
        return ModelEvaluator(society, steps=self.config.tax_year, key=key)


def _difference(own: Sequence[float], other: Sequence[float]) -> Measured:
    return bootstrap([(np.asarray(own) - np.asarray(other)).tolist()])


def _name(name: PlannerName, engine: Engine | None, law: str) -> str:
    entry = REGISTRY[name]
    if entry.is_model and engine is not None:
        return entry.title(nature(engine.describe()))
    return titled(entry, law)
