from dataclasses import FrozenInstanceError

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule
from tests.helpers.laboratory import float64
from tests.helpers.reference import THRESHOLDS, US_2024

widths = st.lists(st.floats(1.0, 1e5), min_size=3, max_size=3)
four_rates = st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4)
incomes = st.lists(st.floats(0.0, 1e6), min_size=5, max_size=5)


@given(widths, four_rates, incomes)
def test_tax_is_the_integral_of_the_marginal_rate(widths, rates, incomes):
    with float64():
        schedule = BracketSchedule(np.cumsum([0, *widths]), rates)
        taxes = np.asarray(schedule.tax(jnp.array(incomes)))
        for income, tax in zip(incomes, taxes, strict=True):
            points = np.unique(np.clip(np.append(np.cumsum([0, *widths]), income), 0, income))
            between = jnp.array((points[:-1] + points[1:]) / 2)
            integral = np.diff(points) @ np.asarray(schedule.marginal_rate(between))
            assert tax == pytest.approx(integral, rel=1e-12, abs=1e-12 * max(income, 1.0))


@given(widths, four_rates)
def test_at_a_threshold_the_rate_is_that_of_the_bracket_above(widths, rates):
    with float64():
        thresholds = np.cumsum([0, *widths])
        schedule = BracketSchedule(thresholds, rates)
        np.testing.assert_allclose(schedule.marginal_rate(jnp.array(thresholds)), rates, atol=1e-15)
        below = jnp.array(np.nextafter(thresholds[1:], 0))
        np.testing.assert_allclose(schedule.marginal_rate(below), rates[:-1], atol=1e-15)


@given(widths, four_rates)
def test_tax_is_continuous_and_starts_at_zero(widths, rates):
    with float64():
        thresholds = np.cumsum([0, *widths])
        schedule = BracketSchedule(thresholds, rates)
        assert schedule.tax(jnp.array(0.0)) == 0
        below, at = (
            schedule.tax(jnp.array(np.nextafter(thresholds, 0))),
            schedule.tax(jnp.array(thresholds)),
        )
        np.testing.assert_allclose(below, at, rtol=1e-12, atol=1e-9)


def test_the_marginal_rate_is_the_derivative_of_the_tax(x64):
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    income = jnp.array([5000.0, 11599, 11601, 60000, 150000, 200000, 300000, 1e6])
    np.testing.assert_allclose(
        jax.vmap(jax.grad(schedule.tax))(income), schedule.marginal_rate(income), rtol=1e-14
    )


@pytest.mark.eager
def test_tax_differentiates_to_the_base_of_each_bracket(x64):
    # dT/dt_j = income within bracket j: min(z, b_{j+1}) - b_j.
    gradient = jax.grad(
        lambda rates: BracketSchedule(THRESHOLDS.tolist(), rates).tax(jnp.array(60000.0))
    )
    np.testing.assert_allclose(
        gradient(jnp.array(US_2024)), [11600, 35550, 12850, 0, 0, 0, 0], rtol=1e-14
    )


def test_the_last_bracket_has_no_end(x64):
    # Oracles, section 9e: above 609,350 the top bracket adds 37 % of all the rest; 4: T(609350).
    tax = BracketSchedule(THRESHOLDS, US_2024).tax(jnp.array(1.2e7))
    assert tax == pytest.approx(183647.25 + 4214540.5, rel=1e-14)


@pytest.mark.eager
def test_edges_are_not_whole_dollars_above_the_threshold(x64):
    # Oracles, section 9e: 6053.00 at $50,000, not the 6052.66 of edges 11601 and 47151.
    assert BracketSchedule(THRESHOLDS, US_2024).tax(jnp.array(50000.0)) == pytest.approx(
        6053, abs=1e-9
    )


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_incomes_of_any_shape(shape):
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    income = jnp.full(shape, 50000.0)
    chex.assert_shape([schedule.tax(income), schedule.marginal_rate(income)], shape)
    np.testing.assert_allclose(schedule.tax(income), 6053, rtol=1e-6)
    np.testing.assert_allclose(schedule.marginal_rate(income), 0.22, rtol=1e-6)


@pytest.mark.parametrize("kind", [list, np.array, jnp.array])
def test_numbers_are_converted_at_the_door(kind):
    schedule = BracketSchedule(kind([0, 100]), kind([0, 1]))
    assert isinstance(schedule.thresholds, jax.Array)
    assert isinstance(schedule.rates, jax.Array)
    assert schedule.tax(jnp.array(150.0)) == 50


