"""The Saez planners: static, published recipes, converged, and with elasticities they measure."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from baselines.optimum import best_found
from baselines.saez.empirical import EmpiricalSaezPlanner
from baselines.saez.iterated import (
    REFERENCE_ELASTICITIES,
    SaezPlanner,
    StaticSaezPlanner,
    implied_rates,
    reference_saez,
)
from baselines.saez.jump_inference import inferred_jump, inferred_population
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    calibrate,
    converged_saez,
)
from econjax.optimal.saez import jump_revenue, saez_rates
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of, welfare_of
from tests.helpers.reference import THRESHOLDS, US_2024, gb2_quantile, grid

KEY = jax.random.key(0)
THREE = np.array([0.0, 90_000.0, 159_100.0])
RISING = np.array([0.1, 0.3, 0.5])


def law():
    return BracketSchedule(THRESHOLDS, US_2024)


def evaluator(n, elasticity, welfare):
    return RationalEvaluator(economy_of(n, elasticity), welfare)


# 100 draws of the LLM Economist's GB2 with its seed 42, incomes at 100 hours; per cent by its own
# recipe.
RECIPE = [
    (THRESHOLDS, 0.4, [98.1, 92.6, 79.3, 63.5, 52.8, 53.6, 37.6]),
    (THRESHOLDS, REFERENCE_ELASTICITIES["SAEZ"], [87.4, 62.5, 33.8, 18.9, 13.0, 13.4, 7.4]),
    (THREE, REFERENCE_ELASTICITIES["SAEZ_THREE"], [94.4, 88.1, 52.1]),
]


def skills():
    u = np.random.RandomState(42).uniform(size=100)
    return gb2_quantile(u, 1 - u) / 40


@pytest.mark.parametrize(("thresholds", "elasticity", "percent"), RECIPE)
def test_the_reference_recipe(thresholds, elasticity, percent):
    planner = reference_saez("llm-economist", skills(), thresholds, elasticity=elasticity)
    rates = 100 * np.asarray(planner.recommend(None).rates)
    np.testing.assert_allclose(rates, percent, atol=0.051)


def test_the_reference_recipe_on_one_bracket_is_the_linear_formula():
    # z is the mean income m, so a = m / (m - 0) = 1; G by hand.
    skill = skills()
    above, weight = skill > skill.mean(), (1 / skill) / (1 / skill).sum()
    g = weight[above].sum() / above.mean()
    planner = reference_saez(
        "llm-economist", skill, THREE[:1], elasticity=REFERENCE_ELASTICITIES["SAEZ_FLAT"]
    )
    assert planner.recommend(None).rates[0] == pytest.approx((1 - g) / (1 - g + 0.4), abs=5.1e-5)


def test_the_copy_in_the_empirical_experiment_differs_in_the_last_bracket_only():
    # Nobody of the hundred earns 159,100 + 0.1 * (1e7 - 159,100): a = 10 and G = 0, 1 / (1 + 10 *
    # 0.4).
    one, other = (
        np.asarray(reference_saez(name, skills(), THREE).recommend(None).rates)
        for name in ("llm-economist", "dynamic-empirical")
    )
    np.testing.assert_array_equal(one[:-1], other[:-1])
    assert other[-1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("recipe", "elasticity", "said"),
    [
        ("saez", 0.4, "Unknown recipe 'saez'; choose one of llm-economist, dynamic-empirical"),
        ("llm-economist", (0.4, 0.3), "one for each of 3 brackets"),
    ],
)
def test_a_recipe_that_does_not_exist_or_fit(recipe, elasticity, said):
    with pytest.raises(ValueError, match=said):
        reference_saez(recipe, skills(), THREE, elasticity=elasticity)


def test_elasticities_by_bracket_are_those_of_the_formula():
    report = evaluator(grid("GB2", 1000), 0.25, Atkinson(1.0)).value(law())
    elasticity = np.linspace(0.1, 0.9, 7)
    found = saez_rates(report.brackets, elasticity=elasticity, current=law().rates)
    for j, e in enumerate(elasticity):
        alone = saez_rates(report.brackets, elasticity=e, current=law().rates)
        assert float(found[j]) == pytest.approx(float(alone[j]), rel=1e-6)
    with pytest.raises(ValueError, match=r"one for each of 7 brackets; got shape \(2,\)"):
        saez_rates(report.brackets, elasticity=np.ones(2), current=law().rates)


def test_the_static_planner_applies_the_formula_once():
    evaluate = evaluator(grid("GB2", 1000), 0.25, Atkinson(1.0))
    found = plan(KEY, StaticSaezPlanner(law(), 0.4), evaluate, steps=4)
    implied = saez_rates(found.reports[0].brackets, elasticity=0.4, current=law().rates)
    np.testing.assert_array_equal(found.schedules[0].rates, law().rates)
    for schedule in (*found.schedules[1:], found.recommended):
        np.testing.assert_allclose(schedule.rates, implied, rtol=1e-5)


def test_once_is_enough_at_the_fixed_point_only():
    economy, welfare = economy_of(grid("PLN", 400), 0.25), Atkinson(1.0)
    start = BracketSchedule([0.0, 60000, 150000], [0.1, 0.2, 0.3])
    fixed = eqx.filter_jit(converged_saez)(
        economy, start, welfare, elasticity=0.25, tolerance=1e-5
    ).schedule
    evaluate = RationalEvaluator(economy, welfare)
    stays = plan(KEY, StaticSaezPlanner(fixed, 0.25), evaluate, steps=2).recommended
    np.testing.assert_allclose(stays.rates, fixed.rates, atol=5e-5)
    moves = plan(KEY, StaticSaezPlanner(start, 0.25), evaluate, steps=2).recommended
    assert np.abs(moves.rates - fixed.rates).max() > 0.05


def known(name, elasticity, rates, calibrated=False):
    """Return an economy, a schedule and what a planner hears of it."""
    population = Population(grid(name, 2000) / 40)
    population = calibrate(population, law()) if calibrated else population
    economy = Economy(population=population, preferences=Quasilinear(elasticity))
    schedule = BracketSchedule(THRESHOLDS, rates)
    return economy, schedule, RationalEvaluator(economy, Rawlsian()).value(schedule)


FALLING = np.array([0.95, 0.83, 0.70, 0.66, 0.64, 0.63, 0.62])


BUNCHING = np.array([0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    "rates", [US_2024, FALLING, BUNCHING], ids=["rising", "falling", "bunching"]
)
@pytest.mark.parametrize("name", ["GB2", "LN"])
def test_the_inferred_workers_are_those_who_were_reported(name, rates):
    economy, schedule, report = known(name, 0.25, rates)
    inferred = inferred_population(schedule, report, 0.25)
    assert inferred is not None
    share = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 0.97])
    true = np.quantile(economy.population.skill, share)
    reached = np.cumsum(inferred.weight)
    found = np.interp(share, reached - np.asarray(inferred.weight) / 2, inferred.skill)
    np.testing.assert_allclose(found, true, rtol=0.04)


@pytest.mark.parametrize("calibrated", [False, True], ids=["taste 1", "calibrated"])
@pytest.mark.parametrize(("name", "elasticity"), [("GB2", 0.25), ("LN", 0.25), ("PLN", 0.5)])
def test_the_inferred_jump_is_the_revenue_of_those_who_jump(name, elasticity, calibrated):
    economy, schedule, report = known(name, elasticity, FALLING, calibrated)
    true = np.asarray(eqx.filter_jit(jump_revenue)(economy, schedule))
    found = np.asarray(inferred_jump(schedule, report, elasticity))
    assert np.linalg.norm(found - true) < 0.06 * np.linalg.norm(true)


def test_nobody_jumps_where_rates_rise():
    _, schedule, report = known("GB2", 0.25, US_2024)
    np.testing.assert_array_equal(inferred_jump(schedule, report, 0.25), 0)


def test_a_report_that_says_nothing_infers_nobody():
    _, schedule, report = known("GB2", 0.25, FALLING)
    empty = replace(report, income_deciles=jnp.zeros(9))
    empty = eqx.tree_at(lambda r: r.brackets.share, empty, jnp.eye(7)[0])
    assert inferred_population(schedule, empty, 0.25) is None
    np.testing.assert_array_equal(inferred_jump(schedule, empty, 0.25), 0)


ECONOMIES = [
    ("GB2", 0.25, 1.0, False),
    ("GB2", 1.0, 2.0, True),
    ("LN", 0.25, np.inf, True),
    ("PLN", 1.0, np.inf, False),
    ("BP", 0.5, 0.5, True),
]


@pytest.mark.parametrize(("name", "elasticity", "aversion", "calibrated"), ECONOMIES)
def test_the_iterated_formula_costs_five_dollars_at_most(name, elasticity, aversion, calibrated):
    population = Population(grid(name, 1000) / 40)
    population = calibrate(population, law()) if calibrated else population
    economy = Economy(population=population, preferences=Quasilinear(elasticity))
    evaluate = RationalEvaluator(economy, welfare_of(aversion))
    found = plan(KEY, SaezPlanner(law(), elasticity), evaluate, steps=40).recommended
    best = best_found(evaluate, [law(), found], steps=30, most=200).equivalent
    assert float(evaluate.value(found).equivalent) > best - 5


@pytest.mark.long
@pytest.mark.parametrize("aversion", [1.0, np.inf])
def test_the_iterated_formula_hears_how_elastic_workers_who_differ_are(aversion):
    skill = np.random.default_rng(7).permutation(grid("GB2", 10_000)) / 40
    own = 0.25 * np.exp(0.5 * ndtri((np.arange(10_000) + 0.5) / 10_000))
    population = calibrate(Population(skill, elasticity=own), law())
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    evaluate = RationalEvaluator(economy, welfare_of(aversion))
    heard, told = (
        plan(KEY, SaezPlanner(law(), elasticity), evaluate, steps=40).recommended
        for elasticity in (None, 0.25)
    )
    best = best_found(evaluate, [law(), heard], steps=30, most=200).equivalent
    regret = {
        name: best - float(evaluate.value(found).equivalent)
        for name, found in (("heard", heard), ("told", told))
    }
    assert regret["heard"] < min(5, regret["told"])


def test_workers_with_income_effects_report_no_elasticity():
    economy = Economy(
        population=Population(grid("GB2", 200) / 40),
        preferences=Isoelastic(1.0, exponent=2.0, scale=1.0),
    )
    report = RationalEvaluator(economy, Utilitarian()).value(law())
    assert report.brackets.elasticity is None
    with pytest.raises(ValueError, match="no elasticity: give one"):
        implied_rates(law(), report, elasticity=None, jumps=False)


def test_the_fixed_point_without_those_who_jump_is_a_part_in_a_thousand_worse():
    # Oracles, section 5d: 0.22 % on 20,000 workers.
    evaluate = evaluator(grid("LN", 1000), 0.25, Rawlsian())
    with_them, without = (
        plan(KEY, SaezPlanner(law(), 0.25, jumps, patience=40), evaluate, steps=40)
        .reports[-1]
        .equivalent
        for jumps in (True, False)
    )
    assert without < with_them * (1 - 1e-3)


@pytest.mark.parametrize(
    ("name", "elasticity"), [("GB2", 0.1), ("LN", 0.25), ("LN", 0.5), ("GB2", 1.0)]
)
def test_the_elasticity_of_rational_workers_is_measured(name, elasticity):
    start = BracketSchedule(THRESHOLDS[:4], np.full(4, 0.3))
    planner = EmpiricalSaezPlanner(start, size=0.02)
    evaluate, state = evaluator(grid(name, 400), elasticity, Atkinson(1.0)), planner.init(KEY)
    for _ in range(8):
        schedule, state = planner.ask(KEY, state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
    assert evaluate.counts == {"value": 8, "gradient": 0, "what_if": 0}
    assert state.measured is not None
    assert np.all(state.measured.own)
    np.testing.assert_allclose(state.measured.elasticity, elasticity, rtol=0.05)


def test_the_measured_elasticity_errs_by_the_square_of_the_size_alone():
    # At a flat rate t workers of elasticity 1 earn n (1 - t): two incomes whose logs are L apart
    # differ by 2 tanh(L / 2) of their mean.
    planner = EmpiricalSaezPlanner(BracketSchedule([0.0], [0.5]), size=0.1)
    evaluate, state = evaluator(grid("GB2", 400), 1.0, Atkinson(1.0)), planner.init(KEY)
    for _ in range(2):
        schedule, state = planner.ask(KEY, state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
    apart = np.log(0.6 / 0.4)
    np.testing.assert_allclose(state.measured.elasticity, 2 * np.tanh(apart / 2) / apart, rtol=1e-4)


def test_each_bracket_has_the_elasticity_of_its_own_workers():
    n = grid("GB2", 400)
    own = np.where(n < 60_000, 0.5, 0.2)  # at 30 % they earn up to 50,200 and from 55,900
    population = Population(n / 40, elasticity=own)
    evaluate = RationalEvaluator(
        Economy(population=population, preferences=Quasilinear(0.3)), Atkinson(1.0)
    )
    planner = EmpiricalSaezPlanner(BracketSchedule([0.0, 53_000.0], [0.3, 0.3]), size=0.02)
    state = planner.init(KEY)
    for _ in range(4):
        schedule, state = planner.ask(KEY, state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
    np.testing.assert_allclose(state.measured.elasticity, [0.5, 0.2], rtol=0.05)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawls"])
def test_measuring_the_elasticity_ends_where_being_told_it_does(welfare):
    evaluate = evaluator(grid("GB2", 1000), 0.25, welfare)
    measured = plan(
        KEY, EmpiricalSaezPlanner(law(), size=0.02), evaluate, steps=14 + 26
    ).recommended
    told = plan(KEY, SaezPlanner(law(), 0.25), evaluate, steps=26).recommended
    worth = [float(evaluate.value(schedule).equivalent) for schedule in (measured, told)]
    assert abs(worth[0] - worth[1]) < 10


class Deaf(RationalEvaluator):
    """Reports whose incomes are the same under every schedule."""

    def value(self, schedule):
        return replace(super().value(schedule), income=jnp.asarray(50_000.0))


def test_workers_who_do_not_answer_rates_leave_nothing_to_iterate():
    evaluate = Deaf(economy_of(grid("GB2", 300), 0.25), Atkinson(1.0))
    found = plan(KEY, EmpiricalSaezPlanner(BracketSchedule(THREE, RISING)), evaluate, steps=10)
    best = int(np.argmax([report.equivalent for report in found.reports]))
    np.testing.assert_array_equal(found.recommended.rates, found.schedules[best].rates)


def test_a_bracket_without_people_takes_the_elasticity_of_all():
    start = BracketSchedule([0.0, 30_000.0, 50e6], [0.2, 0.3, 0.4])
    planner = EmpiricalSaezPlanner(start, size=0.02)
    evaluate, state = evaluator(grid("GB2", 300), 0.4, Atkinson(1.0)), planner.init(KEY)
    for _ in range(6):
        schedule, state = planner.ask(KEY, state)
        state = planner.tell(state, schedule, evaluate.value(schedule))
    np.testing.assert_array_equal(state.measured.own, [True, True, False])
    np.testing.assert_allclose(state.measured.elasticity, 0.4, rtol=0.05)
