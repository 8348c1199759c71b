import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Quasilinear,
    Rawlsian,
    calibrate,
    equilibrium,
)
from econjax.populations.distributions import Lognormal
from llm_policy.answers.reading import STEPS
from llm_policy.formula.planner import changes_probabilities, probabilities_around, sample_changes
from llm_policy.memory.planner import Trial
from llm_policy.prompts.planner import PlannerStyle, planner_question

LAW = BracketSchedule([0, 15_000, 40_000, 90_000, 200_000], [0.1, 0.15, 0.2, 0.3, 0.4])
RATES = st.lists(st.integers(0, 100).map(lambda percent: percent / 100), min_size=3, max_size=3)
HISTORIES = st.lists(st.tuples(RATES, st.integers(0, 9)), min_size=1, max_size=8)


def trials(*history):
    return [Trial(tuple(rates), float(result), 0.0) for rates, result in history]


def probabilities_after(*history):
    """Return what the formula does after these rates and results; the last ones are the current."""
    return changes_probabilities(history[-1][0], trials(*history))


def expected(probabilities):
    return probabilities @ np.array(STEPS)


@given(HISTORIES)
def test_every_bracket_has_probabilities_for_every_change(history):
    probabilities = probabilities_after(*history)
    assert probabilities.shape == (3, len(STEPS))
    assert np.all(probabilities > 0)
    assert probabilities.sum(axis=1) == pytest.approx(1)


@given(HISTORIES)
def test_it_has_no_opinion_on_rates_mirrored_histories_give_mirrored_changes(history):
    mirrored = [([1 - rate for rate in rates], result) for rates, result in history]
    np.testing.assert_allclose(
        probabilities_after(*mirrored), probabilities_after(*history)[:, ::-1], atol=1e-9
    )


@pytest.mark.parametrize(
    "history", [[], trials(([0.1, 0.9], 5)), trials(([0.1, 0.9], 5), ([0.1, 0.9], 7))]
)
def test_without_a_comparison_every_change_is_as_likely_as_any(history):
    np.testing.assert_allclose(changes_probabilities([0.1, 0.9], history), 0.2)


def test_after_a_success_every_rate_goes_on_and_those_that_moved_most_further():
    moves = expected(probabilities_after(([0.3, 0.3, 0.3], 100), ([0.4, 0.3, 0.3], 200)))
    assert moves[0] > moves[1] == moves[2] > 0
    moves = expected(probabilities_after(([0.3, 0.3], 100), ([0.4, 0.2], 200)))
    assert moves[0] == pytest.approx(-moves[1])
    assert moves[0] > 0


def test_after_a_failure_it_returns_to_the_best_record():
    probabilities = probabilities_after(([0.3, 0.3, 0.3], 200), ([0.4, 0.1, 0.3], 100))
    assert [STEPS[place] for place in probabilities.argmax(axis=1)] == [-10, 20, 0]


def test_it_reads_no_more_than_the_prompt_shows():
    seen = trials(
        ([0.5, 0.1], 3), ([0.1, 0.2], 9), ([0.4, 0.2], 2), ([0.3, 0.3], 7), ([0.2, 0.4], 1)
    )
    shown = [seen[1], seen[3], seen[4]]
    current = BracketSchedule([0, 20_000], list(seen[-1].rates))
    text = str(planner_question(current, "", seen, style=PlannerStyle(shown=2)).personal)
    assert "50 %, 10 %" not in text
    assert "30 %, 30 %" in text
    np.testing.assert_array_equal(
        changes_probabilities([0.2, 0.4], seen), changes_probabilities([0.2, 0.4], shown)
    )


def test_changes_are_shares_drawn_by_their_probabilities():
    rng, probabilities = (
        np.random.default_rng(0),
        probabilities_around(np.array([-30.0, 0.0, 14.0])),
    )
    draws = np.array([sample_changes(rng, probabilities) for _ in range(4000)])
    assert set(draws.ravel().tolist()) <= {step / 100 for step in STEPS}
    np.testing.assert_allclose(100 * draws.mean(axis=0), expected(probabilities), atol=0.8)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawlsian"])
def test_its_history_makes_it_better_than_random_search_and_than_itself_without(welfare):
    seeds, evaluations, rng = 12, 40, np.random.default_rng(0)
    start = np.asarray(LAW.rates, float)
    population = calibrate(Lognormal(60_000, 0.9).population(400), LAW)
    economy = Economy(population=population, preferences=Quasilinear(0.3))

    @jax.jit
    @jax.vmap
    def welfare_at(rates):
        outcome = equilibrium(economy, BracketSchedule(LAW.thresholds, rates)).outcome
        return welfare.equivalent(economy.population, outcome)

    def results(rates):
        return np.asarray(welfare_at(jnp.asarray(rates, jnp.float32)), float)

    def best(shown):
        """Return the best result of each seed of a formula who reads `shown` of its history."""
        rates, seen = np.tile(start, (seeds, 1)), [[] for _ in range(seeds)]
        for _ in range(evaluations):
            for past, now, result in zip(seen, rates, results(rates), strict=True):
                past.append(Trial(tuple(now.tolist()), float(result), 0.0))
            changes = [
                sample_changes(rng, changes_probabilities(now, shown(past)))
                for now, past in zip(rates, seen, strict=True)
            ]
            rates = np.clip(rates + changes, 0, 1).round(4)
        return np.array([max(trial.equivalent for trial in past) for past in seen])

    taught, forgetful = best(lambda past: past), best(lambda past: [])
    drawn = np.max([results(rng.random((seeds, len(start)))) for _ in range(evaluations)], axis=0)
    for other in (forgetful, drawn):
        error = np.hypot(taught.std(ddof=1), other.std(ddof=1)) / seeds**0.5
        assert taught.mean() - other.mean() > 2 * error
