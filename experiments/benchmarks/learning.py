"""`econjax benchmark learning`: planners that learn before they plan, and the steps of learning."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from baselines.fixed import uniform_rates
from baselines.learned.one_step import worker_steps_per_second
from baselines.learned.training import HeldOut, TrainingOptions, held_out, train_network
from baselines.learned.two_level import (
    TwoLevelResult,
    TwoLevelVerdict,
    judge_two_level,
    train_two_level,
)
from baselines.optimum import best_found
from econjax import BracketSchedule, Economy, us_federal
from econjax.planning import RationalEvaluator
from experiments.benchmarks.config import LearningBenchmarkConfig
from experiments.benchmarks.timing import compile_for, machine
from experiments.core.economy import EconomyConfig
from experiments.report.intervals import Measured, bootstrap
from llm_policy.prompts.welfare import WELFARE, WelfareSpec


@dataclass(frozen=True)
class TwoLevelRow:
    """One seed of PPO: parts covered of the distance from US federal law to the best found.

    Both ends are with workers who respond exactly. `learned` is where the planner's schedule brings
    the workers who learned with it, `rational` where it brings exact ones. `departure` is the mean
    distance of learned hours from best responses, in hours a week.
    """

    seed: int
    rates: tuple[float, ...]
    learned: float
    rational: float
    departure: float


@dataclass(frozen=True)
class AmortisedRow:
    """A planner in economies that the network never saw.

    `regret` is in dollars of equivalent a year, to the best that any of the rows found, with a 95 %
    bootstrap interval; `share` is the part of the distance from the law to that best, of all
    economies together.
    """

    planner: str
    regret: Measured
    share: float


@dataclass(frozen=True)
class LearningBenchmark:
    """All that was measured: seconds are of all seeds together, and compiling is apart.

    `worker_steps` is how many steps the workers of all seeds took in training, `steps_per_second`
    how many they take when they only step.
    """

    machine: dict[str, Any]
    welfare: str
    two_level: list[TwoLevelRow]
    compile_seconds: float
    seconds: float
    worker_steps: int
    steps_per_second: float
    network_seconds: float
    network_evaluations: dict[str, int]
    amortised: list[AmortisedRow]


def run_learning(
    config: LearningBenchmarkConfig, progress: Callable[[str], None] = lambda what: None
) -> LearningBenchmark:
    """Measure everything, one thing after the other."""
    law, aim = us_federal(2024), WELFARE[config.welfare]
    progress("steps of workers")
    stepping = EconomyConfig(agents=config.step_agents).economy()
    steps = worker_steps_per_second(stepping, law.thresholds, aim.welfare)
    progress(f"PPO with learned workers, {config.seeds} seeds")
    economy, two_level = EconomyConfig(agents=config.agents).economy(), config.two_level
    keys = jax.vmap(jax.random.key)(jnp.arange(config.seeds))

    def train(key) -> tuple[TwoLevelResult, TwoLevelVerdict]:
        result = train_two_level(key, economy, law.thresholds, aim.welfare, two_level)
        return result, judge_two_level(result, economy, aim.welfare, two_level)

    training = compile_for(jax.vmap(train), keys)
    started = time.perf_counter()
    results, verdicts = training.run()
    seconds = time.perf_counter() - started
    progress("the best schedule of the same economy")
    rows = _two_level_rows(results, verdicts, economy, law, aim)
    progress(f"training of a network, {config.steps} steps")
    started = time.perf_counter()
    trained = train_network(jax.random.key(0), law, TrainingOptions(steps=config.steps))
    network_seconds = time.perf_counter() - started
    progress(f"the network in {config.worlds} new economies")
    unseen = held_out(jax.random.key(1), trained.network, worlds=config.worlds)
    return LearningBenchmark(
        machine=machine(),
        welfare=aim.name,
        two_level=rows,
        compile_seconds=training.seconds,
        seconds=seconds,
        worker_steps=config.seeds * two_level.updates * 2 * two_level.schedules * config.agents,
        steps_per_second=steps,
        network_seconds=network_seconds,
        network_evaluations=trained.evaluations,
        amortised=_amortised_rows(unseen),
    )


def print_learning(found: LearningBenchmark, console: Console) -> None:
    """Print every seed of PPO, the speed of stepping, and the network's rows."""
    console.print(", ".join(f"{name} {value}" for name, value in found.machine.items()))
    table = _empty(f"PPO with learned workers, {found.welfare}", *_SEED_COLUMNS)
    for row in found.two_level:
        shares = (f"{100 * share:.2f}" for share in (row.learned, row.rational))
        rates = " ".join(f"{100 * rate:.0f}" for rate in row.rates)
        table.add_row(f"seed {row.seed}", *shares, f"{row.departure:.3f}", rates)
    console.print(table)
    console.print(
        f"All seeds side by side: {found.seconds:,.1f} s after {found.compile_seconds:.1f} s of "
        f"compiling, {found.worker_steps:,} steps of workers. Shares are of the distance from US "
        "federal law to the best schedule found, both with workers who respond exactly."
    )
    console.print(
        f"Stepping alone: {found.steps_per_second:,.0f} steps of workers a second. `econjax "
        "benchmark peers` measures steps beside another environment."
    )
    table = _empty("in economies nobody trained on", "regret $", "95 % interval", "US→best %")
    for row in found.amortised:
        regret = row.regret
        between = f"{regret.low:,.0f} to {regret.high:,.0f}"
        table.add_row(row.planner, f"{regret.value:,.0f}", between, f"{100 * row.share:.1f}")
    console.print(table)
    console.print(
        f"The network was trained for {found.network_seconds:,.1f} s, compiling included, on "
        f"{found.network_evaluations['gradient']:,} evaluations with a gradient."
    )


_SEED_COLUMNS = ("learned workers %", "exact workers %", "hours from best", "rates % by bracket")


def _two_level_rows(
    results: TwoLevelResult,
    verdicts: TwoLevelVerdict,
    economy: Economy,
    law: BracketSchedule,
    aim: WelfareSpec,
) -> list[TwoLevelRow]:
    evaluate = RationalEvaluator(economy, aim.welfare)
    schedules = [BracketSchedule(law.thresholds, rates) for rates in results.schedule.rates]
    best = best_found(evaluate, [law, uniform_rates(law).schedule, schedules[0]]).equivalent
    start = float(evaluate.value(law).equivalent)

    def share(equivalent) -> float:
        return (float(equivalent) - start) / (best - start)

    return [
        TwoLevelRow(
            seed=seed,
            rates=tuple(np.asarray(schedule.rates, float).tolist()),
            learned=share(verdicts.learned[seed]),
            rational=share(verdicts.rational[seed]),
            departure=float(verdicts.departure[seed]),
        )
        for seed, schedule in enumerate(schedules)
    ]


def _amortised_rows(found: HeldOut) -> list[AmortisedRow]:
    best = np.max(np.stack(found), axis=0)
    return [
        AmortisedRow(
            planner=_UNSEEN[name],
            regret=bootstrap([(best - reached).tolist()]),
            share=float(np.sum(reached - found.law) / np.sum(best - found.law)),
        )
        for name, reached in found._asdict().items()
    ]


_UNSEEN = {
    "law": "US federal",
    "proposed": "network, after one evaluation (of the law)",
    "flat": "flat, best of 30 evaluations",
    "climbed": "gradient (L-BFGS), 60 evaluations",
}


def _empty(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
