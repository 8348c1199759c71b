"""An engine that writes every answer of another into one SQLite file.

It replays the file without a model.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from llm_policy.engines.base import (
    Engine,
    EngineError,
    EngineInfo,
    Hear,
    Interrupted,
    Posting,
    Prompt,
    Telling,
)
from llm_policy.engines.requests import Recorded, Reply, Request
from llm_policy.engines.wrappers.store import Store
from llm_policy.engines.wrappers.wrapper import Answering

_HASH_BYTES = 16
_FOUND = ("refused", "lost")
"""What an engine finds out while it is asked."""
_WHEREABOUTS = {"url", *_FOUND}
"""What may differ between the engine that began a journal and the one that goes on with it."""


@dataclass
class _Batch(Generic[Reply]):
    """A request, the key of each answer to it, and what is known of the answers so far."""

    request: Request[Reply]
    keys: list[bytes]
    answers: dict[int, Recorded] = field(default_factory=dict)


class Journal(Answering):
    """The protocol of `engine`: answers from the file at `path`, asks for and records the rest.

    The k-th time that a run asks the same question (verb, prompt and parameters) it gets the k-th
    recorded answer, bit for bit. Without an engine nothing is asked: a missing answer is an error.

    What is missing is asked `chunk` prompts at a time, and each answer of an engine that is
    `Telling` is recorded as it comes, each chunk of any other in one transaction: a run that was
    killed loses at most what it was waiting for, and leaves files `-wal` and `-count` that belong
    to the journal. What an engine answered before it failed is recorded too, and goes on in an
    `Interrupted`; its batch counts as not asked, so that asking it again asks only for the rest.
    An engine that is `Posting` is told of all that the file is given.

    `calls` (prompts), the tokens and `seconds` (inside the engine) count the answers given since
    construction, replayed ones at their recorded cost; a choice costs one answer token. `asked`
    counts those of them that the file did not hold. `latest` is when it was last asked, on the
    clock of `time.perf_counter`.

    Raises:
        Damaged: the file lost answers that were recorded, or a row does not match its checksum.
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
        self.asked = 0
        self.latest = 0.0
        self.seconds = 0.0
        self._engine = engine
        self._path = Path(path)
        self._chunk = chunk
        self._asked: Counter[bytes] = Counter()
        posting = {"post": engine.post} if isinstance(engine, Posting) else {}
        self._store = Store(self._path, None if engine is None else engine.describe, **posting)
        self._not_given = len(self._store)
        if engine is not None:
            try:
                _check_same(self._store.description(), engine.describe().asdict(), self._path)
            except BaseException:
                self._store.close()
                raise

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the recorded answer to every prompt, in order; what the file lacks is asked.

        Raises:
            EngineError: an answer is missing and there is no engine, or the file cannot be written;
                `Interrupted` if that came when part of the batch was answered.
        """
        self.latest = time.perf_counter()
        keys = self._keys(request)
        batch = _Batch(request, keys, self._find(keys))
        missing = [place for place in range(len(keys)) if place not in batch.answers]
        if missing:
            texts = [request.prompts[place].personal for place in missing]
            self._ask_in_chunks(self._live(request.verb, texts), batch, missing)
        self._asked.update(key[:_HASH_BYTES] for key in keys)
        self._not_given -= len(keys)
        return self._give(batch)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the recorded numbers of tokens, or the engine's.

        Raises:
            EngineError: a number is missing and there is no engine, or the file cannot be written.
        """
        keys = [hashlib.sha256(text.encode()).digest()[:_HASH_BYTES] for text in texts]
        known = self._store.counts(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            unknown = list(new.values())
            fresh = dict(zip(new, self._live("count", unknown).count(unknown), strict=True))
            self._store.add_counts(fresh.items())
            known |= fresh
        return [known[key] for key in keys]

    def describe(self) -> EngineInfo:
        """Return the description of the engine whose answers the file holds.

        What an engine has found out since, of servers that refuse or were lost, is added.
        """
        now = {} if self._engine is None else self._engine.describe().asdict()
        found = {name: now[name] for name in _FOUND if name in now}
        return EngineInfo.of(self._store.description() | found)

    @property
    def kept(self) -> int:
        """How many answers the file holds."""
        return len(self._store)

    @property
    def unused(self) -> int:
        """How many answers of the file were not given since construction."""
        return self._not_given

    def mark_unread(self, prompts: Sequence[Prompt], times: int) -> None:
        """Mark the last so many answers to each prompt as ones that could not be read."""
        self._store.mark_unread(prompts, times)

    def drop_unread(self) -> int:
        """Forget the marked answers, so that they are asked again, and return their number.

        It comes before the first question.
        """
        dropped = self._store.drop_unread()
        self._not_given -= dropped
        return dropped

    def finish(self) -> None:
        """Say that all that a run asks has been asked: a replay misses what is lost from now on."""
        self._store.finish()

    def close(self) -> None:
        """Close the file and the engine. No call may follow."""
        self._store.close()
        if self._engine is not None:
            self._engine.close()

    def _keys(self, request: Request[Any]) -> list[bytes]:
        """Return each answer's key: a hash of the question, and how often it was asked before.

        The head is JSON, which says where it ends: no two questions hash the same bytes.
        """
        heads: dict[str, Any] = {}
        parameters = request.parameters
        here: Counter[bytes] = Counter()
        keys = []
        for shared, personal in request.prompts:
            if shared not in heads:
                head = json.dumps([request.verb, parameters, shared], ensure_ascii=False)
                heads[shared] = hashlib.sha256(head.encode())
            question = heads[shared].copy()
            question.update(personal.encode())
            key = question.digest()[:_HASH_BYTES]
            keys.append(key + (self._asked[key] + here[key]).to_bytes(4, "big"))
            here[key] += 1
        return keys

    def _find(self, keys: list[bytes]) -> dict[int, Recorded]:
        """Return recorded answers by place; a file that has given all it had is not searched."""
        if not self._not_given:
            return {}
        recorded = self._store.answers(keys)
        return {place: recorded[key] for place, key in enumerate(keys) if key in recorded}

    def _ask_in_chunks(self, engine: Engine, batch: _Batch[Any], missing: list[int]) -> None:
        """Add what the batch lacks to its answers; a failure takes those that there are with it."""
        try:
            for start in range(0, len(missing), self._chunk):
                self._ask(engine, batch, missing[start : start + self._chunk])
        except EngineError as error:
            if not batch.answers:
                raise
            raise Interrupted(str(error), sorted(batch.answers), self._give(batch)) from error

    def _ask(self, engine: Engine, batch: _Batch[Any], places: list[int]) -> None:
        """Ask for a chunk, and record what comes, when it comes, whole or not."""
        failure, prompts = None, [batch.request.prompts[place] for place in places]
        since = time.perf_counter()

        def hear(rows: Sequence[int], said: Any) -> None:
            nonlocal since
            now = time.perf_counter()
            seconds, since = (now - since) / max(len(rows), 1), now
            records = batch.request.records(said, seconds)
            heard = dict(zip((places[row] for row in rows), records, strict=True))
            self._record(batch, {at: heard[at] for at in heard if at not in batch.answers})

        with _told(engine, hear):
            try:
                said = batch.request.about(prompts).ask(engine)
                rows = range(len(places))
            except Interrupted as error:
                failure, said, rows = error, batch.request.given(error), error.done
        hear(rows, said)
        if failure is not None:
            raise failure

    def _record(self, batch: _Batch[Any], fresh: dict[int, Recorded]) -> None:
        """Write answers with their keys and prompts, all or none, and add them to the batch's."""
        if not fresh:
            return
        request = batch.request
        calls = [(batch.keys[at], request.prompts[at], answer) for at, answer in fresh.items()]
        self._store.add(request.verb, request.parameters, calls)
        batch.answers |= fresh
        self._not_given += len(fresh)
        self.asked += len(fresh)

    def _give(self, batch: _Batch[Reply]) -> Reply:
        """Return the batch's answers in order, as the protocol has them, and count their cost."""
        answers = [batch.answers[place] for place in sorted(batch.answers)]
        self.calls += len(answers)
        self.prompt_tokens += sum(answer.prompt_tokens for answer in answers)
        self.cached_tokens += sum(answer.cached_tokens for answer in answers)
        self.answer_tokens += sum(answer.answer_tokens for answer in answers)
        self.seconds += sum(answer.seconds for answer in answers)
        return batch.request.reply(answers)

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
def _told(engine: Engine, hear: Hear) -> Iterator[None]:
    """Let `hear` be told within of answers as they come, by an engine that tells."""
    if not isinstance(engine, Telling):
        yield
        return
    engine.hear = hear
    try:
        yield
    finally:
        engine.hear = None


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
