"""Send hostile replies of servers through the decoder and the readers: nothing may be raised.

`python -m experiments.tools.fuzz_replies 1000000` prints the seconds and what became of them.
"""

import argparse
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llm_policy.answers.reading import read_hours, read_rates, read_satisfied
from llm_policy.engines._scores import choices
from llm_policy.engines.base import Completion
from llm_policy.engines.openai.replies import (
    Card,
    ReportedFailure,
    Unreadable,
    read_cards,
    read_completion,
    read_tokens,
    read_version,
)
from llm_policy.engines.openai.scores import NoScores, Scores, read_firsts, read_places
from llm_policy.engines.openai.words import clean, said

_NAMES = ("A", "B", "40")
_SAMPLES, _PLACES = 2, 2
_SECRET = "sk-a-secret-that-nobody-may-see"

_TEXTS = (
    '{"hours": 40}',
    '{"hours": "40 hours"}',
    '{"hours": -1e400}',
    '{"hours": [40]}',
    '{"satisfied": "yes"}',
    '{"rates_percent": [10, 20, "30 %"]}',
    '{"rates_percent": [NaN, 1e999, null]}',
    "}{",
    "{" * 2000,
    "[/b][red]",
    "\x1b[31m\x00",
    "=cmd|' /C calc'!A0",
    "١٢٣",
    _SECRET[:12],
    "",
)
_ODD = (
    None, True, False, 0, 1, -1, 3, 1.5, 1e30, -1e30, 1e-300, 10**30, -0.1, "12", "", "nan",
    "error", [], {}, [[]], [None], {"a": 1}, ["text"], [{"type": "text", "text": "40"}],
    [{"text": 3}], {"message": "quota\x1b[2J"}, math.nan, math.inf, -math.inf,
)  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    started = time.perf_counter()
    found = fuzz(chosen.count, chosen.seed)
    seconds = time.perf_counter() - started
    print(f"{chosen.count:,} replies in {seconds:.1f} s, no exception:")
    for outcome, count in found.most_common():
        print(f"{count:>12,}  {outcome}")


def fuzz(count: int, seed: int) -> Counter[str]:
    """Return how often each outcome came of `count` replies; whatever is no outcome is raised."""
    return Counter(outcome(kind, body) for kind, body in hostile(count, random.Random(seed)))


def outcome(kind: str, body: bytes) -> str:
    """Return what became of a reply, having checked that what was decoded is legal.

    Raises:
        AssertionError: it is not.
    """
    try:
        found = _READ[kind](body)
    except (Unreadable, ReportedFailure, NoScores) as error:
        words = error.words if isinstance(error, ReportedFailure) else str(error)
        _check_shown(clean(words, [_SECRET]))
        return f"{kind}: {type(error).__name__}"
    _check(found)
    _check_shown(clean(said(body), [_SECRET]))
    if isinstance(found, Completion):
        return f"{kind}: {_readable(found.texts)} of {len(found.texts)} texts read"
    if isinstance(found, Scores):
        known = np.isfinite(found.logprob).any()
        return f"{kind}: {'scores' if known else 'unread'}"
    return f"{kind}: decoded"


def hostile(count: int, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield replies of every kind, damaged in structure, in values and in bytes."""
    kinds = list(_READ)
    for _ in range(count):
        kind = draw.choice(kinds)
        reply = _healthy(kind, draw)
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            reply = _damaged(reply, draw)
        body = json.dumps(reply, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
        yield kind, _damaged_bytes(body, draw) if draw.random() < 0.2 else body


_READ: dict[str, Callable[[bytes], Any]] = {
    "completion": lambda body: read_completion(body, samples=_SAMPLES),
    "first tokens": lambda body: read_firsts(body, _NAMES),
    "places": lambda body: read_places(body, _NAMES, places=_PLACES),
    "models": read_cards,
    "tokens": read_tokens,
    "version": read_version,
}


def _healthy(kind: str, draw: random.Random) -> Any:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {}}
    if kind == "completion":
        message = {"role": "assistant", "content": draw.choice(_TEXTS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {"id": "x", "choices": [choice] * draw.choice((1, 2, 3)), "usage": usage}
    if kind == "first tokens":
        shares = [draw.uniform(0, 0.4) + 1e-9 for _ in range(3)]
        top = [
            {"token": draw.choice(("A", "B", "a", "40")), "logprob": math.log(share)}
            for share in shares
        ]
        said_first = {**top[0], "top_logprobs": top}
        return {"choices": [{"message": {}, "logprobs": {"content": [said_first]}}], "usage": usage}
    if kind == "places":
        place = {"top_logprobs": [dict.fromkeys(_NAMES, -2.0)]}
        return {"choices": [{"index": n, "logprobs": place} for n in range(_PLACES)]}
    card = {"id": "small", "owned_by": "vllm", "max_model_len": 4096, "root": "/models/small"}
    return {"models": {"data": [card, {"id": "large"}]}, "tokens": {"tokens": [1, 2, 3]}}.get(
        kind, {"version": "1.0"}
    )


def _damaged(value: Any, draw: random.Random) -> Any:
    """Return a value with one part at a random depth replaced, left out, repeated or added."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.15:
        return draw.choice((*_ODD, *_TEXTS, [value], {"error": value}))
    where = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed = value.copy()
    if (what := draw.random()) < 0.1:
        del changed[where]
    elif what < 0.2 and isinstance(changed, dict):
        changed[draw.choice(("error", "code", "choices", "data"))] = draw.choice(_ODD)
    elif what < 0.2 and isinstance(changed, list):
        changed.append(changed[where])
    else:
        changed[where] = _damaged(value[where], draw)
    return changed


def _damaged_bytes(body: bytes, draw: random.Random) -> bytes:
    where = draw.randrange(len(body) + 1)
    return draw.choice(
        (
            body[:where],
            body[:where] + bytes([draw.randrange(256)]) + body[where + 1 :],
            body[:where] + b"\xff\xfe" + body[where:],
            body[:where] + b"[" * 3000 + body[where:],
            b"\xef\xbb\xbf" + body,
            b"<html><body>" + body + b"</body></html>",
            body + body,
        )
    )


def _check(found: Any) -> None:
    if isinstance(found, Completion):
        assert 1 <= len(found.texts) <= _SAMPLES, found
        assert all(isinstance(text, str) for text in found.texts), found
        assert 0 <= found.cached_tokens <= found.prompt_tokens <= 10**9, found
        assert 0 <= found.answer_tokens <= 10**9, found
    elif isinstance(found, Scores):
        rows = np.atleast_2d(found.logprob)
        assert rows.shape[1] == len(_NAMES), found
        made = choices(rows, [found.prompt_tokens] * len(rows), [found.cached_tokens] * len(rows))
        assert np.all((made.leaked >= 0) & (made.leaked <= 1)), found
        assert np.allclose(np.exp(made.logprob).sum(axis=1), 1), found
    elif isinstance(found, dict):
        for name, card in found.items():
            assert isinstance(card, Card), found
            assert name == card.id, found
            assert 0 <= card.context < 10**9, found


def _check_shown(words: str) -> None:
    assert words.isprintable(), words
    assert len(words) <= 300, words
    assert _SECRET[:8] not in words, words


def _readable(texts: tuple[str, ...]) -> int:
    """Return how many of the texts some reader understands."""
    _, hours = read_hours(texts)
    _, satisfied = read_satisfied(texts)
    rates = [read_rates(text, 3) is not None for text in texts]
    return int((hours | satisfied | np.array(rates)).sum())


if __name__ == "__main__":
    main()
