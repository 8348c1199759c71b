"""A planner and workers who share one policy learn together by PPO, in the one-step economy."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.one_step import hours, observe, play
from baselines.ppo import clipped_objective, log_chance, standardised
from econjax import BracketSchedule, Economy, best_response, equilibrium, settle
from econjax.welfare import AbstractWelfare


@dataclass(frozen=True)
class TwoLevel:
    """How two levels learn: `worker_updates` by workers alone, then `joint_updates` by both.

    Each update plays `schedules` twice, with everybody's exploration mirrored, and takes `epochs` steps of
    Adam up the clipped objective; learning rates fall to 0 along a cosine. Exploration is Gaussian and its
    standard deviation, hence its entropy, falls geometrically between two values: in log hours for workers,
    in log odds of rates for the planner. No rate exceeds `highest`.

    Raises:
        ValueError: an odd number of schedules, or nothing to train with.
    """

    worker_updates: int = 500
    joint_updates: int = 1000
    schedules: int = 32
    epochs: int = 4
    clip: float = 0.2
    width: int = 64
    worker_rate: float = 2e-3
    planner_rate: float = 2e-2
    worker_spread: tuple[float, float] = (0.2, 0.02)
    planner_spread: tuple[float, float] = (0.5, 0.05)
    highest: float = 0.98

    def __post_init__(self):
        if self.schedules < 2 or self.schedules % 2 or self.updates < 1 or self.epochs < 1:
            raise ValueError(
                f"{self.schedules} schedules, {self.updates} updates and {self.epochs} epochs do not train: "
                "schedules come in mirrored pairs, so an even number, with at least one update and epoch."
            )

    @property
    def updates(self) -> int:
        """All updates."""
        return self.worker_updates + self.joint_updates


class TwoLevelResult(NamedTuple):
    """The schedule at the planner's mean, the workers' weights, and how training went.

    `rebate` is the one that workers saw last, in dollars a year; `equivalents` are means over the schedules
    that each update tried.
    """

    schedule: BracketSchedule
    workers: Any
    rebate: Float[Array, ""]
    equivalents: Float[Array, " updates"]


class Verdict(NamedTuple):
    """What a learned schedule is worth, in dollars of equivalent a year, and how well workers have learned.

    `learned` is with the learned workers, `rational` with exact best responses. `departure` is the mean
    distance of learned hours from the best response, `bias` the learned mean less the best one, in hours a
    week.
    """

    learned: Float[Array, ""]
    rational: Float[Array, ""]
    departure: Float[Array, ""]
    bias: Float[Array, ""]


class WorkerPolicy(nn.Module):
    """Map what a worker sees to the mean of its log(hours / 40); all workers share the weights."""

    width: int

    @nn.compact
    def __call__(self, seen: Float[Array, "agents features"]) -> Float[Array, " agents"]:
        """Return the mean action of each worker."""
        hidden = nn.tanh(nn.Dense(self.width)(seen))
        hidden = nn.tanh(nn.Dense(self.width)(hidden))
        out = nn.Dense(1, kernel_init=nn.initializers.normal(0.01))(hidden)
        return (out + nn.Dense(1, use_bias=False, kernel_init=nn.initializers.zeros)(seen))[..., 0]


@eqx.filter_jit
def train_two_level(
    key: Key[Array, ""],
    economy: Economy,
    thresholds: Float[Array, " brackets"],
    welfare: AbstractWelfare,
    config: TwoLevel,
) -> TwoLevelResult:
    """Return what a planner and its workers have learned; `vmap` over keys for several seeds.

    The curriculum is that of the AI Economist (Zheng et al. 2022, Science Advances 8, eabk2607): workers
    first learn alone, under random taxes up to a highest rate that rises from 0; then the planner learns as
    well, and its highest rate rises in turn, while exploration fades on both levels. The whole loop is one
    compiled scan.

    One-step episodes need no value network: the baseline of a worker's reward is the mean over the two
    mirrored plays of the same schedule, that of the planner's the mean over all schedules. Economies are
    evaluated 2 * `schedules` times an update.
    """
    state = _begin(key, economy, thresholds, config)

    def update(state: _Learners, step: Int[Array, ""]) -> tuple[_Learners, Float[Array, ""]]:
        return _update(jax.random.fold_in(key, step), step, state, economy, thresholds, welfare, config)

    state, equivalents = jax.lax.scan(update, state, jnp.arange(config.updates))
    schedule = BracketSchedule(thresholds, config.highest * nn.sigmoid(state.planner))
    return TwoLevelResult(schedule, state.workers, state.rebate, equivalents)


@eqx.filter_jit
def judge(result: TwoLevelResult, economy: Economy, welfare: AbstractWelfare, config: TwoLevel) -> Verdict:
    """Return what the schedule is worth with learned workers, done exploring, and with rational ones."""
    labor = learned_hours(result, economy, config)
    outcome = settle(economy, result.schedule, labor)
    best = best_response(economy, result.schedule, outcome.rebate)
    exact = equilibrium(economy, result.schedule).outcome
    weight = economy.population.weight
    return Verdict(
        learned=welfare.equivalent(economy.population, outcome),
        rational=welfare.equivalent(economy.population, exact),
        departure=jnp.sum(weight * jnp.abs(labor - best)),
        bias=jnp.sum(weight * (labor - best)),
    )


@eqx.filter_jit
def learned_hours(result: TwoLevelResult, economy: Economy, config: TwoLevel) -> Float[Array, " agents"]:
    """Return the hours a week at the mean of the learned workers' policy under the learned schedule."""
    seen = observe(economy, result.schedule, result.rebate)
    return hours(economy, jnp.asarray(WorkerPolicy(config.width).apply(result.workers, seen)))


