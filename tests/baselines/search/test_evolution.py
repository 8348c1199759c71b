"""Evolution with an adapted covariance matrix."""

import jax
import numpy as np
import pytest

from baselines.optimum import adapt, best_found, simplex
from baselines.search.evolution import EvolutionPlanner
from econjax import Atkinson, BracketSchedule, Rawlsian
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import THRESHOLDS, US_2024, grid
from tests.helpers.valued import Valued, bowl

KEY = jax.random.key(0)
EDGES = np.array([0.0, 30_000.0, 100_000.0])


def flat(thresholds, rate=0.5):
    return BracketSchedule(thresholds, np.full(len(thresholds), rate))


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawls"])
def test_evolution_finds_what_gradients_and_a_simplex_find(welfare):
    evaluate = RationalEvaluator(economy_of(grid("GB2", 300), 0.25), welfare)
    starts = [BracketSchedule(THRESHOLDS, US_2024), flat(THRESHOLDS, 0.7)]
    best = best_found(evaluate, starts, steps=30, most=300).equivalent
    found = plan(KEY, EvolutionPlanner(flat(THRESHOLDS)), evaluate, steps=600)
    worth = float(evaluate.value(found.recommended).equivalent)
    # Of 39,000 and 32,000 dollars; random search is some 300 short.
    assert worth > best - 5


def test_a_simplex_around_confiscation_begins_within_its_bounds():
    best = np.array([0.99, 0.5, -0.9])
    found = simplex(
        Valued(bowl(best)),
        BracketSchedule(EDGES, [1.0, 0.5, -1.0]),
        most=400,
        bounds=RateBounds(-0.999, 0.999),
    )
    np.testing.assert_allclose(found.schedule.rates, best, atol=0.01)
    assert np.abs(found.schedule.rates).max() <= 0.999 + 1e-6


def test_the_first_generation_is_drawn_around_the_start():
    planner = EvolutionPlanner(flat(EDGES, 0.4), spread=0.2)
    state = planner.init(KEY)
    drawn = np.array([planner.ask(key, state)[0].rates for key in jax.random.split(KEY, 400)])
    position = -np.log1p(-drawn)
    np.testing.assert_allclose(position.mean(axis=0), -np.log(0.6), atol=4 * 0.2 / np.sqrt(400))
    np.testing.assert_allclose(position.std(axis=0), 0.2, rtol=4 / np.sqrt(800))
    assert np.abs(np.corrcoef(position.T) - np.eye(3)).max() < 4 / np.sqrt(400)


def test_only_the_order_of_equivalents_counts():
    # Hansen (2016, section 5): invariance under order-preserving transformations of values.
    best = np.array([0.5, 0.3, 0.6])
    runs = [Valued(bowl(best)), Valued(lambda rates: float(np.exp(bowl(best)(rates) / 2000)))]
    for evaluate in runs:
        plan(KEY, EvolutionPlanner(flat(EDGES, 0.4)), evaluate, steps=60)
    np.testing.assert_array_equal(runs[0].tried, runs[1].tried)


def test_a_search_from_scratch_is_its_seed():
    def tried(seed):
        evaluate = Valued(bowl(np.full(3, 0.3)))
        adapt(evaluate, EDGES, seed=seed, evaluations=8, most=1)
        return np.array(evaluate.tried)

    np.testing.assert_array_equal(tried(1), tried(1))
    assert not np.any(tried(0)[:8] == tried(1)[:8])


def test_telling_leaves_earlier_states_as_they_were():
    planner, evaluate = EvolutionPlanner(flat(EDGES)), Valued(bowl(np.array([0.5, 0.3, 0.6])))
    states, state = [], planner.init(KEY)
    asked = []
    for step in range(20):  # generations of seven
        states.append(state)
        schedule, after = planner.ask(jax.random.fold_in(KEY, step), state)
        asked.append(schedule)
        state = planner.tell(after, schedule, evaluate.value(schedule))
    for step, (state, schedule) in enumerate(zip(states, asked, strict=True)):
        again, _ = planner.ask(jax.random.fold_in(KEY, step), state)
        np.testing.assert_array_equal(again.rates, schedule.rates)


def test_it_converges_on_a_bowl():
    best = np.array([0.6, 0.2, 0.45])
    found = plan(KEY, EvolutionPlanner(flat(EDGES)), Valued(bowl(best)), steps=400)
    np.testing.assert_allclose(found.recommended.rates, best, atol=1e-3)


def test_a_distribution_that_has_shrunk_begins_again_with_twice_the_individuals():
    planner, evaluate = (
        EvolutionPlanner(flat(EDGES)),
        Valued(lambda rates: float(np.round(rates.mean(), 2))),
    )
    state, sizes = planner.init(KEY), []
    for step in range(900):
        schedule, state = planner.ask(jax.random.fold_in(KEY, step), state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
        sizes.append(state.strategy.population_size)
    assert sizes[0] == 7
    assert sizes[-1] >= 14


@pytest.mark.parametrize("bad", [-np.inf, np.nan])
def test_what_is_infinitely_bad_is_ranked_last(bad):
    best = np.array([0.6, 0.2, 0.45])

    def worth(rates):
        return bowl(best)(rates) if rates[0] > 0.3 else bad

    found = plan(KEY, EvolutionPlanner(flat(EDGES, 0.4)), Valued(worth), steps=400)
    np.testing.assert_allclose(found.recommended.rates, best, atol=1e-3)
    assert not all(np.isfinite(report.equivalent) for report in found.reports)


def test_the_independent_check_agrees_with_gradients(x64):
    evaluate = RationalEvaluator(economy_of(grid("LN", 300), 0.4), Atkinson(2.0))
    climbed = best_found(evaluate, [flat(EDGES, 0.3), flat(EDGES, 0.7)], steps=30, most=300)
    gradients = evaluate.counts["gradient"]
    adapted = adapt(evaluate, EDGES, evaluations=400, most=300)
    assert evaluate.counts["gradient"] == gradients, "it needs no gradients"
    # Values are steps: one worker in 300 who jumps moves the rebate by some ten dollars.
    assert adapted.equivalent == pytest.approx(climbed.equivalent, rel=3e-4)
    assert adapted.equivalent > climbed.equivalent * (1 - 1e-5)
