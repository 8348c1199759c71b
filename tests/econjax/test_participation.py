"""Fixed costs of working and elasticities of one's own: who works, and what revenue makes of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    best_response,
    equilibrium,
    settle,
)
from tests.helpers.laboratory import economy_of, hours_of, rebate_and_gradients, solve
from tests.helpers.reference import (
    THRESHOLDS,
    US_2024,
    grid,
    lognormal_mean_below,
    lognormal_pdf,
    lognormal_quantile,
    two_bracket_revenue,
)
from tests.helpers.reference import solve as reference_solve

E = 0.4
N = grid("LN", 20000)
RATE = 0.35
FLAT = np.zeros(1)


def with_costs(potential, cost, elasticity=E, **options):
    own = {} if np.ndim(elasticity) == 0 else dict(elasticity=elasticity)
    population = Population(
        np.asarray(potential) / 40, fixed_cost=np.broadcast_to(cost, np.shape(potential)), **own
    )
    common = elasticity if np.ndim(elasticity) == 0 else 0.3
    return Economy(
        population=population, preferences=Quasilinear(common), max_labor=jnp.inf, **options
    )


def entry(rate, cost, elasticity=E):
    """Return potential income n where work's worth, n (1 - t)^(1 + e) / (1 + e), is its cost."""
    return cost * (1 + elasticity) / (1 - rate) ** (1 + elasticity)


@eqx.filter_jit
def naive_gradient(economy, thresholds, rates):
    def rebate(rates):
        schedule = BracketSchedule(thresholds, rates)
        return settle(economy, schedule, best_response(economy, schedule)).rebate

    return jax.grad(rebate)(rates)


def test_those_work_for_whom_it_pays(x64):
    edge = entry(RATE, 8000.0)
    economy = with_costs(edge * np.array([0.5, 1 - 1e-9, 1 + 1e-9, 2.0, 0.0]), 8000.0)
    for schedule in (BracketSchedule([0], [RATE]), LogLinearSchedule(1 - RATE, 0.0)):
        labor = hours_of(economy, schedule, 0.0)
        np.testing.assert_allclose(
            labor, 40 * (1 - RATE) ** E * np.array([0, 0, 1, 1, 0]), rtol=1e-12
        )


def test_the_cost_is_consumed_but_not_enjoyed(x64):
    potential = entry(RATE, 8000.0) * np.array([0.5, 2.0])
    outcome = solve(
        with_costs(potential, 8000.0, spending=300.0), BracketSchedule([0], [RATE])
    ).outcome
    income = outcome.income
    np.testing.assert_allclose(
        outcome.consumption, income * (1 - RATE) + outcome.rebate, rtol=1e-14
    )
    assert jnp.mean(income - outcome.consumption) == pytest.approx(300, rel=1e-12)
    work = potential[1] * (1 - RATE) ** (1 + E) / (1 + E)
    np.testing.assert_allclose(
        outcome.utility - outcome.rebate, [0, work - 8000], rtol=1e-12, atol=1e-8
    )


def test_no_cost_changes_nothing(x64):
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    free, plain = (
        solve(e, schedule).outcome for e in (with_costs(N[::200], 0.0), economy_of(N[::200], E))
    )
    np.testing.assert_allclose(free.utility, plain.utility, rtol=1e-13)


def test_a_cost_that_keeps_nobody_home_changes_no_derivative(x64):
    # Also at borders where rates rise: there nobody jumps, whatever the lead of one side is.
    edges, rates = jnp.array([0.0, 30_000, 90_000]), jnp.array([0.1, 0.3, 0.5])
    able = N[::200][20:]

    @eqx.filter_jit
    def slopes(economy):
        return jax.jacfwd(lambda r: equilibrium(economy, BracketSchedule(edges, r)).rebate)(rates)

    paid, free = slopes(with_costs(able, 100.0)), slopes(economy_of(able, E))
    np.testing.assert_allclose(paid, free, rtol=1e-9)


@pytest.mark.parametrize(
    ("cost", "missed"), [(8000.0, 0.0798), (12000.0, 0.2086), (20000.0, 0.5166)]
)
def test_revenue_counts_those_who_stop_working(x64, cost, missed):
    # Closed form: R = t (1-t)^e E[n; n above n*], with n* = cost (1+e) / (1-t)^(1+e).
    edge, kept = entry(RATE, cost), (1 - RATE) ** E
    earned = lognormal_mean_below(np.inf) - lognormal_mean_below(edge)
    stay = earned * (kept - RATE * E * (1 - RATE) ** (E - 1))
    leave = RATE * kept * edge * lognormal_pdf(edge) * edge * (1 + E) / (1 - RATE)
    rebate, _, gradient = rebate_and_gradients(with_costs(N, cost), FLAT, np.array([RATE]))
    assert rebate == pytest.approx(RATE * kept * earned, rel=1e-3)
    # Of the density of workers around the edge a kernel sees a smoothed copy.
    assert gradient[0] == pytest.approx(stay - leave, abs=0.02 * leave + 2e-3 * stay)
    naive = naive_gradient(with_costs(N, cost), FLAT, jnp.array([RATE]))
    assert naive[0] == pytest.approx(stay, rel=2e-3)
    assert (naive[0] - gradient[0]) / stay == pytest.approx(missed, rel=0.03)


