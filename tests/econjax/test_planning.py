import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from baselines.fixed import FixedPlanner
from econjax import (
    Atkinson,
    BracketSchedule,
    InverseIncome,
    Utilitarian,
    gini,
    us_federal,
)
from econjax.planning import (
    OBSERVATIONS,
    VALUE,
    RationalEvaluator,
    Report,
    observed,
    plan,
    summarise,
)
from tests.helpers.laboratory import economy_of, float64, power_economy, settled, welfare_of
from tests.helpers.reference import GB2, THRESHOLDS, US_2024, grid
from tests.helpers.reference import solve as reference_solve


def law():
    return BracketSchedule(THRESHOLDS, US_2024)


def evaluator(welfare=None):
    return RationalEvaluator(
        economy_of(grid("GB2", 400), 0.25), Atkinson(1.0) if welfare is None else welfare
    )


def test_a_report_is_what_the_economy_says(x64):
    n = grid("GB2", 400)
    report, exact = evaluator().value(law()), reference_solve(n, THRESHOLDS, US_2024, 0.25)
    assert report.equivalent == pytest.approx(exact.equivalent(1), rel=1e-12)
    assert report.standard_error == 0
    assert report.rebate == pytest.approx(exact.rebate, rel=1e-12)
    assert report.income == pytest.approx(exact.income.mean(), rel=1e-12)
    assert report.labor == pytest.approx(np.mean(40 * exact.income / n), rel=1e-12)
    assert report.floored == 0
    assert report.understood == 1
    consumption = exact.income - np.asarray(law().tax(jnp.array(exact.income))) + exact.rebate
    pairs = np.abs(np.subtract.outer(consumption, consumption)).mean()
    assert report.gini == pytest.approx(pairs / (2 * consumption.mean()), rel=1e-10)
    assert report.gini == pytest.approx(float(gini(jnp.array(consumption))), rel=1e-10)
    np.testing.assert_allclose(report.brackets.share.sum(), 1, rtol=1e-12)
    deciles = np.quantile(exact.income, np.arange(1, 10) / 10, method="averaged_inverted_cdf")
    np.testing.assert_allclose(report.income_deciles, deciles, rtol=1e-12)
    assert report.gradient is None


@pytest.mark.parametrize("aversion", [1, np.inf])
def test_the_gradient_is_that_of_the_equivalent_in_equilibrium(x64, aversion):
    n = grid("GB2")
    evaluate = RationalEvaluator(economy_of(n, 0.25), welfare_of(aversion))
    report = evaluate.value_and_grad(law())
    ends = [
        [
            reference_solve(n, THRESHOLDS, US_2024 + s * d, 0.25).equivalent(aversion)
            for s in (1, -1)
        ]
        for d in 1e-3 * np.eye(7)
    ]
    expected = np.array([(up - down) / 2e-3 for up, down in ends])
    np.testing.assert_allclose(report.gradient, expected, atol=1e-3 * np.abs(expected).max())
    assert report.equivalent == pytest.approx(float(evaluate.value(law()).equivalent), rel=1e-13)


def test_the_floored_are_counted(x64):
    economy = economy_of(grid("GB2", 400), 0.25, spending=20000.0)
    report = RationalEvaluator(economy, Atkinson(1.0)).value(law())
    exact = reference_solve(grid("GB2", 400), THRESHOLDS, US_2024, 0.25, spending=20000.0)
    assert 0 < report.floored == pytest.approx(np.mean(exact.utility < 1), abs=1e-12)


def test_every_evaluation_is_counted_by_kind():
    evaluate = evaluator()
    assert sum(evaluate.counts.values()) == 0
    evaluate.value(law())
    evaluate.value(law())
    evaluate.value_and_grad(law())
    assert evaluate.counts["value"] == 2
    assert evaluate.counts["gradient"] == 1


def test_counts_belong_to_one_evaluator():
    one, other = evaluator(), evaluator()
    one.value(law())
    assert sum(other.counts.values()) == 0


def test_a_plan_is_everything_that_happened():
    heard = []
    found = plan(
        jax.random.key(0),
        FixedPlanner(law()),
        evaluator(),
        steps=3,
        on_step=lambda step, schedule, report: heard.append((step, schedule, report)),
    )
    assert len(found.schedules) == len(found.reports) == 3
    assert [step for step, *_ in heard] == [0, 1, 2]
    assert all(a is b for a, (_, b, _) in zip(found.schedules, heard, strict=True))
    assert all(a is b for a, (_, _, b) in zip(found.reports, heard, strict=True))
    np.testing.assert_array_equal(found.recommended.rates, law().rates)


def test_evaluators_of_equal_shape_share_their_compilation(compilations):
    evaluator().value(law())
    other = RationalEvaluator(economy_of(grid("LN", 400), 0.4), Atkinson(2.0))
    with compilations() as seen:
        other.value(law())
    assert not seen


def sampled_skills():
    """Return the skills of the LLM Economist's run with seed 42 (llm_economist, section 1.1)."""
    b, a, p, q = GB2
    shares = np.random.RandomState(42).uniform(size=100)
    return b * stats.betaprime(p, q).ppf(shares) ** (1 / a) / 40


def test_parity_with_the_paper_code(x64):
    # Economy E1: federal brackets of 2024, u = c - .0005 l^3.5, sum of u / max(z, 1), 40 hours.
    economy = power_economy(sampled_skills(), 0.0005, 3.5)
    outcome = settled(economy, us_federal(2024), jnp.full(100, 40.0))
    assert 100 * InverseIncome(1.0)(economy.population, outcome) == pytest.approx(165.883, abs=5e-4)


