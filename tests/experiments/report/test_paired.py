"""Intervals cover what they should, tests are corrected as by hand, samples are those of tables."""

import numpy as np
import pytest
from scipy import stats

from experiments.report.paired import (
    difference_of,
    ends_of_mean,
    holm,
    pairs_to_decide,
    resampled,
)


@pytest.mark.parametrize(
    ("n", "least"), [(20, 0.91), (8, 0.9)], ids=["twenty values", "eight values"]
)
def test_the_interval_covers_the_mean_of_normal_values_in_95_of_100_samples(n, least):
    values = np.random.default_rng(0).normal(3.0, 2.0, (300, n))
    low, high = ends_of_mean(values, draws=999)
    assert least <= np.mean((low <= 3.0) & (high >= 3.0)) <= 0.985


def test_the_interval_moves_and_stretches_with_the_values():
    values = np.random.default_rng(1).exponential(1.0, (6, 12))
    ends = np.array(ends_of_mean(values, draws=999))
    np.testing.assert_allclose(ends_of_mean(5 + 3 * values, draws=999), 5 + 3 * ends, rtol=1e-9)


def test_equal_values_have_an_interval_without_width_and_one_alone_has_none():
    one = resampled(np.full(4, 7.0))
    assert one is not None
    assert (one.value, one.low, one.high) == (7, 7, 7)
    assert resampled(np.array([7.0])) is None


def test_the_test_is_the_paired_one_of_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 1, 9), rng.normal(0, 1, 9)
    assert difference_of(a - b).p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert difference_of(np.array([5.0])).p == 1
    assert [difference_of(np.full(3, x)).p for x in (5.0, 0.0)] == [0, 1]


@pytest.mark.parametrize(
    ("ps", "by_hand"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.4, 0.9], [0.8, 0.9]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_p_values_are_corrected_as_holm_does_by_hand(ps, by_hand):
    assert holm(ps) == pytest.approx(by_hand)


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_as_many_pairs_decide_as_in_cohen_s_tables(effect, pairs):
    assert pairs_to_decide(10 * effect, 10.0) == pairs
    assert pairs_to_decide(-10 * effect, 10.0) == pairs


def test_many_pairs_follow_the_normal_formula():
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert pairs_to_decide(0.001, 1.0) == np.ceil((z / 0.001) ** 2)
    assert pairs_to_decide(0.05, 1.0) == pytest.approx((z / 0.05) ** 2, abs=3)
    assert pairs_to_decide(0.0, 1.0) is None