def test_revenue_when_costs_differ(x64):
    # A lognormal cost, independent of skill: R(t) = t (1-t)^e E[n P(cost < n (1-t)^(1+e) / (1+e))].
    normal, weight = np.polynomial.hermite_e.hermegauss(200)
    nodes, weight = 50000 * np.exp(0.75 * normal), weight / weight.sum()

    def revenue(rate):
        worth = nodes * (1 - rate) ** (1 + E) / (1 + E)
        return rate * (1 - rate) ** E * weight @ (nodes * ndtr(np.log(worth / 9000) / 0.8))

    exact = (revenue(RATE + 1e-5) - revenue(RATE - 1e-5)) / 2e-5
    quantiles = (
        np.arange(20000) * 0.6180339887498949 + 0.5
    ) % 1  # a golden rotation: unlike the skills'
    cost = 9000 * np.exp(0.8 * ndtri(quantiles))
    rebate, _, gradient = rebate_and_gradients(with_costs(N, cost), FLAT, np.array([RATE]))
    assert rebate == pytest.approx(revenue(RATE), rel=1e-3)
    assert gradient[0] == pytest.approx(exact, rel=5e-3)
    naive = naive_gradient(with_costs(N, cost), FLAT, jnp.array([RATE]))[0]
    assert naive - exact > 0.1 * exact


# Elasticities of one's own, and a falling rate.

EDGES, FALLING = np.array([0.0, 60000]), np.array([0.5, 0.3])
THREE = np.array([0.2, 0.5, 0.8])


def test_the_closed_form_is_the_printed_one():
    # Oracles, section 5b: R and its derivatives, EXACT.
    assert two_bracket_revenue(FALLING, 0.5) == pytest.approx(22928.38453257, rel=1e-12)
    steps = 1e-5 * np.eye(2)
    slopes = [
        (two_bracket_revenue(FALLING + d, 0.5) - two_bracket_revenue(FALLING - d, 0.5)) / 2e-5
        for d in steps
    ]
    np.testing.assert_allclose(slopes, [26148.656611, 7131.488892], rtol=1e-8)


def test_own_elasticities_solve_each_workers_problem(x64):
    elasticity = THREE[np.arange(100) % 3]
    economy = with_costs(N[::200], 0.0, elasticity)
    for rates in (US_2024, US_2024[::-1]):
        found = solve(economy, BracketSchedule(THRESHOLDS, rates)).outcome
        expected = reference_solve(N[::200], THRESHOLDS, rates, elasticity)
        np.testing.assert_allclose(found.income, expected.income, rtol=1e-12)
        np.testing.assert_allclose(found.utility, expected.utility, rtol=1e-12)


def test_revenue_counts_those_who_jump_at_their_own_elasticity(x64):
    mean = lambda rates: np.mean([two_bracket_revenue(rates, e) for e in THREE])  # noqa: E731
    exact = [(mean(FALLING + d) - mean(FALLING - d)) / 2e-5 for d in 1e-5 * np.eye(2)]
    skill = (
        np.repeat(
            lognormal_quantile((np.arange(7000) + 0.5) / 7000, (6999.5 - np.arange(7000)) / 7000), 3
        )
        / 40
    )
    economy = Economy(
        population=Population(skill, elasticity=np.tile(THREE, 7000)),
        preferences=Quasilinear(0.5),
        max_labor=jnp.inf,
    )
    *_, gradient = rebate_and_gradients(economy, EDGES, FALLING)
    np.testing.assert_allclose(gradient, exact, atol=3e-3 * np.linalg.norm(exact))
    naive = naive_gradient(economy, jnp.array(EDGES), jnp.array(FALLING))
    assert np.linalg.norm(naive - np.array(exact)) > 0.03 * np.linalg.norm(exact)


# Separable preferences: a rebate lets some stay home.


@pytest.mark.parametrize("preferences", ["isoelastic", "GHH"])
def test_staying_home_spreads_from_below(x64, preferences):
    chosen = (
        Isoelastic(1, exponent=3, scale=5e-6)
        if preferences == "isoelastic"
        else GHH(2, elasticity=E, unit=1e4)
    )
    economy = Economy(
        population=Population(N[::200] / 40, fixed_cost=np.full(100, 6000.0)), preferences=chosen
    )
    works = [
        np.asarray(hours_of(economy, BracketSchedule([0], [RATE]), rebate)) > 0
        for rebate in (0.0, 3e4)
    ]
    for at_work in works:
        assert np.all(np.diff(at_work.astype(int)) >= 0)  # the skilled work
    if preferences == "GHH":
        np.testing.assert_array_equal(*works)
    else:
        assert works[1].sum() < works[0].sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(fixed_cost=[1.0, -2.0]), "-2"),
        (dict(fixed_cost=[1.0, np.inf]), "inf"),
        (dict(fixed_cost=[1.0]), "fixed_cost"),
        (dict(fixed_cost=5.0), "fixed_cost"),
        (dict(elasticity=[0.3, 0.0]), "elasticity"),
        (dict(elasticity=[0.3, -0.1]), "elasticity"),
        (dict(elasticity=[0.3, np.nan]), "nan"),
        (dict(elasticity=[0.3, 0.3, 0.3]), "elasticity"),
    ],
)
def test_what_is_a_workers_own_is_legal_and_one_per_worker(options, message):
    with pytest.raises(ValueError, match=message):
        Population([10.0, 20.0], **options)
