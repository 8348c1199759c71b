"""Search by moving one rate at a time, then all the moves that paid together."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, Report, require_law, worth


class CoordinateSearchState(NamedTuple):
    """Where a sweep stands: around `centre`, worth `value`, with the moves of pass `number`.

    `value` is None until it is heard. Rates are in one list, of one group after the other where
    groups have their own. `moves` are pairs of a bracket and its rate, still to be
    tried; `winners` the best rates found for each bracket on its own and `values` what they
    brought; `composite` says whether the winners have been proposed together.
    """

    centre: Float[np.ndarray, " brackets"]
    value: float | None
    number: int
    moves: tuple[tuple[int, float], ...]
    winners: Float[np.ndarray, " brackets"]
    values: Float[np.ndarray, " brackets"]
    composite: bool
    incumbent: Incumbent


class CoordinateSearch(NamedTuple):
    """Move each rate of `start` up and down alone, then the best ones together; recommend the best.

    A pass tries plus and minus each of its steps (shares of a dollar) in each bracket, and then the
    schedule with every bracket's best rate, which becomes the next pass's centre unless something
    seen is better. `passes` are a coarse and a fine one as in the LLM Economist's perturbation
    refinement (arXiv 2507.15815, its code: plus and minus 10, 5 and 2 points, then 3 and 1): 1 + 42
    + 1 + 28 + 1 = 73 evaluations for seven brackets. Later passes halve the last one's steps. Rates
    stay within [0, 0.99].
    """

    start: BracketSchedule
    passes: tuple[tuple[float, ...], ...] = ((0.10, 0.05, 0.02), (0.03, 0.01))
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> CoordinateSearchState:
        """Return the first pass, whose centre is not yet worth anything."""
        start = self.bounds.keep(require_law(self.start))
        return self._around(np.asarray(start.rates, float).ravel(), None, 0, Incumbent.none(start))

    def ask(
        self, key: Key[Array, ""], state: CoordinateSearchState
    ) -> tuple[BracketSchedule, CoordinateSearchState]:
        """Propose the centre, a move from it, or the moves that paid together."""
        rates = state.centre
        if state.composite:
            rates = state.winners
        elif state.value is not None:
            bracket, rate = state.moves[0]
            rates = np.where(np.arange(rates.size) == bracket, rate, rates)
        rates = rates.reshape(self.start.rates.shape)
        return BracketSchedule(self.start.thresholds, rates), state

    def tell(
        self, state: CoordinateSearchState, schedule: BracketSchedule, report: Report
    ) -> CoordinateSearchState:
        """Note what the move brought; go on from the best after the last one."""
        value, incumbent = worth(report), state.incumbent.or_better(schedule, report)
        if state.composite:
            best = np.asarray(incumbent.schedule.rates, float).ravel()
            return self._around(best, float(incumbent.equivalent), state.number + 1, incumbent)
        if state.value is None:
            values = np.full_like(state.centre, value)
            return state._replace(value=value, values=values, incumbent=incumbent)
        (bracket, rate), moves = state.moves[0], state.moves[1:]
        winners, values = state.winners.copy(), state.values.copy()
        if value > values[bracket]:
            winners[bracket], values[bracket] = rate, value
        return state._replace(
            moves=moves, winners=winners, values=values, composite=not moves, incumbent=incumbent
        )

    def recommend(self, state: CoordinateSearchState) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.incumbent.schedule

    def _around(
        self,
        centre: Float[np.ndarray, " brackets"],
        value: float | None,
        number: int,
        incumbent: Incumbent,
    ) -> CoordinateSearchState:
        halvings = max(number - len(self.passes) + 1, 0)
        steps = self.passes[min(number, len(self.passes) - 1)]
        box = self.bounds.interior_of(self.start.rates)
        rates = [
            (j, float(np.clip(rate + sign * step / 2**halvings, *box[j])))
            for j, rate in enumerate(centre)
            for step in steps
            for sign in (1, -1)
        ]
        moves = tuple((j, rate) for j, rate in dict.fromkeys(rates) if rate != centre[j])
        values = np.full_like(centre, -np.inf if value is None else value)
        return CoordinateSearchState(
            centre, value, number, moves, centre, values, not moves, incumbent
        )
