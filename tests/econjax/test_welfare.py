import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads

from econjax import (
    GHH,
    Atkinson,
    BracketSchedule,
    Economy,
    InverseIncome,
    Isoelastic,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    bracket_statistics,
    settle,
)
from econjax.welfare import WeightedUtilitarian, consumption_equivalent_gain, require_dollars
from tests.helpers.laboratory import economy_of, equivalent, float64, outcome_of, welfare_of
from tests.helpers.reference import (
    THRESHOLDS,
    US_2024,
    continuum,
    gb2_quantile,
    grid,
    lognormal_quantile,
    tax,
)

FOUR = Population(np.ones(4))
utilities = st.lists(st.floats(10.0, 1e6), min_size=4, max_size=4)
MEASURES = [Utilitarian, lambda: Atkinson(0.5), Atkinson, lambda: Atkinson(2.0), Rawlsian]


def test_values_of_one_to_four(x64):
    u = outcome_of([1.0, 2, 3, 4])
    assert Utilitarian()(FOUR, u) == pytest.approx(2.5)
    assert Atkinson(1.0)(FOUR, u) == pytest.approx(np.log(24) / 4, rel=1e-14)
    assert Atkinson(2.0)(FOUR, u) == pytest.approx(-(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, rel=1e-14)
    assert Atkinson(0.5)(FOUR, u) == pytest.approx((1 + 2**0.5 + 3**0.5 + 2) / 2, rel=1e-14)
    assert Rawlsian()(FOUR, u) == 1


@pytest.mark.parametrize(
    ("aversion", "index"), [(0.5, 0.055585857370), (1.0, 0.114654464240), (2.0, 0.232)]
)
def test_equivalents_are_those_of_the_atkinson_index(x64, aversion, index):
    # Oracles, section 7a: Atkinson index of [1, 2, 3, 4] = 1 - EDE / 2.5.
    found = Atkinson(aversion).equivalent(FOUR, outcome_of([1.0, 2, 3, 4]))
    assert 1 - found / 2.5 == pytest.approx(index, abs=5.1e-13)


@pytest.mark.parametrize("measure", MEASURES)
@given(utilities, st.floats(1.1, 100))
def test_equivalents_are_means(measure, u, factor):
    with float64():
        w = measure()
        found = float(w.equivalent(FOUR, outcome_of(u)))
        assert min(u) * (1 - 1e-12) <= found <= np.mean(u) * (1 + 1e-12)
        assert w.equivalent(FOUR, outcome_of(np.array(u) * factor)) == pytest.approx(
            found * factor, rel=1e-11
        )
        assert w.equivalent(FOUR, outcome_of(np.full(4, u[0]))) == pytest.approx(u[0], rel=1e-12)
        assert w.equivalent(FOUR, outcome_of(u[::-1])) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
@given(utilities, utilities)
def test_equivalents_rank_as_welfare_does(measure, one, other):
    with float64():
        w, a, b = measure(), outcome_of(one), outcome_of(other)
        difference = float(w.equivalent(FOUR, a) - w.equivalent(FOUR, b))
        if abs(difference) > 1e-6 * max(*one, *other):
            assert (w(FOUR, a) > w(FOUR, b)) == (difference > 0)


def test_aversion_one_is_the_limit(x64):
    u = outcome_of([100.0, 2000, 30000, 400000])
    exact = float(Atkinson(1.0).equivalent(FOUR, u))
    for aversion in (1 - 1e-6, 1 + 1e-6):
        assert Atkinson(aversion).equivalent(FOUR, u) == pytest.approx(exact, rel=1e-5)


def test_weights_are_shares_of_the_population(x64):
    once, twice = Population(np.ones(2), weight=[0.25, 0.75]), Population(np.ones(4))
    for measure in MEASURES:
        np.testing.assert_allclose(
            measure()(once, outcome_of([10.0, 50])),
            measure()(twice, outcome_of([10.0, 50, 50, 50])),
            rtol=1e-14,
        )


@pytest.mark.parametrize("measure", MEASURES)
def test_weightless_workers_count_for_nothing(x64, measure):
    with_ghost = Population(np.ones(3), weight=[0.0, 0.5, 0.5])
    found = measure().equivalent(with_ghost, outcome_of([-5.0, 20, 80]))
    alone = measure().equivalent(Population(np.ones(2)), outcome_of([20.0, 80]))
    assert found == pytest.approx(float(alone), rel=1e-13)


def test_utilities_below_the_floor_count_as_the_floor(x64):
    u, raised = outcome_of([-100.0, 0, 30, 40]), outcome_of([1.0, 1, 30, 40])
    for aversion in (0.5, 1.0, 2.0):
        w = Atkinson(aversion)
        np.testing.assert_allclose(w.equivalent(FOUR, u), w.equivalent(FOUR, raised), rtol=1e-14)
        assert w.floored(FOUR, u) == pytest.approx(0.5)
        assert w.floored(FOUR, raised) == 0
    assert Atkinson(1.0, floor=35.0).floored(FOUR, u) == pytest.approx(0.75)
    assert Utilitarian().floored(FOUR, u) == 0
    assert Rawlsian().floored(FOUR, u) == 0
    assert Rawlsian().equivalent(FOUR, u) == -100


def test_the_derivative_of_mean_log_utility(x64):
    u = np.array([2.0, 3, 4, 5])
    gradient = jax.grad(lambda x: Atkinson(1.0)(FOUR, outcome_of(x)))(jnp.array(u))
    np.testing.assert_allclose(gradient, 1 / (4 * u), rtol=1e-14)


def test_float32_aversion_two_keeps_its_digits():
    # Oracles, section 9c: in dollars one float32 step of (c^(1-a) - 1)/(1-a), a = 2, is $149 at
    # $50,000.
    u = np.linspace(49000, 51000, 1001)
    people = Population(np.ones(1001))
    expected = 1 / np.mean(1 / u)
    assert Atkinson(2.0).equivalent(people, outcome_of(u)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("aversion", [3.0, 5.0])
def test_float32_does_not_underflow_at_high_aversion(aversion):
    # u^(1-a) of $2e5 at a = 5 is 6e-22; of $1e10, 1e-40, below the smallest float32.
    u = np.array([1e4, 2e5, 1e8, 1e10])
    expected = np.mean(u ** (1 - aversion)) ** (1 / (1 - aversion))
    assert Atkinson(aversion).equivalent(FOUR, outcome_of(u)) == pytest.approx(expected, rel=1e-5)


def test_inverse_income_with_a_floor(x64):
    u, income = [10.0, 20, 30, 40], [0.0, 0.5, 10, 2000]
    outcome = outcome_of(u, income)
    assert InverseIncome(1.0)(FOUR, outcome) == pytest.approx((10 + 20 + 3 + 0.02) / 4, rel=1e-14)
    assert InverseIncome(1000.0)(FOUR, outcome) == pytest.approx((0.06 + 0.02) / 4, rel=1e-14)
    # llm_economist 1.7: without a floor, workers with z = 0 are skipped (in the sum).
    assert InverseIncome(0.0)(FOUR, outcome) == pytest.approx((40 + 3 + 0.02) / 4, rel=1e-14)
    assert InverseIncome(0.0).equivalent(FOUR, outcome) == pytest.approx(
        (40 + 3 + 0.02) / 4, rel=1e-14
    )


def test_inverse_income_has_finite_derivatives_at_zero_income(x64):
    def welfare(income):
        return InverseIncome(0.0)(FOUR, outcome_of([10.0, 20, 30, 40], income))

    assert np.all(np.isfinite(jax.grad(welfare)(jnp.array([0.0, 0.5, 10, 2000]))))


GROUPS = {"GB2": gb2_quantile, "LN": lognormal_quantile}
RAWLS = np.inf
# Oracles, section 2.2: rates to five digits, EDE, rebate, mean income of the continuum.
CONTINUUM = [
    ("GB2", 0.25, 1, "0.60399 0.54771 0.52462 0.54185 0.56269 0.58257 0.61135",
     40923.602128, 27061.4117, 48594.4224),
    ("GB2", 0.25, 2, "0.69313 0.63709 0.60623 0.60820 0.61534 0.62126 0.62719",
     39223.136501, 29717.1690, 46506.3676),
    ("GB2", 0.25, RAWLS, "0.95979 0.82931 0.70379 0.65483 0.63896 0.63292 0.62900",
     33480.562084, 33480.5621, 41892.6903),
    ("GB2", 0.4, 1, "0.52767 0.46214 0.43226 0.44343 0.46010 0.47637 0.50004",
     35500.753267, 21849.3065, 46530.9800),
    ("GB2", 0.5, 1, "0.48859 0.41981 0.38764 0.39606 0.41059 0.42497 0.44597",
     32697.716295, 19450.3988, 45588.9846),
    ("LN", 0.25, 1, "0.40961 0.45786 0.46982 0.46365 0.45184 0.43688 0.39853",
     47611.236255, 25586.0669, 56729.9837),
    ("LN", 0.25, 2, "0.52410 0.56219 0.56043 0.53698 0.51027 0.48297 0.42103",
     45779.294749, 29831.8530, 54281.5448),
    ("LN", 0.25, RAWLS, "0.97744 0.82897 0.68309 0.59562 0.53885 0.49948 0.42352",
     38192.502314, 38192.5023, 47804.0789),
    ("LN", 0.4, 1, "0.34126 0.37651 0.37904 0.36596 0.35048 0.33401 0.29563",
     41746.796548, 20235.3651, 55019.8417),
    ("LN", 0.5, 1, "0.30905 0.33796 0.33654 0.32125 0.30506 0.28881 0.25220",
     38650.548753, 17841.0380, 54250.5453),
]  # fmt: skip


@pytest.mark.parametrize("row", CONTINUUM, ids=lambda row: "-".join(map(str, row[:3])))
def test_the_continuum(x64, row):
    name, elasticity, aversion, rates, ede, rebate, income = row
    n, weight = continuum(GROUPS[name], 400_001)
    economy = economy_of(n, elasticity, weight=weight)
    found = equivalent(
        economy, welfare_of(aversion), BracketSchedule(THRESHOLDS, np.fromstring(rates, sep=" "))
    )
    # Rates of five digits move the rebate and mean income by 1e-5; the EDE is flat there, but for
    # Rawls.
    np.testing.assert_allclose(found[:2], [rebate, income], rtol=2e-5)
    # Under Rawls the continuum's worst-off has the rebate alone (section 9.9); no grid reaches it.
    value = found[0] if aversion == RAWLS else found[2]
    assert value == pytest.approx(ede, rel=2e-6)  # a jump within one cell of the quadrature


@pytest.mark.parametrize(
    ("rates", "mean"),
    [(np.zeros(7), 47399.363059), (np.full(7, 0.1), 47321.336128), (US_2024, 46894.454806)],
)
def test_mean_utility_of_the_continuum(x64, rates, mean):
    # Oracles, section 2.5: GB2, e = .25; E[n] / (1 + e) without a tax.
    n, weight = continuum(gb2_quantile)
    economy = economy_of(n, 0.25, weight=weight)
    *_, found = equivalent(economy, Utilitarian(), BracketSchedule(THRESHOLDS, rates))
    assert found == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_aversion_is_not_negative(bad):
    with pytest.raises(ValueError, match=str(bad)):
        Atkinson(bad)


@pytest.mark.parametrize("aversion", [0.0, 0.5, 0.995, 1.0, 1.0001, 1.02, 2.0, 8.0, 30.0])
def test_any_aversion_fits_into_float32(aversion):
    u = np.geomspace(2.0, 2e6, 1001)
    power = 1 - aversion
    logs = np.log(u)
    exact = np.exp(
        logs.mean() if power == 0 else (np.logaddexp.reduce(power * logs) - np.log(u.size)) / power
    )
    found = Atkinson(aversion).equivalent(Population(np.ones(u.size)), outcome_of(u))
    assert found.dtype == jnp.float32
    assert float(found) == pytest.approx(exact, rel=2e-5)


def test_the_equivalent_is_smooth_in_aversion(x64):
    u = outcome_of(np.geomspace(2.0, 2e6, 101))
    people = Population(np.ones(101))
    aversion = np.array([0.98, 0.9899, 0.9901, 0.9999, 1.0, 1.0001, 1.0099, 1.0101, 1.02])
    found = [float(Atkinson(float(a)).equivalent(people, u)) for a in aversion]
    slopes = np.diff(np.log(found)) / np.diff(aversion)
    assert np.ptp(slopes) < 0.05 * np.abs(slopes).min()


@pytest.mark.parametrize("aversion", [0.9, 1.0, 1.1])
def test_the_derivative_of_the_equivalent_with_respect_to_aversion(x64, aversion):
    u, weight = outcome_of([100.0, 2000, 30000, 400000]), [0.1, 0.4, 0.3, 0.2]
    value = jax.jit(
        lambda a: Atkinson(a).equivalent(Population(jnp.ones(4), weight=jnp.array(weight)), u)
    )
    difference = (value(aversion + 1e-4) - value(aversion - 1e-4)) / 2e-4
    assert jax.grad(value)(aversion) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Atkinson(-1), "aversion must be a number, 0 or more. Got -1"),
        (lambda: Atkinson(np.inf), "aversion must be finite.*use Rawlsian. Got inf"),
        (lambda: Atkinson(floor=0), "must be a positive number. Got 0"),
        (lambda: InverseIncome(-5), "must be a number, 0 or more. Got -5"),
        (lambda: Atkinson([1.0, 2.0]), r"one number; got an array of shape \(2,\). Use vmap"),
        (lambda: Rawlsian(0), "temperature must be a positive number. Got 0"),
        (lambda: WeightedUtilitarian([1.0, -3.0]), "finite and 0 or more: mend entry 1, -3"),
        (lambda: WeightedUtilitarian([[1.0]]), r"a flat array; got one of shape \(1, 1\)"),
        (
            lambda: WeightedUtilitarian([1.0])(FOUR, outcome_of([1.0, 2, 3, 4])),
            "each of 4 workers; got 1",
        ),
        (
            lambda: WeightedUtilitarian(np.zeros(4))(FOUR, outcome_of([1.0, 2, 3, 4])),
            "above 0 for somebody",
        ),
    ],
)
def test_illegal_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


