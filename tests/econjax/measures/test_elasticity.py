import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule, us_federal
from econjax.measures.elasticity import (
    Bunching,
    Panel,
    arc_elasticity,
    bunching,
    difference_ols,
    gruber_saez,
    level_ols,
)
from tests.helpers.laboratory import float64
from tests.helpers.reference import grid, solve

# Oracles, section 8: the reform US-2017 -> US-2018 (single) in the GB2 economy of 20000 workers who
# earned 10000 dollars or more. True e; then level OLS, difference OLS, IV without control, with log
# income, with a spline of five pieces.
NO_SHOCKS = [
    (0.25, (-8.6154, 0.2053, 0.2440, 0.2442, 0.2443), 16966, 16336),
    (0.40, (-8.5140, 0.3323, 0.3827, 0.3832, 0.3838), 16892, 16005),
]
# Every worker's n times exp(0.3 x) for a shock x of each year; "diverging" has that of the base
# year in both years, and year two's n times (n / median)^0.05 besides.
SHOCKS = {
    "mean reversion": (0.25, (-8.8701, -4.3890, 1.6483, 0.4189, 0.2084)),
    "diverging": (0.25, (-8.8829, -0.3192, -0.2286, 0.2498, 0.2457)),
    "mean reversion, no response": (1e-6, (-9.0162, -4.6172, 2.4215, 0.5604, 0.3976)),
}

estimate = eqx.filter_jit(
    lambda panel: (
        difference_ols(panel),
        *(gruber_saez(panel, pieces=pieces) for pieces in (0, 1, 5)),
    )
)
panel_of = eqx.filter_jit(Panel)
levels_of = eqx.filter_jit(level_ols)
instrumented = eqx.filter_jit(gruber_saez)


def rational_incomes(n, elasticity, schedule):
    thresholds, rates = np.asarray(schedule.thresholds, float), np.asarray(schedule.rates, float)
    with np.errstate(over="ignore"):  # of the costs of hopeless choices, at an elasticity near 0
        return solve(n, thresholds, rates, elasticity).income


def table_row(income, later, before, after):
    counted = income >= 10000
    incomes = np.concatenate([income, later])
    rates = jnp.concatenate(
        [s.marginal_rate(jnp.array(z)) for s, z in ((before, income), (after, later))]
    )
    levels = levels_of(incomes, rates, weight=np.tile(counted, 2).astype(float))
    panel = panel_of(income, later, before=before, after=after, least_income=10000.0)
    return panel, [levels, *estimate(panel)]


@pytest.mark.parametrize(("elasticity", "row", "observations", "exact"), NO_SHOCKS)
def test_the_table_without_shocks(x64, elasticity, row, observations, exact):
    before, after = us_federal(2017), us_federal(2018)
    income, later = (rational_incomes(grid("GB2"), elasticity, law) for law in (before, after))
    panel, found = table_row(income, later, before, after)
    np.testing.assert_allclose([f.elasticity for f in found], row, atol=5.1e-5)
    assert [f.observations for f in found] == [2 * observations] + [observations] * 4
    # The sub-sample that neither bunches (within a dollar) nor leaves its bracket gives e exactly.
    bunched = sum(
        np.abs(np.subtract.outer(z, law.thresholds[1:])).min(axis=1) < 1
        for z, law in ((income, before), (later, after))
    )
    kept = (bunched == 0) & (np.asarray(panel.rate_change) == np.asarray(panel.predicted_change))
    sub = Panel(
        income, later, before=before, after=after, least_income=1e4, weight=kept.astype(float)
    )
    found = gruber_saez(sub, pieces=0)
    assert found.elasticity == pytest.approx(elasticity, rel=1e-10)
    assert found.observations == exact
    assert found.standard_error < 1e-9


@pytest.mark.parametrize("name", SHOCKS)
def test_the_table_with_shocks(x64, name):
    elasticity, row = SHOCKS[name]
    n, draw = grid("GB2"), np.random.default_rng(12345)
    _, shock, later_shock = (draw.standard_normal(n.size) for _ in range(3))
    before, after = us_federal(2017), us_federal(2018)
    first = n * np.exp(0.3 * shock)
    then = (
        first * (n / np.median(n)) ** 0.05 if name == "diverging" else n * np.exp(0.3 * later_shock)
    )
    incomes = [rational_incomes(m, elasticity, law) for m, law in ((first, before), (then, after))]
    _, found = table_row(*incomes, before, after)
    np.testing.assert_allclose([f.elasticity for f in found], row, atol=6e-5)


