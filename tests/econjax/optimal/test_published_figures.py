"""Figures printed in papers, and schedules printed by other simulators, reproduced."""

import numpy as np
import pytest
from scipy.special import ndtri

from econjax.optimal.formulas import asymptotic_rate, three_elasticity_top_rate, top_rate
from econjax.optimal.mirrlees_separable import LogLeisure, mirrlees_separable
from econjax.optimal.published import ai_economist_rates, llm_economist_rates
from tests.helpers.reference import THRESHOLDS, grid


def test_diamond_saez_2011():
    # Journal of Economic Perspectives 25(4), 165-190: 73 % with a = 1.5 and e = 0.25.
    assert top_rate(1.5, elasticity=0.25) == pytest.approx(0.727273, abs=5e-7)
    # Oracles, section 3c.
    assert top_rate(1.5, elasticity=0.57) == pytest.approx(0.539084, abs=5e-7)
    assert top_rate(1.5, elasticity=1.0) == pytest.approx(0.4, abs=5e-7)


@pytest.mark.parametrize(
    ("elasticities", "percent"),
    [
        (dict(real=0.5), 57.1429),
        (dict(real=0.2, avoidance=0.3, avoided_rate=0.2), 62.2857),
        (dict(real=0.2, avoidance=0.1, avoided_rate=0.2), 71.0345),
        (dict(real=0.2, bargaining=0.3), 82.8571),
    ],
)
def test_piketty_saez_stantcheva_2014(elasticities, percent):
    # American Economic Journal: Economic Policy 6(1), 230-271: 57, 62, 71 and 83 % with a = 1.5.
    assert three_elasticity_top_rate(1.5, **elasticities) == pytest.approx(
        percent / 100, abs=5.1e-7
    )


# Review of Economic Studies 68, 205-229, table of asymptotic rates (oracles, section 3b), in per
# cent: for each welfare weight and uncompensated elasticity, indices 1.5, 2, 2.5 by compensated
# 0.2, 0.5, 0.8.
SAEZ_2001 = [
    (0.0, 0.0, [[90.91, 80.00, 71.43], [83.33, 66.67, 55.56], [76.92, 57.14, 45.45]]),
    (0.0, 0.2, [[76.92, 68.97, 62.50], [71.43, 58.82, 50.00], [66.67, 51.28, 41.67]]),
    (0.0, 0.5, [[62.50, 57.14, 52.63], [58.82, 50.00, 43.48], [55.56, 44.44, 37.04]]),
    (0.25, 0.0, [[88.24, 75.00, 65.22], [78.95, 60.00, 48.39], [71.43, 50.00, 38.46]]),
    (0.25, 0.2, [[71.43, 62.50, 55.56], [65.22, 51.72, 42.86], [60.00, 44.12, 34.88]]),
    (0.25, 0.5, [[55.56, 50.00, 45.45], [51.72, 42.86, 36.59], [48.39, 37.50, 30.61]]),
]


@pytest.mark.parametrize(("weight", "uncompensated", "percent"), SAEZ_2001)
def test_saez_2001(weight, uncompensated, percent):
    index = np.array([[1.5], [2.0], [2.5]])
    compensated = np.array([[0.2, 0.5, 0.8]])
    found = top_rate(index, elasticity=uncompensated, compensated=compensated, weight=weight)
    np.testing.assert_allclose(found, np.array(percent) / 100, atol=5.1e-5)


@pytest.mark.parametrize(
    ("elasticity", "weight", "rates"),
    [
        (0.2, 0.0, [0.9231, 0.8, 0.5455]),
        (0.2, 0.5, [0.8571, 0.6667, 0.3750]),
        (0.5, 0.0, [0.8571, 0.6667, 0.3750]),
        (0.5, 0.5, [0.75, 0.5, 0.2308]),
    ],
)
def test_diamond_1998(elasticity, weight, rates):
    # American Economic Review 88(1), 83-95; oracles, section 3e.
    found = asymptotic_rate(np.array([0.5, 1.5, 5.0]), elasticity=elasticity, weight=weight)
    np.testing.assert_allclose(found, rates, atol=5.1e-5)
    odds = (1 + 1 / elasticity) * (1 - weight) / np.array([0.5, 1.5, 5.0])
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-6)


