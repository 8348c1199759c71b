"""An engine that writes every answer of another into one SQLite file, and replays it without a model."""

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llm_policy.engine import Choices, Completion, Engine, EngineError, Prompt, Schema

_APPLICATION = 0x65636A78  # in the file's header: this database is a journal
_TABLES = f"""
BEGIN;
CREATE TABLE engine (description TEXT NOT NULL);
CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
    key TEXT NOT NULL, occurrence INTEGER NOT NULL, verb TEXT NOT NULL,
    shared TEXT NOT NULL REFERENCES texts, personal TEXT NOT NULL, request TEXT NOT NULL REFERENCES texts,
    answer TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (key, occurrence)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
"""
_FIND = "SELECT answer, prompt_tokens, answer_tokens, seconds FROM calls WHERE key = ? AND occurrence = ?"
_WHEREABOUTS = {"url"}
"""What may differ between the engine that began a journal and the one that goes on with it."""


class _Call(NamedTuple):
    """One question: `occurrence` says how often the run has asked it before, `request` is its JSON."""

    key: str
    occurrence: int
    verb: str
    prompt: Prompt
    request: str


class _Answer(NamedTuple):
    """One answer: `said` is the texts, or the log probabilities and the leak."""

    said: list[Any]
    prompt_tokens: int
    answer_tokens: int
    seconds: float


class Journal:
    """The same protocol as `engine`: answers what is in the file at `path`, asks for the rest and records it.

    The k-th time that a run asks the same question (verb, prompt and parameters) it gets the k-th
    recorded answer, bit for bit. Each batch is one transaction: a run that was killed loses at most
    the batch it was waiting for, and a batch that failed may be asked again. Without an engine
    nothing is asked: a missing answer is an error.

    `calls` (prompts), `prompt_tokens`, `answer_tokens` and `seconds` count the answers given since
    construction, replayed ones at their recorded cost; a choice costs one answer token.

    Raises:
        EngineError: the file is no journal, is another engine's, or is missing and there is no engine.
    """

    def __init__(self, engine: Engine | None, path: Path | str) -> None:
        self.calls = self.prompt_tokens = self.answer_tokens = 0
        self.seconds = 0.0
        self._engine = engine
        self._path = Path(path)
        self._asked: Counter[str] = Counter()
        self._database = _open(self._path, engine)

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return the recorded texts, or the engine's.

        Raises:
            EngineError: an answer is missing and there is no engine, or the file cannot be written.
        """

        def ask(engine: Engine, prompts: list[Prompt]) -> list[_Answer]:
            answers = engine.complete(prompts, schema, samples=samples, max_tokens=max_tokens)
            return [_Answer(list(a.texts), a.prompt_tokens, a.answer_tokens, 0.0) for a in answers]

        request = {"schema": schema, "samples": samples, "max_tokens": max_tokens}
        return [
            Completion(tuple(answer.said), answer.prompt_tokens, answer.answer_tokens)
            for answer in self._answers("complete", prompts, request, ask)
        ]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the recorded scores, or the engine's.

        Raises:
            ValueError: the engine cannot score these options.
            EngineError: an answer is missing and there is no engine, or the file cannot be written.
        """

        def ask(engine: Engine, prompts: list[Prompt]) -> list[_Answer]:
            scores = engine.choose(prompts, options)
            rows = zip(
                scores.logprob.tolist(), scores.leaked.tolist(), scores.prompt_tokens.tolist(), strict=True
            )
            return [_Answer([logprob, leaked], tokens, 1, 0.0) for logprob, leaked, tokens in rows]

        answers = self._answers("choose", prompts, {"options": list(options)}, ask)
        logprob = np.array([answer.said[0] for answer in answers], dtype=np.float64)
        return Choices(
            logprob=logprob.reshape(len(prompts), len(options)),
            leaked=np.array([answer.said[1] for answer in answers], dtype=np.float64),
            prompt_tokens=np.array([answer.prompt_tokens for answer in answers], dtype=np.int64),
        )

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return the description of the engine whose answers the file holds."""
        return _description(self._database)

    def close(self) -> None:
        """Close the file and the engine. No call may follow."""
        self._database.close()
        if self._engine is not None:
            self._engine.close()

    def _answers(
        self,
        verb: str,
        prompts: Sequence[Prompt],
        request: dict[str, Any],
        ask: Callable[[Engine, list[Prompt]], list[_Answer]],
    ) -> list[_Answer]:
        """Return the answer to every prompt, in order; what the file lacks is asked in one batch."""
        calls = self._calls(verb, prompts, json.dumps(request))
        recorded = [self._find(call) for call in calls]
        missing = [call for call, answer in zip(calls, recorded, strict=True) if answer is None]
        fresh = iter(self._ask(missing, ask) if missing else ())
        answers = [next(fresh) if answer is None else answer for answer in recorded]
        self._asked.update(call.key for call in calls)
        self._count(answers)
        return answers

    def _calls(self, verb: str, prompts: Sequence[Prompt], request: str) -> list[_Call]:
        """Return each question with its key, and how often this run has asked it before."""
        batch: Counter[str] = Counter()
        calls = []
        for prompt in prompts:
            key = _digest(json.dumps([verb, *prompt, request]))
            calls.append(_Call(key, self._asked[key] + batch[key], verb, prompt, request))
            batch[key] += 1
        return calls

    def _find(self, call: _Call) -> _Answer | None:
        """Return the recorded answer, if there is one."""
        row = self._database.execute(_FIND, (call.key, call.occurrence)).fetchone()
        return _Answer(json.loads(row[0]), *row[1:]) if row else None

    def _ask(self, calls: list[_Call], ask: Callable[[Engine, list[Prompt]], list[_Answer]]) -> list[_Answer]:
        """Return and record the engine's answers, each with its share of the time that the batch took."""
        if self._engine is None:
            raise EngineError(
                f"The journal {self._path} lacks {len(calls)} answers, first to {calls[0].verb} "
                f"{calls[0].prompt.personal[:80]!r}: replay with the settings of the recorded run, or give "
                "an engine."
            )
        start = time.perf_counter()
        answers = ask(self._engine, [call.prompt for call in calls])
        seconds = (time.perf_counter() - start) / len(calls)
        answers = [answer._replace(seconds=seconds) for answer in answers]
        self._record(calls, answers)
        return answers

    def _record(self, calls: list[_Call], answers: list[_Answer]) -> None:
        """Write a batch of answers, all or none."""
        texts = {text for call in calls for text in (call.request, call.prompt.shared)}
        hashes = {text: _digest(text) for text in texts}
        rows = [
            (key, nth, verb, hashes[prompt.shared], prompt.personal, hashes[request], json.dumps(said), *cost)
            for (key, nth, verb, prompt, request), (said, *cost) in zip(calls, answers, strict=True)
        ]
        try:
            with self._database:
                pairs = [(digest, text) for text, digest in hashes.items()]
                self._database.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", pairs)
                self._database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            remedy = "one run at a time, on a disk with room"
            raise EngineError(f"Cannot write to the journal {self._path} ({error}): {remedy}.") from error

    def _count(self, answers: list[_Answer]) -> None:
        """Add the cost of `answers` to the counters."""
        self.calls += len(answers)
        self.prompt_tokens += sum(answer.prompt_tokens for answer in answers)
        self.answer_tokens += sum(answer.answer_tokens for answer in answers)
        self.seconds += sum(answer.seconds for answer in answers)


