"""Several groups, each with a schedule of its own: laws, gradients, formulas and planners."""

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    FILING_STATUSES,
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    Utilitarian,
    added,
    best_response,
    bracket_statistics,
    calibrate,
    converged_saez,
    equilibrium,
    gb2,
    phased_credit,
    settle,
    us_federal,
)
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator
from tests.helpers.laboratory import float64

WELFARE = Atkinson(1.0)
RISING = np.array([[0.1, 0.2, 0.35], [0.15, 0.25, 0.4], [0.0, 0.3, 0.5]])
FALLING = np.array([[0.5, 0.3, 0.45], [0.6, 0.35, 0.2], [0.3, 0.5, 0.4]])
THRESHOLDS = np.array([[0.0, 20000, 80000], [0.0, 35000, 150000], [0.0, 25000, 60000]])
DOLLARS = Quasilinear(0.4)
EFFECTS = Isoelastic(1.2, exponent=3.0, scale=1e-5, unit=20_000.0)
MANY = 20_000
"""Workers enough for slopes; one number of them in `solved`, so that it compiles once."""
PREFERENCES = pytest.mark.parametrize("preferences", [DOLLARS, EFFECTS], ids=["none", "effects"])


def economy_of(agents=600, *, preferences=DOLLARS, groups=3, spending=1000.0, **more):
    """Make an economy of groups that take turns along the incomes, tastes and weights."""
    number = np.arange(agents)
    weight = 1.0 + number % 5
    population = Population(
        gb2(agents).skill,
        taste=0.6 + 0.1 * (number % 4),
        weight=weight / weight.sum(),
        group=number % groups,
        **more,
    )
    return Economy(population=population, preferences=preferences, spending=spending)


def taken(population, order, **more):
    """Return some of a population, in another order."""
    own = {name: getattr(population, name) for name in ("taste", "weight", "group", "elasticity")}
    own = {name: values[order] for name, values in own.items() if values is not None} | more
    return Population(population.skill[order], groups=population.groups, **own)


@eqx.filter_jit
def solved(economy, thresholds, rates):
    """Return the equivalent, its slopes in thresholds and rates, and the outcome."""

    def equivalent(thresholds, rates):
        outcome = equilibrium(economy, BracketSchedule(thresholds, rates)).outcome
        welfare = WELFARE if economy.preferences.utility_in_dollars else Utilitarian()
        return welfare.equivalent(economy.population, outcome), outcome

    both = jax.value_and_grad(equivalent, argnums=(0, 1), has_aux=True)
    (value, outcome), slopes = both(thresholds, rates)
    return value, slopes, outcome


@PREFERENCES
def test_each_group_works_as_if_alone_under_its_schedule(x64, preferences):
    economy = economy_of(preferences=preferences)
    schedule = BracketSchedule(THRESHOLDS, FALLING)
    labor = best_response(economy, schedule, 5000.0)
    for number in range(3):
        who = np.flatnonzero(economy.population.group == number)
        share = jnp.sum(economy.population.weight[who])
        weight = economy.population.weight[who] / share
        alone = eqx.tree_at(
            lambda e: e.population, economy, taken(economy.population, who, weight=weight)
        )
        own = best_response(alone, schedule.of_group(number), 5000.0)
        np.testing.assert_allclose(labor[who], own, rtol=1e-12)


@PREFERENCES
def test_the_budget_balances_over_groups(x64, preferences):
    economy = economy_of(MANY, preferences=preferences)
    *_, found = solved(economy, THRESHOLDS, FALLING)
    kept = found.income - found.consumption
    spent = jnp.sum(economy.population.weight * kept)
    assert spent == pytest.approx(1000.0, abs=1e-8)


@pytest.mark.parametrize("rates", [RISING, FALLING], ids=["rising", "falling"])
@PREFERENCES
def test_the_order_of_people_does_not_matter(x64, preferences, rates):
    economy = economy_of(MANY, preferences=preferences)
    order = np.random.default_rng(0).permutation(economy.population.agents)
    shuffled = eqx.tree_at(lambda e: e.population, economy, taken(economy.population, order))
    chex.assert_trees_all_close(
        solved(economy, THRESHOLDS, rates)[:2],
        solved(shuffled, THRESHOLDS, rates)[:2],
        rtol=1e-8,
        atol=1e-7,
    )


