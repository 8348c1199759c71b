"""Means with 95 % intervals: Student's and the bootstrap's."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from experiments.report.intervals import bootstrap, mean_of


def test_the_interval_of_a_mean_is_student_s():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert astuple(mean_of(values)) == pytest.approx((4.0, low, high))


def test_a_bootstrap_draws_anew_within_groups_and_counts_them_alike():
    rng = np.random.default_rng(0)
    few, many = rng.normal(10, 3, 40).tolist(), rng.normal(50, 1, 400).tolist()
    found, between = bootstrap([few, many]), bootstrap([[10.0] * 3, [50.0]])
    assert astuple(between) == (30, 30, 30)
    assert found.value == pytest.approx((np.mean(few) + np.mean(many)) / 2)
    # The normal interval of half the sum of two means, each with the spread of its own values.
    half = 1.96 * np.hypot(np.std(few) / 40**0.5, np.std(many) / 400**0.5) / 2
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)