class _Learners(NamedTuple):
    workers: Any
    workers_optimiser: optax.OptState
    planner: Float[Array, " brackets"]
    """The mean log odds of rates, as shares of the highest rate."""
    planner_optimiser: optax.OptState
    rebate: Float[Array, ""]


def _optimisers(config: TwoLevel) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    def adam(rate: float, updates: int) -> optax.GradientTransformation:
        falling = optax.cosine_decay_schedule(rate, max(updates * config.epochs, 1))
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(falling))

    return adam(config.worker_rate, config.updates), adam(config.planner_rate, config.joint_updates)


def _begin(key, economy: Economy, thresholds, config: TwoLevel) -> _Learners:
    rebate, start = jnp.zeros_like(economy.spending), jnp.full_like(thresholds, _START)
    seen = observe(economy, BracketSchedule(thresholds, jnp.zeros_like(thresholds)), rebate)
    workers = WorkerPolicy(config.width).init(key, seen)
    of_workers, of_planner = _optimisers(config)
    return _Learners(workers, of_workers.init(workers), start, of_planner.init(start), rebate)


_START = -2.0  # log odds: the planner begins near 12 % of the highest rate


def _update(key, step, state: _Learners, economy: Economy, thresholds, welfare, config: TwoLevel):
    """Play a batch of schedules and improve both policies on it."""
    schedule_key, noise_key = jax.random.split(key)
    planning = step >= config.worker_updates
    cap, spreads = _curriculum(step, planning, config)
    odds = state.planner[None] + spreads[1] * _mirrored(schedule_key, config.schedules, thresholds.size)
    random = _random_rates(schedule_key, config.schedules, thresholds.size)
    rates = jnp.where(planning, jnp.minimum(config.highest * nn.sigmoid(odds), cap), cap * random)
    policy = WorkerPolicy(config.width)

    def trial(rates, key):
        schedule = BracketSchedule(thresholds, rates)
        seen = observe(economy, schedule, state.rebate)
        mean = jnp.asarray(policy.apply(state.workers, seen))
        noise = spreads[0] * jax.random.normal(key, mean.shape, mean.dtype)
        actions = mean[None] + jnp.stack([noise, -noise])
        played = jax.vmap(lambda a: play(economy, welfare, schedule, hours(economy, a), rebate=state.rebate))(
            actions
        )
        return seen, mean, actions, played

    seen, mean, actions, played = jax.vmap(trial)(rates, jax.random.split(noise_key, config.schedules))
    gain = played.gain - jnp.mean(played.gain, axis=1, keepdims=True)
    gain = gain / jnp.maximum(jnp.sqrt(jnp.mean(gain**2)), 1e-12)
    old = log_chance(actions, mean[:, None], spreads[0])

    def worker_loss(workers) -> Float[Array, ""]:
        now = jnp.asarray(policy.apply(workers, seen))[:, None]
        return -clipped_objective(log_chance(actions, now, spreads[0]), old, gain, config.clip)

    reward = standardised(jnp.mean(played.equivalent, axis=1))
    before = jnp.sum(log_chance(odds, state.planner[None], spreads[1]), axis=1)

    def planner_loss(planner) -> Float[Array, ""]:
        now = jnp.sum(log_chance(odds, planner[None], spreads[1]), axis=1)
        return -clipped_objective(now, before, reward, config.clip)

    of_workers, of_planner = _optimisers(config)
    workers, workers_optimiser = _improve(
        worker_loss, of_workers, (state.workers, state.workers_optimiser), config
    )
    improved = _improve(planner_loss, of_planner, (state.planner, state.planner_optimiser), config)
    planner, planner_optimiser = _chosen(planning, improved, (state.planner, state.planner_optimiser))
    rebate = jnp.mean(played.rebate)
    learners = _Learners(workers, workers_optimiser, planner, planner_optimiser, rebate)
    return learners, jnp.mean(played.equivalent)


