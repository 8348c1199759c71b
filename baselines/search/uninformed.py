"""Planners who know nothing: what they cover of the distance, trying and keeping the best covers.

Whatever a language model that plans is to be credited with must be measured against them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, Report, require_law

MOVES = (-0.2, -0.1, 0.0, 0.1, 0.2)
"""The changes of a rate, in shares, that a random walk draws from: those of a language model."""


class Stroll(NamedTuple):
    """The schedule tried last, and the best so far."""

    last: BracketSchedule
    incumbent: Incumbent


class RampPlanner(NamedTuple):
    """Try the law, then every rate higher by `step` than in the try before; recommend the best."""

    law: BracketSchedule
    step: float = 0.1
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> None:
        """Return nothing tried."""
        require_law(self.law)

    def ask(
        self, key: Key[Array, ""], state: Stroll | None
    ) -> tuple[BracketSchedule, Stroll | None]:
        """Propose the law, and then the next step up."""
        if state is None:
            return self.law, state
        return _moved(state, jnp.full_like(self.law.rates, self.step), self.bounds), state

    def tell(self, state: Stroll | None, schedule: BracketSchedule, report: Report) -> Stroll:
        """Keep the last and the better one."""
        return _heard(state, schedule, report)

    def recommend(self, state: Stroll | None) -> BracketSchedule:
        """Recommend the best try; before all the law."""
        return self.law if state is None else state.incumbent.schedule


class WalkPlanner(NamedTuple):
    """Try the law, then move each rate by one of `MOVES`, evenly drawn; recommend the best try.

    A rate that would pass a bound stops there. The walk goes on from the last try, good or bad.
    """

    law: BracketSchedule
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> None:
        """Return nothing tried."""
        require_law(self.law)

    def ask(
        self, key: Key[Array, ""], state: Stroll | None
    ) -> tuple[BracketSchedule, Stroll | None]:
        """Propose the law, and then the next step of the walk."""
        if state is None:
            return self.law, state
        moves = jax.random.choice(key, jnp.asarray(MOVES), self.law.rates.shape)
        return _moved(state, moves, self.bounds), state

    def tell(self, state: Stroll | None, schedule: BracketSchedule, report: Report) -> Stroll:
        """Keep the last and the better one."""
        return _heard(state, schedule, report)

    def recommend(self, state: Stroll | None) -> BracketSchedule:
        """Recommend the best try; before all the law."""
        return self.law if state is None else state.incumbent.schedule


def _moved(state: Stroll, moves: Float[Array, " brackets"], bounds: RateBounds) -> BracketSchedule:
    """Return the last schedule after moves, within the bounds."""
    rates = state.last.rates + moves.astype(state.last.rates.dtype)
    return BracketSchedule(state.last.thresholds, bounds.nearest(rates))


def _heard(state: Stroll | None, schedule: BracketSchedule, report: Report) -> Stroll:
    best = Incumbent.none(schedule) if state is None else state.incumbent
    return Stroll(schedule, best.or_better(schedule, report))
