"""Income that labor does not bring, lump-sum and phased credits: budgets, responses, gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    GHH,
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    added,
    best_response,
    bracket_statistics,
    calibrate,
    equilibrium,
    gb2,
    grid_response,
    phased_credit,
    us_federal,
)
from tests.helpers.laboratory import lost_to_grid

AGENTS, REBATE = 10_000, 12_000.0
CREDIT = {"phase_in": 0.4, "most": 6960.0, "until": 22720.0, "phase_out": 0.2106}
PREFERENCES = [
    Quasilinear(0.25),
    GHH(1.5, elasticity=0.4, unit=1000.0),
    Isoelastic(1.2, exponent=3.0, scale=1e-5, unit=20_000.0),
]


def with_credit():
    """Make the law of single filers with a credit that phases in and out."""
    return added(us_federal(2024, deduction=True), phased_credit(**CREDIT))


def random_workers(agents=AGENTS, *, least=0.0, seed=0):
    """Draw workers, some without skill, some without other income or with a loss."""
    rng = np.random.default_rng(seed)
    skill = rng.lognormal(6.0, 1.0, agents) * (rng.random(agents) > 0.1)
    other = rng.exponential(12_000.0, agents) * (rng.random(agents) > 0.4) - least
    return Population(
        skill,
        taste=rng.uniform(0.4, 1.2, agents),
        other_income=other,
        credit=rng.uniform(0, 4000, agents),
    )


@pytest.mark.parametrize("preferences", PREFERENCES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("least", [0.0, 3000.0], ids=["income", "losses"])
def test_no_point_of_a_fine_grid_is_better(x64, preferences, least):
    economy = Economy(population=random_workers(least=least), preferences=preferences)
    assert jnp.max(lost_to_grid(economy, with_credit(), REBATE)) <= 1e-6


def test_workers_bunch_where_the_phase_in_ends_and_leave_where_the_phase_out_does(x64):
    economy = Economy(
        population=calibrate(gb2(20_000), us_federal(2024)), preferences=Quasilinear(0.25)
    )
    income = equilibrium(economy, with_credit()).outcome.income

    def share(dollars):
        return float(jnp.mean(jnp.abs(income - dollars) < 50))

    first, end = CREDIT["most"] / CREDIT["phase_in"], CREDIT["until"] + 6960 / 0.2106
    assert share(first) > 10 * share(first - 1500) > 0
    assert share(end) == 0 < share(end - 6000)


def test_other_income_is_taxed_first_and_not_chosen(x64):
    # A worker begins in the bracket that other income reaches: hours are those of a bracket at
    # 40 %.
    schedule = BracketSchedule([0.0, 30_000], [0.1, 0.4])
    workers = Population([500.0, 500.0], other_income=[0.0, 50_000.0])
    economy = Economy(population=workers, preferences=Quasilinear(0.25))
    labor = best_response(economy, schedule)
    np.testing.assert_allclose(labor, 40 * np.array([0.9, 0.6]) ** 0.25, rtol=1e-12)


def test_the_budget_balances_with_credits(x64):
    economy = Economy(population=random_workers(500), preferences=Quasilinear(0.25), spending=700.0)
    outcome = equilibrium(economy, with_credit()).outcome
    assert jnp.mean(outcome.income - outcome.consumption) == pytest.approx(700.0, abs=1e-8)


def test_a_credit_for_all_is_paid_by_all(x64):
    skill = gb2(300).skill
    paid = [
        equilibrium(
            Economy(population=Population(skill, credit=credit), preferences=Quasilinear(0.25)),
            us_federal(2024),
        )
        for credit in (None, np.full(300, 900.0))
    ]
    assert paid[1].rebate == pytest.approx(float(paid[0].rebate) - 900, rel=1e-12)
    np.testing.assert_allclose(paid[1].outcome.consumption, paid[0].outcome.consumption)


def test_other_income_of_zero_changes_nothing(x64):
    skill = gb2(2000).skill
    found = []
    for other in (None, np.zeros(2000)):
        population = Population(skill, other_income=other)
        economy = Economy(population=population, preferences=Quasilinear(0.25))
        found.append(equilibrium(economy, with_credit()).outcome)
    np.testing.assert_allclose(found[1].labor, found[0].labor, rtol=1e-9)
    assert found[1].rebate == pytest.approx(float(found[0].rebate), rel=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
def test_slopes_count_those_who_jump_beside_other_income(x64, groups):
    agents, number = 20_000, np.arange(20_000)
    population = Population(
        gb2(agents).skill,
        other_income=np.where(number % 3, 0.0, 500.0 * (number % 61)),
        group=number % groups,
        groups=groups,
    )
    economy = Economy(population=population, preferences=Quasilinear(0.4))
    thresholds = np.tile([0.0, 20_000, 80_000], (groups, 1))
    rates = np.tile([0.5, 0.3, 0.4], (groups, 1))
    if groups == 1:
        thresholds, rates = thresholds[0], rates[0]

    @eqx.filter_jit
    def rebate_and_slope(economy, thresholds, rates):
        return jax.value_and_grad(
            lambda r: equilibrium(economy, BracketSchedule(thresholds, r)).rebate
        )(rates)

    _, slope = rebate_and_slope(economy, thresholds, rates)
    wanted = np.zeros_like(rates)
    for at in np.ndindex(rates.shape):
        step = np.zeros_like(rates)
        step[at] = 5e-3
        ends = [rebate_and_slope(economy, thresholds, rates + s * step)[0] for s in (1, -1)]
        wanted[at] = (ends[0] - ends[1]) / 1e-2
    np.testing.assert_allclose(slope, wanted, atol=1e-2 * np.abs(wanted).max())


def test_only_what_labor_brings_responds(x64):
    workers = Population(np.full(4, 500.0), other_income=[0.0, 1000, 2000, 3000])
    economy = Economy(population=workers, preferences=Quasilinear(0.25))
    schedule = BracketSchedule([0.0], [0.3])
    outcome = equilibrium(economy, schedule).outcome
    found = bracket_statistics(economy, schedule, outcome, Atkinson(1.0))
    assert found.active[0] == pytest.approx(500 * float(outcome.labor[0]), rel=1e-12)
    assert found.base[0] == pytest.approx(500 * float(outcome.labor[0]) + 1500, rel=1e-12)


def test_hours_of_a_grid_are_chosen_beside_other_income(x64):
    economy = Economy(population=random_workers(200), preferences=Quasilinear(0.25))
    exact = best_response(economy, us_federal(2024))
    grid = np.linspace(0, 100, 2001)
    near = grid_response(economy, us_federal(2024), grid=grid)
    np.testing.assert_allclose(near, exact, atol=0.05)


def test_calibration_explains_forty_hours_beside_other_income(x64):
    workers = Population(gb2(300).skill, other_income=np.linspace(0, 40_000, 300))
    law = us_federal(2024, deduction=True)
    economy = Economy(population=calibrate(workers, law), preferences=Quasilinear(0.25))
    np.testing.assert_allclose(best_response(economy, law), 40.0, rtol=1e-9)


def test_what_is_not_known_is_refused():
    economy = Economy(population=random_workers(5), preferences=Quasilinear(0.25))
    with pytest.raises(ValueError, match="other income are known under a BracketSchedule only"):
        best_response(economy, LogLinearSchedule(2.0, 0.1))
    with pytest.raises(ValueError, match="other_income must be finite: mend entry 1, nan"):
        Population([1.0, 2.0], other_income=[0.0, np.nan])
    with pytest.raises(ValueError, match="credit must be finite and 0 or more: mend entry 0"):
        Population([1.0, 2.0], credit=[-1.0, 0.0])
    with pytest.raises(ValueError, match="shares above 0"):
        phased_credit(phase_in=0.0, most=1.0, until=2.0, phase_out=0.1)
    with pytest.raises(ValueError, match="of the same groups"):
        added(us_federal(2024, ("single", "joint")), phased_credit(**CREDIT | {"most": [1.0] * 3}))
