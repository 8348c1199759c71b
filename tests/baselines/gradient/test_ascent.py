"""Climbing by gradient: coordinates, bounds of rates, optimisers and several starts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression, minimize

from baselines.gradient.ascent import GradientPlanner, MultiStart, adam, lbfgs
from baselines.gradient.loop import climbed
from baselines.gradient.parametrisation import LogNetRates, PlainRates, Squashed
from econjax import Atkinson, BracketSchedule, Rawlsian
from econjax.bounds import RateBounds, nearest
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid
from tests.helpers.reference import solve as reference_solve

shares = st.floats(-1, 1, width=32, allow_subnormal=False)
rows = st.lists(st.tuples(shares, shares, shares, shares), min_size=4, max_size=4)


N = grid("GB2", 400)
THRESHOLDS = [0.0, 25_000, 60_000, 120_000]  # of 400 workers, somebody is in each bracket


def law(rates=(0.1, 0.2, 0.25, 0.35)):
    return BracketSchedule(THRESHOLDS, np.array(rates))


def evaluator(welfare=None):
    return RationalEvaluator(economy_of(N, 0.25), Atkinson(1.0) if welfare is None else welfare)


def best(planner, *, steps=40, evaluate=None):
    return plan(
        jax.random.key(0), planner, evaluator() if evaluate is None else evaluate, steps=steps
    )


def project(values, floor, cap, *, rising):
    return np.asarray(
        nearest(*(jnp.asarray(x, jnp.float32) for x in (values, floor, cap)), rising=rising)
    )


def bounds_of(rows, *, rising):
    """Return two points and bounds that can be kept."""
    one, other, a, b = np.array(rows, np.float32).T
    floor, cap = np.minimum(a, b), np.maximum(a, b)
    if rising:
        floor, cap = np.maximum.accumulate(floor), np.maximum.accumulate(cap)
    return one, other, floor, cap


@pytest.mark.parametrize("rising", [False, True])
@given(rows=rows)
def test_a_projection_is_the_nearest_legal_point(rows, rising):
    one, other, floor, cap = bounds_of(rows, rising=rising)
    here, there = (project(x, floor, cap, rising=rising) for x in (one, other))
    for point in (here, there):
        assert np.all((point >= floor) & (point <= cap))
        assert not rising or np.all(np.diff(point) >= 0)
        np.testing.assert_array_equal(project(point, floor, cap, rising=rising), point)
    assert np.linalg.norm(here - there) <= np.linalg.norm(one - other) + 1e-6
    # The nearest point of a convex set is the one from which no legal point lies towards the given
    # one.
    for legal in (there, floor, cap):
        assert (one - here).astype(float) @ (legal - here) <= 1e-6


@given(rows=rows)
def test_rising_without_bounds_is_isotonic_regression(rows):
    one, _, _, _ = bounds_of(rows, rising=True)
    free = project(one, np.full(4, -2), np.full(4, 2), rising=True)
    np.testing.assert_allclose(free, isotonic_regression(one).x, atol=1e-6)


def test_limits_that_cannot_be_kept_are_refused():
    with pytest.raises(ValueError, match="lower a floor"):
        RateBounds(floor=(0.5, 0.0), cap=(0.6, 0.4), rising=True)
    assert RateBounds(floor=(0.5, 0.0), cap=(0.6, 0.4)).floor == (0.5, 0.0)
    with pytest.raises(ValueError, match="between -1 and 1"):
        RateBounds(cap=35.0)
    with pytest.raises(ValueError, match="2 brackets"):
        GradientPlanner(law(), coordinates=PlainRates(RateBounds(cap=(0.5, 0.6)))).init(
            jax.random.key(0)
        )


def test_positions_of_log_net_rates_end_before_confiscation():
    charts = LogNetRates(RateBounds(cap=1.0)), LogNetRates(RateBounds(cap=0.999))
    for chart in charts:
        position = chart.position(jnp.array([0.0, 0.5, 1.0]))
        np.testing.assert_allclose(chart.legal_rates(position), [0, 0.5, 0.999], rtol=1e-5)
        np.testing.assert_array_equal(chart.nearest(position + 1)[2], position[2])


WITHIN = [
    RateBounds(),
    RateBounds(0.05, 0.45),
    RateBounds(0.0, (0.2, 0.3, 0.5, 0.9), rising=True),
]
every_map = pytest.mark.parametrize("chart", [LogNetRates, PlainRates, Squashed])


@every_map
@pytest.mark.parametrize("bounds", WITHIN, ids=["wide", "box", "rising"])
def test_every_position_is_a_legal_schedule(chart, bounds):
    draw, coordinates = np.random.default_rng(0), chart(bounds)
    for size in (0.1, 1.0, 30.0):
        position = coordinates.nearest(jnp.asarray(size * draw.normal(size=4)))
        rates = np.asarray(coordinates.legal_rates(position))
        floor, cap = (np.float32(x) for x in (bounds.floor, bounds.cap))
        assert np.all((rates >= floor) & (rates <= cap))
        assert not bounds.rising or np.all(np.diff(rates) >= 0)
        np.testing.assert_allclose(rates, coordinates.rates(position), atol=1e-6)


@every_map
@pytest.mark.parametrize("bounds", WITHIN, ids=["wide", "box", "rising"])
def test_a_position_stands_for_its_rates_and_slopes_are_derivatives(x64, chart, bounds):
    coordinates = chart(bounds)
    rates = jnp.array([0.1, 0.15, 0.22, 0.4])
    position = coordinates.position(rates)
    np.testing.assert_allclose(coordinates.rates(position), rates, atol=1e-12)
    gradient = jnp.array([3.0, -1.0, 2.0, 0.5])
    ends = [
        [gradient @ coordinates.rates(position + s * d) for s in (1, -1)] for d in 1e-5 * jnp.eye(4)
    ]
    expected = [(up - down) / 2e-5 for up, down in ends]
    np.testing.assert_allclose(
        coordinates.slope(position, gradient), expected, rtol=1e-6, atol=1e-8
    )


def test_what_leads_out_of_the_limits_is_left_out_of_the_slope(x64):
    capped = PlainRates(RateBounds(0.1, 0.3))
    rates, gradient = jnp.array([0.1, 0.2, 0.3, 0.3]), jnp.array([-1.0, 2.0, 1.0, -1.0])
    np.testing.assert_allclose(capped.legal_slope(rates, gradient), [0, 2, 0, -1], atol=1e-12)
    # Two equal rates that would cross move together; two that would part do.
    rising = PlainRates(RateBounds(0.0, 0.9, rising=True))
    pooled = rising.legal_slope(jnp.array([0.2, 0.2, 0.5, 0.5]), jnp.array([3.0, 1.0, -1.0, 1.0]))
    np.testing.assert_allclose(pooled, [2, 2, -1, 1], atol=1e-12)
    inside = LogNetRates().legal_slope(rates, gradient)
    np.testing.assert_array_equal(inside, gradient * jnp.exp(-rates))


ASCENTS = {
    "L-BFGS, log net rates": dict(),
    "Adam, log net rates": dict(optimiser=adam(), patience=20),
    "L-BFGS, rates": dict(optimiser=lbfgs(0.1), coordinates=PlainRates()),
    "Adam, rates": dict(optimiser=adam(0.05), coordinates=PlainRates(), patience=20),
    "L-BFGS, squashed": dict(coordinates=Squashed()),
    # Bounds are part of this chart, in whose unit Adam steps: in narrower ones it needs more steps.
    "Adam, squashed": dict(
        optimiser=adam(), coordinates=Squashed(RateBounds(-0.8, 0.999)), patience=20
    ),
}


def worth(rates):
    return reference_solve(N, np.array(THRESHOLDS), np.asarray(rates, float), 0.25).equivalent(1)


@functools.cache
def simplex():
    """Return the best equivalent that Nelder and Mead's simplex finds with NumPy's answers."""
    options = {"maxfev": 800, "xatol": 1e-5, "fatol": 1e-4}
    return -minimize(
        lambda r: -worth(np.clip(r, 0, 0.99)),
        np.full(4, 0.5),
        method="Nelder-Mead",
        options=options,
    ).fun


@pytest.mark.parametrize("name", ASCENTS)
def test_every_ascent_ends_at_the_same_equivalent(x64, name):
    evaluate = evaluator()
    found = best(GradientPlanner(law(), **ASCENTS[name]), steps=40, evaluate=evaluate)
    assert worth(found.recommended.rates) >= simplex() - 1


def test_a_compiled_climb_tells_the_slope_that_remains(x64):
    # In -log(1 - rate), of the log equivalent: its slope in the rate, times 1 - rate.
    found = jax.jit(lambda: climbed(economy_of(N, 0.25), law(), Atkinson(1.0), steps=1))()
    rates, step = np.asarray(law().rates), 1e-4
    ends = [[np.log(worth(rates + s * d)) for s in (1, -1)] for d in step * np.eye(4)]
    slopes = [(up - down) / (2 * step) for up, down in ends] * (1 - rates)
    assert found.equivalent == pytest.approx(worth(rates), rel=1e-9)
    assert found.slope == pytest.approx(np.abs(slopes).max(), rel=0.01)


def test_a_limit_that_does_not_bind_changes_nothing():
    bounds = RateBounds(-0.5, 0.99)
    free, within = (
        best(GradientPlanner(law(), coordinates=LogNetRates(x)), steps=12)
        for x in (RateBounds(), bounds)
    )
    for a, b in zip(free.schedules, within.schedules, strict=True):
        np.testing.assert_array_equal(a.rates, b.rates)


@pytest.mark.parametrize(
    ("chart", "rate", "short"),
    [(LogNetRates, 0.1, 1e-12), (PlainRates, 0.1, 1e-12), (Squashed, 0.5, 0.01)],
)
def test_a_cap_that_binds_is_reached_from_inside(x64, chart, rate, short):
    evaluate = evaluator(Rawlsian())
    planner = GradientPlanner(law(), adam(rate), coordinates=chart(RateBounds(0.0, 0.55)))
    found = best(planner, evaluate=evaluate)
    # The worst-off worker wants more than 60 % of everyone.
    rates = np.asarray(found.recommended.rates)
    assert np.all((rates <= 0.55) & (rates >= 0.55 - short))
    report = evaluate.value_and_grad(found.recommended)
    assert np.all(report.gradient > 0)


def test_planners_take_turns_and_the_best_goes_on(x64):
    poor = law(np.full(4, 0.97))
    each = (GradientPlanner(poor, adam(1e-3)), GradientPlanner(law()))
    found = best(MultiStart(each, rounds=3), steps=12)
    slow = [np.allclose(schedule.rates, 0.97, atol=0.01) for schedule in found.schedules]
    assert slow == [True, False] * 3 + [False] * 6
    alone = best(each[1], steps=9)
    for a, b in zip(
        [s for s, x in zip(found.schedules, slow, strict=True) if not x],
        alone.schedules,
        strict=True,
    ):
        np.testing.assert_array_equal(a.rates, b.rates)
    np.testing.assert_array_equal(found.recommended.rates, alone.recommended.rates)


def test_one_start_is_the_planner_itself():
    one, several = (
        best(planner, steps=12)
        for planner in (GradientPlanner(law()), MultiStart((GradientPlanner(law()),)))
    )
    for a, b in zip(one.schedules, several.schedules, strict=True):
        np.testing.assert_array_equal(a.rates, b.rates)
    with pytest.raises(ValueError, match="at least one planner"):
        MultiStart(()).init(jax.random.key(0))


@pytest.mark.parametrize(("coordinates", "most"), [(3, 0.5), (7, 0.5), (28, 0.25)])
def test_a_step_in_many_coordinates_is_no_longer_than_one_in_seven(coordinates, most):
    """Lengths grow with the root of their number: at 28, sqrt(28) * 0.25 = sqrt(7) * 0.5."""
    climb, slope = lbfgs(), jnp.linspace(-1, 1, coordinates)
    position, state = 0 * slope, climb.init(slope)
    for steepness in (1, 0.99, 0.98):  # next to no curvature: steps are as long as they may be
        step, state = climb.update(steepness * slope, state, position)
        np.testing.assert_allclose(jnp.abs(step).max(), most, rtol=1e-6)
        position = position + step
