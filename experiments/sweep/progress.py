"""How far a sweep has come, and how long it will still take: a bar, or lines without a terminal."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.progress import TimeRemainingColumn

from experiments.report.console import NOTES, progress_bar

_SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def showing(total: int, *, done: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many cells more are solved; `done` of them were before."""
    if not NOTES.is_terminal:
        yield _Lines(total, done)
        return
    with progress_bar() as progress:
        progress.columns = (*progress.columns, TimeRemainingColumn())
        task = progress.add_task("economies", total=total, completed=done)
        yield lambda count: progress.advance(task, count)


class _Lines:
    """Prints a line from time to time."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._before, self._done = total, done, done
        self._began = self._said = time.monotonic()

    def __call__(self, count: int) -> None:
        """Hear that so many cells more are solved."""
        self._done += count
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES and self._done < self._total:
            return
        self._said = now
        NOTES.print(how_far(self._done, self._total, now - self._began, before=self._before))


def how_far(done: int, total: int, seconds: float, *, before: int = 0) -> str:
    """Return a line on how far one has come in so many seconds, having begun with `before`."""
    left = seconds * (total - done) / max(done - before, 1)
    ahead = f", about {left:,.0f} s left" if done < total else ""
    return f"{done:,} of {total:,} economies solved in {seconds:,.0f} s{ahead}."
