"""Revenue that moves as workers jump: the part of its derivative that fixed labels leave out."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from econjax._arrays import in_order, split_moving
from econjax._budget import brackets_of, with_credits
from econjax._choices import (
    entry_types,
    first_border,
    is_shared,
    lead_between,
    one_worker,
    sides,
)
from econjax._groups import spread
from econjax.economy import Economy
from econjax.population import Population
from econjax.schedule import AbstractSchedule


class Crowd(NamedTuple):
    """What says how many workers there are of each log type; those of no weight or skill are none.

    `bandwidth` is how far the kernel reaches, `ends` are the lowest and the highest type.
    """

    types: Float[Array, " agents"]
    weight: Float[Array, " agents"]
    bandwidth: Float[Array, ""]
    ends: tuple[Float[Array, ""], Float[Array, ""]]


def crowd_of(economy: Economy, bandwidth: Float[Array, ""] | None = None) -> Crowd:
    """Return the crowd; the kernel reaches 6 standard deviations of log type * people^(-1/3).

    People count as 1 / sum of weight^2, so that workers of weight 0 do not matter.
    """
    types, weight = jax.lax.stop_gradient(log_types(economy)), economy.population.weight
    counts = (weight > 0) & jnp.isfinite(types)
    weight = jnp.where(counts, weight, 0)
    highest = jnp.max(jnp.where(counts, types, -jnp.inf))
    highest = jnp.where(jnp.isfinite(highest), highest, 0)
    types = jnp.where(counts, types, highest)
    if bandwidth is None:
        bandwidth = jax.lax.stop_gradient(_bandwidth(types, weight))
    return Crowd(types, weight, bandwidth, (jnp.min(types), highest))


def _bandwidth(types: Float[Array, " agents"], weight: Float[Array, " agents"]) -> Float[Array, ""]:
    everyone = jnp.maximum(jnp.sum(weight), jnp.finfo(weight.dtype).tiny)
    mean = jnp.sum(weight * types) / everyone
    spread = jnp.sqrt(jnp.sum(weight * (types - mean) ** 2) / everyone)
    people = everyone**2 / jnp.maximum(jnp.sum(weight**2), jnp.finfo(weight.dtype).tiny)
    return 6 * jnp.maximum(spread, 0.01) * jnp.maximum(people, 1) ** (-1 / 3)


def arriving_revenue(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    bandwidth: Float[Array, ""] | None,
    entries: Float[Array, "borders _"] | None,
) -> Float[Array, ""]:
    """Return 0, with the derivative of revenue that is due to workers who jump over a border.

    A border is the threshold of a bracket whose rate is lower, or the decision to work where that
    has a fixed cost. At each, workers of one type a are indifferent between a point below and one
    above. When log a rises by da, f(a) da workers move from the upper point to the lower, with f
    the density of log type x, and revenue changes by f(a) da (T_low - T_high). As the upper point's
    lead m is 0 at a, whatever lifts the lead by dm moves a by -dm / (dm / da); workers whose own
    type moves cross like a moving by -dx. `entries` are those of the `choices` of the first three,
    or None.
    """
    return _arriving_revenue(*with_credits(economy, schedule), rebate, bandwidth, entries)


@eqx.filter_custom_jvp
def _arriving_revenue(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    bandwidth: Float[Array, ""] | None,
    entries: Float[Array, "borders _"] | None,
) -> Float[Array, ""]:
    return jnp.zeros_like(rebate)


@_arriving_revenue.def_jvp
def _arriving_revenue_jvp(primals, tangents):
    economy, schedule, rebate, bandwidth, entries = primals
    falls = _falls(economy, schedule)
    zero = jnp.zeros_like(rebate)
    if falls.shape[0] == 0:
        return zero, zero
    met = jax.lax.stop_gradient((*_met(economy, schedule), rebate))
    at = _entries(*met) if entries is None else entries
    exists = falls & jnp.isfinite(at)
    at = jnp.where(exists, at, 0)  # far types overflow
    best, options, _ = sides(*met, at)
    slope, lift = _slope_and_lift(primals[:3], tangents[:3], at, (options, best.income))
    # Whoever jumps over several borders at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls, axis=0)
    arrives = jnp.maximum(options[:, 1] - first_border(economy.population) - 1, 0)
    column = 0 if stretch.shape[1] == 1 else jnp.arange(stretch.shape[1])
    last = stretch[arrives, column] == stretch
    counted = exists & last & (slope > 0)
    moved = jnp.zeros_like(at) if lift is None else lift / jnp.where(counted, slope, 1)
    gain = jnp.where(counted, best.tax[:, 1] - best.tax[:, 0], 0)
    _, type_moves = eqx.filter_jvp(log_types, (economy,), tangents[:1])
    group = _group_met(economy, schedule)
    borders = _Borders(at, counted)
    total = _arriving(economy, bandwidth, borders, gain * moved, group)
    if type_moves is None:
        return zero, total
    borders, gain = jax.tree.map(lambda values: spread(values, group), (borders, gain))
    return zero, total + _arriving(economy, bandwidth, borders, gain * type_moves[None])


def _slope_and_lift(
    primals: tuple,
    tangents: tuple,
    at: Float[Array, "borders met"],
    found: tuple[Int[Array, "borders 2 met"], Float[Array, "borders 2 met"]],
) -> tuple[Float[Array, "borders met"], Float[Array, "borders met"] | None]:
    """Return what a rise of the log type, and what tangents, add to the upper point's lead."""
    moving, still = split_moving(primals, tangents)

    def ahead(moving, at: Float[Array, "borders met"]) -> Float[Array, "borders met"]:
        economy, schedule, rebate = eqx.combine(moving, still)
        return lead_between(*_met(economy, schedule), rebate, at, found)

    _, slope = jax.jvp(partial(ahead, moving), (at,), (jnp.ones_like(at),))
    if not jax.tree.leaves(tangents):
        return slope, None
    return slope, jax.jvp(lambda moving: ahead(moving, at), (moving,), (tangents,))[1]