def _curriculum(
    step: Int[Array, ""], planning: Bool[Array, ""], config: TwoLevel
) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
    """Return the highest rate of this update, and the spreads of workers and planner.

    The cap rises over the first half of the workers' time, and again from a tenth over the first third of
    the planner's.
    """
    alone = step / max(config.worker_updates, 1)
    joint = (step - config.worker_updates) / max(config.joint_updates, 1)
    cap = config.highest * jnp.minimum(1, jnp.where(planning, 0.1 + 2.7 * joint, 2 * alone))

    def faded(spread: tuple[float, float], gone: Float[Array, ""]) -> Float[Array, ""]:
        return spread[0] * (spread[1] / spread[0]) ** jnp.clip(gone, 0, 1)

    return cap, (faded(config.worker_spread, step / config.updates), faded(config.planner_spread, joint))


def _mirrored(key: Key[Array, ""], count: int, size: int) -> Float[Array, "count size"]:
    """Return standard normal draws, of which the second half mirrors the first."""
    half = jax.random.normal(key, (count // 2, size))
    return jnp.concatenate([half, -half])


def _random_rates(key: Key[Array, ""], count: int, size: int) -> Float[Array, "count size"]:
    """Return rates in [0, 1]: a level of the schedule's, and a smaller deviation of each bracket's."""
    level_key, own_key = jax.random.split(key)
    level = jax.random.uniform(level_key, (count, 1))
    own = jax.random.normal(own_key, (count, size))
    return jnp.clip(jnp.broadcast_to(level, own.shape) + 0.15 * own, 0, 1)


def _improve(loss, optimiser: optax.GradientTransformation, start: tuple[Any, optax.OptState], config):
    """Return parameters and the optimiser's state after the epochs of one update."""

    def epoch(carry, _):
        parameters, state = carry
        change, state = optimiser.update(jax.grad(loss)(parameters), state, parameters)
        return (optax.apply_updates(parameters, change), state), None

    return jax.lax.scan(epoch, start, None, length=config.epochs)[0]


def _chosen(condition: Bool[Array, ""], new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
