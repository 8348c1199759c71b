"""Work on many workers in blocks: what is between the arrays held fits into a cache.

On a GPU or TPU, where a block is a few programs and each takes microseconds to begin, blocks are
large, and bound the memory that such arrays take.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from econjax.economy import Economy

Result = TypeVar("Result")

_KEPT = jax.checkpoint_policies.save_only_these_names("bracket", "root")
"""What derivatives of a block keep of each worker; the rest is computed again from it."""

BLOCK = 2**17
"""About so many workers are in a block on a CPU; fewer than twice as many are not divided."""
ON_ACCELERATORS = 2**24
"""The same elsewhere. Best responses of 100,000,000 take 17 times as long in blocks of 2**17 on an
H200 (JAX 0.11.2)."""


def in_blocks(function: Callable[..., Result], economy: Economy, *given: Any) -> Result:
    """Return function(economy, *given) of arrays with an entry for each worker, block by block.

    The population's credits that depend on income are `None`. A block takes as many workers from
    every device, from equal shares in their order, so that nothing moves between devices.
    """
    agents = economy.population.agents
    cut = _cut(agents)
    if cut is None:
        return function(economy, *given)
    found = _over_blocks(function, economy, given, cut)
    return jax.tree.map(lambda values: _joined(values, cut, agents), found)


def sum_of_blocks(function: Callable[..., Result], economy: Economy, *given: Any) -> Result:
    """Return function(economy, *given) of sums over workers by weight, each the sum over blocks."""
    cut = _cut(economy.population.agents)
    if cut is None:
        return function(economy, *given)
    found = _over_blocks(function, economy, given, cut)
    return jax.tree.map(lambda sums: jnp.sum(sums, axis=0), found)


def _over_blocks(
    function: Callable[..., Result], economy: Economy, given: tuple, cut: tuple[int, int, int]
) -> Result:
    """Return the results for all blocks, stacked; what fills up the last one has no weight.

    What is the same in every block is handed to each anew. Otherwise XLA spreads each number of it
    over a block's workers before the loop, and reads these arrays again in every block.
    """
    lanes, blocks, size = cut
    filled = lanes * blocks * size - economy.population.agents

    def divided(values: Array, *, mode: str = "edge") -> Array:
        rows = values.reshape(lanes, -1)
        if filled:
            rows = jnp.pad(rows, ((0, 0), (0, filled // lanes)), mode=mode)
        return jnp.moveaxis(rows.reshape(lanes, blocks, size), 1, 0)

    workers = economy.population
    parts = eqx.tree_at(
        lambda w: w.weight,
        jax.tree.map(divided, workers),
        divided(workers.weight, mode="constant"),
    )

    rest = (eqx.tree_at(lambda e: e.population, economy, None), given)
    numbers, others = eqx.partition(rest, eqx.is_array)
    shared = jax.tree.map(lambda v: jnp.broadcast_to(v, (blocks, *v.shape)), numbers)

    @partial(jax.checkpoint, policy=_KEPT, prevent_cse=False)
    def of_block(block) -> Result:
        part, alike = block
        alike, given = eqx.combine(alike, others)
        own = jax.tree.map(lambda values: values.reshape(lanes * size), part)
        whole = eqx.tree_at(lambda e: e.population, alike, own, is_leaf=lambda x: x is None)
        return function(whole, *given)

    return jax.lax.map(of_block, (parts, shared))


def _cut(agents: int) -> tuple[int, int, int] | None:
    """Return lanes, blocks and a lane's workers in a block; None where workers are few.

    Lanes are as many as devices, if that divides workers; blocks divide a lane's, if a number
    not far from what is wanted does.
    """
    block = BLOCK if jax.default_backend() == "cpu" else ON_ACCELERATORS
    if agents < 2 * block:
        return None
    lanes = math.gcd(agents, jax.device_count())
    own = agents // lanes
    wanted = round(agents / block)
    blocks = next((n for n in range(wanted, 2 * wanted) if own % n == 0), wanted)
    return lanes, blocks, -(-own // blocks)


def _joined(values: Array, cut: tuple[int, int, int], agents: int) -> Array:
    """Return stacked blocks in the order of workers, without what fills up the last one."""
    lanes, blocks, size = cut
    rows = jnp.moveaxis(values.reshape(blocks, lanes, size), 0, 1).reshape(lanes, -1)
    return rows[:, : agents // lanes].reshape(-1)
