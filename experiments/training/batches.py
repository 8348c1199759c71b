"""Lessons in arrays of few shapes, so that few programs are compiled."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from experiments.training.tokens import Script

MOST_FOLLOWERS = 11
"""Tokens that may follow at one place, at most: the hours offered."""


_LEAST = 1e-12  # chances below are none: float32 has no logarithm of the smallest numbers


class Batch(NamedTuple):
    """Groups of rows after what each group shares, and what should follow at some places of each row.

    Tokens, places and followers are padded with 0; the chances of what is padding are 0.
    """

    shared: Int[np.ndarray, "groups shared"]
    shared_length: Int[np.ndarray, " groups"]
    tokens: Int[np.ndarray, "groups rows tokens"]
    length: Int[np.ndarray, "groups rows"]
    places: Int[np.ndarray, "groups rows places"]
    followers: Int[np.ndarray, "groups rows places followers"]
    chances: Float[np.ndarray, "groups rows places followers"]


class Shape(NamedTuple):
    """The sizes of a batch."""

    groups: int
    rows: int
    shared: int
    tokens: int
    places: int

    def holds(self, script: Script) -> bool:
        """Tell whether a group of this shape has room for the lesson."""
        return (
            len(script.rows) == self.rows
            and len(script.shared) <= self.shared
            and max(len(row.tokens) for row in script.rows) <= self.tokens
            and max(len(row.places) for row in script.rows) <= self.places
        )


SHAPES = (
    Shape(8, 8, 192, 128, 12),
    Shape(8, 8, 352, 128, 12),
    Shape(6, 8, 192, 192, 12),
    Shape(6, 8, 352, 192, 12),
    Shape(3, 8, 352, 320, 12),
    Shape(1, 8, 544, 832, 12),
    Shape(6, 4, 256, 512, 80),
    Shape(2, 4, 256, 1024, 80),
    Shape(2, 8, 832, 544, 80),
)
"""Smallest first: a lesson goes into the first that holds it."""


def batches(scripts: Iterable[Script]) -> Iterator[Batch]:
    """Yield a batch whenever one is full; lessons that no shape holds are left out."""
    waiting: dict[Shape, list[Script]] = defaultdict(list)
    for script in scripts:
        shape = next((shape for shape in SHAPES if shape.holds(script)), None)
        if shape is not None:
            waiting[shape].append(script)
            if len(waiting[shape]) == shape.groups:
                yield batch(waiting.pop(shape), shape)


def batch(scripts: list[Script], shape: Shape) -> Batch:
    """Return lessons as arrays of this shape."""
    groups, rows = shape.groups, shape.rows
    made = Batch(
        np.zeros((groups, shape.shared), np.int32),
        np.ones(groups, np.int32),
        np.zeros((groups, rows, shape.tokens), np.int32),
        np.ones((groups, rows), np.int32),
        np.zeros((groups, rows, shape.places), np.int32),
        np.zeros((groups, rows, shape.places, MOST_FOLLOWERS), np.int32),
        np.zeros((groups, rows, shape.places, MOST_FOLLOWERS), np.float32),
    )
    for group, script in enumerate(scripts):
        made.shared[group, : len(script.shared)] = script.shared
        made.shared_length[group] = len(script.shared)
        for row, (tokens, places, follows) in enumerate(script.rows):
            made.tokens[group, row, : len(tokens)] = tokens
            made.length[group, row] = len(tokens)
            made.places[group, row, : len(places)] = places
            for place, next_tokens in enumerate(follows):
                made.followers[group, row, place, : len(next_tokens)] = list(next_tokens)
                made.chances[group, row, place, : len(next_tokens)] = list(next_tokens.values())
    made.chances[made.chances < _LEAST] = 0.0
    made.chances[:] /= np.maximum(made.chances.sum(axis=-1, keepdims=True), _LEAST)
    return made
