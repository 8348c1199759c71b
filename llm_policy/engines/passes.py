"""How prompts are laid out for forward passes of few sizes: what prompts share is read once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

_FEW = 4
"""Prompts with a beginning in common: fewer are read whole, which takes fewer passes."""
_SCORES = {"cpu": 1 << 20, "gpu": 1 << 27}
"""Attention scores of a layer that one pass computes: a core's cache on a CPU, some memory of a GPU."""
_KEPT = {"cpu": 1 << 14, "gpu": 1 << 18}
"""Tokens whose keys and values are kept while answers are written side by side."""


class Pass(NamedTuple):
    """Prompts that are read together. `places` are theirs in the batch; further rows are padding."""

    places: list[int]
    tokens: Int[np.ndarray, "1 rows tokens"]
    length: Int[np.ndarray, "1 rows"]


class Group(NamedTuple):
    """Prompts that begin with the same tokens, `head` ([] for none), and the passes over what follows."""

    head: list[int]
    passes: list[Pass]


def layout(encoded: Sequence[list[int]], shared: Sequence[str], *, heads: int) -> list[Group]:
    """Return all prompts in groups, by their `shared` texts, and in a group the longest first.

    `encoded` are the tokens of each prompt, `heads` the model's attention heads.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(shared):
        same[text].append(place)
    alone = [place for places in same.values() if len(places) < _FEW for place in places]
    groups = [([], alone)] if alone else []
    for places in same.values():
        if len(places) >= _FEW:
            groups.append((_common_beginning([encoded[place] for place in places]), places))
    return [
        Group(head, list(_passes({place: encoded[place][len(head) :] for place in places}, len(head), heads)))
        for head, places in groups
    ]


def side_by_side(passes: Sequence[Pass], *, samples: int, max_tokens: int) -> Iterator[list[Pass]]:
    """Yield passes by turns: those whose answers, `samples` to each row, are written together."""
    turn, rows = [], 0
    for part in passes:
        more = part.tokens.shape[1] * samples
        room = (turn or [part])[0].tokens.shape[2] + max_tokens  # the first one is the longest
        if turn and (rows + more) * room > _KEPT[_kind()]:
            yield turn
            turn, rows = [], 0
        turn.append(part)
        rows += more
    yield turn


def padded(rows: Sequence[Sequence[int]], *, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of a group's rows and their number in each, padded to `shape`."""
    tokens, length = np.zeros((1, *shape), np.int32), np.zeros((1, shape[0]), np.int32)
    for row, texts in enumerate(rows):
        tokens[0, row, : len(texts)] = texts
        length[0, row] = len(texts)
    return tokens, length


def rounded(tokens: int) -> int:
    """Return a length from a short list, `tokens` at least and up to half more (or 64)."""
    step = max(64, power_of_two(tokens) // 4)
    return -(-tokens // step) * step


def power_of_two(number: int) -> int:
    """Return the least power of two that is at least `number`."""
    return 1 << (number - 1).bit_length()


def power_of_four(number: int) -> int:
    """Return the least power of four that is at least `number`."""
    return 4 ** -(-(number - 1).bit_length() // 2)


def _common_beginning(texts: Sequence[list[int]]) -> list[int]:
    """Return the tokens that all texts begin with, and after which each of them goes on."""
    first, last = min(texts), max(texts)
    most = min(map(len, texts)) - 1
    return first[: next((i for i in range(most) if first[i] != last[i]), most)]


def _passes(rests: dict[int, list[int]], before: int, heads: int) -> Iterator[Pass]:
    """Yield passes over the tokens of rows that follow `before` others."""
    left = sorted(rests, key=lambda place: -len(rests[place]))
    while left:
        tokens = rounded(len(rests[left[0]]))
        scores = heads * tokens * (rounded(before) + tokens)
        most = 1 << max(1, _SCORES[_kind()] // scores).bit_length() - 1
        places, left = left[:most], left[most:]
        rows = [rests[place] for place in places]
        yield Pass(places, *padded(rows, shape=(power_of_two(len(rows)), tokens)))


def _kind() -> str:
    return "cpu" if jax.default_backend() == "cpu" else "gpu"
