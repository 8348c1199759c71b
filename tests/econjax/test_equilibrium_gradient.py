import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    Rawlsian,
    _jumps,
    best_response,
    equilibrium,
    gb2,
    settle,
)
from econjax.planning import RationalEvaluator
from tests.helpers.laboratory import economy_of, float64, rebate_and_gradients
from tests.helpers.reference import THRESHOLDS, US_2024, continuum, grid, lognormal_quantile
from tests.helpers.reference import solve as reference_solve

EDGES, FALLING, RISING = np.array([0.0, 60000]), np.array([0.5, 0.3]), np.array([0.3, 0.5])
GOLD_GB2_RAWLS = np.array([0.9598, 0.8293, 0.7038, 0.6563, 0.6388, 0.6325, 0.6213])  # section 2.3
# Two falling rates, one of them above a bracket that nobody stays in, and a subsidy.
ROUGH = np.array([0.30, 0.55, 0.20, 0.60, -0.05, 0.45, 0.40])


@pytest.fixture(scope="module")
def lognormal():
    """Make the economy of section 5b: median 50,000, sigma .75, e = .5, N = 20,000."""
    with float64():
        return economy_of(grid("LN"), 0.5)


@eqx.filter_jit
def log_welfare(economy, rates):
    outcome = equilibrium(economy, BracketSchedule(EDGES.tolist(), rates)).outcome
    return Atkinson(1.0)(economy.population, outcome)


@eqx.filter_jit
def naive_rebate(economy, thresholds, rates):
    schedule = BracketSchedule(thresholds, rates)
    return settle(economy, schedule, best_response(economy, schedule)).rebate


@eqx.filter_jit
def naive_welfare(economy, rates):
    schedule = BracketSchedule(EDGES.tolist(), rates)
    return Atkinson(1.0)(
        economy.population, settle(economy, schedule, best_response(economy, schedule))
    )


def test_values_of_the_falling_rate_case(x64, lognormal):
    # Section 5b, continuum; the grid of 20,000 differs by what its cut tail holds.
    rebate, *_ = rebate_and_gradients(lognormal, EDGES, FALLING)
    assert rebate == pytest.approx(22928.38453257, rel=2e-4)
    assert log_welfare(lognormal, FALLING) == pytest.approx(10.548829306195, rel=1e-5)
    expected = reference_solve(grid("LN"), EDGES, FALLING, 0.5)
    assert rebate == pytest.approx(expected.rebate, rel=1e-12)


def test_revenue_counts_those_who_jump(x64, lognormal):
    # Section 5b, EXACT (continuum): 26148.656611, 7131.488892; without the jump 26929, 7870.
    *_, gradient = rebate_and_gradients(lognormal, EDGES, FALLING)
    np.testing.assert_allclose(gradient, [26148.656611, 7131.488892], rtol=2e-3)


def test_welfare_counts_those_who_jump(x64, lognormal):
    # Section 5b, EXACT: -.1748347278, .0062333587. The grid itself is 6e-5 off in the second.
    gradient = jax.grad(lambda rates: log_welfare(lognormal, rates))(jnp.array(FALLING))
    exact = np.array([-0.1748347278, 0.0062333587])
    assert np.linalg.norm(gradient - exact) < 2e-3 * np.linalg.norm(exact)


def test_labels_held_fixed_miss_those_who_jump(x64, lognormal):
    # Section 5b, autodiff through argmax, N = 20,000.
    naive = jax.grad(lambda rates: naive_rebate(lognormal, EDGES, rates))(jnp.array(FALLING))
    np.testing.assert_allclose(naive, [26928.972906, 7867.113572], rtol=1e-9)
    naive = jax.grad(lambda rates: naive_welfare(lognormal, rates))(jnp.array(FALLING))
    np.testing.assert_allclose(naive, [-0.1533225449, 0.0265193099], atol=1e-9)


def test_the_jump_term_is_the_printed_one(x64, lognormal):
    # Section 5b: with the jump term less naive, -780.552395 and -738.070410. A sign error doubles
    # the gap.
    *_, gradient = rebate_and_gradients(lognormal, EDGES, FALLING)
    naive = jax.grad(lambda rates: naive_rebate(lognormal, EDGES, rates))(jnp.array(FALLING))
    np.testing.assert_allclose(gradient - naive, [-780.552395, -738.070410], rtol=1e-2)


