"""A planner and workers who share one policy learn together by PPO, in the one-step economy."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned.one_step import hours, observe, play
from baselines.learned.ppo import ascended, clipped_objective, log_chance
from econjax import BracketSchedule, Economy, best_response, equilibrium, settle
from econjax.welfare import AbstractWelfare


@dataclass(frozen=True)
class TwoLevel:
    """How two levels learn: workers alone, both, and last workers under a planner that has settled.

    Each update plays `schedules` twice, with everybody's exploration mirrored, and takes `epochs`
    steps of ascent of the clipped objective: the workers' are Adam's, at a rate that falls to 0
    along a cosine, the planner's are `planner_step` long in units of its spread. Exploration is
    Gaussian and its standard deviation, hence its entropy, falls geometrically between two values:
    in log hours for workers, in -log(1 - rate) for the planner. Rates lie between 0 and `highest`.

    Raises:
        ValueError: an odd number of schedules, a negative number of updates, or nothing to train
        with.
    """

    worker_updates: int = 500
    joint_updates: int = 700
    settling_updates: int = 300
    schedules: int = 32
    epochs: int = 4
    clip: float = 0.2
    width: int = 64
    worker_rate: float = 2e-3
    planner_step: float = 0.1
    worker_spread: tuple[float, float] = (0.3, 0.02)
    planner_spread: tuple[float, float] = (0.3, 0.03)
    highest: float = 0.98

    def __post_init__(self):
        phases = self.worker_updates, self.joint_updates, self.settling_updates
        if (
            self.schedules < 2
            or self.schedules % 2
            or min(phases) < 0
            or self.updates < 1
            or self.epochs < 1
        ):
            raise ValueError(
                f"{self.schedules} schedules, {phases} updates and {self.epochs} epochs do not "
                "train: schedules come in mirrored pairs, so an even number; at least one epoch "
                "and one update; no negative number of updates."
            )

    @property
    def updates(self) -> int:
        """All updates."""
        return self.worker_updates + self.joint_updates + self.settling_updates


class TwoLevelResult(NamedTuple):
    """The schedule at the planner's mean, the workers' weights, and how training went.

    `rebate` is the mean one of the last update, in dollars a year; `equivalents` are means over the
    schedules that each update tried.
    """

    schedule: BracketSchedule
    workers: Any
    rebate: Float[Array, ""]
    equivalents: Float[Array, " updates"]


class TwoLevelVerdict(NamedTuple):
    """A learned schedule's worth, in dollars of equivalent a year, and how well workers learned.

    `learned` is with the learned workers, `rational` with exact best responses. `departure` is the
    mean distance of learned hours from the best response, `bias` the learned mean less the best
    one, in hours a week.
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

    The curriculum is that of the AI Economist (Zheng et al. 2022, Science Advances 8, eabk2607):
    workers first learn alone, under random taxes up to a highest rate that rises from 0; then the
    planner learns as well, and its highest rate rises in turn, while exploration fades on both
    levels. Last, the planner stays where it is and workers settle: one that learned on drifted to
    where they err, as they no longer explored far enough to find jumps that pay. The whole loop is
    one compiled scan.

    One-step episodes need no value network: the baseline of a worker's reward is the mean over the
    two mirrored plays of the same schedule, that of the planner's the mean over all schedules. The
    planner begins with no tax. Economies are evaluated 2 * `schedules` times an update.
    """
    state = _begin(key, economy, thresholds, config)

    world = _World(economy, thresholds, welfare)

    def update(state: _Learners, step: Int[Array, ""]) -> tuple[_Learners, Float[Array, ""]]:
        own = jax.random.fold_in(key, step)
        return _update(own, step, state, world, config)

    state, equivalents = jax.lax.scan(update, state, jnp.arange(config.updates))
    schedule = BracketSchedule(thresholds, -jnp.expm1(-_capped(state.planner, config.highest)))
    return TwoLevelResult(schedule, state.workers, state.rebate, equivalents)


@eqx.filter_jit
def judge_two_level(
    result: TwoLevelResult, economy: Economy, welfare: AbstractWelfare, config: TwoLevel
) -> TwoLevelVerdict:
    """Return the schedule's worth with learned workers, done exploring, and with rational ones."""
    labor = learned_hours(result, economy, config)
    outcome = settle(economy, result.schedule, labor)
    best = best_response(economy, result.schedule, outcome.rebate)
    exact = equilibrium(economy, result.schedule).outcome
    weight = economy.population.weight
    return TwoLevelVerdict(
        learned=welfare.equivalent(economy.population, outcome),
        rational=welfare.equivalent(economy.population, exact),
        departure=jnp.sum(weight * jnp.abs(labor - best)),
        bias=jnp.sum(weight * (labor - best)),
    )


@eqx.filter_jit
def learned_hours(
    result: TwoLevelResult, economy: Economy, config: TwoLevel
) -> Float[Array, " agents"]:
    """Return weekly hours at the mean of the learned workers' policy under the learned schedule."""
    seen = observe(economy, result.schedule, result.rebate)
    return hours(economy, jnp.asarray(WorkerPolicy(config.width).apply(result.workers, seen)))


class _Learners(NamedTuple):
    workers: Any
    workers_optimiser: optax.OptState
    planner: Float[Array, " brackets"]
    """The mean of -log(1 - rate)."""
    rebate: Float[Array, ""]


def _optimiser(config: TwoLevel) -> optax.GradientTransformation:
    falling = optax.cosine_decay_schedule(config.worker_rate, config.updates * config.epochs)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(falling))


