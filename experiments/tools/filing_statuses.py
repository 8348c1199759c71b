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

from baselines import EvolutionPlanner, GradientPlanner
from baselines.gradient.ascent import adam
from baselines.gradient.parametrisation import LogNetRates
from econjax import (
    FILING_STATUSES,
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
from econjax.bounds import MOST, RateBounds
from econjax.planning import Planner, RationalEvaluator, plan

YEAR, ELASTICITY = 2024, 0.25
BOUNDS = RateBounds(floor=-1.0, cap=MOST)  # of the formula, which knows no others
WHO_COUNTS = {
    "everybody": (False, Atkinson(1.0)),
    "workers-count": (False, AmongWorkers(Atkinson(1.0))),
    "workers-only": (True, Atkinson(1.0)),
}
"""Whether non-workers are left out, and whose welfare counts."""


def main() -> None:
    """Print the three parts, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="what to compute"
    )
    parser.add_argument(
        "--people",
        nargs="+",
        choices=list(WHO_COUNTS),
        default=list(WHO_COUNTS),
        help="of the best rates",
    )
    parser.add_argument(
        "--polish", type=int, default=0, help="evaluations of evolution around what is found best"
    )
    parser.add_argument("--steps", type=int, default=100, help="evaluations of the climb")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    with np.load(chosen.file) as units:
        columns = {name: units[name] for name in units.files}
    for part in chosen.parts:
        more = (chosen.people, chosen.steps, chosen.polish) if part == "best" else ()
        PARTS[part](columns, *more)


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


def best(units: dict[str, np.ndarray], people: list[str], steps: int, polish: int) -> None:
    """Print the best rates by the formula and by gradients, with and without non-workers."""
    law = us_federal(YEAR, FILING_STATUSES)
    for name in people:
        drop, welfare = WHO_COUNTS[name]
        economy = _economy(units, drop=drop)
        for rates in (law.rates, jnp.broadcast_to(law.rates, law.thresholds.shape)):
            start = BracketSchedule(law.thresholds, rates)
            print(f"{name}, rates {'in common' if rates.ndim == 1 else 'of each group'}:")
            _compare(RationalEvaluator(economy, welfare), start, steps, polish)


def _compare(evaluate: RationalEvaluator, law: BracketSchedule, steps: int, polish: int) -> None:
    """Print what each planner finds, in how long, and how high the steps of the value are."""
    start = BracketSchedule(law.thresholds, jnp.full_like(law.rates, 0.5))
    economy, welfare = evaluate.economy, evaluate.welfare
    # Adam, because some of 28 rates are of few people, where L-BFGS has stopped gaining before.
    climber = GradientPlanner(start, adam(), patience=steps, coordinates=LogNetRates(BOUNDS))
    formula = _shown(evaluate, "formula", lambda: converged_saez(economy, start, welfare).schedule)
    climbed = _shown(evaluate, "gradient", lambda: _planned(climber, evaluate, steps))
    _shown(evaluate, "law", lambda: law)
    for name, found in (("formula", formula), ("gradient", climbed)) if polish else ():
        near = EvolutionPlanner(found, spread=0.02, size=24, bounds=BOUNDS)
        _shown(evaluate, f"{name}, evolved", lambda near=near: _planned(near, evaluate, polish))
    print(f"  rates moved by 0.01 points: value moves by {_steps(evaluate, formula):,.2f}")


def _planned(planner: Planner, evaluate: RationalEvaluator, steps: int) -> BracketSchedule:
    return plan(jax.random.key(0), planner, evaluate, steps=steps).recommended


def _shown(
    evaluate: RationalEvaluator, name: str, find: Callable[[], BracketSchedule]
) -> BracketSchedule:
    """Return the schedule found, and print its value, rates and the seconds that it took."""
    begun = time.perf_counter()
    schedule = jax.block_until_ready(find())
    seconds = time.perf_counter() - begun
    value = float(evaluate.value(schedule).equivalent)
    rates = np.round(100 * np.asarray(schedule.rates), 1).tolist()
    print(f"  {name}: {value:,.2f} in {seconds:.0f} s  {rates}", flush=True)
    return schedule


def _steps(evaluate: RationalEvaluator, schedule: BracketSchedule, draws: int = 10) -> float:
    """Return the standard deviation of the value where all rates move by next to nothing.

    A finite population's value has a step wherever somebody jumps: optima are known no better.
    """
    rng, rates = np.random.default_rng(0), np.asarray(schedule.rates)
    moved = (np.clip(rates + 1e-4 * rng.normal(size=rates.shape), 0, 1) for _ in range(draws))
    values = (evaluate.value(BracketSchedule(schedule.thresholds, near)) for near in moved)
    return float(np.std([float(report.equivalent) for report in values]))


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
