"""What preferences say, and the law of all of them: no other hours beat the best response."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from tests.helpers.laboratory import float64, hours_of
from tests.helpers.reference import THRESHOLDS, US_2024, cost, crra, hsv_tax, tax

WORKERS = dict(skill=[1000.0, 1000.0, 10.0], taste=[1.0, 2.0, 0.5])
CONSUMPTION, LABOR = [50000.0, 50000.0, 4000.0], [40.0, 20.0, 80.0]
# taste * skill * 40 / (1 + 1/e) * (l/40)^(1 + 1/e), e = .25: power 5.
COSTS = np.array([40000 / 5, 80000 / 5 / 32, 0.5 * 400 / 5 * 32])


def utility(preferences, **own):
    return preferences.utility(
        jnp.array(CONSUMPTION), jnp.array(LABOR), Population(**WORKERS, **own)
    )


def test_quasilinear_utility_is_the_formula(x64):
    np.testing.assert_allclose(utility(Quasilinear(0.25)), CONSUMPTION - COSTS, rtol=1e-14)


def test_workers_may_have_their_own_elasticity(x64):
    own = utility(Quasilinear(0.7), elasticity=[0.25, 0.5, 1.0])
    each = [utility(Quasilinear(e))[i] for i, e in enumerate([0.25, 0.5, 1.0])]
    np.testing.assert_allclose(own, each, rtol=1e-14)


@pytest.mark.parametrize(
    ("curvature", "unit"), [(1, 1.0), (1, 1e4), (0.5, 1.0), (2, 1e4), (3.5, 1e4)]
)
def test_utility_with_risk_aversion_is_the_formula(eps, curvature, unit):
    net = np.array(CONSUMPTION) - COSTS
    close = dict(rtol=20 * eps, atol=20 * eps)
    ghh = utility(GHH(curvature, elasticity=0.25, unit=unit))
    np.testing.assert_allclose(ghh, crra(net / unit, curvature), **close)
    isoelastic = utility(Isoelastic(curvature, exponent=3, scale=1e-6, unit=unit))
    disutility = np.array(WORKERS["taste"]) * 1e-6 * np.array(LABOR) ** 3
    np.testing.assert_allclose(
        isoelastic, crra(np.array(CONSUMPTION) / unit, curvature) - disutility, **close
    )


@pytest.mark.parametrize("curvature", [0.5, 1, 2])
def test_utility_is_minus_infinity_where_consumption_is_too_low(curvature):
    poor, cheap = jnp.array([0.0, -500.0, COSTS[2]]), jnp.array(LABOR)
    workers = Population(**WORKERS)
    assert np.all(GHH(curvature, elasticity=0.25).utility(poor, cheap, workers) == -np.inf)
    isoelastic = Isoelastic(curvature, exponent=3, scale=1e-6).utility(poor, cheap, workers)
    np.testing.assert_array_equal(np.isfinite(isoelastic), [False, False, True])


@pytest.mark.parametrize("step", [1e-6, -1e-6, 3e-8, 0.0])
def test_a_curvature_near_one_keeps_its_digits(eps, step):
    # Oracles, section 9c: the formula as it stands gives 10.848 in float32 where log 50000 is
    # 10.819778.
    workers = Population([1000.0])
    preferences = Isoelastic(1 + step, exponent=3, scale=1e-6)
    found = preferences.utility(jnp.array([50000.0]), jnp.array([0.0]), workers)[0]
    eta = float(preferences.curvature) - 1  # as rounded
    log = np.log(50000)
    assert found == pytest.approx(log - eta * log**2 / 2 + eta**2 * log**3 / 6, rel=20 * eps)
    assert found == pytest.approx(10.819778, rel=1e-5)


@pytest.mark.parametrize(("scale", "power"), [(0.0005, 3.5), (0.01, 2.0)])
def test_the_reference_systems_form_is_a_choice_of_taste(x64, scale, power):
    # Oracles, section 0 (iii): c - k l^d is e = 1/(d-1), taste = k d 40^(d-1) / skill.
    labor, skill = np.array([0.0, 10, 40, 100]), np.array([3.0, 30, 300, 3000])
    workers = Population(skill, taste=scale * power * 40 ** (power - 1) / skill)
    found = Quasilinear(1 / (power - 1)).utility(jnp.full(4, 1000.0), jnp.array(labor), workers)
    np.testing.assert_allclose(found, 1000 - scale * labor**power, rtol=1e-13)


@pytest.mark.parametrize("virtual", [-300.0, 0.01, 40.0, 9e3, 1e9])
@pytest.mark.parametrize("curvature", [0.3, 1, 6])
@pytest.mark.parametrize("exponent", [1.0015, 1.1, 3, 40])
def test_isoelastic_hours_are_those_at_which_the_first_order_condition_holds(
    x64, exponent, curvature, virtual
):
    # Tastes are chosen so that it holds at these hours, by hand.
    hours, skill, net = np.linspace(5, 95, 9), np.geomspace(100, 3e4, 9), 0.7
    brings = net * skill / 1e4 * ((virtual + net * skill * hours) / 1e4) ** -curvature
    taste = brings / (1e-3 * exponent * hours ** (exponent - 1))
    preferences = Isoelastic(curvature, exponent=exponent, scale=1e-3, unit=1e4)
    found = preferences.linear_labor(
        jnp.full(9, np.log(net)), jnp.full(9, virtual), Population(skill, taste=taste)
    )
    np.testing.assert_allclose(found, hours, rtol=1e-7)


@given(st.floats(0.05, 2), st.floats(0.01, 1.9), st.floats(0.1, 1e4), st.floats(0.1, 10))
def test_linear_labor_beats_every_other(elasticity, net_rate, skill, taste):
    with float64():
        workers = Population(jnp.array([skill]), taste=jnp.array([taste]))
        found = Quasilinear(elasticity).linear_labor(jnp.log(net_rate), jnp.array(0.0), workers)
    chosen = float(found[0])
    assert chosen == pytest.approx(40 * (net_rate / taste) ** elasticity, rel=1e-12)

    def loss(log_labor):
        income = skill * np.exp(log_labor)
        return taste * cost(40 * skill, income, elasticity) - net_rate * income

    best = minimize_scalar(loss, bracket=(np.log(chosen) - 1, np.log(chosen) + 0.5))
    assert loss(np.log(chosen)) <= best.fun + 1e-9 * abs(best.fun)


@pytest.mark.parametrize(
    "preferences", [Quasilinear(0.05), Quasilinear(1.0), GHH(2, elasticity=0.25)]
)
def test_nothing_is_worked_where_nothing_is_kept(preferences):
    workers = Population([1.0, 100.0], taste=[1.0, 0.0])
    labor = preferences.linear_labor(jnp.array(-jnp.inf), jnp.array(500.0), workers)
    np.testing.assert_array_equal(labor, [0, 0])


def test_the_elasticity_is_that_of_income_to_the_net_rate(x64):
    def log_income(log_net):
        labor = Quasilinear(0.4).linear_labor(log_net, jnp.array(0.0), Population([1.0]))
        return jnp.log(labor[0])

    assert jax.grad(log_income)(jnp.log(0.7)) == pytest.approx(0.4, rel=1e-12)


def test_a_type_folds_taste_into_skill(x64):
    # Oracles, section 0: potential income n = 40 * skill * taste^(-e); z = skill * l and taste *
    # l^delta.
    workers = Population([100.0, 100.0], taste=[4.0, 0.25])
    for preferences in (
        Quasilinear(0.5),
        GHH(2, elasticity=0.5),
        Isoelastic(2, exponent=2, scale=1e-4),
    ):
        np.testing.assert_allclose(jnp.exp(preferences.log_type(workers)), [50, 200], rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: Quasilinear(0), "elasticity", "0"),
        (lambda: Quasilinear(-0.25), "elasticity", "-0.25"),
        (lambda: Quasilinear(np.nan), "elasticity", "nan"),
        (lambda: Quasilinear([0.2, 0.3]), "elasticity", "2"),
        (lambda: GHH(2, elasticity=0), "elasticity", "0"),
        (lambda: GHH(-1, elasticity=0.3), "curvature", "-1"),
        (lambda: GHH(2, elasticity=0.3, unit=0), "unit", "0"),
        (lambda: Isoelastic(-1, exponent=3, scale=1), "curvature", "-1"),
        (lambda: Isoelastic([1, 2], exponent=3, scale=1), "curvature", "2"),
        (lambda: Isoelastic(1, exponent=1, scale=1), "exponent", "1"),
        (lambda: Isoelastic(1, exponent=np.nan, scale=1), "exponent", "nan"),
        (lambda: Isoelastic(1, exponent=3, scale=-2), "scale", "-2"),
        (lambda: Isoelastic(1, exponent=3, scale=1, unit=-5), "unit", "-5"),
    ],
)
def test_an_illegal_parameter_is_named_with_its_value(make, name, value):
    with pytest.raises(ValueError, match=value) as error:
        make()
    assert error.match(name)


def test_own_elasticities_need_preferences_that_have_one():
    with pytest.raises((ValueError, TypeError), match="elasticit"):
        utility(Isoelastic(1, exponent=3, scale=1e-6), elasticity=[0.2, 0.3, 0.4])


# The law: no other hours beat the best response.

AGENTS = 40
SKILL = np.append(0.0, np.geomspace(1.0, 5e4, AGENTS - 1))
TASTE = 0.5 + (np.arange(AGENTS) % 4) / 3
OWN = 0.15 + 0.7 * (np.arange(AGENTS) % 5) / 4
FIXED = 20 * SKILL * (np.arange(AGENTS) % 3)  # nothing, 20 hours' income, 40 hours' income
# Falls, a bracket that nobody stays in, a rate of 0 above one of 95 %.
SKIPPED = [0.30, 0.95, 0.0, 0.60, -0.05, 0.45, 0.40]
E_ALL, ETA, DELTA, SCALE = 0.3, 2.0, 3.0, 1e-6


def schedules():
    """Return pairs of a schedule and its tax function in NumPy."""
    return [
        (BracketSchedule(THRESHOLDS, US_2024), lambda z: tax(THRESHOLDS, US_2024, z)),
        (BracketSchedule(THRESHOLDS, SKIPPED), lambda z: tax(THRESHOLDS, SKIPPED, z)),
        (LogLinearSchedule(7.0, 0.181), lambda z: hsv_tax(7.0, 0.181, z)),
        (LogLinearSchedule(0.05, -0.2), lambda z: hsv_tax(0.05, -0.2, z)),
    ]


PREFERENCES = {
    "quasilinear": lambda: Quasilinear(E_ALL),
    "GHH": lambda: GHH(ETA, elasticity=E_ALL, unit=1e4),
    "log": lambda: Isoelastic(1.0, exponent=DELTA, scale=5e-6),
    "isoelastic": lambda: Isoelastic(ETA, exponent=DELTA, scale=SCALE, unit=1e4),
}
VARIANTS = {
    "plain": {},
    "fixed costs": dict(fixed_cost=FIXED),
    "own elasticities": dict(elasticity=OWN),
}


def dollars_lost(name, chosen, tax_of, rebate, cap, own):
    """Return what best hours on a dense grid bring each worker beyond the chosen, in dollars."""
    fixed = own.get("fixed_cost", np.zeros(AGENTS))[:, None]
    elasticity = np.broadcast_to(own.get("elasticity", E_ALL), AGENTS)[:, None]
    skill, taste = SKILL[:, None], TASTE[:, None]
    kinks = np.divide(THRESHOLDS, skill, out=np.zeros((AGENTS, 7)), where=skill > 0)
    common = np.concatenate([np.linspace(0, cap, 2001), np.geomspace(1e-3, cap, 500)])
    near = np.clip(chosen[:, None] * np.linspace(0.98, 1.02, 101), 0, cap)
    grid = np.concatenate(
        [np.broadcast_to(common, (AGENTS, 2501)), np.minimum(kinks, cap), near], axis=1
    )

    def consumption(hours):
        income = skill * hours
        return income - tax_of(income) + rebate - np.where(hours > 0, fixed, 0)

    if name in ("quasilinear", "GHH"):

        def value(hours):
            return consumption(hours) - taste * cost(40 * skill, skill * hours, elasticity)

        return np.max(value(grid), axis=1) - value(chosen[:, None])[:, 0]
    eta, scale, unit = (1.0, 5e-6, 1.0) if name == "log" else (ETA, SCALE, 1e4)
    value = lambda hours: (  # noqa: E731
        crra(consumption(hours) / unit, eta) - taste * scale * hours**DELTA
    )
    best, own_value = np.max(value(grid), axis=1), value(chosen[:, None])[:, 0]
    possible = np.isfinite(best)  # otherwise no hours bring any consumption
    spent = np.maximum(consumption(chosen[:, None])[:, 0], 1.0)
    return (
        np.where(possible, np.where(possible, best, 0) - own_value, 0)
        * (spent / unit) ** eta
        * unit
    )


CASES = [
    *(("quasilinear", variant) for variant in VARIANTS),
    ("GHH", "plain"),
    *((name, variant) for name in ("log", "isoelastic") for variant in ("plain", "fixed costs")),
]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_no_deviation_beats_the_best_response(eps, name, variant):
    own, separable = VARIANTS[variant], name in ("log", "isoelastic")
    population = Population(SKILL, taste=TASTE, **own)
    for schedule, tax_of in schedules():
        for cap, rebate in [(100.0, 0.0), (30.0, 5000.0), (100.0, -3000.0 if separable else 2e4)]:
            economy = Economy(population=population, preferences=PREFERENCES[name](), max_labor=cap)
            labor = np.asarray(hours_of(economy, schedule, rebate), float)
            assert np.all((labor >= 0) & (labor <= cap * (1 + 2 * eps)))
            lost = dollars_lost(name, labor, tax_of, rebate, cap, own)
            # Hours of which float32 knows 7 digits: relative to the stakes, income and what there
            # is besides.
            slack = (1e-6 if eps > 1e-10 else 1e-11) * (SKILL * 100 + abs(rebate) + 100)
            worst = np.argmax(lost - slack)
            assert lost[worst] <= slack[worst], (cap, rebate, worst, labor[worst], lost[worst])


def test_risk_aversion_over_the_net_leaves_hours_as_they_are(x64):
    for variant in VARIANTS.values():
        population = Population(SKILL, taste=TASTE, **variant)
        for schedule, _ in schedules():
            one, other = (
                hours_of(
                    Economy(population=population, preferences=PREFERENCES[name]()), schedule, 0.0
                )
                for name in ("quasilinear", "GHH")
            )
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_hours_of_separable_preferences_fall_with_the_rebate(x64):
    population = Population(SKILL, taste=TASTE)
    for schedule, _ in schedules():
        economy = Economy(population=population, preferences=PREFERENCES["log"]())
        less, more = (np.asarray(hours_of(economy, schedule, rebate)) for rebate in (0.0, 2e4))
        assert np.all(more <= less * (1 + 1e-12))
        assert np.all(more[1:] > 0)
