"""What a year counts as: who chooses best is untouched, and no error moves much."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Rawlsian,
    Utilitarian,
    us_federal,
)
from experiments.core.economy import EconomyConfig
from llm_policy.workers.lived import SUBSISTENCE, lived, own_best, standing
from tests.helpers.laboratory import settled, solve

LAW = us_federal(2024)
SCHEDULES = {
    "laissez-faire": jnp.zeros(7),
    "US federal": LAW.rates,
    "uniform 50 %": jnp.full(7, 0.5),
    "confiscation": jnp.full(7, 0.9),
}
WELFARE = {"atkinson": Atkinson(1.0), "rawlsian": Rawlsian(), "utilitarian": Utilitarian()}
AGENTS, WORST = 100, 100.0

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def economy():
    return EconomyConfig(agents=AGENTS).economy()


@pytest.fixture(params=SCHEDULES)
def schedule(request):
    return BracketSchedule(LAW.thresholds, SCHEDULES[request.param])


def live(economy, schedule, labor, welfare, *, subsistence=SUBSISTENCE):
    outcome = settled(economy, schedule, labor)
    return lived(
        economy,
        schedule,
        outcome,
        welfare,
        best=own_best(economy, schedule, outcome.rebate),
        subsistence=subsistence,
        understood=jnp.ones(()),
    )


@pytest.mark.parametrize("welfare", WELFARE.values(), ids=WELFARE)
def test_who_chooses_best_is_untouched_however_poor(economy, schedule, welfare):
    outcome = solve(economy, schedule).outcome
    found = live(economy, schedule, outcome.labor, welfare)
    usual = welfare.equivalent(economy.population, outcome)
    assert float(found.report.equivalent) == pytest.approx(float(usual), rel=1e-12)
    assert not np.any(found.bounded)
    assert float(found.lost.max()) == pytest.approx(0, abs=1e-6)


def test_the_least_is_between_no_work_or_subsistence_and_the_own_best(economy, schedule):
    rebate = solve(economy, schedule).rebate
    stands = standing(
        economy, schedule, rebate, own_best(economy, schedule, rebate), subsistence=SUBSISTENCE
    )
    best, least, _ = map(np.asarray, stands)
    np.testing.assert_allclose(least, np.minimum(best, max(float(rebate), SUBSISTENCE)))


def test_cost_is_utility_short_of_the_own_best_without_a_bound(economy):
    labor = jnp.full(AGENTS, 40.0).at[7].set(WORST)
    found = live(economy, LAW, labor, Utilitarian())
    outcome = settled(economy, LAW, labor)
    skill, taste = float(economy.population.skill[7]), float(economy.population.taste[7])
    tries = np.linspace(0.0, 100.0, 100_001)
    effort = taste * skill * 40 / 5 * (tries / 40) ** 5
    worth = skill * tries - np.asarray(LAW.tax(jnp.asarray(skill * tries))) - effort
    assert float(found.lost[7]) == pytest.approx(worth.max() - worth[-1], rel=1e-6)
    assert float(found.lost[7]) > float(outcome.income[7])
    assert np.flatnonzero(found.bounded).tolist() == [7]


def moved(economy, schedule, welfare, who):
    """Return the equivalents of all at their best, and of `who` alone at its worst.

    Also the second where only what this worker counts as moves, not the rebate; and both rebates.
    """
    outcome = solve(economy, schedule).outcome
    labor = outcome.labor.at[who].set(WORST)
    after = settled(economy, schedule, labor)
    before = welfare.equivalent(economy.population, outcome)
    report = live(economy, schedule, labor, welfare).report
    stands = standing(economy, schedule, outcome.rebate, outcome.labor, subsistence=SUBSISTENCE)
    alone = outcome.utility.at[who].set(stands.least[who])
    kept = welfare.equivalent(economy.population, eqx.tree_at(lambda o: o.utility, outcome, alone))
    return map(float, (before, report.equivalent, kept, after.rebate - outcome.rebate))


def test_a_small_error_of_the_poor_is_not_told_as_one_that_the_bound_hides(economy):
    law = BracketSchedule(LAW.thresholds, SCHEDULES["laissez-faire"])  # a third has less than that
    labor = solve(economy, law).outcome.labor
    found = live(economy, law, labor + 2, Utilitarian())
    assert not np.any(found.bounded)
    assert np.all(live(economy, law, jnp.full(AGENTS, WORST), Utilitarian()).bounded[20:])


@pytest.mark.parametrize("welfare", ["atkinson", "rawlsian"])
def test_an_error_of_one_in_a_hundred_moves_no_schedule_by_more_than_four_per_cent(
    economy, schedule, welfare
):
    """Apart from the money that this worker pays in taxes, more or less, which others get."""
    for who in range(0, AGENTS, 3):
        before, _, kept, _ = moved(economy, schedule, WELFARE[welfare], who)
        assert 0.96 * before <= kept <= before * (1 + 1e-9)


def test_the_mean_moves_by_the_workers_own_share_of_the_money(economy, schedule):
    outcome = solve(economy, schedule).outcome
    for who in (0, 50, AGENTS - 1):
        before, _, kept, _ = moved(economy, schedule, Utilitarian(), who)
        own = max(0.0, float(outcome.utility[who]) - SUBSISTENCE)
        assert 0 <= before - kept <= own / AGENTS + 1e-6


@pytest.mark.parametrize("welfare", WELFARE.values(), ids=WELFARE)
def test_what_else_moves_is_the_rebate_that_the_worker_pays_for(economy, schedule, welfare):
    """Everybody's utility moves by the rebate, and welfare by as much times its slope."""
    outcome = solve(economy, schedule).outcome
    for who in (0, 50, 90, AGENTS - 1):
        before, after, kept, rebate = moved(economy, schedule, welfare, who)
        tax = schedule.tax(economy.population.skill[who] * jnp.array([WORST]))
        old = schedule.tax(outcome.income[who : who + 1])
        assert rebate == pytest.approx(float((tax - old)[0]) / AGENTS, abs=1e-6)
        lowest = np.minimum(outcome.utility, outcome.utility + rebate)
        slope = max(before, after) * np.mean(1 / lowest) if welfare is WELFARE["atkinson"] else 1.0
        assert abs(after - kept) <= slope * abs(rebate) + 1e-6


