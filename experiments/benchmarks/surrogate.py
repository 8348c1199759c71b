"""`econjax benchmark surrogate`: how well a distilled network knows its workers, and how fast."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import BracketSchedule, Economy, us_federal
from econjax.welfare import AbstractWelfare
from experiments.benchmarks.config import SurrogateBenchmarkConfig
from experiments.benchmarks.timing import compile_for, machine, take_turns
from experiments.core.economy import EconomyConfig
from experiments.core.engines import engine_of
from llm_policy.engines.base import Engine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.welfare import WELFARE
from llm_policy.surrogate.expectation import forecast
from llm_policy.surrogate.network import Calibration, Surrogate, calibration, distil
from llm_policy.surrogate.recording import RecordedWorkers, Recording, person_features, record


@dataclass(frozen=True)
class SurrogateSpeed:
    """Seconds of a one-step tax year's expected equivalent, alone and with its rate gradient."""

    workers: int
    compile_seconds: float
    value: float
    gradient: float


@dataclass(frozen=True)
class SurrogateBenchmark:
    """What was distilled, how well it knows what it did not learn from, and its speed.

    `held_out` is by what is new: the laws, or the laws and the people. `queries` are the answers
    that it learned from, `ask_seconds` what a model took to give all answers, also those held out.
    """

    machine: dict[str, Any]
    engine: dict[str, Any]
    queries: int
    ask_seconds: float
    fit_seconds: float
    held_out: dict[str, Calibration]
    speeds: list[SurrogateSpeed]


def run_surrogate(
    config: SurrogateBenchmarkConfig, progress: Callable[[str], None] = lambda what: None
) -> SurrogateBenchmark:
    """Ask the workers, distil them, and measure.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    economy = EconomyConfig(agents=config.agents).economy()
    with closing(engine_of(config.order())) as engine:
        first, others = (_workers(engine, economy, seed) for seed in (0, 1))
        started = time.perf_counter()
        progress(f"asking {config.agents} workers about {config.schedules} schedules")
        heard = _record(first, 10, config.schedules, config.steps)
        progress(f"asking them and others about {config.unseen} more")
        new_laws = _record(first, 11, config.unseen, config.steps)
        new_people = _record(others, 12, config.unseen, config.steps)
        ask_seconds, described = time.perf_counter() - started, engine.describe().asdict()
    progress("distilling")
    started = time.perf_counter()
    distilled = distil(jax.random.key(13), heard, new_laws)
    fit_seconds = time.perf_counter() - started
    held_out = {
        "laws": distilled.calibration,
        "laws and people": calibration(distilled.surrogate, new_people),
    }
    speeds = []
    for size in config.sizes:
        progress(f"{size:,} workers of the network")
        speeds.append(_speed(distilled.surrogate, size))
    return SurrogateBenchmark(
        machine(), described, distilled.queries, ask_seconds, fit_seconds, held_out, speeds
    )


def print_surrogate(found: SurrogateBenchmark, console: Console) -> None:
    """Print the calibration and the speeds."""
    for facts in (found.machine, found.engine):
        console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    table = Table(box=box.SIMPLE_HEAD)
    for column in (
        "held out",
        "rows",
        "divergence, nats",
        "of the mean answer",
        "calibration error",
    ):
        table.add_column(column, justify="left" if column == "held out" else "right", no_wrap=True)
    for name, row in found.held_out.items():
        figures = (f"{figure:.4f}" for figure in (row.divergence, row.of_mean, row.error))
        table.add_row(name, f"{row.rows:,}", *figures)
    console.print(table)
    console.print(
        f"Learned from {found.queries:,} answers in {found.fit_seconds:.1f} s, compiling included; "
        f"the model took {found.ask_seconds:,.1f} s for all answers, also those held out. "
        "Schedules are random."
    )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("workers of the network", "compile s", "value s", "value and gradient s"):
        table.add_column(column, justify="right", no_wrap=True)
    for speed in found.speeds:
        figures = (
            f"{figure:.3f}" for figure in (speed.compile_seconds, speed.value, speed.gradient)
        )
        table.add_row(f"{speed.workers:,}", *figures)
    console.print(table)


def _workers(engine: Engine, economy: Economy, seed: int) -> RecordedWorkers:
    personas = draw_personas(jax.random.key(seed), economy.population)
    return RecordedWorkers(engine, economy, describe(personas), person=person_features(personas))


def _record(workers: RecordedWorkers, seed: int, schedules: int, steps: int) -> Recording:
    """Return a tax year under each of some random schedules."""
    law, key = us_federal(2024), jax.random.key(seed)
    rates = jax.random.uniform(key, (schedules, law.rates.size), maxval=0.95)
    return record(
        key, workers, [BracketSchedule(law.thresholds, row) for row in rates], steps=steps
    )


def _speed(surrogate: Surrogate, size: int) -> SurrogateSpeed:
    economy, law = EconomyConfig(agents=size).economy(), us_federal(2024)
    person = person_features(draw_personas(jax.random.key(0), economy.population))
    welfare: AbstractWelfare = WELFARE["atkinson"].welfare

    def value(rates: Float[Array, " brackets"], surrogate: Surrogate, person, economy: Economy):
        schedule = eqx.tree_at(lambda s: s.rates, law, rates)
        return forecast(surrogate, person, economy, welfare, schedule, steps=1)

    given = jnp.asarray(law.rates), surrogate, person, economy
    alone, both = compile_for(value, *given), compile_for(jax.value_and_grad(value), *given)
    seconds = take_turns({"value": alone.run, "gradient": both.run}, repeats=5, patience=20.0)
    return SurrogateSpeed(
        size, alone.seconds + both.seconds, min(seconds["value"]), min(seconds["gradient"])
    )
