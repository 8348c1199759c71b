"""The best schedule: found two ways, checked by first-order conditions, bounded by theory."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from rich.console import Console

from baselines.optimum import best_found, evolve
from econjax import AbstractWelfare, BracketSchedule, Economy
from econjax.optimal.mirrlees import mirrlees_bound
from econjax.planning import RationalEvaluator, Report
from experiments.core.session import Session
from experiments.optimum.config import OptimumConfig
from experiments.report.console import NOTES, print_notes, results
from experiments.report.rates import Rates, rates_of, rates_text
from experiments.runs.directory import METRICS, write_table
from experiments.runs.rows import (
    Row,
    in_columns,
    numbered,
    rate_columns,
    run_columns,
    welfare_columns,
)


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


def run_optimum(config: OptimumConfig, path: Path, session: Session | None) -> None:
    """Search, among rational workers or language models, write and print what is found.

    Raises:
        EngineError: the engine cannot answer.
    """
    if session is not None:
        from experiments.optimum.models import run_model_optimum

        return run_model_optimum(config, path, session)
    with NOTES.status("searching with gradients, then without"):
        found = find_optimum(config)
    write_table(path / METRICS, in_columns(optimum_rows(config, found)))
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        console = results(config)
        print_optimum(found, console)
        print_notes(config, console)
        console.print(f"Run directory: {path}")


def optimum_rows(config: OptimumConfig, found: Optimum) -> list[Row]:
    """Return a row for the best found, for each of the two searches, and for the law.

    Dollars a year; `slope_1`, ... are dollars per percentage point of each rate at the best found,
    `share_1`, ... the shares of people in each bracket.
    """
    first = run_columns("optimum", config) | welfare_columns(config.aim(config.welfare))
    first |= {"seed": config.seed, "bound": found.bound}
    best = rate_columns(found.rates) | numbered("slope", found.slopes)
    best |= numbered("share", found.share) | {"rebate": found.rebate}
    rows = [
        {"schedule": "best found", "equivalent": found.equivalent, **best},
        {"schedule": "best by gradients", "equivalent": found.gradients},
        {"schedule": "best without gradients", "equivalent": found.search},
        {
            "schedule": config.law_title,
            "equivalent": found.status_quo,
            **rate_columns(config.status_quo()),
        },
    ]
    return [first | row for row in rows]


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


def print_optimum(found: Optimum, console: Console) -> None:
    """Print the schedule and one line for each method and check."""
    rates = rates_text(found.rates)
    spent = {
        name: f"{counts['gradient']:,} gradients and {counts['value']:,} values"
        for name, counts in (("climb", found.gradient_counts), ("search", found.search_counts))
    }
    steepest = max(range(len(found.slopes)), key=lambda j: abs(found.slopes[j]))
    lines = [
        ("best found", f"${found.equivalent:,.2f} at {rates} %, rebate ${found.rebate:,.2f}"),
        (
            "status quo",
            f"${found.status_quo:,.2f}, ${found.equivalent - found.status_quo:,.2f} short",
        ),
        (
            "by gradients",
            f"${found.gradients:,.2f}, from five starts, then a simplex: {spent['climb']}",
        ),
        (
            "without gradients",
            f"${found.search:,.2f}, differential evolution, then a simplex: {spent['search']}",
        ),
        ("they differ by", f"${abs(found.gradients - found.search):,.4f}"),
        (
            "first-order conditions",
            f"one point of a rate changes the equivalent by ${abs(found.slopes[steepest]):.3f} at "
            f"most, in bracket {steepest + 1}, where {found.share[steepest]:.2%} of people are",
        ),
        ("upper bound", _bound_line(found)),
    ]
    for name, text in lines:
        console.print(f"{name:<24}{text}")


def _bound_line(found: Optimum) -> str:
    if found.bound is None:
        return f"none: {found.no_bound}"
    gap = found.bound - found.equivalent
    verdict = "certified" if gap < 1e-6 * found.bound else "not certified"
    return (
        f"${found.bound:,.2f}: no schedule of any form brings these workers more (finite-type "
        f"Mirrlees). The best found is within ${gap:,.2f} ({gap / found.bound:.3%}) of it: "
        f"{verdict}."
    )
