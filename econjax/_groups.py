"""Groups of workers: everybody's entry of a small table, by the group that a worker belongs to."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from econjax._arrays import UNROLLED


def spread(
    values: Shaped[Array, "*rows"], group: Int[Array, " agents"] | None
) -> Shaped[Array, "..."]:
    """Return each worker's entry of `values` [..., groups]; without groups, values as they are.

    Where groups are few, by a chain of selections, which fuses unlike a gather.
    """
    if group is None:
        return values
    if values.shape[-1] > UNROLLED:
        return values[..., group]
    shape = (*values.shape[:-1], group.shape[0])
    own = jnp.broadcast_to(values[..., :1], shape)
    for j in range(1, values.shape[-1]):
        belongs = jnp.broadcast_to(group == j, shape)
        own = jnp.where(belongs, values[..., j : j + 1], own)
    return own


def row_of(
    table: Float[Array, "rows groups"],
    row: Int[Array, "*more agents"],
    group: Int[Array, " agents"],
) -> Float[Array, "*more agents"]:
    """Return everybody's entry of a table, in a row of their own: by a gather.

    Its transpose adds everybody up in one pass, where masked sums would take one for each entry.
    """
    return table.reshape(-1)[row * table.shape[1] + group]
