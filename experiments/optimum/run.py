"""The best schedule: found two ways, checked by first-order conditions, bounded by theory."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from baselines.optimum import best_found, evolve
from econjax import AbstractWelfare, BracketSchedule, Economy
from econjax.optimal.mirrlees import mirrlees_bound
from econjax.planning import RationalEvaluator, Report
from experiments.optimum.config import OptimumConfig
from experiments.report.rates import Rates, rates_of


@dataclass(frozen=True)
class Optimum:
    """The best schedule found, in dollars a year of equivalent unless said otherwise.

    `gradients` is what multi-start gradient ascent and a simplex around its best found, `search`
    what differential evolution and a simplex found without gradients, and their counts the
    evaluations spent. `slopes` are dollars of equivalent per percentage point of each rate at the
    best, `share` is the share of people in each bracket, both of one group after the other where
    groups have rates of their own. `bound` is what no schedule of any form can pass on these
    workers, or None, and then `no_bound` says why.
    """

    rates: Rates
    equivalent: float
    rebate: float
    status_quo: float
    gradients: float
    gradient_counts: dict[str, int]
    search: float
    search_counts: dict[str, int]
    slopes: tuple[float, ...]
    share: tuple[float, ...]
    bound: float | None
    no_bound: str


def find_optimum(config: OptimumConfig) -> Optimum:
    """Run both searches and every check.

    Raises:
        ValueError: a choice that makes no search.
    """
    config.check()
    law, economy, welfare = config.status_quo(), config.economy(), config.function
    climber, searcher = (RationalEvaluator(economy, welfare) for _ in range(2))
    starts = [law] + [
        BracketSchedule(law.thresholds, jnp.full_like(law.rates, rate))
        for rate in (0.0, 0.3, 0.5, 0.8)
    ]
    climbed = best_found(climber, starts)
    searched = evolve(
        searcher,
        law.thresholds,
        common=law.rates.ndim == 1,
        seed=config.seed,
        generations=config.generations,
    )
    best = max((climbed, searched), key=lambda found: found.equivalent)
    report = RationalEvaluator(economy, welfare).value_and_grad(best.schedule)
    bound, reason = _bound(economy, welfare, law)
    return Optimum(
        rates=rates_of(best.schedule),
        equivalent=float(report.equivalent),
        rebate=float(report.rebate),
        status_quo=float(RationalEvaluator(economy, welfare).value(law).equivalent),
        gradients=climbed.equivalent,
        gradient_counts=climber.counts,
        search=searched.equivalent,
        search_counts=searcher.counts,
        slopes=_per_point(report),
        share=tuple(np.asarray(report.brackets.share, float).ravel().tolist()),
        bound=bound,
        no_bound=reason,
    )


def _bound(
    economy: Economy, welfare: AbstractWelfare, law: BracketSchedule
) -> tuple[float | None, str]:
    """Return what no schedule can pass, or None and why."""
    if law.groups is not None:
        return None, "each status has a schedule of its own, and the bound is for one for all."
    try:
        return mirrlees_bound(economy, welfare).equivalent, ""
    except ValueError as error:
        return None, str(error)


def _per_point(report: Report) -> tuple[float, ...]:
    assert report.gradient is not None
    return tuple((np.asarray(report.gradient, float).ravel() / 100).tolist())
