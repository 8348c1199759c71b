import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Rawlsian,
    bracket_statistics,
    saez_rates,
)
from econjax.optimal.inverse import inverse_optimum, weights_by_income
from tests.helpers.laboratory import economy_of, settled
from tests.helpers.reference import (
    THRESHOLDS,
    US_2024,
    continuum,
    grid,
    lognormal_pareto_quantile,
    pareto_quantile,
)
from tests.helpers.reference import solve as reference_solve

invert = eqx.filter_jit(inverse_optimum)


def outcome_of(economy, n, schedule, elasticity=0.25):
    """Return the outcome of the best responses that the independent solver finds."""
    thresholds, rates = np.asarray(schedule.thresholds, float), np.asarray(schedule.rates, float)
    income = reference_solve(n, thresholds, rates, elasticity).income
    return settled(economy, schedule, jnp.array(40 * income / n))


def weights_of(n, schedule, elasticity=0.25, weight=None):
    economy = economy_of(n, elasticity, weight=weight)
    outcome = outcome_of(economy, n, schedule, elasticity)
    return invert(economy, schedule, outcome, elasticity=jnp.asarray(elasticity))


def tents(thresholds, income):
    """Return each worker's nearness to each threshold."""
    return np.array([np.interp(income, thresholds, row) for row in np.eye(len(thresholds))])


@pytest.mark.parametrize(
    "welfare", [Atkinson(1.0), Atkinson(2.0), Rawlsian()], ids=["log", "CRRA", "Rawls"]
)
def test_an_optimum_reveals_the_weights_of_its_welfare_function(x64, welfare):
    # The optimum is the fixed point of the bracket formula: rates rise, so the conditions are
    # exact.
    n, weight = continuum(lognormal_pareto_quantile, 40_001)
    economy = economy_of(n, 0.25, weight=weight)
    schedule = BracketSchedule([0.0, 60000, 150000], [0.4, 0.5, 0.6])
    improve = eqx.filter_jit(
        lambda s, outcome: saez_rates(
            bracket_statistics(economy, s, outcome, welfare), elasticity=0.25, current=s.rates
        )
    )
    for _ in range(40):
        schedule = BracketSchedule(
            schedule.thresholds, improve(schedule, outcome_of(economy, n, schedule))
        )
    outcome = outcome_of(economy, n, schedule)
    social = jax.grad(
        lambda u: welfare.equivalent(economy.population, eqx.tree_at(utility, outcome, u))
    )(outcome.utility)
    social = np.asarray(social / social.sum())
    found = weights_of(n, schedule, weight=weight)
    near = tents(schedule.thresholds, outcome.income)
    np.testing.assert_allclose(found.people, near @ weight, rtol=1e-10)
    np.testing.assert_allclose(found.near, near @ social / (near @ weight), atol=1e-3)
    statistics = bracket_statistics(economy, schedule, outcome, welfare)
    np.testing.assert_allclose(found.dollar, statistics.weighted_base / statistics.base, atol=1e-3)
    assert found.people @ found.near == pytest.approx(1, abs=1e-12)
    if not isinstance(
        welfare, Rawlsian
    ):  # whose upper weights are 0, up to rounding of either sign
        assert not found.dominated.any()


def utility(outcome):
    return outcome.utility


def test_the_weight_of_a_dollar_is_the_revenue_of_its_rate(x64):
    # First-order condition: raising a rate is worth it as long as E[g l_j] < d revenue / d rate_j.
    n, weight = continuum(lognormal_pareto_quantile, 200_001)
    income = reference_solve(n, THRESHOLDS, US_2024, 0.25, weight=weight).income
    found = weights_of(n, BracketSchedule(THRESHOLDS, US_2024), weight=weight)
    for j, step in enumerate(1e-4 * np.eye(7)):
        up, down = (
            reference_solve(n, THRESHOLDS, US_2024 + s * step, 0.25, weight=weight).rebate
            for s in (1, -1)
        )
        end = np.append(THRESHOLDS[1:], np.inf)[j]
        base = weight @ (np.clip(income, THRESHOLDS[j], end) - THRESHOLDS[j])
        assert found.dollar[j] == pytest.approx((up - down) / 2e-4 / base, abs=2e-3)
    assert found.held.all()
    assert found.identified.all()


