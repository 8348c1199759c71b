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
    number of blocks, plus b. A row follows the first `length` tokens in the blocks `places`, in
    their order.
    """

    keys: Float[Array, "heads blocks_of_layers numbers"]
    values: Float[Array, "heads blocks_of_layers numbers"]
    places: Int[Array, "rows most"]
    length: Int[Array, " rows"]


class PagesOfLayer(NamedTuple):
    """The pages, as one of the network's `layers` sees them."""

    pages: Pages
    layer: Int[Array, ""]
    layers: int


def fold_heads(query: Float[Array, "groups heads rows tokens size"], together: int) -> Array:
    """Return queries of heads that ask the same keys as if they were further tokens of one head."""
    if together == 1:
        return query
    groups, heads, rows, tokens, size = query.shape
    split = query.reshape(groups, heads // together, together, rows, tokens, size)
    return jnp.moveaxis(split, 2, 3).reshape(groups, -1, rows, together * tokens, size)


def unfold_heads(mixed: Array, together: int) -> Float[Array, "groups heads rows tokens size"]:
    """Return what `fold_heads` put together, by head."""
    if together == 1:
        return mixed
    groups, heads, rows, tokens, size = mixed.shape
    split = mixed.reshape(groups, heads, rows, together, tokens // together, size)
    return jnp.moveaxis(split, 3, 2).reshape(groups, heads * together, rows, -1, size)


class Mixed(NamedTuple):
    """Values summed with weights exp(score - top), the weights' sum, and their top score."""

    top: Float[Array, "groups heads rows tokens"]
    total: Float[Array, "groups heads rows tokens"]
    values: Float[Array, "groups heads rows tokens size"]


def attend(query: Array, keys: Array, values: Array, seen: Array) -> Mixed:
    """Return values mixed by how well their keys fit each query, of those that are `seen`.

    Scores have the axis of the keys before that of the queries: a CPU sums quickly over any but the
    last.
    """
    scores = jnp.where(seen.swapaxes(-1, -2), keys @ query.swapaxes(-1, -2), _NEVER)
    top = jax.lax.stop_gradient(scores.max(axis=-2))
    weights = jnp.exp(scores - top[..., None, :])
    return Mixed(top, weights.sum(axis=-2), weights.swapaxes(-1, -2) @ values)


def attend_together(
    query: Float[Array, "groups heads rows tokens size"], keys: Array, values: Array, seen: Array
) -> Mixed:
    """Return the same of keys and values without an axis of rows: all rows are as one to them."""
    flat = query.reshape(*query.shape[:2], -1, query.shape[-1])
    mixed = attend(flat, keys, values, seen)
    return jax.tree.map(lambda array: array.reshape(*query.shape[:4], *array.shape[3:]), mixed)


def attend_pages(query: Float[Array, "1 heads rows tokens size"], of_layer: PagesOfLayer) -> Mixed:
    """Return the same of each row's pages, some at a time, as many as the longest row has."""
    (pages, layer, layers), (heads, rows, _, size) = of_layer, query.shape[1:]
    step = min(_PAGES, pages.places.shape[1])
    tokens = step * (pages.keys.shape[2] // size)

    def go_on(turn: Array, so_far: Mixed) -> Mixed:
        places = jax.lax.dynamic_slice_in_dim(pages.places, turn * step, step, axis=1)
        places = layer * (pages.keys.shape[1] // layers) + places
        keys, values = (
            jnp.take(array, places, axis=1, mode="clip").reshape(1, heads, rows, tokens, size)
            for array in (pages.keys, pages.values)
        )
        seen = turn * tokens + jnp.arange(tokens)[None] < pages.length[:, None]
        return _added([so_far, attend(query, keys, values, seen[None, None, :, None])])

    never = jnp.full(query.shape[:4], _NEVER)
    nothing = Mixed(never, jnp.zeros_like(never), jnp.zeros_like(query))
    turns = (jnp.max(pages.length) + tokens - 1) // tokens
    return jax.lax.fori_loop(0, turns, go_on, nothing)


def mean_of_parts(parts: Sequence[Mixed]) -> Float[Array, "groups heads rows tokens size"]:
    """Return the mean of all values of the parts: with the weights of a softmax over all scores."""
    _, total, values = _added(parts)
    return values / total[..., None]


def _added(parts: Sequence[Mixed]) -> Mixed:
    """Return the parts as one."""
    top = functools.reduce(jnp.maximum, (part.top for part in parts))
    shares = [jnp.exp(part.top - top) for part in parts]
    total = [share * part.total for share, part in zip(shares, parts, strict=True)]
    values = [share[..., None] * part.values for share, part in zip(shares, parts, strict=True)]
    return Mixed(top, functools.reduce(jnp.add, total), functools.reduce(jnp.add, values))


_NEVER = -1e30
_PAGES = 8  # pages that are attended to together
