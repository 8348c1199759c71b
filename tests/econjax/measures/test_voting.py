from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax.measures.voting import approval, borda, plurality

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 6000)
# A classroom profile: five voters rank A C B, four B C A, three C B A.
RANKINGS, VOTERS = np.array([[0, 2, 1], [1, 2, 0], [2, 1, 0]]), np.array([5, 4, 3])
EVERYONE = np.repeat(RANKINGS, VOTERS, axis=0)
RULES = {
    "plurality": jax.jit(
        lambda key, ballots, weight=None: plurality(key, ballots, candidates=4, weight=weight)
    ),
    "borda": jax.jit(borda),
    "approval": jax.jit(approval),
}


def frequencies(rule, candidates):
    """Return how often each candidate wins over many keys."""
    winners = jax.jit(jax.vmap(rule))(KEYS)
    return np.bincount(winners, minlength=candidates) / KEYS.size


def test_plurality_and_borda_disagree():
    # First places 5 4 3. Points: A 5 * 2, B 4 * 2 + 3, C 5 + 4 + 3 * 2.
    assert plurality(KEY, EVERYONE[:, 0], candidates=3) == 0
    assert borda(KEY, EVERYONE) == 2


@pytest.mark.parametrize("kind", [np.uint8, np.uint32, np.int8])
def test_ballots_of_any_whole_numbers(kind):
    ballots = EVERYONE.astype(kind)
    assert plurality(KEY, ballots[:, 0], candidates=300) == 0
    assert borda(KEY, ballots) == 2
    # 2^32 - 1 is no way to abstain.
    with pytest.raises(ValueError, match="0 to 2, or -1 to abstain"):
        plurality(KEY, np.array([2**32 - 1], np.uint32), candidates=3)


def test_weights_are_voters():
    assert plurality(KEY, RANKINGS[:, 0], candidates=3, weight=VOTERS) == 0
    assert borda(KEY, RANKINGS, weight=VOTERS) == 2
    assert borda(KEY, RANKINGS, weight=[0, 1, 0]) == 1
    approved = [[True, False, True], [False, True, True], [False, True, False]]
    assert approval(KEY, approved, weight=[5, 4, 3]) == 2  # 5, 7, 9
    assert approval(KEY, approved, weight=[5, 1, 9]) == 1  # 5, 10, 6


@given(
    st.sampled_from(["plurality", "borda", "approval"]),
    st.integers(0, 2**31 - 1),
    st.permutations(range(4)),
    st.permutations(range(9)),
)
def test_names_and_places_of_candidates_and_voters_do_not_matter(rule, seed, names, seats):
    draw, names, seats = np.random.default_rng(seed), np.array(names), np.array(seats)
    rankings = draw.permuted(np.tile(np.arange(4), (9, 1)), axis=1)
    approved = draw.random((9, 4)) < 0.5
    ballots, points = {
        "plurality": (rankings[:, 0], np.eye(4)[rankings[:, 0]]),
        "borda": (rankings, 3 - np.argsort(rankings, axis=1)),
        "approval": (approved, approved),
    }[rule]
    renamed = approved[:, np.argsort(names)] if rule == "approval" else names[ballots]
    totals = points.sum(axis=0)
    winner = int(RULES[rule](KEY, ballots))
    assert totals[winner] == totals.max()
    if (totals == totals.max()).sum() == 1:
        assert RULES[rule](KEY, renamed[seats]) == names[winner]


def test_ties_are_broken_evenly_by_the_key():
    ballots = jnp.array([3, 1, 0, 1, 0, 3, 2])
    share = frequencies(lambda key: plurality(key, ballots, candidates=4), 4)
    # Four standard deviations of 6000 draws.
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0, 1 / 3], atol=4 * np.sqrt(2 / 9 / 6000))
    assert share[2] == 0
    once, again = (plurality(jax.random.key(5), ballots, candidates=4) for _ in range(2))
    assert once == again


