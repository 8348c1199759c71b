"""Attention in parts: to a row, to what a group shares, to pages; the parts add up to one softmax.

Each part keeps its top score, so that parts of any scores can be added (Milakov and Gimelshein
2018).
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Pages(NamedTuple):
    """Keys and values in blocks that are in no order, and the blocks that each row follows.

    Those of a block are beside each other in all layers: block b of layer l is at l times the
    number of blocks, plus b. A row follows the first `length` tokens in the blocks of `common`,
    which hold `common_length`, and then of its own `places`, in their order.
    """

    keys: Float[Array, "heads blocks_of_layers numbers"]
    values: Float[Array, "heads blocks_of_layers numbers"]
    common: Int[Array, " most"]
    common_length: Int[Array, ""]
    places: Int[Array, "rows most"]
    length: Int[Array, " rows"]


class PagesOfLayer(NamedTuple):
    """The pages, as one of the network's `layers` sees them."""

    pages: Pages
    layer: Int[Array, ""]
    layers: int


class Mixed(NamedTuple):
    """Values summed with weights exp(score - top), the weights' sum, and their top score.

    The axis of the queries is the last of all, here and where scores are: a CPU works along it.
    """

    top: Float[Array, "groups heads rows queries"]
    total: Float[Array, "groups heads rows queries"]
    values: Float[Array, "groups heads rows size queries"]


def attend(query: Array, keys: Array, values: Array, seen: Array) -> Mixed:
    """Return values mixed by how well their keys fit each query, of those that are `seen`.

    Shapes end with [size, queries], [keys, size], [keys, size] and [keys, queries].
    """
    scores = jnp.where(seen, keys @ query, _NEVER)
    top = jax.lax.stop_gradient(scores.max(axis=-2))
    weights = jnp.exp(scores - top[..., None, :])
    return Mixed(top, weights.sum(axis=-2), values.swapaxes(-1, -2) @ weights)


def attend_together(
    query: Float[Array, "groups heads rows size queries"], keys: Array, values: Array, seen: Array
) -> Mixed:
    """Return the same of keys and values without an axis of rows: all rows are as one to them."""
    return _by_row(attend(_as_one_row(query), keys, values, seen), query.shape[2])


def attend_pages(query: Float[Array, "1 heads rows size queries"], of_layer: PagesOfLayer) -> Mixed:
    """Return the same of the pages: those in common for all rows at once, then each row's own."""
    pages = of_layer.pages
    flat = _as_one_row(query)[:, :, None]
    common = _attend_in_turns(
        _nothing(flat), flat, of_layer, pages.common[None], pages.common_length[None]
    )
    so_far = _by_row(jax.tree.map(lambda array: array[:, :, 0], common), query.shape[2])
    own_length = pages.length - pages.common_length
    return _attend_in_turns(so_far, query, of_layer, pages.places, own_length)


def mean_of_parts(parts: Sequence[Mixed]) -> Float[Array, "groups heads rows size queries"]:
    """Return the mean of all values of the parts: with the weights of a softmax over all scores."""
    _, total, values = _added(parts)
    return values / total[..., None, :]


def _as_one_row(query: Float[Array, "groups heads rows size queries"]) -> Array:
    """Return queries of all rows beside each other, without an axis of rows."""
    return jnp.moveaxis(query, 2, 3).reshape(*query.shape[:2], query.shape[3], -1)


def _by_row(mixed: Mixed, rows: int) -> Mixed:
    """Return what `_as_one_row` put together, by row."""

    def split(array: Array) -> Array:
        return jnp.moveaxis(array.reshape(*array.shape[:-1], rows, -1), -2, 2)

    return jax.tree.map(split, mixed)


def _attend_in_turns(
    so_far: Mixed,
    query: Float[Array, "1 heads rows size queries"],
    of_layer: PagesOfLayer,
    places: Int[Array, "rows most"],
    length: Int[Array, " rows"],
) -> Mixed:
    """Add what rows say in their `places`: some at a time, as many as the longest row has."""
    (pages, layer, layers), size = of_layer, query.shape[-2]
    tokens = TOGETHER * (pages.keys.shape[2] // size)
    first = layer * (pages.keys.shape[1] // layers)

    def go_on(turn: Array, so_far: Mixed) -> Mixed:
        some = first + jax.lax.dynamic_slice_in_dim(places, turn * TOGETHER, TOGETHER, axis=1)
        keys, values = (
            jnp.take(array, some, axis=1, mode="clip").reshape(1, -1, len(places), tokens, size)
            for array in (pages.keys, pages.values)
        )
        seen = turn * tokens + jnp.arange(tokens)[None] < length[:, None]
        return _added([so_far, attend(query, keys, values, seen[None, None, :, :, None])])

    turns = (jnp.max(length) + tokens - 1) // tokens
    return jax.lax.fori_loop(0, turns, go_on, so_far)


def _nothing(query: Float[Array, "groups heads rows size queries"]) -> Mixed:
    """Return what was mixed of no values."""
    never = jnp.full((*query.shape[:3], query.shape[4]), _NEVER)
    return Mixed(never, jnp.zeros_like(never), jnp.zeros_like(query))


def _added(parts: Sequence[Mixed]) -> Mixed:
    """Return the parts as one."""
    top = functools.reduce(jnp.maximum, (part.top for part in parts))
    shares = [jnp.exp(part.top - top) for part in parts]
    total = [share * part.total for share, part in zip(shares, parts, strict=True)]
    values = [share[..., None, :] * part.values for share, part in zip(shares, parts, strict=True)]
    return Mixed(top, functools.reduce(jnp.add, total), functools.reduce(jnp.add, values))


_NEVER = -1e30
TOGETHER = 4
"""Pages that are attended to together.

Those in common are a multiple of it, so that sums are the same whoever else is asked.
"""
