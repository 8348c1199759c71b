"""A small network in place of language-model workers: distilled from recorded choices of hours.

It scores each of the hours offered, as models of discrete choice do (McFadden 1974; with
coefficients that a network makes of who chooses: Han et al. 2022, Transportation Research B 163),
and adds what a second network makes of all that is seen. Before it has learned it is a logit of
what is kept less the price of effort.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from econjax import Economy, Outcome
from econjax.dynamics.policies import Chosen
from econjax.population import REFERENCE_HOURS
from econjax.schedule import AbstractSchedule
from llm_policy.surrogate.recording import Recording, Remembered, Seen, see


class Surrogate(eqx.Module):
    """A network's weights, and the weekly hours that it knows chances of."""

    weights: Any
    hours: Float[Array, " options"]
    width: int = eqx.field(static=True)

    def log_probabilities(self, seen: Seen) -> Float[Array, "rows options"]:
        """Return the log probability of each of the hours: pure, differentiable in what is seen."""
        scores = _Scorer(self.width).apply(self.weights, seen, self.hours)
        return jax.nn.log_softmax(jnp.asarray(scores), axis=1)


@dataclass(frozen=True)
class Calibration:
    """How far a surrogate is from answers that it did not learn from.

    `divergence` is the mean of KL(answers, surrogate) in nats, `of_mean` that of a surrogate that
    always answers their mean: 0 means nothing to explain. `error` is the expected calibration error
    (Guo et al. 2017) in ten bins: how far the surrogate's confidence in its likeliest hours is from
    the probability that the answers give to these hours.
    """

    divergence: float
    of_mean: float
    error: float
    rows: int


@dataclass(frozen=True)
class Distilled:
    """A surrogate, how well it knows held-out answers, and how many queries it learned from."""

    surrogate: Surrogate
    calibration: Calibration
    queries: int


def distil(
    key: Key[Array, ""],
    recording: Recording,
    held_out: Recording,
    *,
    width: int = 32,
    steps: int = 1500,
) -> Distilled:
    """Return a surrogate of a recorded population with its calibration on a recording held out."""
    surrogate = fit(key, recording, width=width, steps=steps)
    return Distilled(surrogate, calibration(surrogate, held_out), recording.queries)


def fit(
    key: Key[Array, ""],
    recording: Recording,
    *,
    start: Surrogate | None = None,
    width: int = 32,
    steps: int = 1500,
    batch: int = 512,
    rate: float = 1e-2,
) -> Surrogate:
    """Return a surrogate that minimises the divergence from recorded probabilities (soft targets).

    AdamW for `steps` batches, its rate falling from `rate` to 0 along a cosine; it goes on from
    `start`. Compiled once for recordings of up to each power of two of rows.
    """
    surrogate = start or new(key, recording, width=width)
    rows = max(batch, 2 ** int(np.ceil(np.log2(len(recording.weight)))))
    seen, probabilities, weight = jax.tree.map(
        lambda array: jnp.pad(array, [(0, rows - len(array))] + [(0, 0)] * (array.ndim - 1)),
        (recording.seen, recording.probabilities, recording.weight),
    )
    count = jnp.asarray(len(recording.weight))
    weights = _train(
        key, surrogate, seen, probabilities, weight, rows=count, steps=steps, batch=batch, rate=rate
    )
    return eqx.tree_at(lambda s: s.weights, surrogate, weights)


def new(key: Key[Array, ""], recording: Recording, *, width: int = 32) -> Surrogate:
    """Return a surrogate that has learned nothing, for the people and hours of a recording."""
    one = jax.tree.map(lambda array: array[:1], recording.seen)
    return Surrogate(_Scorer(width).init(key, one, recording.hours), recording.hours, width)


def calibration(surrogate: Surrogate, held_out: Recording) -> Calibration:
    """Measure a surrogate on recorded answers."""
    weight = np.asarray(held_out.weight, float) / float(held_out.weight.sum())
    said = np.asarray(held_out.probabilities, float)
    log_found = np.asarray(_log_probabilities(surrogate, held_out.seen), float)
    best, row = log_found.argmax(axis=1), np.arange(len(said))
    confidence, deserved = np.exp(log_found[row, best]), said[row, best]
    bins = np.minimum((10 * confidence).astype(int), 9)
    gaps = np.bincount(bins, weight * (confidence - deserved), minlength=10)
    return Calibration(
        divergence=float(weight @ _divergence(said, log_found)),
        of_mean=float(weight @ _divergence(said, np.log(np.maximum(weight @ said, 1e-30))[None])),
        error=float(np.abs(gaps).sum()),
        rows=int((weight > 0).sum()),
    )


class Lived(NamedTuple):
    """What surrogate workers remember beside last year: hours and utility of the year before."""

    labor: Float[Array, " agents"]
    utility: Float[Array, " agents"]
    years: Float[Array, ""]


