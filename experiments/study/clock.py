"""The seconds that JAX takes to trace and compile, which a later run of the kind need not take."""

import functools
from typing import Any

import jax.monitoring

_COMPILING = "/jax/core/compile/"


class _Clock:
    """Adds up what JAX says that it took to trace, lower and compile."""

    def __init__(self) -> None:
        self.compiled = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.startswith(_COMPILING):
            self.compiled += duration_secs


@functools.cache
def compile_clock() -> _Clock:
    """Return the process's one clock of compilations, which counts from the first call."""
    return _Clock()
