"""An engine that writes every answer of another into one SQLite file.

It replays the file without a model.
"""

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llm_policy.engines.base import (
    Choices,
    Completion,
    Engine,
    EngineError,
    Interrupted,
    Prompt,
    Schema,
)

_APPLICATION = 0x65636A78  # in the file's header: this database is a journal
_FORMAT = 2
# `answer` is a JSON list of texts, or the log probabilities and then the leak as little-endian
# float64.
_TABLES = f"""
BEGIN;
CREATE TABLE engine (description TEXT NOT NULL);
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE counts (key BLOB PRIMARY KEY, tokens INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
    key BLOB NOT NULL UNIQUE, verb TEXT NOT NULL, parameters INTEGER NOT NULL REFERENCES texts,
    shared INTEGER NOT NULL REFERENCES texts, personal TEXT NOT NULL, answer NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_FORMAT};
"""
_FIND = (
    "SELECT key, answer, prompt_tokens, cached_tokens, answer_tokens, seconds "
    "FROM calls WHERE key IN"
)
_HASH_BYTES = 16
_FOUND = ("refused", "lost")
"""What an engine finds out while it is asked."""
_WHEREABOUTS = {"url", *_FOUND}
"""What may differ between the engine that began a journal and the one that goes on with it."""


class _Answer(NamedTuple):
    """One answer as the file holds it."""

    said: str | bytes
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int
    seconds: float


@dataclass
class _Batch:
    """A batch of questions: how an engine is asked, how records are read, what is known so far."""

    verb: str
    parameters: str
    prompts: Sequence[Prompt]
    ask: Callable[[Engine, list[Prompt]], Sequence[Completion] | Choices]
    read: Callable[[list[_Answer]], Any]
    keys: list[bytes] = field(default_factory=list)
    answers: dict[int, _Answer] = field(default_factory=dict)


