"""Separable preferences in equilibrium: printed economies, and laws."""

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Isoelastic, LogLinearSchedule, Population
from tests.helpers.laboratory import solve
from tests.helpers.reference import THRESHOLDS, US_2024, grid

WAGES = np.array([250.0, 750, 1500, 4000, 20000])
# Oracles, section 2.5, cases B and C.
PRINTED = {
    "B": dict(
        preferences=lambda: Isoelastic(1, exponent=3, scale=5.208333333333e-06),
        rtol=1e-11,
        rebate=54016.5633904558,
        labor=[15.8148342913, 24.4925264242, 30.0023892311, 34.3100333383, 37.6187576555],
        income=[3953.70857282, 18369.39481813, 45003.58384661, 137240.13335325, 752375.15310932],
        tax=[395.37085728, 1972.32737818, 5168.43006159, 25980.13200478, 236566.55665045],
        consumption=[
            57574.901106,
            70413.63083041,
            93851.71717547,
            165276.56473892,
            569825.15984933,
        ],
        utility=[10.940240798015, 11.0856178147, 11.308812737631, 11.80501596982, 12.975808958962],
        total=58.115496279127,
        per_dollar=0.003725116903,
    ),
    "C": dict(
        preferences=lambda: Isoelastic(0.5, exponent=3.5, scale=1.377822283272e-04),
        rtol=3e-11,
        rebate=89202.2518267856,
        labor=[18.7704774714, 28.0461218333, 33.7875067503, 44.3714965994, 59.8946057125],
        income=[4692.61936786, 21034.59137495, 50681.2601254, 177485.98639763, 1197892.11425042],
        tax=[469.26193679, 2292.15096499, 6202.87722759, 35639.13673543, 401407.83227265],
        consumption=[
            93425.60925786,
            107944.69223674,
            133680.6347246,
            231049.10148898,
            885686.53380455,
        ],
        utility=[
            605.364246618161,
            639.001635751178,
            698.355697847684,
            879.17292721814,
            1651.105166196025,
        ],
        total=4472.999673631188,
        per_dollar=0.179493280632,
    ),
}


@pytest.mark.parametrize("case", PRINTED)
def test_unit_population(eps, case):
    # Case C was printed with a residual of 7e-7 dollars in the rebate; case B to its last digit.
    printed = PRINTED[case]
    economy = Economy(population=Population(WAGES), preferences=printed["preferences"]())
    found = solve(economy, BracketSchedule(THRESHOLDS, US_2024))
    outcome, rtol = found.outcome, max(printed["rtol"], 50 * eps)
    for name in ("labor", "income", "tax", "consumption", "utility", "rebate"):
        np.testing.assert_allclose(getattr(outcome, name), printed[name], rtol=rtol, err_msg=name)
    assert outcome.utility.sum() == pytest.approx(printed["total"], rel=rtol)
    assert (outcome.utility / outcome.income).sum() == pytest.approx(
        printed["per_dollar"], rel=max(rtol, 5e-10)
    )
    assert found.gap <= 50 * eps * printed["rebate"]
    assert found.steps <= 15


# Section 2.4: the quantile grid of 2,000 lognormal wages whose median earns 50,000 at 40 hours.
def c1(curvature=1.0):
    return Isoelastic(curvature, exponent=3, scale=5.208333333333e-06)


def c4(scale=1.041666666667e-06, unit=1e4):
    return Isoelastic(2, exponent=3, scale=scale, unit=unit)


BEST_C1 = [0.46799, 0.50834, 0.51198, 0.49484, 0.48112, 0.45312, 0.32347]
BEST_C4 = [0.61034, 0.64209, 0.62946, 0.58249, 0.53558, 0.46408, 0.37742]


@pytest.mark.parametrize(
    ("preferences", "rates", "welfare", "rebate", "accuracy"),
    [
        (c1, US_2024, 10.599187042, 9941.229, 5e-10),
        (c1, np.zeros(7), 10.48644495, 0.0, 5e-9),
        (c1, np.full(7, 0.50013), 10.664674352, None, 5e-10),
        # Rates printed to 5 digits move one of 2,000 over a falling rate: the table claims 1e-5.
        (c1, BEST_C1, 10.6650127537, 26727.2, 1e-5),
        (c4, US_2024, 0.717870059907, 8214.7354, 5e-13),
        (c4, np.zeros(7), 0.6876807404, 0.0, 1e-7),
        (c4, np.full(7, 0.62350), 0.75027640928, None, 5e-12),
        (c4, BEST_C4, 0.750440985246, 29687.9, 1.2e-5),
    ],
    ids=[
        "C1 federal",
        "C1 none",
        "C1 flat",
        "C1 best",
        "C4 federal",
        "C4 none",
        "C4 flat",
        "C4 best",
    ],
)
def test_welfare_of_given_schedules(x64, preferences, rates, welfare, rebate, accuracy):
    economy = Economy(population=Population(grid("LN", 2000) / 40), preferences=preferences())
    found = solve(economy, BracketSchedule(THRESHOLDS, np.asarray(rates)))
    assert found.outcome.utility.mean() == pytest.approx(welfare, abs=accuracy)
    if rebate is not None:
        assert found.rebate == pytest.approx(
            rebate, rel=1e-4 if accuracy > 1e-6 else 2e-8, abs=1e-9
        )
    assert found.gap < 3.0  # a worker's jump over a falling rate, shared by 2,000; else nothing


