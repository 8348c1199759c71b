"""A Llama in flax: the network of the small model that comes with the project, and of its family.

The arithmetic is that of Touvron et al. (2023): rotary positions, root-mean-square norms before
every block, a gated feed-forward layer; several heads may ask the same keys and values (Ainslie et
al. 2023), embeddings may also serve as the output layer, and layers may have biases.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from llm_policy.engines.embedded.attention import (
    Mixed,
    Pages,
    PagesOfLayer,
    attend,
    attend_pages,
    attend_together,
    mean_of_parts,
)
from llm_policy.engines.embedded.rotary import Stretch, rotate, rotation

Weights = Mapping[str, Any]
"""The network's parameters, as flax nests them."""


class Sizes(NamedTuple):
    """The sizes of a Llama, mostly under their names in config.json.

    Without `num_key_value_heads` there are as many as heads that ask; without `head_size` heads
    share the width; `query_bias` is that of query, key and value.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5
    num_key_value_heads: int | None = None
    head_size: int | None = None
    tie_word_embeddings: bool = True
    query_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    rope_scaling: Stretch | None = None

    @property
    def head_dim(self) -> int:
        """The size of an attention head."""
        return self.head_size or self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """The number of heads that are asked, each by equally many that follow each other."""
        return self.num_key_value_heads or self.num_attention_heads


class Past(NamedTuple):
    """What the layers keep of tokens read: their keys and values, and how many of them count.

    The first `length` tokens of a row count; what follows is padding.
    """

    keys: Float[Array, "layers *rows tokens heads size"]
    values: Float[Array, "layers *rows tokens heads size"]
    length: Int[Array, "*rows"]


class Branches(NamedTuple):
    """Tokens of a row that are a tree: how many are above each, and which each is or follows."""

    depth: Int[Array, " tokens"]
    above: Bool[Array, "tokens tokens"]


class Llama(nn.Module):
    """Read the rows of groups; the rows of a group follow one text that they share.

    `shared` is what was read of each group's shared text, with rows [groups]; `own` is what was
    read of each row since, with rows [groups, rows] and room for the new tokens. The first `length`
    new tokens of a row count; what is returned for the others means nothing. Where only the states
    after some tokens of each row are wanted, `places` are theirs among the new ones, and the last
    layer is computed for no others. The rows of a single group may instead follow `pages`, whatever
    their number: for these there are no gradients. With `branches` the tokens of each row are no
    line but a tree, in which each is read as if only what is above it had been said.
    """

    sizes: Sizes

    @nn.compact
    def __call__(
        self,
        tokens: Int[Array, "groups rows tokens"],
        length: Int[Array, "groups rows"],
        *,
        shared: Past | None = None,
        own: Past | None = None,
        places: Int[Array, "groups rows wanted"] | None = None,
        pages: Pages | None = None,
        branches: Branches | None = None,
    ) -> tuple[Float[Array, "groups rows wanted width"], Past]:
        """Return the state after each token wanted, and each row's past with all new tokens."""
        sizes = self.sizes
        begin = jnp.zeros_like(length) if own is None else own.length
        place = begin[..., None] + jnp.arange(tokens.shape[-1]).reshape(
            1, 1, -1
        )  # of each token within its row
        room = tokens.shape[-1] if own is None else own.keys.shape[-3]
        visible = jnp.arange(room).reshape(1, 1, -1, 1) <= place[:, :, None]
        turn = place
        if branches is not None:
            turn = begin[..., None] + branches.depth[None, None]
            visible = jnp.broadcast_to(branches.above.T, visible.shape)
        before = 0 if shared is None else shared.length[:, None, None]
        before = before if pages is None else before + pages.length[None, :, None]
        start = nn.initializers.normal(0.02)
        embedding = self.param("embedding", start, (sizes.vocab_size, sizes.hidden_size))
        if not sizes.tie_word_embeddings:
            self.param("output", start, (sizes.vocab_size, sizes.hidden_size))
        layers = self.param("layers", _layers, sizes)
        view = _View(
            _turns(before + turn, sizes),
            visible,
            place,
            None if shared is None else shared.length,
        )

        def layer(
            state: Array, one: Any, wanted: Array | None = None
        ) -> tuple[Array, tuple[Array, Array]]:
            weights, number, *past = one
            further = (
                None if pages is None else PagesOfLayer(pages, number, sizes.num_hidden_layers)
            )
            result = _Layer(sizes).apply({"params": weights}, state, view, *past, further, wanted)
            return cast(tuple[Array, tuple[Array, Array]], result)

        pasts = (None if past is None else (past.keys, past.values) for past in (shared, own))
        everything = (layers, jnp.arange(sizes.num_hidden_layers), *pasts)
        state = embedding[tokens]
        first = everything if places is None else jax.tree.map(lambda array: array[:-1], everything)
        state, kept = jax.lax.scan(layer, state, first)
        if places is not None:
            state, last = layer(state, jax.tree.map(lambda array: array[-1], everything), places)
            kept = jax.tree.map(lambda some, one: jnp.concatenate([some, one[None]]), kept, last)
        keys, values = kept
        return _Norm(sizes.rms_norm_eps, name="norm")(state), Past(keys, values, begin + length)