def _begin(key, economy: Economy, thresholds, config: TwoLevel) -> _Learners:
    rebate = jnp.zeros_like(economy.spending)
    seen = observe(economy, BracketSchedule(thresholds, jnp.zeros_like(thresholds)), rebate)
    workers = WorkerPolicy(config.width).init(key, seen)
    return _Learners(workers, _optimiser(config).init(workers), jnp.zeros_like(thresholds), rebate)


class _World(NamedTuple):
    """Where both learn: an economy, the brackets of its schedules, and what the planner wants."""

    economy: Economy
    thresholds: Float[Array, " brackets"]
    welfare: AbstractWelfare


def _update(key, step, state: _Learners, world: _World, config: TwoLevel):
    """Play a batch of schedules and improve both policies on it."""
    economy, thresholds, welfare = world
    schedule_key, noise_key = jax.random.split(key)
    planned = step >= config.worker_updates
    learns = planned & (step < config.worker_updates + config.joint_updates)
    cap, spreads = _curriculum(step, planned, config)
    drawn = state.planner[None] + spreads[1] * _mirrored(
        schedule_key, config.schedules, thresholds.size
    )
    random = cap * _random_rates(schedule_key, config.schedules, thresholds.size)
    rates = jnp.where(planned, -jnp.expm1(-_capped(drawn, cap)), random)
    policy = WorkerPolicy(config.width)

    def trial(rates, key):
        schedule = BracketSchedule(thresholds, rates)
        seen = observe(economy, schedule, state.rebate)
        mean = jnp.asarray(policy.apply(state.workers, seen))
        noise = spreads[0] * jax.random.normal(key, mean.shape, mean.dtype)
        actions = mean[None] + jnp.stack([noise, -noise])
        played = jax.vmap(
            lambda a: play(economy, welfare, schedule, hours(economy, a), rebate=state.rebate)
        )(actions)
        return seen, mean, actions, played

    seen, mean, actions, played = jax.vmap(trial)(
        rates, jax.random.split(noise_key, config.schedules)
    )
    gain = played.gain - jnp.mean(played.gain, axis=1, keepdims=True)
    gain = gain / jnp.maximum(jnp.sqrt(jnp.mean(gain**2)), 1e-12)
    old = log_chance(actions, mean[:, None], spreads[0])

    def worker_loss(workers) -> Float[Array, ""]:
        now = jnp.asarray(policy.apply(workers, seen))[:, None]
        return -clipped_objective(log_chance(actions, now, spreads[0]), old, gain, config.clip)

    start = state.workers, state.workers_optimiser
    workers, optimiser = _improve(worker_loss, _optimiser(config), start, config)
    reward, epochs, length = jnp.mean(played.equivalent, axis=1), config.epochs, config.planner_step
    planner = ascended(
        state.planner, spreads[1], drawn, reward, epochs=epochs, step=length, clip=config.clip
    )
    planner = jnp.where(learns, _capped(planner, config.highest), state.planner)
    rebate = jnp.mean(played.rebate)
    learners = _Learners(workers, optimiser, planner, rebate)
    return learners, jnp.mean(played.equivalent)


def _curriculum(
    step: Int[Array, ""], planned: Bool[Array, ""], config: TwoLevel
) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
    """Return the highest rate of this update, and the spreads of workers and planner.

    The cap rises over the first half of the workers' time, and again from a tenth over the first
    third of the planner's.
    """
    alone = step / max(config.worker_updates, 1)
    joint = (step - config.worker_updates) / max(config.joint_updates, 1)
    cap = config.highest * jnp.minimum(1, jnp.where(planned, 0.1 + 2.7 * joint, 2 * alone))

    def faded(spread: tuple[float, float], gone: Float[Array, ""]) -> Float[Array, ""]:
        return spread[0] * (spread[1] / spread[0]) ** jnp.clip(gone, 0, 1)

    return cap, (
        faded(config.worker_spread, step / config.updates),
        faded(config.planner_spread, joint),
    )


def _mirrored(key: Key[Array, ""], count: int, size: int) -> Float[Array, "count size"]:
    """Return standard normal draws, of which the second half mirrors the first."""
    half = jax.random.normal(key, (count // 2, size))
    return jnp.concatenate([half, -half])


def _random_rates(key: Key[Array, ""], count: int, size: int) -> Float[Array, "count size"]:
    """Return rates in [0, 1]: a level of the schedule's, and a deviation of each bracket's."""
    level_key, own_key = jax.random.split(key)
    level = jax.random.uniform(level_key, (count, 1))
    own = jax.random.normal(own_key, (count, size))
    return jnp.clip(jnp.broadcast_to(level, own.shape) + 0.3 * own, 0, 1)


def _improve(
    loss, optimiser: optax.GradientTransformation, start: tuple[Any, optax.OptState], config
):
    """Return parameters and the optimiser's state after the epochs of one update."""

    def epoch(carry, _):
        parameters, state = carry
        change, state = optimiser.update(jax.grad(loss)(parameters), state, parameters)
        return (optax.apply_updates(parameters, change), state), None

    return jax.lax.scan(epoch, start, None, length=config.epochs)[0]


def _capped(
    position: Float[Array, "..."], highest: Float[Array, ""] | float
) -> Float[Array, "..."]:
    """Return positions, -log(1 - rate), of rates between 0 and the highest."""
    return jnp.clip(position, 0, -jnp.log1p(-jnp.asarray(highest, position.dtype)))
