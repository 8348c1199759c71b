"""What a task does in a process of the cluster before its work, and what it heard meanwhile."""

import contextlib
import io
from collections.abc import Iterator

import jax

from experiments.core.compilations import keep_compilations
from experiments.core.memory import keep_memory


def prepare_process() -> None:
    """Compute as a command does: in double precision, with what was compiled before."""
    jax.config.update("jax_enable_x64", True)
    keep_memory()
    keep_compilations()


@contextlib.contextmanager
def overheard() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Yield texts that take what is printed within, and what is noted on standard error."""
    printed, noted = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(noted):
        yield printed, noted
