"""What tells that a journal lost answers, or holds others than were recorded."""

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from llm_policy.engines.base import EngineError

_CHECKSUM_BYTES = 8
_MOMENTARY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Errors that say nothing of what a file holds."""


class Damaged(EngineError):
    """A journal lost answers that it held, or holds others than were recorded."""

    def __init__(self, path: Path, what: str) -> None:
        remedy = "put back a copy of it, or mend it (resume with --mend), which asks again"
        super().__init__(
            f"The journal {path} {' '.join(what.split())}: {remedy} for what was lost."
        )


def sealed(*values: Any) -> tuple[Any, ...]:
    """Return the values of a row with their checksum."""
    return *values, _checksum(values)


def is_sound(row: tuple[Any, ...]) -> bool:
    """Return whether a row still is what `sealed` made."""
    return _checksum(row[:-1]) == row[-1]


def connect(path: Path) -> sqlite3.Connection:
    """Open a database, whose texts need not be texts any more."""
    database = sqlite3.connect(path)
    database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    return database


@contextmanager
def as_damage(path: Path) -> Iterator[None]:
    """Take what SQLite cannot read within for damage, and what stands in its way for that.

    Raises:
        Damaged: a part of the file is no part of a database.
        EngineError: the file cannot be opened now.
    """
    try:
        yield
    except sqlite3.Error as error:
        if _code(error) & 0xFF in _MOMENTARY:
            remedy = "its folder must exist and be writable, and no other run may write to it"
            raise EngineError(f"Cannot open the journal {path} ({error}): {remedy}.") from error
        raise Damaged(path, f"is damaged ({error})") from error


def require_sound(database: sqlite3.Connection, path: Path, tables: tuple[str, ...]) -> None:
    """Read all rows.

    Raises:
        Damaged: one does not match its checksum, or is not where it belongs.
    """
    for table in tables:
        rows = database.execute(f"SELECT * FROM {table}")
        for place, row in enumerate(rows, start=1):
            if not is_sound(row):
                raise Damaged(
                    path, f"is damaged (row {place:,} of {table} does not match its checksum)"
                )
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise Damaged(path, f"is damaged ({verdict})")


def count_path(path: Path) -> Path:
    """Return the file that holds how many answers a journal has recorded."""
    return path.with_name(f"{path.name}-count")


def require_all(path: Path, held: int) -> None:
    """Check that a journal holds as many answers as were recorded in it, where that is known.

    Raises:
        Damaged: it holds fewer.
    """
    try:
        said = count_path(path).read_bytes()
    except FileNotFoundError:
        return
    digits = said.partition(b" ")[0]
    if said != _counted(int(digits) if digits.isdigit() else 0):
        raise Damaged(path, f"has a damaged count of its answers ({count_path(path)})")
    if int(digits) > held:
        raise Damaged(path, f"holds {held:,} of the {int(digits):,} answers that it was given")


class Witness:
    """The number of answers that a journal has recorded, in a file beside it, written in place."""

    def __init__(self, journal: Path, number: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(count_path(journal), flags, 0o644)
        self.say(number)

    def say(self, number: int) -> None:
        """Write another number."""
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, _counted(number))

    def close(self) -> None:
        """Close the file. No call may follow."""
        os.close(self._file)


def sound_rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a damaged journal that match their checksums, as far as it can be read."""
    found: dict[tuple[Any, ...], None] = {}
    back: list[tuple[Any, ...]] = []
    with closing(connect(path)) as database:
        order = "rowid" if table in ("calls", "texts") else "1"
        for direction, rows in (("", found.setdefault), (" DESC", back.append)):
            try:
                for row in database.execute(f"SELECT * FROM {table} ORDER BY {order}{direction}"):
                    if is_sound(row):
                        rows(row)
                break
            except sqlite3.Error:
                continue
    return list(found | dict.fromkeys(reversed(back)))


def _checksum(values: tuple[Any, ...]) -> bytes:
    return hashlib.sha256(repr(values).encode()).digest()[:_CHECKSUM_BYTES]


def _counted(number: int) -> bytes:
    """Return a number with its checksum, always in as many bytes."""
    digits = b"%020d" % number
    return digits + b" %08x\n" % zlib.crc32(digits)


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's code, 1 where the error is of Python's module."""
    return getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
