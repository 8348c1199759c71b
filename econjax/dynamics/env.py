"""The economy as an environment, called as in JAX environment libraries (gymnax, Jumanji)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete, require
from econjax.dynamics.policies import LaborPolicy, Rational
from econjax.dynamics.simulation import (
    Ar1Skills,
    SimulationState,
    advance,
    begin,
    summary,
    whole_years,
    with_skills,
)
from econjax.economy import Economy, settle
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare
from econjax.welfare.statistics import shares_and_bases


class Box(eqx.Module):
    """Arrays of one shape whose every entry lies between `low` and `high`.

    Raises:
        ValueError: `low` and `high` of different shapes.
    """

    low: Float[Array, "*shape"]
    high: Float[Array, "*shape"]

    def __init__(self, low: ArrayLike, high: ArrayLike):
        self.low, self.high = as_float(low), as_float(high)
        if self.low.shape != self.high.shape:
            raise ValueError(
                f"low and high have one shape; got {self.low.shape} and {self.high.shape}."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the arrays."""
        return self.low.shape

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*shape"]:
        """Return an array drawn evenly.

        Raises:
            ValueError: a bound is infinite.
        """
        finite = jnp.all(jnp.isfinite(self.high - self.low))
        span = require(
            self.high - self.low, finite, "Only a Box with finite bounds can be sampled."
        )
        return self.low + span * jax.random.uniform(key, self.shape, self.low.dtype)

    def contains(self, values: Float[Array, "*shape"]) -> Bool[Array, ""]:
        """Return whether all entries lie within the bounds."""
        return jnp.all((values >= self.low) & (values <= self.high))


class EnvState(eqx.Module):
    """The years gone by, the schedule in force, and what the workers' next year needs."""

    period: Int[Array, ""]
    schedule: BracketSchedule
    workers: SimulationState


class TaxEnv(eqx.Module):
    """A planner's environment: each year it sets the rates, workers answer, and money moves.

    The action is the rate of each bracket, a share between 0 and 1. The reward is the level of the
    welfare function's equally-distributed equivalent of the year, in dollars: an episode's mean
    reward is its mean equivalent. The observation is flat, its entries between 0 and 1: the rates
    in force, the share of people whose last dollar is in each bracket, the share of all income in
    each bracket, and the share of the episode gone by. `info` holds the year's rebate, mean income,
    mean labor and Gini of consumption.

    `reset(key)` returns (observation, state), with a year without taxes behind; `step(key, state,
    action)` returns (observation, state, reward, terminated, truncated, info). An episode is
    truncated after `periods` years and never terminated; nothing resets by itself. Both may be
    compiled, batched over keys and scanned. The environment is a pytree: pass it as an argument to
    batch over economies (by itself it is compared by identity, so that `jax.jit(env.reset)` may
    hold it). Rewards are differentiable in actions where the policy is: with `Rational` workers as
    `equilibrium` says.

    Raises:
        ValueError: periods that do not count years, or illegal thresholds; at a step, not one rate
            for each bracket, or rates out of bounds.
    """

    economy: Economy
    thresholds: Float[Array, " brackets"]
    welfare: AbstractWelfare
    policy: LaborPolicy
    skill_process: Ar1Skills | None
    periods: int = eqx.field(static=True)

    def __init__(
        self,
        economy: Economy,
        thresholds: ArrayLike,
        welfare: AbstractWelfare,
        *,
        periods: int,
        policy: LaborPolicy | None = None,
        skill_process: Ar1Skills | None = None,
    ):
        self.economy, self.welfare, self.skill_process = economy, welfare, skill_process
        self.thresholds = BracketSchedule(
            thresholds, jnp.zeros_like(as_float(thresholds))
        ).thresholds
        self.policy = Rational() if policy is None else policy
        self.periods = whole_years(periods)

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @property
    def action_space(self) -> Box:
        """One rate for each bracket."""
        return Box(jnp.zeros_like(self.thresholds), jnp.ones_like(self.thresholds))

    @property
    def observation_space(self) -> Box:
        """Shares: three for each bracket, and the time gone by."""
        size = 3 * self.thresholds.shape[0] + 1
        return Box(jnp.zeros(size, self.thresholds.dtype), jnp.ones(size, self.thresholds.dtype))

    def reset(self, key: Key[Array, ""]) -> tuple[Float[Array, " features"], EnvState]:
        """Return the first observation, of a year without taxes, and the state."""
        schedule = BracketSchedule(self.thresholds, jnp.zeros_like(self.thresholds))
        state = EnvState(jnp.zeros((), int), schedule, begin(key, self.economy, self.policy))
        return self._observe(state), state

    def step(
        self, key: Key[Array, ""], state: EnvState, action: ArrayLike
    ) -> tuple[
        Float[Array, " features"],
        EnvState,
        Float[Array, ""],
        Bool[Array, ""],
        Bool[Array, ""],
        dict,
    ]:
        """Return observation, state, reward, terminated, truncated, info of a year under rates."""
        rates = _action(action, self.action_space, "a rate for each bracket")
        remedy = "An action is a rate for each bracket, a share between 0 and 1."
        rates = require(rates, self.action_space.contains(rates), remedy)
        schedule = BracketSchedule(self.thresholds, rates)
        now, workers = advance(
            key,
            state.workers,
            self.economy,
            schedule,
            self.policy,
            skill_process=self.skill_process,
        )
        state = EnvState(state.period + 1, schedule, workers)
        reward = self.welfare.equivalent(now.population, workers.last)
        return self._observe(state), state, reward, *_ending(self.periods, now, state)

    def _observe(self, state: EnvState) -> Float[Array, " features"]:
        last = state.workers.last
        people, base, _ = shares_and_bases(self.economy, state.schedule, last)
        income = jnp.sum(base)
        shares = base / jnp.where(income > 0, income, 1)
        gone = state.period / self.periods
        # Sums of shares may exceed 1 by their rounding.
        return jnp.minimum(jnp.concatenate([state.schedule.rates, people, shares, gone[None]]), 1)


