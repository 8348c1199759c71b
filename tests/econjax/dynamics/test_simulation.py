import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Isoelastic, Population, settle
from econjax.dynamics.policies import FixedHours, LaborPolicy, Lagged, Logit, Rational
from econjax.dynamics.simulation import Ar1Skills, begin, simulate, summary, whole_years
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid
from tests.helpers.reference import solve as reference_solve

POLICIES = {
    "rational": Rational,
    "fixed hours": lambda: FixedHours(40.0),
    "logit": lambda: Logit(1000.0),
    "lagged": lambda: Lagged(Rational(), 0.2),
}
DETERMINISTIC = ["rational", "fixed hours", "lagged"]
STARTS, RATES = np.array([0.0, 50000]), np.array([0.1, 0.3])
KEY = 7


def law():
    return BracketSchedule(STARTS, RATES)


def everything(economy, outcome):
    return economy.population.skill, outcome


def years(economy, policy, schedule=None, *, key=KEY, periods=5, **options):
    """Return skills and outcomes of some years: one shape, so that tests share what is compiled."""
    schedule = law() if schedule is None else schedule
    run = simulate(
        jax.random.key(key), economy, schedule, policy, periods=periods, save=everything, **options
    )
    return *run.saved, run


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_keeps_its_contract(eps, name):
    policy, n = POLICIES[name](), grid("GB2", 50)
    economy, process = economy_of(n, 0.25, spending=3000.0, max_labor=45.0), Ar1Skills(0.9, 0.2)
    assert isinstance(policy, LaborPolicy)
    skill, outcome, run = years(economy, policy, skill_process=process)
    assert outcome.labor.shape == (5, 50)
    assert outcome.labor.dtype == economy.population.skill.dtype
    assert np.all((outcome.labor >= 0) & (outcome.labor <= 45 * (1 + 4 * eps)))
    state = policy.init(jax.random.key(KEY), economy)
    assert jax.tree.structure(run.state.policy) == jax.tree.structure(state)
    np.testing.assert_array_equal(
        years(economy, policy, skill_process=process)[1].labor, outcome.labor
    )
    # The budget balances every year.
    np.testing.assert_allclose(outcome.income, skill * outcome.labor, rtol=4 * eps)
    spent = (outcome.income - outcome.consumption) @ economy.population.weight
    np.testing.assert_allclose(spent, np.full(5, 3000.0), rtol=1e3 * eps)
    np.testing.assert_array_equal(run.last.labor, outcome.labor[-1])


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_order_of_workers_does_not_matter(x64, name):
    n, order = grid("GB2", 50), np.random.default_rng(0).permutation(50)
    _, outcome, _ = years(economy_of(n, 0.25), POLICIES[name]())
    _, shuffled, _ = years(economy_of(n[order], 0.25), POLICIES[name](), key=1)
    np.testing.assert_allclose(shuffled.labor, outcome.labor[:, order], rtol=1e-12)
    np.testing.assert_allclose(shuffled.rebate, outcome.rebate, rtol=1e-12)


def test_rational_workers_are_there_at_once(x64):
    # Without income effects hours do not depend on the rebate.
    n = grid("GB2", 50)
    _, outcome, _ = years(economy_of(n, 0.25), Rational())
    exact = reference_solve(n, STARTS, RATES, 0.25)
    for year in range(5):
        np.testing.assert_allclose(outcome.income[year], exact.income, rtol=1e-12)
        np.testing.assert_allclose(outcome.utility[year], exact.utility, rtol=1e-11)


def test_expectations_of_the_rebate_settle_at_the_equilibrium(x64):
    # With income effects each year answers the last one's rebate. Once it is the same again, hours
    # are best responses to the rebate that they pay for: an equilibrium.
    preferences = Isoelastic(1.0, exponent=3.0, scale=5e-6)
    economy = Economy(population=Population(grid("GB2", 50) / 40), preferences=preferences)
    rebate = np.asarray(
        simulate(jax.random.key(KEY), economy, law(), Rational(), periods=30).saved.rebate
    )
    errors = np.abs(rebate - rebate[-1])
    assert errors[0] > 1
    np.testing.assert_array_less(errors[1:10], errors[:9])
    assert errors[-2] < 1e-8 * rebate[-1]


def test_lagging_hours_converge_at_their_own_rate(x64):
    economy = economy_of(grid("GB2", 50), 0.25)
    _, outcome, _ = years(economy, Lagged(Rational(), 0.2))
    target = np.asarray(years(economy, Rational())[1].labor[-1])
    # There were no taxes before, so 40 hours.
    left = 0.8 ** np.arange(1, 6)[:, None] * (40 - target)
    np.testing.assert_allclose(outcome.labor, target + left, atol=1e-10)


