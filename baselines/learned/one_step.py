"""The one-step economy: rates are set, workers who see them choose hours, and money moves."""

import time
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule, Economy, settle
from econjax.economy import spendable
from econjax.population import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare


class Play(NamedTuple):
    """What a play brought: each worker's reward, the planner's (dollars a year), the rebate paid.

    A worker's reward is how much better its hours were than 40 hours under the same schedule and
    rebate, in dollars over what it earns in 40 hours: its own utility, shifted and scaled.
    """

    gain: Float[Array, " agents"]
    equivalent: Float[Array, ""]
    rebate: Float[Array, ""]


def play(
    economy: Economy,
    welfare: AbstractWelfare,
    schedule: BracketSchedule,
    labor: Float[Array, " agents"],
    *,
    rebate: Float[Array, ""],
) -> Play:
    """Return what everybody's hours bring; workers take as given the `rebate` they saw last."""
    outcome = settle(economy, schedule, labor)
    gain = _gain(economy, schedule, labor, rebate)
    return Play(gain, welfare.equivalent(economy.population, outcome), outcome.rebate)


def observe(
    economy: Economy, schedule: BracketSchedule, rebate: Float[Array, ""]
) -> Float[Array, "agents features"]:
    """Return what each worker sees: its skill and taste, the schedule, and the rebate paid last.

    Of the schedule it sees the log of what it keeps of a dollar in each bracket and at hours around
    40, how far off each threshold is in log hours, and its average rate at 40 hours. Nobody sees an
    elasticity.
    """
    population = economy.population
    full = jnp.maximum(REFERENCE_HOURS * population.skill, 1)
    kept = jnp.broadcast_to(_log_kept(schedule.rates), (full.size, schedule.rates.size))
    off = jnp.clip(jnp.log(schedule.thresholds[1:])[None] - jnp.log(full)[:, None], -2, 2)
    hours = jnp.exp(jnp.asarray(_AROUND, full.dtype))
    around = _log_kept(schedule.marginal_rate(full[:, None] * hours[None]))
    own = jnp.stack(
        [
            jnp.clip(jnp.log(full / 50_000), -4, 4),
            jnp.log(jnp.maximum(population.taste, 1e-3)),
            schedule.tax(full) / full,
            rebate / (jnp.abs(rebate) + full),
        ],
        axis=1,
    )
    return jnp.concatenate([own, kept, off, around], axis=1)


def hours(economy: Economy, action: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return the hours a week of actions, log(hours / 40): between 2 and the longest week."""
    return jnp.clip(REFERENCE_HOURS * jnp.exp(jnp.clip(action, -3, 3)), max=economy.max_labor)


def worker_steps_per_second(
    economy: Economy,
    thresholds: Float[Array, " brackets"],
    welfare: AbstractWelfare,
    *,
    episodes: int = 1000,
    repeats: int = 3,
) -> float:
    """Return how many workers play one step in a second: the fastest of `repeats`, after a warm-up.

    Each episode draws a rate for every bracket and hours for every worker, and plays them; all
    episodes are one compiled scan, and the clock stops when the results are there. Nothing learns
    and no network acts.
    """

    def run(key: Key[Array, ""]) -> float:
        started = time.perf_counter()
        jax.block_until_ready(_random_episodes(key, economy, thresholds, welfare, episodes))
        return time.perf_counter() - started

    run(jax.random.key(0))
    fastest = min(run(jax.random.key(1 + index)) for index in range(repeats))
    return episodes * economy.population.agents / fastest


_AROUND = np.linspace(-0.7, 0.7, 15)


def _log_kept(rates: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.log1p(-jnp.minimum(rates, 0.999))


def _gain(
    economy: Economy,
    schedule: BracketSchedule,
    labor: Float[Array, " agents"],
    rebate: Float[Array, ""],
) -> Float[Array, " agents"]:
    workers = economy.population

    def choice(labor: Float[Array, " agents"]):
        income = workers.skill * labor
        return spendable(economy, income - schedule.tax(income) + rebate, labor), labor

    usual = choice(jnp.full_like(labor, REFERENCE_HOURS))
    dollars = economy.preferences.advantage(*choice(labor), usual, workers)
    return dollars / jnp.maximum(REFERENCE_HOURS * workers.skill, 1)


@eqx.filter_jit
def _random_episodes(key, economy: Economy, thresholds, welfare: AbstractWelfare, episodes: int):
    """Return the last rebate, and each episode's mean gain and equivalent."""

    def episode(rebate: Float[Array, ""], key: Key[Array, ""]):
        rate_key, hours_key = jax.random.split(key)
        schedule = BracketSchedule(thresholds, jax.random.uniform(rate_key, thresholds.shape))
        labor = 80 * jax.random.uniform(hours_key, economy.population.skill.shape)
        played = play(economy, welfare, schedule, labor, rebate=rebate)
        return played.rebate, (jnp.mean(played.gain), played.equivalent)

    return jax.lax.scan(episode, jnp.zeros(()), jax.random.split(key, episodes))
