"""A surrogate of language-model workers, refitted after every tax year, for a planner by gradient.

The workers are distilled from the answers of the planner's own tax years alone. It sees more of
each than others do: the probabilities of the workers' answers, and what the workers themselves are
told (their skills, prices of effort and personas). It never asks about a schedule that it does not
try.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule, Economy
from econjax.planning import Observation
from econjax.welfare import AbstractWelfare
from llm_policy.surrogate.expectation import forecast, recorded_value
from llm_policy.surrogate.network import Surrogate, fit
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.lived import SUBSISTENCE


class Scheduled(Protocol):
    """A schedule that the planner has tried."""

    @property
    def schedule(self) -> BracketSchedule:
        """The schedule."""
        ...


@dataclass(frozen=True)
class RefittedSurrogate:
    """What a surrogate predicts, and the expected value of each recorded tax year."""

    values: tuple[float, ...]
    surrogate: Surrogate
    person: Float[Array, "agents features"]
    economy: Economy
    welfare: AbstractWelfare
    steps: int
    subsistence: float | None = SUBSISTENCE

    def predict(
        self, schedule: BracketSchedule
    ) -> tuple[Float[Array, ""], Float[Array, " brackets"]]:
        """Return the expected equivalent of a tax year, and its gradient in the rates."""
        return _predict(
            self.surrogate,
            self.person,
            self.economy,
            self.welfare,
            schedule,
            steps=self.steps,
            subsistence=self.subsistence,
        )


@dataclass(frozen=True)
class SurrogateRefit:
    """Distils the workers anew from the tax years since `begun`, going on from the last fit.

    Raises:
        ValueError: at a call, trials that are not these tax years.
    """

    workers: RecordedWorkers
    welfare: AbstractWelfare
    steps: int
    begun: int
    subsistence: float | None = SUBSISTENCE

    @property
    def observes(self) -> tuple[Observation, ...]:
        """Recorded answers, and what workers are told."""
        return ("answers",)

    def __call__(
        self, key: Key[Array, ""], trials: Sequence[Scheduled], model: RefittedSurrogate | None
    ) -> RefittedSurrogate:
        """Return the model after all trials."""
        years = range(self.begun, len(self.workers.years))
        lived = [self.workers.years[year][0].schedule for year in years]
        if len(lived) != len(trials) or not eqx.tree_equal(lived[-1], trials[-1].schedule):
            raise ValueError(
                f"{len(trials)} trials are not the {len(lived)} tax years recorded: evaluate them "
                "on these workers, and nothing beside them."
            )
        economy, last = self.workers.economy, self.workers.years[-1]
        return RefittedSurrogate(
            values=(
                *(model.values if model else ()),
                recorded_value(
                    economy, self.welfare, last, self.workers.hours, subsistence=self.subsistence
                ),
            ),
            surrogate=fit(
                key,
                self.workers.recording(years),
                start=model.surrogate if model else None,
                steps=_REFIT_STEPS if model else _FIRST_STEPS,
            ),
            person=self.workers.person,
            economy=economy,
            welfare=self.welfare,
            steps=self.steps,
            subsistence=self.subsistence,
        )


_FIRST_STEPS, _REFIT_STEPS = 800, 300


@eqx.filter_jit
def _predict(
    surrogate: Surrogate,
    person: Float[Array, "agents features"],
    economy: Economy,
    welfare: AbstractWelfare,
    schedule: BracketSchedule,
    *,
    steps: int,
    subsistence: float | None,
) -> tuple[Float[Array, ""], Float[Array, " brackets"]]:
    def value(rates: Float[Array, " brackets"]) -> Float[Array, ""]:
        moved = eqx.tree_at(lambda s: s.rates, schedule, rates)
        return forecast(
            surrogate, person, economy, welfare, moved, steps=steps, subsistence=subsistence
        )

    return jax.value_and_grad(value)(schedule.rates)