def test_a_record_split_in_two_changes_nothing(x64):
    economy = economy_of()
    workers = economy.population
    twice = np.append(np.arange(workers.agents), 7)
    weight = workers.weight[twice].at[7].multiply(0.3).at[-1].multiply(0.7)
    split = eqx.tree_at(lambda e: e.population, economy, taken(workers, twice, weight=weight))
    schedule = BracketSchedule(THRESHOLDS, FALLING)
    before, after = (equilibrium(e, schedule).outcome for e in (economy, split))
    assert after.rebate == pytest.approx(float(before.rebate), rel=1e-12)
    np.testing.assert_allclose(after.labor[:-1], before.labor, rtol=1e-12)


@pytest.mark.parametrize("rates", [RISING, FALLING], ids=["rising", "falling"])
@PREFERENCES
def test_merging_equal_groups_changes_nothing(x64, preferences, rates):
    economy = economy_of(MANY, preferences=preferences)
    three = solved(economy, np.tile(THRESHOLDS[0], (3, 1)), np.tile(rates[1], (3, 1)))
    merged = solved(economy, THRESHOLDS[0], rates[1])
    assert three[0] == pytest.approx(float(merged[0]), rel=1e-12)
    for by_three, by_one in zip(three[1], merged[1], strict=True):
        largest = float(jnp.max(jnp.abs(by_one)))
        np.testing.assert_allclose(jnp.sum(by_three, axis=0), by_one, atol=1e-7 * largest)


def test_rates_in_common_have_the_sum_of_the_groups_slopes(x64):
    economy = economy_of(MANY)
    _, (_, common), _ = solved(economy, THRESHOLDS, FALLING[1])
    _, (_, own), _ = solved(economy, THRESHOLDS, np.tile(FALLING[1], (3, 1)))
    np.testing.assert_allclose(common, jnp.sum(own, axis=0), rtol=1e-9)


@PREFERENCES
def test_slopes_are_finite_differences_where_rates_rise(x64, preferences):
    economy = economy_of(MANY, preferences=preferences)
    _, slopes, _ = solved(economy, THRESHOLDS, RISING)
    rng = np.random.default_rng(0)
    for which, size in ((0, 20.0), (1, 1e-3)):
        step = size * rng.normal(size=(3, 3)) * ((np.arange(3) > 0) if which == 0 else 1)
        at = [THRESHOLDS, RISING]
        ends = []
        for sign in (1, -1):
            moved = list(at)
            moved[which] = at[which] + sign * step
            ends.append(solved(economy, *moved)[0])
        size_of_slope = float(jnp.linalg.norm(slopes[which]) * np.linalg.norm(step))
        assert (ends[0] - ends[1]) / 2 == pytest.approx(
            float(jnp.sum(slopes[which] * step)), abs=3e-3 * size_of_slope
        )


@PREFERENCES
def test_slopes_count_those_who_jump_in_each_group(x64, preferences):
    # The mean over wide steps of a fine population stands for the continuum.
    economy = economy_of(MANY, preferences=preferences)
    _, (_, slope), _ = solved(economy, THRESHOLDS, FALLING)
    wanted = np.zeros((3, 3))
    for at in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[at] = 2e-2
        ends = [solved(economy, THRESHOLDS, FALLING + s * step)[0] for s in (1, -1)]
        wanted[at] = (ends[0] - ends[1]) / 4e-2
    np.testing.assert_allclose(slope, wanted, atol=2e-2 * np.abs(wanted).max())


def test_slopes_in_skill_count_those_who_jump(x64):
    economy = economy_of(30_000)
    schedule = BracketSchedule(THRESHOLDS, FALLING)

    @jax.jit
    @jax.value_and_grad
    def rebate_and_slope(log_growth):
        grown = eqx.tree_at(
            lambda e: e.population.skill, economy, economy.population.skill * jnp.exp(log_growth)
        )
        return equilibrium(grown, schedule).rebate

    _, slope = rebate_and_slope(0.0)
    up, down = (rebate_and_slope(growth)[0] for growth in (0.02, -0.02))
    assert (up - down) / 0.04 == pytest.approx(float(slope), rel=1e-2)


