"""Policy gradients for a planner that chooses: exact by enumeration, and a planner that learns."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, Rawlsian
from econjax.planning import RationalEvaluator
from llm_policy.answers.reading import STEPS
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.reinforce import policy_gradient, train_planner

KEY = jax.random.key(0)
START = BracketSchedule([0.0, 50_000.0], [0.1, 0.2])
ECONOMY = Economy(
    population=Population(np.geomspace(200, 4_000, 30)), preferences=Quasilinear(0.25)
)


def engine(likelihood=lambda prompt, option: 1.0):
    return ScriptedEngine(str, likelihood=likelihood)


def planner(**options):
    return ChoicePlanner(engine(**options), START, goal="Your aim is the worst-off person.")


def trajectories(bias, model, rewards, brackets, options, years):
    """Yield trajectories: the model's log probabilities, places, rewards and chance, all exact."""
    actions = list(itertools.product(range(options), repeat=brackets))
    for path in itertools.product(actions, repeat=years):
        logprob = np.array([model(path[:year]) for year in range(years)])
        policy = np.array(jax.nn.softmax(jnp.asarray(logprob) + bias[None], axis=-1))
        chance = np.prod(
            [policy[y, k, a] for y, action in enumerate(path) for k, a in enumerate(action)]
        )
        yield (
            logprob,
            np.array(path),
            np.array([rewards(path[: y + 1]) for y in range(years)]),
            chance,
        )


def enumerated(bias, model, rewards, **sizes):
    """Return the estimate's mean and variance over all pairs of episodes and the exact gradient."""
    lives = list(trajectories(bias, model, rewards, **sizes))
    assert sum(life[3] for life in lives) == pytest.approx(1)
    pairs = list(itertools.product(lives, repeat=2))
    stacked = [
        jnp.asarray(np.array([[life[i] for life in pair] for pair in pairs])) for i in range(3)
    ]
    found = np.asarray(jax.jit(jax.vmap(policy_gradient, (None, 0, 0, 0)))(bias, *stacked))
    chance = np.array([one[3] * other[3] for one, other in pairs])
    mean = np.tensordot(chance, found, 1)
    spread = np.tensordot(chance, (found - mean) ** 2, 1)

    def expected(bias):
        value = 0.0
        for logprob, path, gains, _ in lives:
            policy = jax.nn.log_softmax(jnp.asarray(logprob) + bias[None], axis=-1)
            score = sum(
                policy[y, k, a] for y, action in enumerate(path) for k, a in enumerate(action)
            )
            value += jnp.exp(score) * gains.sum()
        return value

    return mean, spread.sum(), np.asarray(jax.grad(expected)(bias))


SETTINGS = {
    "two brackets, three changes, a year": dict(brackets=2, options=3, years=1),
    "one bracket, two changes, three years": dict(brackets=1, options=2, years=3),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_estimate_is_unbiased_by_enumeration(x64, name):
    """The model's chances depend on the past, rewards on all choices so far."""
    sizes = SETTINGS[name]
    rng = np.random.default_rng(1)
    bias = jnp.asarray(rng.normal(size=(sizes["brackets"], sizes["options"])))

    def number(path):
        return sum(
            (i + 1) * (a + 1) * (k + 2)
            for i, action in enumerate(path)
            for k, a in enumerate(action)
        )

    def model(path):
        shape = sizes["brackets"], sizes["options"]
        return np.array(
            jax.nn.log_softmax(jnp.sin(number(path) + jnp.arange(np.prod(shape))).reshape(shape))
        )

    mean, _, exact = enumerated(bias, model, lambda path: np.cos(number(path)) + 5, **sizes)
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(mean, exact, rtol=1e-9, atol=1e-12)


def test_a_constant_in_the_rewards_neither_moves_nor_spreads_the_estimate(x64):
    """That is what the baseline is for: without one the constant would be in the spread."""
    sizes, bias = dict(brackets=2, options=3, years=1), jnp.zeros((2, 3))

    def model(path):
        return np.full((2, 3), -np.log(3))

    one, spread, _ = enumerated(bias, model, lambda path: float(sum(path[0])), **sizes)
    other, same, _ = enumerated(bias, model, lambda path: float(sum(path[0])) + 1000, **sizes)
    np.testing.assert_allclose(other, one, atol=1e-9)
    assert same == pytest.approx(spread, rel=1e-9)


def test_one_episode_has_no_baseline():
    one = jnp.zeros((1, 1, 2, 3))
    with pytest.raises(ValueError, match="2 or more; got 1"):
        policy_gradient(jnp.zeros((2, 3)), one, jnp.zeros((1, 1, 2), int), jnp.zeros((1, 1)))


def test_a_planner_learns_to_raise_rates_for_the_worst_off():
    """From 10 and 20 % the worst-off gain by higher rates, which a neutral planner learns."""
    evaluate = RationalEvaluator(ECONOMY, Rawlsian())
    trained = train_planner(KEY, planner(), evaluate, updates=12, episodes=6, years=2)
    assert trained.evaluations == evaluate.counts["value"] == 12 * (6 * 2 + 1)
    assert trained.queries == 12 * 6 * 2 * 2 * len(STEPS)  # each in every order of the letters
    first, last = np.mean(trained.rewards[:3]), np.mean(trained.rewards[-3:])
    assert last > first + 1000
    bias = np.asarray(trained.planner.bias)
    np.testing.assert_array_less(bias[:, 0], bias[:, 4])