EVERY = {
    "utilitarian": Utilitarian,
    "atkinson 1": Atkinson,
    "atkinson 2": lambda: Atkinson(2.0),
    "rawlsian": Rawlsian,
    "soft rawlsian": lambda: Rawlsian(3000.0),
    "weighted": lambda: WeightedUtilitarian([3.0, 1, 0, 2]),
    "inverse income": lambda: InverseIncome(1000.0),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("people", "utility"), [(1, [5.0, 6, 7]), (3, [5.0])])
def test_outcome_and_population_are_of_the_same_workers(name, people, utility):
    population, outcome = Population(np.ones(people)), outcome_of(utility)
    welfare = WeightedUtilitarian(np.ones(people)) if name == "weighted" else EVERY[name]()
    for value in (welfare, welfare.equivalent):
        with pytest.raises(
            ValueError, match=f"of {len(utility)} workers and the population of {people}:"
        ):
            value(population, outcome)
    if isinstance(welfare, Atkinson):
        with pytest.raises(ValueError, match="evaluate an outcome with the population"):
            welfare.floored(population, outcome)


@pytest.mark.parametrize("name", EVERY)
def test_derivatives(x64, name):
    w, people = EVERY[name](), Population(np.ones(4), weight=[0.1, 0.4, 0.3, 0.2])

    @jax.jit
    def values(utility, income):
        outcome = outcome_of(utility, income)
        return w(people, outcome), w.equivalent(people, outcome)

    u, z = jnp.array([9000.0, 5000, 20000, 7000]), jnp.array([20000.0, 3000, 50000, 500])
    check_grads(values, (u, z), order=1, modes=["rev"], rtol=1e-6, atol=1e-9, eps=1e-2)


