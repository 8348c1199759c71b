"""Seconds without those that JAX takes to trace and compile, which a later run need not take."""

import functools
import time
from typing import Any

import jax.monitoring

_COMPILING = "/jax/core/compile/"


class _Clock:
    """Counts what JAX says that it took to trace, lower and compile."""

    def __init__(self) -> None:
        self.compiled = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.startswith(_COMPILING):
            self.compiled += duration_secs

    def __call__(self) -> float:
        """Return seconds since some moment."""
        return time.perf_counter() - self.compiled


@functools.cache
def working_clock() -> _Clock:
    """Return the process's one clock of seconds without compilations."""
    return _Clock()
