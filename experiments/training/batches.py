"""Lessons in arrays of few shapes, so that few programs are compiled."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from experiments.training.encoding import Encoded, Encoder
from experiments.training.examples import ALL_WORKINGS, MEANS, WORKINGS
from llm_policy.formula.workers import taxes

MOST_FOLLOWERS = 11
"""Tokens that may follow at one place, at most: the hours offered."""


INCOMES = np.geomspace(2e3, 4e6, 16)
"""Dollars a year at which a schedule's average tax is told."""
_LEAST = 1e-12  # chances below are none: float32 has no logarithm of the smallest numbers


class Batch(NamedTuple):
    """Groups of rows after what each group shares, and what should follow at some places of each.

    Tokens, places and followers are padded with 0; the chances of what is padding are 0. What helps
    to learn is NaN where there is none of it: the formula's `workings` at these places, the
    `average_tax` of each group's schedule, as a share of `INCOMES`, the numbers that tokens go on
    with, what follows from a worker's `endowment`, which end with the token at `means_end`, and for
    planners the `ordinals` of the numbers in their lists.
    """

    shared: Int[np.ndarray, "groups shared"]
    shared_length: Int[np.ndarray, " groups"]
    tokens: Int[np.ndarray, "groups rows tokens"]
    length: Int[np.ndarray, "groups rows"]
    places: Int[np.ndarray, "groups rows places"]
    followers: Int[np.ndarray, "groups rows places followers"]
    probabilities: Float[np.ndarray, "groups rows places followers"]
    workings: Float[np.ndarray, "groups rows places workings"]
    average_tax: Float[np.ndarray, "groups incomes"]
    shared_numbers: Float[np.ndarray, "groups shared"]
    numbers: Float[np.ndarray, "groups rows tokens"]
    endowment: Float[np.ndarray, "groups rows means"]
    means_end: Int[np.ndarray, "groups rows"]
    ordinals: Float[np.ndarray, "groups rows tokens"]


class BatchShape(NamedTuple):
    """The sizes of a batch."""

    groups: int
    rows: int
    shared: int
    tokens: int
    places: int

    def holds(self, script: Encoded) -> bool:
        """Tell whether a group of this shape has room for the example."""
        return (
            len(script.rows) == self.rows
            and len(script.shared) <= self.shared
            and max(len(row.tokens) for row in script.rows) <= self.tokens
            and max(len(row.places) for row in script.rows) <= self.places
        )


BATCH_SHAPES = (
    BatchShape(14, 8, 224, 96, 12),
    BatchShape(10, 8, 288, 144, 12),
    BatchShape(7, 8, 320, 208, 12),
    BatchShape(6, 8, 320, 256, 12),
    BatchShape(5, 8, 336, 320, 12),
    BatchShape(4, 8, 336, 416, 12),
    BatchShape(3, 8, 576, 416, 80),
    BatchShape(10, 8, 640, 88, 12),
    BatchShape(8, 8, 1024, 96, 12),
    BatchShape(5, 8, 1344, 96, 12),
    BatchShape(2, 8, 576, 704, 80),
    BatchShape(4, 4, 208, 576, 80),
    BatchShape(3, 4, 256, 1152, 80),
)
"""Smallest first: an example goes into the first that holds it."""


def batches(scripts: Iterable[Encoded], encoder: Encoder) -> Iterator[Batch]:
    """Yield a batch whenever one is full; examples that no shape holds are left out."""
    waiting: dict[BatchShape, list[Encoded]] = defaultdict(list)
    for script in scripts:
        shape = next((shape for shape in BATCH_SHAPES if shape.holds(script)), None)
        if shape is not None:
            waiting[shape].append(script)
            if len(waiting[shape]) == shape.groups:
                yield batch(waiting.pop(shape), shape, encoder)


def batch(scripts: list[Encoded], shape: BatchShape, encoder: Encoder) -> Batch:
    """Return examples as arrays of this shape."""
    groups, rows = shape.groups, shape.rows
    made = Batch(
        np.zeros((groups, shape.shared), np.int32),
        np.ones(groups, np.int32),
        np.zeros((groups, rows, shape.tokens), np.int32),
        np.ones((groups, rows), np.int32),
        np.zeros((groups, rows, shape.places), np.int32),
        np.zeros((groups, rows, shape.places, MOST_FOLLOWERS), np.int32),
        np.zeros((groups, rows, shape.places, MOST_FOLLOWERS), np.float32),
        np.full((groups, rows, shape.places, ALL_WORKINGS), np.nan, np.float32),
        np.full((groups, len(INCOMES)), np.nan, np.float32),
        np.zeros((groups, shape.shared), np.float32),
        np.zeros((groups, rows, shape.tokens), np.float32),
        np.full((groups, rows, MEANS), np.nan, np.float32),
        np.zeros((groups, rows), np.int32),
        np.full((groups, rows, shape.tokens), np.nan, np.float32),
    )
    for group, script in enumerate(scripts):
        made.shared[group, : len(script.shared)] = script.shared
        made.shared_length[group] = len(script.shared)
        if script.schedule is not None:
            made.average_tax[group] = taxes(script.schedule, INCOMES) / INCOMES
        for row, (tokens, places, follows, workings, endowment, means_end) in enumerate(
            script.rows
        ):
            if endowment:
                made.endowment[group, row], made.means_end[group, row] = endowment, means_end
            made.tokens[group, row, : len(tokens)] = tokens
            made.length[group, row] = len(tokens)
            if script.task == "planner":
                made.ordinals[group, row, : len(tokens)] = encoder.ordinals(tokens)
            made.places[group, row, : len(places)] = places
            for place, (next_tokens, found) in enumerate(zip(follows, workings, strict=True)):
                made.followers[group, row, place, : len(next_tokens)] = list(next_tokens)
                made.probabilities[group, row, place, : len(next_tokens)] = list(
                    next_tokens.values()
                )
                if found:
                    made.workings[group, row, place, WORKINGS[script.task]] = found
    made.shared_numbers[:] = encoder.numbers(made.shared)
    made.numbers[:] = encoder.numbers(made.tokens)
    made.probabilities[made.probabilities < _LEAST] = 0.0
    made.probabilities[:] /= np.maximum(made.probabilities.sum(axis=-1, keepdims=True), _LEAST)
    return made