def test_skills_spread_to_their_stationary_variance(x64):
    process = Ar1Skills(persistence=0.8, sigma=0.3)
    economy = economy_of(np.full(20000, 50000.0), 0.25)
    run = simulate(
        jax.random.key(KEY),
        economy,
        law(),
        FixedHours(40.0),
        periods=40,
        skill_process=process,
        save=log_skill_variance,
    )
    expected = process.stationary_variance * (1 - 0.8 ** (2 * np.arange(1, 41)))
    assert process.stationary_variance == pytest.approx(0.25)
    # The standard error of a variance is sqrt(2/n) of it; 4 of them.
    np.testing.assert_allclose(run.saved[0], expected, rtol=4e-2)
    np.testing.assert_allclose(run.state.deviation.var(), run.saved[0][-1], rtol=1e-12)
    assert np.abs(run.saved[1] - np.log(50000 / 40)).max() < 4 * 0.5 / np.sqrt(20000)


def log_skill_variance(economy, outcome):
    log_skill = jnp.log(economy.population.skill)
    return log_skill.var(), log_skill.mean()


def test_it_stays_stable_when_skills_move_and_hours_lag():
    # The example of `simulate`'s docstring.
    key, economy, schedule = jax.random.key(KEY), economy_of(grid("GB2", 300), 0.25), law()
    found = simulate(
        key,
        economy,
        schedule,
        Lagged(Rational(), 0.2),
        periods=200,
        skill_process=Ar1Skills(persistence=0.9, sigma=0.1),
    )
    assert 0 < found.saved.rebate[100:].std() / found.saved.rebate[100:].mean() < 0.1
    assert np.ptp(found.saved.labor[100:]) < 0.5
    assert found.saved.rebate.shape == (200,)


def test_a_schedule_for_each_year(x64):
    n, rates = grid("GB2", 50), [[rate, rate + 0.1] for rate in (0.0, 0.1, 0.3, 0.6, 0.2)]
    _, outcome, _ = years(
        economy_of(n, 0.25), Rational(), [BracketSchedule(STARTS, r) for r in rates]
    )
    expected = [reference_solve(n, STARTS, np.array(r), 0.25).rebate for r in rates]
    np.testing.assert_allclose(outcome.rebate, expected, rtol=1e-12)


def test_the_years_before_are_a_start(x64):
    economy, policy = economy_of(grid("GB2", 50), 0.25), Lagged(Rational(), 0.2)
    _, first, run = years(economy, policy)
    _, rest, _ = years(economy, policy, start=run.last)
    _, whole, _ = years(economy, policy, periods=10)
    np.testing.assert_allclose([*first.rebate, *rest.rebate], whole.rebate, rtol=1e-12)


def test_spending_is_paid_in_equal_parts_before_there_are_taxes(x64):
    economy = economy_of([30000.0, 90000.0], 0.25, spending=5000.0)
    before = begin(jax.random.key(0), economy, Rational()).last
    assert before.rebate == -5000
    np.testing.assert_allclose(before.income, [30000, 90000], rtol=1e-12)


def test_keys_are_a_batch_and_a_period_has_its_own():
    economy, process = economy_of(grid("GB2", 50), 0.25), Ar1Skills(0.9, 0.2)

    @jax.vmap
    def batch(key):
        return simulate(
            key, economy, law(), Logit(1000.0), periods=5, skill_process=process, save=everything
        ).saved

    skill, outcome = batch(jnp.stack([jax.random.key(seed) for seed in range(3)]))
    one, alone, _ = years(economy, Logit(1000.0), key=1, skill_process=process)
    np.testing.assert_allclose(skill[1], one, rtol=1e-6)
    np.testing.assert_allclose(outcome.labor[1], alone.labor, rtol=1e-6)
    assert len(np.unique(np.asarray(skill).reshape(15, 50), axis=0)) == 15
    assert len(np.unique(np.asarray(outcome.labor).reshape(15, 50), axis=0)) == 15


def test_a_second_call_compiles_nothing_and_memory_is_what_is_saved(compilations):
    def run(scale, rate, fraction, sigma):
        economy = economy_of(grid("GB2", 50) * scale, 0.25, spending=scale, max_labor=45.0)
        schedule, policy = BracketSchedule(STARTS, [rate, 0.4]), Lagged(Rational(), fraction)
        process, key = Ar1Skills(0.9, sigma), jax.random.key(3)
        return lambda: simulate(key, economy, schedule, policy, periods=500, skill_process=process)

    first = run(1.0, 0.1, 0.2, 0.1)()
    second = run(2.0, 0.2, 0.5, 0.3)
    with compilations() as seen:
        second()
    assert not seen
    assert sum(leaf.size for leaf in jax.tree.leaves(first.saved)) == 4 * 500


