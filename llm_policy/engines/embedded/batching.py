"""How what is to be read is laid out for forward passes of few sizes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from llm_policy.engines.embedded.prefixes import BLOCK, Span, blocks_of

SPANS = (32, 96)
"""Tokens that a pass reads of each row: few, for which little is padding, or many, for which
little is read twice."""
_TOGETHER = {"cpu": 1 << 10, "gpu": 1 << 14}
"""Tokens of all rows of a pass: a core's cache on a CPU, some memory of a GPU."""
_ROWS = {"cpu": (8, 32), "gpu": (8, 512)}
"""Answers that are written side by side: few or many."""
_PAGES = 8
"""The number of pages of a row is a multiple of this."""


class Pass(NamedTuple):
    """Rows that are read together; `length` is 0 for rows that are padding.

    Each row follows the first `before` tokens in the blocks at `pages`; its own blocks go to the
    places `into` (-1 for none), and the state after its last token goes to `end`.
    """

    tokens: Int[np.ndarray, "rows tokens"]
    length: Int[np.ndarray, " rows"]
    pages: Int[np.ndarray, "rows most"]
    before: Int[np.ndarray, " rows"]
    into: Int[np.ndarray, "rows blocks"]
    end: Int[np.ndarray, " rows"]


def passes(spans: Sequence[Span], *, context: int) -> Iterator[Pass]:
    """Yield passes over spans of prompts of up to `context` tokens, by wave, like beside like."""
    waves: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for span in spans:
        waves[span.wave, len(span.into) * BLOCK > SPANS[0]].append(span)
    for _, long in sorted(waves):
        left = sorted(waves[_, long], key=lambda span: len(span.before))
        tokens = SPANS[long]
        rows = _TOGETHER[_kind()] // SPANS[-1]
        while left:
            alone = 4 * len(left) <= rows
            now, left = left[: 1 if alone else rows], left[1 if alone else rows :]
            shape = (1, SPANS[-1]) if alone else (rows, tokens)
            yield _pass(now, *shape, context)


def _pass(spans: Sequence[Span], rows: int, tokens: int, context: int) -> Pass:
    end = [span.end for span in spans]
    return Pass(
        *padded([span.tokens for span in spans], shape=(rows, tokens)),
        place_table([span.before for span in spans], rows=rows, context=context),
        np.pad(
            np.array([len(span.before) * BLOCK for span in spans], np.int32), (0, rows - len(spans))
        ),
        _filled([span.into for span in spans], (rows, tokens // BLOCK), -1),
        np.pad(np.array(end, np.int32), (0, rows - len(spans)), constant_values=-1),
    )


def place_table(
    places: Sequence[Sequence[int]], *, rows: int, context: int
) -> Int[np.ndarray, "rows most"]:
    """Return the places of each row's pages, 0 where it has no more."""
    most = -(-blocks_of(context) // _PAGES) * _PAGES
    return _filled(places, (rows, most), 0)


def padded(
    rows: Sequence[Sequence[int] | np.ndarray], *, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of rows and their number in each, padded to `shape`."""
    length = np.array([len(row) for row in rows], np.int32)
    return _filled(rows, shape, 0), np.pad(length, (0, shape[0] - len(rows)))


def answers_together(answers: int) -> int:
    """Return how many of so many answers are written side by side, padding included."""
    few, many = _ROWS[_kind()]
    return few if answers <= few else many


def rounded(number: int, step: int) -> int:
    """Return the least multiple of `step` that is at least `number`."""
    return -(-number // step) * step


def _filled(
    rows: Sequence[Sequence[int] | np.ndarray], shape: tuple[int, int], rest: int
) -> Int[np.ndarray, "rows most"]:
    filled = np.full(shape, rest, np.int32)
    for row, numbers in enumerate(rows):
        filled[row, : len(numbers)] = numbers
    return filled


def _kind() -> str:
    return "cpu" if jax.default_backend() == "cpu" else "gpu"