@pytest.mark.parametrize("name", EVERY)
def test_the_weightless_may_be_without_any_utility(x64, name):
    # Separable preferences give -inf where nothing is consumed.
    ghost = Population(np.ones(4), weight=[0.5, 0.25, 0, 0.25])
    found = [
        EVERY[name]()(ghost, outcome_of([1e4, 2e4, u, 3e4], np.full(4, 1e4)))
        for u in (-np.inf, 5.0)
    ]
    assert np.isfinite(found[0])
    assert found[0] == pytest.approx(float(found[1]), rel=1e-14)


def test_the_soft_minimum_by_hand(eps):
    u = [1000.0, 3000, 3000, 9000]
    expected = 1000 - 2000 * np.log((1 + 2 * np.exp(-1) + np.exp(-4)) / 4)
    assert Rawlsian(2000.0)(FOUR, outcome_of(u)) == pytest.approx(expected, rel=10 * eps)
    halves = Population(np.ones(3), weight=[0.25, 0.5, 0.25])
    assert Rawlsian(2000.0)(halves, outcome_of([1000.0, 3000, 9000])) == pytest.approx(
        expected, rel=10 * eps
    )


@given(utilities, st.floats(0.01, 1e5), st.floats(-1e5, 1e5))
def test_the_soft_minimum_lies_between_the_lowest_and_the_mean(u, temperature, gift):
    with float64():
        soft = float(Rawlsian(temperature)(FOUR, outcome_of(u)))
        rounding = 1e-9 * (max(u) + temperature)
        assert min(u) - rounding <= soft <= np.mean(u) + rounding
        assert soft <= min(u) + temperature * np.log(4) + rounding
        assert Rawlsian(temperature / 2)(FOUR, outcome_of(u)) <= soft + rounding
        given_all = Rawlsian(temperature)(FOUR, outcome_of(np.array(u) + gift))
        assert given_all == pytest.approx(soft + gift, abs=rounding + 1e-9 * abs(gift))


