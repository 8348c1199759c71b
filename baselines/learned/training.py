"""Training of the amortised planner's network, and its distance to the best on unseen economies."""

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from baselines.gradient.ascent import GradientPlanner
from baselines.learned.economy_prior import EconomyDraw, draw_skills, draw_world
from baselines.learned.neural import MLP, AmortisedNetwork, AmortisedPlanner, Sees, features_of
from baselines.search.random import FlatSearch
from econjax import BracketSchedule, equilibrium
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import Planner, RationalEvaluator, plan, summarise


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained: `steps` of Adam, each on `batch` fresh worlds.

    The worlds' populations are among `populations` of `agents` workers, drawn once. The learning
    rate falls to 0 along a cosine. Rates lie within the `bounds`.
    """

    sees: Sees = "values"
    steps: int = 3000
    batch: int = 48
    populations: int = 400
    agents: int = 200
    width: int = 64
    learning_rate: float = 3e-3
    bounds: RateBounds = USUAL_BOUNDS


class TrainedNetwork(NamedTuple):
    """A trained network, what training asked of economies, and how it went.

    `evaluations` counts those with a gradient and those of the law, which only the statistics are
    read from; `losses` is the mean over each batch of -log(equivalent of the proposal / equivalent
    of the law).
    """

    network: AmortisedNetwork
    evaluations: dict[str, int]
    losses: Float[Array, " steps"]


def train_network(
    key: Key[Array, ""], law: BracketSchedule, training: TrainingOptions | None = None
) -> TrainedNetwork:
    """Return a network trained to raise the log equivalent of the worlds of `economy_prior`.

    Gradients go through the exact equilibrium, with its jumps. All steps are one compiled scan.
    """
    training = TrainingOptions() if training is None else training
    skill_key, init_key, step_key = jax.random.split(key, 3)
    skills = draw_skills(skill_key, populations=training.populations, agents=training.agents)
    network = _untrained(init_key, law, skills, training)
    network, losses = _train(step_key, network, skills, training)
    each = training.steps * training.batch
    return TrainedNetwork(network, {"gradient": each, "value": each + _SAMPLE}, losses)


class HeldOut(NamedTuple):
    """Equivalents, in dollars a year, of what four planners recommend in worlds not trained on.

    `proposed` is by the network after one evaluation, of the law; `flat` and `climbed` are the best
    flat rate and the gradient planner's best after 30 and after `evaluations` of them.
    """

    law: Float[np.ndarray, " worlds"]
    proposed: Float[np.ndarray, " worlds"]
    flat: Float[np.ndarray, " worlds"]
    climbed: Float[np.ndarray, " worlds"]

    @property
    def share(self) -> float:
        """The part of the way from the law to the best of the four that proposals cover, pooled."""
        best = np.max(np.stack(self), axis=0)
        return float(np.sum(self.proposed - self.law) / np.sum(best - self.law))


def held_out(
    key: Key[Array, ""],
    network: AmortisedNetwork,
    *,
    worlds: int = 20,
    agents: int = 400,
    evaluations: int = 60,
) -> HeldOut:
    """Return how the network fares against others, each world with a population drawn afresh."""
    skills = draw_skills(jax.random.fold_in(key, 0), populations=worlds, agents=agents)
    rows = []
    for index in range(worlds):
        world = _drawn(jax.random.fold_in(key, index + 1), skills[index : index + 1], network.law)
        rows.append(_four(world, network, evaluations))
    return HeldOut(*np.array(rows).T)


def _four(world: EconomyDraw, network: AmortisedNetwork, evaluations: int) -> tuple[float, ...]:
    evaluate = RationalEvaluator(world.economy, world.welfare)
    elasticity = float(_elasticity(world)) if network.sees == "elasticity" else None
    one_call = AmortisedPlanner(network, float(world.aversion), elasticity)

    def worth(planner: Planner, steps: int) -> float:
        found = plan(jax.random.key(0), planner, evaluate, steps=steps).recommended
        return float(evaluate.value(found).equivalent)

    law = float(evaluate.value(network.law).equivalent)
    flat = worth(FlatSearch(network.law), 30)
    return law, worth(one_call, 1), flat, worth(GradientPlanner(network.law), evaluations)


_SAMPLE = 256  # worlds that the features' centre and spread are taken from
_drawn = eqx.filter_jit(draw_world)


def _read(world: EconomyDraw, law: BracketSchedule, sees: Sees) -> Float[Array, " features"]:
    return features_of(*_heard(world, law, sees), sees)


def _heard(world: EconomyDraw, law: BracketSchedule, sees: Sees):
    """Return the report on the law, the aversion, and the elasticity of one who is told."""
    outcome = equilibrium(world.economy, law).outcome
    report = summarise(world.economy, law, outcome, world.welfare)
    return report, world.aversion, _elasticity(world) if sees == "elasticity" else None


def _elasticity(world: EconomyDraw) -> Float[Array, ""]:
    elasticity = world.economy.preferences.elasticity_of(world.economy.population)
    assert elasticity is not None, "the worlds of training have no income effects"
    return elasticity


@eqx.filter_jit
def _untrained(key, law: BracketSchedule, skills, training: TrainingOptions) -> AmortisedNetwork:
    world_keys = jax.random.split(key, _SAMPLE)
    draw = lambda k: _read(draw_world(k, skills, law), law, training.sees)  # noqa: E731
    seen = jax.vmap(draw)(world_keys)
    weights = MLP(training.width, law.rates.size).init(key, seen[0])
    centre, spread = jnp.mean(seen, axis=0), jnp.std(seen, axis=0) + 1e-3
    return AmortisedNetwork(
        law, weights, centre, spread, training.sees, training.width, training.bounds
    )


@eqx.filter_jit
def _train(key, network: AmortisedNetwork, skills, training: TrainingOptions):
    law = network.law
    rate = optax.cosine_decay_schedule(training.learning_rate, training.steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

    def loss(weights, keys) -> Float[Array, ""]:
        trained = eqx.tree_at(lambda n: n.weights, network, weights)

        def one(k) -> Float[Array, ""]:
            world = draw_world(k, skills, law)
            heard = jax.lax.stop_gradient(_heard(world, law, training.sees))
            outcome = equilibrium(world.economy, trained(*heard)).outcome
            reached = world.welfare.equivalent(world.economy.population, outcome)
            return -jnp.log(jnp.maximum(reached, 1) / jnp.maximum(heard[0].equivalent, 1))

        return jnp.mean(jax.vmap(one)(keys))

    def step(carry, step_key):
        weights, state = carry
        value, slope = jax.value_and_grad(loss)(weights, jax.random.split(step_key, training.batch))
        change, state = optimiser.update(slope, state, weights)
        return (optax.apply_updates(weights, change), state), value

    start = network.weights, optimiser.init(network.weights)
    (weights, _), losses = jax.lax.scan(step, start, jax.random.split(key, training.steps))
    return eqx.tree_at(lambda n: n.weights, network, weights), losses