@pytest.mark.parametrize("top", [0.5, 0.6, 0.7])
def test_a_top_rate_beyond_the_peak_is_dominated(eps, top):
    # Incomes Pareto(a = 2) above 40000 dollars, so g = 1 - a e t / (1 - t): 0 at t = 1 / (1 + a e)
    # = 2/3.
    n, weight = continuum(pareto_quantile(8000.0, 2.0))
    schedule = BracketSchedule([0, 40000], [0.4, top])
    found = weights_of(n, schedule, weight=weight.tolist())
    np.testing.assert_allclose(found.dollar[-1], 1 - 0.5 * top / (1 - top), atol=2e-3)
    np.testing.assert_array_equal(found.dominated, [False, top > 2 / 3])


@pytest.mark.parametrize(
    ("rates", "where", "reform"),
    [
        # Taxes on what hardly anybody earns but all pass: cut the top rate (Laffer).
        ([0.3, 0.5, 0.85], 2, [0, 0, -1e-3]),
        # A subsidy that costs more than its recipients gain: less of it and more rebate.
        ([-0.9, 0.3, 0.4], 0, [1e-3, 0, 0]),
        # Bracket 2 raises more than it takes, bracket 1 less: cut one, raise the other by as many
        # dollars.
        ([0.3, 0.85, 0.86], 2, [0, -1e-3, 0]),
    ],
    ids=["top", "bottom", "below the top"],
)
def test_who_mends_a_dominated_schedule_makes_everyone_better_off(x64, rates, where, reform):
    thresholds, n = np.array([0.0, 20000, 60000]), grid("PLN", 4000)
    found = weights_of(n, BracketSchedule(thresholds, rates), 1.0)
    assert found.dominated[where]
    before, after = (
        reference_solve(n, thresholds, np.array(rates) + change, 1.0)
        for change in (np.zeros(3), reform)
    )
    assert np.all(after.utility > before.utility)


def test_no_law_that_pays_its_way_is_dominated(x64):
    found = weights_of(grid("GB2"), BracketSchedule(THRESHOLDS, US_2024))
    assert not found.dominated.any()
    assert np.all(np.diff(found.near) < 0.2), (
        "weights of today's law fall with income, or nearly so"
    )


def test_what_no_worker_reveals_is_marked_not_invented(eps):
    # Oracles, section 0: bracket 1 of BP is empty; here the last one, too.
    n = grid("BP", 500)
    thresholds = np.append(THRESHOLDS[[0, 1, 2]], [4e6, 8e6])
    found = weights_of(n, BracketSchedule(thresholds, [0.1, 0.2, 0.3, 0.4, 0.5]))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    np.testing.assert_array_equal(found.identified, [False, True, True, True, False])
    np.testing.assert_array_equal(found.held, [True, True, True, False, False])
    assert found.dollar[0] == 1, "everybody pays it in full, and the mean weight is 1"
    assert found.near[0] == 0
    assert found.dollar[-1] == 0
    assert not found.dominated.any()


def test_workers_are_exchangeable(x64):
    n, schedule = grid("LN", 200), BracketSchedule(THRESHOLDS, US_2024)
    once = weights_of(n, schedule)
    order = np.random.default_rng(0).permutation(200)
    for other in (n[order], np.repeat(n, 2)):
        found = weights_of(other, schedule)
        np.testing.assert_allclose(found.near, once.near, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.dollar, once.dollar, rtol=1e-10, atol=1e-12)
    dollars = weights_of(100 * n, BracketSchedule(100 * THRESHOLDS, US_2024))
    np.testing.assert_allclose(dollars.near, once.near, rtol=1e-10)


