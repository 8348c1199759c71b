"""Evaluate schedules on workers who are language models: one evaluation is one tax year."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule, Economy
from econjax.planning import RationalEvaluator, Report, no_counts
from econjax.welfare import AbstractWelfare
from llm_policy.workers.lived import LivedStep
from llm_policy.workers.reports import mean_report
from llm_policy.workers.society import State

_COSTLIEST = 0.1  # of workers, whose part in the cost of errors is told


class Errors(NamedTuple):
    """What workers' errors cost in a year, in the unit of utility: a mean over its steps.

    `lost` is each worker's utility short of its own best at the rebate that was paid, without any
    bound; `bounded` the chance that its year counts as more than its utility. `weight` is the
    worker's in welfare: 0 of who was never understood.
    """

    lost: Float[np.ndarray, " agents"]
    bounded: Float[np.ndarray, " agents"]
    weight: Float[np.ndarray, " agents"]

    @property
    def cost(self) -> float:
        """The mean over workers."""
        return float(self.weight @ self.lost / self.weight.sum())

    @property
    def share_bounded(self) -> float:
        """The share of answers on which the bound acted."""
        return float(self.weight @ self.bounded / self.weight.sum())

    @property
    def share_of_costliest(self) -> float:
        """The share of the cost that falls on the costliest tenth of workers; 0 without a cost."""
        order = np.argsort(-self.lost)
        weight = self.weight[order] / self.weight.sum()
        before = np.cumsum(weight) - weight
        counts = np.clip(_COSTLIEST - before, 0, weight)
        whole = self.weight @ self.lost / self.weight.sum()
        return float(counts @ self.lost[order] / whole) if whole > 0 else 0.0


class LivedYear(NamedTuple):
    """A tax year as it came out: the report, what errors cost, and where it left the workers."""

    report: Report
    errors: Errors
    state: State


class ScoredStep(Protocol):
    """A step that was lived and scored, and the economy of those who count in it."""

    @property
    def economy(self) -> Economy:
        """The economy, in which whoever was not understood has no weight."""
        ...

    @property
    def lived(self) -> LivedStep | None:
        """The step as it counts."""
        ...


class LivesYears(Protocol):
    """Workers who are language models and live tax years, such as a `Society`."""

    @property
    def economy(self) -> Economy:
        """The economy that the workers are of."""
        ...

    @property
    def welfare(self) -> AbstractWelfare:
        """The welfare function that scores them."""
        ...

    def begin(self, schedule: BracketSchedule) -> State:
        """Return the state after a step 0 in which everybody works 40 hours under `schedule`."""
        ...

    def tax_year(
        self,
        key: Key[Array, ""],
        state: State,
        schedule: BracketSchedule,
        *,
        steps: int,
        on_step: Callable[[int, Any, Report], None] = ...,
    ) -> tuple[Report, State]:
        """Live `steps` steps; return their mean report, and call `on_step` after each.

        What that is told is a `ScoredStep`.
        """
        ...


class ModelEvaluator:
    """Report the mean over a tax year of `steps` answers by language-model workers.

    Every year starts from 40 hours a week for everyone, if memory is not kept, and draws with a key
    of its own, so no evaluation depends on the one before. With a state to go on from, `begun`,
    every year starts where the year before left the workers, who remember it: the order of
    schedules is part of the result. Whoever is not understood is left out of that step. Language
    models have no gradient: `value_and_grad` adds that of the same economy with rational workers,
    and `what_if` is theirs.
    """

    def __init__(
        self, society: LivesYears, *, steps: int, key: Key[Array, ""], begun: State | None = None
    ):
        """Hold the society; nothing is counted yet.

        Raises:
            ValueError: a tax year without a step.
        """
        if steps < 1:
            raise ValueError(f"A tax year has at least 1 step; got {steps}.")
        self.society, self.steps, self.key, self.state = society, steps, key, begun
        self.rational = RationalEvaluator(society.economy, society.welfare)
        self.counts = no_counts()

    def value(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year."""
        return self._tax_year("value", schedule)

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Return the report on a tax year, with the gradient that rational workers would bring."""
        return with_gradient(self._tax_year("gradient", schedule), self.rational, schedule)

    def what_if(self, schedule: BracketSchedule) -> Report:
        """Return the report on rational workers."""
        self.counts["what_if"] += 1
        return self.rational.value(schedule)

    def years(self, schedule: BracketSchedule, times: int) -> tuple[LivedYear, ...]:
        """Return as many independent years under a schedule, all begun where the workers are now.

        Nothing is counted, and nobody remembers them: they say what the schedule is worth.
        """
        return tuple(
            self._live(jax.random.fold_in(self.key, place), schedule) for place in range(times)
        )

    def _tax_year(self, kind: str, schedule: BracketSchedule) -> Report:
        key = jax.random.fold_in(self.key, self.counts["value"] + self.counts["gradient"])
        self.counts[kind] += 1
        year = self._live(key, schedule)
        if self.state is not None:
            self.state = year.state
        return year.report

    def _live(self, key: Key[Array, ""], schedule: BracketSchedule) -> LivedYear:
        seen: list[Errors] = []

        def on_step(number: int, step: ScoredStep, report: Report) -> None:
            assert step.lived is not None, "a step is scored before it is told"
            seen.append(
                Errors(
                    np.asarray(step.lived.lost, float),
                    np.asarray(step.lived.bounded, float),
                    np.asarray(step.economy.population.weight, float),
                )
            )

        begun = self.society.begin(schedule) if self.state is None else self.state
        report, state = self.society.tax_year(
            key, begun, schedule, steps=self.steps, on_step=on_step
        )
        return LivedYear(report, mean_errors(seen), state)


def mean_errors(errors: list[Errors]) -> Errors:
    """Return the mean over steps or years, each worker's by its weight in them."""
    weights = np.stack([one.weight for one in errors])
    whole = np.maximum(weights.sum(axis=0), 1e-300)
    lost, bounded = (
        (weights * np.stack([getattr(one, name) for one in errors])).sum(axis=0) / whole
        for name in ("lost", "bounded")
    )
    return Errors(lost, bounded, weights.mean(axis=0))


def mean_year(years: tuple[LivedYear, ...]) -> tuple[Report, Errors]:
    """Return the mean report of independent years, with its error, and of what errors cost."""
    report = mean_report([year.report for year in years])
    return report, mean_errors([year.errors for year in years])


def with_gradient(report: Report, rational: RationalEvaluator, schedule: BracketSchedule) -> Report:
    """Return the report with the gradient that rational workers would bring."""
    gradient = rational.value_and_grad(schedule).gradient
    return eqx.tree_at(lambda r: r.gradient, report, gradient, is_leaf=lambda leaf: leaf is None)
