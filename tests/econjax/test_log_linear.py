"""The log-linear schedule: its formulas, and responses and equilibria that have a closed form."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
)
from tests.helpers.laboratory import hours_of, solve
from tests.helpers.reference import hsv_tax

INCOME = np.array([1.0, 1e3, 2e4, 5e4, 1e6])
SKILL = np.geomspace(100.0, 2e4, 25)
PREFERENCES = {
    "quasilinear": lambda: Quasilinear(0.3),
    "GHH": lambda: GHH(2, elasticity=0.3, unit=1e4),
    "isoelastic": lambda: Isoelastic(2, exponent=3, scale=1e-6, unit=1e4),
}


@pytest.mark.parametrize(("scale", "p"), [(7.0, 0.181), (0.7, 0.0), (0.05, -0.2)])
def test_the_tax_is_the_formula_and_its_derivative_the_marginal_rate(eps, scale, p):
    schedule = LogLinearSchedule(scale, p)
    kept = scale * INCOME ** (1 - p)
    np.testing.assert_allclose(
        schedule.tax(jnp.array(INCOME)), INCOME - kept, rtol=50 * eps, atol=50 * eps * kept.max()
    )
    rate = schedule.marginal_rate(jnp.array(INCOME))
    np.testing.assert_allclose(rate, 1 - (1 - p) * kept / INCOME, rtol=50 * eps, atol=50 * eps)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(schedule.tax))(jnp.array(INCOME)), rate, atol=200 * eps
    )


def test_nothing_is_owed_at_an_income_of_zero():
    schedule = LogLinearSchedule(7.0, 0.181)
    assert schedule.tax(jnp.zeros(2)).tolist() == [0, 0]
    assert schedule.marginal_rate(jnp.zeros(())) == -np.inf
    assert schedule.tax(jnp.ones((2, 3))).shape == (2, 3)
    assert np.isfinite(jax.grad(lambda p: LogLinearSchedule(7.0, p).tax(jnp.zeros(())))(0.181))


@pytest.mark.parametrize(
    ("scale", "p", "message"),
    [
        (0.0, 0.1, "scale"),
        (-2, 0.1, "-2"),
        (1, 1.0, "progressivity"),
        (1, 1.5, r"1\.5"),
        ([1, 2], 0.1, "2"),
    ],
)
def test_an_illegal_value_is_named(scale, p, message):
    with pytest.raises(ValueError, match=message):
        LogLinearSchedule(scale, p)


@pytest.mark.parametrize("p", [0.181, 0.6, -0.1])
def test_quasilinear_hours_are_the_closed_form(eps, p):
    # scale * (1 - p) * (s l)^(-p) = taste * (l / 40)^(1/e); the rebate is irrelevant.
    taste = np.linspace(0.5, 2, 25)
    economy = Economy(
        population=Population(SKILL, taste=taste), preferences=Quasilinear(0.3), max_labor=jnp.inf
    )
    log_net = np.log(3 * (1 - p) / taste) - p * np.log(SKILL * 40)
    labor = 40 * np.exp(log_net / (1 / 0.3 + p))
    for rebate in (0.0, -5e3):
        found = hours_of(economy, LogLinearSchedule(3.0, p), rebate)
        np.testing.assert_allclose(found, labor, rtol=50 * eps)


def test_log_utility_without_a_rebate_has_the_same_hours_for_all(eps):
    # Heathcote, Storesletten and Violante (2017): l = ((1 - p) / (taste * scale *
    # delta))^(1/delta).
    economy = Economy(
        population=Population(SKILL), preferences=Isoelastic(1, exponent=3, scale=5e-6)
    )
    for p in (0.181, 0.5):
        expected = ((1 - p) / 1.5e-5) ** (1 / 3)
        np.testing.assert_allclose(
            hours_of(economy, LogLinearSchedule(7.0, p), 0.0), expected, rtol=max(1e-12, 50 * eps)
        )


# Oracles, sections 2.4 and 3g: economy C1.


def balanced(p, wages, weight):
    """Return this progressivity's schedule that collects nothing, by the closed form of hours."""
    income = wages * ((1 - p) * 64000) ** (1 / 3)  # scale * delta = 1 / 64000
    return LogLinearSchedule(weight @ income / (weight @ income ** (1 - p)), p)


