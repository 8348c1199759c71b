"""The SQLite file behind a journal: rows with checksums, and a count of them beside the file."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_policy.engines.base import EngineError, EngineInfo, JournalRows, Prompt
from llm_policy.engines.requests import Recorded
from llm_policy.engines.wrappers.sealing import (
    Witness,
    as_damage,
    connect,
    count_path,
    require_all,
    require_sound,
    sealed,
    sound_rows,
)

_APPLICATION = 0x65636A78  # in the file's header: this database is a journal
_FORMAT = 3
# `answer` is what `Recorded` calls said. The last column of every table is the checksum of the
# others.
_TABLES = f"""
BEGIN;
CREATE TABLE engine (description TEXT NOT NULL, checksum BLOB NOT NULL);
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, checksum BLOB NOT NULL
);
CREATE TABLE counts (
    key BLOB PRIMARY KEY, tokens INTEGER NOT NULL, checksum BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE calls (
    key BLOB NOT NULL UNIQUE, verb TEXT NOT NULL, parameters INTEGER NOT NULL REFERENCES texts,
    shared INTEGER NOT NULL REFERENCES texts, personal TEXT NOT NULL, answer NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL, checksum BLOB NOT NULL
);
CREATE TABLE unread (key BLOB PRIMARY KEY, checksum BLOB NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_FORMAT};
"""
_NAMES = ("engine", "texts", "counts", "unread", "calls")
_PARAMETERS, _SHARED = 2, 3  # columns of `calls`
_FIND = (
    "SELECT key, answer, prompt_tokens, cached_tokens, answer_tokens, seconds "
    "FROM calls WHERE key IN"
)
_SPENT = (
    "SELECT total(prompt_tokens), total(cached_tokens), total(answer_tokens), total(seconds) "
    "FROM calls"
)
_LATEST = (
    "SELECT key FROM calls JOIN texts ON texts.id = shared "
    "WHERE text = ? AND personal = ? ORDER BY calls.rowid DESC LIMIT ?"
)
_MARKED = "FROM calls WHERE key IN (SELECT key FROM unread)"


class Store:
    """The file at `path`; one that is not there or empty is made, by the engine's `description`.

    What is written appears whole or not at all, and stays when the process is killed. Beside the
    file another, `count_path`, holds how many answers were recorded. Without a description nothing
    is written. `post` is told of all rows that were written together, in order.

    Raises:
        Damaged: a row does not match its checksum, the file cannot be read to its end, or it holds
            fewer answers than were recorded.
        EngineError: there is no journal and no description, or it is not one of this format.
    """

    def __init__(
        self,
        path: Path,
        description: Callable[[], EngineInfo] | None,
        *,
        post: Callable[[Sequence[JournalRows]], None] = lambda written: None,
    ) -> None:
        self.path = path
        self._post, self._written = post, list[JournalRows]()
        if path.is_symlink() or count_path(path).is_symlink():
            raise EngineError(f"The journal {path} is a symbolic link: put the file itself there.")
        if not path.is_file():
            require_all(path, 0)
            if description is None:
                raise EngineError(
                    f"There is no journal {path} to replay: correct the path, or give an engine."
                )
        with as_damage(path):
            self._database = connect(path)
        try:
            with as_damage(path):
                _prepare(self._database, path, description)
                require_sound(self._database, path, _NAMES)
                (self._held,) = self._database.execute("SELECT count(*) FROM calls").fetchone()
            require_all(path, self._held)
            self._witness = None if description is None else Witness(path, self._held)
        except BaseException:
            self._database.close()
            raise

    def __len__(self) -> int:
        """Return how many answers the file holds."""
        return self._held

    def description(self) -> dict[str, str | int | float | bool]:
        """Return what the engine that was recorded said of itself."""
        return _described(self._database)

    def spent(self) -> Recorded:
        """Return what all recorded answers took together, without what they say."""
        return Recorded("", *self._database.execute(_SPENT).fetchone())

    def answers(self, keys: Sequence[bytes]) -> dict[bytes, Recorded]:
        """Return the answers that there are, by key."""
        return {key: Recorded(*answer) for key, *answer in self._select(_FIND, keys)}

    def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the numbers of tokens that there are, by the key of the text."""
        return dict(self._select("SELECT key, tokens FROM counts WHERE key IN", keys))

    def add_counts(self, counts: Iterable[tuple[bytes, int]]) -> None:
        """Write numbers of tokens, all or none."""
        with self._writing() as database:
            rows = (sealed(key, int(tokens)) for key, tokens in counts)
            self._insert(database, "counts", rows)

    def add(
        self, verb: str, parameters: str, calls: Sequence[tuple[bytes, Prompt, Recorded]]
    ) -> None:
        """Write answers with their keys and prompts, all or none."""
        with self._writing() as database:
            asked = self._text_id(database, parameters)
            texts = dict.fromkeys(prompt.shared for _, prompt, _ in calls)
            ids = {text: self._text_id(database, text) for text in texts}
            rows = (
                sealed(key, verb, asked, ids[prompt.shared], prompt.personal, *answer)
                for key, prompt, answer in calls
            )
            self._insert(database, "calls", rows)
        self._count(self._held + len(calls))

    def mark_unread(self, prompts: Iterable[Prompt], times: int) -> None:
        """Mark the last so many answers to each prompt as unread."""
        with self._writing() as database:
            for prompt in dict.fromkeys(prompts):
                keys = database.execute(_LATEST, [*prompt, times]).fetchall()
                rows = (sealed(*key) for key in keys)
                self._insert(database, "unread", rows, or_ignore=True)

    def drop_unread(self) -> int:
        """Forget the answers that are marked as unread, and return how many these were."""
        with as_damage(self.path):
            (number,) = self._database.execute(f"SELECT count(*) {_MARKED}").fetchone()
        self._count(self._held - number)
        with self._writing() as database:
            database.execute(f"DELETE {_MARKED}")
            database.execute("DELETE FROM unread")
        return number

    def take(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows of another store's table as they are."""
        with self._writing() as database:
            before = database.total_changes
            self._insert(database, table, rows, or_ignore=True)
            more = database.total_changes - before
        if table == "calls":
            self._count(self._held + more)

    def finish(self) -> None:
        """Take away the count of answers: the file is complete, and says so by itself."""
        if self._witness is not None:
            self._witness.close()
            self._witness = None
            count_path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. No call may follow."""
        self._database.close()
        if self._witness is not None:
            self._witness.close()

    def _count(self, held: int) -> None:
        """Say how many answers the file holds."""
        self._held = held
        if self._witness is not None:
            self._witness.say(held)

    def _select(self, statement: str, keys: Sequence[bytes]) -> Iterator[Any]:
        """Return the rows with one of these keys; a thousand are looked up at a time."""
        for start in range(0, len(keys), 1000):
            some = keys[start : start + 1000]
            with as_damage(self.path):
                query = f"{statement} ({','.join('?' * len(some))})"
                found = self._database.execute(query, some).fetchall()
            yield from found

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Keep what is written within, all or none, and tell of it."""
        self._written = []
        try:
            with self._database:
                yield self._database
        except sqlite3.Error as error:
            remedy = "one run at a time, on a disk with room"
            raise EngineError(
                f"Cannot write to the journal {self.path} ({error}): {remedy}."
            ) from error
        if self._written:
            self._post(self._written)

    def _insert(
        self,
        database: sqlite3.Connection,
        table: str,
        rows: Iterable[tuple[Any, ...]],
        *,
        or_ignore: bool = False,
    ) -> None:
        """Add rows to a table, whatever its columns."""
        if rows := list(rows):
            _insert(database, table, rows, or_ignore=or_ignore)
            self._written.append((table, rows))

    def _text_id(self, database: sqlite3.Connection, text: str) -> int:
        """Return the number of a text that many calls share, stored once."""
        known = database.execute("SELECT id FROM texts WHERE text = ?", [text]).fetchone()
        if known is not None:
            return known[0]
        (last,) = database.execute("SELECT coalesce(max(id), 0) FROM texts").fetchone()
        self._insert(database, "texts", [sealed(last + 1, text)])
        return last + 1


def cost_of(calls: Sequence[tuple[Any, ...]]) -> Recorded:
    """Return what rows of `calls` took together, without what they say."""
    cost = [sum(column) for column in zip(*(row[6:10] for row in calls), strict=True)]
    return Recorded("", *cost)


def mend(path: Path, description: Callable[[], EngineInfo]) -> int:
    """Keep the sound rows of a damaged journal, or begin it anew; return how many answers remain.

    What was there goes on beside it, as `NAME-damaged`.
    """
    fresh, old = path.with_name(f"{path.name}-mended"), path.with_name(f"{path.name}-damaged")
    for rest in (fresh, count_path(fresh), count_path(path)):
        rest.unlink(missing_ok=True)
    store = Store(fresh, description)
    try:
        if path.is_file():
            texts = sound_rows(path, "texts")
            known = {number for number, *_ in texts}
            store.take("texts", texts)
            store.take("counts", sound_rows(path, "counts"))
            store.take("unread", sound_rows(path, "unread"))
            calls = sound_rows(path, "calls")
            store.take("calls", (c for c in calls if {c[_PARAMETERS], c[_SHARED]} <= known))
        remaining = len(store)
    finally:
        store.close()
    for rest in ("", "-wal", "-shm"):
        there = path.with_name(path.name + rest)
        if there.exists():
            os.replace(there, old.with_name(old.name + rest))
    os.replace(fresh, path)
    os.replace(count_path(fresh), count_path(path))
    return remaining


def _prepare(
    database: sqlite3.Connection, path: Path, description: Callable[[], EngineInfo] | None
) -> None:
    """Make the tables of a new journal, or check that an old one is a journal of the same engine.

    A write-ahead log keeps every committed answer when the process is killed, without waiting for
    the disk.
    """
    mark, version, tables = _header(database, path)
    if description is not None and not tables:
        require_all(path, 0)
        database.execute(
            "PRAGMA page_size = 16384"
        )  # prompts of about 1,500 characters leave less unused
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.executescript(_TABLES)
            _insert(database, "engine", [sealed(json.dumps(description().asdict()))])
    elif mark != _APPLICATION:
        require_all(path, 0)
        raise EngineError(f"{path} is not a journal: give another path.")
    elif version != _FORMAT:
        raise EngineError(
            f"The journal {path} has another version's format ({version}, not {_FORMAT}): give "
            "another path, or replay it with the version of econjax that its manifest names."
        )
    database.execute("PRAGMA synchronous = NORMAL")


def _header(database: sqlite3.Connection, path: Path) -> tuple[int, int, int]:
    """Return a file's application, the version of its format, and how many tables it holds."""
    ask = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    try:
        mark, version, tables = (database.execute(each).fetchone()[0] for each in ask)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        require_all(path, 0)
        raise EngineError(f"{path} is not a journal ({error}): give another path.") from error
    return mark, version, tables


def _described(database: sqlite3.Connection) -> dict[str, str | int | float | bool]:
    return json.loads(database.execute("SELECT description FROM engine").fetchone()[0])


def _insert(
    database: sqlite3.Connection,
    table: str,
    rows: Sequence[tuple[Any, ...]],
    *,
    or_ignore: bool = False,
) -> None:
    """Add rows to a table, whatever its columns."""
    places = ", ".join("?" * len(rows[0]))
    verb = "INSERT OR IGNORE" if or_ignore else "INSERT"
    database.executemany(f"{verb} INTO {table} VALUES ({places})", rows)
