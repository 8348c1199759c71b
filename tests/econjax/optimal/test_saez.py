import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from baselines.saez.iterated import SaezPlanner
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    nan_where_illegal,
)
from econjax.optimal.formulas import linear_rate, nonlinear_rate, pareto_index, top_rate
from econjax.optimal.saez import converged_saez, damped_step, jump_revenue, saez_rates
from econjax.planning import RationalEvaluator, plan
from econjax.preferences import GHH
from econjax.welfare.statistics import BracketStatistics, bracket_statistics
from tests.helpers.laboratory import economy_of, equivalent, float64, solve, welfare_of
from tests.helpers.reference import (
    QUANTILES,
    THRESHOLDS,
    US_2024,
    continuum,
    grid,
    lognormal_pareto_quantile,
    pareto_quantile,
)
from tests.helpers.reference import solve as reference_solve

# Few sizes of populations, so that tests share compiled functions.
POINTS = 20_000
FINE = 400_000


@eqx.filter_jit
def converged(economy, thresholds, welfare, elasticity, tolerance):
    start = BracketSchedule(thresholds, jnp.full_like(jnp.asarray(thresholds), 0.4))
    return converged_saez(economy, start, welfare, elasticity=elasticity, tolerance=tolerance)


@eqx.filter_jit
def implied(economy, schedule, outcome, welfare, elasticity, jump):
    statistics = bracket_statistics(economy, schedule, outcome, welfare)
    return saez_rates(statistics, elasticity=elasticity, current=schedule.rates, jump=jump)


statistics_of = eqx.filter_jit(bracket_statistics)
jumps = eqx.filter_jit(jump_revenue)


@eqx.filter_jit
def linear(economy, welfare, elasticity):
    """Return the flat tax at the fixed point, to rounding, or nearly."""
    tolerance = 16 * jnp.finfo(economy.population.skill.dtype).eps
    start = BracketSchedule([0.0], [0.5])
    return converged_saez(economy, start, welfare, elasticity=elasticity, tolerance=tolerance)


def test_revenue_maximising_rates(eps):
    # Oracles, section 1a; 1 / (1 + e) and 1 / (1 + a e).
    index = np.array([1.5, 1.75, 2, 2.5, 3])
    top = [0.7272727273, 0.6956521739, 0.6666666667, 0.6153846154, 0.5714285714]
    np.testing.assert_allclose(top_rate(index, elasticity=0.25), top, rtol=max(1e-10, 4 * eps))
    elasticity = np.array([0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1])
    found = linear_rate(0.0, elasticity=elasticity)
    np.testing.assert_allclose(found, 1 / (1 + elasticity), rtol=max(1e-15, 4 * eps))


@pytest.mark.parametrize(
    ("weight", "index", "elasticity", "rate"),
    [
        (0.1, 1.5, 0.25, 0.7058823529),
        (0.25, 1.5, 0.25, 0.6666666667),
        (0.25, 2.0, 0.5, 0.4285714286),
        (0.5, 2.0, 0.25, 0.5),
        (0.61, 1.0, 0.25, 0.609375),  # a flat tax is a top rate from 0
        (0.75, 1.0, 0.5, 0.3333333333),
    ],
)
def test_rates_with_welfare_weights(x64, weight, index, elasticity, rate):
    # Oracles, section 1a.
    assert top_rate(index, elasticity=elasticity, weight=weight) == pytest.approx(rate, abs=5.1e-11)


def test_how_the_top_rate_moves(x64):
    def rate(at):
        return top_rate(at[0], elasticity=at[1], weight=at[2], compensated=at[3])

    at = jnp.array([1.8, 0.25, 0.3, 0.4])
    numeric = [(rate(at + step) - rate(at - step)) / 2e-6 for step in 1e-6 * jnp.eye(4)]
    np.testing.assert_allclose(jax.grad(rate)(at), numeric, rtol=1e-7)


