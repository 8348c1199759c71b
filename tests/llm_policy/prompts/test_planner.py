import re

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule
from econjax.planning import Report
from econjax.welfare.statistics import BracketStatistics
from llm_policy.memory.planner import Record, Trial, last_two, records
from llm_policy.prompts.planner import (
    PlannerStyle,
    Questions,
    observation_text,
    planner_question,
    reflection_text,
)
from llm_policy.prompts.segments import joined

NAMES = ["$0 to $20,000", "$20,000 to $80,000", "above $80,000"]
LAW = BracketSchedule([0, 20_000, 80_000], [0.5, 0.123, 1.0])
GOAL = "Your aim is the worst-off person."
LOW, HIGH = (0.1, 0.12, 0.22), (0.3, 0.12, 0.42)
TRIALS = (
    Trial(LOW, 38_415.0, 0.0),
    Trial(HIGH, 41_207.0, 250.0),
    Trial((0.5, 0.123, 1.0), 29_004.0, 0.0),
)


def prompt(trials=TRIALS, style=None, **options):
    asked = planner_question(LAW, GOAL, trials, style=style or PlannerStyle(), **options)
    return joined([asked])[0]


def report():
    numbers = iter(np.arange(1.0, 100.0) * 1000)
    one = lambda: jnp.asarray(next(numbers))  # noqa: E731
    deciles = lambda: jnp.asarray([next(numbers) for _ in range(9)])  # noqa: E731
    return Report(
        *[one() for _ in range(8)],
        income_deciles=deciles(),
        income_spread=one(),
        utility=one(),
        utility_deciles=deciles(),
        utility_spread=one(),
        brackets=BracketStatistics(jnp.array([0.615, 0.365, 0.02]), *[jnp.zeros(3)] * 3),
    )


def test_records_are_of_schedules_best_mean_first():
    years = [(LOW, 10.0), (HIGH, 30.0), (LOW, 14.0), (HIGH, 2.0), ((0.5, 0.5, 0.5), 12.0)]
    found = records([Trial(rates, result, 0.0) for rates, result in years])
    # 12 twice: of equals the first that was tried leads.
    assert [(r.rates, r.mean, r.tax_years) for r in found] == [
        (HIGH, 16.0, 2),
        (LOW, 12.0, 2),
        ((0.5, 0.5, 0.5), 12.0, 1),
    ]
    assert [r.standard_error for r in found] == pytest.approx([14.0, 2.0, 0.0])


def test_the_error_of_a_record_is_the_larger_of_two():
    # Years that hardly differ have errors of their own: sqrt(3^2 + 4^2) / 2.
    assert records([Trial(LOW, 10.0, 3.0), Trial(LOW, 10.1, 4.0)])[
        0
    ].standard_error == pytest.approx(2.5)
    # Years that differ more than their errors say: sd sqrt(50), over sqrt(2).
    assert records([Trial(LOW, 10.0, 1.0), Trial(LOW, 20.0, 1.0)])[
        0
    ].standard_error == pytest.approx(5.0)


def test_rounding_makes_no_new_schedule():
    third = (1 / 3, 0.2, 0.2)
    [record] = records([Trial(third, 1.0, 0.0), Trial((0.3333, 0.2, 0.2), 3.0, 0.0)])
    assert record == Record(third, 2.0, 1.0, 2)


def test_the_last_two_schedules_are_told_from_the_last_two_years():
    a, b = Trial(LOW, 10.0, 0.0), Trial(HIGH, 30.0, 0.0)
    assert last_two([]) is None
    assert last_two([a, a]) is None
    before, after = last_two([a, b, a, b, b])
    assert (before.rates, before.tax_years, after.rates, after.tax_years) == (LOW, 2, HIGH, 3)


@pytest.mark.parametrize(
    ("means", "errors", "verdict"),
    [
        ((100.0, 130.0), (9.0, 12.0), "the last one brought $30 a year (standard error $15) more"),
        ((130.0, 100.0), (9.0, 12.0), "the last one brought $30 a year (standard error $15) less"),
        ((100.0, 129.0), (9.0, 12.0), "no clear difference: it is $29 a year (standard error $15)"),
        ((100.0, 101.0), (0.0, 0.0), "the last one brought $1 a year more"),
        ((100.0, 100.0), (0.0, 0.0), "no clear difference: it is $0 a year"),
    ],
)
def test_a_difference_is_clear_from_two_standard_errors_on(means, errors, verdict):
    pair = [Record(r, m, e, 1) for r, m, e in zip((LOW, HIGH), means, errors, strict=True)]
    text = reflection_text(*pair, names=NAMES)
    assert f": {verdict}. Rates that differ: " in text
    moved = "$0 to $20,000 from 10 % to 30 %; above $80,000 from 22 % to 42 %."
    assert text.endswith(f"{moved} The result is of these changes together.")