def _open(path: Path, engine: Engine | None) -> sqlite3.Connection:
    """Return the database at `path`, made if it is new and there is an engine to fill it."""
    if engine is None and not path.is_file():
        raise EngineError(f"There is no journal {path} to replay: correct the path, or give an engine.")
    try:
        database = sqlite3.connect(path)
        try:
            _prepare(database, path, engine)
        except BaseException:
            database.close()
            raise
        return database
    except sqlite3.OperationalError as error:
        remedy = "its folder must exist, and no other run may write to it"
        raise EngineError(f"Cannot open the journal {path} ({error}): {remedy}.") from error
    except sqlite3.DatabaseError as error:
        raise EngineError(f"{path} is not a journal ({error}): give another path.") from error


def _prepare(database: sqlite3.Connection, path: Path, engine: Engine | None) -> None:
    """Make the tables of a new journal, or check that an old one is a journal of the same engine."""
    mark = database.execute("PRAGMA application_id").fetchone()[0]
    empty = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if empty and engine is not None:
        with database:
            database.executescript(_TABLES)
            database.execute("INSERT INTO engine VALUES (?)", [json.dumps(engine.describe())])
    elif mark != _APPLICATION:
        raise EngineError(f"{path} is not a journal: give another path.")
    elif engine is not None:
        old, new = _description(database), engine.describe()
        differ = [
            name for name in {**old, **new} if old.get(name) != new.get(name) and name not in _WHEREABOUTS
        ]
        if differ:
            change = "; ".join(f"{name}: {old.get(name)!r} then, {new.get(name)!r} now" for name in differ)
            raise EngineError(f"The journal {path} is another engine's ({change}): give another path.")


def _description(database: sqlite3.Connection) -> dict[str, str | int | float | bool]:
    """Return what the engine that was recorded said of itself."""
    return json.loads(database.execute("SELECT description FROM engine").fetchone()[0])


def _digest(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
