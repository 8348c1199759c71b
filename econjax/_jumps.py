"""Revenue that moves because workers jump: the part of its derivative that labels held fixed leave out."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from econjax._budget import entry_types, first_border, is_shared, one_worker, sides
from econjax.economy import Economy
from econjax.schedule import AbstractSchedule, BracketSchedule


def default_bandwidth(economy: Economy) -> Float[Array, ""]:
    """Return how far the kernel of the density of log types reaches unless told."""
    return jnp.asarray(5 * economy.population.agents ** (-1 / 3), economy.population.skill.dtype)


@eqx.filter_custom_jvp
def arriving_revenue(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""], bandwidth: Float[Array, ""]
) -> Float[Array, ""]:
    """Return 0, with the derivative of revenue that is due to workers who jump over a border.

    A border is the threshold of a bracket whose rate is lower, or the decision to work where that has a
    fixed cost. At each, workers of one type a are indifferent between a point below and one above. When
    log a rises by da, f(a) da workers move from the upper point to the lower, with f the density of log
    type x, and revenue changes by f(a) da (T_low - T_high). As the upper point's lead m is 0 at a, whatever
    lifts the lead by dm moves a by -dm / (dm / da); workers whose own type moves cross like a moving by -dx.
    """
    return jnp.zeros_like(bandwidth)


@arriving_revenue.def_jvp
def _arriving_revenue_jvp(primals, tangents):
    economy, schedule, rebate, bandwidth = primals
    falls = _falls(economy, schedule)
    zero = jnp.zeros_like(bandwidth)
    if falls.shape[0] == 0:
        return zero, zero
    shared = is_shared(economy.population)

    def met(economy: Economy) -> Economy:
        """Return the economy of those who are met at a border: one for all who share a type, or each."""
        return one_worker(economy) if shared else economy

    at = entry_types(*jax.lax.stop_gradient((met(economy), schedule, rebate)))
    exists = falls[:, None] & jnp.isfinite(at)
    at = jnp.where(exists, at, 0)  # far types overflow
    low, high, option, _ = sides(met(economy), schedule, rebate, at)
    _, slope = jax.jvp(lambda at: sides(met(economy), schedule, rebate, at)[3], (at,), (jnp.ones_like(at),))
    _, lift = eqx.filter_jvp(
        lambda economy, schedule, rebate: sides(met(economy), schedule, rebate, at)[3],
        (economy, schedule, rebate),
        tangents[:3],
    )
    # Whoever jumps over several borders at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls)[:, None]
    last = stretch[jnp.maximum(option - first_border(economy.population) - 1, 0), 0] == stretch
    counted = exists & last & (slope > 0)
    moved = jnp.zeros_like(at) if lift is None else lift / jnp.where(counted, slope, 1)
    gain = jnp.where(counted, high.tax - low.tax, 0)
    types, type_moves = eqx.filter_jvp(_log_types, (economy,), tangents[:1])
    arriving = zero
    for border in range(falls.shape[0]):
        inside = jax.nn.relu(1 - ((at[border] - types) / bandwidth) ** 2)
        mass = economy.population.weight * 15 / 16 * inside**2 / bandwidth
        if type_moves is not None:
            arriving += jnp.sum(mass * gain[border] * type_moves)
        mass = jnp.sum(mass, keepdims=True) if shared else mass
        arriving += jnp.sum(mass * gain[border] * moved[border])
    return zero, arriving


def _falls(economy: Economy, schedule: AbstractSchedule) -> Bool[Array, " borders"]:
    """Return at which borders workers jump."""
    falls = jnp.diff(schedule.rates) < 0 if isinstance(schedule, BracketSchedule) else jnp.zeros(0, bool)
    return falls if economy.population.fixed_cost is None else jnp.append(True, falls)


def _log_types(economy: Economy) -> Float[Array, " agents"]:
    """Return every worker's log type; far below all others where there is no skill."""
    workers = economy.population
    works = (workers.skill > 0) & (workers.taste > 0)
    safe = eqx.tree_at(
        lambda w: (w.skill, w.taste),
        workers,
        (jnp.where(works, workers.skill, 1), jnp.where(works, workers.taste, 1)),
    )
    return jnp.where(works, economy.preferences.log_type(safe), -jnp.inf)
