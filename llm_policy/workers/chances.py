"""Tax years scored by the chances of workers' answers, and how far a year lived again may lie."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, settle
from econjax.welfare import AbstractWelfare
from llm_policy.workers.lived import LivedStep, counted, felt, lived, on_offer, own_best, standing

BATCHES, DRAWS = 8, 32
"""Independent batches of draws that stand for an expectation, and the draws in each."""
_GROUPS = 32  # of workers at most, whose chance is taken out in turn
_AT_ONCE = 2**19  # workers settled together


class Chances(NamedTuple):
    """The weekly hours on offer, ascending, and each worker's probabilities of choosing them."""

    hours: Float[Array, " options"]
    probabilities: Float[Array, "agents options"]


class Moment(NamedTuple):
    """A step that was lived: who counts in which economy, and the hours that everybody chose.

    Where their `chances` are known it is scored by these, with draws by `key` whose error is
    `error`. `satisfied` is 0 for whom taxes do not satisfy, None where that counts for nothing.
    """

    economy: Economy
    labor: Float[Array, " agents"]
    chances: Chances | None
    key: Key[Array, ""]
    satisfied: Float[Array, " agents"] | None
    error: Float[Array, ""]


@eqx.filter_jit
def drawn_hours(key: Key[Array, ""], chances: Chances) -> Float[Array, "draws agents"]:
    """Return independent draws of everybody's hours: `BATCHES` Latin hypercubes of `DRAWS`.

    In a batch each worker draws once from each of `DRAWS` equal slices of its chances (McKay,
    Beckman and Conover 1979), by the inverse of their sum: equal keys are equal luck, whatever the
    chances.
    """
    agents = chances.probabilities.shape[0]
    slice_key, within_key = jax.random.split(key)
    shape = BATCHES, DRAWS, agents
    slices = jnp.argsort(jax.random.uniform(slice_key, shape), axis=1)
    points = ((slices + jax.random.uniform(within_key, shape)) / DRAWS).reshape(-1, agents)
    reached = jnp.cumsum(chances.probabilities, axis=1)[:, :-1]
    return chances.hours[jnp.sum(points[:, :, None] > reached[None], axis=2)]


def expected(
    key: Key[Array, ""],
    economy: Economy,
    schedule: BracketSchedule,
    chances: Chances,
    welfare: AbstractWelfare,
    *,
    subsistence: float | None,
    understood: Float[Array, ""],
) -> LivedStep:
    """Return the mean of `lived` over draws of everybody's hours, each of them settled.

    Own best hours are those at the expected rebate: exact where no hours depend on it.
    """
    best = own_best(economy, schedule, _expected_rebate(economy, schedule, chances))
    return _expected(
        key,
        economy,
        schedule,
        chances,
        welfare,
        best=best,
        subsistence=subsistence,
        understood=understood,
    )


def year_error(
    schedule: BracketSchedule,
    year: Sequence[Moment],
    welfare: AbstractWelfare,
    *,
    subsistence: float | None,
    deciding: Int[np.ndarray, " agents"],
) -> float:
    """Return a standard error of a tax year's mean equivalent that holds for steps that depend.

    Steps of the same people are no independent draws: who erred once remembers it. The variance of
    a function of independent workers is at most the expected sum of the squares of what it changes
    by when each worker's part in turn is replaced by something without that worker's luck (Efron
    and Stein 1981; Boucheron, Lugosi and Massart 2013, theorem 3.1): here by the mean hours of the
    others or, where chances are known, by the worker's own chances in the first step, before it
    remembers any draw. A worker's steps may depend on each other in any way; that all hear of one
    rebate is left out. Rather too large than too small, for workers also differ by what is no luck.
    Of many workers groups are replaced, and those who share the luck of one together: `deciding` is
    its place, -1 of who has none. The error that draws leave is added.
    """
    groups = _groups(deciding)
    if not len(groups):
        return 0.0
    steps = len(year)
    moved = sum(
        np.asarray(_moved(schedule, now, year[0], welfare, subsistence, groups))
        for now in year[0 if year[0].chances is None else 1 :]
    )
    left = sum(float(now.error) ** 2 for now in year)
    return float(np.sqrt(np.sum(np.square(moved)) + left) / steps)


