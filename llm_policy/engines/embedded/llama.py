"""A Llama in flax: the network of the small model that comes with the project, and of its family.

The arithmetic is that of Touvron et al. (2023): rotary positions, root-mean-square norms before
every block, a gated feed-forward layer; several heads may ask the same keys and values (Ainslie et
al. 2023), embeddings may also serve as the output layer, and layers may have biases.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Weights = Mapping[str, Any]
"""The network's parameters, as flax nests them."""


class Stretch(NamedTuple):
    """How rotary positions are slowed down for a longer context, under names in config.json.

    "linear" divides every speed by `factor` (Chen et al. 2023); "llama3" does so where a head turns
    less than `low_freq_factor` times over the original context, leaves it where it turns more than
    `high_freq_factor` times, and goes from one to the other in between (Llama 3.1).
    """

    rope_type: Literal["linear", "llama3"]
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


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
        visible = jnp.arange(room).reshape(1, 1, 1, -1) <= place[..., None]
        turn = place
        if branches is not None:
            turn = begin[..., None] + branches.depth[None, None]
            visible = jnp.broadcast_to(branches.above, visible.shape)
        before = 0 if shared is None else shared.length[:, None, None]
        before = before if pages is None else before + pages.length[None, :, None]
        start = nn.initializers.normal(0.02)
        embedding = self.param("embedding", start, (sizes.vocab_size, sizes.hidden_size))
        if not sizes.tie_word_embeddings:
            self.param("output", start, (sizes.vocab_size, sizes.hidden_size))
        layers = self.param("layers", _layers, sizes)
        view = _View(
            _rotation(before + turn, sizes),
            visible,
            place,
            None if shared is None else shared.length,
        )

        def layer(
            state: Array, one: Any, wanted: Array | None = None
        ) -> tuple[Array, tuple[Array, Array]]:
            weights, number, *past = one
            further = (
                None if pages is None else _PagesOfLayer(pages, number, sizes.num_hidden_layers)
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
    visible: Bool[Array, "groups rows tokens room"]
    place: Int[Array, "groups rows tokens"]
    shared_length: Int[Array, " groups"] | None

    def of(self, wanted: Int[Array, "groups rows wanted"] | None) -> "_View":
        """Return the view of some of the tokens, of all where `wanted` is None."""
        if wanted is None:
            return self
        rotation, visible, place = jax.tree.map(lambda array: _some(array, wanted), self[:3])
        return _View(rotation, visible, place, self.shared_length)


class _PagesOfLayer(NamedTuple):
    """The pages, as one of the network's `layers` sees them."""

    pages: Pages
    layer: Int[Array, ""]
    layers: int


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
        pages: _PagesOfLayer | None,
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
        pages: _PagesOfLayer | None,
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
        query, key = _rotate(query, asked.rotation), _rotate(key, view.rotation)
        if own is not None:
            group, row = (axis[..., None] for axis in jnp.indices(view.place.shape[:2]))
            key, value = (
                old.at[group, row, view.place].set(new)
                for old, new in zip(own, (key, value), strict=True)
            )
        query, keys, values = (jnp.moveaxis(array, -2, 1) for array in (scale * query, key, value))
        before: list[Callable[[Array], _Mixed]] = []
        if shared is not None and view.shared_length is not None:
            known = jnp.arange(shared[0].shape[1])[None] < view.shared_length[:, None]
            old_keys, old_values = (jnp.moveaxis(array, -2, 1) for array in shared)
            old = {"keys": old_keys, "values": old_values, "seen": known[:, None, None]}
            before.append(functools.partial(_attend_together, **old))
        if pages is not None:
            before.append(functools.partial(_attend_pages, of_layer=pages))
        in_order = own is None and wanted is None
        step = _BLOCK if in_order else query.shape[-2]
        mixed = []
        for start in range(0, query.shape[-2], step):
            now = slice(start, start + step)
            so_far = slice(start + step) if in_order else slice(None)  # no token sees a later one
            seen = jnp.tile(asked.visible[:, None, :, now, so_far], (1, 1, 1, together, 1))
            some = _fold(query[..., now, :], together)
            part = _attend(some, keys[..., so_far, :], values[..., so_far, :], seen)
            mixed.append(_unfold(_joined([part, *(attend(some) for attend in before)]), together))
        mixed = jnp.moveaxis(jnp.concatenate(mixed, axis=-2), 1, -2)
        dense = _Dense(
            sizes.hidden_size, sizes.num_hidden_layers, bias=sizes.output_bias, name="output"
        )
        return dense(mixed.reshape(*mixed.shape[:-2], -1)), (key, value)


def _fold(query: Float[Array, "groups heads rows tokens size"], together: int) -> Array:
    """Return queries of heads that ask the same keys as if they were further tokens of one head."""
    if together == 1:
        return query
    groups, heads, rows, tokens, size = query.shape
    split = query.reshape(groups, heads // together, together, rows, tokens, size)
    return jnp.moveaxis(split, 2, 3).reshape(groups, -1, rows, together * tokens, size)


def _unfold(mixed: Array, together: int) -> Float[Array, "groups heads rows tokens size"]:
    """Return what `_fold` put together, by head."""
    if together == 1:
        return mixed
    groups, heads, rows, tokens, size = mixed.shape
    split = mixed.reshape(groups, heads, rows, together, tokens // together, size)
    return jnp.moveaxis(split, 3, 2).reshape(groups, heads * together, rows, -1, size)


class _Mixed(NamedTuple):
    """Values summed with weights exp(score - top), the weights' sum, and their top score."""

    top: Float[Array, "groups heads rows tokens"]
    total: Float[Array, "groups heads rows tokens"]
    values: Float[Array, "groups heads rows tokens size"]


def _attend(query: Array, keys: Array, values: Array, seen: Array) -> _Mixed:
    """Return values mixed by how well their keys fit each query, of those that are `seen`.

    Scores have the axis of the keys before that of the queries: a CPU sums quickly over any but the
    last.
    """
    scores = jnp.where(seen.swapaxes(-1, -2), keys @ query.swapaxes(-1, -2), _NEVER)
    top = jax.lax.stop_gradient(scores.max(axis=-2))
    weights = jnp.exp(scores - top[..., None, :])
    return _Mixed(top, weights.sum(axis=-2), weights.swapaxes(-1, -2) @ values)


def _attend_together(
    query: Float[Array, "groups heads rows tokens size"], keys: Array, values: Array, seen: Array
) -> _Mixed:
    """Return the same of keys and values without an axis of rows: all rows are as one to them."""
    flat = query.reshape(*query.shape[:2], -1, query.shape[-1])
    mixed = _attend(flat, keys, values, seen)
    return jax.tree.map(lambda array: array.reshape(*query.shape[:4], *array.shape[3:]), mixed)


def _attend_pages(
    query: Float[Array, "1 heads rows tokens size"], of_layer: _PagesOfLayer
) -> _Mixed:
    """Return the same of each row's pages, some at a time, as many as the longest row has."""
    (pages, layer, layers), (heads, rows, _, size) = of_layer, query.shape[1:]
    step = min(_PAGES, pages.places.shape[1])
    tokens = step * (pages.keys.shape[2] // size)

    def go_on(turn: Array, so_far: _Mixed) -> _Mixed:
        places = jax.lax.dynamic_slice_in_dim(pages.places, turn * step, step, axis=1)
        places = layer * (pages.keys.shape[1] // layers) + places
        keys, values = (
            jnp.take(array, places, axis=1, mode="clip").reshape(1, heads, rows, tokens, size)
            for array in (pages.keys, pages.values)
        )
        seen = turn * tokens + jnp.arange(tokens)[None] < pages.length[:, None]
        return _added([so_far, _attend(query, keys, values, seen[None, None, :, None])])

    never = jnp.full(query.shape[:4], _NEVER)
    nothing = _Mixed(never, jnp.zeros_like(never), jnp.zeros_like(query))
    turns = (jnp.max(pages.length) + tokens - 1) // tokens
    return jax.lax.fori_loop(0, turns, go_on, nothing)


def _added(parts: Sequence[_Mixed]) -> _Mixed:
    """Return the parts as one."""
    top = functools.reduce(jnp.maximum, (part.top for part in parts))
    shares = [jnp.exp(part.top - top) for part in parts]
    total = [share * part.total for share, part in zip(shares, parts, strict=True)]
    values = [share[..., None] * part.values for share, part in zip(shares, parts, strict=True)]
    return _Mixed(top, functools.reduce(jnp.add, total), functools.reduce(jnp.add, values))


def _joined(parts: Sequence[_Mixed]) -> Float[Array, "groups heads rows tokens size"]:
    """Return the mean of all values of the parts: with the weights of a softmax over all scores."""
    _, total, values = _added(parts)
    return values / total[..., None]


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
    view = _View(_rotation(one, sizes), one[..., None] == 1, one, None)
    state = jnp.ones((1, 1, 1, sizes.hidden_size))

    def draw(key: Array) -> Any:
        return _Layer(sizes).init(key, state, view, None, None, None, None)["params"]

    return jax.vmap(draw)(jax.random.split(key, sizes.num_hidden_layers))


def _some(array: Array, wanted: Int[Array, "groups rows wanted"] | None) -> Array:
    """Return what belongs to some tokens of each row, to all where `wanted` is None."""
    if wanted is None:
        return array
    return jnp.take_along_axis(
        array, wanted.reshape(*wanted.shape, *(1,) * (array.ndim - 3)), axis=2
    )


def _rotation(place: Int[Array, "groups rows tokens"], sizes: Sizes) -> tuple[Array, Array]:
    """Return the cosines and sines by which heads are turned at each place."""
    speed = sizes.rope_theta ** (
        -jnp.arange(0, sizes.head_dim, 2, dtype=jnp.float32) / sizes.head_dim
    )
    speed = _stretched(speed, sizes.rope_scaling)
    angle = place[..., None, None].astype(jnp.float32) * speed.reshape(1, 1, 1, 1, -1)
    return jnp.cos(angle), jnp.sin(angle)


def _stretched(speed: Float[Array, " half"], by: Stretch | None) -> Float[Array, " half"]:
    """Return the speeds, in radians a token, as a `Stretch` changes them."""
    if by is None:
        return speed
    if by.rope_type == "linear":
        return speed / by.factor
    turns = by.original_max_position_embeddings * speed / (2 * math.pi)
    kept = (turns - by.low_freq_factor) / (by.high_freq_factor - by.low_freq_factor)
    kept = jnp.clip(kept, 0.0, 1.0)
    return kept * speed + (1 - kept) * speed / by.factor


def _rotate(
    heads: Float[Array, "groups rows tokens heads size"], rotation: tuple[Array, Array]
) -> Array:
    first, second = jnp.split(heads, 2, axis=-1)
    cosine, sine = rotation
    return jnp.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )


_NEVER = -1e30
_PAGES = 8  # pages that are attended to together
_BLOCK = 256  # tokens that attend together: fewer waste less on what is unseen, and compile longer
