"""Gradient ascent on the equivalent, with an optimiser from optax, from one start or several."""

import functools
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from baselines.gradient.parametrisation import AbstractCoordinates, LogNetRates
from baselines.search.local import PATIENCE, LocalSearch
from econjax import BracketSchedule
from econjax.planning import CLIMBS, Incumbent, Report, require_law, worth


@functools.cache
def lbfgs(longest: float = 0.5) -> optax.GradientTransformation:
    """Return L-BFGS with 10 steps in mind and no line search, so that each evaluation is a step.

    Every component of a step is cut to the `longest`, in the unit of the planner's coordinates;
    of more than 7 components to less, so that no step is longer than one of 7 may be.
    """

    def cut(step: Any, _: Any) -> Array:
        most = longest * min(1.0, math.sqrt(_USUAL / step.size))
        return jnp.clip(step, -most, most)

    direction = optax.chain(optax.scale_by_lbfgs(memory_size=10), optax.scale(-1.0))
    return optax.chain(direction, optax.stateless(cut))


_USUAL = 7
"""Brackets of the federal law."""


@functools.cache
def adam(rate: float = 0.1) -> optax.GradientTransformation:
    """Return Adam (Kingma and Ba 2015) for some dozens of evaluations.

    Steps begin at `rate`, in the unit of the planner's coordinates, and are half as long after 20.
    It remembers squared slopes at 0.95, not 0.999. It often loses for some steps on its way: have
    `patience`.
    """
    return optax.adam(lambda step: rate / (1 + step / 20), b1=0.8, b2=0.95)


class GradientState(NamedTuple):
    """Where the optimiser stands: it climbs next from `position`, in the planner's coordinates.

    `near` tries points near the incumbent once the climb has ended.
    """

    position: Float[Array, " brackets"]
    optimiser: optax.OptState
    incumbent: Incumbent
    near: LocalSearch


class GradientPlanner(NamedTuple):
    """Climb the gradient of the log equivalent, from `start`; recommend the best seen.

    The `coordinates` are where it climbs, and hold the bounds of rates: no proposal is outside
    them. By default they are -log(1 - rate), the scale on which workers respond, and rates in
    [-0.8, 0.999]. The optimiser is `lbfgs()`, `adam()` or any `optax.GradientTransformation` that
    minimises. It hears the slope without what leads out of the bounds, and its steps are projected
    to them. A bracket that nobody is in has no gradient: start from rates at which somebody is.

    Once the climb has brought nothing for `patience` evaluations, the rest are trials of
    `LocalSearch`.
    """

    start: BracketSchedule
    optimiser: optax.GradientTransformation = lbfgs()
    patience: int = PATIENCE
    coordinates: AbstractCoordinates = LogNetRates()
    observes = CLIMBS

    def init(self, key: Key[Array, ""]) -> GradientState:
        """Return the start, moved into the bounds."""
        start = self.coordinates.bounds.nearest(require_law(self.start).rates)
        position = self.coordinates.position(start)
        return GradientState(
            position,
            self.optimiser.init(position),
            Incumbent.none(BracketSchedule(self.start.thresholds, start)),
            LocalSearch.begin(self.patience),
        )

    def ask(
        self, key: Key[Array, ""], state: GradientState
    ) -> tuple[BracketSchedule, GradientState]:
        """Propose the optimiser's next point, or one near the incumbent."""
        best = self.coordinates.position(state.incumbent.schedule.rates)
        trial = self.coordinates.nearest(best + state.near.step(key, best))
        position = trial if state.near.searches else state.position
        return BracketSchedule(self.start.thresholds, self.coordinates.legal_rates(position)), state

    def tell(
        self, state: GradientState, schedule: BracketSchedule, report: Report
    ) -> GradientState:
        """Take a step along the gradient heard, or keep the trial point if it is better.

        From an infinitely bad point, which has no gradient, it goes half of the way back to the
        best.

        Raises:
            ValueError: no gradient was heard, or one that is not finite of a finite equivalent.
        """
        if worth(report) == -math.inf:
            return self._retreat(state)
        if report.gradient is None or not jnp.all(jnp.isfinite(report.gradient)):
            raise ValueError(
                f"No step can be taken from rates {schedule.rates} with gradient {report.gradient}."
            )
        gains = bool(report.equivalent > state.incumbent.equivalent)
        if state.incumbent.is_lost and state.near.searches:  # the first to climb from
            begun = self.coordinates.position(schedule.rates)
            state = state._replace(position=begun, near=LocalSearch.begin(self.patience))
        incumbent = state.incumbent.or_better(schedule, report)
        if state.near.searches:
            return state._replace(incumbent=incumbent, near=state.near.heard(gains))
        slope = report.gradient / jnp.maximum(report.equivalent, 1.0)
        position, optimiser = _step(
            self.optimiser, self.coordinates, state.position, state.optimiser, slope
        )
        return GradientState(position, optimiser, incumbent, state.near.heard(gains))

    def recommend(self, state: GradientState) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.incumbent.schedule

    def _retreat(self, state: GradientState) -> GradientState:
        if state.incumbent.is_lost:
            return state._replace(near=state.near.lost())
        best = self.coordinates.position(state.incumbent.schedule.rates)
        back = state.position if state.near.searches else (state.position + best) / 2
        return state._replace(position=back, near=state.near.heard(False))


