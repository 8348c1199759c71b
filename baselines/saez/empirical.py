"""The bracket formula of Saez (2001) with elasticities measured on the workers themselves."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Key

from baselines.saez.iterated import STATISTICS, SaezState
from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Report, require_law


class MeasuredElasticity(NamedTuple):
    """Elasticities of income with respect to the net-of-tax rate, one for each rate.

    Where `own` is false the bracket's own estimate was not positive, or nobody was in it, and
    `elasticity` is that of all brackets together; 0 if that is not positive either.
    """

    elasticity: Float[np.ndarray, " brackets"]
    own: Bool[np.ndarray, " brackets"]


class Study(NamedTuple):
    """Mean income and income that responds, heard of each perturbation; then the iteration."""

    incomes: tuple[float, ...]
    active: tuple[float, ...]
    measured: MeasuredElasticity | None
    iteration: SaezState


class EmpiricalSaezPlanner(NamedTuple):
    """Measure each bracket's elasticity by paired perturbation, then iterate the formula with them.

    For each bracket the rate of `start` is lowered by `size` (a share of a dollar), then raised:
    two evaluations. The change of mean income, over the change of the log net-of-tax rate times the
    income that responds to it, is the bracket's elasticity: to first order in `size` exact for
    workers of one elasticity within a bracket, and the one that the first-order condition needs for
    any others. Then it goes on as `SaezPlanner` does, and recommends the best schedule seen. Where
    no elasticity comes out positive there is nothing to iterate: it stays with the best
    perturbation. Nothing is told to it.

    Noise in mean income of s dollars a year puts an error of s (1 - rate) / (2^0.5 size active)
    into a bracket's estimate, with `active` the income there per head of the population: choose a
    larger `size` where workers are noisy or few.
    """

    start: BracketSchedule
    size: float = 0.05
    jumps: bool = True
    bounds: RateBounds = USUAL_BOUNDS
    observes = STATISTICS

    def init(self, key: Key[Array, ""]) -> Study:
        """Return a study without observations."""
        return Study((), (), None, SaezState.begin(require_law(self.start)))

    def ask(self, key: Key[Array, ""], state: Study) -> tuple[BracketSchedule, Study]:
        """Propose the next perturbation, or the iteration's rates."""
        if state.measured is None:
            rates = self._perturbations()[len(state.incomes)].reshape(self.start.rates.shape)
            return BracketSchedule(self.start.thresholds, rates), state
        iterates = np.all(state.measured.elasticity > 0)
        return state.iteration.ask(key, self.bounds) if iterates else self.recommend(state), state

    def tell(self, state: Study, schedule: BracketSchedule, report: Report) -> Study:
        """Note the response, or move toward the rates that the formula implies."""
        if state.measured is not None:
            elasticity = state.measured.elasticity.reshape(self.start.rates.shape)
            if not np.all(elasticity > 0):
                return state
            iteration = state.iteration.onward(
                schedule, report, elasticity=elasticity, jumps=self.jumps
            )
            return state._replace(iteration=iteration)
        incumbent = state.iteration.incumbent.or_better(schedule, report)
        bracket = len(state.incomes) // 2
        incomes = (*state.incomes, float(report.income))
        active = (*state.active, float(report.brackets.active.ravel()[bracket]))
        measured = (
            self._measure(incomes, active) if len(incomes) == 2 * self.start.rates.size else None
        )
        return Study(incomes, active, measured, state.iteration._replace(incumbent=incumbent))

    def recommend(self, state: Study) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.iteration.incumbent.schedule

    def _perturbations(self) -> Float[np.ndarray, "tries brackets"]:
        """Return the rates of each try: every bracket's lowered, then raised."""
        rates = np.asarray(self.start.rates, np.float64).ravel()
        moves = self.size * np.repeat(np.eye(rates.size), 2, axis=0)
        moves[::2] *= -1
        return np.clip(rates + moves, *self.bounds.interior_of(self.start.rates).T)

    def _measure(self, incomes: tuple[float, ...], active: tuple[float, ...]) -> MeasuredElasticity:
        brackets = np.repeat(np.arange(self.start.rates.size), 2)
        kept = np.log1p(-self._perturbations()[np.arange(brackets.size), brackets])
        gained = -np.diff(np.reshape(incomes, (-1, 2)), axis=1)[:, 0]
        at_stake = -np.diff(kept.reshape(-1, 2), axis=1)[:, 0] * np.reshape(active, (-1, 2)).mean(
            axis=1
        )
        seen = at_stake > 0
        own = np.where(seen, gained / np.where(seen, at_stake, 1), 0)
        pooled = gained[seen].sum() / at_stake[seen].sum() if seen.any() else 0.0
        return MeasuredElasticity(np.where(own > 0, own, max(pooled, 0.0)), own > 0)