def test_the_soft_minimum_tells_cents_apart_in_float32():
    # Two of four at the lowest of $500,000: t log 2 more than the lowest, at t = $0.25.
    u = outcome_of([500_000.0, 500_000, 500_100, 600_000])
    assert Rawlsian(0.25)(FOUR, u) - 500_000 == pytest.approx(0.25 * np.log(2), abs=0.04)
    weights = jax.grad(lambda x: Rawlsian(0.25)(FOUR, outcome_of(x)))(u.utility)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0, 0], atol=1e-6)


def test_social_weights(x64):
    people, u = Population(np.ones(4), weight=[0.1, 0.4, 0.3, 0.2]), outcome_of([10.0, 50, 20, 40])
    weighted = lambda g: float(WeightedUtilitarian(g)(people, u))  # noqa: E731
    assert weighted([5.0, 5, 5, 5]) == pytest.approx(float(Utilitarian()(people, u)), rel=1e-14)
    assert weighted([0.0, 0, 7, 0]) == pytest.approx(20, rel=1e-14)
    assert weighted([3.0, 1, 0, 2]) == pytest.approx(
        (0.3 * 10 + 0.4 * 50 + 0.4 * 40) / 1.1, rel=1e-14
    )
    assert weighted([6.0, 2, 0, 4]) == pytest.approx(weighted([3.0, 1, 0, 2]), rel=1e-14)


