import re
from collections import Counter

import numpy as np
import pytest

from econjax import BracketSchedule, us_federal
from llm_policy.answers.choice_sets import legend, letters, numbers
from llm_policy.answers.reading import HOURS
from llm_policy.memory.workers import Records, nothing, remember
from llm_policy.prompts.means import price_lines, worker_lines
from llm_policy.prompts.segments import joined
from llm_policy.prompts.workers import (
    Situation,
    Style,
    economy_text,
    labor_questions,
    law_text,
    satisfaction_questions,
)

NAN = float("nan")
LAW = us_federal(2024)
FLAT = BracketSchedule([0.0], [0.125])
NOW = Situation(LAW, 2, {1: FLAT}, 10_243.4, "explore")
PEOPLE = ["You are a man, 58 years old.", "You are a woman, 31 years old.", "You are 24 years old."]
SKILL = np.array([776.0, 2_370.0, 23_174.0])
PRICES = np.array(
    [[85.0, 683.0, 2_304.0], [231.0, 1_801.0, 6_078.0], [1_825.0, 14_599.0, 49_273.0]]
)
AIM = "Your aim is a high result."
NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?"


def lines(people=PEOPLE, skill=SKILL, prices=PRICES, fixed_cost=None):
    return worker_lines(people, [AIM] * 3, skill, price_lines(prices), fixed_cost)


def step(labor, number, *, year=1, result=(1_000.0, 2_000.0, 3_000.0), satisfied=NAN):
    labor, one = np.asarray(labor, float), np.ones(3)
    income = SKILL * np.nan_to_num(labor)
    values = (one * number, one * year, labor, income, income / 8, one * 10_243, np.array(result))
    return Records(*values, one * satisfied)


def remembered(*steps, style=Style()):  # noqa: B008
    memory = nothing(3, last=style.history, best=style.best)
    for records in steps:
        memory = remember(memory, records)
    return memory


STEPS = (
    step([40.0, 37.5, NAN], 1, result=(1_000.0, 2_100.0, NAN)),
    step([50.0, 30.0, 20.0], 2, result=(1_500.0, 2_600.0, 3_000.0), satisfied=1.0),
    step([45.0, 40.0, 60.0], 3, year=2, result=(1_200.0, 2_000.0, -3_000.0), satisfied=0.0),
    step([35.0, 45.0, 60.0], 4, year=2, result=(1_300.0, 1_900.0, -3_000.0)),
)


def ask(style=Style(), situation=NOW, *, people=None, steps=STEPS, choice_set=None, **options):  # noqa: B008
    constants, choice_set = (
        lines() if people is None else people,
        numbers() if choice_set is None else choice_set,
    )
    options = {"unit": "$"} | options
    asked = labor_questions(
        style,
        situation,
        constants,
        remembered(*steps, style=style),
        choice_set=choice_set,
        **options,
    )
    return joined(asked)


def judge(*steps, people=None, unit="$", form="Answer yes or no."):
    constants = lines() if people is None else people
    asked = satisfaction_questions(NOW, constants, remembered(*steps), unit=unit, form=form)
    return joined(asked)


def read_table(text):
    """Return thresholds and rates from the lines of a table of brackets."""
    rows = re.findall(rf"^- (.*): ({NUMBER}) %$", text, re.M)
    edges = [
        [int(edge.replace(",", "")) for edge in re.findall(r"\$([\d,]+)", name)] for name, _ in rows
    ]
    assert [edge[1] for edge in edges[:-1]] == [edge[0] for edge in edges[1:]]
    assert rows[-1][0].startswith("above ")
    return [edge[0] for edge in edges], [float(rate) / 100 for _, rate in rows]


def test_all_share_the_law_and_the_laws_before():
    (shared,) = {prompt.shared for prompt in ask()}
    assert law_text(NOW) in shared
    thresholds, rates = read_table(shared)
    assert thresholds == LAW.thresholds.tolist()
    np.testing.assert_allclose(rates, LAW.rates, atol=1e-7)
    assert "(tax year 2)" in shared
    assert "In tax year 1 the rates were 12.5 %." in shared


def test_the_law_before_the_first_tax_year_has_no_number():
    text = law_text(NOW._replace(tax_year=0, past={}))
    assert "tax year" not in text
    assert text == law_text(NOW._replace(past={})).replace(" (tax year 2)", "")


def test_the_economy_is_the_law_and_the_last_rebate():
    assert economy_text(NOW) == law_text(NOW) + " The last one was $10,243 a year."
    assert all(economy_text(NOW) in prompt.shared for prompt in judge(*STEPS))


