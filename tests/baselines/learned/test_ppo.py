from dataclasses import replace
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.learned.one_step import hours, observe, play, worker_steps_per_second
from baselines.learned.ppo import PPOPlanner, clipped_objective, log_chance, standardised
from baselines.learned.two_level import TwoLevel, judge_two_level, learned_hours, train_two_level
from econjax import Atkinson, BracketSchedule, Isoelastic, Population, Quasilinear, Rawlsian
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of, hours_of, settled
from tests.helpers.reference import THRESHOLDS, US_2024, cost, grid, tax

LAW = BracketSchedule(THRESHOLDS, US_2024)
played, seen_by = eqx.filter_jit(play), eqx.filter_jit(observe)
FALLING = BracketSchedule(THRESHOLDS, [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
SMALL = TwoLevel(150, 250, 100, schedules=12, worker_rate=4e-3, width=32)
FLAT = jnp.zeros(1)  # thresholds of a flat tax


def workers(n=60, elasticity=0.5, **options):
    return economy_of(grid("LN", n), elasticity, max_labor=100.0, **options)


def test_the_objective_is_that_of_the_paper():
    # Schulman et al. 2017, equation 7, one sample at a time.
    generator = np.random.default_rng(0)
    new, old, advantage = generator.normal(size=(3, 200))
    expected = 0.0
    for n, o, a in zip(new, old, advantage, strict=True):
        ratio = np.exp(n - o)
        clipped = min(max(ratio, 0.8), 1.2)
        expected += min(ratio * a, clipped * a) / 200
    got = clipped_objective(jnp.asarray(new), jnp.asarray(old), jnp.asarray(advantage), 0.2)
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_at_the_old_policy_the_gradient_is_the_policy_gradient():
    generator = np.random.default_rng(1)
    action, advantage = generator.normal(size=(2, 500))
    mean, spread = 0.3, 0.7

    def objective(mean):
        old = log_chance(jnp.asarray(action), jnp.asarray(0.3), spread)
        return clipped_objective(
            log_chance(jnp.asarray(action), mean, spread), old, jnp.asarray(advantage), 0.2
        )

    # REINFORCE: the mean of advantage * d log density / d mean, of a Gaussian.
    expected = np.mean(advantage * (action - mean) / spread**2)
    assert float(jax.grad(objective)(jnp.asarray(mean))) == pytest.approx(expected, rel=1e-4)


def test_nothing_pulls_beyond_the_clip():
    slope = jax.grad(lambda new, sign: clipped_objective(new, jnp.zeros(1), jnp.full(1, sign), 0.2))
    for shift, sign in [(0.5, 1.0), (-0.5, -1.0)]:
        assert slope(jnp.full(1, shift), sign) == 0
    for shift, sign in [(-0.5, 1.0), (0.5, -1.0), (0.1, 1.0)]:
        assert slope(jnp.full(1, shift), sign) * sign > 0


def test_standardised_rewards_have_no_unit():
    reward = np.random.default_rng(2).normal(40_000, 500, size=64)
    got = np.asarray(standardised(jnp.asarray(reward)))
    np.testing.assert_allclose(got, (reward - reward.mean()) / reward.std(), atol=1e-3)
    np.testing.assert_allclose(got, standardised(jnp.asarray(0.01 * reward - 7)), atol=2e-3)
    np.testing.assert_array_equal(standardised(jnp.full(5, 40_000.0)), np.zeros(5))


@pytest.mark.parametrize("schedule", [LAW, FALLING], ids=["rising", "falling"])
def test_a_workers_reward_is_its_own_utility(x64, schedule):
    potential, elasticity = grid("LN", 60), 0.5
    economy = workers()
    labor = 20 + 40 * np.random.default_rng(3).uniform(size=60)
    rates = np.asarray(schedule.rates)

    def utility(income):
        return income - tax(THRESHOLDS, rates, income) - cost(potential, income, elasticity)

    expected = (utility(potential / 40 * labor) - utility(potential)) / potential
    got = played(economy, Atkinson(1.0), schedule, jnp.asarray(labor), rebate=jnp.asarray(9000.0))
    np.testing.assert_allclose(got.gain, expected, rtol=1e-9, atol=1e-12)


def test_with_income_effects_a_workers_reward_is_at_the_rebate_that_it_saw(x64):
    # Log utility: a dollar is worth 1 / consumption at 40 hours.
    skill, labor = grid("LN", 60) / 40, np.linspace(15.0, 65.0, 60)
    economy = replace(workers(), preferences=Isoelastic(1.0, exponent=3.0, scale=5e-6))
    rates, rebate = np.asarray(LAW.rates), 9000.0

    def choice(hours):
        income = skill * hours
        kept = income - tax(THRESHOLDS, rates, income) + rebate
        return kept, np.log(kept) - 5e-6 * hours**3

    (_, utility), (usual, at_40) = choice(labor), choice(np.full(60, 40.0))
    got = played(economy, Rawlsian(), LAW, jnp.asarray(labor), rebate=jnp.asarray(rebate))
    np.testing.assert_allclose(
        got.gain, usual * (utility - at_40) / (40 * skill), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("schedule", [LAW, FALLING], ids=["rising", "falling"])
def test_no_hours_are_rewarded_above_the_best_response(x64, schedule):
    economy = workers()
    reward = lambda labor: (  # noqa: E731
        played(economy, Rawlsian(), schedule, labor, rebate=jnp.zeros(())).gain
    )
    best = reward(hours_of(economy, schedule))
    others = jax.vmap(lambda h: reward(jnp.full(60, h)))(jnp.linspace(5, 90, 300))
    assert np.all(np.asarray(others) <= np.asarray(best)[None] + 1e-12)
    assert np.all(np.asarray(others).max(axis=0) >= np.asarray(best) - 1e-3)


def test_the_planners_reward_is_the_equivalent():
    economy, labor = workers(), jnp.linspace(20.0, 60.0, 60)
    outcome = settled(economy, LAW, labor)
    got = played(economy, Atkinson(2.0), LAW, labor, rebate=jnp.zeros(()))
    assert got.equivalent == pytest.approx(Atkinson(2.0).equivalent(economy.population, outcome))
    assert got.rebate == pytest.approx(float(outcome.rebate))


def test_actions_are_log_hours_within_the_longest_week():
    economy = replace_labor(workers(), 50.0)
    action = jnp.log(jnp.array([10.0, 40.0, 49.0, 80.0]) / 40)
    np.testing.assert_allclose(hours(economy, action), [10, 40, 49, 50], rtol=1e-6)


def replace_labor(economy, longest):
    return eqx.tree_at(lambda e: e.max_labor, economy, jnp.asarray(longest))


@pytest.fixture(scope="module")
def trained():
    economy = revenue_economy()
    return economy, train_two_level(jax.random.key(0), economy, FLAT, Rawlsian(), SMALL)


def revenue_economy(elasticity=1.0):
    """Return an economy whose worst-off cannot work, so that Rawls's planner maximises revenue."""
    skill = np.append(0.0, grid("LN", 59) / 40)
    economy = workers(elasticity=elasticity)
    return replace(economy, population=Population(skill), preferences=Quasilinear(elasticity))


def test_it_recovers_the_rate_that_maximises_revenue(trained):
    # A flat tax on workers with elasticity e brings most at 1 / (1 + e).
    _, result = trained
    assert float(result.schedule.rates[0]) == pytest.approx(0.5, abs=0.02)


def test_workers_have_learned_their_best_response(trained):
    economy, result = trained
    verdict = judge_two_level(result, economy, Rawlsian(), SMALL)
    assert verdict.departure < 0.4
    best = RationalEvaluator(economy, Rawlsian()).value(BracketSchedule(FLAT, [0.5])).equivalent
    assert verdict.rational == pytest.approx(float(best), rel=2e-3)
    assert verdict.learned == pytest.approx(float(best), rel=2e-2)


def test_learned_hours_do_not_depend_on_the_order_of_workers(trained):
    economy, result = trained
    order = np.random.default_rng(4).permutation(60)
    shuffled = replace(economy, population=Population(economy.population.skill[order]))
    np.testing.assert_allclose(
        learned_hours(result, shuffled, SMALL),
        learned_hours(result, economy, SMALL)[order],
        rtol=1e-4,
    )


def test_workers_see_no_elasticity():
    seen = [seen_by(workers(elasticity=e), LAW, jnp.asarray(5000.0)) for e in (0.1, 1.0)]
    np.testing.assert_array_equal(*seen)
    assert np.all(np.isfinite(np.asarray(seen[0])))


SHORT = replace(SMALL, worker_updates=3, joint_updates=3, settling_updates=2)


def train(key, welfare=Rawlsian()):  # noqa: B008
    return train_two_level(key, workers(20), jnp.array([0.0, 50_000]), welfare, SHORT)


def test_seeds_in_a_batch_are_seeds_alone():
    keys = jax.random.split(jax.random.key(5), 3)
    together = eqx.filter_jit(jax.vmap(train))(keys)
    for index, key in enumerate(keys):
        alone = train(key)
        np.testing.assert_allclose(together.schedule.rates[index], alone.schedule.rates, atol=2e-4)
        np.testing.assert_allclose(together.equivalents[index], alone.equivalents, rtol=1e-3)
    assert len(np.unique(np.asarray(together.schedule.rates)[:, 0])) == 3


def test_training_again_does_not_compile_again(compilations):
    jax.block_until_ready(train(jax.random.key(0)))
    key = jax.random.key(1)
    with compilations() as seen:
        jax.block_until_ready(train(key))
    assert not seen


@pytest.mark.parametrize(("before", "after"), [(4, 0), (2, 2)])
def test_the_planner_waits_for_its_workers_and_lets_them_settle(before, after):
    alone = replace(SMALL, worker_updates=before, joint_updates=0, settling_updates=after)
    result = train_two_level(jax.random.key(0), workers(20), FLAT, Rawlsian(), alone)
    np.testing.assert_array_equal(result.schedule.rates, [0.0])
    # Its workers have seen random taxes and their rebate.
    assert result.rebate > 0


def test_the_planner_learns_no_more_while_workers_settle():
    steady = replace(SHORT, worker_rate=0.0, worker_spread=(0.1, 0.1))
    before, after = (
        train_two_level(
            jax.random.key(0), workers(20), FLAT, Rawlsian(), replace(steady, settling_updates=n)
        )
        for n in (0, 3)
    )
    assert before.schedule.rates[0] > 0
    np.testing.assert_array_equal(before.schedule.rates, after.schedule.rates)


WRONG = [dict(schedules=5), dict(schedules=0), dict(epochs=0), dict(joint_updates=-1)]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_train_is_refused(wrong):
    with pytest.raises(ValueError, match="do not train"):
        TwoLevel(**wrong)


class Bandit(RationalEvaluator):
    """An evaluator that is a parabola around known rates, on the scale of log net-of-tax rates."""

    def __init__(self, peak):
        super().__init__(workers(20), Rawlsian())
        self.peak, self.report = jnp.log1p(-jnp.asarray(peak)), super().value(LAW)

    def value(self, schedule):
        self.counts["value"] += 1
        off = jnp.sum((jnp.log1p(-schedule.rates) - self.peak) ** 2)
        return replace(self.report, equivalent=40_000 * (1 - 0.1 * off))


def test_the_planner_finds_the_peak_of_a_bandit():
    peak = np.array([0.7, 0.6, 0.5, 0.5, 0.6, 0.7, 0.8])
    planner = PPOPlanner(LAW, batch=16, fade=0.97)
    found = plan(jax.random.key(0), planner, Bandit(peak), steps=960)
    np.testing.assert_allclose(found.recommended.rates, peak, atol=0.05)


def test_the_policy_moves_only_after_a_batch_and_then_uphill():
    planner, key = PPOPlanner(LAW, batch=8, fade=0.5), jax.random.key(1)
    state = planner.init(key)
    start, evaluate = state, Bandit(np.full(7, 0.9))
    for step in range(8):
        np.testing.assert_array_equal(state.mean, start.mean)
        schedule, state = planner.ask(jax.random.fold_in(key, step), state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
    assert state.filled == 0
    assert state.spread == 0.5 * start.spread
    assert jnp.sum(state.mean - start.mean) > 0


def test_the_policy_moves_away_from_what_is_infinitely_bad():
    planner, evaluate = PPOPlanner(LAW, batch=8), Bandit(np.full(7, 0.5))
    state = planner.init(jax.random.key(0))
    start = state.mean
    for step in range(8):
        schedule, state = planner.ask(jax.random.key(step), state)
        high = bool(schedule.rates[0] > LAW.rates[0])
        bad = (-jnp.inf, jnp.nan)[step % 2]
        told = replace(evaluate.report, equivalent=jnp.asarray(bad if high else 1e4))
        state = planner.tell(state, schedule, told)
    assert state.mean[0] < start[0]


def test_worker_steps_are_those_of_every_episode(monkeypatch):
    clock = iter([0.0, 8.0, 10.0, 14.0, 20.0, 22.0])
    watch = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr("baselines.learned.one_step.time", watch)
    rate = worker_steps_per_second(
        workers(20), jnp.asarray(THRESHOLDS), Atkinson(1.0), episodes=30, repeats=2
    )
    assert rate == 30 * 20 / 2  # the fastest of two takes 2 seconds; the warm-up does not count
