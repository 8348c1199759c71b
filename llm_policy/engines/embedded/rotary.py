"""Rotary positions: heads are turned by angles that grow with a token's place (Su et al. 2021)."""

import math
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


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


def rotation(
    place: Int[Array, "groups rows tokens"], *, size: int, base: float, by: Stretch | None
) -> tuple[Array, Array]:
    """Return the cosines and sines by which heads of some size are turned at each place.

    The first pair of numbers turns by 1 radian a token, the others by less and less, down to nearly
    1 / `base`.
    """
    speed = base ** (-jnp.arange(0, size, 2, dtype=jnp.float32) / size)
    speed = _stretched(speed, by)
    angle = place[..., None, None].astype(jnp.float32) * speed.reshape(1, 1, 1, 1, -1)
    return jnp.cos(angle), jnp.sin(angle)


def rotate(
    heads: Float[Array, "groups rows tokens heads size"], by: tuple[Array, Array]
) -> Float[Array, "groups rows tokens heads size"]:
    """Return the heads turned by a `rotation`: the n-th number of each half is a pair."""
    first, second = jnp.split(heads, 2, axis=-1)
    cosine, sine = by
    return jnp.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )


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
