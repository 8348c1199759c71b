import dataclasses
import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule, us_federal
from llm_policy.answers import STEPS
from llm_policy.personas import Personas
from llm_policy.prompts import Trial, WorkerRecord, planner_prompt, schedule_table, worker_prompts

PEOPLE = Personas(
    occupation=("Legal", "Sales and related", "Computer and mathematical"),
    sex=("woman", "man", "man"),
    age=np.array([31, 58, 24]),
)
YEAR = WorkerRecord(
    labor=np.array([38.0, 40.0, 52.0]),
    income=np.array([90_060.0, 31_040.0, 1_205_048.0]),
    tax=np.array([14_872.0, 3_493.0, 406_339.0]),
    rebate=10_243.0,
)
SKILL = np.array([2_370.0, 776.0, 23_174.0])
EFFORT = np.array([[231.0, 1_801.0, 6_078.0], [85.0, 683.0, 2_304.0], [1_825.0, 14_599.0, 49_273.0]])
GOAL = "Your aim is the worst-off person."
NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?"


def ask(people=PEOPLE, schedule=None, year=YEAR, *, skill=SKILL, effort=EFFORT):
    schedule = us_federal(2024) if schedule is None else schedule
    return worker_prompts(people, schedule, year, skill=skill, effort_cost=effort)


def changed(values, where, value):
    values = list(values) if isinstance(values, tuple) else values.copy()
    values[where] = value
    return tuple(values) if isinstance(values, list) else values


