import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, BracketSchedule, Economy, Quasilinear, calibrate, gb2, settle, us_federal
from econjax.planning import RationalEvaluator, summarise
from experiments.evaluation import ModelEvaluator
from llm_policy.engine import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.personas import Personas
from llm_policy.workers import LLMWorkers

N = 10
WELFARE = Atkinson(1.0)
PEOPLE = Personas(("Production",) * N, ("woman", "man") * (N // 2), 30 + np.arange(N))  # worker i is 30 + i
FIELDS = ("equivalent", "standard_error", "rebate", "income", "labor", "gini", "floored", "understood")

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def law():
    return us_federal(2024)


@pytest.fixture
def economy(law):
    return Economy(population=calibrate(gb2(N), law), preferences=Quasilinear(0.25))


def read(prompt):
    """Return which worker is asked, and the hours it remembers."""
    age, hours = re.search(r"(\d+) years old.* At (\d+) hours a week you earn", prompt.personal).groups()
    return int(age) - 30, int(hours)


def evaluator(economy, say, *, steps=3, **options):
    """Return an evaluator whose worker i, who worked so long, answers `say(i, hours)`."""
    engine = ScriptedEngine(lambda prompt: str(say(*read(prompt))))
    return ModelEvaluator(economy, WELFARE, LLMWorkers(engine, PEOPLE, **options), steps=steps)


def answer(hours):
    return f'{{"hours": {hours}}}'


def next_hours(i, hours):
    """Work less and less: 40, then 30 + i, then 20 + i."""
    return answer({40: 30 + i}.get(hours, hours - 10))


def values(report):
    return {name: float(getattr(report, name)) for name in FIELDS}


def test_workers_who_always_work_40_hours_are_settled_at_40_hours(economy, law):
    report = evaluator(economy, lambda i, hours: answer(40)).value(law)
    outcome = settle(economy, law, jnp.full(N, 40.0))
    expected = summarise(economy, law, outcome, WELFARE)
    assert values(report) == pytest.approx(values(expected), rel=1e-12)
    assert report.standard_error == 0
    assert report.gradient is None
    for name in ("share", "base", "weighted_base", "active"):
        one, other = getattr(report.brackets, name), getattr(expected.brackets, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)


def test_a_report_is_the_mean_of_its_steps_and_its_error(economy, law):
    report = evaluator(economy, next_hours).value(law)
    steps = [
        summarise(economy, law, settle(economy, law, jnp.arange(N) + float(start)), WELFARE)
        for start in (30, 20, 10)
    ]
    for name in ("equivalent", "rebate", "income", "labor", "gini"):
        mean = np.mean([float(getattr(step, name)) for step in steps])
        assert float(getattr(report, name)) == pytest.approx(mean, rel=1e-12), name
    error = np.std([float(step.equivalent) for step in steps], ddof=1) / np.sqrt(3)
    assert report.standard_error == pytest.approx(error, rel=1e-12)
    assert report.standard_error > 0


def test_a_year_of_one_step_has_no_error(economy, law):
    assert evaluator(economy, next_hours, steps=1).value(law).standard_error == 0


def test_no_tax_year_depends_on_those_before(economy, law):
    no_tax = BracketSchedule(law.thresholds, jnp.zeros(7))
    forth, back = evaluator(economy, next_hours), evaluator(economy, next_hours)
    one = [forth.value(schedule) for schedule in (law, no_tax, law)]
    other = [back.value(schedule) for schedule in (no_tax, law)]
    assert eqx.tree_equal(one[0], one[2])
    assert eqx.tree_equal(one[0], other[1])
    assert eqx.tree_equal(one[1], other[0])
    assert not eqx.tree_equal(one[0], one[1])


def test_evaluations_are_counted_by_kind(economy, law):
    evaluate = evaluator(economy, next_hours, steps=1)
    assert evaluate.counts == {"value": 0, "gradient": 0}
    evaluate.value(law)
    evaluate.value_and_grad(law)
    evaluate.value(law)
    assert evaluate.counts == {"value": 2, "gradient": 1}


def test_the_gradient_is_that_of_rational_workers_and_the_rest_is_not(economy, law):
    report = evaluator(economy, next_hours).value_and_grad(law)
    rational = RationalEvaluator(economy, WELFARE).value_and_grad(law)
    np.testing.assert_array_equal(report.gradient, rational.gradient)
    assert values(report) == values(evaluator(economy, next_hours).value(law))
    assert report.equivalent != rational.equivalent


def test_understood_is_the_mean_share_over_the_steps(economy, law):
    """Worker 4 says nothing in the second step only: it remembers 34 hours by then."""

    def say(i, hours):
        if i == 4 and hours == 34:
            return "hm"
        return next_hours(i, hours)

    report = evaluator(economy, say, steps=2).value(law)
    assert report.understood == pytest.approx((1 + 0.9) / 2)


def test_whoever_was_not_understood_remembers_the_last_hours_that_were(economy, law):
    remembered = []

    def say(i, hours):
        if i == 4:
            remembered.append(hours)
            return "hm" if len(remembered) == 2 else answer(50)
        return answer(35)

    report = evaluator(economy, say, attempts=1).value(law)
    assert remembered == [40, 50, 50]
    assert report.labor == pytest.approx(((9 * 35 + 50) / 10 + 35 + (9 * 35 + 50) / 10) / 3)


def test_workers_remember_the_rebate_of_the_year_before(economy, law):
    rebates = []

    def say(prompt):
        rebates.append(re.search(r"rebate of \$([\d,]+) a year", prompt.shared).group(1).replace(",", ""))
        return answer(20)

    workers = LLMWorkers(ScriptedEngine(say), PEOPLE)
    ModelEvaluator(economy, WELFARE, workers, steps=2).value(law)
    expected = [float(settle(economy, law, jnp.full(N, hours)).rebate) for hours in (40.0, 20.0)]
    assert [float(rebate) for rebate in rebates] == [round(rebate) for rebate in np.repeat(expected, N)]


def test_a_year_that_cannot_be_understood_is_an_error(economy, law):
    with pytest.raises(EngineError, match="could not be read"):
        evaluator(economy, lambda i, hours: "hm").value(law)
