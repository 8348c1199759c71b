import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.prompts.objectives import OBJECTIVES, in_words, mix, objective_results

N = 10
KEY = jax.random.key(0)
WELFARE = "Welfare is the average of all."
shares = st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any)


@given(shares, st.sampled_from([1, 10, 37]))
def test_a_mix_has_the_stated_shares_to_one_worker(parts, agents):
    share = np.array(parts) / sum(parts)
    aims = mix(KEY, agents, dict(zip(OBJECTIVES, share.tolist(), strict=True)))
    counts = np.bincount(aims, minlength=3)
    assert counts.sum() == agents
    np.testing.assert_array_less(np.abs(counts - share * agents), 1 + 1e-9)
    assert not counts[share == 0].any()


def test_a_mix_gives_the_last_worker_to_the_largest_remainder():
    thirds = {"egotistical": 0.5, "altruistic": 0.37, "adversarial": 0.13}
    assert np.bincount(mix(KEY, N, thirds)).tolist() == [5, 4, 1]
    assert (mix(KEY, 100, thirds) != mix(jax.random.key(1), 100, thirds)).any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"egotistical": 0.5, "altruistic": 0.4}, r"sum to 1; got .* sum to 0.9"),
        ({"egotistical": 1.5, "altruistic": -0.5}, "not negative"),
        ({"egotistical": 0.5, "saintly": 0.5}, "Shares of egotistical, altruistic, adversarial"),
        ({"egotistical": float("nan")}, "sum to 1; got .*nan"),
        ({}, "sum to 1; got {}"),
    ],
)
def test_shares_that_make_no_mix_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        mix(KEY, N, wrong)


def test_a_result_is_ones_own_utility_or_welfare_or_its_negative():
    own = np.array([1.0, 2.0, 3.0, np.nan, np.nan, np.nan])
    found = objective_results(np.array([0, 1, 2, 0, 1, 2]), own, 7.0)
    np.testing.assert_array_equal(found, [1, 7, -7, np.nan, 7, -7])


@pytest.mark.parametrize("aim", OBJECTIVES)
def test_a_result_is_defined_once_and_discontent_costs_only_those_whose_utility_it_is(aim):
    plain, halved = (
        in_words(aim, own="that utility", welfare=WELFARE, halved=h) for h in (False, True)
    )
    assert plain.count("result of a step") == 1
    assert (WELFARE in plain) == (aim != "egotistical")
    assert ("half of it is lost" in halved) == (halved != plain) == (aim == "egotistical")
    assert ("that utility" in plain) == (aim == "egotistical")
    assert ("negative" in plain) == (aim == "adversarial")