def test_at_its_own_marginal_weights_any_welfare_is_a_weighted_mean(x64):
    # Saez and Stantcheva 2016: what a small reform is worth depends on marginal weights alone.
    economy = economy_of([10000.0, 30000, 60000, 200000], 0.25)
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    outcome = settle(economy, schedule, jnp.array([38.0, 40, 39, 36]))
    generalised = WeightedUtilitarian(1 / outcome.utility)
    statistics = eqx.filter_jit(bracket_statistics)
    found, expected = (
        statistics(economy, schedule, outcome, w) for w in (generalised, Atkinson(1.0))
    )
    np.testing.assert_allclose(found.weighted_base, expected.weighted_base, rtol=1e-12)


gain = eqx.filter_jit(consumption_equivalent_gain)
LABOR, HARDER = jnp.array([38.0, 41, 39, 36]).tolist(), jnp.array([40.0, 44, 30, 38]).tolist()


def two_outcomes(preferences, **options):
    """Return an economy of four, its outcome under US rates, and at other hours and a flat rate."""
    population = Population([200.0, 700, 1500, 5000], weight=[0.1, 0.4, 0.3, 0.2])
    economy = Economy(population=population, preferences=preferences, **options)
    before = settle(economy, BracketSchedule(THRESHOLDS, US_2024), jnp.array(LABOR))
    return economy, before, settle(economy, BracketSchedule([0.0], [0.4]), jnp.array(HARDER))


