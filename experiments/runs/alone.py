"""One process at a time in a folder that is written to."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from experiments.report.console import Mistake

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, if it exists, that do the same.

    The system lets them in when this process ends, however that is. On Windows, and on file systems
    without locks, nobody is kept out.

    Raises:
        Mistake: another process is at work there.
    """
    if fcntl is None or not folder.is_dir():
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Mistake(
                f"Another process is at work in {folder}: wait until it has ended, or stop it."
            ) from None
        except OSError:  # no locks here
            pass
        yield
    finally:
        os.close(handle)


_ENDING_SECONDS = 15.0


def wait_for_others(folders: Iterable[Path]) -> None:
    """Wait until nobody is at work in some folders, or for so long that whoever is does not end.

    Processes on a cluster end a moment after the command of theirs that is killed.
    """
    deadline = time.monotonic() + _ENDING_SECONDS
    for folder in folders:
        while time.monotonic() < deadline:
            with contextlib.suppress(Mistake), alone_in(folder):
                break
            time.sleep(0.1)
