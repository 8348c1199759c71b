"""Planning under constraints: proposals within bounds, requirements heard, certificates checked."""

import functools

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from baselines.constrained.constraints import LossLimit, RevenueFloor, certify, certify_plan
from baselines.constrained.planner import ConstrainedPlanner
from baselines.fixed import FixedPlanner
from baselines.gradient.ascent import GradientPlanner
from econjax import Atkinson, BracketSchedule
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid
from tests.helpers.reference import solve as reference_solve

THRESHOLDS = np.array([0.0, 25_000, 60_000, 120_000])  # somebody is in each bracket
LAW = np.array([0.1, 0.2, 0.25, 0.35])
N = grid("GB2", 400)
ELASTICITY = 0.25


def law(rates=LAW):
    return BracketSchedule(THRESHOLDS, rates)


def evaluator(**options):
    return RationalEvaluator(economy_of(N, ELASTICITY, **options), Atkinson(1.0))


def run(*, steps=40, evaluate=None, start=None, **constraints):
    planner = ConstrainedPlanner(law() if start is None else start, **constraints)
    evaluate = evaluator() if evaluate is None else evaluate
    return plan(jax.random.key(0), planner, evaluate, steps=steps), evaluate


def exact(rates, spending=0.0):
    """Return the equivalent, revenue per head and the deciles of utility, by another method."""
    found = reference_solve(N, THRESHOLDS, np.asarray(rates, float), ELASTICITY, spending=spending)
    deciles = np.quantile(found.utility, np.arange(1, 10) / 10, method="averaged_inverted_cdf")
    return found.equivalent(1), found.rebate + spending, deciles


def slopes(of, rates, apart=1e-4):
    ends = [[of(rates + s * d) for s in (1, -1)] for d in apart * np.eye(4)]
    return np.array([(np.asarray(up) - np.asarray(down)) / (2 * apart) for up, down in ends])


@functools.cache
def free():
    """Return the schedule that is recommended without constraints, in float64."""
    return run()[0].recommended


def worth(schedule):
    return exact(schedule.rates)[0]


def test_a_slack_constraint_changes_nothing(x64):
    wide = RateBounds(floor=-0.5, cap=0.95)
    slack = (RevenueFloor(1000.0), LossLimit.below(evaluator().value(law(np.zeros(4))), most=1e6))
    for options in (dict(bounds=wide), dict(requirements=slack)):
        found, _ = run(**options)
        np.testing.assert_allclose(found.recommended.rates, free().rates, atol=2e-3)
        assert worth(found.recommended) == pytest.approx(worth(free()), rel=1e-6)
        assert certify_plan(found, **options).holds


def test_without_constraints_it_finds_what_the_gradient_planner_does(x64):
    climbed = plan(jax.random.key(0), GradientPlanner(law()), evaluator(), steps=40)
    assert worth(free()) == pytest.approx(worth(climbed.recommended), rel=1e-6)


def test_a_binding_cap_holds_the_rate_and_welfare_would_rise_beyond_it(x64):
    bounds = RateBounds(floor=(0.0, 0.6, 0.0, 0.0), cap=(0.45, 0.9, 0.9, 0.5))
    found, _ = run(bounds=bounds)
    rates = np.asarray(found.recommended.rates)
    for schedule in found.schedules:
        assert np.all(
            (schedule.rates >= np.array(bounds.floor)) & (schedule.rates <= np.array(bounds.cap))
        )
    gradient = slopes(lambda r: exact(r)[0], rates, 1e-2)
    scale = np.abs(slopes(lambda r: exact(r)[0], LAW)).max()
    np.testing.assert_allclose(rates[[0, 1, 3]], [0.45, 0.6, 0.5], atol=1e-12)
    # Karush, Kuhn and Tucker: up at a cap, down at a floor, level where neither binds.
    assert gradient[0] > 0.02 * scale
    assert gradient[1] < -0.02 * scale
    assert gradient[3] > 0.02 * scale
    assert abs(gradient[2]) < 0.02 * scale


def test_rising_rates_rise_and_pool_where_they_would_fall(x64):
    bounds = RateBounds(rising=True)
    found, _ = run(bounds=bounds, start=law(LAW[::-1].copy()))
    for schedule in (*found.schedules, found.recommended):
        assert np.all(np.diff(schedule.rates) >= 0)
    # Without the limit, rates fall from the first bracket: so there is one rate for those, set by
    # their sum.
    rates = np.asarray(found.recommended.rates)
    pool = np.isclose(rates, rates[0], atol=1e-9)
    gradient = slopes(lambda r: exact(r)[0], rates, 1e-2)
    scale = np.abs(slopes(lambda r: exact(r)[0], LAW)).max()
    assert 2 <= pool.sum() < 4
    assert abs(gradient[pool].sum()) < 0.02 * scale
    assert np.all(np.abs(gradient[~pool]) < 0.02 * scale)
    # Partial sums from below point up: the lower ones of the pool would have higher rates.
    assert gradient[0] > 0


