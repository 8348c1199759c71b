import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    best_response,
    planning,
)
from econjax.planning import Evaluator, RationalEvaluator
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.workers import Style
from llm_policy.workers.evaluator import Errors, ModelEvaluator
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society
from tests.helpers.laboratory import settled

N = 10
WELFARE = Atkinson(1.0)
KEY = jax.random.key(0)
PEOPLE = [f"You are person {i}." for i in range(N)]
FIELDS = (
    "equivalent",
    "standard_error",
    "rebate",
    "income",
    "labor",
    "gini",
    "floored",
    "understood",
)
summarise = eqx.filter_jit(planning.summarise)

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def law():
    return BracketSchedule([0.0, 50_000.0], [0.1, 0.3])


@pytest.fixture
def economy():
    population = Population(np.geomspace(200.0, 3_000.0, N), taste=np.linspace(0.6, 0.9, N))
    return Economy(population=population, preferences=Quasilinear(0.25))


def evaluator(economy, say, *, steps=3, key=KEY, **options):
    """Return an evaluator whose worker i, who last worked so long, answers `say(i, hours)`."""

    def answer(prompt):
        i = int(re.search(r"You are person (\d+)", prompt.personal)[1])
        latest = prompt.personal.split("Your best steps")[0]
        return str(say(i, int(re.findall(r": (\d+) hours a week", latest)[-1])))

    workers = LLMWorkers(ScriptedEngine(answer), economy, PEOPLE, **options)
    return ModelEvaluator(Society(workers, WELFARE, subsistence=None), steps=steps, key=key)


def hours(number):
    return f'{{"hours": {number}}}'


def next_hours(i, before):
    """Work less and less: 40, then 30 + i, then 20 + i."""
    return hours({40: 30 + i}.get(before, before - 10))


def values(report):
    return {name: float(getattr(report, name)) for name in FIELDS}


def test_it_is_an_evaluator(economy):
    assert isinstance(evaluator(economy, next_hours), Evaluator)


def test_workers_who_always_work_40_hours_are_settled_at_40_hours(economy, law):
    report = evaluator(economy, lambda i, before: hours(40)).value(law)
    expected = summarise(economy, law, settled(economy, law, jnp.full(N, 40.0)), WELFARE)
    assert values(report) == pytest.approx(values(expected), rel=1e-12, abs=1e-9)
    assert report.gradient is None
    for name in ("share", "base", "weighted_base", "active"):
        one, other = getattr(report.brackets, name), getattr(expected.brackets, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)


def test_a_report_is_the_mean_of_its_steps(economy, law):
    report = evaluator(economy, next_hours).value(law)
    steps = [
        summarise(economy, law, settled(economy, law, jnp.arange(N) + float(start)), WELFARE)
        for start in (30, 20, 10)
    ]
    for name in ("equivalent", "rebate", "income", "labor", "gini"):
        mean = np.mean([float(getattr(step, name)) for step in steps])
        assert float(getattr(report, name)) == pytest.approx(mean, rel=1e-12), name


def test_no_tax_year_depends_on_those_before(economy, law):
    no_tax = BracketSchedule(law.thresholds, jnp.zeros(2))
    forth, back = evaluator(economy, next_hours), evaluator(economy, next_hours)
    one = [forth.value(schedule) for schedule in (law, no_tax, law)]
    other = [back.value(schedule) for schedule in (no_tax, law)]
    assert eqx.tree_equal(one[0], one[2])
    assert eqx.tree_equal(one[0], other[1])
    assert eqx.tree_equal(one[1], other[0])
    assert not eqx.tree_equal(one[0], one[1])


class Dice(ScriptedEngine):
    """Finds all hours equally likely."""

    def __init__(self):
        super().__init__(str, likelihood=lambda prompt, option: 1.0)


def dicing(economy, key=KEY):
    workers = LLMWorkers(Dice(), economy, PEOPLE, style=Style(mode="choice"))
    return ModelEvaluator(Society(workers, WELFARE), steps=2, key=key)


def test_every_evaluation_has_keys_of_its_own_that_are_the_runs(economy, law):
    evaluate = dicing(economy)
    first, second = evaluate.value(law), evaluate.value(law)
    assert first.labor != second.labor
    assert eqx.tree_equal(dicing(economy).value(law), first)
    assert dicing(economy, jax.random.key(1)).value(law).labor != first.labor


def test_a_year_s_luck_is_its_place_whether_or_not_its_gradient_is_asked_for(economy, law):
    plain, climbs = dicing(economy), dicing(economy)
    years = [plain.value(law).labor for _ in range(3)]
    asked = (climbs.value_and_grad, climbs.value_and_grad, climbs.value)
    assert [ask(law).labor for ask in asked] == years
    assert len({float(labor) for labor in years}) == 3