def test_workers_with_elasticities_of_their_own(x64):
    agents = 3000
    elasticity = 0.2 + 0.3 * (np.arange(agents) % 7) / 7
    economy = economy_of(agents, elasticity=elasticity)
    labor = best_response(economy, BracketSchedule(THRESHOLDS, FALLING))
    for number in range(3):
        who = np.flatnonzero(economy.population.group == number)
        weight = np.full(who.size, 1 / who.size)
        alone = eqx.tree_at(
            lambda e: e.population, economy, taken(economy.population, who, weight=weight)
        )
        own = best_response(alone, BracketSchedule(THRESHOLDS, FALLING).of_group(number))
        np.testing.assert_allclose(labor[who], own, rtol=1e-12)


def test_a_fixed_cost_keeps_some_of_each_group_at_home(x64):
    economy = economy_of(fixed_cost=np.full(600, 6000.0))
    outcome = equilibrium(economy, BracketSchedule(THRESHOLDS, FALLING)).outcome
    for number in range(3):
        idle = outcome.labor[economy.population.group == number] == 0
        assert 0.02 < jnp.mean(idle) < 0.9


def test_many_groups_are_as_few(x64):
    rates = np.random.default_rng(0).uniform(0, 0.6, (20, 3))
    thresholds = np.tile(THRESHOLDS[0], (20, 1))
    economy = economy_of(groups=20)
    labor = best_response(economy, BracketSchedule(thresholds, rates))
    for number in (0, 7, 19):
        who = np.flatnonzero(economy.population.group == number)
        weight = np.full(who.size, 1 / who.size)
        alone = eqx.tree_at(
            lambda e: e.population, economy, taken(economy.population, who, weight=weight)
        )
        own = best_response(alone, BracketSchedule(thresholds[number], rates[number]))
        np.testing.assert_allclose(labor[who], own, rtol=1e-12)


def test_statistics_of_common_rates_are_the_sum_over_groups(x64):
    economy = economy_of()
    each, common = (
        BracketSchedule(THRESHOLDS, rates) for rates in (np.tile(FALLING[1], (3, 1)), FALLING[1])
    )
    outcome = equilibrium(economy, common).outcome
    own, all_ = (bracket_statistics(economy, s, outcome, WELFARE) for s in (each, common))
    for name in ("share", "base", "weighted_base", "active"):
        np.testing.assert_allclose(
            jnp.sum(getattr(own, name), axis=0), getattr(all_, name), rtol=1e-9
        )
    assert jnp.sum(own.share) == pytest.approx(1)
    mean = float(jnp.sum(economy.population.weight * outcome.income))
    assert jnp.sum(own.base) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("rates", [RISING, RISING[0]], ids=["own", "common"])
def test_at_the_formulas_fixed_point_no_rate_gains(x64, rates):
    economy = economy_of(3000)
    found = converged_saez(economy, BracketSchedule(THRESHOLDS, rates), WELFARE, tolerance=1e-4)
    assert found.schedule.rates.shape == rates.shape
    assert found.converged
    evaluate = RationalEvaluator(economy, WELFARE)
    before = evaluate.value_and_grad(BracketSchedule(THRESHOLDS, rates))
    after = evaluate.value_and_grad(found.schedule)
    assert after.equivalent > before.equivalent
    assert jnp.max(jnp.abs(after.gradient)) < 0.03 * jnp.max(jnp.abs(before.gradient))


def test_a_batch_of_schedules_is_one_program(x64):
    economy = economy_of()
    batch = jnp.stack([RISING, FALLING])

    @jax.jit
    @chex.assert_max_traces(n=1)
    def rebates(rates):
        return jax.vmap(
            lambda r: equilibrium(economy, BracketSchedule(THRESHOLDS.tolist(), r)).rebate
        )(rates)

    single = [equilibrium(economy, BracketSchedule(THRESHOLDS, r)).rebate for r in batch]
    np.testing.assert_allclose(rebates(batch), single, rtol=1e-12)
    rebates(batch + 0.01)


def test_single_precision_agrees():
    found = equilibrium(economy_of(), BracketSchedule(THRESHOLDS, FALLING)).rebate
    with float64():
        exact = equilibrium(economy_of(), BracketSchedule(THRESHOLDS, FALLING)).rebate
    assert found == pytest.approx(float(exact), rel=1e-5)


