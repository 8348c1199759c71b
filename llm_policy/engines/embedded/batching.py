"""How what is to be read is laid out for forward passes of few sizes."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from llm_policy.engines.embedded.attention import TOGETHER
from llm_policy.engines.embedded.prefixes import BLOCK, Span, blocks_of

SPANS = (32, 96)
"""Tokens that a pass reads of each row: few, for which little is padding, or many, for which
little is read twice."""
_ROWS_READ = {"cpu": (10, 5), "gpu": (128, 128)}
"""Rows of a pass over spans of each size: what keeps a CPU's cores equally busy, a GPU full."""
_ROWS = {"cpu": (8, 32), "gpu": (8, 512)}
"""Answers that are written side by side: few or many."""


class PageTable(NamedTuple):
    """The blocks that rows follow, as in `Pages`: those in common, then each row's own."""

    common: Int[np.ndarray, " most"]
    common_length: Int[np.ndarray, ""]
    places: Int[np.ndarray, "rows most"]
    length: Int[np.ndarray, " rows"]


class Pass(NamedTuple):
    """Rows that are read together; `length` is 0 for rows that are padding.

    Each row follows the tokens `before`; its own blocks go to the places `into` (-1 for none), and
    the state after its last token goes to `end`.
    """

    tokens: Int[np.ndarray, "rows tokens"]
    length: Int[np.ndarray, " rows"]
    before: PageTable
    into: Int[np.ndarray, "rows blocks"]
    end: Int[np.ndarray, " rows"]


def passes(spans: Sequence[Span], *, context: int) -> Iterator[list[Pass]]:
    """Yield the passes over spans of prompts of up to `context` tokens, by wave.

    Like is beside like. The passes of a wave follow only earlier waves.
    """
    waves: dict[int, list[Span]] = defaultdict(list)
    for span in spans:
        waves[span.wave].append(span)
    for _, wave in sorted(waves.items()):
        yield list(_passes_of_wave(wave, context))


def _passes_of_wave(spans: Sequence[Span], context: int) -> Iterator[Pass]:
    for tokens, rows in zip(SPANS, _ROWS_READ[_kind()], strict=True):
        left = [span for span in spans if _size(span) == tokens]
        left.sort(key=lambda span: len(span.before))
        while left:
            alone = 4 * len(left) <= rows
            now, left = left[: 1 if alone else rows], left[1 if alone else rows :]
            shape = (1, SPANS[-1]) if alone else (rows, tokens)
            yield _pass(now, *shape, context)


def _size(span: Span) -> int:
    """Return the number of tokens, padding included, as which a span is read."""
    return next(tokens for tokens in SPANS if len(span.into) * BLOCK <= tokens)


def _pass(spans: Sequence[Span], rows: int, tokens: int, context: int) -> Pass:
    end = [span.end for span in spans]
    return Pass(
        *padded([span.tokens for span in spans], shape=(rows, tokens)),
        page_table(
            [(span.before, len(span.before) * BLOCK) for span in spans], rows=rows, context=context
        ),
        _filled([span.into for span in spans], (rows, tokens // BLOCK), -1),
        np.pad(np.array(end, np.int32), (0, rows - len(spans)), constant_values=-1),
    )


def page_table(
    followed: Sequence[tuple[Sequence[int], int]], *, rows: int, context: int
) -> PageTable:
    """Return what rows follow: of each the places of its blocks, and the tokens in them."""
    most = rounded(blocks_of(context), TOGETHER)
    full = (places[: tokens // BLOCK] for places, tokens in followed)
    alike = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*full, strict=False))
    common = [place for place, *_ in alike]
    common = common[: len(common) // TOGETHER * TOGETHER]
    length = np.array([tokens for _, tokens in followed], np.int32)
    return PageTable(
        _filled([common], (1, most), 0)[0],
        np.array(len(common) * BLOCK, np.int32),
        _filled([places[len(common) :] for places, _ in followed], (rows, most), 0),
        np.pad(length, (0, rows - len(followed))),
    )


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
