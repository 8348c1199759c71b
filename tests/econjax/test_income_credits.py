"""Credits that depend on income, beside the schedule: budgets, responses, gradients, formulas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    GHH,
    REFERENCE_HOURS,
    Atkinson,
    BracketSchedule,
    Economy,
    IncomeCredits,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    added,
    best_response,
    calibrate,
    converged_saez,
    equilibrium,
    gb2,
    phased_credit,
    settle,
    us_federal,
)
from tests.helpers.laboratory import lost_to_grid

AGENTS, REBATE = 10_000, 12_000.0
EITC = {
    "phase_in": [0.0765, 0.34, 0.40, 0.45],
    "most": [632.0, 4213.0, 6960.0, 7830.0],
    "until": [10_330.0, 22_720.0, 22_720.0, 22_720.0],
    "phase_out": [0.0765, 0.1598, 0.2106, 0.2106],
}
"""Of single filers with 0, 1, 2 and 3 or more children (IRS, Revenue Procedure 2023-34)."""
KINDS = 4
PREFERENCES = [
    Quasilinear(0.25),
    GHH(1.5, elasticity=0.4, unit=1000.0),
    Isoelastic(1.2, exponent=3.0, scale=1e-5, unit=20_000.0),
]
SCHEDULES = {
    "one schedule": lambda: us_federal(2024, deduction=True),
    "one of each group": lambda: us_federal(2024, ("single", "joint"), deduction=True),
    "rates that fall": lambda: BracketSchedule([0.0, 15_000, 60_000], [0.7, 0.5, 0.2]),
    "rates near 1": lambda: BracketSchedule([0.0, 25_000], [0.3, 0.97]),
}
CASES = [(0, name, True) for name in SCHEDULES] + [
    (0, "one of each group", False),
    (1, "rates that fall", False),
    (1, "rates near 1", True),
    (2, "one of each group", True),
    (2, "rates near 1", False),
]
"""Preferences by number, a schedule, and whether there is other income."""


def credits_of(kind):
    return IncomeCredits(*phased_credit(**EITC).each_group(), kind)


def random_workers(agents=AGENTS, *, other=True, seed=0):
    """Draw workers of two groups and all kinds, some without skill, some with other income."""
    rng = np.random.default_rng(seed)
    beside = rng.exponential(9000.0, agents) * (rng.random(agents) > 0.5)
    return Population(
        rng.lognormal(6.0, 1.0, agents) * (rng.random(agents) > 0.1),
        taste=rng.uniform(0.4, 1.2, agents),
        other_income=beside if other else None,
        credits=credits_of(rng.integers(KINDS, size=agents)),
        group=rng.integers(2, size=agents),
    )


@pytest.mark.parametrize(("wants", "name", "other"), CASES)
def test_no_point_of_a_fine_grid_is_better(x64, wants, name, other):
    economy = Economy(population=random_workers(other=other), preferences=PREFERENCES[wants])
    assert jnp.max(lost_to_grid(economy, SCHEDULES[name](), REBATE)) <= 1e-6


@pytest.mark.parametrize("name", ["one schedule", "one of each group"])
@pytest.mark.parametrize("preferences", PREFERENCES[::2], ids=lambda p: type(p).__name__)
def test_they_are_what_the_schedule_with_them_added_is(x64, preferences, name):
    # Everybody of one kind: the credit may as well stand in the law.
    rng, schedule = np.random.default_rng(1), SCHEDULES[name]()
    own = {"skill": rng.lognormal(6.0, 1.0, 500), "group": rng.integers(2, size=500)}
    credit = phased_credit(**EITC).of_group(2)
    beside = Population(**own, credits=credits_of(np.full(500, 2)))
    found = [
        equilibrium(Economy(population=who, preferences=preferences), law).outcome
        for who, law in ((beside, schedule), (Population(**own), added(schedule, credit)))
    ]
    np.testing.assert_allclose(found[0].consumption, found[1].consumption, rtol=1e-9)
    np.testing.assert_allclose(found[0].tax, found[1].tax, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("preferences", PREFERENCES, ids=lambda p: type(p).__name__)
def test_the_budget_balances_and_order_does_not_matter(x64, preferences):
    workers = random_workers(500)
    economy = Economy(population=workers, preferences=preferences, spending=700.0)
    schedule = SCHEDULES["one of each group"]()
    outcome = equilibrium(economy, schedule).outcome
    assert jnp.mean(outcome.income - outcome.consumption) == pytest.approx(700.0, abs=1e-6)
    settled = settle(economy, schedule, outcome.labor)
    np.testing.assert_allclose(settled.tax, outcome.tax, atol=1e-6)
    order = np.random.default_rng(2).permutation(500)
    turned = jax.tree.map(lambda v: v[order] if v.ndim == 1 else v, workers)
    again = equilibrium(eqx.tree_at(lambda e: e.population, economy, turned), schedule).outcome
    np.testing.assert_allclose(again.consumption, outcome.consumption[order], rtol=1e-9)


def test_workers_of_a_kind_bunch_where_its_phase_in_ends(x64):
    # Who would earn n untaxed earns n (1 - T')^e: at the kink are all with n between those that
    # either side of it would bring there (Saez 2010, American Economic Journal: Policy 2, 180).
    skill, kind, elasticity = gb2(40_000).skill, np.arange(40_000) % KINDS, 0.25
    law, preferences = BracketSchedule([0.0, 14_600], [0.0, 0.1]), Quasilinear(elasticity)
    population = Population(skill, credits=credits_of(kind))
    income = equilibrium(
        Economy(population=population, preferences=preferences), law
    ).outcome.income
    untaxed = REFERENCE_HOURS * skill
    for of in (1, 2):
        phase_in, kink = EITC["phase_in"][of], EITC["most"][of] / EITC["phase_in"][of]
        after = 1 - float(law.marginal_rate(jnp.asarray(kink)))
        first = kink / (after + phase_in) ** elasticity
        wanted = (kind == of) & (untaxed > first) & (untaxed < kink / after**elasticity)
        found = (kind == of) & (np.abs(income - kink) < 1e-6)
        assert wanted.sum() > 100
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["one schedule", "one of each group", "rates that fall"])
def test_slopes_in_rates_and_in_credits_count_those_who_jump(x64, name):
    agents, schedule = 20_000, SCHEDULES[name]()
    number = np.arange(agents)
    population = Population(
        gb2(agents).skill, group=number % 2, credits=credits_of(number // 2 % KINDS)
    )
    economy = Economy(population=population, preferences=Quasilinear(0.4))

    @eqx.filter_jit
    def rebate_and_slopes(rates, phases):
        def rebate(rates, phases):
            own = eqx.tree_at(lambda e: e.population.credits.rates, economy, phases)
            return equilibrium(own, BracketSchedule(schedule.thresholds, rates)).rebate

        return jax.value_and_grad(rebate, argnums=(0, 1))(rates, phases)

    given = np.asarray(schedule.rates), np.asarray(population.credits.rates)
    _, slopes = rebate_and_slopes(*given)
    places = (np.ndindex(given[0].shape), [(2, 0), (2, 2), (3, 0)])
    for which, some in enumerate(places):
        wanted, found = [], []
        for at in some:
            step = np.zeros_like(given[which])
            step[at] = 5e-3
            moved = [
                tuple(v + s * step if i == which else v for i, v in enumerate(given))
                for s in (1, -1)
            ]
            ends = [rebate_and_slopes(*each)[0] for each in moved]
            wanted.append((ends[0] - ends[1]) / 1e-2)
            found.append(slopes[which][at])
        np.testing.assert_allclose(found, wanted, atol=2e-2 * np.abs(wanted).max())


def test_the_formula_finds_where_the_gradient_is_zero(x64):
    number = np.arange(20_000)
    population = calibrate(gb2(20_000), us_federal(2024))
    population = eqx.tree_at(
        lambda p: p.credits, population, credits_of(number % KINDS), is_leaf=lambda x: x is None
    )
    economy, welfare = Economy(population=population, preferences=Quasilinear(0.25)), Atkinson(1.0)
    start = BracketSchedule([0.0, 20_000, 60_000, 150_000], [0.4, 0.4, 0.4, 0.4])

    @jax.jit
    def slope(rates):
        def equivalent(rates):
            outcome = equilibrium(economy, BracketSchedule(start.thresholds, rates)).outcome
            return welfare.equivalent(population, outcome)

        return jax.grad(equivalent)(rates)

    found = converged_saez(economy, start, welfare, tolerance=1e-4)
    assert found.converged
    assert np.abs(slope(found.schedule.rates)).max() < 5e-3 * np.abs(slope(start.rates)).max()


def test_calibration_explains_forty_hours_where_the_budget_is_convex(x64):
    law = us_federal(2024, deduction=True)
    skill = np.linspace(50.0, 14_000 / 40, 200)  # in the phase-in, and the deduction
    workers = Population(skill, credits=credits_of(np.full(200, 2)))
    population = calibrate(workers, law)
    np.testing.assert_allclose(population.taste, 1.4, rtol=1e-12)
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    np.testing.assert_allclose(best_response(economy, law), 40.0, rtol=1e-9)


def test_without_rates_they_change_nothing(x64):
    skill, none = gb2(500).skill, np.zeros((2, 1))
    found = [
        equilibrium(
            Economy(population=Population(skill, credits=own), preferences=Quasilinear(0.25)),
            us_federal(2024),
        ).outcome.consumption
        for own in (None, IncomeCredits(none, none, np.arange(500) % 2))
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_what_is_illegal_is_refused():
    with pytest.raises(ValueError, match="kind holds whole numbers from 0 to 3: mend entry 1, 4"):
        credits_of([0, 4])
    with pytest.raises(ValueError, match="flat arrays of one length"):
        Population([1.0, 2.0], credits=credits_of([0]))
    with pytest.raises(ValueError, match="rising strictly from 0"):
        IncomeCredits([[0.0, 0.0]], [[0.1, 0.2]], [0])
    with pytest.raises(ValueError, match="shares between -1 and 1"):
        IncomeCredits([[0.0, 1.0]], [[-40.0, 0.2]], [0])
    with pytest.raises(ValueError, match="of one shape"):
        IncomeCredits([0.0, 1.0], [0.1, 0.2], [0])
    economy = Economy(
        population=Population([1.0], credits=credits_of([0])), preferences=Quasilinear(0.25)
    )
    with pytest.raises(ValueError, match="under a BracketSchedule only"):
        best_response(economy, LogLinearSchedule(2.0, 0.1))