def test_a_revenue_floor_is_kept_at_the_least_cost(x64):
    floor = exact(free().rates)[1] + 1000
    requirements = (RevenueFloor(floor),)
    found, _ = run(requirements=requirements)
    assert certify_plan(found, requirements=requirements).holds
    rates = np.asarray(found.recommended.rates)
    best, revenue, _ = exact(rates)
    assert floor <= revenue < floor + 20

    def shortfall(r):
        return (exact(r)[1] - floor) / 1e4

    def loss(r):
        return -exact(r)[0] / 1e4

    oracle = minimize(
        loss,
        rates - 0.05,
        jac=lambda r: slopes(loss, r, 1e-3),
        method="SLSQP",
        bounds=[(0, 0.95)] * 4,
        constraints=[dict(type="ineq", fun=shortfall, jac=lambda r: slopes(shortfall, r, 1e-3))],
    )
    assert best >= -oracle.fun * 1e4 - 5
    # Lagrange: the gradients of welfare and revenue are opposed, with a positive price of revenue.
    of_welfare, of_revenue = -slopes(loss, rates, 1e-2), slopes(shortfall, rates, 1e-2)
    price = -(of_welfare @ of_revenue) / (of_revenue @ of_revenue)
    assert price > 0
    assert np.linalg.norm(of_welfare + price * of_revenue) < 0.1 * np.linalg.norm(of_welfare)


def test_nobody_at_a_decile_loses_more_than_allowed(x64):
    evaluate = evaluator()
    reference = evaluate.value(law())
    requirements = (LossLimit.below(reference, most=2000.0),)
    assert not certify(free(), evaluate.value(free()), requirements=requirements).holds
    found, _ = run(requirements=requirements)
    assert certify_plan(found, requirements=requirements).holds
    best, _, deciles = exact(found.recommended.rates)
    loss = exact(LAW)[2] - deciles
    assert 1900 < loss.max() <= 2000
    assert exact(LAW)[0] < best < worth(free())


def test_a_certificate_is_what_an_independent_count_says(x64):
    draw = np.random.default_rng(0)
    evaluate = evaluator(spending=3000.0)
    bounds = RateBounds(floor=0.1, cap=0.6, rising=True)
    requirements = (
        RevenueFloor(10000.0, spending=3000.0),
        LossLimit.below(evaluate.value(law()), most=2000.0),
    )
    _, _, before = exact(LAW, 3000.0)
    held = []
    for rates in ([0.12, 0.22, 0.27, 0.36], *draw.uniform(0, 1, (8, 4))):
        rates = np.asarray(rates)
        certificate = certify(
            law(rates), evaluate.value(law(rates)), bounds=bounds, requirements=requirements
        )
        _, revenue, deciles = exact(rates, 3000.0)
        margins = [revenue - 10000, *(2000 - (before - deciles))]
        margins += [*(rates - 0.1), *(0.6 - rates), *np.diff(rates)]
        np.testing.assert_allclose(sorted(certificate.margins.values()), sorted(margins), atol=1e-6)
        assert certificate.holds == (min(margins) >= 0)
        amounts = sorted(-margin for margin in margins if margin < 0)
        np.testing.assert_allclose(sorted(certificate.broken.values()), amounts, atol=1e-6)
        assert all(name in str(certificate) for name in certificate.broken)
        held.append(certificate.holds)
    assert held == [True] + [False] * 8


def test_what_cannot_be_kept_is_named(x64):
    requirements = (RevenueFloor(50_000.0), LossLimit(1e6, (0.0,) * 9))
    found, _ = run(requirements=requirements)
    certificate = certify_plan(found, requirements=requirements)
    assert list(certificate.broken) == ["revenue of at least $50,000"]
    _, revenue, _ = exact(found.recommended.rates)
    assert certificate.broken["revenue of at least $50,000"] == pytest.approx(
        50_000 - revenue, abs=1e-6
    )
    # It breaks the floor least of all that was heard: near the most revenue that there is.
    assert revenue >= max(float(report.rebate) for report in found.reports) - 1e-6
    flat = max(exact(np.full(4, rate))[1] for rate in np.linspace(0.6, 0.9, 31))
    assert revenue > flat


def test_a_schedule_that_was_not_heard_has_no_certificate():
    found, _ = run(steps=3)
    unheard = type(found)(found.schedules, found.reports, law(LAW / 2))
    with pytest.raises(ValueError, match="No evaluation of the recommended rates"):
        certify_plan(unheard)


def test_any_planner_can_be_certified():
    found = plan(jax.random.key(0), FixedPlanner(law()), evaluator(), steps=1)
    certificate = certify_plan(found, bounds=RateBounds(cap=0.3, rising=True))
    assert certificate.broken == {"rate of bracket 4 at most 0.3": pytest.approx(0.05, abs=1e-6)}
    assert certify_plan(found, bounds=RateBounds(cap=0.35)).holds
