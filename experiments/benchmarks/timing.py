"""Seconds on a shared machine: compile apart, warm up, let the sides of a ratio take turns."""

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.runs.directory import hardware


class Compiled(NamedTuple):
    """A call compiled for its arguments.

    `run` calls it and waits for the result; `seconds` is the time to trace, lower and compile it;
    `held` are the bytes of arguments, outputs and temporary buffers together, as the compiler lays
    them out, `moved` those of arguments and outputs alone, which have to cross the memory's bus;
    None where it does not say.
    """

    run: Callable[[], Any]
    seconds: float
    held: int | None
    moved: int | None


@dataclass(frozen=True)
class Ratio:
    """One side's seconds over another's: the median over rounds, and that of the least times."""

    median: float
    least: float


def compile_for(function: Callable, *arguments: Any) -> Compiled:
    """Compile a function for these arguments."""
    started = time.perf_counter()
    executable = jax.jit(function).lower(*arguments).compile()
    seconds = time.perf_counter() - started
    memory = executable.memory_analysis()
    held = moved = None
    if memory is not None:
        moved = memory.argument_size_in_bytes + memory.output_size_in_bytes
        held = moved + memory.temp_size_in_bytes - memory.alias_size_in_bytes
    return Compiled(lambda: jax.block_until_ready(executable(*arguments)), seconds, held, moved)


def take_turns(
    sides: Mapping[str, Callable[[], Any]], *, repeats: int, patience: float
) -> dict[str, list[float]]:
    """Return the seconds of every side in each round: all are warmed up, then run A, B, A, B, ...

    There are `repeats` rounds, or as many as begin within `patience` seconds, but at least one.
    """
    for run in sides.values():
        run()
    seconds = {name: [] for name in sides}
    started = time.perf_counter()
    for done in range(repeats):
        if done and time.perf_counter() - started > patience:
            break
        for name, run in sides.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def ratio(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Return how many times as long one side took as another, round by round."""
    pairs = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(statistics.median(pairs), min(over) / min(under))


def machine() -> dict[str, Any]:
    """Return what is computed on, and with what."""
    found = hardware()
    return {
        "machine": found["machine"],
        "cores": found["cores"],
        "device": found["devices"][0],
        "precision": str(jnp.zeros(()).dtype),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "numpy": np.__version__,
    }
