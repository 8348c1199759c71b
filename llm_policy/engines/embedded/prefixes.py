"""What was read before, in blocks of tokens: where each lies, and which is dropped first."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 16
"""Tokens of a block."""
_BYTES = 4 * BLOCK
_LATELY = 8  # calls
_NOWHERE = -1


class Span(NamedTuple):
    """Tokens of a text that are to be read, and where they go.

    They follow the blocks at `before`, all full; their own go to the places `into`, -1 where a
    block is kept already. `end` is the place of the last one. Spans of a `wave` follow only what
    was read in earlier waves.
    """

    wave: int
    tokens: np.ndarray
    before: list[int]
    into: list[int]
    end: int


class FoundBlocks(NamedTuple):
    """A text: its blocks' places, the last perhaps not full, and how many tokens were known."""

    places: list[int]
    known: int


def tokens_in(text: bytes) -> int:
    """Return the number of tokens of a `packed` text."""
    return len(text) // 4


class Prefixes:
    """Which blocks of tokens lie where, each with all that comes before it in its text.

    A block is known by the place of the one before it and by its own tokens, so texts that begin
    alike have places in common as far as whole blocks reach; the end of a text is a block of its
    own. The block that was used longest ago makes room for another, never before those that come
    after it. There are `blocks` places at first, and `most` from when that block was used lately.
    """

    def __init__(self, *, blocks: int, most: int) -> None:
        self.most = most
        self.blocks = 0
        self._places: OrderedDict[tuple[int, bytes], int] = (
            OrderedDict()
        )  # those of no use lately come first
        self._ends: set[int] = set()  # where the state after the last token is known
        self._free: list[int] = []
        self._used: dict[int, int] = {}  # in which call
        self._calls = 0
        self._grow(min(blocks, most))

    def __len__(self) -> int:
        """Return the number of blocks that are kept."""
        return len(self._places)

    def touch(self, texts: Iterable[bytes]) -> None:
        """Note that what is kept of the texts is of use."""
        for text in texts:
            self._use(self._known(text))

    def lay(
        self, texts: Sequence[bytes], *, sizes: Sequence[int]
    ) -> tuple[list[FoundBlocks], list[Span]]:
        """Return where texts lie, and what is still to be read, in spans of up to `sizes`' last.

        From here on it counts as read. The blocks of the texts must fit into `most` places.
        """
        self._calls += 1
        self.touch(texts)
        waves: dict[int, int] = {}  # of what is read now
        found, spans = [], []
        for text in texts:
            keys = self._known(text)
            places = [self._places[key] for key in keys]
            whole = len(places) == -(-len(text) // _BYTES)
            if whole and places[-1] in self._ends:
                found.append(FoundBlocks(places, tokens_in(text)))
                self._use(keys)
                continue
            start = len(places) - whole  # to have its state, the last block is read again
            places += (
                [self._add(key, keys) for key in self._missing(text, places)] if not whole else []
            )
            into = [*places[:start], *([_NOWHERE] if whole else places[start:])]
            new = _spans(text, places, into, start, sizes)
            wave = max((waves.get(place, -1) for place in places[:start]), default=-1)
            for span in new:
                wave += 1
                waves |= dict.fromkeys((place for place in span.into if place >= 0), wave)
                spans.append(span._replace(wave=wave))
                self._ends.add(span.end)
            found.append(FoundBlocks(places, start * BLOCK))
            self._use(keys)
        return found, spans

    def _known(self, text: bytes) -> list[tuple[int, bytes]]:
        """Return the keys of the blocks that are kept, from the beginning on."""
        keys, place = [], _NOWHERE
        for start in range(0, len(text), _BYTES):
            key = place, text[start : start + _BYTES]
            found = self._places.get(key)
            if found is None:
                break
            keys.append(key)
            place = found
        return keys

    def _missing(self, text: bytes, places: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the keys of blocks that are not kept, each after the one before was added."""
        place = places[-1] if places else _NOWHERE
        for start in range(len(places) * _BYTES, len(text), _BYTES):
            key = place, text[start : start + _BYTES]
            yield key
            place = self._places[key]

    def _add(self, key: tuple[int, bytes], keys: list[tuple[int, bytes]]) -> int:
        """Return a place for a block."""
        if not self._free and self.blocks < self.most:
            oldest = next(iter(self._places.values()))
            if self._calls - self._used[oldest] < _LATELY:
                self._grow(self.most)
        place = self._free.pop() if self._free else self._places.popitem(last=False)[1]
        self._ends.discard(place)
        self._places[key] = place
        self._used[place] = self._calls
        keys.append(key)
        return place

    def _use(self, keys: list[tuple[int, bytes]]) -> None:
        """Note that the blocks of a text are of use, each later than those that follow it."""
        for key in reversed(keys):
            self._places.move_to_end(key)
            self._used[self._places[key]] = self._calls

    def _grow(self, blocks: int) -> None:
        self._free.extend(range(blocks - 1, self.blocks - 1, -1))
        self.blocks = blocks


def packed(tokens: Sequence[int]) -> bytes:
    """Return a text as `Prefixes` takes it."""
    return np.array(tokens, np.int32).tobytes()


def blocks_of(tokens: int) -> int:
    """Return the number of blocks of so many tokens."""
    return -(-tokens // BLOCK)


def _spans(
    text: bytes, places: list[int], into: list[int], start: int, sizes: Sequence[int]
) -> Iterator[Span]:
    """Yield a text's spans to read from block `start` on, of full blocks but for the last."""
    tokens = np.frombuffer(text, np.int32)
    least, most = sizes[0] // BLOCK, sizes[-1] // BLOCK
    while start < len(places):
        left = len(places) - start
        stop = start + min(left, most if left > least else least)
        yield Span(
            0,
            tokens[start * BLOCK : stop * BLOCK],
            places[:start],
            into[start:stop],
            places[stop - 1],
        )
        start = stop
