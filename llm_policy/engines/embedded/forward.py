"""The forward passes of the small Llama, in float32, and what is made of them."""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt32

from llm_policy.engines.embedded.attention import Pages
from llm_policy.engines.embedded.batching import PageTable, Pass
from llm_policy.engines.embedded.llama import (
    Branches,
    Llama,
    Past,
    Sizes,
    Weights,
    logits,
)
from llm_policy.engines.embedded.prefixes import BLOCK

_Numbers = Array | np.ndarray


class Pool(NamedTuple):
    """What was read, in blocks: keys and values as in `Pages`, state after the last token."""

    keys: Float[Array, "heads blocks_of_layers numbers"]
    values: Float[Array, "heads blocks_of_layers numbers"]
    states: Float[Array, "blocks width"]

    def pages(self, table: PageTable) -> Pages:
        """Return what rows follow."""
        return Pages(self.keys, self.values, *map(jnp.asarray, table))


class Decoding(NamedTuple):
    """Answers being written: the state after each one's last token, and what was read of them."""

    states: Float[Array, "rows width"]
    own: Past


def block_bytes(sizes: Sizes) -> int:
    """Return the bytes of a block in a pool."""
    kept = 2 * sizes.num_hidden_layers * BLOCK * sizes.key_value_heads * sizes.head_dim
    return 4 * (kept + sizes.hidden_size)


@partial(jax.jit, static_argnames=("sizes", "blocks"))
def blank(sizes: Sizes, *, blocks: int) -> Pool:
    """Return a pool of so many blocks, of which none was read."""
    heads, layers = sizes.key_value_heads, sizes.num_hidden_layers
    keys, values = (
        jnp.zeros((heads, layers * blocks, BLOCK * sizes.head_dim), jnp.float32) for _ in range(2)
    )
    return Pool(keys, values, jnp.zeros((blocks, sizes.hidden_size), jnp.float32))


@partial(jax.jit, static_argnames=("sizes", "blocks"))
def grown(sizes: Sizes, pool: Pool, *, blocks: int) -> Pool:
    """Return the pool with room for so many blocks."""
    more = blocks - len(pool.states)

    def all_layers(array: Array) -> Array:
        heads, _, numbers = array.shape
        layers = array.reshape(heads, sizes.num_hidden_layers, -1, numbers)
        return jnp.pad(layers, ((0, 0), (0, 0), (0, more), (0, 0))).reshape(heads, -1, numbers)

    return Pool(
        all_layers(pool.keys), all_layers(pool.values), jnp.pad(pool.states, ((0, more), (0, 0)))
    )


@partial(jax.jit, static_argnames="sizes")
def read(weights: Weights, sizes: Sizes, pool: Pool, rows: Pass) -> Pool:
    """Return the blocks that some rows say; `lay` puts those of each row where they belong."""
    pages = pool.pages(rows.before)
    states, past = _read(weights, sizes, rows.tokens, rows.length, pages, None)

    def split(new: Float[Array, "layers 1 rows tokens heads size"]) -> Array:
        blocks = new.reshape(-1, BLOCK, *new.shape[-2:])
        return jnp.moveaxis(blocks, -2, 0).reshape(new.shape[-2], len(blocks), -1)

    return Pool(split(past.keys), split(past.values), states)


@partial(jax.jit, static_argnames="sizes", donate_argnames="pool")
def lay(sizes: Sizes, pool: Pool, new: Pool, rows: Pass) -> Pool:
    """Return the pool, which is used up, with new blocks in their places."""
    blocks, layers = len(pool.states), sizes.num_hidden_layers
    into = rows.into.reshape(1, -1)
    places = blocks * jnp.arange(layers).reshape(-1, 1) + into
    places = jnp.where(into < 0, layers * blocks, places).reshape(-1)  # beyond the end: dropped
    end = jnp.where(rows.end < 0, blocks, rows.end)
    keys, values = (
        old.at[:, places].set(some, mode="drop")
        for old, some in ((pool.keys, new.keys), (pool.values, new.values))
    )
    return Pool(keys, values, pool.states.at[end].set(new.states, mode="drop"))


@jax.jit
def next_scores(
    weights: Weights, pool: Pool, end: Int[Array, " rows"], asked: Int[Array, " asked"]
) -> Float[Array, "rows asked"]:
    """Return the log probability of tokens, among all, to follow the blocks at `end`."""
    return _scores(weights, pool.states[end], asked)


