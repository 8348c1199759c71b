"""Signals that end a command: what was answered is kept, and a line says how to go on."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

GRACE_SECONDS = 1.5
"""Seconds that a command has to end by itself."""
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_INTERRUPTED = 130
_advice = ""
_said = False
_stopped: "Stopped | None" = None


class Stopped(KeyboardInterrupt):
    """A signal ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise `Stopped` in what runs within, in the main thread.

    Whatever keeps that from happening, such as a compilation, ends the process after
    `GRACE_SECONDS`, and a second signal at once, with the same line and code as `leave`. A signal
    that the process ignores, as under nohup, it goes on to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _advice, _stopped, _said
    _advice, _stopped, _said = "", None, False
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    here, there = socket.socketpair()
    there.setblocking(False)
    before = {number: signal.signal(number, _stop) for number in heeded}
    bell = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    unraisable, sys.unraisablehook = sys.unraisablehook, _unraisable
    threading.Thread(target=_watch, args=[here], daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(bell)
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)
        there.close()


@contextlib.contextmanager
def advising(how_to_go_on: str) -> Iterator[None]:
    """Let whoever ends what runs within be told how to go on."""
    global _advice
    _advice = how_to_go_on
    try:
        yield
    finally:
        if not isinstance(sys.exception(), KeyboardInterrupt):  # which is told further out
            _advice = ""


def stop_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Return the stop that an error is, or was when it set out; None where nothing was to stop.

    Where a class is made, as while a module is imported, Python 3.11 raises a RuntimeError in place
    of whatever a `__set_name__` raised.
    """
    return error if isinstance(error, KeyboardInterrupt) else _stopped


def leave(stop: KeyboardInterrupt) -> NoReturn:
    """End the command as a signal does: with a line on standard error and 128 and its number."""
    if isinstance(stop, Stopped):
        _end(stop.number)
    _say(_INTERRUPTED - 128)
    sys.exit(_INTERRUPTED)


def _stop(number: int, frame: FrameType | None) -> None:
    """Raise at the first signal: at the second, `_watch` ends the process."""
    global _stopped
    if _stopped is None:
        _stopped = Stopped(number)
        raise _stopped


def _unraisable(unraisable: Any) -> None:
    """End where Python would ignore the stop, as in a finaliser; report all else as ever."""
    if isinstance(unraisable.exc_value, Stopped):
        _end(unraisable.exc_value.number)
    sys.__unraisablehook__(unraisable)


def _watch(here: socket.socket) -> None:
    """End the process some time after the first signal, or with the second."""
    with here:
        if number := here.recv(1):
            here.settimeout(GRACE_SECONDS)
            with contextlib.suppress(TimeoutError):
                if not here.recv(1):
                    return
            _end(number[0])


def _end(number: int) -> NoReturn:
    """End the process without waiting for anything."""
    _say(number)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(128 + number)


def _say(number: int) -> None:
    """Say what ended the command, and how to go on, once; without a lock that somebody may hold."""
    global _said
    if _said:
        return
    _said = True
    how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides the cursor
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{shown}econjax: {how}. {_advice}".rstrip() + "\n")
        sys.stderr.flush()
