"""Everybody's hours drawn from the archetypes' on the device, settled and scored there."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from econjax import BracketSchedule, Economy, settle
from econjax.welfare import AbstractWelfare
from llm_policy.workers.chances import Chances, expected
from llm_policy.workers.lived import LivedStep, lived, own_best

_BLOCK = 2**17
"""Workers whose hours are drawn together: memory for chances is that of so many."""
_EXPECTED = 2**13
"""Workers up to whom the step is scored by all their chances, like those who are asked."""
_AT_ONCE, _DRAWS = 2**19, 64
"""Workers times draws that a step is scored by, and the most draws; there are 2 at least."""


class Drawn(eqx.Module):
    """Of which archetypes' chances a population's hours are drawn.

    `left` and `share` are those of `ArchetypeLinks`. `reached` [rows, options] sums the chances up
    to each of the `hours`; it is 0 where nobody was understood.
    """

    left: Int[Array, " agents"]
    share: Float[Array, " agents"]
    reached: Float[Array, "rows options"]
    hours: Float[Array, " options"]

    @property
    def understood(self) -> Float[Array, " agents"]:
        """The chance that each worker's archetype was understood."""
        return _between(self.reached[:, -1], self.left, self.share)


@eqx.filter_jit
def drawn_labor(key: Key[Array, ""], drawn: Drawn) -> Float[Array, " agents"]:
    """Return everybody's weekly hours, one draw each, a block of workers after the other.

    A draw belongs to a worker's place: equal keys are equal luck, whatever the chances. Hours of
    who has no archetype that was understood are the longest, and count for nothing.
    """
    agents = drawn.left.shape[0]
    blocks = -(-agents // _BLOCK)
    size = min(_BLOCK, agents)

    def of_block(block):
        number, left, share = block
        reached = _between(drawn.reached, left, share)
        draw = jax.random.uniform(jax.random.fold_in(key, number), (size,), reached.dtype)
        place = jnp.sum((draw * reached[:, -1])[:, None] >= reached[:, :-1], axis=1)
        return drawn.hours[place]

    def cut(values: Array) -> Array:
        return jnp.pad(values, (0, blocks * size - agents)).reshape(blocks, size)

    labor = jax.lax.map(of_block, (jnp.arange(blocks), cut(drawn.left), cut(drawn.share)))
    return labor.reshape(-1)[:agents]


def scored(
    key: Key[Array, ""],
    economy: Economy,
    schedule: BracketSchedule,
    drawn: Drawn,
    welfare: AbstractWelfare,
    subsistence: float | None,
) -> tuple[Economy, LivedStep]:
    """Return the economy of those understood, and the mean step over draws of everybody's hours."""
    economy, understood = _present(economy, drawn)
    agents = drawn.left.shape[0]
    options = {"subsistence": subsistence, "understood": understood}
    if agents <= _EXPECTED:
        chances = Chances(drawn.hours, chances_of(drawn))
        return economy, expected(key, economy, schedule, chances, welfare, **options)
    keys = jax.random.split(key, draws_of(agents))
    return economy, _over_draws(keys, economy, schedule, drawn, welfare, **options)


def draws_of(agents: int) -> int:
    """Return by how many draws a step of so many workers is scored, where it is by draws."""
    return max(2, min(_DRAWS, _AT_ONCE // agents))


@jax.jit
def chances_of(drawn: Drawn) -> Float[Array, "agents options"]:
    """Return everybody's chances of the hours, of who is understood; a few workers' only."""
    reached = _between(drawn.reached, drawn.left, drawn.share)
    chances = jnp.diff(reached, axis=1, prepend=0)
    return chances / jnp.maximum(reached[:, -1:], jnp.finfo(chances.dtype).tiny)


@eqx.filter_jit
def _present(economy: Economy, drawn: Drawn) -> tuple[Economy, Float[Array, ""]]:
    weight = economy.population.weight * drawn.understood
    whole = jnp.sum(weight)
    population = eqx.tree_at(lambda p: p.weight, economy.population, weight / whole)
    return eqx.tree_at(lambda e: e.population, economy, population), whole


@eqx.filter_jit
def _over_draws(
    keys: Key[Array, " draws"],
    economy: Economy,
    schedule: BracketSchedule,
    drawn: Drawn,
    welfare: AbstractWelfare,
    *,
    subsistence: float | None,
    understood: Float[Array, ""],
) -> LivedStep:
    rebate = jax.lax.map(
        lambda key: settle(economy, schedule, drawn_labor(key, drawn)).rebate, keys
    )
    best = own_best(economy, schedule, rebate.mean())

    def live(key: Key[Array, ""]) -> LivedStep:
        return lived(
            economy,
            schedule,
            settle(economy, schedule, drawn_labor(key, drawn)),
            welfare,
            best=best,
            subsistence=subsistence,
            understood=understood,
        )

    found = jax.lax.map(live, keys)
    error = jnp.std(found.report.equivalent, ddof=1) / len(keys) ** 0.5
    return jax.tree.map(lambda values: values.mean(axis=0), found)._replace(error=error)


def _between(
    values: Float[Array, "..."], left: Int[Array, " some"], share: Float[Array, " some"]
) -> Float[Array, "..."]:
    """Return each worker's values: between those of its rows."""
    after = jnp.minimum(left + 1, values.shape[0] - 1)
    share = share.reshape(share.shape + (1,) * (values.ndim - 1))
    return (1 - share) * values[left] + share * values[after]