def test_levels_tell_the_truth_only_of_rates_drawn_at_random(x64):
    # Oracles, section 8: rates uniform on [0, 0.6] give 0.237550 for a true 0.25.
    n, draw = grid("GB2"), np.random.default_rng(12345)
    draw.standard_normal((3, n.size))
    rates = draw.uniform(0, 0.6, n.size)
    found = level_ols(n * (1 - rates) ** 0.25, rates)
    assert found.elasticity == pytest.approx(0.237550, abs=5.1e-7)
    assert abs(found.elasticity - 0.25) < 2 * found.standard_error
    # The same workers' own rates under a progressive schedule (US-2024, everyone counted):
    # -12.180659.
    law = us_federal(2024)
    income = rational_incomes(n, 0.25, law)
    found = level_ols(income, law.marginal_rate(jnp.array(income)))
    assert found.elasticity == pytest.approx(-12.180659, abs=5.1e-7)
    # Exactly independent rates give exactly e.
    n, rates = (a.ravel() for a in np.meshgrid(n[::200], [0.1, 0.3, 0.5]))
    assert level_ols(n * (1 - rates) ** 0.25, rates).elasticity == pytest.approx(0.25, rel=1e-10)


@given(st.lists(st.tuples(st.floats(1e3, 1e6), st.floats(0, 0.9)), min_size=6, max_size=6))
def test_the_bias_of_levels(workers):
    n, rates = np.array(workers).T
    kept = np.log(1 - rates)
    if kept.std() < 1e-3:
        return
    bias = np.cov(np.log(n), kept)[0, 1] / kept.var(ddof=1)
    with float64():
        found = levels_of(jnp.array(n * (1 - rates) ** 0.3), jnp.array(rates))
        assert found.elasticity == pytest.approx(0.3 + bias, rel=1e-7, abs=1e-7)


def test_two_stage_least_squares_by_hand(x64):
    # The matrix form, with a weight and the sandwich: (Z'X)^-1 Z'y and White's (1980) covariance.
    draw = np.random.default_rng(0)
    before, after = (
        BracketSchedule([0, 3e4, 6e4], [0.1, 0.2, 0.4]),
        BracketSchedule([0, 4e4], [0.3, 0.1]),
    )
    income, later = np.exp(draw.normal(10.8, 0.6, (2, 400)))
    weight = draw.uniform(0.5, 2, 400)
    found = gruber_saez(Panel(income, later, before=before, after=after, weight=weight), pieces=1)
    old, new, predicted = (
        np.log(1 - np.asarray(s.marginal_rate(jnp.array(z))))
        for s, z in ((before, income), (after, later), (after, income))
    )
    y, ones = np.log(later / income), np.ones(400)
    x = np.column_stack([new - old, ones, np.log(income)])
    z = np.column_stack([predicted - old, ones, np.log(income)])
    bread = np.linalg.inv(z.T @ (weight[:, None] * x))
    slope = bread @ z.T @ (weight * y)
    scores = z * (weight * (y - x @ slope))[:, None]
    covariance = bread @ scores.T @ scores @ bread.T
    assert found.elasticity == pytest.approx(slope[0], rel=1e-9)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-9)


def test_who_has_no_logarithm_is_left_out_and_weights_are_people(x64):
    before, after = us_federal(2017), us_federal(2018)
    income, later = (rational_incomes(grid("GB2", 300), 0.25, law) for law in (before, after))

    def found(income, later, weight=None, pieces=1):
        panel = panel_of(income, later, before=before, after=after, weight=weight)
        return instrumented(panel, pieces=pieces)

    expected = found(income, later, pieces=5)
    more, still = (np.append(z, [0.0, 5e4, 5e4]) for z in (income, later))
    still[-2] = 0
    left = found(more, still, np.append(np.ones(302), 0.0), pieces=5)
    order = np.random.default_rng(0).permutation(300)
    shuffled = found(income[order], later[order], pieces=5)
    for other in (left, shuffled):
        np.testing.assert_allclose(other.elasticity, expected.elasticity, rtol=1e-9)
        np.testing.assert_allclose(other.standard_error, expected.standard_error, rtol=1e-9)
        assert other.observations == 300
    # A weight of two is two people.
    some = (np.append(z, z[:100]) for z in (income, later))
    double = found(income, later, np.where(np.arange(300) < 100, 2.0, 1.0))
    np.testing.assert_allclose(found(*some).elasticity, double.elasticity, rtol=1e-9)


