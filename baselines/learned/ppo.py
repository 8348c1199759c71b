"""Proximal policy optimisation: its objective, and a planner that hears evaluations one by one."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from baselines.gradient.parametrisation import LogNetRates
from econjax import BracketSchedule
from econjax.planning import VALUE, Incumbent, Report, require_law, to_learn_from


class Policy(NamedTuple):
    """A Gaussian over positions, -log(1 - rate), one `spread` for all, and the batch heard so far.

    `drawn` and `heard` hold what was proposed since the last update, and `filled` how many that is.
    """

    mean: Float[Array, " brackets"]
    spread: Float[Array, ""]
    drawn: Float[Array, "batch brackets"]
    heard: Float[Array, " batch"]
    filled: Int[Array, ""]
    incumbent: Incumbent


class PPOPlanner(NamedTuple):
    """Draw schedules from a Gaussian that PPO improves; recommend the best seen.

    It is over -log(1 - rate), the scale on which workers respond. Every `batch` evaluations the
    mean takes `epochs` steps of gradient ascent, in units of the spread, on the clipped objective
    whose advantage is the batch's standardised equivalent; then the spread shrinks by `fade`. The
    mean starts at `start`, and rates stay within the bounds of the `coordinates`. It is a bandit:
    nothing but the equivalents is read.
    """

    start: BracketSchedule
    spread: float = 0.3
    batch: int = 8
    fade: float = 0.9
    epochs: int = 4
    step: float = 0.25
    clip: float = 0.2
    coordinates: LogNetRates = LogNetRates()
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> Policy:
        """Return the policy around the start."""
        mean = self.coordinates.position(require_law(self.start).rates)
        return Policy(
            mean,
            jnp.full((), self.spread, mean.dtype),
            jnp.zeros((self.batch, *mean.shape), mean.dtype),
            jnp.zeros(self.batch, mean.dtype),
            jnp.zeros((), int),
            Incumbent.none(self.start),
        )

    def ask(self, key: Key[Array, ""], state: Policy) -> tuple[BracketSchedule, Policy]:
        """Propose a draw."""
        drawn, rates = _draw(key, self.coordinates, state.mean, state.spread)
        state = state._replace(drawn=state.drawn.at[state.filled].set(drawn))
        return BracketSchedule(self.start.thresholds, rates), state

    def tell(self, state: Policy, schedule: BracketSchedule, report: Report) -> Policy:
        """Keep what the draw brought; improve the policy once the batch is full.

        An infinitely bad draw is as far below the batch's worst as that is below its best.
        """
        state = state._replace(
            heard=state.heard.at[state.filled].set(report.equivalent),
            filled=state.filled + 1,
            incumbent=state.incumbent.or_better(schedule, report),
        )
        if state.filled < self.batch:
            return state
        heard = jnp.asarray(to_learn_from(state.heard), state.heard.dtype)
        mean = _improved(self, state._replace(heard=heard))
        return state._replace(mean=mean, spread=self.fade * state.spread, filled=jnp.zeros((), int))

    def recommend(self, state: Policy) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.incumbent.schedule


def clipped_objective(
    log_chance: Float[Array, "*shape"],
    old_log_chance: Float[Array, "*shape"],
    advantage: Float[Array, "*shape"],
    clip: float,
) -> Float[Array, ""]:
    """Return the mean of min(r A, clip(r, 1 - c, 1 + c) A), with r the ratio of chances.

    Equation 7 of Schulman (2017).
    """
    ratio = jnp.exp(log_chance - old_log_chance)
    return jnp.mean(jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage))


def log_chance(
    action: Float[Array, "*shape"], mean: Float[Array, "*shape"], spread: Float[Array, ""] | float
) -> Float[Array, "*shape"]:
    """Return the log density of Gaussian actions, up to what does not depend on the mean."""
    return -(((action - mean) / spread) ** 2) / 2


def standardised(reward: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return rewards less their mean, over their standard deviation (0 where all are equal)."""
    centred = reward - jnp.mean(reward)
    return centred / jnp.maximum(jnp.std(reward), 1e-6 * (1 + jnp.max(jnp.abs(reward))))


def ascended(
    mean: Float[Array, "..."],
    spread: Float[Array, ""],
    drawn: Float[Array, "batch ..."],
    reward: Float[Array, " batch"],
    *,
    epochs: int,
    step: float,
    clip: float,
) -> Float[Array, "..."]:
    """Return a Gaussian policy's mean after `epochs` ascents of the clipped objective on one batch.

    Steps are in units of the spread, so that what they do depends neither on it nor on the reward's
    unit: near the old policy the objective's gradient is the mean of the standardised reward times
    the draws' distance from the mean in spreads.
    """
    advantage, numbers = standardised(reward), tuple(range(1, drawn.ndim))
    old = jnp.sum(log_chance(drawn, mean[None], spread), axis=numbers)

    def objective(shift: Float[Array, "..."]) -> Float[Array, ""]:
        now = jnp.sum(log_chance(drawn, (mean + spread * shift)[None], spread), axis=numbers)
        return clipped_objective(now, old, advantage, clip)

    shift = jnp.zeros_like(mean)
    for _ in range(epochs):
        shift = shift + step * jax.grad(objective)(shift)
    return mean + spread * shift


@eqx.filter_jit
def _draw(
    key: Key[Array, ""],
    coordinates: LogNetRates,
    mean: Float[Array, " brackets"],
    spread: Float[Array, ""],
) -> tuple[Float[Array, " brackets"], Float[Array, " brackets"]]:
    """Return a position and its rates."""
    drawn = coordinates.nearest(mean + spread * jax.random.normal(key, mean.shape, mean.dtype))
    return drawn, coordinates.legal_rates(drawn)


@eqx.filter_jit
def _improved(planner: PPOPlanner, state: Policy) -> Float[Array, " brackets"]:
    drawn, heard, step, clip = state.drawn, state.heard, planner.step, planner.clip
    mean = ascended(
        state.mean, state.spread, drawn, heard, epochs=planner.epochs, step=step, clip=clip
    )
    return planner.coordinates.nearest(mean)