def test_the_shared_text_is_that_of_a_tax_year():
    """Rebates, steps and phases come and go: a model with a prefix cache reads it once a year."""
    for style in (Style(), Style(mode="choice"), Style(explore=False)):
        (shared,) = {prompt.shared for prompt in ask(style)}
        for other in (NOW._replace(rebate=7.0), NOW._replace(phase="exploit")):
            assert {prompt.shared for prompt in ask(style, other, steps=STEPS[:2])} == {shared}


@pytest.mark.parametrize("history", [1, 2, 5, 10])
@pytest.mark.parametrize("mode", ["text", "choice"])
def test_a_prompt_begins_as_it_did_the_step_before_while_a_block_lasts(history, mode):
    style, choice_set = Style(mode, history=history), letters(3)
    memory, told = nothing(3, last=history, best=style.best), lines()
    for number in range(40):
        hours = [20.0 + number, NAN if number % 5 == 3 else 40.0, 60.0 - number]
        memory = remember(memory, step(hours, number, year=(number + 6) // 7, satisfied=number % 2))
        asked = labor_questions(style, NOW, lines(), memory, choice_set=choice_set, unit="$")
        now = [until_the_steps_end(prompt.personal) for prompt in joined(asked)]
        begins = [one.startswith(other) for one, other in zip(now, told, strict=True)]
        dropped = number >= history and (number + 1 - history) % max(1, history // 2) == 0
        assert not begins[0] if dropped else all(begins)
        told = now


def until_the_steps_end(text):
    return re.split(r"^(?:Your |On average|How many)", text, flags=re.M)[0]


def test_past_laws_are_named_in_the_order_of_their_years():
    other = BracketSchedule([0.0, 9_000.0], [0.0, 0.333])
    text = economy_text(NOW._replace(tax_year=11, past={10: FLAT, 2: other}))
    assert text.index("In tax year 2 the rates were 0 %, 33.3 %.") < text.index("In tax year 10 ")


def test_nothing_of_one_worker_is_in_the_shared_text():
    shared = ask()[0].shared
    assert {
        prompt.shared for prompt in ask(people=["You."] * 3, steps=(step([1.0, 2.0, 3.0], 1),))
    } == {shared}
    for text in (*PEOPLE, AIM, "$776", "37.5"):
        assert text not in shared


def test_workers_with_the_same_lot_are_asked_the_same():
    records = Records(*(np.full(3, values[0]) for values in STEPS[0]))
    for question in (
        ask(people=[lines()[0]] * 3, steps=(records,)),
        judge(records, people=[lines()[0]] * 3),
    ):
        assert len(set(question)) == 1


def test_the_personal_text_is_the_person_its_lot_and_its_memory():
    text = ask()[1].personal
    assert text.startswith(PEOPLE[1])
    assert AIM in text
    assert "earns you $2,370 a year before tax: $94,800 at 40 hours" in text
    assert (
        "losing $231 a year when you work 20 hours, $1,801 at 40 hours and $6,078 at 60 hours"
        in text
    )
    assert (
        "Step 1: 37.5 hours a week, income $88,875, tax $11,109, rebate $10,243, kept $88,009"
        in text
    )
    assert text.endswith("?")


def test_steps_stand_under_their_tax_years():
    years = re.findall(r"Tax year (\d+):\n((?:Step .*\n)+)", ask()[0].personal)
    assert [(year, re.findall(r"Step (\d)", text)) for year, text in years] == [
        ("1", ["1", "2"]),
        ("2", ["3", "4"]),
    ]


def test_the_first_40_hours_are_of_no_tax_year():
    before = step([40.0] * 3, 0, year=0)
    told = ask(steps=(before, *STEPS[:2]))[0].personal
    assert re.findall(r"(Step \d|Tax year \d)", told) == [
        "Step 0",
        "Tax year 1",
        "Step 1",
        "Step 2",
    ]
    assert "step 0" not in told


def test_steps_stand_in_order_the_best_first_and_unknown_ones_nowhere():
    for worker, (order, best) in enumerate([("1234", "2431"), ("1234", "2134"), ("234", "24")]):
        latest, ranked = ask()[worker].personal.split("Your best steps, best first:")
        assert "".join(re.findall(r"Step (\d)", latest)) == order
        assert "".join(re.findall(r"step (\d)", ranked.splitlines()[0])) == best


def test_a_best_step_is_told_again_only_where_it_is_no_longer_among_the_latest():
    ranked = ask(Style(history=2))[0].personal.split("Your best steps, best first:")[1]
    assert ranked.splitlines()[0] == (
        " step 2 (tax year 1, 50 hours a week, result $1,500); step 4; step 3; "
        "step 1 (tax year 1, 40 hours a week, result $1,000)."
    )
    for text in (prompt.personal for prompt in ask(Style(history=3))):
        shown, ranked = text.split("Your best steps, best first:")
        for number in re.findall(r"step (\d)", ranked):
            assert (f"Step {number}:" in shown) != (f"step {number} (tax year" in ranked)


def test_the_dollars_of_a_step_add_up():
    pattern = r"income \$([\d,]+), tax \$([\d,]+), rebate \$([\d,]+), kept \$([\d,]+)"
    for prompt in ask():
        for said in re.findall(pattern, prompt.personal):
            income, tax, rebate, kept = (int(amount.replace(",", "")) for amount in said)
            assert abs(income - tax + rebate - kept) <= 1


def test_averages_and_nudges_are_those_of_the_memory():
    texts = [prompt.personal for prompt in ask()]
    assert "On average you chose 42.5 hours a week, with a result of $1,250." in texts[0]
    assert "On average you chose 46.7 hours a week, with a result of -$1,000." in texts[2]
    assert ["fewer hours" in text for text in texts] == [True, True, False]
    assert not any("more hours" in text for text in texts)


def test_who_remembers_nothing_reads_of_no_step():
    (text,) = {prompt.personal for prompt in ask(people=["You."] * 3, steps=())}
    assert len(text.splitlines()) == 2


def test_satisfaction_stands_beside_the_step():
    found = re.findall(r"Step (\d).*?, (satisfied|not satisfied)\n", ask()[0].personal)
    assert found == [("2", "satisfied"), ("3", "not satisfied")]


@pytest.mark.parametrize(
    ("switched", "gone"),
    [
        (Style(best=0), "best steps"),
        (Style(averages=False), "On average"),
        (Style(nudges=False), "last change of hours"),
        (Style(history=1), "Step 3: 45"),
    ],
)
def test_sentences_can_be_switched_off_one_by_one(switched, gone):
    before, after = ask()[0], ask(switched)[0]
    assert gone in before.personal
    assert gone not in after.personal.split("Your best steps")[0]
    assert after.shared == before.shared


def test_the_phase_is_said_after_all_else_but_the_question_unless_switched_off():
    explore, exploit = (
        ask(situation=NOW._replace(phase=phase))[0] for phase in ("explore", "exploit")
    )
    *memory, question = explore.personal.splitlines()
    assert exploit.personal.splitlines()[:-2] == memory
    assert exploit.personal.splitlines()[-2].startswith("No more trying")
    assert exploit.personal.splitlines()[-1] == question
    silent = Style(explore=False)
    assert ask(silent) == ask(silent, NOW._replace(phase="exploit"))
    assert len(ask(silent)[0].shared) < len(explore.shared)


def test_a_thought_is_asked_for_before_the_hours():
    plain, thinking = ask()[0].shared, ask(Style(think=True))[0].shared
    assert '{"hours": H}' in plain
    assert "thought" not in plain
    assert thinking.index('"thought"') < thinking.index('"hours"')


def test_the_other_phrasing_says_the_same_numbers():
    one, other = ask(), ask(Style(phrasing=1))
    for before, after in zip(one, other, strict=True):
        assert before.shared != after.shared
        assert before.personal != after.personal
        for part in ("shared", "personal"):
            said, again = (
                Counter(re.findall(NUMBER, getattr(prompt, part))) for prompt in (before, after)
            )
            assert said == again


def test_numbers_on_offer_are_the_hours_and_may_be_listed_backwards():
    forth, back = (ask(Style(mode="choice", reverse=reverse))[0] for reverse in (False, True))
    listed = [
        re.findall(r"\d+", prompt.shared.split("nothing else:")[1]) for prompt in (forth, back)
    ]
    assert listed[0] == listed[1][::-1] == [str(hours) for hours in HOURS]
    assert "JSON" not in forth.shared


def test_what_letters_mean_stands_before_the_steps():
    choice_set = letters(3)
    for reverse in (False, True):
        asked = ask(Style(mode="choice", reverse=reverse), choice_set=choice_set)
        for prompt, text in zip(asked, legend(choice_set, reverse=reverse), strict=True):
            assert prompt.personal.splitlines()[2] == f"{text}."
            assert "from A to K" in prompt.shared


@pytest.mark.parametrize(
    ("style", "choice_set", "said"),
    [
        (Style(), numbers(), "hours from 0 to 37.5."),
        (Style(mode="choice"), numbers((0, 10, 20, 30)), "nothing else: 0, 10, 20, 30."),
        (Style(mode="choice"), letters(3, (0, 10, 20, 30)), "one letter from A to D"),
    ],
)
def test_no_week_is_offered_that_is_longer_than_the_longest(style, choice_set, said):
    assert all(said in prompt.shared for prompt in ask(style, choice_set=choice_set, most=37.5))


@pytest.mark.parametrize("unit", ["$", "utils"])
def test_every_number_has_a_unit(unit):
    known = re.compile(
        rf"-?\${NUMBER}|{NUMBER} %|{NUMBER} hours|{NUMBER} years|{NUMBER} utils|[Ss]tep "
        r"\d+|[Tt]ax year \d+"
        rf"|hours from {NUMBER} to {NUMBER}|numbers of weekly hours and nothing else: [\d, ]+"
    )
    menus = [
        (Style(), numbers()),
        (Style(mode="choice"), numbers()),
        (Style(mode="choice"), letters(3)),
    ]
    asked = [
        prompt
        for style, choice_set in menus
        for prompt in ask(style, choice_set=choice_set, unit=unit)
    ]
    asked += judge(*STEPS, people=lines(fixed_cost=SKILL), unit=unit)
    for prompt in asked:
        for text in prompt:
            assert not re.search(NUMBER, known.sub("", text)), known.sub("", text)


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize("what", ["person", "skill", "price", "hours"])
def test_a_change_in_one_worker_changes_its_prompt_alone(what, i):
    people, skill, prices, steps = list(PEOPLE), SKILL.copy(), PRICES.copy(), STEPS
    if what == "person":
        people[i] = "You are 44 years old."
    elif what == "skill":
        skill[i] = 512.0
    elif what == "price":
        prices[i, 1] = 512.0
    else:
        labor = STEPS[3].labor.copy()
        labor[i] = 12.0
        steps = (*STEPS[:3], STEPS[3]._replace(labor=labor))
    before, after = ask(), ask(people=lines(people, skill, prices), steps=steps)
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        j != i for j in range(3)
    ]
    assert before[i].shared == after[i].shared


def test_a_change_of_the_law_changes_the_shared_text_alone():
    before = ask()
    for after in (
        ask(
            situation=NOW._replace(
                schedule=BracketSchedule(LAW.thresholds, LAW.rates.at[-1].add(0.001))
            )
        ),
        ask(
            situation=NOW._replace(
                schedule=BracketSchedule(LAW.thresholds.at[-1].add(1), LAW.rates)
            )
        ),
        ask(situation=NOW._replace(past={})),
        ask(situation=NOW._replace(tax_year=3)),
    ):
        assert all(one.shared != other.shared for one, other in zip(before, after, strict=True))
        assert all(one.personal == other.personal for one, other in zip(before, after, strict=True))


def test_the_question_of_satisfaction_shows_the_latest_step_and_no_other():
    for worker, prompt in enumerate(judge(*STEPS)):
        assert re.findall(r"Step (\d)", prompt.personal) == ["4"]
        assert prompt.personal.startswith(PEOPLE[worker])
        assert read_table(prompt.shared)[0] == LAW.thresholds.tolist()
        assert prompt.shared.endswith("Answer yes or no.")


def test_one_workers_silence_changes_no_question_to_another():
    """Worker 0 was last understood in another tax year."""
    silent = STEPS[3]._replace(labor=np.array([NAN, 45.0, 60.0]))
    mute = STEPS[2]._replace(labor=np.array([NAN, 40.0, 60.0]))
    for one, other in zip(judge(*STEPS)[1:], judge(*STEPS[:2], mute, silent)[1:], strict=True):
        assert one == other


@pytest.mark.parametrize("unit", ["$", "utils"])
@pytest.mark.parametrize("result", [NAN, np.inf, -np.inf])
def test_a_result_that_is_unknown_or_without_end_is_not_said(unit, result):
    unknown = step([40.0, 40.0, 40.0], 1, result=(result,) * 3)
    for prompt in (
        *ask(people=["You."] * 3, steps=(unknown,), unit=unit),
        *judge(unknown, people=["You."] * 3),
    ):
        assert "Step 1: 40 hours a week" in prompt.personal
        assert not re.search(r"nan|inf|result|\?", prompt.personal.removesuffix("?"))


def test_a_fixed_cost_is_said_where_there_is_one():
    said = [
        "Working at all costs you" in line.means
        for line in lines(fixed_cost=np.array([0.0, 900.0, 0.3]))
    ]
    assert said == [False, True, False]
    assert (
        "Working at all costs you $900 a year, which steps do not show."
        in lines(fixed_cost=np.array([0.0, 900.0, 0.3]))[1].means
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mode="choice", think=True), "choice mode .* use text mode"),
        (dict(history=0), "at least 1 latest step .* got 0 and 5"),
        (dict(best=-1), "0 best ones; got 10 and -1"),
        (dict(mode="chat"), "chat"),
        (dict(phrasing=2), "2"),
    ],
)
def test_styles_that_do_not_go_together_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        Style(**options)