def test_convex_kink(x64, lognormal):
    # Section 5c: 36070.880808, -2292.659553; bunchers must not respond (that would be -4543).
    rebate, _, gradient = rebate_and_gradients(lognormal, EDGES, RISING)
    np.testing.assert_allclose(gradient[0], 36070.880808, rtol=1e-4)
    assert gradient[1] == pytest.approx(-2292.659553, abs=1e-3 * float(rebate))
    naive = jax.grad(lambda rates: naive_rebate(lognormal, EDGES, rates))(jnp.array(RISING))
    np.testing.assert_allclose(gradient, naive, rtol=1e-9)


def test_convex_kink_in_the_continuum(x64):
    n, weight = continuum(lognormal_quantile, 400_001)
    *_, gradient = rebate_and_gradients(economy_of(n, 0.5, weight=weight), EDGES, RISING)
    exact = [36070.880808, -2292.659553]
    np.testing.assert_allclose(gradient, exact, atol=1e-5 * np.linalg.norm(exact))


def rebate_differences(n, thresholds, rates, elasticity, *, by_rate=0.0, by_edge=0.0):
    """Return central differences of the rebate by the independent solution; one step is not 0."""

    def rebate(step):
        edges, moved = thresholds + by_edge * step, rates + by_rate * step
        return reference_solve(n, edges, moved, elasticity).rebate

    steps = np.eye(len(rates))[1 if by_edge else 0 :]
    return np.array([(rebate(d) - rebate(-d)) / (2 * (by_rate + by_edge)) for d in steps])


@pytest.mark.parametrize("name", ["GB2", "LN", "PLN", "BP"])
def test_finite_differences_of_a_convex_schedule(x64, name):
    n = grid(name)
    _, by_edge, by_rate = rebate_and_gradients(economy_of(n, 0.25), THRESHOLDS, US_2024)
    edges = rebate_differences(n, THRESHOLDS, US_2024, 0.25, by_edge=20.0)
    rates = rebate_differences(n, THRESHOLDS, US_2024, 0.25, by_rate=1e-3)
    np.testing.assert_allclose(by_rate, rates, rtol=2e-3, atol=1e-3 * np.abs(rates).max())
    np.testing.assert_allclose(by_edge[1:], edges, rtol=1e-2, atol=2e-3 * np.abs(edges).max())


@pytest.mark.parametrize(
    "rates", [ROUGH, US_2024[::-1].copy(), GOLD_GB2_RAWLS], ids=["rough", "falling", "rawls"]
)
def test_finite_differences_where_workers_jump(x64, rates):
    # The independent solution on a grid 20 times finer stands for the continuum; both tails are cut
    # alike.
    fine = grid("LN", 400_000)
    fine = fine[(fine > grid("LN")[0]) & (fine < grid("LN")[-1])]
    *_, found = rebate_and_gradients(economy_of(grid("LN"), 0.25), THRESHOLDS, rates)
    expected = rebate_differences(fine, THRESHOLDS, rates, 0.25, by_rate=1e-3)
    # Tolerance: 400 jumpers per step of the fine grid, and a jump term of a tenth of the gradient.
    np.testing.assert_allclose(found, expected, atol=3e-3 * np.linalg.norm(expected))


def test_thresholds_where_workers_jump(x64):
    fine = grid("LN", 400_000)
    _, found, _ = rebate_and_gradients(economy_of(grid("LN"), 0.5), EDGES, FALLING)
    expected = rebate_differences(fine, EDGES, FALLING, 0.5, by_edge=200.0)
    assert found[1] == pytest.approx(expected[0], rel=1e-2)


