"""The best schedule that can be found with no limit on evaluations: the yardstick of regret."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from baselines.gradient import GradientPlanner
from econjax import BracketSchedule
from econjax.planning import Evaluator, plan


def best_found(
    evaluate: Evaluator, starts: list[BracketSchedule], *, steps: int = 80, polish: int = 600
) -> BracketSchedule:
    """Return the best schedule that gradients from every start, and then a simplex search around it, find.

    "Best found", not proven best, and by one method polished by another. The gradient planner climbs
    `steps` times from each of `starts`; Nelder-Mead (scipy) then searches the exact, step-like values
    for up to `polish` evaluations.
    """
    key = jax.random.key(0)
    plans = [plan(key, GradientPlanner(start), evaluate, steps=steps) for start in starts]
    best = max(
        (schedule_report for p in plans for schedule_report in zip(p.schedules, p.reports, strict=True)),
        key=lambda schedule_report: float(schedule_report[1].equivalent),
    )[0]

    def loss(rates: np.ndarray) -> float:
        return -float(evaluate.value(BracketSchedule(best.thresholds, jnp.asarray(rates))).equivalent)

    centre = np.asarray(best.rates)
    simplex = np.vstack([centre, centre + 0.01 * np.diag(np.where(centre > 0.95, -1.0, 1.0))])
    options = {"initial_simplex": simplex, "maxfev": polish, "adaptive": True, "fatol": 1e-6, "xatol": 1e-7}
    found = optimize.minimize(
        loss, centre, method="Nelder-Mead", bounds=[(-0.999, 0.999)] * centre.size, options=options
    )
    return BracketSchedule(best.thresholds, jnp.asarray(found.x))
