"""The best schedule that can be found with no limit on evaluations: the yardstick of regret."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import optimize

from baselines.gradient.ascent import GradientPlanner
from baselines.gradient.parametrisation import LogNetRates
from baselines.search.evolution import EvolutionPlanner
from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Evaluator, plan, worth


class BestFound(NamedTuple):
    """A schedule and its equivalent."""

    schedule: BracketSchedule
    equivalent: float


def best_found(
    evaluate: Evaluator,
    starts: list[BracketSchedule],
    *,
    steps: int = 80,
    most: int = 600,
    bounds: RateBounds = USUAL_BOUNDS,
) -> BestFound:
    """Return the best schedule found by gradients from every start, then a simplex around it.

    "Best found", not proven best, and by one method polished by another. The gradient planner
    climbs `steps` times from each of `starts`; `simplex` then searches for up to `most`
    evaluations.
    """
    climbed = climb(evaluate, starts, steps=steps, bounds=bounds)
    return simplex(evaluate, climbed.schedule, most=most, bounds=bounds)


def climb(
    evaluate: Evaluator,
    starts: list[BracketSchedule],
    *,
    steps: int = 80,
    bounds: RateBounds = USUAL_BOUNDS,
) -> BestFound:
    """Return the best the gradient planner finds in `steps` evaluations from any of `starts`."""
    key = jax.random.key(0)
    where = LogNetRates(bounds)
    planners = [GradientPlanner(start, coordinates=where) for start in starts]
    plans = [plan(key, planner, evaluate, steps=steps) for planner in planners]
    tried = [pair for p in plans for pair in zip(p.schedules, p.reports, strict=True)]
    schedule, report = max(tried, key=lambda pair: worth(pair[1]))
    return BestFound(schedule, worth(report))


def evolve(
    evaluate: Evaluator,
    thresholds: Float[Array, "*groups brackets"],
    *,
    common: bool = False,
    seed: int = 0,
    generations: int = 40,
    bounds: RateBounds = USUAL_BOUNDS,
) -> BestFound:
    """Return the best of differential evolution, then a simplex, from scratch, without gradients.

    Storn and Price (1997), as scipy has it, on rates within the `bounds`; 128 schedules a
    generation for seven brackets. Rates in `common` are the same in all groups.
    """
    shape = thresholds.shape[-1:] if common else thresholds.shape
    like = BracketSchedule(thresholds, jnp.zeros(shape, thresholds.dtype))
    loss = _loss(evaluate, like)
    found = optimize.differential_evolution(
        loss,
        bounds.interior_of(like.rates),
        popsize=10,
        maxiter=generations,
        tol=1e-7,
        rng=seed,
        polish=False,
        init="sobol",
    )
    return simplex(evaluate, _with_rates(like, found.x), most=1200, bounds=bounds)


def adapt(
    evaluate: Evaluator,
    thresholds: Float[Array, " brackets"],
    *,
    seed: int = 0,
    evaluations: int = 1500,
    most: int = 600,
) -> BestFound:
    """Return the best that CMA-ES and then a simplex find, from scratch, without gradients.

    `EvolutionPlanner` begins at a flat 50 % and has `evaluations`; `simplex` then searches around
    its best for up to `most`. About a third of what `evolve` spends.
    """
    start = BracketSchedule(thresholds, jnp.full_like(jnp.asarray(thresholds, float), 0.5))
    found = plan(jax.random.key(seed), EvolutionPlanner(start), evaluate, steps=evaluations)
    return simplex(evaluate, found.recommended, most=most)


def simplex(
    evaluate: Evaluator,
    schedule: BracketSchedule,
    *,
    most: int,
    bounds: RateBounds = USUAL_BOUNDS,
) -> BestFound:
    """Return the best that Nelder-Mead (scipy) finds around a schedule, on exact, step-like values.

    Rates stay within the `bounds`; those of the schedule that are not are moved there first.
    """
    box = bounds.interior_of(schedule.rates)
    centre = np.clip(np.asarray(schedule.rates, float).ravel(), *box.T)
    start = np.vstack([centre, centre + 0.01 * np.diag(np.where(centre > 0.95, -1.0, 1.0))])
    options = {
        "initial_simplex": start,
        "maxfev": most,
        "adaptive": True,
        "fatol": 1e-6,
        "xatol": 1e-7,
    }
    found = optimize.minimize(
        _loss(evaluate, schedule),
        centre,
        method="Nelder-Mead",
        bounds=box,
        options=options,
    )
    return BestFound(_with_rates(schedule, found.x), _equivalent(found.fun))


def _equivalent(loss: float) -> float:
    return -float(loss) if loss < _INFINITE else -np.inf


def _loss(evaluate: Evaluator, like: BracketSchedule):
    def loss(rates: np.ndarray) -> float:
        return min(-worth(evaluate.value(_with_rates(like, rates))), _INFINITE)

    return loss


def _with_rates(schedule: BracketSchedule, rates: np.ndarray) -> BracketSchedule:
    """Return the schedule with other rates, given as one list."""
    return BracketSchedule(schedule.thresholds, jnp.asarray(rates).reshape(schedule.rates.shape))


_INFINITE = 1e30  # a loss that is worse than any and that methods can compute with