def logits(
    weights: Weights, states: Float[Array, "*rows width"]
) -> Float[Array, "*rows vocabulary"]:
    """Return the scores of all tokens to follow after some states."""
    return states @ weights.get("output", weights["embedding"]).T


class _View(NamedTuple):
    """What each new token is to layers: how its heads turn, what it sees of its row, its place.

    `shared_length` is the number of tokens that its group shares, None without any.
    """

    rotation: tuple[
        Float[Array, "groups rows tokens 1 half"], Float[Array, "groups rows tokens 1 half"]
    ]
    visible: Bool[Array, "groups rows room tokens"]
    place: Int[Array, "groups rows tokens"]
    shared_length: Int[Array, " groups"] | None

    def of(self, wanted: Int[Array, "groups rows wanted"] | None) -> "_View":
        """Return the view of some of the tokens, of all where `wanted` is None."""
        if wanted is None:
            return self
        rotation, visible, place = jax.tree.map(
            lambda array: _some(array, wanted),
            (self.rotation, self.visible.swapaxes(-1, -2), self.place),
        )
        return _View(rotation, visible.swapaxes(-1, -2), place, self.shared_length)


class _Layer(nn.Module):
    """Attention, then the gated layer."""

    sizes: Sizes

    @nn.compact
    def __call__(
        self,
        state: Float[Array, "groups rows tokens width"],
        view: _View,
        shared: tuple[Array, Array] | None,
        own: tuple[Array, Array] | None,
        pages: PagesOfLayer | None,
        wanted: Int[Array, "groups rows wanted"] | None,
    ) -> tuple[Float[Array, "groups rows wanted width"], tuple[Array, Array]]:
        change, kept = _Attention(self.sizes, name="attention")(
            state, view, shared, own, pages, wanted
        )
        state = _some(state, wanted) + change
        return state + _FeedForward(self.sizes, name="feed_forward")(state), kept


class _Attention(nn.Module):
    """Attention of new tokens to their row, to what its group shares, and to pages."""

    sizes: Sizes

    @nn.compact
    def __call__(
        self,
        state: Float[Array, "groups rows tokens width"],
        view: _View,
        shared: tuple[Array, Array] | None,
        own: tuple[Array, Array] | None,
        pages: PagesOfLayer | None,
        wanted: Int[Array, "groups rows wanted"] | None,
    ) -> tuple[Float[Array, "groups rows wanted width"], tuple[Array, Array]]:
        sizes = self.sizes
        state = _Norm(sizes.rms_norm_eps, name="norm")(state)
        scale, together = sizes.head_dim**-0.5, sizes.num_attention_heads // sizes.key_value_heads
        asking, asked = _some(state, wanted), view.of(wanted)

        def heads(name: str, state: Array, number: int) -> Array:
            dense = _Dense(number * sizes.head_dim, bias=sizes.query_bias, name=name)
            return dense(state).reshape(*state.shape[:-1], number, sizes.head_dim)

        query = heads("query", asking, sizes.num_attention_heads)
        key, value = (heads(name, state, sizes.key_value_heads) for name in ("key", "value"))
        query, key = rotate(query, asked.rotation), rotate(key, view.rotation)
        if own is not None:
            group, row = (axis[..., None] for axis in jnp.indices(view.place.shape[:2]))
            key, value = (
                old.at[group, row, view.place].set(new)
                for old, new in zip(own, (key, value), strict=True)
            )
        keys, values = (jnp.moveaxis(array, -2, 1) for array in (key, value))
        # heads that ask the same keys are to these as if they were further tokens of one head
        query = (scale * query).reshape(*query.shape[:3], sizes.key_value_heads, together, -1)
        query = jnp.transpose(query, (0, 3, 1, 5, 4, 2))
        before: list[Callable[[Array], Mixed]] = []
        if shared is not None and view.shared_length is not None:
            known = jnp.arange(shared[0].shape[1])[None] < view.shared_length[:, None]
            old_keys, old_values = (jnp.moveaxis(array, -2, 1) for array in shared)
            old = {"keys": old_keys, "values": old_values, "seen": known[:, None, :, None]}
            before.append(functools.partial(attend_together, **old))
        if pages is not None:
            before.append(functools.partial(attend_pages, of_layer=pages))
        in_order = own is None and wanted is None
        step = _BLOCK if in_order else query.shape[-1]
        mixed = []
        for start in range(0, query.shape[-1], step):
            now = slice(start, start + step)
            so_far = slice(start + step) if in_order else slice(None)  # no token sees a later one
            seen = jnp.tile(asked.visible[:, None, :, so_far, now], (1, 1, 1, 1, together))
            some = query[..., now]
            flat = some.reshape(*some.shape[:4], -1)
            part = attend(flat, keys[..., so_far, :], values[..., so_far, :], seen)
            mean = mean_of_parts([part, *(attend(flat) for attend in before)])
            mixed.append(mean.reshape(some.shape))
        mixed = jnp.transpose(jnp.concatenate(mixed, axis=-1), (0, 2, 5, 1, 4, 3))
        dense = _Dense(
            sizes.hidden_size, sizes.num_hidden_layers, bias=sizes.output_bias, name="output"
        )
        return dense(mixed.reshape(*mixed.shape[:3], -1)), (key, value)


