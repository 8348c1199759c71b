"""Legal input at the edge of what is legal: every value is finite and what its definition says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    best_response,
    equilibrium,
    grid_response,
    logit_probabilities,
    settle,
)
from econjax.schedule import AbstractSchedule
from tests.helpers.laboratory import hours_of, solve
from tests.helpers.reference import THRESHOLDS, US_2024

PREFERENCES = {
    "quasilinear": lambda: Quasilinear(0.25),
    "GHH": lambda: GHH(2, elasticity=0.25, unit=1e4),
    "isoelastic": lambda: Isoelastic(2, exponent=3, scale=1.041666666667e-06, unit=1e4),
}
RESPONSES = ("quasilinear", "isoelastic")  # hours of GHH are those of quasilinear workers
# Rates of exactly 1, 0 and -1; all and nothing taken; all taken at the top; federal.
RATES = [
    [1.0, 0.0, -1.0, 1.0, 0.0, 1.0, -1.0],
    [1.0] * 7,
    [0.0] * 7,
    [-1.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    US_2024.tolist(),
]
# No skill, next to none (subnormal in float32), no distaste for work, the very able, no weight.
SKILL = [0.0, 1e-40, 100.0, 1e6, 1250.0]
TASTE = [1.0, 1.0, 0.0, 1.0, 1e-30]
WEIGHT = [0.3, 0.2, 0.2, 0.3, 0.0]
FOUR = np.array([0.0, 100.0, 1250.0, 1e5])


def extreme(name, **options):
    return Economy(
        population=Population(SKILL, taste=TASTE, weight=WEIGHT),
        preferences=PREFERENCES[name](),
        **options,
    )


@pytest.mark.parametrize("name", PREFERENCES)
def test_everything_is_finite_and_adds_up(eps, name):
    for rates in RATES:
        for spending in (0.0, -5000.0):
            found = solve(extreme(name, spending=spending), BracketSchedule(THRESHOLDS, rates))
            outcome = found.outcome
            for field in ("labor", "income", "tax", "consumption", "rebate"):
                assert np.all(np.isfinite(getattr(outcome, field))), (field, rates)
            assert np.isfinite(found.gap)
            assert not np.any(np.isnan(outcome.utility))
            assert np.all((outcome.labor >= 0) & (outcome.labor <= 100 * (1 + 2 * eps)))
            assert outcome.income[0] == 0
            # Utility is -inf only where its definition says so.
            unpaid = np.asarray(outcome.consumption) <= 0
            if name == "quasilinear":
                assert np.all(np.isfinite(outcome.utility))
            if name == "isoelastic":
                np.testing.assert_array_equal(np.isneginf(outcome.utility), unpaid)
            balance = np.sum(
                np.array(WEIGHT) * np.asarray(outcome.income - outcome.consumption, float)
            )
            assert balance == pytest.approx(
                spending, abs=50 * eps * float(jnp.abs(outcome.income).max())
            )


@pytest.mark.parametrize("name", ["quasilinear", "GHH"])
def test_where_all_is_taken_nobody_works_and_without_distaste_everyone_does(eps, name):
    taken = hours_of(extreme(name), BracketSchedule(THRESHOLDS, RATES[1]))
    np.testing.assert_allclose(taken[np.array([0, 1, 3])], 0, atol=1e-6)
    kept = hours_of(extreme(name), BracketSchedule(THRESHOLDS, RATES[2]))
    np.testing.assert_allclose(kept[2:], [100, 40, 100], rtol=20 * eps)


def test_a_rate_of_one_at_the_top_ends_incomes_there(eps):
    schedule = BracketSchedule(THRESHOLDS, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0])
    for name in RESPONSES:
        economy = Economy(population=Population(FOUR), preferences=PREFERENCES[name]())
        income = FOUR * np.asarray(hours_of(economy, schedule, 1e3))
        assert income[-1] == pytest.approx(609350, rel=20 * eps)
        assert np.all(income[:-1] < 609350)


@pytest.mark.parametrize("name", RESPONSES)
def test_no_longest_week_is_that_of_a_long_one(eps, name):
    # Where nobody would work a thousand hours.
    for schedule in (BracketSchedule(THRESHOLDS, US_2024), LogLinearSchedule(3.0, 0.1)):
        endless, long = (
            hours_of(
                Economy(
                    population=Population(FOUR), preferences=PREFERENCES[name](), max_labor=cap
                ),
                schedule,
                1e3,
            )
            for cap in (jnp.inf, 1000.0)
        )
        assert np.all(np.isfinite(endless))
        np.testing.assert_allclose(endless, long, rtol=20 * eps)


@pytest.mark.parametrize("name", RESPONSES)
def test_brackets_that_nobody_reaches_do_not_matter(eps, name):
    economy = Economy(population=Population(FOUR), preferences=PREFERENCES[name]())
    beyond = np.array([0, 1e7, 1e8, 1e9, 1e10, 1e12, 1e15])
    for top in ([0.9, -1.0, 1.0, 0.0, -0.5, 0.3], [0.5] * 6):
        seven = hours_of(economy, BracketSchedule(beyond, [0.3, *top]), 500.0)
        one = hours_of(economy, BracketSchedule([0], [0.3]), 500.0)
        np.testing.assert_allclose(seven, one, rtol=20 * eps)


def test_one_agent_under_many_schedules(x64):
    economy = Economy(population=Population([1250.0]), preferences=PREFERENCES["quasilinear"]())
    rates = jnp.array([US_2024.tolist(), US_2024[::-1].tolist(), *RATES[1:3]])

    def settled(rates):
        schedule = BracketSchedule(THRESHOLDS.tolist(), rates)
        outcome = settle(economy, schedule, best_response(economy, schedule))
        return outcome.labor[0], outcome.consumption[0] - outcome.income[0]

    labor, left = eqx.filter_jit(jax.vmap(settled))(rates)
    alone = [float(hours_of(economy, BracketSchedule(THRESHOLDS, r))[0]) for r in np.asarray(rates)]
    np.testing.assert_allclose(labor, alone, rtol=1e-13, atol=1e-6)
    np.testing.assert_allclose(left, 0, atol=1e-9)  # its tax comes back


@pytest.mark.parametrize("name", RESPONSES)
def test_vmap_over_schedules_and_rebates_equals_a_loop(name):
    economy = extreme(name)
    rates, rebates = jnp.array(RATES), jnp.array([0.0, 100.0, 1e4, 5e4, 2e3])

    def hours(rates, rebate):
        return best_response(economy, BracketSchedule(THRESHOLDS.tolist(), rates), rebate)

    batch = eqx.filter_jit(jax.vmap(hours))(rates, rebates)
    loop = [
        hours_of(economy, BracketSchedule(THRESHOLDS, r), b)
        for r, b in zip(RATES, rebates, strict=True)
    ]
    np.testing.assert_allclose(batch, np.stack(loop), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RESPONSES)
def test_the_second_call_does_not_compile_again(compilations, name):
    def make(shift):
        economy = extreme(name, spending=jnp.array(shift))
        return economy, BracketSchedule(jnp.array(THRESHOLDS), jnp.array(US_2024) + shift / 1e4)

    solve(*make(0.0))
    again = make(100.0)
    with compilations() as seen:
        solve(*again)
    assert not seen


# Nothing is broadcast in silence.


def three():
    return Economy(
        population=Population([10.0, 20.0, 30.0]), preferences=Quasilinear(0.3)
    ), BracketSchedule([0], [0.2])


@pytest.mark.parametrize("rebate", [[1.0], [1.0, 2.0, 3.0], [[1.0]]])
@pytest.mark.parametrize(
    "call",
    [
        best_response,
        grid_response,
        lambda *args: logit_probabilities(*args, temperature=100.0),
    ],
    ids=["best", "grid", "logit"],
)
def test_a_rebate_is_one_number(call, rebate):
    with pytest.raises((ValueError, TypeError), match="rebate"):
        call(*three(), rebate)


def test_another_kind_of_schedule_is_refused_with_what_is_known():
    class Square(AbstractSchedule):
        def tax(self, income):
            return income**2

        def marginal_rate(self, income):
            return 2 * income

    for call in (best_response, equilibrium):
        with pytest.raises(TypeError, match="BracketSchedule"):
            call(three()[0], Square())
