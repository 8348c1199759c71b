"""What lets a process of vLLM end when the process that started it has ended, however it did."""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.context import get_spawning_popen
from typing import Any, NoReturn

_GRACE_SECONDS = 5.0
"""Seconds that an orphan has to end by itself, as it does when it is told to."""


class Lifeline(str):
    """A text that ties a process of `multiprocessing` to the one that starts it with this text.

    As a value of vLLM's own configuration it reaches each of its processes, and these hand it on
    to theirs: nothing of vLLM's outlives a command that a signal ends, SIGKILL too.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Lifeline if get_spawning_popen() is None else _held), (str(self),)


def _held(text: str) -> Lifeline:
    """Return a lifeline, in a process that is being started and ends with its parent from now."""
    threading.Thread(target=_end_after_parent, daemon=True).start()
    return Lifeline(text)


def _end_after_parent() -> NoReturn:
    """Wait until the parent ends, and end this process: in order, if it does so soon."""
    while (parent := multiprocessing.parent_process()) is None:  # known when all has been read
        time.sleep(0.05)
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)
