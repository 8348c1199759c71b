"""A schedule moved to another year: the federal rule gives the tables of the law itself."""

import numpy as np
import pytest

from econjax import BracketSchedule, us_federal
from econjax.laws import US_FEDERAL_STEPS, indexed

LAW = BracketSchedule([0.0, 1_000.0, 2_500.0], [0.1, 0.2, 0.3])


def thresholds(year, status):
    return np.asarray(us_federal(year, status).thresholds, float)[1:]


def factors(year):
    """Return the least and the largest factor since 2018 that gives every threshold of a year."""
    low, high = [], []
    for status, step in US_FEDERAL_STEPS.items():
        old = thresholds(2018, status)
        steps = np.round((thresholds(year, status) - old) / step)
        low.append((1 + steps * step / old).max())
        high.append((1 + (steps + 1) * step / old).min())
    return max(low), min(high)


@pytest.mark.parametrize("year", range(2019, 2026))
def test_one_factor_and_the_federal_rule_give_all_thresholds_of_a_year(year):
    # 26 U.S.C. 1(f)(7), 1(j)(3)(B): increases since 2018 rounded down; the table is the IRS's.
    low, high = factors(year)
    assert low < high
    for status, step in US_FEDERAL_STEPS.items():
        base = BracketSchedule([0.0, *thresholds(2018, status)], us_federal(2018, status).rates)
        moved = indexed(base, (low + high) / 2, step=step)
        np.testing.assert_array_equal(moved.thresholds[1:], thresholds(year, status))
        np.testing.assert_array_equal(moved.rates, base.rates)


def test_a_step_may_round_thresholds_themselves_and_either_way():
    def moved(**options):
        return np.asarray(indexed(LAW, 1.034, step=100, **options).thresholds).tolist()

    assert moved() == [0, 1_000, 2_500]
    assert moved(rounding="up") == [0, 1_100, 2_600]
    assert moved(rounding="nearest") == [0, 1_000, 2_600]
    assert moved(of="threshold", rounding="up") == [0, 1_100, 2_600]
    np.testing.assert_allclose(indexed(LAW, 1.034).thresholds, [0, 1_034, 2_585], rtol=1e-6)


def test_exact_multiples_are_not_lost_to_floating_point():
    for percent in range(1, 100):
        moved = indexed(BracketSchedule([0.0, 10_000.0], [0.1, 0.2]), 1 + percent / 100, step=50)
        assert float(moved.thresholds[1]) == 10_000 + 100 * percent


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(factor=0.0), "positive"),
        (dict(factor=float("nan")), "positive"),
        (dict(factor=1.03, step=-1.0), "step is dollars"),
        (dict(factor=0.5, step=5_000.0, of="threshold"), "no longer rise"),
    ],
)
def test_what_moves_no_law_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        indexed(LAW, **options)


def test_a_year_without_a_table_names_what_moves_a_schedule():
    with pytest.raises(ValueError, match=r"2027; the table holds 2013 to 2026.*indexed"):
        us_federal(2027)
