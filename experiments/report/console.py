"""Where people read: results on standard output, everything else on standard error."""

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console

NOTES = Console(stderr=True, soft_wrap=True, highlight=False)


class Place(Protocol):
    """Where an economy is: what money and the law are called."""

    @property
    def currency(self) -> Any:
        """Money, with a `symbol` and a `name` in the plural."""
        ...

    @property
    def law_title(self) -> str:
        """The law in words for a table."""
        ...


def results(economy: Place | None = None) -> Console:
    """Return a console on standard output, wide where that is a file.

    It speaks of the money and the law of an economy, if one is given.
    """
    words = {} if economy is None else _words(economy)
    file: Any = _Spoken(sys.stdout, words) if words else None
    return Console(file=file, width=None if sys.stdout.isatty() else 230, highlight=False)


def _words(economy: Place) -> dict[str, str]:
    """Return what stands for the words of tables that are of the United States."""
    currency, law = economy.currency, economy.law_title
    money = {"$": currency.symbol, "dollars": currency.name, "Dollars": currency.name.capitalize()}
    titles = {} if law == "US federal" else {"US→best": "law→best", "US federal": law}
    return titles | {old: new for old, new in money.items() if old != new}


class _Spoken(io.TextIOBase):
    """A text file that writes other words in the place of some."""

    def __init__(self, file: TextIO, words: Mapping[str, str]) -> None:
        self._file, self._words = file, words

    def write(self, text: str) -> int:
        for old, new in self._words.items():
            text = text.replace(old, new)
        return self._file.write(text)

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return self._file.isatty()


class Mistake(Exception):
    """What the user of a command can mend, in one line."""


@contextlib.contextmanager
def mistakes() -> Iterator[None]:
    """Take every ValueError for a mistake of the user: use it around checks, never around work."""
    try:
        yield
    except ValueError as error:
        raise Mistake(str(error)) from error
