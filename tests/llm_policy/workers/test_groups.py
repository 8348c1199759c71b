"""Language-model workers of several statuses: each reads and lives under the own schedule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    Utilitarian,
    calibrate,
    settle,
)
from econjax.economy import income_and_tax
from econjax.planning import RationalEvaluator
from llm_policy.answers.proposals import changed, listed_rates, with_listed
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.formula.policy import taught_workers
from llm_policy.formula.workers import taxes
from llm_policy.personas.draw import draw_personas
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.workers import Situation, Style
from llm_policy.surrogate.recording import record, see
from llm_policy.workers.lived import on_offer
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

STATUSES = ("alone", "pair")
THRESHOLDS = np.array([[0.0, 11_000, 50_000], [0.0, 22_000, 100_000]])
COMMON, OWN = [0.1, 0.2, 0.4], [[0.1, 0.2, 0.4], [0.05, 0.15, 0.3]]
GROUP = np.array([0, 1, 1, 0])
LAWS = pytest.mark.parametrize("rates", [COMMON, OWN], ids=["common", "own"])


def law_of(rates):
    return BracketSchedule(THRESHOLDS, rates)


def economy_of(**more):
    people = {"other_income": [0.0, 7_000, 0, 0], "credit": [0.0, 0, 1_234, 0]} | more
    population = Population([500.0, 1_200, 3_000, 0], group=GROUP, **people)
    return Economy(population=calibrate(population, law_of(COMMON)), preferences=Quasilinear(0.25))


def workers_of(economy, **options):
    engine = ScriptedEngine(lambda prompt: '{"hours": 40}', likelihood=lambda prompt, option: 1.0)
    style = Style(mode="choice", statuses=STATUSES)
    return LLMWorkers(engine, economy, ["You are a person."] * 4, style=style, **options)


@LAWS
def test_a_worker_reads_the_schedule_of_the_own_status_and_what_else_is_hers(rates):
    law = law_of(rates)
    workers = workers_of(economy_of())
    asked = workers.prompts(Situation(law, 2, {1: law}, 900.0, "explore"), workers.begin())
    for prompt, group in zip(asked, GROUP, strict=True):
        own, other = THRESHOLDS[group], THRESHOLDS[1 - group]
        assert f"${own[1]:,.0f} to ${own[2]:,.0f}: " in prompt.shared
        assert f"${other[1]:,.0f}" not in prompt.shared + prompt.personal
        own_rates = np.broadcast_to(np.asarray(law.rates), (2, 3))[group]
        told = ", ".join(f"{100 * rate:.4g} %" for rate in own_rates)
        assert f"In tax year 1 the rates were {told}." in prompt.shared
        assert f"Your tax status is {STATUSES[group]}." in prompt.personal
    assert ["income of $7,000 a year" in prompt.personal for prompt in asked] == [0, 1, 0, 0]
    assert ["credit of $1,234 a year" in prompt.personal for prompt in asked] == [0, 0, 1, 0]


def test_voters_read_the_law_of_all():
    workers = workers_of(economy_of())
    society = Society(workers, Utilitarian())
    text, own = society.voters(society.begin(law_of(OWN)))
    assert all(f"- {status}, $0 to" in text for status in STATUSES)
    assert "Your tax status is pair." in own[1]
    text, _ = society.voters(society.begin(law_of(COMMON)))
    assert "the tax status alone; those of pair begin at $0, $22,000, $100,000." in text


@LAWS
def test_a_planner_is_told_what_it_sets_and_sets_that(rates):
    law = law_of(rates)
    engine = ScriptedEngine(
        lambda prompt: "", likelihood=lambda prompt, option: 1.0 if option == "E" else 1e-9
    )
    style = PlannerStyle(statuses=STATUSES, letters="fixed")
    planner = ChoicePlanner(engine, law, Utilitarian(), style=style)
    report = RationalEvaluator(economy_of(), Utilitarian()).value(law)
    state = planner.tell(planner.init(jax.random.key(0)), law, report)
    asked = planner.prompts(state)
    assert len(asked) == law.rates.size
    said = asked[0].shared
    if law.rates.ndim == 1:
        assert "those of pair begin at $0, $22,000, $100,000. You set one list of rates" in said
    else:
        assert "pair, $22,000 to $100,000" in asked[4].personal
        assert "You set the rates of each tax status" in said
    proposed, state = planner.ask(jax.random.key(1), state)
    assert proposed.rates.shape == law.rates.shape
    np.testing.assert_allclose(proposed.rates, np.asarray(law.rates) + 0.2, rtol=1e-5)
    writer = LLMPlanner(engine, law, goal="Do well.", style=PlannerStyle(statuses=STATUSES))
    assert f"with {law.rates.size} numbers" in writer.prompt(writer.init(jax.random.key(0))).shared


@LAWS
def test_rates_that_are_listed_and_put_back_are_the_same(rates):
    law = law_of(rates)
    assert len(listed_rates(law)) == law.rates.size
    np.testing.assert_array_equal(with_listed(law, listed_rates(law)).rates, law.rates)
    moved = changed(law, np.arange(law.rates.size) / 100)
    np.testing.assert_allclose(
        np.subtract(listed_rates(moved), listed_rates(law)),
        np.arange(law.rates.size) / 100,
        atol=1e-6,
    )


@LAWS
def test_taxes_at_all_hours_are_those_of_settling(rates, x64):
    law = law_of(rates)
    economy = economy_of()
    hours = jnp.array([0.0, 20, 60])
    labor = jnp.broadcast_to(hours, (4, 3))
    income, tax = on_offer(economy.population, law, labor)
    for place, each in enumerate(hours):
        outcome = settle(economy, law, jnp.full(4, each))
        np.testing.assert_allclose(income[:, place], outcome.income, rtol=1e-12)
        np.testing.assert_allclose(tax[:, place], outcome.tax, rtol=1e-12)
    credit = np.asarray(economy.population.credit)[:, None]
    own = taxes(law, np.asarray(income), GROUP) - credit
    np.testing.assert_allclose(own, tax, rtol=1e-12)


def test_workers_of_the_formula_choose_under_the_own_schedule(x64):
    law, economy = law_of(OWN), economy_of()
    people = economy.population
    personas = draw_personas(jax.random.key(0), people)
    own = {"taste": people.taste, "other_income": people.other_income, "credit": people.credit}
    alone = Economy(population=Population(people.skill, **own), preferences=Quasilinear(0.25))

    def chances(economy, schedule):
        workers = taught_workers(economy, personas)
        return record(jax.random.key(1), workers, [schedule], steps=1).probabilities

    found = chances(economy, law)
    for group in (0, 1):
        some = group == GROUP
        np.testing.assert_allclose(
            found[some], chances(alone, law.of_group(group))[some], rtol=1e-9
        )


def test_what_workers_see_leaves_out_what_they_have_without_work(x64):
    rich, poor = economy_of(other_income=[0.0, 7_000, 0, 0]), economy_of(other_income=np.zeros(4))
    hours, same = jnp.array([0.0, 40]), np.array([0, 2, 3])
    person, law = jnp.zeros((4, 1)), law_of(OWN)
    seen = [see(e, person, law, None, hours) for e in (rich, poor)]  # the memory passes through
    np.testing.assert_array_equal(seen[0].kept[:, 0], 0)
    np.testing.assert_allclose(seen[0].kept[same], seen[1].kept[same], rtol=1e-12)
    both = income_and_tax(rich.population, law, jnp.full(4, 40.0))
    nothing = income_and_tax(rich.population, law, jnp.zeros(4))
    more = (both[0] - both[1]) - (nothing[0] - nothing[1])
    np.testing.assert_allclose(seen[0].kept[1, 1], more[1] / 48_000, rtol=1e-12)


def test_who_is_kept_apart_is_asked_nothing_and_surely_stays_home(x64):
    economy = economy_of()
    fixed = np.array([np.nan, np.nan, np.nan, 0.0])
    personas = draw_personas(jax.random.key(0), economy.population)
    workers = taught_workers(economy, personas, fixed=fixed)
    found = record(jax.random.key(1), workers, [law_of(OWN)], steps=2)
    assert workers.queries == found.queries == 6
    assert found.weight.reshape(2, 4)[:, 3].tolist() == [0, 0]
    stays = found.probabilities.reshape(2, 4, -1)[:, 3]
    np.testing.assert_array_equal(stays, np.tile(np.asarray(found.hours) == 0, (2, 1)))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-9)
    with pytest.raises(ValueError, match="fixed hours that are on offer"):
        taught_workers(economy, personas, fixed=fixed + 3)