class Journal:
    """The protocol of `engine`: answers from the file at `path`, asks for and records the rest.

    The k-th time that a run asks the same question (verb, prompt and parameters) it gets the k-th
    recorded answer, bit for bit. Without an engine nothing is asked: a missing answer is an error.

    What is missing is asked `chunk` prompts at a time, and each chunk is one transaction: a run
    that was killed loses at most the chunk it was waiting for, and leaves a `-wal` file that
    belongs to the journal. What an engine answered before it failed is recorded too, and goes on in
    an `Interrupted`; its batch counts as not asked, so that asking it again asks only for the rest.

    `calls` (prompts), the tokens and `seconds` (inside the engine) count the answers given since
    construction, replayed ones at their recorded cost; a choice costs one answer token.

    Raises:
        EngineError: the file is no journal, is another engine's, or is missing and there is no
        engine.
        ValueError: `chunk` is not positive.
    """

    def __init__(self, engine: Engine | None, path: Path | str, *, chunk: int = 2048) -> None:
        if chunk < 1:
            raise ValueError(
                f"A journal asks at least one prompt at a time: chunk cannot be {chunk}."
            )
        self.calls = self.prompt_tokens = self.cached_tokens = self.answer_tokens = 0
        self.seconds = 0.0
        self._engine = engine
        self._path = Path(path)
        self._chunk = chunk
        self._asked: Counter[bytes] = Counter()
        self._database = _open(self._path, engine)
        (self._not_given,) = self._database.execute("SELECT count(*) FROM calls").fetchone()

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return the recorded texts, or the engine's.

        Raises:
            EngineError: an answer is missing and there is no engine, or the file cannot be written;
                `Interrupted` if that came when part of the batch was answered.
        """

        def ask(engine: Engine, prompts: list[Prompt]) -> list[Completion]:
            return engine.complete(prompts, schema, samples=samples, max_tokens=max_tokens)

        parameters = json.dumps({"schema": schema, "samples": samples, "max_tokens": max_tokens})
        return self._answer(_Batch("complete", parameters, prompts, ask, _completions))

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the recorded scores, or the engine's.

        Raises:
            ValueError: the engine cannot score these options.
            EngineError: as in `complete`.
        """

        def ask(engine: Engine, prompts: list[Prompt]) -> Choices:
            return engine.choose(prompts, options)

        def read(answers: list[_Answer]) -> Choices:
            return _choices(answers, len(options))

        return self._answer(_Batch("choose", json.dumps(list(options)), prompts, ask, read))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the recorded numbers of tokens, or the engine's.

        Raises:
            EngineError: a number is missing and there is no engine, or the file cannot be written.
        """
        keys = [hashlib.sha256(text.encode()).digest()[:_HASH_BYTES] for text in texts]
        known = dict(self._select("SELECT key, tokens FROM counts WHERE key IN", keys))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            unknown = list(new.values())
            fresh = self._live("count", unknown).count(unknown)
            known |= zip(new, fresh, strict=True)
            with self._writing() as database:
                database.executemany(
                    "INSERT INTO counts VALUES (?, ?)", zip(new, fresh, strict=True)
                )
        return [known[key] for key in keys]

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return the description of the engine whose answers the file holds.

        What an engine has found out since, of servers that refuse or were lost, is added.
        """
        now = {} if self._engine is None else self._engine.describe()
        return _description(self._database) | {name: now[name] for name in _FOUND if name in now}

    def close(self) -> None:
        """Close the file and the engine. No call may follow."""
        self._database.close()
        if self._engine is not None:
            self._engine.close()

    def _answer(self, batch: _Batch) -> Any:
        """Return the answer to every prompt, in order: what the file lacks is asked."""
        batch.keys = self._keys(batch)
        batch.answers = self._find(batch.keys)
        missing = [place for place in range(len(batch.keys)) if place not in batch.answers]
        if missing:
            engine = self._live(batch.verb, [batch.prompts[place].personal for place in missing])
            self._ask_in_chunks(engine, batch, missing)
        self._asked.update(key[:_HASH_BYTES] for key in batch.keys)
        self._not_given -= len(batch.keys)
        return self._give(batch)

    def _keys(self, batch: _Batch) -> list[bytes]:
        """Return each answer's key: a hash of the question, and how often it was asked before.

        The head is JSON, which says where it ends: no two questions hash the same bytes.
        """
        heads: dict[str, Any] = {}
        here: Counter[bytes] = Counter()
        keys = []
        for shared, personal in batch.prompts:
            if shared not in heads:
                head = json.dumps([batch.verb, batch.parameters, shared], ensure_ascii=False)
                heads[shared] = hashlib.sha256(head.encode())
            question = heads[shared].copy()
            question.update(personal.encode())
            key = question.digest()[:_HASH_BYTES]
            keys.append(key + (self._asked[key] + here[key]).to_bytes(4, "big"))
            here[key] += 1
        return keys

    def _find(self, keys: list[bytes]) -> dict[int, _Answer]:
        """Return recorded answers by place; a file that has given all it had is not searched."""
        if not self._not_given:
            return {}
        recorded = {key: _Answer(*answer) for key, *answer in self._select(_FIND, keys)}
        return {place: recorded[key] for place, key in enumerate(keys) if key in recorded}

    def _select(self, statement: str, keys: list[bytes]) -> Iterator[Any]:
        """Return the rows with one of these keys; a thousand are looked up at a time."""
        for start in range(0, len(keys), 1000):
            some = keys[start : start + 1000]
            yield from self._database.execute(f"{statement} ({','.join('?' * len(some))})", some)

    def _ask_in_chunks(self, engine: Engine, batch: _Batch, missing: list[int]) -> None:
        """Add what the batch lacks to its answers; a failure takes those that there are with it."""
        try:
            for start in range(0, len(missing), self._chunk):
                self._ask(engine, batch, missing[start : start + self._chunk])
        except EngineError as error:
            if not batch.answers:
                raise
            raise Interrupted(str(error), sorted(batch.answers), self._give(batch)) from error

    def _ask(self, engine: Engine, batch: _Batch, places: list[int]) -> None:
        """Ask for a chunk, record what comes, whole or not, and add it to the batch's answers."""
        failure = None
        start = time.perf_counter()
        try:
            said = batch.ask(engine, [batch.prompts[place] for place in places])
        except Interrupted as error:
            failure, said, places = error, error.answers, [places[i] for i in error.done]
        seconds = (time.perf_counter() - start) / max(len(places), 1)
        fresh = dict(zip(places, _recordable(said, seconds), strict=True))
        self._record(batch, fresh)
        batch.answers |= fresh
        if failure is not None:
            raise failure

    def _record(self, batch: _Batch, answers: dict[int, _Answer]) -> None:
        """Write a chunk of answers with their keys and prompts, all or none."""
        with self._writing() as database:
            parameters = _text_id(database, batch.parameters)
            texts = dict.fromkeys(batch.prompts[place].shared for place in answers)
            ids = {text: _text_id(database, text) for text in texts}
            asked = (
                (batch.keys[place], *batch.prompts[place], answer)
                for place, answer in answers.items()
            )
            rows = (
                (key, batch.verb, parameters, ids[shared], personal, *answer)
                for key, shared, personal, answer in asked
            )
            database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._not_given += len(answers)

    def _give(self, batch: _Batch) -> Any:
        """Return the batch's answers in order, as the protocol has them, and count their cost."""
        answers = [batch.answers[place] for place in sorted(batch.answers)]
        self.calls += len(answers)
        self.prompt_tokens += sum(answer.prompt_tokens for answer in answers)
        self.cached_tokens += sum(answer.cached_tokens for answer in answers)
        self.answer_tokens += sum(answer.answer_tokens for answer in answers)
        self.seconds += sum(answer.seconds for answer in answers)
        return batch.read(answers)

    def _live(self, verb: str, texts: Sequence[str]) -> Engine:
        """Return the engine that `texts` can be asked of."""
        if self._engine is None:
            raise EngineError(
                f"The journal {self._path} lacks {len(texts)} answers, first to {verb} "
                f"{texts[0][:80]!r}: replay with the settings of the recorded run, or give an "
                "engine."
            )
        return self._engine

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Keep what is written within, all or none."""
        try:
            with self._database:
                yield self._database
        except sqlite3.Error as error:
            remedy = "one run at a time, on a disk with room"
            raise EngineError(
                f"Cannot write to the journal {self._path} ({error}): {remedy}."
            ) from error


def _recordable(said: Sequence[Completion] | Choices, seconds: float) -> list[_Answer]:
    """Return an engine's answers as the file holds them, each of which took `seconds`."""
    if isinstance(said, Choices):
        scores = np.column_stack([said.logprob, said.leaked]).astype("<f8")
        tokens = zip(said.prompt_tokens.tolist(), said.cached_tokens.tolist(), strict=True)
        return [
            _Answer(row.tobytes(), *read, 1, seconds)
            for row, read in zip(scores, tokens, strict=True)
        ]
    return [
        _Answer(json.dumps(a.texts), a.prompt_tokens, a.cached_tokens, a.answer_tokens, seconds)
        for a in said
    ]


