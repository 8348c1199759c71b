"""Trust-region planning: convergence where the model is right, caution where it is wrong."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.gradient.ascent import GradientPlanner
from baselines.gradient.trust_region import TriedSchedule, TrustRegionPlanner
from econjax import Atkinson, BracketSchedule, Rawlsian
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import THRESHOLDS, US_2024, grid

EDGES = np.array([0.0, 30_000.0, 100_000.0])
BEST = np.array([0.7, 0.35, 0.55])
CURVATURE = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]]) * 1e4
START = BracketSchedule(EDGES, [0.1, 0.2, 0.3])
KEY = jax.random.key(0)


class Quadratic(NamedTuple):
    """Believes that equivalents are a paraboloid, times `slope`."""

    values: tuple[float, ...]
    slope: float = 1.0

    def predict(self, schedule):
        away = np.asarray(schedule.rates, float) - BEST
        return self.slope * paraboloid(schedule.rates), -self.slope * CURVATURE @ away


class Heard(NamedTuple):
    """As much of a report as the planner reads."""

    equivalent: float


def paraboloid(rates):
    away = np.asarray(rates, float) - BEST
    return 40_000 - away @ CURVATURE @ away / 2


def believing(slope=1.0):
    @fits
    def refit(key, trials, model):
        return Quadratic(tuple(float(trial.report.equivalent) for trial in trials), slope)

    return refit


def fits(refit):
    """Declare that a function learns from trials alone."""
    refit.observes = ()
    return refit


def walk(planner, steps, bring=paraboloid):
    """Return the states after each trial, and what was proposed."""
    state, states, proposals = planner.init(KEY), [], []
    for step in range(steps):
        schedule, state = planner.ask(jax.random.fold_in(KEY, step), state)
        proposals.append(np.asarray(schedule.rates, float))
        state = planner.tell(state, schedule, Heard(bring(schedule.rates)))
        states.append(state)
    return states, proposals


def test_a_known_quadratic_is_climbed_to_its_top():
    planner = TrustRegionPlanner(START, believing(), radius=0.1)
    states, _ = walk(planner, 12)
    np.testing.assert_allclose(planner.recommend(states[-1]).rates, BEST, atol=1e-3)


@pytest.mark.parametrize("slope", [1.0, 0.2, 5.0, -1.0])
def test_proposals_never_leave_the_box_and_rates_stay_legal(slope):
    planner = TrustRegionPlanner(START, believing(slope), radius=0.15)
    states, proposals = walk(planner, 10)
    for before, proposal in zip(states, proposals[1:], strict=False):
        centre = np.asarray(before.trials[before.centre].schedule.rates)
        assert np.abs(proposal - centre).max() <= before.radius + 1e-6
        assert np.all((proposal >= 0) & (proposal < 1))


def test_a_rejected_step_halves_the_radius_and_leaves_the_centre():
    planner = TrustRegionPlanner(START, believing(-1.0), radius=0.2)
    states, proposals = walk(planner, 6)
    assert [state.radius for state in states] == pytest.approx(
        [0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625]
    )
    assert all(state.centre == 0 for state in states)
    assert all(paraboloid(rates) < paraboloid(proposals[0]) for rates in proposals[1:])
    np.testing.assert_array_equal(planner.recommend(states[-1]).rates, START.rates)


def test_a_kept_promise_at_the_edge_doubles_the_radius_up_to_the_most():
    planner = TrustRegionPlanner(START, believing(), radius=0.05, most=0.15)
    states, _ = walk(planner, 4)
    assert [state.radius for state in states] == pytest.approx([0.05, 0.1, 0.15, 0.15])


def test_a_promise_half_kept_moves_and_leaves_the_radius():
    planner = TrustRegionPlanner(START, believing(2.0), radius=0.05)
    states, _ = walk(planner, 2)
    assert states[1].centre == 1
    assert states[1].radius == 0.05


def test_the_promise_is_what_the_model_predicts():
    planner = TrustRegionPlanner(START, believing(), radius=0.05)
    state = planner.tell(planner.init(KEY), START, Heard(paraboloid(START.rates)))
    schedule, state = planner.ask(KEY, state)
    assert state.promised == pytest.approx(
        paraboloid(schedule.rates) - paraboloid(START.rates), rel=1e-4
    )
    # The gradient's largest pull within a box is to a corner of it.
    pull = -CURVATURE @ (np.asarray(START.rates) - BEST)
    np.testing.assert_allclose(
        schedule.rates, np.asarray(START.rates) + 0.05 * np.sign(pull), atol=1e-6
    )


def test_what_a_trial_is_worth_may_differ_from_its_report():
    """A lucky report does not move a planner who knows better."""

    @fits
    def refit(key, trials, model):
        return Quadratic(tuple(float(paraboloid(trial.schedule.rates)) for trial in trials))

    luck = np.random.default_rng(0)
    planner = TrustRegionPlanner(START, refit, radius=0.1)
    states, _ = walk(planner, 12, bring=lambda rates: paraboloid(rates) + 1e5 * luck.normal())
    np.testing.assert_allclose(planner.recommend(states[-1]).rates, BEST, atol=1e-3)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawls"])
def test_with_a_true_model_it_comes_as_far_as_the_gradient_planner(welfare):
    economy, law = economy_of(grid("GB2", 400), 0.25), BracketSchedule(THRESHOLDS, US_2024)
    truth = RationalEvaluator(economy, welfare)

    class Knowing(NamedTuple):
        values: tuple[float, ...]

        def predict(self, schedule):
            report = truth.value_and_grad(schedule)
            assert report.gradient is not None
            return report.equivalent, report.gradient

    @fits
    def refit(key, trials: tuple[TriedSchedule, ...], model):
        return Knowing(tuple(float(trial.report.equivalent) for trial in trials))

    planners = TrustRegionPlanner(law, refit), GradientPlanner(law)
    own, other = (
        plan(KEY, planner, RationalEvaluator(economy, welfare), steps=steps)
        for planner, steps in zip(planners, (8, 30), strict=True)
    )
    found, best = (float(truth.value(run.recommended).equivalent) for run in (own, other))
    start = float(truth.value(law).equivalent)
    assert (found - start) / (best - start) > 0.995
    assert len(own.schedules) == 8
    assert jnp.all(own.schedules[0].rates == law.rates)