@partial(jax.jit, static_argnames="sizes")
def tree_scores(
    weights: Weights,
    sizes: Sizes,
    pages: Pages,
    tokens: Int[Array, " nodes"],
    branches: Branches,
    asked: Int[Array, " asked"],
) -> Float[Array, "rows nodes asked"]:
    """Return the log probability of tokens, among all, to follow each node of a tree of tokens.

    The tree follows the `pages`, in each row anew.
    """
    rows, count = len(pages.length), len(tokens)
    every = jnp.broadcast_to(tokens, (rows, count))
    states, _ = _states(weights, sizes, every, jnp.full(rows, count), pages, branches=branches)
    return _scores(weights, states, asked)


@partial(jax.jit, static_argnames=("sizes", "room"))
def begin_decoding(sizes: Sizes, pool: Pool, end: Int[Array, " rows"], *, room: int) -> Decoding:
    """Return answers yet unwritten, with room for some tokens, after the blocks at `end`."""
    rows = len(end)
    shape = (sizes.num_hidden_layers, 1, rows, room, sizes.key_value_heads, sizes.head_dim)
    keys, values = (jnp.zeros(shape, jnp.float32) for _ in range(2))
    return Decoding(pool.states[end], Past(keys, values, jnp.zeros((1, rows), jnp.int32)))


@partial(jax.jit, static_argnames="sizes", donate_argnames="answers")
def go_on(
    weights: Weights,
    sizes: Sizes,
    pages: Pages,
    answers: Decoding,
    tokens: Int[Array, "rows tokens"],
    length: Int[Array, " rows"],
) -> Decoding:
    """Return the answers to what `pages` say, which are used up, after further tokens of each."""
    states, own = _read(weights, sizes, tokens, length, pages, answers.own)
    return Decoding(jnp.where(length[:, None] > 0, states, answers.states), own)


@jax.jit
def draw(
    weights: Weights,
    states: Float[Array, "rows width"],
    allowed: Int32[Array, "rows words"],
    seeds: UInt32[Array, "rows 2"],
    written: Int[Array, " rows"],
    temperature: float,
) -> Int[Array, " rows"]:
    """Return an `allowed` token (a bit each) to follow each row: the likeliest at temperature 0.

    Chance is a row's own: it comes from the row's seed and the number of tokens that it has
    `written`.
    """
    with jax.default_matmul_precision("float32"):
        scores = logits(weights, states)
    bits = (allowed[..., None] >> jnp.arange(32, dtype=jnp.int32).reshape(1, 1, -1)) & 1
    scores = jnp.where(bits.reshape(len(scores), -1)[:, : scores.shape[1]] == 1, scores, -jnp.inf)
    keys = jax.vmap(jax.random.fold_in)(
        jax.random.wrap_key_data(seeds, impl="threefry2x32"), written
    )
    drawn = jax.vmap(jax.random.categorical)(
        keys, scores / jnp.where(temperature > 0, temperature, 1.0)
    )
    return jnp.where(temperature > 0, drawn, scores.argmax(axis=1))


def _read(
    weights: Weights,
    sizes: Sizes,
    tokens: _Numbers,
    length: _Numbers,
    pages: Pages,
    own: Past | None,
) -> tuple[Float[Array, "rows width"], Past]:
    """Return the state after each row's last token, and the past of all rows."""
    last = jnp.maximum(length - 1, 0).reshape(1, -1, 1)
    states, past = _states(weights, sizes, tokens, length, pages, own=own, places=last)
    return states[:, 0], past


def _states(
    weights: Weights,
    sizes: Sizes,
    tokens: _Numbers,
    length: _Numbers,
    pages: Pages,
    *,
    own: Past | None = None,
    places: Int[Array, "1 rows wanted"] | None = None,
    branches: Branches | None = None,
) -> tuple[Float[Array, "rows wanted width"], Past]:
    """Return the state after each token of each row, or those at `places`, and all rows' past."""
    with jax.default_matmul_precision("float32"):
        result = Llama(sizes).apply(
            {"params": weights},
            jnp.asarray(tokens)[None],
            jnp.asarray(length)[None],
            own=own,
            places=places,
            pages=pages,
            branches=branches,
        )
    states, past = cast(tuple[Array, Past], result)
    return states[0], past


def _scores(
    weights: Weights, states: Float[Array, "*rows width"], asked: Int[Array, " asked"]
) -> Float[Array, "*rows asked"]:
    """Return the log probability of some tokens, among all, after states."""
    with jax.default_matmul_precision("float32"):
        return jax.nn.log_softmax(logits(weights, states))[..., asked]
