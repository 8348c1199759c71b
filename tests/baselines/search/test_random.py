"""Grids and coordinate search."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from baselines.search.coordinate import CoordinateSearch
from baselines.search.grid import REFERENCE_RATES, even_grid, factorial_grid, reference_grid
from baselines.search.random import RandomSearch
from econjax import Atkinson, BracketSchedule
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import THRESHOLDS, US_2024, grid
from tests.helpers.reference import solve as reference_solve
from tests.helpers.valued import Valued, bowl

KEY = jax.random.key(0)
THREE = np.array([0.0, 90_000.0, 159_100.0])


def law(thresholds=THRESHOLDS):
    return BracketSchedule(thresholds, US_2024[: len(thresholds)])


def test_an_even_grid_spreads_every_rate_evenly():
    # Halton (1960): in base p, any p^k points in a row have one in each interval of length p^-k.
    rates = np.asarray(even_grid(law(), tries=49, bounds=RateBounds(0.2, 0.8)).rates)
    assert rates.shape == (49, 7)
    for column, prime in zip(rates.T, (2, 3, 5, 7, 11, 13, 17), strict=True):
        interval = np.floor((column[:prime] - 0.2) / 0.6 * prime)
        assert sorted(interval) == list(range(prime))
    assert np.abs(np.corrcoef(rates.T) - np.eye(7)).max() < 0.4
    other = even_grid(law(), tries=49, bounds=RateBounds(0.2, 0.8), seed=1).rates
    assert not np.array_equal(rates, other)


def test_draws_are_even_between_the_bounds_of_every_rate():
    evaluate, floor = Valued(bowl(np.full(7, 0.5))), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    plan(KEY, RandomSearch(law(), RateBounds(tuple(floor.tolist()), 0.8)), evaluate, steps=40)
    share = (np.array(evaluate.tried) - floor) / (0.8 - floor)
    assert stats.kstest(share.ravel(), "uniform").pvalue > 0.01


def test_every_combination_is_tried_and_the_best_is_recommended():
    n, levels = grid("GB2", 300), (0.2, 0.4, 0.6, 0.8)
    search = factorial_grid(law(THREE), levels)
    evaluate = RationalEvaluator(economy_of(n, 0.25), Atkinson(1.0))
    found = plan(KEY, search, evaluate, steps=64)
    combinations = list(itertools.product(levels, repeat=3))
    np.testing.assert_allclose([s.rates for s in found.schedules], combinations, rtol=1e-6)
    worth = [reference_solve(n, THREE, np.array(c), 0.25).equivalent(1) for c in combinations]
    np.testing.assert_allclose(found.recommended.rates, combinations[np.argmax(worth)], rtol=1e-6)


def test_after_the_last_row_the_best_is_proposed_again():
    search = factorial_grid(law(THREE[:1]), (0.1, 0.5, 0.9))
    found = plan(KEY, search, Valued(bowl(np.array([0.6]))), steps=5)
    np.testing.assert_allclose(
        [s.rates[0] for s in found.schedules], [0.1, 0.5, 0.9, 0.5, 0.5], rtol=1e-6
    )


def test_the_reference_grid_is_the_published_one():
    search = reference_grid(law(THREE))
    assert len(set(REFERENCE_RATES.values())) == 18
    np.testing.assert_allclose(search.rates[0], [0.12, 0.24, 0.35], rtol=1e-6)
    np.testing.assert_allclose(search.rates[-1], [0.99, 0.99, 0.99], rtol=1e-6)
    found = plan(KEY, search, Valued(bowl(np.array([0.4, 0.2, 0.55]))), steps=18)
    np.testing.assert_allclose(found.recommended.rates, REFERENCE_RATES["U-shaped"], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: reference_grid(law()), "for 3 brackets.*got 7"),
        (lambda: even_grid(law(), tries=0), "at least 1 try; got 0"),
        (lambda: RateBounds(0.5, 0.4), "at least 0.5 and at most 0.4"),
        (lambda: RateBounds(0.0, 50), "between -1 and 1; got 50"),
        (lambda: factorial_grid(law(), ()), "0 levels for 7 brackets make 0 tries"),
        (lambda: factorial_grid(law(), np.linspace(0, 0.9, 10).tolist()), "10,000,000 tries"),
        (lambda: factorial_grid(law(THREE), (0, 35)), r"35 % is 0.35; got \[0, 35\]"),
    ],
)
def test_bad_grids_are_told(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_coordinate_pass_by_hand():
    # Of the coarse moves from 0.3, the best for 0.42 is +0.10, for 0.36 +0.05, for 0.29 none.
    best = np.array([0.42, 0.36, 0.29])
    evaluate, start = Valued(bowl(best)), np.full(3, 0.3)
    found = plan(
        KEY, CoordinateSearch(BracketSchedule(THREE, start)), evaluate, steps=1 + 18 + 1 + 12 + 1
    )
    tried = np.array(evaluate.tried)
    assert np.allclose(tried[0], start)
    moved = np.abs(tried[1:19] - start) > 1e-6
    np.testing.assert_array_equal(moved.sum(axis=1), 1)
    np.testing.assert_allclose(
        (tried[1:19] - start)[moved], [0.1, -0.1, 0.05, -0.05, 0.02, -0.02] * 3, atol=1e-6
    )
    np.testing.assert_allclose(tried[19], [0.4, 0.35, 0.3], atol=1e-6)
    # The fine pass adds +0.03 or +0.01 to the first two and takes 0.01 from the last.
    np.testing.assert_allclose(tried[-1], [0.43, 0.36, 0.29], atol=1e-6)
    np.testing.assert_allclose(found.recommended.rates, tried[-1], atol=1e-6)


def test_both_passes_on_seven_brackets_take_73_evaluations_and_later_steps_are_halved():
    evaluate = Valued(bowl(np.full(7, 0.5)))
    plan(KEY, CoordinateSearch(law()), evaluate, steps=73 + 28)
    tried = np.array(evaluate.tried)
    assert np.sum(np.abs(tried[72] - tried[71]) > 1e-6) > 1, (
        "the second composite moves several rates"
    )
    steps = np.abs(tried[73:101] - tried[72]).max(axis=1)
    np.testing.assert_allclose(np.sort(np.unique(steps.round(4))), [0.005, 0.015], atol=1e-4)


def test_rates_stay_within_the_bounds():
    evaluate = Valued(bowl(np.array([-1.0, 2.0, 0.5])))
    plan(KEY, CoordinateSearch(BracketSchedule(THREE, [0.01, 0.95, 0.5])), evaluate, steps=70)
    tried = np.array(evaluate.tried)
    assert tried.min() >= 0
    assert tried.max() <= 1
    # The centre and 4 + 5 + 6 moves: below 0 and above 1 several are one.
    assert len(np.unique(tried[:16].round(6), axis=0)) == 16, "no schedule of a pass is tried twice"


def test_coordinate_search_gains_with_every_pass():
    evaluate = RationalEvaluator(economy_of(grid("GB2", 300), 0.25), Atkinson(1.0))
    found = plan(KEY, CoordinateSearch(law()), evaluate, steps=73)
    worth = jnp.array([report.equivalent for report in found.reports])
    assert worth[0] < jnp.max(worth[:44]) < jnp.max(worth)
    assert jnp.max(worth) - worth[0] > 2000