def test_welfare_and_the_best_progressivity_are_the_closed_form(x64):
    normal, weight = np.polynomial.hermite_e.hermegauss(40)
    wages, weight = 1250 * np.exp(0.75 * normal), weight / weight.sum()
    economy = Economy(
        population=Population(wages, weight=weight),
        preferences=Isoelastic(1, exponent=3, scale=1 / 192000),
        max_labor=jnp.inf,
    )

    def welfare(p):
        found = solve(economy, balanced(p, wages, weight))
        assert found.rebate == pytest.approx(0, abs=1e-6)
        return float(weight @ np.asarray(found.outcome.utility))

    assert welfare(0.4714423166) == pytest.approx(10.633734225795, abs=2e-12)
    assert welfare(0.181) == pytest.approx(10.572819688117, abs=2e-12)
    assert welfare(0.0) == pytest.approx(10.486444951077, abs=2e-12)
    best = minimize_scalar(
        lambda p: -welfare(p), bounds=(0.3, 0.6), method="bounded", options=dict(xatol=1e-7)
    )
    assert best.x == pytest.approx(0.4714423166, abs=2e-6)
    labor = solve(economy, balanced(0.4714423166, wages, weight)).labor
    np.testing.assert_allclose(labor, 32.34129865, atol=5.1e-9)


@pytest.mark.parametrize("name", PREFERENCES)
def test_without_progressivity_it_is_a_flat_tax(eps, name):
    population = Population(SKILL, fixed_cost=100 * SKILL**0.5)
    economy = Economy(population=population, preferences=PREFERENCES[name]())
    one = hours_of(economy, LogLinearSchedule(0.6, 0.0), 1000.0)
    np.testing.assert_allclose(
        one, hours_of(economy, BracketSchedule([0], [0.4]), 1000.0), rtol=100 * eps
    )


def test_many_brackets_approach_it(x64):
    # Chords of a convex tax; the incomes of all these workers lie above the first bracket.
    economy = Economy(population=Population(SKILL), preferences=Quasilinear(0.3))
    smooth = hours_of(economy, LogLinearSchedule(7.0, 0.181), 1000.0)

    def distance(brackets):
        edges = np.append(0, np.geomspace(2000, 3e6, brackets))
        rates = np.diff(hsv_tax(7.0, 0.181, edges)) / np.diff(edges)
        schedule = BracketSchedule(edges[:-1], rates)
        return np.abs(np.log(hours_of(economy, schedule, 1000.0) / smooth)).max()

    # Workers bunch at the thresholds: the error is at most the width of a bracket, 7 % of income
    # for 100.
    coarse, fine = distance(10), distance(100)
    assert fine < coarse / 5
    assert fine < 0.04


def test_hours_differentiate(x64):
    # d log l / d log scale = 1 / (1/e + p), and hours fall with progressivity at incomes above 1
    # dollar.
    economy = Economy(population=Population(SKILL), preferences=Quasilinear(0.3))

    def log_labor(log_scale):
        return jnp.log(hours_of(economy, LogLinearSchedule(jnp.exp(log_scale), 0.181), 0.0))

    slope = jax.jacfwd(log_labor)(jnp.log(7.0))
    np.testing.assert_allclose(slope, 1 / (1 / 0.3 + 0.181), rtol=1e-10)
    jax.test_util.check_grads(
        lambda p: hours_of(economy, LogLinearSchedule(7.0, p), 0.0),
        (0.181,),
        order=1,
        modes=["rev"],
    )
