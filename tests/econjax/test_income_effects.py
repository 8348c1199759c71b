"""The rebate as a fixed point, and derivatives through it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    best_response,
    equilibrium,
    settle,
)
from econjax.economy import utility_of
from tests.helpers.laboratory import solve
from tests.helpers.reference import THRESHOLDS, US_2024, grid


def log_economy(potential, **options):
    """Make economy C1 (section 2.4): log consumption, delta = 3, 40 hours of the median untaxed."""
    return Economy(
        population=Population(np.asarray(potential) / 40),
        preferences=Isoelastic(1, exponent=3, scale=5.208333333333e-06),
        **options,
    )


@eqx.filter_jit
def gradients(economy, schedule):
    """Return the derivatives of mean utility and the rebate with respect to all that there is."""

    def both(pair):
        outcome = equilibrium(*pair).outcome
        return jnp.stack([jnp.sum(pair[0].population.weight * outcome.utility), outcome.rebate])

    return eqx.filter_jacrev(both)((economy, schedule))


# Oracles, section 5e: N = 2,000, rates of 2024.
FROZEN = [
    -0.255806410,
    -0.431131552,
    -0.156158230,
    -0.045484637,
    -0.004871763,
    -0.003892880,
    -0.000048166,
]
MECHANICAL = [
    0.006660879,
    0.153769941,
    0.189798738,
    0.113642705,
    0.019726574,
    0.022781574,
    0.000464476,
]
ONE_PASS = [
    0.021484512,
    0.178296932,
    0.171408665,
    0.090275603,
    0.010650386,
    0.009129482,
    -0.000968788,
]
IMPLICIT = [
    0.006397234,
    0.145138194,
    0.153585893,
    0.082888948,
    0.009805833,
    0.008420941,
    -0.000918697,
]


def test_values_of_the_printed_equilibrium(x64):
    found = solve(log_economy(grid("LN", 2000)), BracketSchedule(THRESHOLDS, US_2024))
    outcome = found.outcome
    assert outcome.utility.mean() == pytest.approx(10.599187041986, abs=5e-13)
    assert outcome.rebate == pytest.approx(9941.22900978, abs=2e-8)
    assert outcome.income.mean() == pytest.approx(61191.69119411, abs=2e-8)
    hours = [outcome.labor.min(), jnp.median(outcome.labor), outcome.labor.max()]
    np.testing.assert_allclose(hours, [21.2669, 36.4632, 38.5644], atol=5.1e-5)
    assert found.gap < 1e-8
    assert found.steps <= 12


def test_the_rebate_is_differentiated_as_a_fixed_point(x64):
    economy, schedule = log_economy(grid("LN", 2000)), BracketSchedule(THRESHOLDS, US_2024)
    _, by_schedule = gradients(economy, schedule)
    np.testing.assert_allclose(by_schedule.rates[0], IMPLICIT, rtol=0, atol=5.1e-10)


def test_what_a_wrong_derivative_would_be(x64):
    # Section 5e, the other columns: each forgets a part of how the rebate responds.
    economy, start = log_economy(grid("LN", 2000)), BracketSchedule(THRESHOLDS, US_2024)
    settled = solve(economy, start)

    @eqx.filter_jit
    def columns(rates, economy, labor, rebate):
        def frozen(rates):
            schedule = BracketSchedule(start.thresholds, rates)
            income = economy.population.skill * labor
            return utility_of(economy, income - schedule.tax(income) + rebate, labor).mean()

        def mechanical(rates):
            return settle(economy, BracketSchedule(start.thresholds, rates), labor).utility.mean()

        def one_pass(rates):
            schedule = BracketSchedule(start.thresholds, rates)
            return settle(
                economy, schedule, best_response(economy, schedule, rebate)
            ).utility.mean()

        return [jax.grad(f)(rates) for f in (frozen, mechanical, one_pass)]

    found = columns(start.rates, economy, settled.labor, settled.rebate)
    for column, printed in zip(found, (FROZEN, MECHANICAL, ONE_PASS), strict=True):
        np.testing.assert_allclose(column, printed, rtol=0, atol=5.1e-10)


def test_every_derivative_is_that_of_the_equilibrium(x64):
    # Central differences of the whole equilibrium along a random direction of each leaf.
    taste = 1 + 0.3 * np.cos(np.arange(2000.0))
    population = Population(grid("LN", 2000) / 40, taste=taste)
    preferences = Isoelastic(1.4, exponent=3, scale=1e-6, unit=2e4)
    point = (
        Economy(population=population, preferences=preferences, spending=700.0),
        BracketSchedule(THRESHOLDS, US_2024),
    )
    found = gradients(*point)
    rng = np.random.default_rng(0)
    fields = {
        "rates": lambda p: p[1].rates,
        "thresholds": lambda p: p[1].thresholds,
        "spending": lambda p: p[0].spending,
        "curvature": lambda p: p[0].preferences.curvature,
        "exponent": lambda p: p[0].preferences.exponent,
        "scale": lambda p: p[0].preferences.scale,
        "unit": lambda p: p[0].preferences.unit,
        "tastes": lambda p: p[0].population.taste,
        "skills": lambda p: p[0].population.skill,
    }
    for name, field in fields.items():
        value = field(point)
        direction = value * rng.uniform(0.5, 1.5, value.shape)

        def moved(step, field=field, value=value, direction=direction):
            outcome = solve(*eqx.tree_at(field, point, value + step * direction)).outcome
            return np.array([outcome.utility.mean(), outcome.rebate])

        step = 1e-6
        expected = (moved(step) - moved(-step)) / (2 * step)
        slope = [np.sum(np.asarray(row) * np.asarray(direction)) for row in field(found)]
        np.testing.assert_allclose(slope, expected, rtol=2e-5, atol=1e-7, err_msg=name)


EDGES, FALLING = np.array([0.0, 60000]), np.array([0.5, 0.3])


@pytest.mark.parametrize("rates", [[0.5, 0.3], [0.6, 0.2], [0.9, 0.1]])
def test_where_rates_fall_the_gap_is_one_workers_jump_at_most(x64, rates):
    found = solve(log_economy(grid("LN", 100)), BracketSchedule(EDGES, rates))
    tax = np.sort(np.asarray(found.outcome.tax))
    assert np.isfinite(found.gap)
    # Nobody's jump is wider than the widest step of taxes from one worker to the next.
    assert found.gap <= np.diff(tax).max() / 100 + 1e-6
    assert found.outcome.rebate == pytest.approx(tax.mean(), rel=1e-12)


def test_where_rates_fall_derivatives_are_the_continuums(x64):
    # Differences of the equilibria of many more workers.
    economy, many = log_economy(grid("LN", 10000)), log_economy(grid("LN", 40000))
    by_economy, by_schedule = gradients(economy, BracketSchedule(EDGES, FALLING))

    def paid(edges, rates):
        return float(solve(many, BracketSchedule(edges, rates)).rebate)

    expected = [
        (paid(EDGES, FALLING + d) - paid(EDGES, FALLING - d)) / 2e-2 for d in 1e-2 * np.eye(2)
    ]
    np.testing.assert_allclose(by_schedule.rates[1], expected, atol=1e-3 * np.linalg.norm(expected))
    edge = np.array([0.0, 1000.0])
    slope = (paid(EDGES + edge, FALLING) - paid(EDGES - edge, FALLING)) / 2000
    assert by_schedule.thresholds[1][1] == pytest.approx(slope, rel=1e-2)
    # With log utility only the ratio of dollar amounts matters: R is homogeneous in thresholds and
    # skills.
    euler = (
        60000 * by_schedule.thresholds[1][1]
        + economy.population.skill @ by_economy.population.skill[1]
    )
    assert euler == pytest.approx(paid(EDGES, FALLING), rel=2e-4)


def test_rebates_below_zero_are_equilibria_too(x64):
    economy = log_economy(grid("LN", 100), spending=15000.0)
    found = solve(economy, BracketSchedule(EDGES, [0.1, 0.2]))
    outcome = found.outcome
    assert outcome.rebate < 0
    assert np.all(np.isfinite(outcome.utility))
    assert np.mean(outcome.income - outcome.consumption) == pytest.approx(15000, rel=1e-12)
    assert found.gap <= 1e-8