def test_a_single_bracket_is_a_flat_tax():
    schedule = BracketSchedule([0], [0.3])
    np.testing.assert_allclose(schedule.tax(jnp.array([0.0, 1.0, 1e6])), [0, 0.3, 3e5], rtol=1e-6)
    flat = BracketSchedule(THRESHOLDS, np.full(7, 0.3))
    np.testing.assert_allclose(flat.tax(jnp.array([0.0, 1.0, 1e6])), [0, 0.3, 3e5], rtol=1e-6)


def test_vmap_over_schedules_equals_a_loop():
    rates = jnp.linspace(-0.5, 0.9, 21).reshape(3, 7)
    income = jnp.linspace(0, 1e6, 50)
    batch = jax.vmap(lambda r: BracketSchedule(THRESHOLDS.tolist(), r).tax(income))(rates)
    loop = jnp.stack([BracketSchedule(THRESHOLDS, r).tax(income) for r in rates])
    np.testing.assert_allclose(batch, loop, rtol=1e-6)


def test_the_decorator_hides_nothing():
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    income = jnp.linspace(0, 1e6, 50)
    with jax.disable_jit():
        plain = BracketSchedule(THRESHOLDS, US_2024).tax(income)
    np.testing.assert_allclose(eqx.filter_jit(schedule.tax)(income), plain, rtol=1e-6)


def test_float32_agrees_with_float64():
    income = np.geomspace(1, 1e7, 200)
    single = BracketSchedule(THRESHOLDS, US_2024).tax(jnp.asarray(income, jnp.float32))
    assert single.dtype == jnp.float32
    with float64():
        double = BracketSchedule(THRESHOLDS, US_2024).tax(jnp.asarray(income))
        assert double.dtype == jnp.float64
    np.testing.assert_allclose(single, double, rtol=20 * np.finfo(np.float32).eps)


def test_a_schedule_is_frozen():
    with pytest.raises(FrozenInstanceError):
        BracketSchedule([0], [0.3]).rates = jnp.ones(1)


BAD = {
    "per cent": ([0, 10000], [10, 35], r"35", r"0\.35"),
    "just above one": ([0, 10000], [0.1, 1.5], r"1\.5", r"share"),
    "below minus one": ([0, 10000], [-1.5, 0.1], r"-1\.5", r"share"),
    "nan rate": ([0, 10000], [0.1, np.nan], r"nan", r"share"),
    "falling thresholds": ([0, 5000, 4000], [0.1, 0.2, 0.3], r"4000", r"rise|rising|increas"),
    "equal thresholds": ([0, 5000, 5000], [0.1, 0.2, 0.3], r"5000", r"rise|rising|increas"),
    "nan threshold": ([0, np.nan], [0.1, 0.2], r"nan", r"rise|rising|increas|finite"),
    "infinite threshold": ([0, np.inf], [0.1, 0.2], r"inf", r"rise|rising|increas|finite"),
    "not from zero": ([1000, 5000], [0.1, 0.2], r"1000", r"start|0"),
    "unequal lengths": ([0, 5000], [0.1, 0.2, 0.3], r"2.*3|3.*2", r"as many rates as thresholds"),
    "no brackets": ([], [], r"0|empty", r"at least one|one bracket|empty"),
    "three-dimensional": ([[[0, 5000]]], [[[0.1, 0.2]]], r"1, 1, 2", r"two flat lists"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    thresholds, rates, value, remedy = BAD[name]
    with pytest.raises(ValueError, match=rf"(?s){value}") as error:
        BracketSchedule(thresholds, rates)
    assert error.match(rf"(?s){remedy}")


@pytest.mark.parametrize("rates", [[0.1, 35.0], [0.1, np.nan], [-1.2, 0.1]])
def test_inside_jit_an_illegal_rate_raises_when_it_runs(rates):
    tax = eqx.filter_jit(lambda rates: BracketSchedule([0.0, 1e4], rates).tax(jnp.array(2e4)))
    assert tax(jnp.array([0.1, 0.2])) == pytest.approx(3000)
    with pytest.raises(RuntimeError, match="share"):
        jax.block_until_ready(tax(jnp.array(rates)))


@pytest.mark.parametrize("thresholds", [[0.0, -1.0], [1.0, 2.0], [0.0, np.nan]])
def test_inside_jit_an_illegal_threshold_raises_when_it_runs(thresholds):
    tax = eqx.filter_jit(
        lambda thresholds: BracketSchedule(thresholds, [0.1, 0.2]).tax(jnp.array(2e4))
    )
    with pytest.raises(RuntimeError, match=r"(?i)threshold"):
        jax.block_until_ready(tax(jnp.array(thresholds)))
