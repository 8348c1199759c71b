import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    Economy,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    calibrate,
    gb2,
    us_federal,
)
from econjax.planning import summarise
from llm_policy.answers import HOURS_SCHEMA, Tally
from llm_policy.engine import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.personas import Personas
from llm_policy.workers import Answers, LLMWorkers, present, settle_answers, usual_hours

N = 10
LAW = us_federal(2024)
PEOPLE = Personas(("Production",) * N, ("woman", "man") * (N // 2), 30 + np.arange(N))  # worker i is 30 + i
WELFARE = [Atkinson(1.0), Atkinson(3.0), Rawlsian(), Utilitarian()]
every_welfare = pytest.mark.parametrize("welfare", WELFARE, ids=["log", "aversion 3", "rawls", "mean"])


def economy_of(population=None):
    population = calibrate(gb2(N), LAW) if population is None else population
    return Economy(population=population, preferences=Quasilinear(0.25))


def worker(prompt):
    return int(re.search(r"(\d+) years old", prompt.personal).group(1)) - 30


class Asked(ScriptedEngine):
    """Answers `say(worker, time)`, where `time` counts from 1, and keeps who was asked in each batch."""

    def __init__(self, say):
        self.batches, self.requests = [], []
        super().__init__(lambda prompt: say(worker(prompt), len(self.batches)))

    def complete(self, prompts, schema, **options):
        self.batches.append([worker(prompt) for prompt in prompts])
        self.requests.append((schema, options))
        return super().complete(prompts, schema, **options)


def hours_of(i):
    return 20 + 3 * i


def clear(i, time=1):
    return f'{{"hours": {hours_of(i)}}}'


def ask(say, economy=None, **options):
    economy, engine, tally = economy or economy_of(), Asked(say), Tally()
    workers = LLMWorkers(engine, PEOPLE, tally=tally, **options)
    return workers.answer(economy, LAW, usual_hours(economy, LAW)), engine, tally


def silent(*dumb, until=99):
    """Return a script in which workers `dumb` mumble until they are asked for the `until`-th time."""
    return lambda i, time: "about forty" if i in dumb and time < until else clear(i)


@eqx.filter_jit
def report(economy, answers, welfare):
    population, outcome = settle_answers(economy, LAW, answers)
    return summarise(eqx.tree_at(lambda e: e.population, economy, population), LAW, outcome, welfare)


def test_hours_land_in_the_row_of_the_worker_who_gave_them():
    answers, engine, tally = ask(clear)
    assert answers.labor.tolist() == [hours_of(i) for i in range(N)]
    assert answers.understood.all()
    assert engine.batches == [list(range(N))]
    assert engine.requests[0][0] == HOURS_SCHEMA
    assert (tally.asked, tally.read) == (N, N)


def test_whoever_is_not_understood_is_asked_again_alone():
    answers, engine, tally = ask(silent(7, 2, until=2))
    assert engine.batches == [list(range(N)), [2, 7]]
    assert answers.labor.tolist() == [hours_of(i) for i in range(N)]
    assert answers.understood.all()
    assert (tally.asked, tally.read) == (N + 2, N)


def test_each_of_those_asked_again_may_be_understood_at_another_time():
    answers, engine, tally = ask(lambda i, time: "{" if (i == 2 and time < 2) or i == 7 else clear(i))
    assert engine.batches == [list(range(N)), [2, 7], [7]]
    assert answers.understood.tolist() == [i != 7 for i in range(N)]
    assert answers.labor.tolist() == [0 if i == 7 else hours_of(i) for i in range(N)]
    assert (tally.asked, tally.read) == (N + 3, N - 1)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_bound_how_often_anyone_is_asked(attempts):
    _, engine, tally = ask(silent(4), attempts=attempts)
    assert engine.batches == [list(range(N)), *[[4]] * (attempts - 1)]
    assert (tally.asked, tally.read) == (N + attempts - 1, N - 1)


def test_the_weight_of_the_left_out_is_spread_in_proportion():
    weight = np.arange(1, N + 1) / np.arange(1, N + 1).sum()
    population = Population(np.arange(1.0, N + 1), weight=weight)
    understood = np.arange(N) != 4
    spread = np.asarray(present(population, jnp.asarray(understood)).weight)
    assert spread[4] == 0
    assert spread.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(spread[understood], weight[understood] / weight[understood].sum(), rtol=1e-6)


def test_if_all_are_understood_the_population_is_the_same(x64):
    population = calibrate(gb2(N), LAW)
    whole = present(population, jnp.ones(N, bool))
    np.testing.assert_allclose(whole.weight, population.weight, rtol=1e-15)


def test_the_budget_balances_among_those_present(x64):
    answers, *_ = ask(silent(0, 9))
    population, outcome = settle_answers(economy_of(), LAW, answers)
    kept = np.asarray(population.weight @ (outcome.income - outcome.consumption))
    assert abs(kept) < 1e-9 * float(population.weight @ outcome.income)
    taxes = np.asarray(LAW.tax(outcome.income))[1:9]
    assert outcome.rebate == pytest.approx(taxes.mean(), rel=1e-12)


@every_welfare
def test_the_left_out_are_as_if_they_had_never_been_there(x64, welfare):
    economy, out = economy_of(), [0, 5]
    answers, *_ = ask(silent(*out))
    stay = np.delete(np.arange(N), out)
    population = economy.population
    alone = economy_of(Population(population.skill[stay], taste=population.taste[stay]))
    expected = report(alone, Answers(answers.labor[stay], answers.understood[stay]), welfare)
    for name in ("equivalent", "rebate", "income", "labor", "gini", "floored"):
        found = getattr(report(economy, answers, welfare), name)
        np.testing.assert_allclose(found, getattr(expected, name), rtol=1e-9, err_msg=name)
    found = report(economy, answers, welfare).brackets
    for name in ("share", "base", "weighted_base", "active"):
        one, other = getattr(found, name), getattr(expected.brackets, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=name)


@every_welfare
def test_nothing_about_a_left_out_worker_matters(welfare):
    answers, *_ = ask(silent(3))
    economy = economy_of()
    before = report(economy, answers, welfare)
    other = eqx.tree_at(
        lambda e: (e.population.skill, e.population.taste),
        economy,
        (economy.population.skill.at[3].multiply(1e4), economy.population.taste.at[3].set(0.01)),
    )
    assert eqx.tree_equal(before, report(other, answers, welfare))
    assert not eqx.tree_equal(before, report(other, answers._replace(understood=jnp.ones(N, bool)), welfare))


@every_welfare
def test_hours_that_were_not_understood_are_not_used(x64, welfare):
    answers, *_ = ask(silent(3))
    before = report(economy_of(), answers, welfare)
    after = report(economy_of(), answers._replace(labor=answers.labor.at[3].set(100.0)), welfare)
    for name in ("equivalent", "rebate", "income", "labor", "gini", "floored"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-9, err_msg=name)


def test_the_worst_off_is_someone_present(x64):
    """Effort of 100 hours makes worker 9 the worst off, but only while it is there."""
    labor = jnp.full(N, 40.0).at[9].set(100.0)
    everyone = Answers(labor, jnp.ones(N, bool))
    but_one = Answers(labor, jnp.arange(N) != 9)
    population, outcome = settle_answers(economy_of(), LAW, everyone)
    assert Rawlsian()(population, outcome) == outcome.utility[9] < outcome.utility[:9].min()
    population, outcome = settle_answers(economy_of(), LAW, but_one)
    assert Rawlsian()(population, outcome) == outcome.utility[:9].min()


def test_too_many_left_out_are_an_error_that_says_how_many():
    with pytest.raises(
        EngineError, match=r"30% of the workers' answers .* after 3 attempts \(at most 20%\)"
    ) as error:
        ask(silent(1, 2, 3))
    assert "'about forty'" in str(error.value)
    assert "Use a model that follows a schema" in str(error.value)


def test_the_error_shows_an_answer_that_could_not_be_read():
    def say(i, time):
        return clear(i) if time == 3 and i == N - 1 else "about forty"  # the last of the batch is clear

    with pytest.raises(EngineError, match="about forty"):
        ask(say)


@pytest.mark.parametrize(("share", "dumb"), [(0.1, 1), (0.2, 2), (0.3, 3), (0.4, 4), (0.7, 7), (0.9, 9)])
def test_the_stated_share_may_be_left_out_and_not_one_more(share, dumb):
    answers, *_ = ask(silent(*range(dumb)), most_unread=share)
    assert answers.understood.sum() == N - dumb
    with pytest.raises(EngineError):
        ask(silent(*range(dumb + 1)), most_unread=share)


def test_a_step_without_anyone_is_an_error_whatever_the_share():
    with pytest.raises(EngineError, match="100%"):
        ask(silent(*range(N)), most_unread=1.0)


def test_the_price_of_effort_at_40_hours_is_what_an_hour_brings_under_the_law(x64):
    """Calibrated workers are content with 40 hours: the next hour costs what one keeps of it."""
    prompts = []

    def say(prompt):
        prompts.append(prompt.personal)
        return '{"hours": 40}'

    economy = economy_of()
    LLMWorkers(ScriptedEngine(say), PEOPLE).answer(economy, LAW, usual_hours(economy, LAW))
    costs = [
        re.search(r"losing \$([\d,]+) .* \$([\d,]+) at 40 hours and \$([\d,]+)", text) for text in prompts
    ]
    low, middle, high = np.array([[int(c.replace(",", "")) for c in cost.groups()] for cost in costs]).T
    skill = np.asarray(economy.population.skill)
    kept = skill * (1 - np.asarray(LAW.marginal_rate(jnp.asarray(40 * skill))))
    np.testing.assert_allclose(middle, kept, atol=0.51)
    np.testing.assert_allclose(low, kept * (20 / 40) ** 4, atol=0.51)
    np.testing.assert_allclose(high, kept * (60 / 40) ** 4, atol=0.51)


def test_the_usual_year_is_40_hours_for_everyone(x64):
    economy = economy_of()
    record = usual_hours(economy, LAW)
    np.testing.assert_array_equal(record.labor, 40)
    np.testing.assert_allclose(record.income, 40 * np.asarray(economy.population.skill))
    np.testing.assert_allclose(record.tax, LAW.tax(jnp.asarray(record.income)))
    assert record.rebate == pytest.approx(record.tax.mean(), rel=1e-12)