def test_parity_with_the_asynchronous_code(x64):
    # Economy E2/A1: its own brackets, u = c - .01 l^2, sum of u / z, 40 hours; section 1.1: 166.70.
    economy = power_economy(sampled_skills(), 0.01, 2.0)
    schedule = BracketSchedule([0, 23000, 47000, 94000, 192000, 244000, 500000], US_2024)
    outcome = settled(economy, schedule, jnp.full(100, 40.0))
    assert 100 * InverseIncome(0.0)(economy.population, outcome) == pytest.approx(166.700, abs=5e-4)


def test_float32_reports_agree_with_float64():
    single = evaluator(Utilitarian()).value(law())
    assert single.equivalent.dtype == jnp.float32
    with float64():
        double = evaluator(Utilitarian()).value(law())
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5)


@eqx.filter_jit
def at_40_hours(economy, schedule):
    outcome = settled(economy, schedule, jnp.full_like(economy.population.skill, 40.0))
    return summarise(economy, schedule, outcome, Utilitarian())


def report_on(incomes, weight):
    """Return the report on people who earn `incomes` at 40 hours and work so long, untaxed."""
    economy = power_economy(np.array(incomes) / 40, 0.0005, 3.5)
    economy = eqx.tree_at(lambda e: e.population.weight, economy, jnp.asarray(weight, float))
    return at_40_hours(economy, BracketSchedule([0.0], [0.0]))


def test_a_report_holds_the_spread_of_income_and_utility(x64):
    incomes = 1000.0 * np.array([5, 1, 4, 2, 3, 10, 9, 8, 7, 6])
    cost = 0.0005 * 40**3.5
    report = report_on(incomes, np.full(10, 0.1))
    # Every decile falls between two of the ten: 1,500, 2,500, ..., 9,500.
    np.testing.assert_allclose(report.income_deciles, 1000 * np.arange(1.5, 10), rtol=1e-12)
    np.testing.assert_allclose(report.utility_deciles, report.income_deciles - cost, rtol=1e-12)
    assert report.income_spread == pytest.approx(1000 * np.sqrt(99 / 12), rel=1e-12)
    assert report.utility_spread == pytest.approx(float(report.income_spread), rel=1e-12)
    assert report.utility == pytest.approx(5500 - cost, rel=1e-12)


def test_deciles_weigh_people_and_leave_out_who_counts_for_nothing(eps):
    incomes, weight = 1000.0 * np.array([1, 2, 3, 4]), np.array([0.15, 0.5, 0.0, 0.35])
    nobody = np.array([7e3, 1, 2.5e3, 1e9])
    report = report_on(np.append(incomes, nobody), np.append(weight, np.zeros(4)))
    np.testing.assert_allclose(
        report.income_deciles, [1000, *[2000] * 5, *[4000] * 3], rtol=64 * eps
    )
    assert report.income == pytest.approx(2550, rel=64 * eps)
    assert report.income_spread == pytest.approx(np.sqrt(7750e3 - 2550**2), rel=64 * eps)
    twice = report_on(np.tile(incomes, 2), np.tile(weight, 2) / 2)
    backwards = report_on(np.append(nobody, incomes[::-1]), np.append(np.zeros(4), weight[::-1]))
    for other in (twice, backwards):
        for one, same in zip(jax.tree.leaves(report), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(one, same, rtol=64 * eps)


def test_a_question_is_answered_like_a_value_and_counted_apart():
    evaluate = evaluator()
    asked, tried = evaluate.what_if(law()), evaluate.value(law())
    assert eqx.tree_equal(asked, tried)
    assert evaluate.counts == {"value": 1, "gradient": 0, "what_if": 1}


def test_of_a_report_a_planner_reads_what_it_observes_and_nothing_else():
    report = evaluator().value_and_grad(law())
    names = {field.name for field in dataclasses.fields(Report)}
    for part in OBSERVATIONS:
        seen = observed(report, (part,))
        read = {name for name in names if name in vars(seen)}
        for name in read - {"brackets"}:
            assert getattr(seen, name) is getattr(report, name)
        for name in names - read:
            with pytest.raises(AttributeError, match=f"does not observe .* {name} is part"):
                getattr(seen, name)
        assert len(jax.tree.leaves(seen)) == len(
            [leaf for name in read for leaf in jax.tree.leaves(getattr(seen, name))]
        )
    assert set(vars(observed(report, VALUE))) == {
        "equivalent",
        "standard_error",
        "floored",
        "understood",
    }
    assert set(vars(observed(report, ()))) == set()


def test_the_elasticity_of_brackets_is_an_observation_of_its_own():
    report = evaluator().value(law())
    told = observed(report, ("brackets", "elasticity")).brackets
    np.testing.assert_array_equal(told.elasticity, report.brackets.elasticity)
    untold = observed(report, ("brackets",)).brackets
    assert untold.elasticity is None
    assert untold.elasticity_variance is None
    np.testing.assert_array_equal(untold.base, report.brackets.base)


def test_a_planner_that_reads_what_it_has_not_declared_is_told():
    class Nosy(FixedPlanner):
        observes = VALUE

        def tell(self, state, schedule, report):
            return report.gini

    with pytest.raises(AttributeError, match="does not observe distribution, of which gini"):
        plan(jax.random.key(0), Nosy(law()), evaluator(), steps=1)
    with pytest.raises(AttributeError, match="A report has no ginni"):
        getattr(evaluator().value(law()), "ginni")  # noqa: B009