def test_float32_estimates_agree():
    with float64():
        before, after = us_federal(2017), us_federal(2018)
        incomes = [rational_incomes(grid("GB2", 2000), 0.25, law) for law in (before, after)]
        double = estimate(Panel(*incomes, before=before, after=after, least_income=1e4))
    single = [z.astype(np.float32) for z in incomes]
    before, after = us_federal(2017), us_federal(2018)
    single = estimate(Panel(*single, before=before, after=after, least_income=1e4))
    assert single[0].elasticity.dtype == jnp.float32
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


def test_a_perturbation_of_all_rates(eps):
    # Everyone keeps 1 % more of every dollar: incomes rise by e log 1.01, but for the bunched.
    law = us_federal(2018)
    more = BracketSchedule(law.thresholds, 1 - 1.01 * (1 - law.rates))
    flat, flatter = (BracketSchedule([0], s.rates[:1]) for s in (law, more))
    n = grid("GB2", 1000)
    for before, after, expected, off in ((flat, flatter, 0.25, 1e3 * eps), (law, more, 0.25, 0.02)):
        income, later = (rational_incomes(n, 0.25, s) for s in (before, after))
        found = arc_elasticity(Panel(income, later, before=before, after=after))
        assert found == pytest.approx(expected, abs=off)


# Oracles, section 3f (lognormal economy): e, threshold, rates, B, h-, h+, Chetty's e, Saez's e, b
# in dollars.
KINKS = [
    (
        0.25,
        47150,
        [0.12, 0.22],
        0.0160381855,
        1.12743437e-05,
        1.12813890e-05,
        0.250112,
        0.249997,
        1422.5383,
    ),
    (
        0.50,
        60000,
        [0.30, 0.50],
        0.0749564505,
        7.89738816e-06,
        6.91370241e-06,
        0.470138,
        0.496294,
        9491.2962,
    ),
    (
        0.10,
        11600,
        [0.00, 0.10],
        0.0008519981,
        6.87639965e-06,
        7.06648021e-06,
        0.101378,
        0.100001,
        123.9018,
    ),
    (
        0.25,
        47150,
        [0.12, 0.14],
        0.0030556099,
        1.12743437e-05,
        1.12770922e-05,
        0.250032,
        0.250000,
        271.0233,
    ),
]


@pytest.mark.parametrize("row", KINKS, ids=lambda row: "-".join(map(str, row[:3])))
def test_bunching_formulas(eps, row):
    _, threshold, rates, excess, below, above, chetty, saez, dollars = row
    found = Bunching(excess, below=below, above=above, threshold=threshold, rates=rates)
    assert found.small_kink() == pytest.approx(chetty, abs=5.1e-7, rel=10 * eps)
    assert found.trapezoid() == pytest.approx(saez, abs=5.1e-7, rel=1e4 * eps)
    assert found.excess / found.below == pytest.approx(dollars, abs=5.1e-5, rel=10 * eps)


@pytest.mark.parametrize("row", KINKS[:2], ids=lambda row: "-".join(map(str, row[:3])))
def test_bunching_in_a_population(x64, row):
    elasticity, threshold, rates, excess, below, above, *_ = row
    law = BracketSchedule([0, threshold], rates)
    income = rational_incomes(grid("LN"), elasticity, law)
    assert np.mean(np.abs(income - threshold) < 1e-6) == pytest.approx(excess, abs=6e-5)
    found = bunching(income, law, bracket=1, window=2000.0)
    # One worker is a share of 5e-5; the bands lie 3000 dollars away, and densities fall by 2-3 %
    # per 1000.
    assert found.excess == pytest.approx(excess, abs=3e-4)
    np.testing.assert_allclose([found.below, found.above], [below, above], rtol=0.1)
    assert found.trapezoid() == pytest.approx(elasticity, rel=0.03)
    half = bunching(np.tile(income, 2), law, bracket=1, window=2000.0, weight=jnp.full(40000, 0.5))
    assert half.excess == pytest.approx(float(found.excess), rel=1e-9)


