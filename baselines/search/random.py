"""Search without gradients: rates drawn at random, and the best flat rate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, Report, require_law, worth


class RandomSearch(NamedTuple):
    """Draw every bracket's rate independently and evenly within the bounds; recommend the best."""

    law: BracketSchedule
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> Incumbent:
        """Return no incumbent yet."""
        return Incumbent.none(_flat(require_law(self.law), jnp.zeros(())))

    def ask(self, key: Key[Array, ""], state: Incumbent) -> tuple[BracketSchedule, Incumbent]:
        """Propose a draw."""
        low, high = self.bounds.each_of(self.law.rates)
        share = jax.random.uniform(key, self.law.rates.shape, self.law.rates.dtype)
        rates = self.bounds.nearest(low + (high - low) * share)
        return BracketSchedule(self.law.thresholds, rates), state

    def tell(self, state: Incumbent, schedule: BracketSchedule, report: Report) -> Incumbent:
        """Keep the better one."""
        return state.or_better(schedule, report)

    def recommend(self, state: Incumbent) -> BracketSchedule:
        """Recommend the best draw."""
        return state.schedule


class FlatSearchState(NamedTuple):
    """The interval of a golden-section search: `points` inside `ends`, and what each brought."""

    ends: tuple[float, float]
    points: tuple[float, float]
    values: tuple[float | None, float | None]
    incumbent: Incumbent


class FlatSearch(NamedTuple):
    """Search the best flat rate within the bounds by golden section; recommend the best seen.

    The interval shrinks by 0.618 with every evaluation after the first, to 1e-8 after 40. It keeps
    the best rate inside if welfare has one peak in the rate.
    """

    law: BracketSchedule
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> FlatSearchState:
        """Return the whole interval with two points to try.

        Raises:
            ValueError: bounds that no flat rate keeps.
        """
        incumbent = Incumbent.none(_flat(require_law(self.law), jnp.zeros(())))
        box = self.bounds.box(self.law.rates.shape[-1])
        low, high = float(box[:, 0].max()), float(box[:, 1].min())
        if low > high:
            raise ValueError(f"No flat rate is within bounds {self.bounds}.")
        first, second = (low + share * (high - low) for share in (1 - _GOLDEN, _GOLDEN))
        return FlatSearchState((low, high), (first, second), (None, None), incumbent)

    def ask(
        self, key: Key[Array, ""], state: FlatSearchState
    ) -> tuple[BracketSchedule, FlatSearchState]:
        """Propose the point not yet tried."""
        rate = state.points[0] if state.values[0] is None else state.points[1]
        return _flat(self.law, jnp.asarray(rate)), state

    def tell(
        self, state: FlatSearchState, schedule: BracketSchedule, report: Report
    ) -> FlatSearchState:
        """Drop the part of the interval beyond the worse point, once both are known."""
        value, (left, right) = worth(report), state.values
        left, right = (value, right) if left is None else (left, value)
        state = state._replace(
            values=(left, right), incumbent=state.incumbent.or_better(schedule, report)
        )
        if right is None:
            return state
        (low, high), (a, b) = state.ends, state.points
        if left > right:
            return state._replace(
                ends=(low, b), points=(b - _GOLDEN * (b - low), a), values=(None, left)
            )
        return state._replace(
            ends=(a, high), points=(b, a + _GOLDEN * (high - a)), values=(right, None)
        )

    def recommend(self, state: FlatSearchState) -> BracketSchedule:
        """Recommend the best rate seen."""
        return state.incumbent.schedule


_GOLDEN = (5**0.5 - 1) / 2


def _flat(law: BracketSchedule, rate: Float[Array, ""]) -> BracketSchedule:
    return BracketSchedule(law.thresholds, jnp.full_like(law.rates, rate))