def numbers(text):
    """Return every number of a text, without signs and separators."""
    return {float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?", text)}


def read_table(text):
    """Return thresholds and rates from the lines of a table of brackets."""
    lines = re.findall(rf"^- (.*): ({NUMBER}) %$", text, re.M)
    edges = [[int(edge.replace(",", "")) for edge in re.findall(r"\$([\d,]+)", name)] for name, _ in lines]
    assert [edge[1] for edge in edges[:-1]] == [edge[0] for edge in edges[1:]]
    assert lines[-1][0].startswith("above ")
    return [edge[0] for edge in edges], [float(rate) / 100 for _, rate in lines]


schedules = st.lists(st.integers(1, 10**6), unique=True, max_size=8).flatmap(
    lambda edges: st.tuples(
        st.just([0, *sorted(edges)]),
        st.lists(st.integers(-1000, 1000), min_size=len(edges) + 1, max_size=len(edges) + 1),
    )
)


@given(schedules)
def test_the_table_says_the_schedule(drawn):
    thresholds, mills = drawn
    rates = [mill / 1000 for mill in mills]
    said_thresholds, said_rates = read_table(schedule_table(BracketSchedule(thresholds, rates)))
    assert said_thresholds == thresholds
    np.testing.assert_allclose(said_rates, rates, atol=1e-9)


def test_all_workers_share_the_law_and_the_rebate():
    (shared,) = {prompt.shared for prompt in ask()}
    law = us_federal(2024)
    thresholds, rates = read_table(shared)
    assert thresholds == law.thresholds.tolist()
    np.testing.assert_allclose(rates, law.rates, atol=1e-7)
    assert "rebate of $10,243 a year" in shared
    assert '{"hours": H}' in shared


def test_nothing_of_one_worker_is_in_the_shared_text():
    shared = ask()[0].shared
    others = ask(
        Personas(("Production",) * 3, ("man",) * 3, np.array([60, 61, 62])),
        year=YEAR._replace(labor=YEAR.labor + 3, income=YEAR.income * 2, tax=YEAR.tax * 3),
        skill=SKILL * 2,
        effort=EFFORT * 5,
    )
    assert {prompt.shared for prompt in others} == {shared}


def test_the_personal_text_is_the_person_and_its_year():
    text = ask()[1].personal
    assert text.startswith("You are a man, 58 years old. Occupation: sales and related.")
    assert "Each weekly hour that you work all year earns you $776 a year before tax" in text
    assert "losing $85 a year when you work 20 hours, $683 at 40 hours and $2,304 at 60 hours" in text
    assert "At 40 hours a week you earn $31,040 a year, pay $3,493 in tax" in text
    assert text.endswith("How many hours a week do you work next year?")


def test_the_dollars_of_a_year_add_up():
    for prompt, income, tax in zip(ask(), YEAR.income, YEAR.tax, strict=True):
        assert f"keep ${income - tax + YEAR.rebate:,.0f}." in prompt.personal


def test_a_prompt_holds_the_numbers_of_its_worker_and_no_others():
    law = us_federal(2024)
    public = {*law.thresholds.tolist(), *np.round(100 * np.asarray(law.rates), 2), YEAR.rebate, 0, 100}
    for i, prompt in enumerate(ask()):
        own = {*EFFORT[i], SKILL[i], YEAR.labor[i], YEAR.income[i], YEAR.tax[i], float(PEOPLE.age[i])}
        kept = YEAR.income[i] - YEAR.tax[i] + YEAR.rebate
        assert numbers(prompt.shared) == public
        assert numbers(prompt.personal) == {*own, kept, 20, 40, 60}


@pytest.mark.parametrize("part", ["shared", "personal"])
def test_every_number_has_a_unit(part):
    unit = re.compile(rf"\${NUMBER}|{NUMBER} %|{NUMBER} hours|{NUMBER} years|hours from {NUMBER} to {NUMBER}")
    for prompt in ask():
        assert not re.search(NUMBER, unit.sub("", getattr(prompt, part)))


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize("what", ["occupation", "sex", "age", "skill", "effort", "labor", "income", "tax"])
def test_a_change_in_one_worker_changes_its_prompt_alone(what, i):
    before, people, year, skill, effort = ask(), PEOPLE, YEAR, SKILL, EFFORT
    if what in ("occupation", "sex", "age"):
        value = {"occupation": "Production", "sex": "person", "age": 44}[what]
        people = dataclasses.replace(people, **{what: changed(getattr(people, what), i, value)})
    elif what == "skill":
        skill = changed(skill, i, 512.0)
    elif what == "effort":
        effort = changed(effort, (i, 1), 512.0)
    else:
        year = year._replace(**{what: changed(getattr(year, what), i, 12.0)})
    after = ask(people, year=year, skill=skill, effort=effort)
    assert [one == other for one, other in zip(before, after, strict=True)] == [j != i for j in range(3)]
    assert before[i].shared == after[i].shared


def test_a_change_of_the_law_or_the_rebate_changes_the_shared_text_for_all():
    before = ask()
    law = us_federal(2024)
    for after in (
        ask(year=YEAR._replace(rebate=10_244.0)),
        ask(schedule=BracketSchedule(law.thresholds, law.rates.at[-1].add(0.001))),
        ask(schedule=BracketSchedule(law.thresholds.at[-1].add(1), law.rates)),
    ):
        assert all(one.shared != other.shared for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("amount", "said"),
    [(-0.3, "$0"), (-0.5, "$0"), (-0.0, "$0"), (0.4, "$0"), (-0.7, "-$1"), (-1234.4, "-$1,234")],
)
def test_dollars_are_rounded_and_nothing_is_owed_below_a_half(amount, said):
    year = YEAR._replace(income=np.full(3, amount), tax=np.zeros(3), rebate=0.0)
    assert f"you earn {said} a year" in ask(year=year)[0].personal


def test_the_same_question_has_the_same_text_and_leaves_its_arguments_alone():
    arrays = [array.copy() for array in (SKILL, EFFORT, YEAR.labor, YEAR.income, YEAR.tax, PEOPLE.age)]
    assert ask() == ask()
    for before, after in zip(arrays, (SKILL, EFFORT, *YEAR[:3], PEOPLE.age), strict=True):
        np.testing.assert_array_equal(before, after)


THRESHOLDS = np.array([0.0, 11_600.0, 47_150.0])
TRIALS = [
    Trial((0.1, 0.12, 0.22), 38_415.0, 0.0),
    Trial((0.3, 0.22, 0.42), 41_207.0, 0.0),
    Trial((0.5, 0.123, 1.0), 29_004.0, 0.0),
]


def plan_prompt(trials=TRIALS, best=(TRIALS[1], TRIALS[0], TRIALS[2]), thresholds=THRESHOLDS, goal=GOAL):
    return planner_prompt(thresholds, goal, trials, best)


def test_the_planner_reads_the_best_first_and_the_latest_last():
    best, latest = plan_prompt().personal.split("The latest schedules, latest last:")
    assert best.startswith("The best schedules so far, best first:")
    results = [
        [float(found.replace(",", "")) for found in re.findall(r"result \$([\d,]+) a year", half)]
        for half in (best, latest)
    ]
    assert results[0] == sorted(results[0], reverse=True) == [41_207, 38_415, 29_004]
    assert results[1] == [trial.equivalent for trial in TRIALS]
    assert "Current rates in per cent: 50, 12.3, 100." in latest


def test_the_planner_reads_its_goal_its_brackets_and_its_steps():
    shared = plan_prompt().shared
    assert GOAL in shared
    assert "$0 to $11,600; $11,600 to $47,150; above $47,150" in shared
    assert "by -20, -10, 0, +10, +20 percentage points" in shared
    assert "rates stay between 0 and 100 per cent" in shared


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_planner_is_told_nothing_but_its_trials(count):
    trials = TRIALS[:count]
    prompt = plan_prompt(trials, best=trials)
    rates = {round(100 * rate, 9) for trial in trials for rate in trial.rates}
    assert numbers(prompt.personal) == rates | {trial.equivalent for trial in trials}
    assert numbers(prompt.shared) == {*THRESHOLDS, *map(abs, STEPS), 0, 3, 100}


def test_the_shared_text_of_a_planner_stays_the_same_through_a_run():
    assert len({plan_prompt(TRIALS[: n + 1]).shared for n in range(3)}) == 1
    assert plan_prompt(goal="Your aim is another.").shared != plan_prompt().shared


def test_a_standard_error_is_said_where_there_is_one():
    noisy = [
        trial._replace(standard_error=error) for trial, error in zip(TRIALS, (120.0, 0.0, 7.0), strict=True)
    ]
    lines = plan_prompt(noisy, best=[]).personal.splitlines()
    said = [line for line in lines if line.startswith("- rates")]
    assert said[0].endswith("result $38,415 a year (standard error $120)")
    assert said[1].endswith("result $41,207 a year")
    assert said[2].endswith("result $29,004 a year (standard error $7)")


def test_a_planners_question_is_a_function_of_what_it_was_told():
    assert plan_prompt() == plan_prompt()
    told = [plan_prompt(list(order)) for order in itertools.permutations(TRIALS)]
    assert len(set(told)) == len(told)