# Oracles, section 1c: e, marginal rate at the optimum, G, (1 - H) / (z h) with the virtual density.
ABC = [
    (0.25, 0.56377291, 0.847231, 2.114935),
    (0.25, 0.53008957, 0.466551, 0.528665),
    (0.25, 0.57671668, 0.214761, 0.433780),
    (0.25, 0.44623552, 0.925278, 2.696062),
    (0.25, 0.46843674, 0.519174, 0.458192),
    (0.25, 0.44012219, 0.240260, 0.258675),
    (0.50, 0.33322918, 0.898455, 2.460811),
    (0.50, 0.32963185, 0.449673, 0.446750),
    (0.50, 0.29192117, 0.193795, 0.255687),
]


@pytest.mark.parametrize(("elasticity", "rate", "weight_above", "thinness"), ABC)
def test_the_nonlinear_formula(x64, elasticity, rate, weight_above, thinness):
    found = nonlinear_rate(
        5e4, density=1 / 5e4, above=thinness, weight_above=weight_above, elasticity=elasticity
    )
    assert found == pytest.approx(rate, abs=3e-6)  # G is printed to 6 digits


@pytest.mark.parametrize(
    ("power", "index", "elasticity", "rates"),
    [
        (1, 2.0, 0.25, [0, 0.4, 0.5, 0.61538462, 0.64285714, 0.66442953]),
        (1, 1.5, 0.5, [0, 0.30769231, 0.4, 0.51612903, 0.54545455, 0.56896552]),
        (2, 2.0, 0.4, [0, 0.40983607, 0.48387097, 0.54545455, 0.55307263, 0.55553086]),
    ],
)
def test_pareto_types_with_given_weights(x64, power, index, elasticity, rates):
    # Oracles, section 1f: weights proportional to n^-k on Pareto(L, a), so that G = (n / L)^-k.
    n = np.array([1, 1.5, 2, 5, 10, 100])
    found = nonlinear_rate(
        n,
        density=index * n ** (-index - 1),
        above=n**-index,
        weight_above=n**-power,
        elasticity=elasticity,
    )
    np.testing.assert_allclose(found, rates, atol=5.1e-9)


def test_the_pareto_index_of_a_tail(x64):
    values, weight = continuum(pareto_quantile(1000.0, 2.0), FINE)
    for threshold in (1000.0, 5000.0, 100_000.0):
        assert pareto_index(values, threshold, weight) == pytest.approx(2, rel=2e-3)
    values, weight = continuum(QUANTILES["GB2"], FINE)
    for threshold, index in {
        5e4: 1.75379609,
        2e5: 2.28486203,
        1e6: 2.36127159,
    }.items():  # section 6a
        assert pareto_index(values, threshold, weight) == pytest.approx(index, rel=1e-3)


@given(
    st.lists(st.integers(1, 1000), min_size=5, max_size=5),
    st.lists(st.integers(1, 9), min_size=5, max_size=5),
    st.integers(0, 999),
)
def test_the_pareto_index_by_hand(incomes, people, threshold):
    each = np.repeat(incomes, people)
    above = each[each > threshold]
    expected = above.mean() / (above.mean() - threshold) if above.size else np.inf
    with float64():
        found = pareto_index(np.array(incomes), threshold, np.array(people) / sum(people))
        assert found == pytest.approx(expected, rel=1e-12)


# Oracles, section 1d: gold rates of the continuum, and what the first-order condition implies
# there.
FOC = {
    "LN": (
        [0.40961, 0.45786, 0.46982, 0.46365, 0.45184, 0.43688, 0.39853],
        [0.40961, 0.45786, 0.47027, 0.46506, 0.45815, 0.43961, 0.40700],
    ),
    "GB2": (
        [0.60399, 0.54771, 0.52462, 0.54185, 0.56269, 0.58257, 0.61135],
        [0.61102, 0.55078, 0.52652, 0.54185, 0.56269, 0.58257, 0.61135],
    ),
}


@pytest.mark.parametrize("name", FOC)
def test_the_first_order_condition_at_the_optimum(x64, name):
    gold, without_jumps = FOC[name]
    n, weight = continuum(QUANTILES[name], FINE)
    economy, schedule = economy_of(n, 0.25, weight=weight), BracketSchedule(THRESHOLDS, gold)
    outcome = solve(economy, schedule).outcome
    found = implied(economy, schedule, outcome, Atkinson(1.0), 0.25, 0.0)
    # Rates are printed to 5e-6, and jumping workers are one cell of the quadrature off.
    np.testing.assert_allclose(found, without_jumps, atol=5e-5)
    jump = jumps(economy, schedule, bandwidth=jnp.asarray(0.02))
    found = implied(economy, schedule, outcome, Atkinson(1.0), 0.25, jump)
    np.testing.assert_allclose(found, gold, atol=5e-5)


