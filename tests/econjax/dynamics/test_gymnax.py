"""Environments in the call shape of gymnax."""

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, BracketSchedule
from econjax.dynamics import Gymnax, TaxEnv, WorkerEnv
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid

STARTS = [0.0, 30000.0, 100000.0]
KEY = jax.random.key(0)


def economy(elasticity=0.25):
    return economy_of(grid("GB2", 30), elasticity, max_labor=80.0)


def tax_env(elasticity=0.25):
    return TaxEnv(economy(elasticity), STARTS, Atkinson(1.0), periods=3)


ENVS = {
    "planner": tax_env,
    "workers": lambda: WorkerEnv(economy(), BracketSchedule(STARTS, [0.1, 0.2, 0.3]), periods=3),
}


@pytest.mark.parametrize("name", ENVS)
def test_episodes_begin_again_by_themselves(name):
    chex.clear_trace_counter()
    env = Gymnax(ENVS[name]())
    first, state = jax.jit(env.reset)(KEY)

    @jax.jit
    @chex.assert_max_traces(1)
    def live(state, keys):
        def year(state, key):
            action = env.action_space().sample(key)
            seen, state, reward, done, info = env.step(key, state, action)
            return state, (seen, reward, done, info["last_observation"], state.period)

        return jax.lax.scan(year, state, keys)

    last, (seen, reward, done, before, period) = live(state, jax.random.split(KEY, 7))
    live(last, jax.random.split(KEY, 7))
    chex.assert_trees_all_equal_structs(last, state)
    assert done.tolist() == [False, False, True] * 2 + [False]
    assert period.tolist() == [1, 2, 0, 1, 2, 0, 1]
    np.testing.assert_array_equal(seen[2], first)  # a year without taxes is behind, as at first
    assert not np.array_equal(before[2], first)
    np.testing.assert_array_equal(seen[~done], before[~done])
    assert np.all(np.isfinite(reward))
    assert all(env.observation_space().contains(each) for each in (*seen, *before))


def test_a_step_is_that_of_the_environment():
    env, rates = tax_env(), jnp.array([0.1, 0.3, 0.5])
    _, state = env.reset(KEY)
    step_key, _ = jax.random.split(KEY)
    seen, after, reward, _, truncated, info = env.step(step_key, state, rates)
    found = Gymnax(env).step(KEY, state, rates)
    assert not truncated
    chex.assert_trees_all_equal((seen, after, reward, truncated), found[:4])
    assert float(found[4]["rebate"]) == float(info["rebate"])


def test_parameters_are_economies_and_may_be_a_batch():
    envs = [tax_env(0.2), tax_env(0.6)]
    env, rates = Gymnax(envs[0]), jnp.array([0.4, 0.4, 0.4])
    assert env.default_params is envs[0]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *envs)

    @eqx.filter_jit
    @eqx.filter_vmap
    def reward(params):
        _, state = env.reset(KEY, params)
        return env.step(KEY, state, rates, params)[2]

    alone = [Gymnax(own).step(KEY, own.reset(KEY)[1], rates)[2] for own in envs]
    np.testing.assert_allclose(reward(batch), alone, rtol=1e-5)
    assert alone[0] > alone[1]
    with pytest.raises(ValueError, match="a rate for each bracket"):
        env.step(KEY, env.reset(KEY)[1], rates[:2])