def _groups(deciding: Int[np.ndarray, " agents"]) -> Bool[np.ndarray, "groups agents"]:
    """Return who is replaced together."""
    lucky = np.flatnonzero(deciding >= 0)
    lots, own = np.unique(deciding[lucky], return_inverse=True)
    count = min(_GROUPS, len(lots))
    groups = np.zeros((count, len(deciding)), bool)
    groups[own % max(count, 1), lucky] = True
    return groups


def _moved(
    schedule: BracketSchedule,
    now: Moment,
    first: Moment,
    welfare: AbstractWelfare,
    subsistence: float | None,
    groups: Bool[np.ndarray, "groups agents"],
) -> Float[Array, " groups"]:
    """Return by how much a step's equivalent changes without the luck of each group in turn."""
    if now.chances is None or first.chances is None:
        weight = np.asarray(now.economy.population.weight, float) * ~groups
        others = weight @ np.asarray(now.labor, float) / np.maximum(weight.sum(axis=1), 1e-12)
        labor, instead = now.labor[None], jnp.asarray(others, now.labor.dtype)[:, None, None]
    else:
        labor = drawn_hours(now.key, now.chances)
        instead = drawn_hours(now.key, first.chances)[None]
    rebate = settle(now.economy, schedule, labor.mean(axis=0)).rebate
    best = own_best(now.economy, schedule, rebate)
    return _without(
        now,
        schedule,
        welfare,
        labor,
        instead,
        jnp.asarray(groups),
        best=best,
        subsistence=subsistence,
    )


@eqx.filter_jit
def _without(
    now: Moment,
    schedule: BracketSchedule,
    welfare: AbstractWelfare,
    labor: Float[Array, "draws agents"],
    instead: Float[Array, "..."],
    groups: Bool[Array, "groups agents"],
    *,
    best: Float[Array, " agents"],
    subsistence: float | None,
) -> Float[Array, " groups"]:
    def value(hours: Float[Array, " agents"], without: Bool[Array, " agents"]) -> Float[Array, ""]:
        outcome = settle(now.economy, schedule, hours)
        utility = outcome.utility
        if subsistence is not None:
            stands = standing(now.economy, schedule, outcome.rebate, best, subsistence)
            utility = counted(utility, stands)[0]
        if now.satisfied is not None:
            utility = felt(utility, jnp.where(without, 1, now.satisfied))
        lives = eqx.tree_at(lambda o: o.utility, outcome, utility)
        return welfare.equivalent(now.economy.population, lives)

    def mean(hours: Float[Array, "draws agents"], without: Bool[Array, " agents"]):
        return _over_draws(lambda one: value(one, without), hours).mean()

    nobody = jnp.zeros(labor.shape[1:], bool)
    whole = mean(labor, nobody)
    instead = jnp.broadcast_to(instead, (len(groups), *labor.shape))
    return jax.lax.map(
        lambda group: whole - mean(jnp.where(group[0], group[1], labor), group[0]),
        (groups, instead),
    )


@eqx.filter_jit
def _expected(
    key: Key[Array, ""],
    economy: Economy,
    schedule: BracketSchedule,
    chances: Chances,
    welfare: AbstractWelfare,
    *,
    best: Float[Array, " agents"],
    subsistence: float | None,
    understood: Float[Array, ""],
) -> LivedStep:
    def live(hours: Float[Array, " agents"]) -> LivedStep:
        return lived(
            economy,
            schedule,
            settle(economy, schedule, hours),
            welfare,
            best=best,
            subsistence=subsistence,
            understood=understood,
        )

    found = _over_draws(live, drawn_hours(key, chances))
    batches = found.report.equivalent.reshape(BATCHES, DRAWS).mean(axis=1)
    error = jnp.std(batches, ddof=1) / BATCHES**0.5
    return jax.tree.map(lambda values: values.mean(axis=0), found)._replace(error=error)


@eqx.filter_jit
def _expected_rebate(
    economy: Economy, schedule: BracketSchedule, chances: Chances
) -> Float[Array, ""]:
    labor = jnp.broadcast_to(chances.hours[None], chances.probabilities.shape)
    tax = on_offer(economy.population, schedule, labor)[1]
    return economy.population.weight @ (chances.probabilities * tax).sum(axis=1) - economy.spending


def _over_draws(
    function: Callable[[Float[Array, " agents"]], Any], labor: Float[Array, "draws agents"]
) -> Any:
    draws, agents = labor.shape
    most = max(1, _AT_ONCE // agents)
    together = max(size for size in range(1, min(draws, most) + 1) if draws % size == 0)
    return jax.lax.map(function, labor, batch_size=together)  # a remainder would compile again
