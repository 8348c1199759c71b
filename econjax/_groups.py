"""Groups of workers: everybody's entry of a small table, by the group that a worker belongs to."""

from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from econjax._arrays import UNROLLED, fold

Table = TypeVar("Table")


def spread(
    values: Float[Array, "*rows groups"], group: Int[Array, " agents"] | None
) -> Float[Array, "*rows agents"]:
    """Return each worker's entry of `values`; without groups, values as they are.

    Where groups are few, by a chain of selections, which fuses unlike a gather.
    """
    if group is None:
        return values
    if values.shape[-1] > UNROLLED:
        return values[..., group]
    own = jnp.broadcast_to(values[..., :1], (*values.shape[:-1], group.shape[0]))
    for j in range(1, values.shape[-1]):
        own = jnp.where(group == j, values[..., j, None], own)
    return own


def by_group(values: Float[Array, "groups brackets"]) -> Float[Array, " rows"]:
    """Return a table as one list, brackets first: bracket j of group g at j * groups + g."""
    return values.T.reshape(-1)


@jax.custom_jvp
def select(table: Table, chosen: Int[Array, "*shape"]) -> Table:
    """Return the chosen row of a table of [rows] arrays for everybody: by selections, if few."""
    rows = jax.tree.leaves(table)[0].shape[0]
    if rows > UNROLLED:
        return jax.tree.map(lambda values: values[chosen], table)

    def take(own: Table, row: tuple[Table, Int[Array, ""]]) -> Table:
        return jax.tree.map(
            lambda below, value: jnp.where(chosen >= row[1], value, below), own, row[0]
        )

    lowest = jax.tree.map(lambda values: jnp.broadcast_to(values[0], chosen.shape), table)
    higher = jax.tree.map(lambda values: values[1:], table)
    return fold(take, lowest, (higher, jnp.arange(1, rows)))


@partial(select.defjvp, symbolic_zeros=True)
def _select_jvp(primals, tangents):
    """As a sum of steps, whose transpose is a masked sum per row of all that moves at once."""
    table, chosen = primals
    leaves, shape = jax.tree.flatten(tangents[0], is_leaf=_is_zero)
    moving = [t for t in leaves if not _is_zero(t)]
    own = select(table, chosen)
    if not moving:
        return own, jax.tree.map(jnp.zeros_like, own)

    @partial(jax.checkpoint, prevent_cse=False)
    def add(
        moves: list[Float[Array, "*shape"]], row: tuple[list[Float[Array, ""]], Int[Array, ""]]
    ):
        above = chosen >= row[1]
        return [move + step * above for move, step in zip(moves, row[0], strict=True)], None

    rows = ([jnp.diff(t) for t in moving], jnp.arange(1, moving[0].shape[0]))
    moves = iter(jax.lax.scan(add, [jnp.broadcast_to(t[0], chosen.shape) for t in moving], rows)[0])
    still = jnp.zeros(chosen.shape, moving[0].dtype)
    return own, shape.unflatten([still if _is_zero(t) else next(moves) for t in leaves])


def _is_zero(tangent) -> bool:
    return isinstance(tangent, SymbolicZero)