def test_tastes_are_part_of_who_jumps(x64):
    # Section 0: only n = 40 skill taste^(-e) matters, for incomes and hence for revenue.
    n = grid("LN")
    taste = 0.6 + 0.3 * (np.arange(len(n)) % 3)
    mixed = Economy(
        population=Population(n / 40 * taste**0.5, taste=taste),
        preferences=Quasilinear(0.5),
        max_labor=jnp.inf,
    )
    one = rebate_and_gradients(economy_of(n, 0.5), EDGES, FALLING)
    other = rebate_and_gradients(mixed, EDGES, FALLING)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_gradients_do_not_depend_on_how_people_are_counted(x64):
    # With the bandwidth given; its default depends on the number of agents.
    n = grid("LN")
    order = np.random.default_rng(0).permutation(2 * n.size)
    twice = economy_of(np.repeat(n, 2)[order], 0.5)
    one, other = (
        rebate_and_gradients(e, EDGES, FALLING, 0.05) for e in (economy_of(n, 0.5), twice)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_no_population_density_where_nobody_jumps(x64, lognormal):
    # Where rates rise the bandwidth is irrelevant.
    narrow, wide = (
        rebate_and_gradients(lognormal, EDGES, RISING, width)[2] for width in (0.01, 0.5)
    )
    np.testing.assert_allclose(narrow, wide, rtol=1e-12)


def test_envelope(x64, lognormal):
    # Section 5: du_i/dt_j = -l_ij + dR/dt_j, with no behavioural term; also for those who jump.
    def utility(rates):
        return equilibrium(lognormal, BracketSchedule(EDGES.tolist(), rates)).outcome.utility[::500]

    @eqx.filter_jit
    def jacobian(rates):
        return jax.jacrev(utility)(rates)

    income = reference_solve(grid("LN"), EDGES, FALLING, 0.5).income[::500]
    base = np.stack([np.minimum(income, 60000), np.maximum(income - 60000, 0)], axis=1)
    *_, rebate = rebate_and_gradients(lognormal, EDGES, FALLING)
    np.testing.assert_allclose(
        jacobian(jnp.array(FALLING)), np.asarray(rebate)[None, :] - base, rtol=1e-9
    )


def test_utilitarian_gradient_is_zero_at_no_tax(x64):
    # Section 2.5: with quasi-linear utility mean u is maximised at zero rates.
    evaluate = RationalEvaluator(economy_of(grid("GB2"), 0.25), Atkinson(0.0))
    gradient = evaluate.value_and_grad(BracketSchedule(THRESHOLDS, np.zeros(7))).gradient
    np.testing.assert_allclose(gradient, np.zeros(7), atol=1e-6)


@pytest.mark.parametrize(
    "rates", [np.zeros(7), np.full(7, 0.5), US_2024, US_2024[::-1].copy(), -US_2024]
)
def test_gradients_are_finite_in_float32_with_idle_workers(rates):
    evaluate = RationalEvaluator(economy_of(np.append(0.0, grid("GB2", 399)), 0.25), Rawlsian())
    gradient = evaluate.value_and_grad(BracketSchedule(THRESHOLDS, rates)).gradient
    assert gradient.dtype == jnp.float32
    assert np.all(np.isfinite(gradient))


def test_float32_agrees_with_float64(lognormal):
    single = rebate_and_gradients(economy_of(grid("LN"), 0.5), EDGES, FALLING)[2]
    assert single.dtype == jnp.float32
    with float64():
        double = rebate_and_gradients(lognormal, EDGES, FALLING)[2]
    np.testing.assert_allclose(single, double, rtol=1e-3)


@pytest.mark.parametrize("elasticity", [0.005, 0.02])
@pytest.mark.parametrize("rates", [US_2024, US_2024[::-1]])
def test_gradients_are_finite_for_workers_who_hardly_respond(rates, elasticity):
    economy = Economy(population=gb2(100), preferences=Quasilinear(elasticity))
    *_, gradient = rebate_and_gradients(economy, THRESHOLDS, rates)
    # Hardly anyone responds: revenue rises with a rate by the income in its bracket.
    income = np.asarray(40 * economy.population.skill)
    ends = np.append(THRESHOLDS[1:], np.inf)
    mechanical = [np.mean(np.clip(income, a, b) - a) for a, b in zip(THRESHOLDS, ends, strict=True)]
    assert np.asarray(gradient) == pytest.approx(np.asarray(mechanical), rel=0.15, abs=10)


def test_workers_whose_own_elasticities_are_all_the_same_have_the_gradient_of_that_one(x64):
    own = Population(grid("GB2", 400) / 40, elasticity=np.full(400, 0.25))
    shared = Population(grid("GB2", 400) / 40)
    found = [
        RationalEvaluator(Economy(population=workers, preferences=Quasilinear(0.25)), Rawlsian())
        .value_and_grad(BracketSchedule(THRESHOLDS, GOLD_GB2_RAWLS))
        .gradient
        for workers in (own, shared)
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_table_over_elasticities_costs_no_digits_that_the_density_has(x64, monkeypatch):
    """Where elasticities differ, types entering a bracket are read off a table, not solved for."""
    elasticity = np.exp(np.random.default_rng(0).normal(np.log(0.25), 0.5, 400))
    population = Population(grid("GB2", 400) / 40, elasticity=elasticity)
    evaluate = RationalEvaluator(
        Economy(population=population, preferences=Quasilinear(0.25)), Rawlsian()
    )

    def gradients():
        return [
            evaluate.value_and_grad(BracketSchedule(THRESHOLDS, rates)).gradient
            for rates in (GOLD_GB2_RAWLS, ROUGH)
        ]

    by_table = gradients()
    monkeypatch.setattr(_jumps, "_NODES", 400)
    jax.clear_caches()
    for found, exact in zip(by_table, gradients(), strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4 * np.abs(found).max())
    jax.clear_caches()
