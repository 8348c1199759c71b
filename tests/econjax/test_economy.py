import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    InverseIncome,
    Population,
    Quasilinear,
    gini,
    settle,
)
from tests.helpers.laboratory import economy_of, float64, settled
from tests.helpers.reference import THRESHOLDS, US_2024, tax

SKILL = np.array([0.0, 250, 750, 1500, 4000, 20000])
LABOR = np.array([10.0, 40, 35, 20, 60, 30])
WEIGHT = np.array([0.1, 0.2, 0.3, 0.2, 0.15, 0.05])


def economy(**options):
    return Economy(
        population=Population(SKILL, weight=WEIGHT), preferences=Quasilinear(0.25), **options
    )


@given(
    st.lists(st.floats(-1, 1), min_size=7, max_size=7),
    st.lists(st.floats(0, 100), min_size=6, max_size=6),
    st.floats(-1e4, 1e4),
)
def test_the_budget_balances(rates, labor, spending):
    with float64():
        outcome = settled(
            economy(spending=spending), BracketSchedule(THRESHOLDS, rates), jnp.array(labor, float)
        )
        gap = WEIGHT @ np.asarray(outcome.income - outcome.consumption) - spending
        assert abs(gap) <= 1e-12 * (1e4 + np.abs(outcome.income).max())


@pytest.mark.eager
def test_what_follows_from_hours_is_arithmetic(x64):
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    outcome = settle(economy(spending=1000.0), schedule, jnp.array(LABOR))
    income = SKILL * LABOR
    taxes = tax(THRESHOLDS, US_2024, income)
    rebate = WEIGHT @ taxes - 1000
    consumption = income - taxes + rebate
    np.testing.assert_array_equal(outcome.labor, LABOR)
    np.testing.assert_allclose(outcome.income, income, rtol=1e-14)
    np.testing.assert_allclose(outcome.tax, taxes, rtol=1e-13)
    assert outcome.rebate == pytest.approx(rebate, rel=1e-13)
    np.testing.assert_allclose(outcome.consumption, consumption, rtol=1e-13)
    np.testing.assert_allclose(
        outcome.utility, consumption - SKILL * 8 * (LABOR / 40) ** 5, rtol=1e-12
    )
    assert outcome.floored == 0


def test_spending_above_revenue_makes_the_rebate_negative(x64):
    outcome = settle(economy(spending=5000.0), BracketSchedule([0], [0.0]), jnp.array(LABOR))
    assert outcome.rebate == pytest.approx(-5000, rel=1e-14)


@pytest.mark.eager
def test_the_consumption_floor_enters_utility_only(x64):
    schedule, labor = BracketSchedule([0], [0.0]), jnp.array(LABOR)
    plain, floored = (
        settle(economy(spending=5000.0, consumption_floor=floor), schedule, labor)
        for floor in (-jnp.inf, 6000.0)
    )
    np.testing.assert_array_equal(plain.consumption, floored.consumption)
    # Consumption: -5000 and 5000 lie below 6000; they are 10 % and 20 % of the people.
    np.testing.assert_allclose(plain.consumption[:2], [-5000, 5000], rtol=1e-12)
    assert floored.floored == pytest.approx(0.3, rel=1e-12)
    np.testing.assert_allclose(
        floored.utility - plain.utility, [11000, 1000, 0, 0, 0, 0], rtol=1e-11, atol=1e-9
    )
    assert plain.rebate == floored.rebate


def test_the_order_of_workers_does_not_matter(x64):
    order = np.array([3, 1, 5, 0, 4, 2])
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    population = economy().population
    shuffled = economy_of(40 * SKILL[order], 0.25, weight=WEIGHT[order])
    one, other = (
        settle(economy(), schedule, jnp.array(LABOR)),
        settle(shuffled, schedule, jnp.array(LABOR[order])),
    )
    np.testing.assert_allclose(np.asarray(one.utility)[order], other.utility, rtol=1e-13)
    for measure in (Atkinson(1.0), Atkinson(2.0), InverseIncome(1.0)):
        assert measure(population, one) == pytest.approx(
            float(measure(shuffled.population, other)), rel=1e-12
        )
    np.testing.assert_allclose(
        gini(one.income, population.weight),
        gini(other.income, shuffled.population.weight),
        rtol=1e-12,
    )


def test_labor_is_one_entry_per_worker():
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    for labor in (jnp.full(5, 40.0), jnp.full(1, 40.0), jnp.full(7, 40.0)):
        with pytest.raises(ValueError, match=rf"(?s){len(labor)}") as error:
            settle(economy(), schedule, labor)
        assert error.match("6")
        assert error.match(r"(?i)worker|agent")


def test_a_batch_of_economies_is_a_vmap(x64):
    schedule = BracketSchedule(THRESHOLDS, US_2024)

    def rebate(spending):
        return settle(economy(spending=spending), schedule, jnp.array(LABOR)).rebate

    spending = jnp.array([0.0, 100.0, 1000.0])
    np.testing.assert_allclose(
        jax.vmap(rebate)(spending), [rebate(amount) for amount in spending], rtol=1e-13
    )


def test_differentiating_through_settle_teaches_cooperation(x64):
    # The rebate's share of one worker's own tax: dc/dl = w (1 - T' + weight T').
    schedule = BracketSchedule([0], [0.5])

    def consumption(hours):
        labor = jnp.array(LABOR).at[3].set(hours)
        return settle(economy(), schedule, labor).consumption[3]

    assert jax.grad(consumption)(20.0) == pytest.approx(1500 * (0.5 + 0.2 * 0.5), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_labor": -5}, "max_labor must be a positive number. Got -5"),
        ({"spending": float("nan")}, "spending must be a number"),
        ({"spending": [1.0, 2.0]}, "spending is one number"),
    ],
)
def test_illegal_economies_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Economy(population=Population(SKILL), preferences=Quasilinear(0.25), **options)