class _FeedForward(nn.Module):
    """A gated layer."""

    sizes: Sizes

    @nn.compact
    def __call__(self, state: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        sizes = self.sizes
        state = _Norm(sizes.rms_norm_eps, name="norm")(state)
        bias = sizes.mlp_bias
        gate, up = (
            _Dense(sizes.intermediate_size, bias=bias, name=name)(state) for name in ("gate", "up")
        )
        down = _Dense(sizes.hidden_size, sizes.num_hidden_layers, bias=bias, name="down")
        return down(nn.silu(gate) * up)


class _Norm(nn.Module):
    """States divided by their root mean square."""

    epsilon: float

    @nn.compact
    def __call__(self, state: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
        scale = self.param("scale", nn.initializers.ones, state.shape[-1:])
        size = jnp.mean(jnp.square(state), axis=-1, keepdims=True)
        return (
            state
            * jax.lax.rsqrt(size + self.epsilon)
            * scale.reshape((1,) * (state.ndim - 1) + (-1,))
        )


class _Dense(nn.Module):
    """A linear layer; where `depth` layers are summed each begins smaller.

    All rows are one matrix to it: a CPU is slow with more axes.
    """

    width: int
    depth: int | None = None
    bias: bool = False

    @nn.compact
    def __call__(self, state: Float[Array, "*rows from"]) -> Float[Array, "*rows to"]:
        start = nn.initializers.variance_scaling(0.5 / (self.depth or 0.5), "fan_in", "normal")
        kernel = self.param("kernel", start, (state.shape[-1], self.width))
        result = state.reshape(-1, state.shape[-1]) @ kernel
        if self.bias:
            result += self.param("bias", nn.initializers.zeros, (self.width,)).reshape(1, -1)
        return result.reshape(*state.shape[:-1], self.width)


def _layers(key: Array, sizes: Sizes) -> Any:
    """Return drawn parameters of all layers, the first axis being theirs."""
    one = jnp.ones((1, 1, 1), int)
    view = _View(_turns(one, sizes), one[..., None] == 1, one, None)
    state = jnp.ones((1, 1, 1, sizes.hidden_size))

    def draw(key: Array) -> Any:
        return _Layer(sizes).init(key, state, view, None, None, None, None)["params"]

    return jax.vmap(draw)(jax.random.split(key, sizes.num_hidden_layers))


def _turns(place: Int[Array, "groups rows tokens"], sizes: Sizes) -> tuple[Array, Array]:
    return rotation(place, size=sizes.head_dim, base=sizes.rope_theta, by=sizes.rope_scaling)


def _some(array: Array, wanted: Int[Array, "groups rows wanted"] | None) -> Array:
    """Return what belongs to some tokens of each row, to all where `wanted` is None."""
    if wanted is None:
        return array
    return jnp.take_along_axis(
        array, wanted.reshape(*wanted.shape, *(1,) * (array.ndim - 3)), axis=2
    )


_BLOCK = 256  # tokens that attend together: fewer waste less on what is unseen, and compile longer
