"""The answers in a journal, in the order in which they came, for those who only read."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.wrappers.sealing import as_damage


class RecordedCall(NamedTuple):
    """A question and its answer: texts, or the chance of each option and of none of them.

    `tokens` were read and written, `seconds` it took. `unread` says that the run could not
    understand the answer.
    """

    verb: Literal["complete", "choose"]
    prompt: Prompt
    texts: tuple[str, ...]
    options: tuple[str, ...]
    chances: Float[np.ndarray, " options"]
    leaked: float
    tokens: tuple[int, int]
    seconds: float
    unread: bool


def recorded_calls(path: Path) -> Iterator[RecordedCall]:
    """Yield the calls of a journal; nothing beside it is touched, nor is the file.

    A journal that a run is writing is read as it was when the reading began.

    Raises:
        Damaged: the file cannot be read to its end.
        EngineError: it cannot be opened now.
    """
    with as_damage(path), _opened(path) as database:
        for row in database.execute(_CALLS):
            yield _call(row)


_CALLS = """
SELECT verb, asked.text, told.text, personal, answer, prompt_tokens, answer_tokens, seconds,
    key IN (SELECT key FROM unread)
FROM calls JOIN texts AS asked ON asked.id = parameters JOIN texts AS told ON told.id = shared
ORDER BY calls.rowid
"""


def _call(row: Sequence[Any]) -> RecordedCall:
    """Return a row of the file, whose answer is JSON or scores, as a call."""
    verb, parameters, shared, personal, answer, read, written, seconds, unread = row
    said = json.loads(answer) if verb == "complete" else ()
    options = tuple(json.loads(parameters)) if verb == "choose" else ()
    scores = np.frombuffer(answer, "<f8") if verb == "choose" else np.zeros(1)
    return RecordedCall(
        verb=verb,
        prompt=Prompt(shared, personal),
        texts=tuple(said),
        options=options,
        chances=np.exp(scores[:-1]),
        leaked=float(scores[-1]),
        tokens=(read, written),
        seconds=seconds,
        unread=bool(unread),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal to read; with its log, if it has one, from a copy of both.

    Raises:
        EngineError: there is no such file.
    """
    if not path.is_file():
        raise EngineError(f"There is no journal {path}: correct the path.")
    log = path.with_name(f"{path.name}-wal")
    with tempfile.TemporaryDirectory() as folder:
        place, choice = path, "?mode=ro&immutable=1"
        if log.is_file() and log.stat().st_size:
            place, choice = Path(folder, path.name), ""
            shutil.copyfile(path, place)
            shutil.copyfile(log, place.with_name(log.name))
        address = f"{place.resolve().as_uri()}{choice}"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            yield database
