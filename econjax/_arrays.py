"""Conversion and checks at the door: what enters a constructor becomes a legal floating-point array."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike


def as_float(values: ArrayLike) -> Float[Array, "..."]:
    """Return a JAX array of floats; a float keeps its precision, anything else takes JAX's default one."""
    array = jnp.asarray(values)
    return array.astype(array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else float)


def known(values: Array) -> bool:
    """Return whether an array holds values, rather than standing for them while a function is traced."""
    return not isinstance(values, Tracer)


def require(values: Float[Array, "..."], ok: Bool[Array, ""], remedy: str) -> Float[Array, "..."]:
    """Return a few `values` if they are legal, or raise with the remedy.

    Raises:
        ValueError: at once, with the values, where they are known. Under `jit` the compiled function raises.
    """
    if not known(ok):
        return eqx.error_if(values, ~ok, remedy)
    if not ok:
        raise ValueError(f"{remedy} Got {np.asarray(values).tolist()}.")
    return values
