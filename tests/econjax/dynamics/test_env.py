import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from econjax import Atkinson, BracketSchedule, Rawlsian, Utilitarian
from econjax.dynamics.env import Box, TaxEnv, WorkerEnv
from econjax.dynamics.policies import Lagged, Rational
from econjax.dynamics.simulation import Ar1Skills
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid
from tests.helpers.reference import solve as reference_solve

STARTS, RATES = [0.0, 30000.0, 100000.0], [0.1, 0.3, 0.5]
N = 40


def economy(**options):
    return economy_of(grid("GB2", N), 0.25, max_labor=80.0, **options)


def tax_env(**options):
    return TaxEnv(economy(), STARTS, Atkinson(1.0), periods=3, **options)


def worker_env(**options):
    return WorkerEnv(economy(), BracketSchedule(STARTS, RATES), periods=3, **options)


ENVS = {
    "planner": lambda: tax_env(policy=Lagged(Rational(), 0.5), skill_process=Ar1Skills(0.9, 0.1)),
    "workers": lambda: worker_env(skill_process=Ar1Skills(0.9, 0.1)),
}


@pytest.mark.parametrize("name", ENVS)
def test_an_environment_keeps_its_contract(eps, name):
    env, keys = ENVS[name](), jax.random.split(jax.random.key(0), 4)
    observation, state = jax.jit(env.reset)(keys[0])

    @jax.jit
    def episode(state, keys):
        def year(state, key):
            action = env.action_space.sample(key)
            observation, state, *rest = env.step(key, state, action)
            return state, (action, observation, *rest)

        return jax.lax.scan(year, state, keys)

    last, (actions, observations, reward, terminated, truncated, info) = episode(state, keys[1:])
    assert jax.tree.structure(last) == jax.tree.structure(state)
    assert reward.shape == ((3,) if isinstance(env, TaxEnv) else (3, N))
    assert terminated.tolist() == [False, False, False]
    assert truncated.tolist() == [False, False, True]
    assert set(info) == {"rebate", "income", "labor", "gini"}
    assert all(env.action_space.contains(action) for action in actions)
    for seen in (observation, *observations):
        assert seen.shape == env.observation_space.shape
        assert env.observation_space.contains(seen)
        assert seen.dtype == env.economy.population.skill.dtype


def test_the_reward_is_the_equivalent_of_the_year(x64):
    env = tax_env()
    _, state = jax.jit(env.reset)(jax.random.key(0))
    observation, state, reward, _, _, info = jax.jit(env.step)(
        jax.random.key(1), state, jnp.array(RATES)
    )
    exact = reference_solve(grid("GB2", N), np.array(STARTS), np.array(RATES), 0.25)
    assert reward == pytest.approx(exact.equivalent(1), rel=1e-10)
    assert info["rebate"] == pytest.approx(exact.rebate, rel=1e-12)
    income = exact.income
    ends = np.append(STARTS[1:], np.inf)
    within = [
        np.mean(np.clip(income - low, 0, high - low))
        for low, high in zip(STARTS, ends, strict=True)
    ]
    people = [
        np.mean((income > low * (1 + 1e-9)) & (income <= high * (1 + 1e-9)))
        for low, high in zip(STARTS, ends, strict=True)
    ]
    expected = [*RATES, *people, *(within / income.mean()), 1 / 3]
    np.testing.assert_allclose(observation, expected, rtol=1e-9)


def test_the_rewards_of_workers_are_their_utilities(x64):
    env, hours = worker_env(), jnp.linspace(0.0, 80.0, N)
    before, state = jax.jit(env.reset)(jax.random.key(0))
    np.testing.assert_allclose(before[:, 1], np.full(N, 40.0), rtol=1e-12)  # the year without taxes
    after, _, reward, _, _, info = env.step(jax.random.key(1), state, hours)
    skill = np.asarray(economy().population.skill)
    income = skill * np.asarray(hours)
    tax = sum(
        rate * np.clip(income - low, 0, high - low)
        for rate, low, high in zip(RATES, STARTS, np.append(STARTS[1:], np.inf), strict=True)
    )
    consumption = income - tax + tax.mean()
    cost = 40 * skill / 5 * (np.asarray(hours) / 40) ** 5
    np.testing.assert_allclose(reward, consumption - cost, rtol=1e-10)
    np.testing.assert_allclose(after[:, :4].T, [skill, hours, income, consumption], rtol=1e-10)
    assert info["rebate"] == pytest.approx(tax.mean())


def test_workers_see_the_skills_that_they_will_work_with(x64):
    env = worker_env(skill_process=Ar1Skills(0.9, 0.5))
    observation, state = jax.jit(env.reset)(jax.random.key(0))
    seen = []
    for year in range(2):
        seen.append(observation[:, 0])
        observation, state, *_ = env.step(jax.random.key(year), state, jnp.full(N, 30.0))
        np.testing.assert_allclose(observation[:, 2], 30 * seen[-1], rtol=1e-12)
    assert np.all(np.asarray(seen[0]) != np.asarray(seen[1]))