def test_weights_that_differ_by_rounding_are_tied(eps):
    # 0.1 + 0.2 is not 0.3.
    share = frequencies(
        lambda key: plurality(key, jnp.array([0, 0, 1]), candidates=2, weight=[0.1, 0.2, 0.3]), 2
    )
    assert abs(share[0] - 0.5) < 4 * np.sqrt(0.25 / 6000)
    decided = frequencies(
        lambda key: plurality(key, jnp.array([0, 1]), candidates=2, weight=[1, 1 + 100 * eps]), 2
    )
    assert decided[1] == 1


def test_one_vote_among_a_million_decides():
    ballots = jnp.arange(1_000_001) % 2
    assert frequencies(lambda key: plurality(key, ballots, candidates=2), 2)[0] == 1


def test_abstentions():
    assert plurality(KEY, [-1, -1, -1, 2, -1], candidates=3) == 2
    assert borda(KEY, [[-1, -1, -1], [1, 0, 2], [-1, -1, -1]]) == 1
    assert approval(KEY, [[False, False], [False, True], [False, False]]) == 1
    nobody = frequencies(lambda key: borda(key, jnp.full((2, 3), -1)), 3)
    np.testing.assert_allclose(nobody, 1 / 3, atol=4 * np.sqrt(2 / 9 / 6000))


def test_one_compilation_for_all_elections_of_a_size(compilations):
    rule, others = jax.jit(partial(plurality, candidates=3)), jnp.array([[2, 1, 2], [0, 0, 1]])
    rule(KEY, others[0])
    ballots = others[1]
    with compilations() as seen:
        rule(KEY, ballots)
    assert not seen
    np.testing.assert_array_equal(jax.vmap(rule, (None, 0))(KEY, others), [2, 0])


def test_candidates_come_in_whole_numbers(monkeypatch):
    monkeypatch.setattr(
        jaxtyping.config, "jaxtyping_disable", True
    )  # the tests' own check of types
    with pytest.raises(ValueError, match=r"in whole numbers; got 2\.5"):
        plurality(KEY, [0, 1], candidates=2.5)  # pyright: ignore[reportArgumentType]


BAD = {
    "no candidates": (
        lambda: plurality(KEY, [0], candidates=0),
        "at least one candidate, in whole numbers; got 0",
    ),
    "no columns": (lambda: borda(KEY, [[], []]), "at least one candidate, in whole numbers; got 0"),
    "nobody to approve of": (
        lambda: approval(KEY, [[]]),
        "at least one candidate, in whole numbers; got 0",
    ),
    "a stranger": (
        lambda: plurality(KEY, [0, 3, 1], candidates=3),
        "0 to 2, or -1 to abstain. Voter 1.* has 3",
    ),
    "a table": (
        lambda: plurality(KEY, [[0, 1]], candidates=2),
        r"one whole number per voter; got .*\(1, 2\)",
    ),
    "shares": (
        lambda: plurality(KEY, [0.3, 0.7], candidates=2),
        "one whole number per voter; got .*float32",
    ),
    "twice": (
        lambda: borda(KEY, [[0, 1], [1, 1]]),
        r"lists each of 0 to 1 once.*Voter 1.* has \[1, 1\]",
    ),
    "half a ballot": (
        lambda: borda(KEY, [[0, -1]]),
        r"or is all -1 to abstain. Voter 0.* has \[0, -1\]",
    ),
    "ones": (lambda: approval(KEY, [[1, 0]]), "a list of true or false per voter; got .*int32"),
    "a negative weight": (
        lambda: borda(KEY, [[0, 1]], weight=[-2.0]),
        "finite and 0 or more. Voter 0.* has -2",
    ),
    "few weights": (
        lambda: borda(KEY, [[0, 1], [0, 1]], weight=[1.0]),
        r"each of 2 voters; got \(1,\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_what_is_wrong(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()