def test_the_gain_of_log_utility(eps):
    economy, before, after = two_outcomes(Isoelastic(1.0, exponent=3.0, scale=1e-6))
    difference = Utilitarian()(economy.population, after) - Utilitarian()(
        economy.population, before
    )
    found = gain(economy, before, after, Utilitarian())
    assert found == pytest.approx(np.expm1(float(difference)), abs=1e2 * eps)


def test_the_gain_of_money_metric_utility(eps):
    economy, before, after = two_outcomes(Quasilinear(0.25))
    weight = economy.population.weight
    expected = weight @ (after.utility - before.utility) / (weight @ before.consumption)
    assert gain(economy, before, after, Utilitarian()) == pytest.approx(
        float(expected), abs=1e2 * eps
    )


@pytest.mark.parametrize("name", EVERY)
def test_everyone_with_a_fifth_more_gains_a_fifth(eps, name):
    economy, before, _ = two_outcomes(Quasilinear(0.25), consumption_floor=15000.0)
    more = jnp.maximum(1.2 * before.consumption, 15000)
    richer = economy.preferences.utility(more, before.labor, economy.population)
    after = eqx.tree_at(lambda o: o.utility, before, richer)
    assert gain(economy, before, after, EVERY[name]()) == pytest.approx(0.2, abs=1e3 * eps)
    assert gain(economy, before, before, EVERY[name]()) == pytest.approx(0, abs=1e2 * eps)


# Oracles, section 2.4: curvature, scale, dollars per unit, median wage; US-2024 W and rebate; W and
# CE gain of the best flat and seven-bracket schedules.
CRRA = {
    "C1": (1, 5.208333333333e-06, 1.0, 1250, 10.599187042, 9941.229,
           [(10.664674352, 0.067679), (10.6650127537, 0.068041)]),
    "C4": (2, 1.041666666667e-06, 1e4, 0.125, 0.717870059907, 0.82147354,
           [(0.75027640928, 0.167192), (0.750440985246, 0.168184)]),
}  # fmt: skip


def hours_under_us_rates(wage, curvature, scale, unit, exponent=3):
    """Return hours, consumption and rebate in units: by first-order conditions, as rates rise."""
    rebate = 0.0
    for _ in range(40):
        low, high = np.zeros_like(wage), np.full_like(wage, 200.0)
        for _ in range(60):
            labor = (low + high) / 2
            income = wage * labor
            consumption = income - tax(THRESHOLDS / unit, US_2024, income) + rebate
            rate = US_2024[np.searchsorted(THRESHOLDS / unit, income, side="right") - 1]
            more = (1 - rate) * wage * consumption**-curvature > scale * exponent * labor ** (
                exponent - 1
            )
            low, high = np.where(more, labor, low), np.where(more, high, labor)
        rebate = tax(THRESHOLDS / unit, US_2024, income).mean()
    return labor, income - tax(THRESHOLDS / unit, US_2024, income) + rebate, rebate


