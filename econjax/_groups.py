"""Groups of workers: everybody's entry of a small table, by the group; tables that add up."""

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


def summed(
    t1: Float[Array, " first"],
    r1: Float[Array, " first"],
    t2: Float[Array, " second"],
    r2: Float[Array, " second"],
) -> tuple[Float[Array, " brackets"], Float[Array, " brackets"]]:
    """Return thresholds and rates of what two schedules take together, with the thresholds of both.

    One that they share is followed by a bracket as narrow as the format holds.
    """
    starts = jnp.sort(jnp.concatenate([t1, t2[1:]]))
    rates = jnp.zeros_like(starts)
    for thresholds, own in ((t1, r1), (t2, r2)):
        rates += own[jnp.searchsorted(thresholds, starts, side="right") - 1]
    rising = [starts[0]]
    for start in starts[1:]:
        rising.append(jnp.maximum(start, jnp.nextafter(rising[-1], jnp.inf)))
    return jnp.stack(rising), rates
