"""Planning against workers who adjust slowly: values, gradients and plans."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.gradient.ascent import GradientPlanner
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Utilitarian,
    equilibrium,
)
from econjax.dynamics.evaluator import SimulatedEvaluator
from econjax.dynamics.policies import Lagged, Rational
from econjax.dynamics.simulation import simulate
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import THRESHOLDS, US_2024, cost, grid, tax
from tests.helpers.reference import solve as reference_solve

RISING = np.array([0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
FALLING = np.array([0.6, 0.5, 0.45, 0.5, 0.52, 0.5, 0.4])


def law(rates=US_2024):
    return BracketSchedule(THRESHOLDS, rates)


def evaluator(*, steps, fraction=0.25, n=200, economy=None, welfare=None):
    economy = economy_of(grid("GB2", n), 0.25) if economy is None else economy
    welfare = Atkinson(1.0) if welfare is None else welfare
    return SimulatedEvaluator(economy, welfare, before=law(), fraction=fraction, steps=steps)


def reference_year(n, rates, *, fraction, steps):
    """Return a year's mean log-equivalent, by closed-form best responses and nothing of econjax."""
    before = reference_solve(n, THRESHOLDS, US_2024, 0.25).income
    aim, found = reference_solve(n, THRESHOLDS, rates, 0.25).income, []
    for step in range(1, steps + 1):
        income = aim + (1 - fraction) ** step * (before - aim)
        owed = tax(THRESHOLDS, rates, income)
        utility = income - owed + owed.mean() - cost(n, income, 0.25)
        found.append(np.exp(np.mean(np.log(np.maximum(utility, 1)))))
    return np.mean(found)


@pytest.mark.parametrize("rates", [RISING, FALLING], ids=["rising", "falling"])
def test_a_year_is_what_the_closed_form_says(x64, rates):
    report = evaluator(steps=5).value(law(rates))
    expected = reference_year(grid("GB2", 200), rates, fraction=0.25, steps=5)
    assert report.equivalent == pytest.approx(expected, rel=1e-11)


def test_a_year_is_what_simulating_lagged_workers_brings(x64):
    preferences = Isoelastic(1.0, exponent=3.0, scale=5e-6)
    economy = Economy(population=Population(grid("GB2", 100) / 40), preferences=preferences)
    evaluate = evaluator(steps=6, economy=economy, welfare=Utilitarian())
    start = equilibrium(economy, law()).outcome
    run = simulate(
        jax.random.key(0), economy, law(RISING), Lagged(Rational(), 0.25), periods=6, start=start
    )
    report = evaluate.value(law(RISING))
    for name in ("rebate", "income", "labor", "gini"):
        assert getattr(report, name) == pytest.approx(
            float(jnp.mean(getattr(run.saved, name))), rel=1e-11
        )


@pytest.mark.parametrize("rates", [RISING, FALLING], ids=["rising", "falling"])
def test_workers_who_adjust_at_once_are_rational_ones(x64, rates):
    at_once = evaluator(steps=5, fraction=1.0)
    rational = RationalEvaluator(at_once.economy, at_once.welfare)
    one, same = at_once.value_and_grad(law(rates)), rational.value_and_grad(law(rates))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    assert at_once.counts == {"value": 0, "gradient": 1, "what_if": 0}


def differences(n, rates, *, steps, apart, fraction=0.25):
    ends = [
        [reference_year(n, rates + s * d, fraction=fraction, steps=steps) for s in (1, -1)]
        for d in apart * np.eye(7)
    ]
    return np.array([(up - down) / (2 * apart) for up, down in ends])


def test_the_gradient_goes_through_the_whole_year(x64):
    n = grid("GB2", 200)
    heard = evaluator(steps=5).value_and_grad(law(RISING)).gradient
    expected = differences(n, RISING, steps=5, apart=1e-6)
    np.testing.assert_allclose(heard, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_gradient_counts_who_jumps_on_the_way(x64):
    n = grid("GB2", 2000)
    heard = evaluator(steps=5, n=2000).value_and_grad(law(FALLING)).gradient
    expected = differences(n, FALLING, steps=5, apart=5e-3)
    np.testing.assert_allclose(heard, expected, atol=0.02 * np.abs(expected).max())


def test_from_its_own_equilibrium_a_year_has_the_same_part_of_every_response(x64):
    # In step t hours have moved 1 - (1 - fraction)^t of the way, and with them those who jump: the
    # slope is linear in the mean of that.
    economy, fractions = economy_of(grid("GB2", 200), 0.25), np.array([0.1, 0.25, 1.0])

    def slope(fraction):
        year = SimulatedEvaluator(
            economy, Atkinson(1.0), before=law(FALLING), fraction=fraction, steps=5
        )
        return year.value_and_grad(law(FALLING)).gradient

    least, some, whole = map(slope, fractions)
    moved = 1 - ((1 - fractions[:, None]) ** np.arange(1, 6)).mean(axis=1)
    part = (moved[1] - moved[0]) / (moved[2] - moved[0])
    np.testing.assert_allclose(some, least + part * (whole - least), rtol=1e-8, atol=1e-4)


@pytest.mark.long
def test_a_plan_for_the_year_beats_one_for_the_end_and_becomes_it(x64):
    n, planner = grid("GB2", 200), GradientPlanner(law())
    end = plan(jax.random.key(0), planner, evaluator(steps=5).rational, steps=25).recommended.rates
    gains, distances = [], []
    for steps in (1, 5, 300):
        own = plan(jax.random.key(0), planner, evaluator(steps=steps), steps=25).recommended.rates
        one, other = (
            reference_year(n, np.asarray(r), fraction=0.25, steps=steps) for r in (own, end)
        )
        gains.append(one - other)
        distances.append(float(jnp.max(jnp.abs(own - end))))
    assert gains[0] > gains[1] > 100 > 5 > abs(gains[2])
    assert distances[0] > distances[1] > 0.05 > distances[2]