@pytest.mark.parametrize("name", CRRA)
def test_the_gain_over_us_rates_with_income_effects(x64, name):
    curvature, scale, unit, median, welfare, us_rebate, best = CRRA[name]
    wage = grid("LN", 2000) / 50000 * median
    labor, consumption, rebate = hours_under_us_rates(wage, curvature, scale, unit)
    assert rebate == pytest.approx(us_rebate, rel=1e-7)
    preferences = Isoelastic(float(curvature), exponent=3.0, scale=scale, unit=unit)
    economy = Economy(population=Population(wage * unit), preferences=preferences)
    utility = preferences.utility(
        jnp.array(consumption * unit), jnp.array(labor), economy.population
    )
    before = eqx.tree_at(
        lambda o: (o.labor, o.consumption),
        outcome_of(utility),
        (jnp.array(labor), jnp.array(consumption * unit)),
    )
    assert Utilitarian()(economy.population, before) == pytest.approx(welfare, rel=1e-9)
    for reached, expected in best:
        after = outcome_of(np.full(2000, reached))
        assert gain(economy, before, after, Utilitarian()) == pytest.approx(expected, abs=5.1e-7)


@pytest.mark.parametrize("name", ["atkinson 1", "weighted", "inverse income"])
def test_the_derivative_of_the_gain(x64, name):
    economy, before, after = two_outcomes(Quasilinear(0.25))

    @jax.jit
    def value(utility, consumption, labor):
        one = eqx.tree_at(lambda o: (o.consumption, o.labor), before, (consumption, labor))
        other = eqx.tree_at(lambda o: o.utility, after, utility)
        return consumption_equivalent_gain(economy, one, other, EVERY[name]())

    at = (after.utility, before.consumption, before.labor)
    check_grads(value, at, order=1, modes=["rev"], rtol=1e-5, atol=1e-9, eps=1e-3)


def test_gains_of_one_shape_compile_once_and_in_batches(compilations):
    economy, before, after = two_outcomes(Quasilinear(0.25))
    first = gain(economy, before, after, Atkinson(1.0))
    welfare = Atkinson(3.0)
    with compilations() as seen:
        gain(economy, after, before, welfare)
    assert not seen
    batch = jax.tree.map(lambda a, b: jnp.stack([a, b]), before, after)
    gains = jax.vmap(lambda after: gain(economy, before, after, Atkinson(1.0)))(batch)
    np.testing.assert_allclose(gains, [0, first], atol=1e-5)


def test_a_gain_beyond_reach_is_an_error():
    economy, before, _ = two_outcomes(Quasilinear(0.25))
    after = eqx.tree_at(lambda o: o.utility, before, 1e9 + before.utility)
    with pytest.raises(ValueError, match=r"by a factor of 1/1000 to 1000 is as good .* Got \["):
        consumption_equivalent_gain(economy, before, after, Utilitarian())
    with pytest.raises(RuntimeError, match="by a factor of 1/1000 to 1000"):
        jax.block_until_ready(gain(economy, before, after, Utilitarian()))


def test_a_gain_where_welfare_does_not_move_is_an_error():
    economy, before, after = two_outcomes(Quasilinear(0.25))
    with pytest.raises(ValueError, match="must rise in this order"):
        consumption_equivalent_gain(economy, before, after, Atkinson(floor=1e9))


@pytest.mark.parametrize(
    "preferences", [Isoelastic(1.0, exponent=3.0, scale=1e-6), GHH(2.0, elasticity=0.25, unit=1e4)]
)
def test_atkinson_is_of_dollars(preferences):
    economy, before, after = two_outcomes(preferences)
    for call in (
        lambda: require_dollars(economy, Atkinson(2.0)),
        lambda: consumption_equivalent_gain(economy, before, after, Atkinson(2.0)),
    ):
        with pytest.raises(
            ValueError, match=f"Atkinson welfare .*{type(preferences).__name__}.* use Utilitarian"
        ):
            call()
    require_dollars(economy, Rawlsian())
    require_dollars(two_outcomes(Quasilinear(0.25))[0], Atkinson(2.0))


def test_a_welfare_function_says_how_averse_it_is():
    assert float(Utilitarian().constant_aversion) == 0
    assert float(Atkinson(2.5).constant_aversion) == 2.5
    assert float(Rawlsian().constant_aversion) == np.inf
    assert Rawlsian(100.0).constant_aversion is None
    assert InverseIncome(1000.0).constant_aversion is None