def test_a_question_changes_no_later_evaluation(economy, law):
    """Planners that ask and planners that do not meet the same luck in each of their tax years."""
    asks, silent = dicing(economy), dicing(economy)
    asks.what_if(law)
    assert eqx.tree_equal(asks.value(law), silent.value(law))


def test_evaluations_are_counted_by_kind(economy, law):
    evaluate = evaluator(economy, next_hours, steps=1)
    assert evaluate.counts == {"value": 0, "gradient": 0, "what_if": 0}
    evaluate.value(law)
    evaluate.value_and_grad(law)
    evaluate.value(law)
    evaluate.what_if(law)
    assert evaluate.counts == {"value": 2, "gradient": 1, "what_if": 1}


def test_the_gradient_is_that_of_rational_workers_and_the_rest_is_not(economy, law):
    report = evaluator(economy, next_hours).value_and_grad(law)
    rational = RationalEvaluator(economy, WELFARE).value_and_grad(law)
    np.testing.assert_array_equal(report.gradient, rational.gradient)
    assert values(report) == values(evaluator(economy, next_hours).value(law))
    assert report.equivalent != rational.equivalent


def test_a_what_if_question_is_answered_by_rational_workers(economy, law):
    found = evaluator(economy, next_hours).what_if(law)
    assert eqx.tree_equal(found, RationalEvaluator(economy, WELFARE).value(law))


def test_understood_is_the_mean_share_over_the_steps(economy, law):
    """Worker 4 says nothing in the second step only: it remembers 34 hours by then."""

    def say(i, before):
        return "hm" if (i, before) == (4, 34) else next_hours(i, before)

    report = evaluator(economy, say, steps=2, attempts=1).value(law)
    assert float(report.understood) == pytest.approx((1 + 0.9) / 2)


def test_whoever_was_not_understood_remembers_the_last_hours_that_were(economy, law):
    remembered = []

    def say(i, before):
        if i == 4:
            remembered.append(before)
            return "hm" if len(remembered) == 2 else hours(50)
        return hours(35)

    report = evaluator(economy, say, attempts=1).value(law)
    assert remembered == [40, 50, 50]
    assert float(report.labor) == pytest.approx(((9 * 35 + 50) / 10 + 35 + (9 * 35 + 50) / 10) / 3)


def test_a_year_that_cannot_be_understood_is_an_error(economy, law):
    with pytest.raises(EngineError, match="could not be read"):
        evaluator(economy, lambda i, before: "hm").value(law)


def test_a_year_without_steps_is_an_error_before_anyone_is_asked(economy):
    with pytest.raises(ValueError, match="at least 1 step; got 0"):
        evaluator(economy, next_hours, steps=0)


def learns(i, before):
    """Work less and less, down to 10 hours."""
    return hours(max(10, before - 10))


def test_memory_that_is_kept_makes_a_year_go_on_where_the_last_ended(economy, law):
    evaluate = evaluator(economy, learns, steps=1)
    evaluate.state = evaluate.society.begin(law)
    labor = [float(evaluate.value(law).labor) for _ in range(3)]
    assert labor == pytest.approx([30, 20, 10])
    assert evaluate.state.tax_year == 3
    forgetful = evaluator(economy, learns, steps=1)
    assert [float(forgetful.value(law).labor) for _ in range(3)] == pytest.approx([30] * 3)


def test_years_that_measure_are_independent_and_nobody_remembers_them(economy, law):
    evaluate = evaluator(economy, learns, steps=1)
    evaluate.state = evaluate.society.begin(law)
    evaluate.value(law)
    years = evaluate.years(law, 3)
    assert [float(year.report.labor) for year in years] == pytest.approx([20] * 3)
    assert float(evaluate.value(law).labor) == pytest.approx(20)
    assert evaluate.counts["value"] == 2


def test_errors_cost_what_is_lost_against_the_own_best(economy, law):
    """Worker 4 always works 100 hours and the others their best: all of the cost is its own."""
    rational = np.asarray(best_response(economy, law), float)

    def say(i, before):
        return hours(100 if i == 4 else round(rational[i], 1))

    [year] = evaluator(economy, say, steps=2).years(law, 1)
    errors = year.errors
    lost = np.delete(errors.lost, 4)
    assert errors.lost[4] > 1e4
    assert lost.max() < 5.0  # hours are said to a tenth
    assert errors.cost == pytest.approx(errors.lost.mean())
    assert errors.share_of_costliest == pytest.approx(errors.lost[4] / errors.lost.sum())
    assert 0 <= errors.share_bounded <= 1


def test_the_costliest_tenth_bears_a_tenth_of_equal_losses():
    errors = Errors(np.full(25, 3.0), np.zeros(25), np.full(25, 0.04))
    assert errors.share_of_costliest == pytest.approx(0.1)
    assert errors.cost == pytest.approx(3.0)
    assert Errors(np.zeros(4), np.zeros(4), np.ones(4)).share_of_costliest == 0
