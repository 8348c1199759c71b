import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines._options import option_tree
from llm_policy.engines.base import EngineError

LETTERS = range(5)
ENDS = (7, 9)
answers = st.lists(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=4), min_size=1).map(
    lambda rows: list(dict.fromkeys(map(tuple, rows)))
)


def next_token(said):
    """Return the chances of ten tokens to follow what was said, the same whenever asked."""
    draws = np.random.default_rng(list(said)).random(10) + 0.01
    return draws / draws.sum()


def scores_of(tree):
    return np.log([[next_token(path)[list(tree.asked)] for path in tree.paths]])


def chance(answer):
    """Return the chance of an answer that ends there."""
    steps = [next_token(answer[:place])[token] for place, token in enumerate(answer)]
    return np.prod(steps) * next_token(answer)[list(ENDS)].sum()


def names(options):
    return [str(option) for option in options]


@given(answers)
def test_an_option_is_its_tokens_and_then_an_end(options):
    tree = option_tree(names(options), options, ends=ENDS)
    found = np.exp(tree.log_probabilities(scores_of(tree)))[0]
    if max(map(len, options)) == 1:
        expected = [next_token(())[token] for (token,) in options]
    else:
        expected = [chance(option) for option in options]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_all_answers_of_up_to_three_tokens_have_the_chance_of_a_text_of_that_length():
    options = [
        answer for length in (1, 2, 3) for answer in itertools.product(LETTERS, repeat=length)
    ]
    tree = option_tree(names(options), options, ends=ENDS)
    assert tree.options == 5 + 25 + 125
    total = np.exp(tree.log_probabilities(scores_of(tree))).sum()
    assert total == pytest.approx(sum(map(chance, options)), rel=1e-12)
    assert total < 1


@given(answers)
def test_every_place_is_on_the_way_of_a_branch_and_parents_come_first(options):
    tree = option_tree(names(options), options, ends=ENDS)
    assert all(-1 <= parent < node for node, parent in enumerate(tree.parents.tolist()))
    assert set().union(*tree.branches) == set(range(len(tree.tokens) + 1))
    for places in tree.branches:
        paths = [tree.paths[place] for place in places]
        assert [len(path) for path in paths] == list(range(len(paths)))
        assert all(paths[-1][: len(path)] == path for path in paths)
    assert tree.longest == 1 + max(map(len, tree.paths))
    np.testing.assert_array_equal(tree.depth + 1, [len(path) for path in tree.paths[1:]])


def test_shared_beginnings_are_places_of_their_own_only_once():
    tens = [tuple(map(int, str(hours))) for hours in range(0, 101, 10)]
    tree = option_tree(names(tens), tens, ends=ENDS)
    assert len(tree.tokens) == 10 + 9 + 1  # first digits, 10 to 90, and 100
    assert len(tree.branches) == 10  # 10 is on the way to 100
    hours = [tuple(map(int, str(hours))) for hours in range(101)]
    assert len(option_tree(names(hours), hours, ends=ENDS).tokens) == 101


def test_options_that_cannot_be_told_apart_or_said_are_named():
    with pytest.raises(ValueError, match="'a' and 'b' are the same"):
        option_tree(["a", "b"], [[1, 2], [1, 2]], ends=ENDS)
    with pytest.raises(ValueError, match="'' has no tokens"):
        option_tree(["a", ""], [[1, 2], []], ends=ENDS)
    with pytest.raises(ValueError, match="at least one option"):
        option_tree([], [], ends=ENDS)
    with pytest.raises(EngineError, match=r"no token that ends an answer.*text mode"):
        option_tree(["10", "100"], [[1, 0], [1, 0, 0]], ends=())
    assert option_tree(["1", "2"], [[1], [2]], ends=()).longest == 1