def _completions(answers: list[_Answer]) -> list[Completion]:
    return [
        Completion(tuple(json.loads(said)), prompt_tokens, answer_tokens, cached_tokens)
        for said, prompt_tokens, cached_tokens, answer_tokens, _ in answers
    ]


def _choices(answers: list[_Answer], options: int) -> Choices:
    said: Any = (answer.said for answer in answers)
    scores = (
        np.frombuffer(b"".join(said), "<f8").astype(np.float64).reshape(len(answers), options + 1)
    )
    return Choices(
        logprob=scores[:, :-1],
        leaked=scores[:, -1],
        prompt_tokens=np.array([answer.prompt_tokens for answer in answers], np.int64),
        cached_tokens=np.array([answer.cached_tokens for answer in answers], np.int64),
    )


def _text_id(database: sqlite3.Connection, text: str) -> int:
    """Return the number of a text that many calls share, stored once."""
    database.execute("INSERT OR IGNORE INTO texts (text) VALUES (?)", [text])
    return database.execute("SELECT id FROM texts WHERE text = ?", [text]).fetchone()[0]


def _open(path: Path, engine: Engine | None) -> sqlite3.Connection:
    """Return the database at `path`, made if it is new and there is an engine to fill it."""
    if engine is None and not path.is_file():
        raise EngineError(
            f"There is no journal {path} to replay: correct the path, or give an engine."
        )
    try:
        database = sqlite3.connect(path)
        try:
            _prepare(database, path, engine)
        except BaseException:
            database.close()
            raise
        return database
    except sqlite3.OperationalError as error:
        remedy = "its folder must exist and be writable, and no other run may write to it"
        raise EngineError(f"Cannot open the journal {path} ({error}): {remedy}.") from error
    except sqlite3.DatabaseError as error:
        raise EngineError(f"{path} is not a journal ({error}): give another path.") from error


def _prepare(database: sqlite3.Connection, path: Path, engine: Engine | None) -> None:
    """Make the tables of a new journal, or check that an old one is a journal of the same engine.

    A write-ahead log keeps every committed chunk when the process is killed, without waiting for
    the disk.
    """
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if engine is not None and not tables:
        database.execute(
            "PRAGMA page_size = 16384"
        )  # prompts of about 1,500 characters leave less unused
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.executescript(_TABLES)
            database.execute("INSERT INTO engine VALUES (?)", [json.dumps(engine.describe())])
    elif mark != _APPLICATION:
        raise EngineError(f"{path} is not a journal: give another path.")
    elif version != _FORMAT:
        raise EngineError(
            f"The journal {path} has another version's format ({version}, not {_FORMAT}): give "
            "another path, or replay it with the version of econjax that its manifest names."
        )
    elif engine is not None:
        _check_same(_description(database), engine.describe(), path)
    database.execute("PRAGMA synchronous = NORMAL")


def _check_same(old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
    """Raise an error if the engine that was recorded is not the one that goes on."""
    differ = [
        name
        for name in {**old, **new}
        if old.get(name) != new.get(name) and name not in _WHEREABOUTS
    ]
    if differ:
        change = "; ".join(
            f"{name}: {old.get(name)!r} then, {new.get(name)!r} now" for name in differ
        )
        raise EngineError(f"The journal {path} is another engine's ({change}): give another path.")


def _description(database: sqlite3.Connection) -> dict[str, str | int | float | bool]:
    """Return what the engine that was recorded said of itself."""
    return json.loads(database.execute("SELECT description FROM engine").fetchone()[0])