def test_bunching_and_its_elasticity_have_gradients(x64):
    def elasticity(excess, below, above):
        found = Bunching(excess, below=below, above=above, threshold=47150.0, rates=[0.12, 0.22])
        return found.trapezoid() + found.small_kink()

    at = [0.016, 1.127e-5, 1.128e-5]
    found = jax.grad(elasticity, (0, 1, 2))(*at)
    for i, slope in enumerate(found):
        up, down = ([x * (1 + (j == i) * s) for j, x in enumerate(at)] for s in (1e-6, -1e-6))
        expected = (elasticity(*up) - elasticity(*down)) / (2e-6 * at[i])
        assert slope == pytest.approx(float(expected), rel=1e-7)


@pytest.mark.parametrize("pieces", [0, 5])
def test_estimates_are_compiled_once(compilations, pieces):
    run = eqx.filter_jit(
        lambda income, later, old, new: gruber_saez(
            Panel(income, later, before=old, after=new), pieces=pieces
        )
    )
    laws, income = (us_federal(2017), us_federal(2018)), jnp.linspace(1e4, 2e5, 50)
    first = run(income, income * 1.01, *laws)
    with compilations() as seen:
        second = run(income, income * 1.02, *laws)
    assert not seen
    assert jnp.isfinite(first.elasticity)
    assert jnp.isfinite(second.elasticity)


LAW = BracketSchedule([0, 40000], [0.1, 0.3])
INCOMES = jnp.array([2e4, 3e4, 5e4, 8e4])
SAME = Panel(INCOMES, INCOMES, before=LAW, after=LAW)
BAD = {
    "lengths": (lambda: Panel([1, 2], [1.0], before=LAW, after=LAW), r"\(1,\)", "one length"),
    "weights": (
        lambda: Panel([1, 2], [1, 2], before=LAW, after=LAW, weight=[1, -3]),
        r"-3",
        "weight must be finite, 0 or more: mend entry 1",
    ),
    "nobody": (
        lambda: Panel([1, 2], [1, 2], before=LAW, after=LAW, least_income=9.0),
        r"0\.0",
        "No observation",
    ),
    "infinite": (
        lambda: Panel([1, np.inf], [1, 2], before=LAW, after=LAW),
        "inf",
        "income must be finite",
    ),
    "not a number": (
        lambda: level_ols([1e4, 2e4], [0.2, np.nan]),
        "nan",
        "rate must be finite: mend entry 1",
    ),
    "nobody bunches": (
        lambda: bunching(INCOMES, LAW, bracket=1, window=1e3, weight=jnp.zeros(4)),
        r"0\.0",
        "positive weight",
    ),
    "no reform": (lambda: arc_elasticity(SAME), r"0\.0", "perturb"),
    "no instrument": (lambda: gruber_saez(SAME), r"0\.0", "reform"),
    "equal rates": (lambda: level_ols([1e4, 2e4], [0.2, 0.2]), "Got", "must vary"),
    "pieces": (lambda: gruber_saez(SAME, pieces=-2), "-2", "0 or more"),
    "bracket": (lambda: bunching(INCOMES, LAW, bracket=2, window=1e3), "bracket 2", "1 to 1"),
    "window": (lambda: bunching(INCOMES, LAW, bracket=1, window=3e4), "30000", "fit below"),
    "no density": (lambda: bunching(INCOMES, LAW, bracket=1, window=1.0), r"0\.0", "positive"),
    "three rates": (
        lambda: Bunching(0.1, below=1.0, above=1.0, threshold=1.0, rates=[0.1, 0.2, 0.3]),
        "3",
        "two",
    ),
    "falling": (
        lambda: Bunching(0.1, below=1.0, above=1.0, threshold=1.0, rates=[0.3, 0.2]),
        r"0\.3",
        "rises",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, value, remedy = BAD[name]
    with pytest.raises(ValueError, match=rf"(?s){value}") as error:
        call()
    assert error.match(rf"(?s){remedy}")
