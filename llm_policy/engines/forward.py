"""The forward passes of the small Llama, in float32, and what is made of them."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Int32, UInt32

from llm_policy.engines.passes import padded, rounded
from llm_policy.llama import Llama, Past, Sizes, Weights, logits


class Read(NamedTuple):
    """What is known after some rows: the state after each one's last token, and the past of all."""

    states: Float[Array, "rows width"]
    past: Past


def read_head(weights: Weights, sizes: Sizes, head: Sequence[int]) -> Past | None:
    """Return the past that is shared after a common beginning, None if there is none."""
    if not head:
        return None
    return _read_head(weights, sizes, *padded([head], shape=(1, rounded(len(head)))))


@partial(jax.jit, static_argnames="sizes", donate_argnames="own")
def read(
    weights: Weights,
    sizes: Sizes,
    tokens: Int[Array, "1 rows tokens"],
    length: Int[Array, "1 rows"],
    shared: Past | None,
    own: Past | None = None,
) -> Read:
    """Read tokens after what is `shared` and the rows' `own` past, which is used up."""
    return _read(weights, sizes, tokens, length, shared, own)


@partial(jax.jit, static_argnames="sizes")
def option_scores(
    weights: Weights,
    sizes: Sizes,
    tokens: Int[Array, "1 rows tokens"],
    length: Int[Array, "1 rows"],
    shared: Past | None,
    options: Int[Array, " options"],
) -> Float[Array, "rows options"]:
    """Return the log probability, among all tokens, of each option to follow each row."""
    states = _read(weights, sizes, tokens, length, shared, None).states
    with jax.default_matmul_precision("float32"):
        return jax.nn.log_softmax(logits(weights, states))[:, options]


def table(sizes: Sizes, *, rows: int, room: int) -> Read:
    """Return rows of which nothing was read, each with room for some tokens."""
    shape = (sizes.num_hidden_layers, 1, rows, room, sizes.num_attention_heads, sizes.head_dim)
    keys, values = (jnp.zeros(shape, jnp.float32) for _ in range(2))
    states, length = jnp.zeros((rows, sizes.hidden_size), jnp.float32), jnp.zeros((1, rows), jnp.int32)
    return Read(states, Past(keys, values, length))


@partial(jax.jit, static_argnames="samples", donate_argnames="all_rows")
def lay_down(all_rows: Read, some: Read, place: int, *, samples: int) -> Read:
    """Return `all_rows`, which are used up, with `some` from row `place` on, each `samples` times."""

    def lay(axis: int, old: Array, new: Array) -> Array:
        start = [0] * old.ndim
        start[axis] = place
        return jax.lax.dynamic_update_slice(old, jnp.repeat(new, samples, axis=axis), start)

    past, new = all_rows.past, some.past
    keys, values = lay(2, past.keys, new.keys), lay(2, past.values, new.values)
    length = lay(1, past.length, new.length)
    return Read(lay(0, all_rows.states, some.states), Past(keys, values, length))


@jax.jit
def draw(
    weights: Weights,
    states: Float[Array, "rows width"],
    allowed: Int32[Array, "rows words"],
    seeds: UInt32[Array, "rows 2"],
    written: Int[Array, " rows"],
    temperature: float,
) -> Int[Array, " rows"]:
    """Return one of the `allowed` tokens (a bit each) to follow each row; at temperature 0, the likeliest.

    Chance is a row's own: it comes from the row's seed and the number of tokens that it has `written`.
    """
    with jax.default_matmul_precision("float32"):
        scores = logits(weights, states)
    bits = (allowed[..., None] >> jnp.arange(32, dtype=jnp.int32).reshape(1, 1, -1)) & 1
    scores = jnp.where(bits.reshape(len(scores), -1)[:, : scores.shape[1]] == 1, scores, -jnp.inf)
    keys = jax.vmap(jax.random.fold_in)(jax.random.wrap_key_data(seeds, impl="threefry2x32"), written)
    drawn = jax.vmap(jax.random.categorical)(keys, scores / jnp.where(temperature > 0, temperature, 1.0))
    return jnp.where(temperature > 0, drawn, scores.argmax(axis=1))


@partial(jax.jit, static_argnames="sizes")
def _read_head(
    weights: Weights, sizes: Sizes, tokens: Int[Array, "1 1 tokens"], length: Int[Array, "1 1"]
) -> Past:
    past = _read(weights, sizes, tokens, length, None, None).past
    return Past(past.keys[:, :, 0], past.values[:, :, 0], past.length[:, 0])


def _read(
    weights: Weights, sizes: Sizes, tokens: Array, length: Array, shared: Past | None, own: Past | None
) -> Read:
    last = jnp.maximum(length - 1, 0)[..., None]
    with jax.default_matmul_precision("float32"):
        result = Llama(sizes).apply({"params": weights}, tokens, length, shared, own, last)
    states, past = cast(tuple[Array, Past], result)
    return Read(states[0, :, 0], past)