class MultiStart(NamedTuple):
    """Let gradient planners take turns from several starts; recommend what the best of them does.

    After `rounds` turns each, whoever has heard the highest equivalent has all further evaluations.

    Raises:
        ValueError: no planner (at `init`).
    """

    planners: tuple[GradientPlanner, ...]
    rounds: int = 8
    observes = CLIMBS

    def init(self, key: Key[Array, ""]) -> "MultiStartState":
        """Return everybody's start."""
        if not self.planners:
            raise ValueError("Give at least one planner to start from.")
        return MultiStartState(0, tuple(planner.init(key) for planner in self.planners))

    def ask(
        self, key: Key[Array, ""], state: "MultiStartState"
    ) -> tuple[BracketSchedule, "MultiStartState"]:
        """Propose what the planner whose turn it is does."""
        whose = self._whose(state)
        schedule, own = self.planners[whose].ask(key, state.ascents[whose])
        return schedule, state.with_one(whose, own)

    def tell(
        self, state: "MultiStartState", schedule: BracketSchedule, report: Report
    ) -> "MultiStartState":
        """Let the same planner hear it."""
        whose = self._whose(state)
        own = self.planners[whose].tell(state.ascents[whose], schedule, report)
        return state.with_one(whose, own)._replace(heard=state.heard + 1)

    def recommend(self, state: "MultiStartState") -> BracketSchedule:
        """Recommend the best schedule that any of them has seen."""
        best = state.leader
        return self.planners[best].recommend(state.ascents[best])

    def _whose(self, state: "MultiStartState") -> int:
        turns = self.rounds * len(self.planners)
        return state.heard % len(self.planners) if state.heard < turns else state.leader


class MultiStartState(NamedTuple):
    """How many evaluations were heard by all, and where each planner stands."""

    heard: int
    ascents: tuple[GradientState, ...]

    @property
    def leader(self) -> int:
        """The planner that has heard the highest equivalent."""
        values = [float(ascent.incumbent.equivalent) for ascent in self.ascents]
        return values.index(max(values))

    def with_one(self, whose: int, ascent: GradientState) -> "MultiStartState":
        """Return the turns with one planner's state replaced."""
        ascents = (*self.ascents[:whose], ascent, *self.ascents[whose + 1 :])
        return self._replace(ascents=ascents)


@eqx.filter_jit
def _step(
    optimiser: optax.GradientTransformation,
    coordinates: AbstractCoordinates,
    position: Float[Array, " brackets"],
    state: optax.OptState,
    gradient: Float[Array, " brackets"],
) -> tuple[Float[Array, " brackets"], optax.OptState]:
    """Return the position a step up the `gradient` in rates, and the optimiser's new state."""
    change, state = optimiser.update(-coordinates.legal_slope(position, gradient), state, position)
    return coordinates.nearest(jnp.asarray(optax.apply_updates(position, change))), state