class _Borders(NamedTuple):
    """The log types that are met at borders, and which of them count."""

    at: Float[Array, "borders met"]
    counted: Bool[Array, "borders met"]


def _arriving(
    economy: Economy,
    bandwidth: Float[Array, ""] | None,
    borders: _Borders,
    brought: Float[Array, "borders _"],
    group: Int[Array, " agents"] | None = None,
) -> Float[Array, ""]:
    """Return the sum over workers and borders of the density at the border times what each brings.

    Where they share a type, nobody need be counted unless somebody jumps. With a `group`, those met
    at the borders are one of each.
    """
    at, counted = borders

    def masses() -> Float[Array, "borders met"]:
        crowd = crowd_of(economy, bandwidth)

        def mass(border: tuple[Float[Array, " met"], Float[Array, " met"]]):
            own_at, own_height = (spread(values, group) for values in border)
            return _sums(density(own_at, own_height, crowd), group, at.shape[1])

        return jax.lax.map(mass, (at, peak(at, crowd)))

    if group is not None or brought.shape[1] == 1:
        mass = jax.lax.cond(jnp.any(counted), masses, lambda: jnp.zeros_like(at))
        return jnp.sum(mass * brought)
    crowd = crowd_of(economy, bandwidth)

    @partial(jax.checkpoint, prevent_cse=False)
    def add(total: Float[Array, ""], border: tuple[Float[Array, " #met"], ...]):
        at, height, brought = border
        return total + jnp.sum(density(at, height, crowd) * brought), None

    return jax.lax.scan(add, jnp.zeros_like(crowd.bandwidth), (at, peak(at, crowd), brought))[0]


def _sums(
    values: Float[Array, " agents"], group: Int[Array, " agents"] | None, groups: int
) -> Float[Array, " groups"]:
    """Return the sum of all values, or of each group's in one pass."""
    if group is None:
        return jnp.sum(values, keepdims=True)
    return jax.ops.segment_sum(values, group, groups)


def _met(economy: Economy, schedule: AbstractSchedule) -> tuple[Economy, AbstractSchedule]:
    """Return the economy of those who are met at a border, and the brackets they choose from.

    It is one worker for all who share a type (of a group), or each. There is no longest week, but
    where fixed costs differ: with one, a type would not say all.
    """
    if schedule.segments is not None:
        schedule = brackets_of(economy, schedule)
    if is_shared(economy):
        return one_worker(economy, schedule), schedule
    if economy.population.fixed_cost is not None:
        return economy, schedule
    unlimited = jnp.full_like(economy.max_labor, jnp.inf)
    return eqx.tree_at(lambda e: e.max_labor, economy, unlimited), schedule


def _group_met(economy: Economy, schedule: AbstractSchedule) -> Int[Array, " agents"] | None:
    """Return everybody's group where those met at borders are one of each, else None."""
    return schedule.group_of(economy.population) if is_shared(economy) else None


_NODES = 129
"""How many elasticities the table of entry types has; fewer workers' types are each solved for."""