@pytest.mark.eager
def test_without_taxes_hours_are_the_closed_form(x64):
    # eta = 2: scale * 3 * l^2 = w / (w l)^2, so l^4 = 1 / (3 scale w), with w in units.
    population = Population(grid("LN", 2000) / 40)
    outcome = solve(
        Economy(population=population, preferences=c4()), BracketSchedule(THRESHOLDS, np.zeros(7))
    ).outcome
    wages = grid("LN", 2000) / 40 / 1e4
    labor = (3 * 1.041666666667e-06 * wages) ** -0.25
    np.testing.assert_allclose(outcome.labor, labor, rtol=1e-12)
    expected = np.mean(1 - 1 / (wages * labor) - 1.041666666667e-06 * labor**3)
    assert outcome.utility.mean() == pytest.approx(expected, rel=1e-13)


# Laws, on five workers, a convex schedule and one with falls.

FALLING = [0.30, 0.55, 0.20, 0.60, -0.05, 0.45, 0.40]
TASTE = np.array([0.7, 1.3, 1.0, 0.9, 1.6])


def five(skill=WAGES, taste=TASTE, **options):
    preferences = options.pop("preferences", c4())
    weight = options.pop("weight", np.array([0.3, 0.25, 0.2, 0.15, 0.1]))
    return Economy(
        population=Population(skill, taste=taste, weight=weight), preferences=preferences, **options
    )


def schedules():
    return (BracketSchedule(THRESHOLDS, rates) for rates in (US_2024, np.array(FALLING)))


def test_the_order_of_workers_does_not_matter(x64):
    order, weight = np.array([3, 1, 4, 0, 2]), np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    for schedule in schedules():
        one = solve(five(), schedule).outcome
        other = solve(five(WAGES[order], TASTE[order], weight=weight[order]), schedule).outcome
        np.testing.assert_allclose(one.utility[order], other.utility, rtol=1e-10)
        assert one.rebate == pytest.approx(float(other.rebate), rel=1e-9)


def test_a_worker_counted_twice_or_not_at_all_changes_nothing(x64):
    # One worker twice with half its weight, against once beside a stranger of weight 0.
    skill, taste = np.append(WAGES[:4], WAGES[3]), np.append(TASTE[:4], TASTE[3])
    for schedule in schedules():
        twice = solve(five(skill, taste, weight=[0.3, 0.3, 0.2, 0.1, 0.1]), schedule).outcome
        beside = solve(five(weight=[0.3, 0.3, 0.2, 0.2, 0.0]), schedule).outcome
        np.testing.assert_allclose(twice.labor[:4], beside.labor[:4], rtol=1e-9)
        assert twice.labor[3] == twice.labor[4]
        assert twice.rebate == pytest.approx(float(beside.rebate), rel=1e-9)
        assert np.isfinite(beside.utility[4])


def test_taste_folds_into_skill(x64):
    # Income z costs taste * (z / s)^delta: taste is a divisor of skill to the power 1/delta.
    for schedule in schedules():
        mixed = solve(five(max_labor=jnp.inf), schedule).outcome
        folded = solve(
            five(WAGES * TASTE ** (-1 / 3), np.ones(5), max_labor=jnp.inf), schedule
        ).outcome
        np.testing.assert_allclose(mixed.income, folded.income, rtol=1e-9)
        np.testing.assert_allclose(mixed.utility, folded.utility, rtol=1e-10)


def test_dollars_are_only_a_unit(x64):
    # Every dollar amount and the unit times 7: the same hours and utilities.
    for rates in (US_2024, np.array(FALLING)):
        one = solve(five(spending=500.0), BracketSchedule(THRESHOLDS, rates)).outcome
        other = solve(
            five(7 * WAGES, preferences=c4(unit=7e4), spending=3500.0),
            BracketSchedule(7 * THRESHOLDS, rates),
        ).outcome
        np.testing.assert_allclose(one.labor, other.labor, rtol=1e-9)
        np.testing.assert_allclose(one.utility, other.utility, rtol=1e-10)
        # The unit alone is a choice of scale: (c/unit)^(1 - eta) = unit^(eta - 1) c^(1 - eta).
        single = c4(scale=1.041666666667e-10, unit=1.0)
        third = solve(
            five(preferences=single, spending=500.0), BracketSchedule(THRESHOLDS, rates)
        ).outcome
        np.testing.assert_allclose(one.labor, third.labor, rtol=1e-9)


@pytest.mark.parametrize("step", [1e-6, -1e-6])
def test_hours_are_continuous_in_the_curvature_at_one(eps, step):
    # d labor / d eta is of the order of labor * log(c): 1e-6 times 11 / 3.
    for schedule in schedules():
        log = solve(five(preferences=c1()), schedule).outcome
        near = solve(five(preferences=c1(1 + step)), schedule).outcome
        np.testing.assert_allclose(near.labor, log.labor, rtol=1e-5 + 100 * eps)
        np.testing.assert_allclose(near.utility, log.utility, rtol=1e-5 + 100 * eps)


def test_the_budget_balances_whatever_is_spent(x64):
    weight = five().population.weight
    for schedule in (*schedules(), LogLinearSchedule(7.0, 0.181)):
        for spending in (0.0, 1500.0, -2000.0):
            outcome = solve(five(spending=spending), schedule).outcome
            left = jnp.sum(weight * (outcome.income - outcome.consumption))
            assert left == pytest.approx(spending, abs=1e-9 * float(outcome.income.mean()))
