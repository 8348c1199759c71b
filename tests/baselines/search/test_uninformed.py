import jax
import numpy as np
import pytest

from baselines.search.uninformed import MOVES, RampPlanner, WalkPlanner
from econjax import us_federal
from econjax.bounds import RateBounds
from econjax.planning import plan
from llm_policy.answers.reading import STEPS
from tests.helpers.valued import Valued, bowl

LAW = us_federal(2024)
RATES = np.asarray(LAW.rates, float)


def tried(planner, *, steps=12, seed=0, best=0.4):
    found = plan(jax.random.key(seed), planner, Valued(bowl(np.full(7, best))), steps=steps)
    return np.array([schedule.rates for schedule in found.schedules], float), found


def test_a_ramp_climbs_ten_points_each_year_to_the_bound_and_recommends_the_best_it_passed():
    rates, found = tried(RampPlanner(LAW, bounds=RateBounds(cap=0.8)))
    for year, row in enumerate(rates[1:], start=1):
        np.testing.assert_allclose(row, np.minimum(RATES + 0.1 * year, 0.8), atol=1e-6)
    np.testing.assert_array_equal(rates[0], RATES.astype(rates.dtype))
    worth = [float(report.equivalent) for report in found.reports]
    np.testing.assert_array_equal(found.recommended.rates, rates[int(np.argmax(worth))])


def test_a_walk_moves_as_a_language_model_may_and_evenly():
    assert tuple(round(100 * move) for move in MOVES) == STEPS
    moves = []
    for seed in range(12):
        rates, found = tried(WalkPlanner(LAW), seed=seed, steps=30)
        before, after = rates[:-1], rates[1:]
        inside = (before >= 0.2) & (before <= 0.8)  # no move from there can meet a bound
        moves += np.round(100 * (after - before)[inside]).astype(int).tolist()
        best = int(np.argmax([float(report.equivalent) for report in found.reports]))
        np.testing.assert_array_equal(found.recommended.rates, rates[best])
    counts = np.array([moves.count(step) for step in STEPS])
    assert counts.sum() == len(moves) > 500
    share, error = counts / len(moves), (0.2 * 0.8 / len(moves)) ** 0.5
    np.testing.assert_allclose(share, 0.2, atol=4 * error)


@pytest.mark.parametrize("kind", [RampPlanner, WalkPlanner])
def test_what_it_hears_does_not_steer_it(kind):
    """Another economy, the same tries: only what is recommended differs."""
    one, low = tried(kind(LAW), best=0.0)
    other, high = tried(kind(LAW), best=0.6)
    np.testing.assert_array_equal(one, other)
    assert np.mean(low.recommended.rates) < np.mean(high.recommended.rates)