# Review of Economic Studies 38, 175-208: u = log x + log(1 - y), ln n ~ N(-1, 0.39^2). Digits:
# oracles, section 3a (X/Z, mean output, lowest consumption; at each z consumption, average and
# marginal rate, %).
Z = np.array([0.05, 0.10, 0.20, 0.30, 0.40, 0.50])
MIRRLEES_1971 = [
    (
        0.93,
        0.18218,
        0.0304,
        [0.068, 0.105, 0.183, 0.263, 0.344, 0.427],
        [-35.0, -5.1, 8.7, 12.4, 13.9, 14.5],
        [25.7, 24.0, 21.0, 19.0, 17.6, 16.5],
    ),
    (
        1.10,
        0.16846,
        0.0503,
        [0.090, 0.130, 0.210, 0.292, 0.375, 0.460],
        [-80.5, -29.9, -5.2, 2.6, 6.1, 8.1],
        [20.8, 20.4, 18.7, 17.4, 16.3, 15.5],
    ),
    (
        1.00,
        0.17628,
        0.0385,
        [0.077, 0.116, 0.195, 0.275, 0.358, 0.441],
        [-54.1, -15.6, 2.7, 8.2, 10.5, 11.7],
        [23.4, 22.3, 20.0, 18.3, 17.0, 16.0],
    ),
]


@pytest.mark.parametrize(
    ("ratio", "output", "lowest", "consumption", "average", "marginal"), MIRRLEES_1971
)
def test_mirrlees_1971(ratio, output, lowest, consumption, average, marginal):
    found = mirrlees_separable(
        lambda below, above: np.exp(-1 + 0.39 * np.where(below < 0.5, ndtri(below), -ndtri(above))),
        curvature=1.0,
        disutility=LogLeisure(),
        spending=(1 - ratio) * output,
    )
    assert found.converged
    assert found.mean_income == pytest.approx(output, abs=5.1e-6)
    assert found.lowest == pytest.approx(lowest, abs=5.1e-5)
    eaten = np.interp(Z, found.income, found.consumption)
    np.testing.assert_allclose(eaten, consumption, atol=5.1e-4)
    np.testing.assert_allclose(100 * (1 - eaten / Z), average, atol=0.051)
    np.testing.assert_allclose(100 * found.marginal_rate(Z), marginal, atol=0.051)


def test_the_mirrlees_1971_table_as_printed():
    found = mirrlees_separable(
        lambda below, above: np.exp(-1 + 0.39 * np.where(below < 0.5, ndtri(below), -ndtri(above))),
        curvature=1.0,
        disutility=LogLeisure(),
        spending=0.07 * 0.18218,
    )
    works = found.income > 1e-4
    assert np.round(100 * found.rate[works][0]) == 23
    eaten = np.interp(Z, found.income, found.consumption)
    np.testing.assert_allclose(eaten, [0.07, 0.10, 0.18, 0.26, 0.34, 0.43], atol=5.1e-3)
    np.testing.assert_allclose(100 * (1 - eaten / Z), [-34, -5, 9, 13, 14, 15], atol=1.1)
    np.testing.assert_allclose(100 * found.marginal_rate(Z), [26, 24, 21, 19, 18, 16], atol=0.6)


# Oracles, section 1e, in per cent: the GB2 quantile grid of 1000 incomes at 40 hours a week.
def test_the_ai_economist():
    # Their own code gives the same to the printed digits. The dip is one thin bin.
    expected = {
        0.4: [90.6887, 76.2047, 60.4466, 53.7799, 51.3307, 25.8349, 45.4297],
        0.25: [93.9642, 83.5648, 70.9345, 65.0423, 62.6682, 34.4211, 57.1183],
    }
    for elasticity, percent in expected.items():
        found = 100 * ai_economist_rates(grid("GB2", 1000), THRESHOLDS, elasticity=elasticity)
        np.testing.assert_allclose(found, percent, atol=5.1e-5)