def test_without_the_bound_one_worker_decides(economy):
    """What the bound is for: one error takes a tenth of Atkinson welfare, and all of Rawls'."""
    labor = solve(economy, LAW).outcome.labor.at[20].set(WORST)
    atkinson, rawlsian = (
        float(live(economy, LAW, labor, WELFARE[name], subsistence=None).report.equivalent)
        for name in ("atkinson", "rawlsian")
    )
    assert atkinson < 0.92 * float(
        Atkinson(1.0).equivalent(economy.population, solve(economy, LAW).outcome)
    )
    assert rawlsian < 0


def test_utility_in_utils_knows_no_dollars_of_subsistence():
    economy = Economy(
        population=Population(np.geomspace(200.0, 3_000.0, 9), taste=np.full(9, 1.0)),
        preferences=Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0),
    )
    labor = jnp.full(9, 40.0).at[4].set(WORST)
    one, other = (
        live(economy, LAW, labor, Utilitarian(), subsistence=subsistence)
        for subsistence in (0.0, SUBSISTENCE)
    )
    assert one.report.equivalent == other.report.equivalent
    rebate = settled(economy, LAW, labor).rebate
    nothing = economy.preferences.utility(rebate * jnp.ones(9), jnp.zeros(9), economy.population)
    counts = live(economy, LAW, labor, Rawlsian()).report.equivalent
    assert float(counts) >= float(nothing.min()) - 1e-9


def test_the_bound_is_of_everyone_alike_and_in_any_order(economy):
    labor = jax.random.uniform(jax.random.key(1), (AGENTS,), maxval=100.0)
    order = jax.random.permutation(jax.random.key(2), AGENTS)
    shuffled = eqx.tree_at(
        lambda e: e.population, economy, jax.tree.map(lambda a: a[order], economy.population)
    )
    one, other = (
        live(economy, LAW, labor, Atkinson()),
        live(shuffled, LAW, labor[order], Atkinson()),
    )
    assert float(one.report.equivalent) == pytest.approx(float(other.report.equivalent), rel=1e-12)
    np.testing.assert_allclose(one.lost[order], other.lost, rtol=1e-9)
