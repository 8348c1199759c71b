"""A planner of one's own: four functions and what it observes; a walk that keeps what is better."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import econjax as ej
from baselines import RandomSearch
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, require_law


class Walk(NamedTuple):
    """Move all rates by a little from the best schedule so far; recommend the best."""

    start: ej.BracketSchedule
    spread: float = 0.05
    bounds: RateBounds = USUAL_BOUNDS
    observes = VALUE

    def init(self, key) -> Incumbent:
        """Return a state in which nothing was tried."""
        return Incumbent.none(require_law(self.start))

    def ask(self, key, state):
        """Propose the start, and then a step from the best."""
        if not jnp.isfinite(state.equivalent):
            return self.start, state
        best = state.schedule.rates
        step = self.spread * jax.random.normal(key, best.shape, best.dtype)
        rates = self.bounds.nearest(best + step)
        return ej.BracketSchedule(self.start.thresholds, rates), state

    def tell(self, state, schedule, report):
        """Keep the better one."""
        return state.or_better(schedule, report)

    def recommend(self, state):
        """Recommend the best schedule tried."""
        return state.schedule


def main(workers: int = 500, evaluations: int = 40) -> None:
    """Let the walk and a random search plan for the same economy."""
    law = ej.us_federal(2024)
    population = ej.calibrate(ej.gb2(workers), law)
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(0.25))
    for planner in (Walk(law), RandomSearch(law)):
        evaluate = ej.RationalEvaluator(economy, ej.Atkinson(1.0))
        found = ej.plan(jax.random.key(0), planner, evaluate, steps=evaluations)
        best = evaluate.value(found.recommended).equivalent
        print(f"{type(planner).__name__}: ${best:,.0f} after {evaluations} evaluations")


if __name__ == "__main__":
    main()
