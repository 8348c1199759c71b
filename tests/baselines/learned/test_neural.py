from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.learned.economy_prior import AnyAversion, draw_skills, draw_world
from baselines.learned.neural import AmortisedPlanner
from baselines.learned.training import HeldOut, TrainingOptions, held_out, train_network
from econjax import Atkinson, BracketSchedule, Population, Rawlsian
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of, outcome_of, solve
from tests.helpers.reference import THRESHOLDS, US_2024, grid

LAW = BracketSchedule(THRESHOLDS, US_2024)
# Half of the way between these bounds is far from the best rates: there is much to learn.
WIDE = RateBounds(-0.5, 0.99)
BRIEF = TrainingOptions(steps=250, batch=24, populations=60, agents=60, width=32, bounds=WIDE)


@pytest.fixture(scope="module")
def trained():
    return train_network(jax.random.key(0), LAW, BRIEF)


@pytest.fixture(scope="module")
def told():
    return train_network(jax.random.key(0), LAW, replace(BRIEF, sees="elasticity"))


def evaluator(economy=None, aversion=1.0):
    economy = economy_of(grid("GB2", 200), 0.4) if economy is None else economy
    return RationalEvaluator(economy, AnyAversion(jnp.asarray(aversion)))


def proposal(network, economy=None, *, aversion=1.0, elasticity=None):
    planner = AmortisedPlanner(network, aversion, elasticity)
    return plan(jax.random.key(0), planner, evaluator(economy, aversion), steps=1).recommended


def test_it_asks_for_the_law_and_then_holds_its_proposal(trained):
    evaluate = evaluator()
    found = plan(jax.random.key(0), AmortisedPlanner(trained.network, 1.0), evaluate, steps=4)
    np.testing.assert_array_equal(found.schedules[0].rates, LAW.rates)
    for schedule in (*found.schedules[2:], found.recommended):
        np.testing.assert_array_equal(schedule.rates, found.schedules[1].rates)
    assert evaluate.counts == {"value": 4, "gradient": 0, "what_if": 0}
    assert np.abs(np.asarray(found.recommended.rates - LAW.rates)).max() > 0.05


def test_one_evaluation_is_enough(trained):
    more = plan(jax.random.key(0), AmortisedPlanner(trained.network, 1.0), evaluator(), steps=2)
    np.testing.assert_array_equal(proposal(trained.network).rates, more.recommended.rates)


def test_a_proposal_heard_to_be_worse_than_the_law_is_not_recommended(trained):
    planner, report = AmortisedPlanner(trained.network, 1.0), evaluator().value(LAW)
    schedule, state = planner.ask(jax.random.key(0), planner.init(jax.random.key(0)))
    schedule, state = planner.ask(jax.random.key(0), planner.tell(state, schedule, report))
    state = planner.tell(state, schedule, replace(report, equivalent=report.equivalent - 100))
    np.testing.assert_array_equal(planner.recommend(state).rates, LAW.rates)
    np.testing.assert_array_equal(planner.ask(jax.random.key(0), state)[0].rates, schedule.rates)


def test_the_order_and_the_number_of_workers_do_not_matter(trained):
    economy = economy_of(grid("GB2", 200), 0.4)
    skill = np.asarray(economy.population.skill)
    rates = proposal(trained.network, economy).rates
    shuffled = np.random.default_rng(0).permutation(skill)
    for others in (shuffled, np.tile(skill, 2)):
        moved = eqx.tree_at(lambda e: e.population, economy, Population(others))
        np.testing.assert_allclose(proposal(trained.network, moved).rates, rates, atol=1e-4)


def test_brief_training_covers_most_of_the_distance_in_unseen_worlds(trained):
    held = held_out(jax.random.key(99), trained.network, worlds=10, agents=100, evaluations=30)
    assert held.share > 0.75
    assert np.mean(held.proposed > held.law) > 0.85


def test_the_share_is_of_the_way_to_the_best_of_the_four():
    # 10 of 20 dollars in one world, whose best is the climb, 15 of 30 where it is the flat rate,
    # and all of 20 where it is the proposal itself.
    law, proposed = np.array([80.0, 100, 50]), np.array([90.0, 115, 70])
    flat, climbed = np.array([85.0, 130, 60]), np.array([100.0, 110, 65])
    assert HeldOut(law, proposed, flat, climbed).share == pytest.approx((10 + 15 + 20) / 70)


def test_training_counts_what_it_asked(trained):
    assert trained.losses.shape == (250,)
    assert trained.evaluations == {"gradient": 250 * 24, "value": 250 * 24 + 256}
    assert jnp.mean(trained.losses[-30:]) < jnp.mean(trained.losses[:30]) - 0.02


