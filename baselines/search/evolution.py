"""Evolution with adapted covariance (CMA-ES): search by values alone, one individual at a time."""

import copy
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from cmaes import CMA
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, Report, require_law, to_learn_from, worth


class EvolutionState(NamedTuple):
    """The distribution individuals are drawn from, and what was heard of this generation's so far.

    `strategy` is never changed in place. `heard` holds pairs of a position and its loss, minus the
    equivalent in dollars.
    """

    strategy: CMA
    heard: tuple[tuple[Float[np.ndarray, " brackets"], float], ...]
    incumbent: Incumbent


class EvolutionPlanner(NamedTuple):
    """Draw around `start` from a normal distribution that learns from ranks; recommend the best.

    CMA-ES (Hansen 2016, arXiv 1604.00772), as the `cmaes` package has it, in -log(1 - rate), the
    scale on which workers respond: the first draws have a standard deviation of `spread` there, 4 +
    3 log(brackets) individuals make a generation unless `size` says otherwise. It sees values only,
    and only their order counts. When the distribution has shrunk to nothing, it begins again around
    the best seen with twice the individuals (Auger and Hansen 2005). Rates stay within
    the `bounds`.
    """

    start: BracketSchedule
    spread: float = 0.3
    size: int | None = None
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> EvolutionState:
        """Return the distribution around the start."""
        start = require_law(self.start)
        return EvolutionState(self._strategy(start, self.size), (), Incumbent.none(start))

    def ask(
        self, key: Key[Array, ""], state: EvolutionState
    ) -> tuple[BracketSchedule, EvolutionState]:
        """Propose one individual, drawn with the key."""
        strategy = copy.deepcopy(state.strategy)
        strategy.reseed_rng(int(jax.random.bits(key, dtype=jnp.uint32)))
        rates = self.bounds.nearest(
            jnp.asarray(-np.expm1(-strategy.ask()), float).reshape(self.start.rates.shape)
        )
        return BracketSchedule(self.start.thresholds, rates), state

    def tell(
        self, state: EvolutionState, schedule: BracketSchedule, report: Report
    ) -> EvolutionState:
        """Note the individual; adapt the distribution once the generation is complete.

        Of infinitely bad individuals none is better than another.
        """
        incumbent = state.incumbent.or_better(schedule, report)
        heard = (*state.heard, (self._position(schedule), -worth(report)))
        if len(heard) < state.strategy.population_size:
            return EvolutionState(state.strategy, heard, incumbent)
        strategy = copy.deepcopy(state.strategy)
        positions, losses = zip(*heard, strict=True)
        ranked = -to_learn_from(-np.array(losses))
        strategy.tell(list(zip(positions, ranked.tolist(), strict=True)))
        reach = np.ptp(positions, axis=0)
        if strategy.should_stop() or np.all(reach < _NOTHING):
            strategy = self._strategy(incumbent.schedule, 2 * strategy.population_size)
        return EvolutionState(strategy, (), incumbent)

    def recommend(self, state: EvolutionState) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.incumbent.schedule

    def _strategy(self, centre: BracketSchedule, size: int | None) -> CMA:
        mean, bounds = self._position(centre), self._box(centre)
        return CMA(mean=mean, sigma=self.spread, bounds=bounds, population_size=size, seed=0)

    def _box(self, schedule: BracketSchedule) -> Float[np.ndarray, "brackets 2"]:
        return -np.log1p(-self.bounds.interior_of(schedule.rates))

    def _position(self, schedule: BracketSchedule) -> Float[np.ndarray, " brackets"]:
        box, rates = (
            self.bounds.interior_of(schedule.rates),
            np.asarray(schedule.rates, np.float64).ravel(),
        )
        return np.clip(-np.log1p(-np.clip(rates, *box.T)), *self._box(schedule).T)


_NOTHING = 1e-6  # what single precision sees of a rate
