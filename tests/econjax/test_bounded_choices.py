"""Workers who choose among a few hours: the best of them, or each with some probability."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    grid_response,
    logit_probabilities,
    logit_response,
)
from tests.helpers.reference import THRESHOLDS, US_2024, cost, crra, tax

HOURS = np.arange(0.0, 101, 10)
SKILL = np.append(0.0, np.geomspace(5.0, 2e4, 23))
TASTE = 0.5 + (np.arange(24) % 4) / 3
FALLING = np.array([0.30, 0.55, 0.20, 0.60, -0.05, 0.45, 0.40])
REBATE = 3000.0

choose = eqx.filter_jit(grid_response)
probabilities = eqx.filter_jit(logit_probabilities)
draw = eqx.filter_jit(logit_response)


def economy_with(preferences, **options):
    own = {"fixed_cost": options.pop("fixed_cost")} if "fixed_cost" in options else {}
    return Economy(
        population=Population(SKILL, taste=TASTE, **own), preferences=preferences, **options
    )


def consumption_of(rates, hours, fixed=0.0):
    income = SKILL * hours[:, None]
    return income - tax(THRESHOLDS, rates, income) + REBATE - np.where(hours[:, None] > 0, fixed, 0)


def quasilinear_utility(rates, hours, elasticity=0.3, fixed=0.0):
    """Return dollars of utility [options, agents] by the formula."""
    return consumption_of(rates, hours, fixed) - TASTE * cost(
        40 * SKILL, SKILL * hours[:, None], elasticity
    )


def isoelastic_utility(rates, hours):
    return crra(consumption_of(rates, hours) / 1e4, 2) - TASTE * 1e-6 * hours[:, None] ** 3


def isoelastic():
    return Isoelastic(2, exponent=3, scale=1e-6, unit=1e4)


@pytest.mark.parametrize("rates", [US_2024, FALLING], ids=["federal", "falling"])
def test_the_best_of_eleven_choices(eps, rates):
    schedule, fixed = BracketSchedule(THRESHOLDS, rates), (15 + 30 * (np.arange(24) % 2)) * SKILL
    found = [
        choose(economy_with(Quasilinear(0.3)), schedule, REBATE),
        choose(economy_with(Quasilinear(0.3), fixed_cost=fixed), schedule, REBATE),
        choose(economy_with(isoelastic()), schedule, REBATE),
    ]
    utility = [
        quasilinear_utility(rates, HOURS),
        quasilinear_utility(rates, HOURS, fixed=fixed),
        isoelastic_utility(rates, HOURS),
    ]
    for hours, each in zip(found, utility, strict=True):
        np.testing.assert_array_equal(hours, HOURS[np.argmax(each, axis=0)])
    assert 0 < np.sum(np.asarray(found[1])[1:] == 0) < 23  # the cost keeps some at home


def test_the_fewest_of_equally_good_hours():
    # At no skill all hours bring the rebate alone and cost nothing; at a rate of 1 and no distaste,
    # too.
    idle = Economy(
        population=Population([0.0, 100.0], taste=[1.0, 0.0]), preferences=Quasilinear(0.3)
    )
    assert choose(idle, BracketSchedule([0], [1.0]), 50.0, grid=[10.0, 20.0, 30.0]).tolist() == [
        10,
        10,
    ]


def test_hours_beyond_the_longest_week_are_no_choice():
    eager = Economy(
        population=Population([100.0, 200.0], taste=[0.0, 0.0]),
        preferences=Quasilinear(0.3),
        max_labor=45.0,
    )
    schedule = BracketSchedule([0], [0.2])
    assert choose(eager, schedule).tolist() == [40, 40]
    assert choose(eager, schedule, grid=[0, 45, 46]).tolist() == [45, 45]
    shares = probabilities(eager, schedule, temperature=1e6)
    np.testing.assert_array_equal(shares[5:], np.zeros((6, 2)))
    np.testing.assert_allclose(shares.sum(0), 1, rtol=1e-6)


def test_a_choice_has_no_derivative_and_says_what_has_one():
    economy = economy_with(Quasilinear(0.3))

    def earned(rates):
        return jnp.sum(grid_response(economy, BracketSchedule(THRESHOLDS.tolist(), rates)))

    for derivative in (jax.grad(earned), jax.jit(jax.grad(earned)), jax.jacfwd(earned)):
        with pytest.raises(TypeError, match="best_response") as error:
            derivative(jnp.array(US_2024.tolist()))
        assert error.match("logit_probabilities")


def test_log_odds_are_dollars_over_temperature(x64):
    utility = quasilinear_utility(FALLING, HOURS)
    for temperature in (500.0, 1e4):
        shares = probabilities(
            economy_with(Quasilinear(0.3)),
            BracketSchedule(THRESHOLDS, FALLING),
            REBATE,
            temperature=temperature,
        )
        assert shares.shape == (11, 24)
        np.testing.assert_allclose(shares.sum(0), 1, rtol=1e-13)
        expected = np.exp((utility - utility.max(0)) / temperature)
        np.testing.assert_allclose(shares, expected / expected.sum(0), rtol=1e-9, atol=1e-300)


def test_log_odds_of_risk_averse_workers_are_in_dollars_at_their_best_choice(x64):
    # Utils over the marginal utility c^(-2) (in units of 10,000 dollars) of the best choice.
    utility = isoelastic_utility(FALLING, HOURS)
    at_best = np.take_along_axis(consumption_of(FALLING, HOURS), np.argmax(utility, 0)[None], 0)
    dollars = (utility - utility.max(0)) * (at_best / 1e4) ** 2 * 1e4
    shares = probabilities(
        economy_with(isoelastic()), BracketSchedule(THRESHOLDS, FALLING), REBATE, temperature=2000.0
    )
    expected = np.exp(dollars / 2000)
    np.testing.assert_allclose(shares, expected / expected.sum(0), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize(
    "make", [lambda: Quasilinear(0.3), lambda: GHH(2, elasticity=0.3, unit=1e4), isoelastic]
)
def test_cold_workers_choose_the_best_and_hot_ones_anything(eps, make):
    economy = Economy(population=Population(SKILL[1:], taste=TASTE[1:]), preferences=make())
    schedule = BracketSchedule(THRESHOLDS, FALLING)
    best = np.asarray(choose(economy, schedule, REBATE))
    cold = np.asarray(probabilities(economy, schedule, REBATE, temperature=jnp.array(1e-3)))
    np.testing.assert_array_equal(HOURS[np.argmax(cold, axis=0)], best)
    assert cold.max(0).min() > 0.999
    hot = np.asarray(probabilities(economy, schedule, REBATE, temperature=jnp.array(1e30)))
    np.testing.assert_allclose(hot, 1 / 11, rtol=1e-5)


def test_the_probabilities_differentiate(x64):
    economy, rng = economy_with(isoelastic()), np.random.default_rng(0)
    weights = jnp.array(rng.normal(size=(11, 24)))

    @jax.jit
    def average(rates, rebate, log_temperature):
        schedule = BracketSchedule(THRESHOLDS.tolist(), rates)
        shares = logit_probabilities(
            economy, schedule, rebate, temperature=jnp.exp(log_temperature)
        )
        return jnp.sum(weights * shares)

    point = (jnp.array(FALLING), jnp.array(REBATE), jnp.log(3000.0))
    gradient = jax.grad(average, (0, 1, 2))(*point)
    for i, (value, slope) in enumerate(zip(point, gradient, strict=True)):
        step = 1e-6 * np.maximum(np.abs(value), 0.1)
        for j in np.ndindex(np.shape(value)):
            moved = [jnp.asarray(value).at[j].add(sign * np.asarray(step)[j]) for sign in (1, -1)]
            up, down = (average(*point[:i], m, *point[i + 1 :]) for m in moved)
            expected = (up - down) / (2 * np.asarray(step)[j])
            assert slope[j] == pytest.approx(
                float(expected), rel=1e-5, abs=1e-6 * float(jnp.abs(slope).max())
            )


def test_draws_have_the_stated_probabilities():
    # 3 workers, each 2,000 times over in one population; chi-square at the 0.1 % level.
    skill, taste = np.repeat([50.0, 300.0, 900.0], 2000), np.ones(6000)
    economy = Economy(population=Population(skill, taste=taste), preferences=Quasilinear(0.5))
    schedule = BracketSchedule(THRESHOLDS, US_2024)
    hours = draw(jax.random.key(0), economy, schedule, REBATE, temperature=8000.0)
    shares = np.asarray(probabilities(economy, schedule, REBATE, temperature=8000.0), float)
    counts = np.stack(
        [
            np.bincount(h, minlength=11)
            for h in (np.asarray(hours).astype(int) // 10).reshape(3, 2000)
        ]
    )
    expected = 2000 * shares[:, ::2000].T
    common = expected > 5
    excess = np.where(common, (counts - expected) ** 2 / np.where(common, expected, 1), 0).sum(1)
    for value, freedom in zip(excess, common.sum(1) - 1, strict=True):
        assert freedom >= 3
        assert value < chi2.ppf(0.999, freedom)
    assert set(np.unique(hours)) <= set(HOURS)
    again = draw(jax.random.key(0), economy, schedule, REBATE, temperature=8000.0)
    np.testing.assert_array_equal(hours, again)
    assert np.any(draw(jax.random.key(1), economy, schedule, REBATE, temperature=8000.0) != hours)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([[0.0, 10.0]], "1, 2"),
        (40.0, "grid"),
        ([], "grid"),
        ([0.0, -10.0], "-10"),
        ([0.0, np.nan], "nan"),
        ([0.0, 20.0, 10.0], "rising"),
        ([150.0, 200.0], "max_labor|longest|100"),
    ],
)
def test_an_illegal_grid_is_named(grid, message):
    economy, schedule = economy_with(Quasilinear(0.3)), BracketSchedule([0], [0.2])
    for call in (
        lambda: grid_response(economy, schedule, grid=grid),
        lambda: logit_probabilities(economy, schedule, temperature=100.0, grid=grid),
        lambda: logit_response(jax.random.key(0), economy, schedule, temperature=100.0, grid=grid),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("temperature", [0.0, -5.0, np.nan, [1.0, 2.0]])
def test_a_temperature_is_one_positive_number(temperature):
    economy, schedule = economy_with(Quasilinear(0.3)), BracketSchedule([0], [0.2])
    with pytest.raises(ValueError, match="temperature"):
        logit_probabilities(economy, schedule, temperature=temperature)


def test_workers_without_any_consumption_choose_what_they_can(eps):
    # A bill of 5,000 dollars: at no skill no hours pay it, and the rest work.
    economy, schedule = economy_with(isoelastic()), BracketSchedule(THRESHOLDS, US_2024)
    hours = np.asarray(choose(economy, schedule, -5000.0))
    assert np.all(np.isfinite(hours))
    income = SKILL * hours
    possible = SKILL * 100 - tax(THRESHOLDS, US_2024, SKILL * 100) > 5000
    assert np.all((income - tax(THRESHOLDS, US_2024, income) > 5000)[possible])
    shares = np.asarray(probabilities(economy, schedule, -5000.0, temperature=1000.0))
    np.testing.assert_allclose(shares.sum(0), 1, rtol=20 * eps)
    paid = (SKILL * HOURS[:, None] - tax(THRESHOLDS, US_2024, SKILL * HOURS[:, None])) > 5000
    assert np.all(shares[:, possible][~paid[:, possible]] == 0)
