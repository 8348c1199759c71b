"""Every schedule below zero, at zero, at a threshold and at the end of the number line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule, LogLinearSchedule, us_federal
from tests.helpers.laboratory import float64

SCHEDULES = {
    "flat": lambda: BracketSchedule([0], [0.3]),
    "federal": lambda: us_federal(2024),
    "with a deduction": lambda: us_federal(2024, deduction=True),
    "negative rates": lambda: BracketSchedule([0, 1e4, 3e4], [-0.4, 0.2, -1.0]),
    "more brackets than are written out": lambda: BracketSchedule(
        np.arange(40) * 1e3, np.linspace(0.5, 0, 40)
    ),
    "all taken": lambda: BracketSchedule([0, 1e4], [1.0, 1.0]),
    "progressive": lambda: LogLinearSchedule(7.0, 0.181),
    "log-linear, flat": lambda: LogLinearSchedule(0.7, 0.0),
    "regressive": lambda: LogLinearSchedule(0.05, -0.2),
}
LOSSES = np.array([-np.inf, -1e30, -5e3, -1.0, -1e-30])
every_schedule = pytest.mark.parametrize("name", SCHEDULES)


@every_schedule
def test_the_tax_of_a_loss_is_that_of_no_income(name, eps):
    schedule, losses = SCHEDULES[name](), jnp.array(LOSSES)
    assert np.all(schedule.tax(losses) == 0)
    assert schedule.tax(jnp.zeros(())) == 0
    assert np.all(np.asarray(schedule.marginal_rate(losses[:-1])) == 0)
    assert np.all(jax.vmap(jax.grad(schedule.tax))(losses[1:-1]) == 0)


@every_schedule
def test_the_marginal_rate_is_the_slope_of_the_tax_to_the_right(name, x64):
    schedule = SCHEDULES[name]()
    at = jnp.array([-5e3, 0.0, 1e4, 3e4, 11600.0, 14600.0, 1e6])
    step = jnp.array(1e-3)
    slope = (schedule.tax(at + step) - schedule.tax(at)) / step
    rate = schedule.marginal_rate(at)
    steep = ~np.isfinite(np.asarray(rate)) | (np.asarray(at) == 0)
    np.testing.assert_allclose(slope[~steep], rate[~steep], atol=1e-6)
    nearer = np.asarray(schedule.tax(jnp.array(1e-200)) / 1e-200)  # the slope at an income of 0
    assert rate[1] == pytest.approx(nearer, rel=1e-12) or (rate[1] == -np.inf and nearer < -1e30)


@every_schedule
def test_where_the_slope_at_zero_is_finite_it_is_the_derivative(name, x64):
    schedule, zero = SCHEDULES[name](), jnp.zeros(())
    rate, slope = schedule.marginal_rate(zero), jax.grad(schedule.tax)(zero)
    assert slope == (rate if np.isfinite(rate) else 1)


@every_schedule
def test_nan_owes_nan_and_infinity_owes_no_nan(name):
    schedule = SCHEDULES[name]()
    for function in (schedule.tax, schedule.marginal_rate):
        assert np.isnan(function(jnp.array(jnp.nan)))
        assert not np.isnan(function(jnp.array(jnp.inf)))


@given(st.lists(st.floats(-1e6, 0), min_size=4, max_size=4), st.floats(-1, 1), st.floats(-0.5, 0.9))
def test_no_schedule_pays_for_losses(losses, rate, progressivity):
    with float64():
        brackets = BracketSchedule([0, 5e3], [rate, -rate])
        for schedule in (brackets, LogLinearSchedule(2.0, progressivity)):
            assert np.all(schedule.tax(jnp.array(losses)) == 0)


def test_infinity_is_the_end_of_the_last_bracket():
    ended, plain = (
        BracketSchedule([0, 1e4, np.inf], [0.1, 0.2]),
        BracketSchedule([0, 1e4], [0.1, 0.2]),
    )
    assert ended.thresholds.tolist() == plain.thresholds.tolist()
    assert BracketSchedule([0, np.inf], [0.1]).tax(jnp.array(100.0)) == pytest.approx(10)
    traced = jax.jit(lambda t: BracketSchedule(t, [0.1, 0.2]).tax(jnp.array(2e4)))
    assert traced(jnp.array([0, 1e4, jnp.inf])) == pytest.approx(3000)


@pytest.mark.parametrize(
    ("thresholds", "rates", "remedy"),
    [
        ([0, 1e4, 2e4], [0.1, 0.2], "the end of the last bracket, inf"),
        ([0, 1e4, np.nan], [0.1, 0.2], "the end of the last bracket, inf"),
        ([0, np.inf, np.inf], [0.1, 0.2], "nobody reaches"),
        ([0, 1e4, np.inf], [0.1, 0.2, 0.3], "a bracket from inf, which nobody reaches, not at all"),
        ([np.inf], [], "as many rates as thresholds"),
    ],
)
def test_infinity_elsewhere_is_refused_with_what_to_write(thresholds, rates, remedy):
    with pytest.raises(ValueError, match=remedy):
        BracketSchedule(thresholds, rates)