def test_what_jumps_add_to_revenue(x64):
    # Oracles, section 5b: the exact derivative less that of workers who stay in their brackets. The
    # second of its two rates is here that of the last six brackets.
    n, weight = continuum(QUANTILES["LN"], FINE)
    economy = economy_of(n, 0.5, weight=weight)
    thresholds = 60000.0 * np.arange(7)
    narrow = jnp.asarray(0.02)
    found = jumps(economy, BracketSchedule(thresholds, [0.5] + [0.3] * 6), bandwidth=narrow)
    exact = [26148.656611 - 26929.208049, 7131.488892 - 7869.559302]
    np.testing.assert_allclose([found[0], found[1:].sum()], exact, rtol=1e-3)
    rising = jumps(economy, BracketSchedule(thresholds, [0.3] + [0.5] * 6), bandwidth=narrow)
    np.testing.assert_allclose(rising, 0, atol=1e-8)


def test_what_jumps_add_calls_no_python():
    # JAX 0.10.1 keeps no program that calls Python, as a check within one does: it would compile
    # in every process.
    economy, schedule = economy_of(grid("GB2", 50), 0.25), BracketSchedule([0.0, 5e4], [0.5, 0.3])

    def added(rates):
        return jump_revenue(economy, eqx.tree_at(lambda law: law.rates, schedule, rates))

    assert "callback" not in jax.jit(added).lower(schedule.rates).as_text()


def test_jumps_need_preferences_without_income_effects():
    preferences = Isoelastic(1.0, exponent=3.0, scale=1e-6)
    economy = Economy(population=Population([500.0, 900.0]), preferences=preferences)
    with pytest.raises(ValueError, match="Isoelastic has: use Quasilinear or GHH"):
        jump_revenue(economy, BracketSchedule([0.0], [0.3]))


@pytest.mark.parametrize("rates", [US_2024, US_2024[::-1].copy()], ids=["rising", "falling"])
def test_statistics_by_hand(x64, rates):
    n = grid("GB2", POINTS)
    economy, schedule = economy_of(n, 0.25), BracketSchedule(THRESHOLDS, rates)
    found = statistics_of(economy, schedule, solve(economy, schedule).outcome, Atkinson(1.0))
    exact = reference_solve(n, THRESHOLDS, rates, 0.25)
    ends = np.append(THRESHOLDS[1:], np.inf)
    within = [
        np.clip(exact.income - b, 0, top - b) for b, top in zip(THRESHOLDS, ends, strict=True)
    ]
    inside = [
        (exact.income > b) & (exact.income < top) for b, top in zip(THRESHOLDS, ends, strict=True)
    ]
    g = (1 / exact.utility) / np.mean(1 / exact.utility)
    np.testing.assert_allclose(found.base, np.mean(within, axis=1), rtol=1e-10)
    np.testing.assert_allclose(
        found.weighted_base, np.mean(g * np.array(within), axis=1), rtol=1e-10
    )
    np.testing.assert_allclose(
        found.active, np.mean(exact.income * np.array(inside), axis=1), rtol=1e-10
    )
    last = [
        (exact.income > b) & (exact.income <= top) for b, top in zip(THRESHOLDS, ends, strict=True)
    ]
    np.testing.assert_allclose(found.share, np.mean(last, axis=1), atol=1e-12)


def test_statistics_add_up(x64):
    n = grid("LN", POINTS)
    economy, schedule = economy_of(n, 0.25), BracketSchedule(THRESHOLDS, US_2024)
    outcome = solve(economy, schedule).outcome
    for welfare in (Utilitarian(), Atkinson(2.0), Rawlsian()):
        found = statistics_of(economy, schedule, outcome, welfare)
        assert found.share.sum() == pytest.approx(1, rel=1e-12)
        assert found.base.sum() == pytest.approx(float(outcome.income.mean()), rel=1e-12)
        assert found.base @ schedule.rates == pytest.approx(float(outcome.rebate), rel=1e-12)
        assert np.all(np.asarray(found.active) <= np.asarray(outcome.income.mean()))
    utilitarian = statistics_of(economy, schedule, outcome, Utilitarian())
    np.testing.assert_allclose(utilitarian.weighted_base, utilitarian.base, rtol=1e-12)
    rawlsian = statistics_of(economy, schedule, outcome, Rawlsian())
    assert rawlsian.weighted_base.sum() == pytest.approx(float(outcome.income[0]), rel=1e-12)


