"""What one checkout takes, as JSON: a script, run with the checkout first on Python's path.

It calls only what every checkout since `econjax benchmark against` can be asked has: no name of its
own side.
"""

import contextlib
import json
import pkgutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Quasilinear,
    best_response,
    calibrate,
    equilibrium,
    gb2,
    grid_response,
    logit_response,
    settle,
    us_federal,
)

ELASTICITIES = (0.1, 0.25, 0.5, 0.75, 1.0)
AVERSIONS = (0.5, 1.0, 2.0)
"""What is swept over, for each draw of workers."""
_SWEPT = 10_000
_AGENTS = 1_000
_WORKERS = 200
_ROUNDS = 3
_RESPONSES = ("best_response", "equilibrium", "grid_response", "logit_response", "settle")


def eager(responses: Sequence[str] = _RESPONSES) -> dict[str, float]:
    """Return how much XLA compiles in the second call of each response without `jax.jit`."""
    economy, law = _economy(), us_federal(2024)
    labor = jnp.full(_AGENTS, 40.0)
    calls: dict[str, Callable[[], Any]] = {
        "best_response": lambda: best_response(economy, law),
        "equilibrium": lambda: equilibrium(economy, law),
        "grid_response": lambda: grid_response(economy, law),
        "logit_response": lambda: logit_response(jax.random.key(0), economy, law, temperature=0.1),
        "settle": lambda: settle(economy, law, labor),
    }
    compilations: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    found = {}
    for name in responses:
        jax.block_until_ready(calls[name]())
        before = len(compilations)
        jax.block_until_ready(calls[name]())
        found[name] = float(len(compilations) - before)
    return found


def compiling(brackets: int) -> float:
    """Return the CPU seconds to trace, lower and compile value and gradient of welfare."""
    economy, welfare = _economy(), Atkinson(1.0)
    thresholds = jnp.concatenate([jnp.zeros(1), jnp.geomspace(5_000.0, 700_000.0, brackets - 1)])

    def equivalent(rates: jax.Array) -> jax.Array:
        outcome = equilibrium(economy, BracketSchedule(thresholds, rates)).outcome
        return welfare.equivalent(economy.population, outcome)

    rates = jnp.linspace(0.1, 0.5, brackets)
    begun = time.process_time()
    jax.jit(jax.value_and_grad(equivalent)).lower(rates).compile()
    return time.process_time() - begun


def answers() -> dict[str, float]:
    """Return the answers a second of the project's own model, after a round that warms up."""
    from experiments.benchmarks.steps import past, script, society, world

    place = "llm_policy.engines.embedded"
    engine = _named(f"{place}.engine:EmbeddedEngine", f"{place}:EmbeddedEngine")()
    schema = _named("llm_policy.answers.reading:schema", "llm_policy.answers:schema")
    answer = _named("llm_policy.answers.reading:hours_answer", "llm_policy.answers:hours_answer")
    everybody = world(_WORKERS, distinct=_WORKERS, history=10, seed=0)
    seconds: dict[Any, list[float]] = {"choice": [], "text": []}
    for state in past(everybody, script(), rounds=_ROUNDS):
        for mode, taken in seconds.items():
            alive = society(everybody, engine, mode)
            workers: Any = alive.workers
            codes = getattr(workers, "choice_set", None) or workers.menu
            prompts = workers.prompts(state.situation(), state.memory)
            begun = time.perf_counter()
            if mode == "choice":
                engine.choose(prompts, codes.codes)
            else:
                engine.complete(prompts, schema(answer()), max_tokens=workers.answer_tokens)
            taken.append(time.perf_counter() - begun)
    engine.close()
    return {mode: _WORKERS / statistics.median(taken[1:]) for mode, taken in seconds.items()}


def swept(seeds: int) -> float:
    """Return the mean gain, in dollars, of the best schedules over the law: a sweep by hand.

    For each draw of 10,000 workers: elasticities and aversions side by side.
    """
    jax.config.update("jax_enable_x64", True)
    converged_saez = _named("econjax.optimal:converged_saez", "econjax:converged_saez")
    law = us_federal(2024, "single")
    drawn = [calibrate(gb2(_SWEPT, jax.random.key(seed)), law) for seed in range(seeds)]
    populations = jax.tree.map(lambda *leaves: jnp.stack(leaves), *drawn)

    def gain(population: Any, elasticity: jax.Array, aversion: jax.Array) -> jax.Array:
        economy = Economy(population=population, preferences=Quasilinear(elasticity))
        welfare = Atkinson(aversion)
        best = converged_saez(economy, law, welfare).schedule
        found, usual = (equilibrium(economy, each).outcome for each in (best, law))
        return welfare.equivalent(population, found) - welfare.equivalent(population, usual)

    over_aversions = jax.vmap(gain, in_axes=(None, None, 0))
    over_both = jax.vmap(over_aversions, in_axes=(None, 0, None))

    @jax.jit
    def all_gains(populations: Any, *axes: jax.Array) -> jax.Array:
        return jax.lax.map(lambda population: over_both(population, *axes), populations)

    axes = (jnp.array(ELASTICITIES), jnp.array(AVERSIONS))
    return float(jnp.mean(all_gains(populations, *axes)))


def _named(*names: str) -> Any:
    """Return what has the first of these names, the places of today and of checkouts before."""
    for name in names:
        with contextlib.suppress(ImportError, AttributeError):
            return pkgutil.resolve_name(name)
    raise ImportError(f"This checkout has none of {', '.join(names)}.")


def _economy() -> Economy:
    population = calibrate(gb2(_AGENTS), us_federal(2024))
    return Economy(population=population, preferences=Quasilinear(0.25))


def _main(probe: str, *sizes: str) -> None:
    if probe == "eager":
        found = eager()
    elif probe == "sweep":
        found = {"gain": swept(int(sizes[0]))}
    elif probe == "compile":
        found = {size: compiling(int(size)) for size in sizes}
    else:
        found = answers()
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
