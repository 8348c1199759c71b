import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.gradient.ascent import GradientPlanner
from baselines.search.random import FlatSearch
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    calibrate,
    gb2,
    us_federal,
)
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import float64, solve
from tests.helpers.reference import THRESHOLDS, US_2024, grid
from tests.helpers.reference import solve as reference_solve

YEARS = [2013, 2017, 2018, 2024, 2026]


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("status", ["single", "joint", "separate", "head_of_household"])
def test_everyone_works_forty_hours_under_the_law(x64, year, status):
    law = us_federal(year, status)
    economy = Economy(population=calibrate(gb2(2000), law), preferences=Quasilinear(0.25))
    np.testing.assert_allclose(solve(economy, law).labor, 40, rtol=1e-12)


@given(st.floats(0.05, 2.0))
def test_whatever_the_elasticity(elasticity):
    with float64():
        law = us_federal(2024)
        economy = Economy(population=calibrate(gb2(500), law), preferences=Quasilinear(elasticity))
        np.testing.assert_allclose(solve(economy, law).labor, 40, rtol=1e-12)


def test_float32_hours():
    law = us_federal(2024)
    economy = Economy(population=calibrate(gb2(20000), law), preferences=Quasilinear(0.25))
    # Next to a threshold utility is flat: hours are known to the root of the precision.
    np.testing.assert_allclose(solve(economy, law).labor, 40, rtol=np.finfo(np.float32).eps ** 0.5)


def test_tastes_are_what_the_law_leaves(x64):
    population = Population(np.array([5000.0, 11600, 30000, 2e6]) / 40, weight=[0.1, 0.2, 0.3, 0.4])
    found = calibrate(population, BracketSchedule(THRESHOLDS, US_2024))
    np.testing.assert_allclose(found.taste, [0.90, 0.88, 0.88, 0.63], rtol=1e-14)
    np.testing.assert_array_equal(found.skill, population.skill)
    np.testing.assert_array_equal(found.weight, population.weight)


def test_without_a_tax_tastes_are_one(x64):
    np.testing.assert_array_equal(calibrate(gb2(50), BracketSchedule([0], [0])).taste, np.ones(50))


def test_a_law_that_takes_all_explains_no_work():
    with pytest.raises(ValueError, match="a marginal rate of 100%: use rates below 100 %"):
        calibrate(gb2(50), BracketSchedule([0, 20000], [0.2, 1.0]))


def test_with_nothing_to_consume_no_taste_explains_the_work():
    log = Isoelastic(1.0, exponent=3.0, scale=5.2e-6)
    with pytest.raises(ValueError, match="raise the rebate"):
        calibrate(Population([10.0, 20.0]), us_federal(2024), preferences=log, rebate=-1e6)


@pytest.fixture(scope="module")
def landmark():
    """N = 10,000, calibrated under the 2024 law, e = .25, at most 100 hours, mean log utility."""
    with float64():
        population = calibrate(gb2(10_000), us_federal(2024))
        economy = Economy(population=population, preferences=Quasilinear(0.25), max_labor=100.0)
        return RationalEvaluator(economy, Atkinson(1.0))


@pytest.mark.parametrize(("rates", "dollars"), [(np.zeros(7), 27_152), (US_2024, 38_415)])
def test_landmarks(x64, landmark, rates, dollars):
    assert landmark.value(BracketSchedule(THRESHOLDS, rates)).equivalent == pytest.approx(
        dollars, abs=0.5
    )


def test_landmarks_of_the_best_flat_rate(x64, landmark):
    best = plan(
        jax.random.key(0), FlatSearch(BracketSchedule(THRESHOLDS, US_2024)), landmark, steps=35
    ).recommended
    assert landmark.value(best).equivalent == pytest.approx(43_584, abs=0.5)
    np.testing.assert_allclose(best.rates, 0.553, atol=5e-4)


def test_landmarks_of_the_best_brackets(x64, landmark):
    best = plan(
        jax.random.key(0), GradientPlanner(us_federal(2024)), landmark, steps=40
    ).recommended
    assert landmark.value(best).equivalent == pytest.approx(43_602, abs=0.5)


@pytest.mark.parametrize(("rates", "dollars"), [(np.zeros(7), 27_152), (US_2024, 38_415)])
def test_landmarks_by_the_independent_solution(rates, dollars):
    # The same economy in potential incomes, n = 40 skill taste^(-e) (section 0).
    income = grid("GB2", 10_000)
    taste = 1 - US_2024[np.searchsorted(THRESHOLDS, income, side="right") - 1]
    found = reference_solve(income * taste**-0.25, THRESHOLDS, rates, 0.25, cap=2.5 * income)
    assert found.equivalent(1) == pytest.approx(dollars, abs=0.5)