def test_a_rate_of_a_bracket_by_hand(x64):
    # tau / (1 - tau) = (base - weighted) / (e active): (4 - 1) / (0.5 * 6) = 1.
    statistics = BracketStatistics(
        share=jnp.array([0.5, 0.5, 0.0]),
        base=jnp.array([4.0, 2.0, 0.0]),
        weighted_base=jnp.array([1.0, 2.0, 0.0]),
        active=jnp.array([6.0, 3.0, 0.0]),
    )
    found = saez_rates(statistics, elasticity=0.5, current=jnp.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(found, [0.5, 0.0, 0.3], atol=1e-15)
    # A loss of 1.5 from jumps halves the gain; a large one would call for a subsidy, never below
    # -100 %.
    jump = jnp.array([-1.5, -9.0, 9.0])
    found = saez_rates(statistics, elasticity=0.5, current=jnp.array([0.1, 0.2, 0.3]), jump=jump)
    np.testing.assert_allclose(found, [1 / 3, -1.0, 0.3], atol=1e-15)


# Oracles, section 1b: optimal linear rate, the mean weight on income there, and the equivalent.
LINEAR = [
    ("GB2", 0.25, 1, 0.5474816243, 0.6975362473, 40903.424335),
    ("GB2", 0.25, 2, 0.6232518631, 0.5864267119, 39203.429318),
    ("GB2", 0.50, 1, 0.4099379872, 0.6526314368, 32677.241099),
    ("GB2", 0.50, 2, 0.4866341226, 0.5260357730, 30685.827059),
    ("LN", 0.25, 1, 0.4622930660, 0.7850627188, 47608.670257),
    ("LN", 0.25, 2, 0.5517224585, 0.6923097816, 45763.009315),
    ("LN", 0.50, 1, 0.3304684809, 0.7532091683, 38644.335989),
    ("LN", 0.50, 2, 0.4148473900, 0.6455220545, 36520.189700),
]


@pytest.mark.parametrize("row", LINEAR, ids=lambda row: "-".join(map(str, row[:3])))
def test_the_optimal_linear_tax(x64, row):
    name, elasticity, aversion, rate, weight_of_income, ede = row
    n, weight = continuum(QUANTILES[name], POINTS)
    economy, welfare = economy_of(n, elasticity, weight=weight), welfare_of(aversion)
    found = linear(economy, welfare, jnp.asarray(elasticity)).schedule.rates[0]
    assert found == pytest.approx(rate, abs=2e-6)
    assert equivalent(economy, welfare, BracketSchedule([0.0], found[None]))[2] == pytest.approx(
        ede, rel=2e-7
    )
    assert linear_rate(weight_of_income, elasticity=elasticity) == pytest.approx(rate, abs=3e-10)


def test_linear_rates_of_many_elasticities_in_both_precisions(eps):
    n, tried = grid("LN", 100), np.linspace(0.3, 0.6, 3001)
    economies = [economy_of(n, e) for e in (0.25, 0.4)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *economies)
    elasticities = jnp.array([0.25, 0.4])
    found = jax.jit(jax.vmap(lambda economy, e: linear(economy, Atkinson(1.0), e)))(
        batch, elasticities
    )
    for rate, elasticity in zip(found.schedule.rates[:, 0], (0.25, 0.4), strict=True):
        worth = [reference_solve(n, np.zeros(1), [t], elasticity).equivalent(1) for t in tried]
        assert float(rate) == pytest.approx(tried[np.argmax(worth)], abs=1e-4)


# Oracles, section 2.3: the best seven brackets on the grid, and their equivalent.
GOLD = [
    ("GB2", 0.25, 1, [0.6040, 0.5479, 0.5248, 0.5420, 0.5629, 0.5829, 0.5985], 40887.824421),
    ("GB2", 0.25, 2, [0.6930, 0.6372, 0.6063, 0.6083, 0.6150, 0.6223, 0.6159], 39187.034244),
    ("GB2", 0.25, np.inf, [0.9598, 0.8293, 0.7038, 0.6563, 0.6388, 0.6325, 0.6213], 33446.510760),
    ("GB2", 0.4, 1, [0.5278, 0.4622, 0.4323, 0.4436, 0.4595, 0.4757, 0.4862], 35472.279052),
    ("GB2", 0.5, 1, [0.4894, 0.4199, 0.3876, 0.3961, 0.4112, 0.4248, 0.4349], 32672.593644),
    ("LN", 0.25, 1, [0.4098, 0.4578, 0.4700, 0.4636, 0.4521, 0.4399, 0.3718], 47609.932270),
    ("LN", 0.25, 2, [0.5241, 0.5624, 0.5604, 0.5369, 0.5109, 0.4817, 0.3330], 45778.110336),
    ("LN", 0.25, np.inf, [0.9752, 0.8294, 0.6828, 0.5960, 0.5363, 0.5029, 0.4216], 38209.345708),
    ("LN", 0.4, 1, [0.3412, 0.3765, 0.3792, 0.3662, 0.3500, 0.3330, 0.2258], 41745.823597),
    ("LN", 0.5, 1, [0.3091, 0.3379, 0.3363, 0.3211, 0.3051, 0.2879, 0.2450], 38649.618464),
]


@pytest.mark.parametrize("row", GOLD, ids=lambda row: "-".join(map(str, row[:3])))
def test_the_fixed_point_is_the_best_schedule(x64, row):
    name, elasticity, aversion, rates, gold = row
    economy, welfare = economy_of(grid(name, POINTS), elasticity), welfare_of(aversion)
    found = converged(
        economy, jnp.array(THRESHOLDS), welfare, jnp.asarray(elasticity), jnp.asarray(1e-3)
    )
    assert found.converged
    assert found.gap <= 1e-3
    assert found.steps < 30
    assert equivalent(economy, welfare, found.schedule)[2] == pytest.approx(gold, rel=1.2e-5)
    # Section 0: to 0.003 where the bracket holds 1 % of people, to 0.03 where it holds 0.1 %.
    outcome = solve(economy, found.schedule).outcome
    share = statistics_of(economy, found.schedule, outcome, welfare).share
    off = np.abs(np.asarray(found.schedule.rates) - rates)
    assert np.all(off[share > 0.01] < 0.003)
    assert np.all(off[share > 0.001] < 0.03)


def test_a_second_call_compiles_nothing(x64, compilations):
    thresholds, elasticity, tolerance = jnp.array(THRESHOLDS), jnp.asarray(0.3), jnp.asarray(1e-3)
    first = economy_of(grid("LN", POINTS), 0.3)
    second = economy_of(grid("GB2", POINTS), 0.4)
    converged(first, thresholds, Atkinson(1.0), elasticity, tolerance)
    with compilations() as seen:
        converged(second, thresholds, Atkinson(2.0), elasticity, tolerance)
    assert not seen


def test_a_gap_that_stays_is_told(x64):
    # With 300 workers the statistics are steps, so that seven rates agree with them by chance
    # alone.
    economy = economy_of(grid("BP", 300), 1.0)
    found = converged(
        economy, jnp.array(THRESHOLDS), Rawlsian(), jnp.asarray(1.0), jnp.asarray(1e-9)
    )
    assert not found.converged
    assert found.steps == 100
    assert 1e-9 < found.gap < 0.05


def test_steps_that_overshoot_are_halved(x64):
    # Elastic incomes spread evenly: half-way steps swing between two rates of the second bracket
    # for ever.
    n = 1e4 + 9e4 * (np.arange(1000) + 0.5) / 1000
    economy, welfare = economy_of(n, 4.0), Rawlsian()
    found = converged(economy, jnp.array(THRESHOLDS), welfare, jnp.asarray(4.0), jnp.asarray(1e-3))
    assert found.converged
    assert found.steps < 30
    rates = np.asarray(found.schedule.rates)
    best = reference_solve(n, THRESHOLDS, rates, 4.0).utility.min()
    for step in 0.02 * np.vstack([np.eye(7), -np.eye(7)])[[0, 1, 7, 8]]:
        assert reference_solve(n, THRESHOLDS, rates + step, 4.0).utility.min() < best * (1 + 1e-3)


# One thousand lognormal workers, and the flat tax that is best for them by search.
MEDIAN = 40000 * np.exp(0.6 * ndtri((np.arange(1000) + 0.5) / 1000))
BOUND_AT = 1 - (30 / 40) ** 4  # where (1 - t)^(1/4) * 40 hours are 30
CONSUMPTION_COUNTS = {
    "risk aversion": (GHH(2.0, elasticity=0.25, unit=1e4), jnp.inf, Utilitarian(), 0.49),
    "longest week": (Quasilinear(0.25), 30.0, Atkinson(1.0), BOUND_AT),
}


@pytest.mark.parametrize("name", CONSUMPTION_COUNTS)
def test_a_weight_is_that_of_a_dollar_of_consumption(x64, name):
    preferences, max_labor, welfare, expected = CONSUMPTION_COUNTS[name]
    preferences, welfare = (
        jax.tree.map(lambda x: jnp.asarray(float(x)), x) for x in (preferences, welfare)
    )
    economy = Economy(
        population=Population(MEDIAN / 40), preferences=preferences, max_labor=max_labor
    )
    found = converged(economy, jnp.zeros(1), welfare, jnp.asarray(0.25), jnp.asarray(1e-3))
    assert found.converged
    tried = jnp.linspace(0.0, 0.9, 91)
    worth = jax.jit(
        jax.vmap(lambda t: equivalent(economy, welfare, BracketSchedule([0.0], t[None]))[2])
    )(tried)
    assert tried[jnp.argmax(worth)] == pytest.approx(expected, abs=0.006)
    assert found.schedule.rates[0] == pytest.approx(float(tried[jnp.argmax(worth)]), abs=0.006)
    if name == "longest week":  # a kink: nobody responds to lower rates
        assert found.schedule.rates[0] == pytest.approx(BOUND_AT, abs=1e-3)


def test_whom_a_floor_feeds_a_dollar_more_does_not_help(x64):
    economy = economy_of([20000.0, 50000.0, 90000.0], 0.25, consumption_floor=40000.0)
    schedule = BracketSchedule([0.0], [0.3])
    outcome = solve(economy, schedule).outcome
    assert outcome.floored == pytest.approx(1 / 3)
    found = statistics_of(economy, schedule, outcome, Utilitarian())
    assert found.weighted_base[0] == pytest.approx(float(outcome.income[1:].mean()), rel=1e-12)


def test_where_nobody_counts_no_rate_is_implied(x64):
    economy = economy_of([20000.0, 50000.0], 0.25, spending=1e6)
    schedule = BracketSchedule([0.0], [0.3])
    statistics = statistics_of(economy, schedule, solve(economy, schedule).outcome, Atkinson(1.0))
    rates = saez_rates(statistics, elasticity=0.25, current=schedule.rates)
    assert jnp.isnan(rates).all()
    with pytest.raises(ValueError, match=r"all being below a floor: lower spending.*nan"):
        damped_step(schedule.rates, rates)
    with pytest.raises(Exception, match="all being below a floor: lower spending"):
        converged(economy, jnp.zeros(1), Atkinson(1.0), jnp.asarray(0.25), jnp.asarray(1e-3))
    with pytest.raises(ValueError, match=r"all being below a floor: lower spending.*nan"):
        converged_saez(economy, schedule, Atkinson(1.0))
    with nan_where_illegal():
        found = jax.jit(lambda law: converged_saez(economy, law, Atkinson(1.0)))(schedule)
    assert jnp.isnan(found.gap)
    assert not found.converged
    assert found.steps == 1


def test_a_bracket_in_which_nobody_responds(x64):
    # Everybody passes and nobody is inside: a rate goes all the way to where more is worth it.
    statistics = BracketStatistics(
        share=jnp.zeros(3),
        base=jnp.array([4.0, 4.0, 4.0]),
        weighted_base=jnp.array([3.0, 5.0, 4.0]),
        active=jnp.zeros(3),
    )
    found = saez_rates(statistics, elasticity=0.5, current=jnp.array([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(found, [1.0, -1.0, 0.3])
    np.testing.assert_allclose(
        damped_step(jnp.array([0.5]), jnp.array([0.875])), [0.75], atol=1e-15
    )
    assert damped_step(jnp.array([0.0]), jnp.array([1.0]), 1.0)[0] == pytest.approx(0.999)


def test_the_fixed_point_moves_with_the_elasticity(x64):
    economy = economy_of(grid("LN", 100), 0.25)
    rate = jax.jit(lambda e: linear(economy, Atkinson(1.0), e).schedule.rates[0])
    _, slope = jax.jvp(rate, (0.25,), (1.0,))
    assert slope == pytest.approx(float(rate(0.2501) - rate(0.2499)) / 2e-4, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pareto_index(jnp.ones(3), jnp.ones(3)), "threshold is one number"),
        (
            lambda: pareto_index(jnp.ones(3), 0.5, jnp.ones(1)),
            r"one entry for each worker.*\(3,\) and \(1,\)",
        ),
        (lambda: pareto_index(jnp.array([1.0, np.inf]), 0.5), "mend entry 1, inf"),
        (
            lambda: saez_rates(STATISTICS, elasticity=0.2, current=jnp.ones(1)),
            r"2 brackets; got shape \(1,\)",
        ),
        (
            lambda: saez_rates(STATISTICS, elasticity=-0.2, current=jnp.ones(2)),
            "positive number.*-0.2",
        ),
        (lambda: saez_rates(STATISTICS, current=jnp.ones(2)), "no elasticity: give one"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


STATISTICS = BracketStatistics(*jnp.ones((4, 2)).astype(float))


@pytest.mark.parametrize("kind", [Quasilinear, lambda elasticity: GHH(2.0, elasticity=elasticity)])
def test_the_elasticity_of_a_bracket_is_that_of_the_income_which_responds(kind):
    own, weight = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.1, 0.2, 0.3, 0.4])

    def found(rate):
        population = Population([500.0, 1000.0, 1500.0, 5000.0], elasticity=own, weight=weight)
        economy = Economy(population=population, preferences=kind(0.3))
        schedule = BracketSchedule([0.0, 100_000.0, 1e9], [rate, rate, 0.0])
        outcome = solve(economy, schedule).outcome
        return statistics_of(economy, schedule, outcome, Utilitarian()), np.asarray(outcome.income)

    with float64():
        statistics, income = found(0.3)
        part = income[:3] * weight[:3] / (income[:3] @ weight[:3])
        mean = part @ own[:3]
        # Nobody earns a billion: everybody counts there.
        np.testing.assert_allclose(statistics.elasticity, [mean, 0.9, weight @ own], rtol=1e-12)
        variance = part @ (own[:3] - mean) ** 2
        np.testing.assert_allclose(statistics.elasticity_variance[:2], [variance, 0], rtol=1e-9)
        # It is the log change of the bracket's income over that of the net-of-tax rate.
        more, less = (np.log(found(1 - 0.7 * np.exp(move))[0].active[:2]) for move in (1e-4, -1e-4))
        np.testing.assert_allclose((more - less) / 2e-4, statistics.elasticity[:2], rtol=1e-6)


def test_workers_counted_twice_jump_as_if_counted_once():
    # With more than 129 workers, types that enter a bracket are read off a table over elasticities.
    random = np.random.default_rng(5)
    own = np.stack([random.permutation(grid("GB2", 100)) / 40, random.uniform(0.1, 0.6, 100)])
    falling = BracketSchedule(THRESHOLDS, np.linspace(0.8, 0.2, 7))

    def found(times):
        skill, elasticity = np.repeat(own, times, axis=1)
        people = Population(skill, elasticity=elasticity, taste=np.full(skill.shape, 0.3))
        economy = Economy(population=people, preferences=Quasilinear(0.25), max_labor=50.0)
        return jump_revenue(economy, falling, bandwidth=0.3)

    with float64():
        once, twice = found(1), found(2)
        assert np.any(once != 0)
        np.testing.assert_allclose(twice, once, rtol=1e-3)


@pytest.mark.long
def test_the_fixed_point_with_the_workers_own_elasticities_meets_the_first_order_conditions():
    skill = np.random.default_rng(3).permutation(grid("GB2", POINTS)) / 40
    own = 0.25 * np.exp(0.5 * ndtri((np.arange(POINTS) + 0.5) / POINTS))
    economy = Economy(population=Population(skill, elasticity=own), preferences=Quasilinear(0.25))
    evaluate = RationalEvaluator(economy, Rawlsian())
    heard, told = (
        evaluate.value_and_grad(
            converged(economy, THRESHOLDS, Rawlsian(), elasticity, 1e-4).schedule
        )
        for elasticity in (None, 0.25)
    )
    # A rate's gradient in dollars, over what it would gain if nobody responded.
    off, off_told = (np.abs(report.gradient / report.brackets.base) for report in (heard, told))
    assert off.max() < 0.01 < off_told.max()


@pytest.mark.parametrize("option", ["elasticity", "tolerance"])
def test_bad_options(option):
    options = {"elasticity": 0.3, "tolerance": 1e-3, option: 0.0}
    with pytest.raises(ValueError, match=f"{option} must be a positive number"):
        converged_saez(
            economy_of([100.0], 0.3), BracketSchedule([0.0], [0.1]), Rawlsian(), **options
        )


# Oracles, section 2.5: Pareto(L, alpha), e, optimal rate, u_min; and the quantile grid at that
# rate.
PARETO = [
    (8000.0, 2.0, 0.25, 9725.89677634, (8087.58048999, 9708.58354871, 12131.37073498)),
    (8000.0, 1.6, 0.50, 9481.48148148, (7818.28486858, 9398.55647402, 14072.91276344)),
    (5000.0, 1.5, 0.40, 7237.28592065, (6220.82111162, 7125.49692969, 9953.31377859)),
]


@pytest.mark.parametrize("row", PARETO, ids=lambda row: "-".join(map(str, row[:3])))
def test_pareto_and_rawls_make_all_rates_equal(x64, row):
    lowest, index, elasticity, worst, _ = row
    n, weight = continuum(pareto_quantile(lowest, index), POINTS)
    economy = economy_of(n, elasticity, weight=weight)
    best = converged(
        economy, jnp.array(THRESHOLDS), Rawlsian(), jnp.asarray(elasticity), jnp.asarray(1e-3)
    ).schedule
    np.testing.assert_allclose(best.rates, 1 / (1 + index * elasticity), atol=1e-3)
    _, income, found = equivalent(economy, Rawlsian(), best)
    assert found == pytest.approx(worst, rel=1e-5)
    assert found == pytest.approx(
        float(income) / (1 + elasticity), rel=1e-3
    )  # section 1, identity 6


@pytest.mark.parametrize("row", PARETO, ids=lambda row: "-".join(map(str, row[:3])))
def test_pareto_grid_at_the_theoretical_rate(x64, row):
    lowest, index, elasticity, _, (rebate, worst, income) = row
    u = (np.arange(20000) + 0.5) / 20000
    economy = economy_of(pareto_quantile(lowest, index)(u, 1 - u), elasticity)
    schedule = BracketSchedule(THRESHOLDS, np.full(7, 1 / (1 + index * elasticity)))
    np.testing.assert_allclose(
        equivalent(economy, Rawlsian(), schedule), (rebate, income, worst), rtol=1e-12, atol=5.1e-9
    )


def test_the_planner_finds_the_optimum_where_rates_rise(x64):
    # Section 1, formula 5: exact for a convex schedule.
    n, weight = continuum(lognormal_pareto_quantile, 4000)
    economy = economy_of(n, 0.25, weight=weight)
    evaluate = RationalEvaluator(economy, Atkinson(1.0))
    start = BracketSchedule([0.0, 60000, 150000], [0.4, 0.5, 0.6])
    best = plan(jax.random.key(0), SaezPlanner(start, 0.25), evaluate, steps=30).recommended
    assert np.all(np.diff(best.rates) > 0), "the economy was chosen for rising rates"
    worth = reference_solve(
        n, start.thresholds, np.asarray(best.rates), 0.25, weight=weight
    ).equivalent(1)
    for step in 0.001 * np.vstack([np.eye(3), -np.eye(3)]):
        moved = reference_solve(
            n, start.thresholds, np.asarray(best.rates) + step, 0.25, weight=weight
        )
        assert moved.equivalent(1) < worth
