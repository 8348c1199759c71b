"""Conversion and checks at the door: what enters a constructor becomes a legal float array."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

State = TypeVar("State")
Row = TypeVar("Row")
Values = TypeVar("Values")

UNROLLED = 16
"""Up to so many brackets are written out one by one, and XLA fuses them; a loop goes over more."""


def as_float(values: ArrayLike) -> Float[Array, "..."]:
    """Return a JAX array of floats, in JAX's default precision.

    Numbers of the host change precision there and are put on the device: `jnp.asarray` compiles a
    program for every shape (JAX 0.10.1).
    """
    if not any(isinstance(part, jax.Array) for part in jax.tree.leaves(values)):
        host = np.asarray(values)
        if host.dtype.kind in "biuf":
            with np.errstate(over="ignore"):
                return jax.device_put(host.astype(jax.dtypes.canonicalize_dtype(float)))
    return jnp.asarray(values).astype(float)


def dot(a: Array, b: Array) -> Array:
    """Return a @ b in the precision of the arrays.

    `@` alone rounds float32 factors to TF32 or bfloat16, three or four digits, on a GPU or a TPU.
    """
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def at_least(
    values: Float[Array, "..."], least: Float[Array, "..."] | np.floating | float
) -> Float[Array, "..."]:
    """Return the values, or what they are least, whose equals keep all of their derivative.

    `jnp.maximum` gives these half of it, and takes an array of shares to do so.
    """
    return jnp.where(values < least, least, values)


def at_most(
    values: Float[Array, "..."], most: Float[Array, "..."] | np.floating | float
) -> Float[Array, "..."]:
    """Return the values, or what they are at most, as `at_least` does."""
    return jnp.where(values > most, most, values)


def running_sum(values: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return the sum of the entries up to each.

    Of a constant, as equal weights are, XLA would sum while it compiles: 13 seconds of CPU for a
    million (JAX 0.10.1).
    """
    return jnp.cumsum(jax.lax.optimization_barrier(values))


def is_concrete(values: Array) -> bool:
    """Return whether an array holds values, and does not stand for them in a traced function."""
    return not isinstance(values, Tracer)


def seen(values: Array) -> Array | np.ndarray:
    """Return values to check: those that are known on the host, where that takes no program."""
    return np.asarray(values) if is_concrete(values) else values


def require_scalar(
    name: str,
    value: ArrayLike,
    *,
    positive: bool = False,
    least: float = -np.inf,
    finite: bool = True,
) -> Float[Array, ""]:
    """Return a value as one float, `least` or more, and above 0 if it must be `positive`.

    Infinity is legal only where it need not be `finite`.

    Raises:
        ValueError: not one number, or outside the bounds (or, under `jit`, when the function runs).
    """
    number = as_float(value)
    if number.shape != ():
        raise ValueError(
            f"{name} is one number; got an array of shape {number.shape}. Use vmap for several."
        )
    known = seen(number)
    if positive:
        number = require(number, known > 0, f"{name} must be a positive number.")
    else:
        number = require(number, known >= least, f"{name} must be a number, {least:g} or more.")
    if not finite:
        return number
    return require(number, abs(known) < np.inf, f"{name} must be a finite number.")


def require(values: Float[Array, "..."], ok: ArrayLike, remedy: str) -> Float[Array, "..."]:
    """Return a few `values` if they are legal, or raise with the remedy.

    Raises:
        ValueError: at once, with the values, where they are known. Under `jit` the compiled
        function raises, unless it was traced within `nan_where_illegal`.
    """
    if isinstance(ok, Tracer):
        return eqx.error_if(values, ~ok, remedy, on_error=_ON_ERROR.value)
    if not ok:
        raise ValueError(f"{remedy} Got {np.asarray(values).tolist()}.")
    return values


def nan_where_illegal() -> AbstractContextManager[None]:
    """Let what is traced give nan for illegal values, where it would raise when it runs.

    A check that raises is a callback to Python, and JAX keeps no program on disk that has one. Of a
    program traced within, `jax.jit(f).lower(...).compile()` say, JAX's persistent compilation cache
    spares the next process the compilation. Values that are known raise as ever.
    """
    return _ON_ERROR("nan")


_ON_ERROR = jax.make_user_context("default")
"""What Equinox does of illegal values, by default what its EQX_ON_ERROR says; JAX traces anew where
it differs."""


def split_moving(values: Values, tangents: Any) -> tuple[Values, Values]:
    """Return the values with a tangent, and those with none (None), with None in others' places."""
    return eqx.partition(
        values, jax.tree.map(lambda tangent: not is_none(tangent), tangents, is_leaf=is_none)
    )


def rise(values: Float[Array, " agents"]) -> Bool[Array, ""]:
    """Return whether values are in rising order."""
    return jnp.all(values[1:] >= values[:-1])


def in_order(
    values: Float[Array, " agents"], *more: Float[Array, " agents"]
) -> tuple[Float[Array, " agents"], ...]:
    """Return values in rising order, with what belongs to each.

    As they are where they rise already, as those of workers in the order of skill mostly do: to
    sort takes a CPU 50 times as long as to work.
    """
    return jax.lax.cond(
        rise(values),
        lambda arrays: arrays,
        lambda arrays: tuple(jax.lax.sort(arrays, num_keys=1)),
        (values, *more),
    )


def is_none(leaf: Any) -> bool:
    """Return whether a leaf of a pytree is missing."""
    return leaf is None


def fold(step: Callable[[State, Row], State], start: State, rows: Row) -> State:
    """Return step(... step(start, first row) ..., last row), by a program of bounded size."""
    length = jax.tree.leaves(rows)[0].shape[0]
    if length <= UNROLLED:
        for j in range(length):
            start = step(start, jax.tree.map(itemgetter(j), rows))
        return start
    return jax.lax.scan(lambda state, row: (step(state, row), None), start, rows, unroll=UNROLLED)[
        0
    ]