def test_a_summary_counts_people_not_entries(x64):
    economy = economy_of([20000.0, 60000.0, 1e6], 0.25, weight=[0.75, 0.25, 0.0])
    outcome = settle(economy, law(), jnp.array([10.0, 30.0, 90.0]))
    found = summary(economy, outcome)
    assert found.labor == pytest.approx(15)
    assert found.income == pytest.approx(0.75 * 5000 + 0.25 * 45000)
    # Weights w and 1 - w of x < y have a Gini of w (1 - w) (y - x) / mean.
    low, high = outcome.consumption[:2]
    expected = 0.75 * 0.25 * (high - low) / (0.75 * low + 0.25 * high)
    assert found.gini == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    "policy", [Logit(1000.0), Lagged(Rational(), 0.5)], ids=["logit", "lagged"]
)
def test_hours_without_a_useful_derivative_refuse(x64, policy):
    economy = economy_of(grid("GB2", 50), 0.25)

    def last_rebate(rates):
        return simulate(
            jax.random.key(KEY), economy, BracketSchedule(STARTS.tolist(), rates), policy, periods=2
        ).last.rebate

    with pytest.raises(TypeError, match=r"Use Rational\(\) itself as the policy, or equilibrium"):
        jax.grad(last_rebate)(jnp.array([0.2, 0.4]))


def test_logit_workers_choose_from_their_own_grid(x64):
    economy = economy_of(grid("GB2", 50), 0.25, max_labor=45.0)
    _, outcome, _ = years(economy, Logit(1000.0, grid=[0.0, 35.0, 40.0]))
    assert set(np.unique(outcome.labor)) == {0.0, 35.0, 40.0}


def test_the_rebate_responds_to_rates_as_differences_say(x64):
    economy = economy_of(grid("GB2", 50), 0.25)

    @jax.jit
    def last_rebate(rates):
        schedule = BracketSchedule(jnp.array([0.0, 50000.0]), rates)
        return years(economy, Rational(), schedule)[1].rebate[-1]

    rates = jnp.array([0.2, 0.4])
    for slope, step in zip(jax.grad(last_rebate)(rates), 1e-6 * np.eye(2), strict=True):
        difference = last_rebate(rates + step) - last_rebate(rates - step)
        assert slope == pytest.approx(float(difference) / 2e-6, rel=1e-4)


BAD = {
    "fraction": (lambda: Lagged(Rational(), 1.5), r"1\.5", "at most 1"),
    "no fraction": (lambda: Lagged(Rational(), 0.0), r"0\.0", "positive"),
    "hours": (lambda: FixedHours(-1.0), r"-1\.0", "0 or more"),
    "long hours": (
        lambda: FixedHours(50.0).init(jax.random.key(0), economy_of([1e4], 0.25, max_labor=45.0)),
        r"50\.0",
        "max_labor",
    ),
    "temperature": (lambda: Logit(0.0), r"0\.0", "positive"),
    "persistence": (lambda: Ar1Skills(1.0, 0.1), r"1\.0", "between -1 and 1"),
    "sigma": (lambda: Ar1Skills(0.5, -0.1), r"-0\.1", "0 or more"),
    "periods": (
        lambda: simulate(
            jax.random.key(0), economy_of([1e4], 0.25, max_labor=45.0), law(), Rational(), periods=0
        ),
        "0",
        "or more",
    ),
    "half a year": (lambda: whole_years(2.5), r"2\.5", "whole number"),
    "kinds": (
        lambda: simulate(
            jax.random.key(0),
            economy_of([1e4], 0.25, max_labor=45.0),
            [law(), BracketSchedule([0.0], [0.1])],
            Rational(),
            periods=2,
        ),
        "got 2 different",
        "one kind and size",
    ),
    "start": (
        lambda: begin(
            jax.random.key(0),
            economy_of([1e4], 0.25),
            Rational(),
            start=settle(economy_of([1e4, 2e4], 0.25), law(), jnp.array([40.0, 40.0])),
        ),
        "it has 2",
        "the economy's 1 workers",
    ),
    "schedules": (
        lambda: simulate(
            jax.random.key(0),
            economy_of([1e4], 0.25, max_labor=45.0),
            [law()],
            Rational(),
            periods=2,
        ),
        "got 1",
        "one schedule",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, value, remedy = BAD[name]
    with pytest.raises(ValueError, match=rf"(?s){value}") as error:
        call()
    assert error.match(rf"(?s){remedy}")