def test_a_second_schedule_compiles_nothing(compilations):
    n = grid("LN", 200)
    weights_of(n, BracketSchedule(THRESHOLDS, US_2024))
    other = BracketSchedule(THRESHOLDS, US_2024 / 2)
    with compilations() as seen:
        weights_of(n, other, elasticity=0.4)
    assert not seen


def test_weights_of_a_flat_tax_on_pareto_incomes(eps):
    # g = 1 - a e t / (1 - t) at every income (Saez 2001).
    density = lambda z: 2.0 * 8000.0**2 / z**3  # noqa: E731
    found = weights_by_income(
        BracketSchedule([0], [0.4]), density, jnp.array([[1e4, 5e4], [1e5, 1e6]]), elasticity=0.25
    )
    np.testing.assert_allclose(found, np.full((2, 2), 1 - 0.5 * 0.4 / 0.6), rtol=20 * eps)


def test_weights_of_a_smooth_schedule_integrate_to_the_formula(x64):
    # Pareto(b) potential incomes under T' = 1 - k z^-p give z^(1 + p e) = n k^e: Pareto(b (1 + p
    # e)) incomes. Diamond (1998): 1 - H(z) - integral of g h from z on = e z h* T' / (1 - T'), with
    # z h* = n f(n).
    scale, p, e, b = 3.0, 0.1, 0.25, 2.0
    schedule = LogLinearSchedule(scale, p)
    k, index = scale * (1 - p), b * (1 + p * e)
    least = (20000 * k**e) ** (1 / (1 + p * e))
    tail = lambda z: (least / z) ** index  # noqa: E731
    density = lambda z: index * (least / z) ** index / z  # noqa: E731
    weigh = jax.jit(lambda z: weights_by_income(schedule, density, z, elasticity=e))
    for z in (30000.0, 100000.0):
        above, _ = integrate.quad(
            lambda x: float(weigh(x)) * density(x), z, 5e8, limit=200, epsrel=1e-10
        )
        rate = 1 - k * z**-p
        n = z ** (1 + p * e) / k**e
        nf = b * (20000 / n) ** b
        beyond = tail(5e8) - e * b * (20000 / (5e8 ** (1 + p * e) / k**e)) ** b * (
            1 / (k * 5e8**-p) - 1
        )
        assert tail(z) - above - beyond == pytest.approx(e * nf * rate / (1 - rate), rel=1e-7)


def test_errors_name_the_value_and_the_remedy():
    n = np.array([30000.0, 60000.0])
    economy, schedule = economy_of(n, 0.25), BracketSchedule([0, 40000], [0.2, 1.0])
    outcome = outcome_of(economy, n, BracketSchedule([0, 40000], [0.2, 0.3]))
    with pytest.raises(ValueError, match=r"rates below 1.*1\.0"):
        inverse_optimum(economy, schedule, outcome, elasticity=0.25)
    for elasticity in (0.0, -1.0):
        with pytest.raises(ValueError, match=f"elasticity must be a positive.*{elasticity}"):
            inverse_optimum(economy, schedule, outcome, elasticity=elasticity)
        with pytest.raises(ValueError, match=f"elasticity must be a positive.*{elasticity}"):
            weights_by_income(schedule, lambda z: z, 1e4, elasticity=elasticity)
    for bad, z in ((schedule, 5e4), (LogLinearSchedule(3.0, 0.1), 0.0)):
        with pytest.raises(
            ValueError, match=r"finite and their marginal rate is, and below 1.*(50000|0)\.0"
        ):
            weights_by_income(bad, lambda z: z, z, elasticity=0.25)
    isoelastic = Economy(
        population=Population([1.0]), preferences=Isoelastic(1.0, exponent=3.0, scale=1.0)
    )
    with pytest.raises(ValueError, match="Isoelastic has: use Quasilinear or GHH"):
        inverse_optimum(isoelastic, schedule, outcome, elasticity=0.25)
    # Where the rate of 1 stops everybody, it loses nothing that others' incomes could show.
    found = weights_of(n, schedule)
    assert jnp.isfinite(found.near).all()