def test_bounds_are_those_of_every_group():
    bounds = RateBounds(floor=0.1, cap=0.4, rising=True)
    kept = bounds.keep(BracketSchedule(THRESHOLDS, FALLING))
    for own, rates in zip(kept.rates, FALLING, strict=True):
        np.testing.assert_allclose(own, bounds.nearest(jnp.asarray(rates, float)), rtol=1e-6)


def test_filing_statuses_are_groups_of_the_law():
    law = us_federal(2024, FILING_STATUSES, deduction=True)
    for number, status in enumerate(FILING_STATUSES):
        chex.assert_trees_all_equal(law.of_group(number), us_federal(2024, status, deduction=True))


def test_taxes_of_workers_are_those_of_their_groups(x64):
    law = us_federal(2024, FILING_STATUSES)
    incomes = jnp.append(jnp.linspace(-5000, 8e5, 401), law.thresholds[1, 3])
    for number in range(4):
        workers = Population(np.ones(incomes.size), group=np.full(incomes.size, number), groups=4)
        own, alone = law.of(workers), law.of_group(number)
        earned = jnp.maximum(incomes, 0)
        np.testing.assert_allclose(own.tax(incomes), alone.tax(earned), rtol=1e-12)
        np.testing.assert_array_equal(own.marginal_rate(earned), alone.marginal_rate(earned))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Population([1.0, 2], group=[0, 2.5]), "mend entry 1, 2.5"),
        (lambda: Population([1.0, 2], group=[0, -1]), "mend entry 1, -1"),
        (lambda: Population([1.0, 2], group=[0, 3], groups=2), "0 to 1: mend entry 1, 3"),
        (lambda: Population([1.0, 2], groups=2), "which of the 2 groups"),
        (lambda: BracketSchedule(THRESHOLDS, RISING).tax(jnp.ones(1)), "of 3 groups: ask `of"),
        (lambda: BracketSchedule(THRESHOLDS, RISING[:2]), r"\(3, 3\) and rates of shape \(2, 3\)"),
        (
            lambda: best_response(
                Economy(population=gb2(3), preferences=DOLLARS), BracketSchedule(THRESHOLDS, RISING)
            ),
            "of 3 groups and the population has none",
        ),
        (
            lambda: settle(
                economy_of(groups=4), BracketSchedule(THRESHOLDS, RISING), jnp.ones(600)
            ),
            "of 3 groups and the population has 4",
        ),
        (lambda: us_federal(2024, ("single", "widow")), "Unknown filing status 'widow'"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_groups_inside_jit_are_counted_by_the_caller():
    @jax.jit
    def rebate(group):
        population = Population(jnp.full(6, 1000.0), group=group, groups=3)
        economy = Economy(population=population, preferences=DOLLARS)
        schedule = BracketSchedule(THRESHOLDS.tolist(), RISING.tolist())
        return equilibrium(economy, schedule).rebate

    assert rebate(jnp.array([0, 1, 2, 0, 1, 2])) > 0
    with pytest.raises(ValueError, match="say how many"):
        jax.jit(lambda group: Population(jnp.ones(2), group=group))(jnp.array([0, 1]))


def test_calibration_takes_each_group_under_its_law(x64):
    law = us_federal(2024, FILING_STATUSES)
    workers = Population(gb2(400).skill, group=np.arange(400) % 4)
    economy = Economy(population=calibrate(workers, law), preferences=Quasilinear(0.25))
    np.testing.assert_allclose(best_response(economy, law), 40.0, rtol=1e-9)


def test_schedules_added_take_both(x64):
    law = us_federal(2024, FILING_STATUSES)
    credit = phased_credit(
        phase_in=[0.0765, 0.34, 0.4, 0.45],
        most=[632.0, 4213, 6960, 7830],
        until=[10330.0, 22720, 22720, 22720],
        phase_out=[0.0765, 0.1598, 0.2106, 0.2106],
    )
    both, incomes = added(law, credit), jnp.linspace(0, 8e5, 801)
    for number in range(4):
        wanted = law.of_group(number).tax(incomes) + credit.of_group(number).tax(incomes)
        np.testing.assert_allclose(both.of_group(number).tax(incomes), wanted, atol=1e-9)
    shared = added(us_federal(2024), BracketSchedule([0, 11600], [-0.1, 0.05]))
    assert jnp.all(jnp.diff(shared.thresholds) > 0)
    assert shared.tax(jnp.array(20000.0)) == pytest.approx(1160 + 0.12 * 8400 - 1160 + 420)