def test_the_llm_economist():
    incomes = grid("GB2", 1000)
    at_100_hours = [98.88, 93.77, 80.9, 64.53, 56.78, 51.66, 61.24]
    at_40_hours = [97.22, 81.02, 59.58, 52.2, 51.02, 51.81, 56.87]
    np.testing.assert_allclose(
        100 * llm_economist_rates(2.5 * incomes, THRESHOLDS), at_100_hours, atol=5.1e-3
    )
    np.testing.assert_allclose(
        100 * llm_economist_rates(incomes, THRESHOLDS), at_40_hours, atol=5.1e-3
    )


def test_the_ai_economist_begins_at_zero():
    # Nobody earns less than 20,000: what their code fills the first empty bins with rises from a
    # rate of 0.
    found = ai_economist_rates(grid("BP", 1000), THRESHOLDS, elasticity=0.4)
    np.testing.assert_allclose(
        found, [0.0693, 0.3191, 0.5418, 0.5826, 0.59, 0.285, 0.4728], atol=5.1e-5
    )


def test_the_llm_economist_with_one_at_the_top_and_one_without_income():
    # Their code's own figures: with one person in the last bracket a is m / (m - threshold), and G
    # is 0.
    incomes = np.array([8, 20, 30, 60, 90, 150, 200, 230, 300, 900]) * 1e3
    expected = [0.0, 0.9607, 0.8999, 0.7995, 0.6572, 0.5049, 0.4467]
    np.testing.assert_array_equal(llm_economist_rates(incomes, THRESHOLDS), expected)
    expected = [0.9957, 0.9719, 0.9073, 0.809, 0.6666, 0.5238, 0.4467]
    np.testing.assert_array_equal(
        llm_economist_rates(np.append(incomes, 0.0), THRESHOLDS), expected
    )


def test_the_llm_economist_underestimates_the_tail():
    # Section 1e: for a Pareto tail of index a = 2 it finds a^2 / (2a - 1) = 4/3, above the mean of
    # 10,000 that those above 5,000 earn, where G = 1000 / 10,000 for Pareto(1000, 2).
    incomes = 1000 * ((np.arange(100_000) + 0.5) / 100_000) ** -0.5
    found = llm_economist_rates(incomes, [0.0, 5000.0], elasticity=0.4)[-1]
    assert found == pytest.approx(0.9 / (0.9 + 0.4 * 4 / 3), abs=2e-3)
    assert found > 0.9 / (0.9 + 0.4 * 2) + 0.09


def test_nobody_above_the_last_threshold():
    # The recipes as they are: 100 % in one, a = 10 in the other.
    incomes = np.linspace(500.0, 90_000, 500)
    assert ai_economist_rates(incomes, [0, 50_000, 100_000], elasticity=0.4)[-1] == 1
    found = llm_economist_rates(incomes, [0, 50_000, 100_000], elasticity=0.4)
    assert found[-1] == pytest.approx(1 / (1 + 10 * 0.4))


@pytest.mark.parametrize("recipe", [ai_economist_rates, llm_economist_rates])
@pytest.mark.parametrize(
    ("incomes", "thresholds", "message"),
    [
        ([1.0, 2.0], [5.0], "thresholds? or more, rising from 0"),
        ([1.0, 2.0], [0.0, 5.0, 5.0], "rising from 0"),
        ([1.0, -2.0], [0.0, 5.0], "0 or more"),
        ([], [0.0, 5.0], "flat array"),
    ],
)
def test_bad_input(recipe, incomes, thresholds, message):
    with pytest.raises(ValueError, match=message):
        recipe(incomes, thresholds, elasticity=0.4)


def test_one_bracket_is_for_one_recipe_only():
    # z = 1.5; those at or above it hold 1/3 of the weights and are half of all; a = 2 / (2 - 0).
    assert llm_economist_rates([1.0, 2.0], [0.0], elasticity=0.4) == pytest.approx(
        [0.4545], abs=5e-5
    )
    with pytest.raises(ValueError, match="two thresholds or more"):
        ai_economist_rates([1.0, 2.0], [0.0], elasticity=0.4)


def test_bad_incomes_for_one_recipe():
    with pytest.raises(ValueError, match="incomes that differ; all are 60"):
        llm_economist_rates([60.0, 60.0], [0.0, 100.0])
