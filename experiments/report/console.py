"""Where people read: results on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.text import Text

from experiments.report.plain import plain


class _PlainStatus(Status):
    """A status that interprets no text."""

    def __init__(self, status: RenderableType, **choices: Any) -> None:
        super().__init__(_as_it_is(status), **choices)

    def update(self, status: RenderableType | None = None, **choices: Any) -> None:
        """Show something else."""
        super().update(_as_it_is(status) if status else None, **choices)


class PlainConsole(Console):
    """A console that interprets no text: neither Rich nor the terminal follows what it prints."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **choices: Any) -> Text:
        """Return what every string becomes that is printed, alone or in a table."""
        return super().render_str(plain(text), **choices)

    def status(self, status: RenderableType, **choices: Any) -> Status:
        """Return what shows, while it is entered, what is being done."""
        return _PlainStatus(status, console=self, **choices)


NOTES = PlainConsole(stderr=True, soft_wrap=True)


def results() -> Console:
    """Return a console on standard output, wide where that is a file."""
    return PlainConsole(width=None if sys.stdout.isatty() else 230)


def progress_bar(*, width: int = 0) -> Progress:
    """Return a bar with what is done, how much of how much, and for how long, on `NOTES`.

    Descriptions are what `plain` made of them, and take up so many columns at least.
    """
    return Progress(
        TextColumn(f"{{task.description:<{width}}}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=NOTES,
    )


def _as_it_is(what: RenderableType) -> RenderableType:
    return Text(plain(what)) if isinstance(what, str) else what


class Mistake(Exception):
    """What the user of a command can mend, in one line."""


@contextlib.contextmanager
def mistakes() -> Iterator[None]:
    """Take every ValueError for a mistake of the user: use it around checks, never around work."""
    try:
        yield
    except ValueError as error:
        raise Mistake(str(error)) from error
