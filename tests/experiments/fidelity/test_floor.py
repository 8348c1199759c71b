"""The weights that are shipped are as near to their formula as `experiments/RESULTS.md` says."""

import contextlib

import pytest
from scipy.stats import t as student

from experiments.fidelity.answers import answer_divergences
from llm_policy.engines.embedded.engine import EmbeddedEngine

GROUPS = 5  # of 8 questions: 120 on hours in each of three wordings, 40 to others
STATED = {"hours": 0.03, "satisfaction": 0.03, "a planner's change": 0.07}
"""Nats at most: the bar of hours, and what was measured of the others, rounded up."""
OTHER_TOKENS = 0.02
"""The share of probability that may fall on no option."""


@pytest.fixture(scope="module")
def rows():
    with contextlib.closing(EmbeddedEngine()) as engine:
        found = answer_divergences(engine, groups=GROUPS, seed=1)
    return [row for row in found if row.remembered == "all"]


@pytest.mark.long
def test_the_shipped_weights_are_no_further_from_their_formula_than_is_stated(rows):
    """By three standard errors of this sample, in every wording, and far from who knows nothing."""
    assert {row.question for row in rows} == set(STATED)
    for row in rows:
        half = (row.divergence.high - row.divergence.low) / 2
        error = half / student.ppf(0.975, row.prompts // 8 - 1)
        most = STATED[row.question] + 3 * error
        assert row.divergence.value <= most, row
        assert most < row.constant, row  # the mean of all answers would not pass
        assert row.leaked <= OTHER_TOKENS, row