def test_a_single_change_is_named_alone():
    pair = Record(LOW, 1.0, 0.0, 1), Record((0.1, 0.3, 0.22), 9.0, 0.0, 1)
    text = reflection_text(*pair, names=NAMES)
    assert text.endswith("Rates that differ: $20,000 to $80,000 from 12 % to 30 %.")


def test_people_are_counted_per_bracket_and_every_amount_has_its_place():
    text = observation_text(LAW, report())
    bars = re.findall(r"^- (.*): (#*) ([\d.]+) of 100 workers$", text, re.M)
    assert bars == [
        (NAMES[0], "#" * 12, "61.5"),
        (NAMES[1], "#" * 7, "36.5"),
        (NAMES[2], "", "2.0"),
    ]
    # The report holds 1,000, 2,000, ... in the order of its fields; rebate, income and labor are 3,
    # 4, 5.
    income, utility, others = text.splitlines()[-3:]
    thousands = [
        [int(n) for n in re.findall(r"\$(\d+),000", line)] for line in (income, utility, others)
    ]
    assert thousands == [[4, 13, 18, *range(9, 18)], [19, 24, 29, *range(20, 29)], [3]]
    assert "5e+03 hours a week" in others


def test_the_prompt_shows_the_best_and_the_latest():
    said = prompt(style=PlannerStyle(shown=2)).personal.splitlines()
    best, latest = (
        said.index("The best schedules so far, best first:"),
        said.index("The latest tax years, latest last:"),
    )
    assert said[best + 1 : latest] == [
        "- rates 30 %, 12 %, 42 %: result $41,207 a year (standard error $250), 1 tax year",
        "- rates 10 %, 12 %, 22 %: result $38,415 a year, 1 tax year",
    ]
    assert said[latest + 1 : latest + 3] == [
        "- rates 30 %, 12 %, 42 %: result $41,207 a year (standard error $250)",
        "- rates 50 %, 12.3 %, 100 %: result $29,004 a year",
    ]
    assert said[-2:] == [
        "Current rates, from the lowest bracket: 50 %, 12.3 %, 100 %.",
        "By how many percentage points do you change each rate?",
    ]


def test_what_is_shared_does_not_depend_on_what_was_seen():
    seen = prompt(report=report(), person="You are Ann.", questions=Questions(3, TRIALS[:1]))
    assert prompt((), questions=Questions(3)).shared == seen.shared
    assert GOAL in seen.shared
    assert "; ".join(NAMES) in seen.shared
    assert seen.personal.startswith("You are Ann.\n")
    assert "No tax year has passed yet." in prompt(()).personal


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ("explore", "schedules that you have not tried"),
        ("exploit", "Stay near the best schedule"),
        ("reflect", "The last schedule against the one before it"),
        ("observe", "of 100 workers"),
    ],
)
def test_each_sentence_can_be_switched_off_alone(switch, sentence):
    sentences = [
        "that you have not tried",
        "Stay near the best",
        "against the one before",
        "of 100 workers",
    ]
    on = "\n".join(prompt(report=report()))
    off = "\n".join(prompt(report=report(), style=PlannerStyle(**{switch: False})))
    assert sentence in on
    assert sentence not in off
    assert sum(other in off for other in sentences) == 3


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize(
    ("answer", "unit"),
    [("changes", "percentage points"), ("rates", "rates in per cent from 0 to 100")],
)
def test_the_unit_of_the_answer_is_declared(answer, unit, think):
    shared = prompt(style=PlannerStyle(answer=answer, think=think)).shared
    [form] = re.findall(r"Answer with JSON only: (.*)", shared)
    assert unit in form
    assert ('"thought"' in form) == think
    assert ("rates_percent" in form) == (answer == "rates")


def test_questions_say_what_they_are_about():
    said = prompt(questions=Questions(2, (Trial(HIGH, 43_000.0, 0.0),)))
    assert "up to 2 times a tax year" in said.shared
    assert 'under "what_if", and null under "changes"' in said.shared
    assert (
        "for workers who all do what is best for themselves:\n- rates 30 %, 12 %, 42 %: $43,000 a "
        "year" in said.personal
    )
    assert "What-if questions left this tax year: 1." in said.personal
    assert "what_if" not in "".join(prompt())


def test_an_unknown_answer_is_refused():
    with pytest.raises(ValueError, match=r'A planner answers "changes" or "rates"; got \'points\''):
        PlannerStyle(answer="points")


def test_a_planner_that_rereads_nothing_is_refused():
    with pytest.raises(ValueError, match="rereads at least 1 tax year; got 0"):
        PlannerStyle(shown=0)