class WorkerEnv(eqx.Module):
    """The workers' environment: they choose each year's hours under a given schedule, in one array.

    The action is the hours a week of every worker, between 0 and the economy's longest week; the
    reward is every worker's own utility, in utils: as in `Economy`, all of them share the rebate.
    The observation has one row for each worker: skill (the year's, dollars a year per weekly hour),
    last year's labor, income and consumption, and the share of the episode gone by. Otherwise as
    `TaxEnv`. Actions are checked only where they are known, so not inside `jit`.

    Raises:
        ValueError: periods that do not count years, or an economy without a longest week; at a
            step, not one number of hours for each worker, or hours out of bounds.
    """

    economy: Economy
    schedule: BracketSchedule
    skill_process: Ar1Skills | None
    periods: int = eqx.field(static=True)

    def __init__(
        self,
        economy: Economy,
        schedule: BracketSchedule,
        *,
        periods: int,
        skill_process: Ar1Skills | None = None,
    ):
        require(
            economy.max_labor,
            jnp.isfinite(economy.max_labor),
            "Hours to choose from need an end: give the economy a finite max_labor.",
        )
        self.economy, self.schedule, self.skill_process = economy, schedule, skill_process
        self.periods = whole_years(periods)

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @property
    def action_space(self) -> Box:
        """The hours of every worker."""
        none = jnp.zeros_like(self.economy.population.skill)
        return Box(none, none + self.economy.max_labor)

    @property
    def observation_space(self) -> Box:
        """Skill, labor, income, consumption and the time gone by, for every worker."""
        none = jnp.zeros_like(self.economy.population.skill)
        endless = none + jnp.inf
        low = [none, none, none, -endless, none]
        return Box(
            jnp.stack(low, axis=1),
            jnp.stack([endless, none + self.economy.max_labor, endless, endless, none + 1], axis=1),
        )

    def reset(self, key: Key[Array, ""]) -> tuple[Float[Array, "agents features"], EnvState]:
        """Return the first observation, after a year without taxes, and the state."""
        state = EnvState(jnp.zeros((), int), self.schedule, begin(key, self.economy, Rational()))
        state = self._move_skills(key, state)
        return self._observe(state), state

    def step(
        self, key: Key[Array, ""], state: EnvState, action: ArrayLike
    ) -> tuple[
        Float[Array, "agents features"],
        EnvState,
        Float[Array, " agents"],
        Bool[Array, ""],
        Bool[Array, ""],
        dict,
    ]:
        """Return observation, state, rewards, terminated, truncated, info of a year so worked."""
        hours = _action(action, self.action_space, "the hours of every worker")
        inside = self.action_space.contains(hours)
        if is_concrete(inside) and not inside:
            raise ValueError(
                f"An action is hours a week between 0 and {float(self.economy.max_labor):g}; "
                f"got {float(jnp.min(hours)):g} to {float(jnp.max(hours)):g}."
            )
        now = with_skills(self.economy, state.workers.deviation)
        last = settle(now, self.schedule, hours)
        workers = SimulationState(None, state.workers.deviation, last)
        state = EnvState(state.period + 1, self.schedule, workers)
        ending = _ending(self.periods, now, state)
        state = self._move_skills(key, state)
        return self._observe(state), state, last.utility, *ending

    def _move_skills(self, key: Key[Array, ""], state: EnvState) -> EnvState:
        if self.skill_process is None:
            return state
        moved = self.skill_process(key, state.workers.deviation)
        return eqx.tree_at(lambda s: s.workers.deviation, state, moved)

    def _observe(self, state: EnvState) -> Float[Array, "agents features"]:
        skill = with_skills(self.economy, state.workers.deviation).population.skill
        last = state.workers.last
        gone = jnp.full_like(skill, state.period / self.periods)
        return jnp.stack([skill, last.labor, last.income, last.consumption, gone], axis=1)


def _ending(
    periods: int, economy: Economy, state: EnvState
) -> tuple[Bool[Array, ""], Bool[Array, ""], dict[str, Float[Array, ""]]]:
    year = summary(economy, state.workers.last)
    info = {"rebate": year.rebate, "income": year.income, "labor": year.labor, "gini": year.gini}
    return jnp.zeros((), bool), state.period >= periods, info


def _action(values: ArrayLike, space: Box, what: str) -> Float[Array, "*shape"]:
    action = as_float(values)
    if action.shape != space.shape:
        raise ValueError(f"An action is {what}: shape {space.shape}; got {action.shape}.")
    return action
