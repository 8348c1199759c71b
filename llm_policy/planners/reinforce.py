"""A language-model planner learns by policy gradient from the changes that it chooses.

The model's weights stay as they are. What is learned is one number for each bracket and change,
added to the model's log probability of that change whatever the prompt: the planner's policy is the
softmax of both.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from econjax.planning import Evaluator, hear
from llm_policy.planners.choice import ChoicePlanner, ChoicePlannerState, Decision


def policy_gradient(
    bias: Float[Array, "brackets changes"],
    logprob: Float[Array, "episodes years brackets changes"],
    places: Int[Array, "episodes years brackets"],
    rewards: Float[Array, "episodes years"],
) -> Float[Array, "brackets changes"]:
    """Return an unbiased estimate of the gradient of the expected sum of rewards in the bias.

    REINFORCE (Williams 1992) with the rewards from each year on as its return, less the mean return
    of the other episodes in that year as baseline, which is independent of the episode's own
    choices (Kool, van Hoof and Welling 2019).

    Raises:
        ValueError: fewer than two episodes.
    """
    count = len(rewards)
    if count < 2:
        raise ValueError(
            f"The baseline of an episode is the mean of others: give 2 or more; got {count}."
        )
    returns = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
    advantage = count / (count - 1) * (returns - returns.mean(axis=0, keepdims=True))

    def score(bias: Float[Array, "brackets changes"]) -> Float[Array, ""]:
        policy = jax.nn.log_softmax(logprob + bias[None, None], axis=-1)
        chosen = jnp.take_along_axis(policy, places[..., None], axis=-1)[..., 0]
        return jnp.mean(jnp.sum(advantage * chosen.sum(axis=-1), axis=1))

    return jax.grad(score)(bias)


@dataclass(frozen=True)
class TrainedPlanner:
    """A planner whose bias was learned, and what that took.

    `rewards` is, update by update, the mean equivalent of the years after a choice, in dollars a
    year; `evaluations` and `queries` (questions to the planner's model) count those of training
    alone.
    """

    planner: ChoicePlanner
    rewards: tuple[float, ...]
    evaluations: int
    queries: int


def train_planner(
    key: Key[Array, ""],
    planner: ChoicePlanner,
    evaluate: Evaluator,
    *,
    updates: int = 20,
    episodes: int = 8,
    years: int = 3,
    rate: float = 0.3,
) -> TrainedPlanner:
    """Let a planner live `updates` batches of `episodes` of `years` choices, and learn from each.

    Rewards are equivalents in thousands of dollars; Adam takes the steps, of size `rate`. Episodes
    of a batch ask the model together.

    Raises:
        ValueError: fewer than two episodes.
        EngineError: the engine cannot answer.
    """
    optimiser = optax.adam(rate)
    memory, rewards, queries = optimiser.init(planner.bias), [], 0
    for update in range(updates):
        before = planner.tally.asked
        lived = _live(jax.random.fold_in(key, update), planner, evaluate, episodes, years)
        gains = np.array([[trial.equivalent for trial in state.seen.trials[1:]] for state in lived])
        decisions = [state.decisions for state in lived]
        logprob, places = (
            jnp.asarray(
                np.array([[getattr(own, name) for own in episode] for episode in decisions])
            )
            for name in Decision._fields
        )
        slope = _gradient(
            planner.bias, logprob, places, jnp.asarray(gains / 1000, planner.bias.dtype)
        )
        change, memory = optimiser.update(-slope, memory)
        queries += planner.tally.asked - before
        bias = planner.bias + jnp.asarray(change)
        planner = planner.bent(bias)
        rewards.append(float(gains.mean()))
    return TrainedPlanner(planner, tuple(rewards), updates * (episodes * years + 1), queries)


_gradient = eqx.filter_jit(policy_gradient)


def _live(
    key: Key[Array, ""], planner: ChoicePlanner, evaluate: Evaluator, episodes: int, years: int
) -> list[ChoicePlannerState]:
    """Return the states after some episodes side by side; the start is evaluated once for all."""
    state = planner.init(key)
    begun = hear(planner, state, planner.start, evaluate.value(planner.start))
    states = [begun] * episodes
    for year in range(years):
        keys = list(jax.random.split(jax.random.fold_in(key, year), episodes))
        states = planner.decide(keys, states)
        states = [hear(planner, s, s.seen.current, evaluate.value(s.seen.current)) for s in states]
    return states
