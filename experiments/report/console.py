"""Where people read: results on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console

NOTES = Console(stderr=True, soft_wrap=True, highlight=False)


def results() -> Console:
    """Return a console on standard output, wide where that is a file."""
    return Console(width=None if sys.stdout.isatty() else 230, highlight=False)


class Mistake(Exception):
    """What the user of a command can mend, in one line."""


@contextlib.contextmanager
def mistakes() -> Iterator[None]:
    """Take every ValueError for a mistake of the user: use it around checks, never around work."""
    try:
        yield
    except ValueError as error:
        raise Mistake(str(error)) from error