class SurrogatePolicy(eqx.Module):
    """The surrogate as a `LaborPolicy`, for any economy of the people whose features `person` are.

    A year of a simulation is a step of the language-model workers, all in one tax year. `hours`
    says what is worked: "expected" (the mean of the chances, differentiable), or "drawn", one draw
    by Gumbel noise, with the derivative of the expected hours in its place (straight-through,
    Bengio et al. 2013: biased for what is not linear in hours). Sums over hours are exact in
    `llm_policy.surrogate.expectation`. To begin as language-model workers do, `start` the
    simulation from an outcome of 40 hours.

    Raises:
        ValueError: other words for `hours`.
    """

    surrogate: Surrogate
    person: Float[Array, "agents features"]
    hours: Literal["expected", "drawn"] = eqx.field(static=True, default="expected")

    def __check_init__(self) -> None:
        """Check what cannot be known."""
        if self.hours not in ("expected", "drawn"):
            raise ValueError(f'Hours are "expected" or "drawn"; got {self.hours!r}.')

    def init(self, key: Key[Array, ""], economy: Economy) -> Lived:
        """Return the memory of workers who have lived no year."""
        nothing = jnp.zeros_like(economy.population.skill)
        return Lived(nothing, nothing, jnp.zeros((), nothing.dtype))

    def __call__(
        self,
        key: Key[Array, ""],
        state: Lived,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return everybody's hours."""
        change, gain = last.labor - state.labor, last.utility - state.utility
        pull = jnp.clip(change / 10, -1, 1) * jnp.sign(gain) * (state.years >= 2)
        steps = jnp.broadcast_to(state.years, pull.shape)
        memory = Remembered(last.labor, jax.lax.stop_gradient(pull), steps, jnp.zeros_like(pull))
        seen = see(economy, self.person, schedule, memory, self.surrogate.hours)
        log_probabilities = _in_batches(self.surrogate, seen)
        labor = jnp.exp(log_probabilities) @ self.surrogate.hours
        if self.hours == "drawn":
            drawn = self.surrogate.hours[jax.random.categorical(key, log_probabilities)]
            labor = drawn + (labor - jax.lax.stop_gradient(labor))
        return Chosen(labor, Lived(last.labor, last.utility, state.years + 1))


class _Scorer(nn.Module):
    """Score each of the hours for each row."""

    width: int

    @nn.compact
    def __call__(self, seen: Seen, hours: Float[Array, " options"]) -> Float[Array, "rows options"]:
        memory, options = seen.memory, len(hours)
        share = jnp.broadcast_to((hours / REFERENCE_HOURS)[None], seen.kept.shape)
        change = (hours[None] - memory.hours[:, None]) / REFERENCE_HOURS
        pulled = memory.pull[:, None] * jnp.sign(change)
        works = jnp.broadcast_to((hours > 0).astype(share.dtype)[None], share.shape)
        experience = 1 / (1 + memory.steps / 8)
        numbers = [seen.log_skill / 2, 2 * experience - 1, memory.exploit]
        about = jnp.concatenate([seen.person, jnp.stack(numbers, axis=1)], axis=1)
        out = partial(nn.Dense, kernel_init=nn.initializers.zeros)
        bends = out(7)(nn.tanh(nn.Dense(self.width)(about)))
        heat = jnp.exp(bends[:, :1])
        money = seen.kept * (_SCALE + bends[:, 1:2]) - seen.effort * jnp.maximum(
            _SCALE + bends[:, 2:3], 0.1
        )
        habits = jnp.stack([share, -jnp.abs(change), pulled, works], axis=2)
        scores = heat * money + jnp.einsum("rof,rf->ro", habits, bends[:, 3:])
        each = jnp.stack(
            [share - 1, seen.kept, jnp.log1p(seen.effort), change, pulled, works], axis=2
        )
        wide = jnp.broadcast_to(about[:, None], (len(about), options, about.shape[1]))
        hidden = nn.tanh(nn.Dense(self.width)(jnp.concatenate([each, wide], axis=2)))
        return scores + out(1)(hidden)[..., 0]


_SCALE = 5.0
"""Log odds per full-time income before anything is learned."""
_BATCH = 65_536
"""Workers whose scores are computed together: memory grows with these."""


@eqx.filter_jit
def _train(
    key: Key[Array, ""],
    surrogate: Surrogate,
    seen: Seen,
    probabilities: Float[Array, "rows options"],
    weight: Float[Array, " rows"],
    *,
    rows: Array,
    steps: int,
    batch: int,
    rate: float,
) -> Any:
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=1e-3),
    )

    def loss(weights: Any, places: Array) -> Float[Array, ""]:
        some = jax.tree.map(lambda array: array[places], (seen, probabilities, weight))
        found = eqx.tree_at(lambda s: s.weights, surrogate, weights).log_probabilities(some[0])
        return -jnp.sum(some[2][:, None] * some[1] * found) / jnp.maximum(some[2].sum(), 1e-6)

    def step(state: tuple[Any, Any], key: Key[Array, ""]) -> tuple[tuple[Any, Any], None]:
        weights, memory = state
        slope = jax.grad(loss)(weights, jax.random.randint(key, (batch,), 0, rows))
        change, memory = optimiser.update(slope, memory, weights)
        return (optax.apply_updates(weights, change), memory), None

    start = surrogate.weights, optimiser.init(surrogate.weights)
    return jax.lax.scan(step, start, jax.random.split(key, steps))[0][0]


@eqx.filter_jit
def _log_probabilities(surrogate: Surrogate, seen: Seen) -> Float[Array, "rows options"]:
    return _in_batches(surrogate, seen)


def _in_batches(surrogate: Surrogate, seen: Seen) -> Float[Array, "rows options"]:
    if len(seen.log_skill) <= _BATCH:
        return surrogate.log_probabilities(seen)

    def one(row: Seen) -> Float[Array, " options"]:
        return surrogate.log_probabilities(jax.tree.map(lambda value: value[None], row))[0]

    return jax.lax.map(one, seen, batch_size=_BATCH)


def _divergence(
    said: Float[np.ndarray, "rows options"], log_found: np.ndarray
) -> Float[np.ndarray, " rows"]:
    own = np.log(np.maximum(said, 1e-30))
    return (said * (own - log_found)).sum(axis=1)
