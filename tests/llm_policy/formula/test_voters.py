import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule
from llm_policy.answers.reading import STEPS
from llm_policy.formula.voters import (
    approval_probabilities,
    candidate_values,
    promise_probabilities,
    reform_probabilities,
    sample_rankings,
    stand_probabilities,
    tax_share,
    vote_probabilities,
)

THRESHOLDS = np.array([0.0, 20_000, 80_000])
CURRENT = np.array([0.1, 0.2, 0.3])
PLATFORMS = np.array([[0.0, 0.2, 0.5], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
INCOME = np.array([0.0, 15_000, 60_000, 500_000])
NOBODY = np.full(4, -1)
NEVER = np.zeros(3, bool)


def values(order=(0, 1, 2), *, own=NOBODY, served=NEVER):
    platforms = PLATFORMS[list(order)]
    return candidate_values(INCOME, THRESHOLDS, CURRENT, platforms, own=own, served=served)


def test_the_share_taken_is_the_tax_over_the_income():
    income = np.array([1.0, 15_000, 60_000, 500_000])
    for rates, share in zip(PLATFORMS, tax_share(income, THRESHOLDS, PLATFORMS).T, strict=True):
        tax = BracketSchedule(THRESHOLDS, rates).tax(jnp.asarray(income))
        np.testing.assert_allclose(share * income, tax, rtol=1e-5)
    np.testing.assert_allclose(tax_share(np.zeros(1), THRESHOLDS, PLATFORMS)[0], PLATFORMS[:, 0])


def test_everyone_prefers_whoever_takes_less_of_their_own_income():
    probabilities = vote_probabilities(values())
    assert probabilities.sum(axis=1) == pytest.approx(1)
    for poor in (0, 1):
        assert probabilities[poor, 1] > probabilities[poor, 3] > probabilities[poor, 2]
    assert probabilities[3, 2] > probabilities[3, 3] > probabilities[3, 1]


def test_two_schedules_share_the_votes_and_who_pays_less_is_for_it():
    proposed = PLATFORMS[0]  # lower at the bottom, higher at the top
    favor = reform_probabilities(INCOME, THRESHOLDS, CURRENT, proposed)
    against = reform_probabilities(INCOME, THRESHOLDS, proposed, CURRENT)
    np.testing.assert_allclose(favor + against, 1)
    assert favor[1] > 0.5 > favor[3]
    # 10 points less of 15,000: the odds are those of the value of a tenth of the income.
    assert favor[1] == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_a_candidate_who_changes_nothing_is_worth_nothing_more_or_less():
    np.testing.assert_allclose(values()[:, 2], 0, atol=1e-12)


def test_the_order_of_the_candidates_does_not_matter():
    order, served = [2, 0, 1], np.array([False, True, False])
    own = np.array([-1, 0, 1, 2])
    moved = np.array([-1, *np.argsort(order)[own[1:]]])
    permuted = values(order, own=moved, served=served[order])
    np.testing.assert_allclose(permuted, values(own=own, served=served)[:, order])


def test_oneself_is_preferred_and_so_is_experience():
    plain = values()
    assert np.all(values(served=np.array([True, False, False]))[:, 0] > plain[:, 0])
    mine = values(own=np.array([1, -1, -1, -1]))
    assert mine[0, 1] > plain[0, 1]
    np.testing.assert_array_equal(mine[1:], plain[1:])


def test_who_finds_all_candidates_bad_abstains():
    bad = vote_probabilities(np.full((1, 3), -5.0))
    good = vote_probabilities(np.full((1, 3), 5.0))
    assert bad[0, 0] > 0.9 > 0.1 > good[0, 0]


def test_first_places_of_rankings_are_votes():
    one = np.array([[1.0, 0.0, -1.0]])
    rankings = sample_rankings(np.random.default_rng(0), np.repeat(one, 40_000, axis=0))
    abstains = rankings[:, 0] == -1
    assert np.all(rankings[abstains] == -1)
    np.testing.assert_array_equal(
        np.sort(rankings[~abstains], axis=1), np.tile([0, 1, 2], (sum(~abstains), 1))
    )
    shares = [np.mean(rankings[:, 0] == named) for named in (-1, 0, 1, 2)]
    np.testing.assert_allclose(shares, vote_probabilities(one)[0], atol=0.01)
    second = rankings[rankings[:, 0] == 0, 1]
    assert np.mean(second == 1) == pytest.approx(1 / (1 + np.exp(-1)), abs=0.01)


def test_who_is_better_than_the_mean_is_more_likely_approved_than_not():
    table = values()
    np.testing.assert_array_equal(
        approval_probabilities(table) > 0.5, table > table.mean(axis=1, keepdims=True)
    )


def test_who_pays_more_stands_more_often():
    probabilities = stand_probabilities(INCOME, THRESHOLDS, CURRENT)
    assert np.all(np.diff(probabilities[1:]) > 0)
    assert np.all((probabilities > 0) & (probabilities < 1))


def test_candidates_promise_lower_rates_up_to_their_own_income_and_higher_ones_above():
    probabilities = promise_probabilities(INCOME, THRESHOLDS)
    assert probabilities.shape == (4, 3, len(STEPS))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1)
    wanted = np.sign((probabilities @ np.array(STEPS)).round(9))
    np.testing.assert_array_equal(wanted, [[-1, 1, 1], [-1, 1, 1], [-1, -1, 1], [-1, -1, -1]])