def test_keys_and_economies_are_batches():
    env = tax_env(skill_process=Ar1Skills(0.9, 0.3))
    keys = jax.random.split(jax.random.key(0), 3)
    action = jnp.array(RATES)

    def reward(env, key):
        _, state = env.reset(key)
        return env.step(key, state, action)[2]

    batch = jax.jit(jax.vmap(reward, in_axes=(None, 0)))(env, keys)
    assert len(set(batch.tolist())) == 3
    spending = eqx.tree_at(lambda e: e.economy.spending, env, jnp.array([0.0, 1000.0]))
    axes = jax.tree.map(lambda leaf: 0 if leaf is spending.economy.spending else None, spending)
    free, costly = jax.jit(jax.vmap(reward, in_axes=(axes, None)))(spending, keys[0])
    assert free == pytest.approx(float(batch[0]), rel=1e-5)
    assert free > costly + 900


def test_other_actions_compile_nothing_and_environments_are_themselves(compilations):
    env, actions = tax_env(), [jnp.array(RATES), jnp.array(RATES) / 2]
    step = jax.jit(env.step)
    _, state = jax.jit(env.reset)(jax.random.key(0))
    key = jax.random.key(1)
    step(key, state, actions[0])
    with compilations() as seen:
        step(key, state, actions[1])
    assert not seen
    with pytest.raises(Exception, match="share between 0 and 1"):
        jax.block_until_ready(step(key, state, jnp.array([0.1, 0.2, 1.5])))
    assert env == env
    assert env != tax_env()
    assert {env: "found"}[env] == "found"


def test_rewards_have_gradients(x64):
    env = TaxEnv(economy(), STARTS, Utilitarian(), periods=1)
    _, state = jax.jit(env.reset)(jax.random.key(0))
    reward = jax.jit(lambda action: env.step(jax.random.key(1), state, action)[2])
    rates = jnp.array(RATES)
    for slope, step in zip(jax.grad(reward)(rates), 1e-6 * np.eye(3), strict=True):
        expected = float(reward(rates + step) - reward(rates - step)) / 2e-6
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_gradients_count_those_who_jump_where_rates_fall(x64):
    # Held in their brackets, workers would make rewards rise with both rates where they fall with
    # both.
    n = 40000 * np.exp(0.6 * ndtri((np.arange(2000) + 0.5) / 2000))
    env = TaxEnv(economy_of(n, 1.0), [0.0, 30000.0], Rawlsian(), periods=3)
    _, state = jax.jit(env.reset)(jax.random.key(0))
    reward = jax.jit(lambda action: env.step(jax.random.key(1), state, action)[2])
    slopes = jax.jit(jax.grad(reward))
    for rates in jnp.array([[0.55, 0.3], [0.7, 0.35], [0.6, 0.3]]):
        wide = [
            float(reward(rates + step) - reward(rates - step)) / 0.04 for step in 0.02 * np.eye(2)
        ]
        np.testing.assert_allclose(slopes(rates), wide, rtol=0.1, atol=100)


def test_a_box_is_its_bounds():
    box = Box([0.0, -2.0], [1.0, 3.0])
    draws = jax.vmap(box.sample)(jax.random.split(jax.random.key(0), 500))
    assert jax.vmap(box.contains)(draws).all()
    np.testing.assert_allclose(draws.mean(axis=0), [0.5, 0.5], atol=0.25)
    assert draws[:, 1].min() < -1.8
    assert draws[:, 1].max() > 2.8
    assert not box.contains(jnp.array([0.5, 3.5]))
    assert box.contains(jnp.array([1.0, -2.0]))


BAD = {
    "box": (lambda: Box([0.0], [1.0, 2.0]), r"\(1,\)", "one shape"),
    "endless box": (lambda: Box([0.0], [np.inf]).sample(jax.random.key(0)), "inf", "finite bounds"),
    "periods": (lambda: TaxEnv(economy(), STARTS, Utilitarian(), periods=0), "got 0", "or more"),
    "thresholds": (
        lambda: TaxEnv(economy(), [1.0, 2.0], Utilitarian(), periods=1),
        r"1\.0",
        "first as 0",
    ),
    "rates": (lambda: step_with(tax_env(), [0.1, 0.2, 35.0]), r"35\.0", "share"),
    "two rates": (lambda: step_with(tax_env(), [0.1, 0.2]), r"\(2,\)", "rate for each bracket"),
    "one worker's hours": (
        lambda: step_with(worker_env(), [40.0]),
        r"\(1,\)",
        "hours of every worker",
    ),
    "hours": (lambda: step_with(worker_env(), [90.0] * N), "90", "between 0 and 80"),
    "no longest week": (
        lambda: WorkerEnv(economy_of([1e4], 0.25), BracketSchedule([0], [0.1]), periods=1),
        "inf",
        "max_labor",
    ),
}


def step_with(env, action):
    return env.step(jax.random.key(0), jax.jit(env.reset)(jax.random.key(0))[1], action)


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, value, remedy = BAD[name]
    with pytest.raises(ValueError, match=rf"(?s){value}") as error:
        call()
    assert error.match(rf"(?s){remedy}")