def _entries(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> Float[Array, "borders agents"]:
    """Return `entry_types`; where many elasticities or other incomes differ, from a table of them.

    A type depends on the elasticity almost linearly, and on other income but where that reaches a
    border; what lies between two entries of the table is off by far less than the density is.
    """
    workers = economy.population
    own = [v for v in (workers.elasticity, workers.other_income) if v is not None]
    group, groups = schedule.group_of(workers), schedule.groups or 1
    if len(own) != 1 or not _is_one_number(economy) or workers.agents <= groups * _NODES:
        return entry_types(economy, schedule, rebate)
    nodes, place = _nodes(own[0], even=workers.other_income is None)
    values = jnp.tile(nodes, groups)
    few = Population(
        skill=jnp.ones_like(values),
        elasticity=values if workers.other_income is None else None,
        other_income=None if workers.other_income is None else values,
        groups=groups,
        group=None if group is None else jnp.repeat(jnp.arange(groups), _NODES),
    )
    table = entry_types(eqx.tree_at(lambda e: e.population, economy, few), schedule, rebate)
    before = jnp.clip(place.astype(int), 0, _NODES - 2)
    part = (place - before)[None]
    before = before if group is None else before + _NODES * group
    low, high = table[:, before], table[:, before + 1]
    between = low + part * (high - low)
    return jnp.where(
        jnp.isfinite(between), between, jnp.inf
    )  # there is none next to where there is none


def _is_one_number(economy: Economy) -> bool:
    """Return whether one number more than the type, and the group, says all about a worker."""
    workers = economy.population
    free = workers.credit is None or not economy.preferences.income_effects
    return free and workers.fixed_cost is None


def _nodes(
    values: Float[Array, " agents"], *, even: bool
) -> tuple[Float[Array, " nodes"], Float[Array, " agents"]]:
    """Return the nodes of a table over values, even or at quantiles, and everybody's place."""
    if even:
        least, most = jnp.min(values), jnp.max(values)
        place = (_NODES - 1) * (values - least) / jnp.maximum(most - least, 1e-9)
        return jnp.linspace(least, most, _NODES), place
    ranks = jnp.linspace(0, values.shape[0] - 1, _NODES).astype(int)
    nodes = in_order(values)[0][ranks]
    return nodes, jnp.interp(values, nodes, jnp.arange(_NODES, dtype=values.dtype))


def density(
    at: Float[Array, " #agents"], height: Float[Array, " #agents"], crowd: Crowd
) -> Float[Array, " agents"]:
    """Return each worker's part in the density of log types at a point: a biweight kernel."""
    within = jax.nn.relu(1 - ((at - crowd.types) / crowd.bandwidth) ** 2)
    return height * crowd.weight * within**2


def peak(at: Float[Array, "borders met"], crowd: Crowd) -> Float[Array, "borders met"]:
    """Return how high a biweight kernel is at its middle, of an integral of 1.

    It is cut and rescaled at the lowest and the highest type; there is nobody beyond them.
    """
    bandwidth, (lowest, highest) = crowd.bandwidth, crowd.ends

    def below(distance: Float[Array, "borders met"]) -> Float[Array, "borders met"]:
        u = jnp.clip(distance / bandwidth, -1, 1)
        return 0.5 + (15 * u - 10 * u**3 + 3 * u**5) / 16

    within = (at >= lowest) & (at <= highest)
    covered = jnp.where(within, below(highest - at) - below(lowest - at), 1)
    return jnp.where(within, 15 / 16 / (bandwidth * covered), 0)


def _falls(economy: Economy, schedule: AbstractSchedule) -> Bool[Array, "borders _"]:
    """Return at which borders workers jump: all, those of a group, or each."""
    falls = jnp.zeros((0, 1), bool)
    if schedule.segments is not None:
        rates = brackets_of(economy, schedule).rates
        falls = jnp.atleast_2d(jnp.diff(rates) < 0).T
        if rates.ndim == 2 and not is_shared(economy):
            falls = spread(falls, schedule.group_of(economy.population))
    home = jnp.ones_like(falls, shape=(1, falls.shape[1]))
    return falls if economy.population.fixed_cost is None else jnp.concatenate([home, falls])


def log_types(economy: Economy) -> Float[Array, " agents"]:
    """Return every worker's log type; far below all others where there is no skill."""
    workers = economy.population
    works = (workers.skill > 0) & (workers.taste > 0)
    safe = eqx.tree_at(
        lambda w: (w.skill, w.taste),
        workers,
        (jnp.where(works, workers.skill, 1), jnp.where(works, workers.taste, 1)),
    )
    return jnp.where(works, economy.preferences.log_type(safe), -jnp.inf)