def test_rates_rise_with_the_aversion_and_fall_with_the_elasticity(told):
    # The inverse-elasticity rule, and more redistribution where inequality counts for more (Saez
    # 2001).
    def mean_rate(aversion, elasticity):
        economy = economy_of(grid("GB2", 200), elasticity)
        rates = proposal(told.network, economy, aversion=aversion, elasticity=elasticity).rates
        return float(jnp.mean(rates[:5]))

    for aversion in (1.0, np.inf):
        assert mean_rate(aversion, 0.15) > mean_rate(aversion, 0.4) > mean_rate(aversion, 0.9)
    assert mean_rate(0.5, 0.4) < mean_rate(2.0, 0.4) < mean_rate(np.inf, 0.4)


def test_only_a_network_that_is_told_hears_the_elasticity(trained, told):
    with pytest.raises(ValueError, match="give the elasticity to one"):
        proposal(trained.network, elasticity=0.4)
    with pytest.raises(ValueError, match="give the elasticity to one"):
        proposal(told.network)


def test_one_that_sees_incomes_alone_does_not_read_welfare():
    network = train_network(
        jax.random.key(0), LAW, replace(BRIEF, sees="incomes", steps=2, populations=4)
    ).network
    report = evaluator().value(LAW)
    dearer = replace(report, equivalent=2 * report.equivalent, utility=3 * report.utility)
    np.testing.assert_array_equal(network(report, 1.0).rates, network(dearer, 1.0).rates)


def test_training_is_its_key_and_does_not_compile_twice(compilations):
    tiny = replace(BRIEF, steps=2, populations=4, agents=30)
    one = train_network(jax.random.key(1), LAW, tiny)
    with compilations() as seen:
        same, other = (train_network(jax.random.key(seed), LAW, tiny) for seed in (1, 2))
    assert not seen
    np.testing.assert_array_equal(one.losses, same.losses)
    assert not np.array_equal(one.losses, other.losses)


@pytest.mark.parametrize("aversion", [0.0, 0.5, 1.0, 3.0, np.inf])
def test_any_aversion_is_atkinson_or_rawls(aversion):
    utility = jnp.array([9_000.0, 20_000, 45_000, 300_000])
    population, outcome = Population(jnp.ones(4)), outcome_of(utility)
    exact = Rawlsian() if aversion == np.inf else Atkinson(aversion)
    slopes = []
    for welfare in (AnyAversion(jnp.asarray(aversion)), exact):
        of = lambda u, w=welfare: w.equivalent(population, outcome_of(u))  # noqa: E731
        value, slope = jax.value_and_grad(of)(utility)
        assert value == pytest.approx(float(exact.equivalent(population, outcome)), rel=1e-6)
        slopes.append(slope)
    np.testing.assert_allclose(*slopes, rtol=1e-5)


def test_half_the_populations_of_each_family_are_grids_and_half_are_draws():
    # The families alternate; a quantile grid rises, draws do not.
    skills = np.asarray(draw_skills(jax.random.key(3), populations=12, agents=20))
    rises = np.all(np.diff(skills, axis=1) >= 0, axis=1)
    assert rises[::2].mean() == rises[1::2].mean() == 0.5


def test_worlds_are_what_they_are_said_to_be():
    skills = draw_skills(jax.random.key(3), populations=40, agents=400)
    medians = 40 * np.median(np.asarray(skills), axis=1)
    assert np.all((medians > 20_000) & (medians < 110_000))
    assert len(np.unique(medians)) == 40
    keys = jax.random.split(jax.random.key(4), 200)
    worlds = eqx.filter_jit(jax.vmap(lambda k: draw_world(k, skills, LAW)))(keys)
    elasticity, aversion = (
        np.asarray(worlds.economy.preferences.elasticity),
        np.asarray(worlds.aversion),
    )
    assert np.all((elasticity >= 0.1) & (elasticity <= 1))
    assert abs(np.mean(np.log10(elasticity)) + 0.5) < 4 * np.sqrt(1 / 12 / 200)
    assert abs(np.mean(np.isinf(aversion)) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 200)
    finite = aversion[np.isfinite(aversion)]
    assert np.all((finite >= 0.5) & (finite <= 4))
    under_law = eqx.filter_jit(jax.vmap(lambda w: solve(w.economy, LAW).labor))(worlds)
    fitted = np.all(np.abs(np.asarray(under_law) - 40) < 0.1, axis=1)
    untaxed = np.all(np.asarray(worlds.economy.population.taste) == 1, axis=1)
    assert np.all(fitted ^ untaxed)
    assert abs(np.mean(fitted) - 0.5) < 4 * np.sqrt(0.25 / 200)
