"""Tax units of four filing statuses: the law's taxes, their equilibrium, and the best rates.

`python -m experiments.tools.filing_statuses FILE` reads an .npz of tax units, arrays of one length:
`status` (0 to 3, in the order of `FILING_STATUSES`), `weight`, `wages`, `taxable_income` and, to
compare with, `expected` taxes on that. All is of 2024, in dollars a year.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from baselines import GradientPlanner
from baselines.optimum import simplex
from econjax import (
    FILING_STATUSES,
    AbstractWelfare,
    AmongWorkers,
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    calibrate,
    converged_saez,
    equilibrium,
    from_microdata,
    us_federal,
)
from econjax.planning import RationalEvaluator, plan

YEAR, ELASTICITY = 2024, 0.25


def main() -> None:
    """Print the three parts, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="what to compute"
    )
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    with np.load(chosen.file) as units:
        columns = {name: units[name] for name in units.files}
    for part in chosen.parts:
        PARTS[part](columns)


def statutory(units: dict[str, np.ndarray]) -> None:
    """Print the tax on taxable income by status, in one call, beside what is expected."""
    law = us_federal(YEAR, FILING_STATUSES)
    income, group = jnp.asarray(units["taxable_income"]), jnp.asarray(units["status"])
    workers = Population(jnp.ones_like(income), group=group, groups=len(FILING_STATUSES))
    tax = np.asarray(jax.jit(lambda z: law.of(workers).tax(z))(income))
    single = np.asarray(us_federal(YEAR).tax(income))
    weight = units["weight"]
    print(f"{tax.size:,} units, {weight.sum() / 1e6:,.1f} million weighted")
    print(
        f"tax by status {tax @ weight / 1e9:,.3f} billion, all as single "
        f"{single @ weight / 1e9:,.3f} billion"
    )
    if "expected" in units:
        off = np.abs(tax - units["expected"]) / np.maximum(np.abs(units["expected"]), 1)
        print(
            f"expected {units['expected'] @ weight / 1e9:,.3f} billion, off by at most "
            f"{off.max():.1e} of a unit's tax"
        )


def balanced(units: dict[str, np.ndarray]) -> None:
    """Print what the equilibrium of four groups takes beside that of one, in turns."""
    four = _economy(units)
    law, single = us_federal(YEAR, FILING_STATUSES), us_federal(YEAR)
    solve = jax.jit(lambda economy, schedule: equilibrium(economy, schedule).rebate)
    slope = jax.jit(
        jax.grad(
            lambda rates, economy, thresholds: (
                equilibrium(economy, BracketSchedule(thresholds, rates)).rebate
            )
        )
    )
    own = jnp.broadcast_to(law.rates, law.thresholds.shape)
    calls = {
        "one group, value": lambda: solve(four, single),
        "four groups, value": lambda: solve(four, law),
        "one group, gradient": lambda: slope(single.rates, four, single.thresholds),
        "four groups, gradient": lambda: slope(own, four, law.thresholds),
    }
    for name, seconds in _in_turns(calls).items():
        print(f"{name}: {1e3 * seconds:.1f} ms")
    for name, schedule in (("one group", single), ("four groups", law)):
        memory: Any = solve.lower(four, schedule).compile().memory_analysis()
        print(f"{name}: {memory.temp_size_in_bytes / 2**20:.1f} MiB beside the arguments")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"rebate {float(solve(four, law)):,.2f}; peak memory of the process {peak:,.0f} MiB")


def best(units: dict[str, np.ndarray]) -> None:
    """Print the best rates by the formula and by gradients, with and without non-workers."""
    law = us_federal(YEAR, FILING_STATUSES)
    for name, drop, welfare in (
        ("everybody counts", False, Atkinson(1.0)),
        ("workers only count", False, AmongWorkers(Atkinson(1.0))),
        ("workers only", True, Atkinson(1.0)),
    ):
        economy = _economy(units, drop=drop)
        for rates in (law.rates, jnp.broadcast_to(law.rates, law.thresholds.shape)):
            _compare(name, economy, welfare, BracketSchedule(law.thresholds, rates))


def _compare(name: str, economy: Economy, welfare: AbstractWelfare, law: BracketSchedule) -> None:
    evaluate = RationalEvaluator(economy, welfare)
    start = BracketSchedule(law.thresholds, jnp.full_like(law.rates, 0.5))
    formula = converged_saez(economy, start, welfare, tolerance=1e-4).schedule
    climbed = plan(jax.random.key(0), GradientPlanner(start), evaluate, steps=60).recommended
    polished = simplex(evaluate, formula, most=200).schedule
    print(f"{name}, rates {'in common' if law.rates.ndim == 1 else 'of each group'}:")
    for planner, schedule in (
        ("law", law),
        ("formula", formula),
        ("formula, simplex", polished),
        ("gradient", climbed),
    ):
        value = float(evaluate.value(schedule).equivalent)
        print(f"  {planner}: {value:,.2f}  {np.round(100 * np.asarray(schedule.rates), 1)}")


def _economy(units: dict[str, np.ndarray], *, drop: bool = False) -> Economy:
    """Return the economy of all units' wages, calibrated to the law by status."""
    data = from_microdata(
        units["wages"],
        weight=units["weight"],
        group=units["status"],
        groups=len(FILING_STATUSES),
        without_work="drop" if drop else "keep",
    )
    idle = data.report.without_work
    print(
        f"{data.report.used.records:,} records; {idle.share:.1%} of people without work"
        + ", left out" * drop
    )
    population = calibrate(data.population, us_federal(YEAR, FILING_STATUSES))
    return Economy(population=population, preferences=Quasilinear(ELASTICITY))


def _in_turns(calls: dict[str, Callable[[], Any]], rounds: int = 9) -> dict[str, float]:
    """Return the least seconds of each call, all of them made in turns after one of each."""
    least = dict.fromkeys(calls, np.inf)
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            jax.block_until_ready(call())
            least[name] = min(least[name], time.perf_counter() - begun)
    return least


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keep the lines of the description."""


PARTS = {"statutory": statutory, "equilibrium": balanced, "best": best}
"""What can be computed."""

if __name__ == "__main__":
    main()
