"""Where people read: results on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from experiments.report.config import TableConfig
from experiments.report.plain import plain
from experiments.report.widths import fitting, least_width


class _PlainStatus(Status):
    """A status that interprets no text."""

    def __init__(self, status: RenderableType, **choices: Any) -> None:
        super().__init__(_as_it_is(status), **choices)

    def update(self, status: RenderableType | None = None, **choices: Any) -> None:
        """Show something else."""
        super().update(_as_it_is(status) if status else None, **choices)


class PlainConsole(Console):
    """A console that interprets no text: neither Rich nor the terminal follows what it prints.

    `words` stand in the place of others, such as the name of another currency. A table that does
    not fit goes on in further ones below, unless `TABLE_CHOICES` says otherwise; no figure is cut.
    """

    def __init__(self, *, words: Mapping[str, str] | None = None, **choices: Any) -> None:
        super().__init__(**choices, markup=False, emoji=False, highlight=False)
        self._words = dict(words or {})

    def print(self, *objects: Any, **choices: Any) -> None:
        """Print objects, a table as wide as fits."""
        for table in [what for what in objects if isinstance(what, Table)]:
            for part in fitting(table, self, TABLE_CHOICES[-1]):
                with self._as_wide_as(least_width(part)):
                    super().print(part, crop=False, **choices)
        others = [what for what in objects if not isinstance(what, Table)]
        if others or not objects:
            super().print(*others, **choices)

    @contextlib.contextmanager
    def _as_wide_as(self, width: int) -> Iterator[None]:
        """Print lines of so many characters at least."""
        own, self._width = self._width, max(self.width, width)
        try:
            yield
        finally:
            self._width = own

    def render_str(self, text: str, **choices: Any) -> Text:
        """Return what every string becomes that is printed, alone or in a table."""
        for old, new in self._words.items():
            text = text.replace(old, new)
        return super().render_str(plain(text), **choices)

    def status(self, status: RenderableType, **choices: Any) -> Status:
        """Return what shows, while it is entered, what is being done."""
        return _PlainStatus(status, console=self, **choices)


TABLE_CHOICES = [TableConfig()]
"""How tables are printed; the last one holds."""

NOTES = PlainConsole(stderr=True, soft_wrap=True)


FILE_WIDTH = 230
"""Characters of a line where standard output is no terminal."""


def results(words: Mapping[str, str] | None = None) -> Console:
    """Return a console on standard output, wide where that is a file.

    `words` stand in the place of others, such as the name of another currency.
    """
    return PlainConsole(words=words, width=None if sys.stdout.isatty() else FILE_WIDTH)


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
