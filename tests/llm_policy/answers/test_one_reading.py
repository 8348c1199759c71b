"""One reading for every kind of answer: hours, words, ballots, candidacies, planners' numbers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule
from llm_policy.answers.ballots import ballot_in
from llm_policy.answers.proposals import platform_in, proposal_in, question_in
from llm_policy.answers.reading import changes_in, hours_in, numbers_in, rates_in, satisfied_in

LAW = BracketSchedule([0, 1e4], [0.2, 0.4])


def plain(value):
    """Return what was read as numbers and lists."""
    if isinstance(value, BracketSchedule):
        return np.round(np.asarray(value.rates, float), 6).tolist()
    if isinstance(value, tuple) and value and isinstance(value[0], BracketSchedule):
        return plain(value[0]), value[1]
    return np.round(value, 6).tolist() if isinstance(value, np.ndarray) else value


# Name: an answer, its reader, and what it says.
KINDS = {
    "hours": ({"hours": 40}, hours_in, 40.0),
    "satisfied": ({"satisfied": "yes"}, satisfied_in, 1.0),
    "changes": ({"changes": [10, -20]}, lambda t: changes_in(t, 2), [0.1, -0.2]),
    "rates": ({"rates_percent": [35, 0.5]}, lambda t: rates_in(t, 2), [0.35, 0.005]),
    "plurality": ({"vote": 2}, lambda t: ballot_in(t, "plurality", 3), (1,)),
    "abstention": ({"vote": 0}, lambda t: ballot_in(t, "plurality", 3), ()),
    "Borda": ({"ranking": [3, 1, 2]}, lambda t: ballot_in(t, "borda", 3), (2, 0, 1)),
    "approval": ({"approve": [2]}, lambda t: ballot_in(t, "approval", 3), (1,)),
    "proposal": ({"changes": [10, 0]}, lambda t: proposal_in(t, LAW, "changes"), [0.3, 0.4]),
    "proposed rates": (
        {"rates_percent": [5, 9]},
        lambda t: proposal_in(t, LAW, "rates"),
        [0.05, 0.09],
    ),
    "what-if": (
        {"what_if": [30, 50], "changes": None},
        lambda t: question_in(t, LAW, "changes"),
        ([0.3, 0.5], True),
    ),
    "no what-if": (
        {"what_if": None, "changes": [10, 0]},
        lambda t: question_in(t, LAW, "changes"),
        ([0.3, 0.4], False),
    ),
    "candidacy": (
        {"stands": True, "changes": [10, 0]},
        lambda t: platform_in(t, LAW, "changes"),
        pytest.approx((0.3, 0.4)),
    ),
    "no candidacy": ({"stands": False}, lambda t: platform_in(t, LAW, "changes"), ()),
}
every_kind = pytest.mark.parametrize("kind", KINDS)

# % stands for the answer.
READ = [
    "%",
    "  %\n\n",
    "```json\n%\n```",
    "```\n%\n```",
    "**%**",
    "Sure! Here it is: %",
    "% That is my answer.",
    "[%]",
    "With {everything} in mind: %",
    "With {all {kinds {of}} things} in mind: %",
    "% I hope {this} helps.",
    "{a} {b} % {c}",
    '{"note": "not yet"} %',
    '% {"confidence": 0.9}',
    "<think>Hm.</think>%",
    "<think>\nEither {x} or {y}, but } is odd.\n</think>\n\n%",
    "<think>Perhaps %? No, %.</think> %",
    "The prompt held the tag: %, or %.</think>%",
    "<think>%</think><think>once more</think>%",
    "<think>I was never told to close this: %",
    "<THINKING>Aha.</THINKING> %",
    "<reasoning> { </reasoning> %",
    "[THINK]Hm { hm.[/THINK]%",
    "<analysis>%</analysis>\n```json\n%\n```",
]
UNREAD = [
    ("", "no JSON object"),
    ("no idea", "no JSON object"),
    ("{}", "names"),
    ('{"note": 1}', "names"),
    ("% or %", "answered 2 times"),
    ("{%}", "no JSON object"),
    ('{"answer": %}', "names"),
    ("<think>%</think>", "no JSON object"),
    ("<think>%</think> I stand by that.", "no JSON object"),
    ("% </think>", "no JSON object"),
    ("{ %", "ends within its braces"),
    ("<think>Hm.</think> { %", "ends within its braces"),
]


def said(kind, form="%"):
    answer, read, _ = KINDS[kind]
    return read(form.replace("%", json.dumps(answer)))


@every_kind
@pytest.mark.parametrize("form", READ)
def test_whatever_stands_around_an_answer_every_kind_is_read(kind, form):
    found = said(kind, form)
    assert plain(found.value) == KINDS[kind][2]
    assert found.why == ""


@given(st.sampled_from(sorted(KINDS)), st.lists(st.sampled_from(READ), min_size=1, max_size=3))
def test_and_so_it_is_when_several_things_stand_around_it(kind, forms):
    answer, read, value = KINDS[kind]
    text = json.dumps(answer)
    for form in forms:
        before, _, after = form.rpartition("%")
        text = before.replace("%", '{"draft": 1}') + text + after
    assert plain(read(text).value) == value


@every_kind
@pytest.mark.parametrize(("form", "why"), UNREAD)
def test_what_is_no_answer_is_none_of_any_kind_and_says_why(kind, form, why):
    found = said(kind, form)
    assert found.value is None
    assert why in found.why
    assert "\n" not in found.why


@every_kind
def test_an_answer_that_is_cut_or_given_twice_under_one_name_is_none(kind):
    answer, read, _ = KINDS[kind]
    text = json.dumps(answer)
    for cut in range(1, len(text)):
        assert read(text[:cut]).value is None
    twice = f"{text[:-1]}, {text[1:]}"
    assert read(twice).value is None


@pytest.mark.parametrize("before", ["", "I think: ", "<think>{</think> ", '{"thought": "less"} '])
def test_decimals_that_go_on_until_the_answer_is_cut_are_a_number(before):
    whole = f'{before}{{"hours": 40.58780566219'
    decimals = len(whole.rpartition(".")[2])
    for cut in range(decimals + 1):
        found = hours_in(whole[: len(whole) - cut])
        if decimals - cut >= 6:
            assert found.value == pytest.approx(40.58780566219, abs=10.0 ** (cut - decimals))
        else:
            assert "ends within its braces" in found.why
    for more in (",", "e", " or more", " {", '", "hours'):
        assert hours_in(whole + more).value is None
    assert rates_in('{"rates_percent": [35.123456789', 2).value is None


@pytest.mark.parametrize("number", [2, 2.0, "2", " 2 ", "2.0", "+2", "2.000000000000"])
def test_a_number_is_the_same_in_every_kind_of_answer(number):
    def answer(name, value):
        return json.dumps({name: value})

    assert hours_in(answer("hours", number)).value == 2
    assert rates_in(answer("rates_percent", [number]), 1).value.tolist() == [0.02]
    assert ballot_in(answer("vote", number), "plurality", 3).value == (1,)
    assert ballot_in(answer("approve", [number]), "approval", 3).value == (1,)
    assert ballot_in(answer("ranking", [1, number]), "borda", 2).value == (0, 1)
    ten = number * 5 if isinstance(number, int | float) else number.replace("2", "10")
    assert changes_in(answer("changes", [ten]), 1).value.tolist() == [0.1]
    assert question_in(answer("what_if", [number, number]), LAW, "changes").value[1]


# A value of each kind, whether it is read, and if not, what the reason tells.
VALUES = [
    ("hours", 40.587834512, 40.587834512),
    ("hours", "40.587834512", 40.587834512),
    ("hours", "40.58783451234567890123 hours", 40.58783451234567890123),
    ("hours", "40 Hours", 40),
    ("hours", "40 HOURS PER WEEK", 40),
    ("hours", "30-40", "'30-40' is no number"),
    ("hours", "30 to 40", "'30 to 40' is no number"),
    ("hours", [30, 40], "[30, 40] is no number"),
    ("hours", "40, 50", "no number"),
    ("hours", 101, "101 is not from 0 to 100 hours"),
    ("hours", -0.5, "-0.5 is not from 0 to 100"),
    ("hours", "-5", "'-5' is not from 0 to 100"),
    ("hours", True, "true is no number"),
    ("hours", None, "null is no number"),
    ("hours", "x" * 99, "..."),
    ("satisfied", "Yes", 1),
    ("satisfied", "maybe", "'maybe' is neither yes nor no"),
    ("changes", ["+10", "-20 points"], [0.1, -0.2]),
    ("changes", ["10 Percentage Points", "20 pp"], [0.1, 0.2]),
    ("changes", ["10%", 0], [0.1, 0]),
    ("changes", [15, 0], "a change of 15 points is none of those offered, -20, -10, 0, 10, 20"),
    ("changes", ["15", 0], "a change of '15' points is none of those offered"),
    ("changes", [10], "1 changes are listed, not 2"),
    ("changes", 10, "10 is no list of 2 changes"),
    ("rates_percent", ["35 Percent", "0.5%"], [0.35, 0.005]),
    ("rates_percent", [35, 101], "a rate of 101 is not from 0 to 100 per cent"),
    ("rates_percent", [35, "35 hours"], "'35 hours' is not"),
    ("rates_percent", [35, 20, 10], "3 rates are listed, not 2"),
    ("vote", "Candidate 2", (1,)),
    ("vote", "0", ()),
    ("vote", 0.0, ()),
    ("vote", 2.5, "2.5 is none of the numbers 1 to 3"),
    ("vote", 4, "4 is none of the numbers 1 to 3"),
    ("vote", False, "false is none of the numbers"),
    ("vote", [2], "one candidate is asked for"),
    ("vote", "2 or 3", "'2 or 3' is none"),
    ("ranking", [3, 1], "2 of 3 candidates are ranked"),
    ("ranking", [3, 3, 1], "listed twice"),
    ("ranking", [3, "3", 1], "listed twice"),
    ("ranking", ["3", 1.0, "candidate 2"], (2, 0, 1)),
    ("approve", 2, "a list is asked for"),
    ("approve", [], ()),
]
READERS = {
    "hours": hours_in,
    "satisfied": satisfied_in,
    "changes": lambda text: changes_in(text, 2),
    "rates_percent": lambda text: rates_in(text, 2),
    "vote": lambda text: ballot_in(text, "plurality", 3),
    "ranking": lambda text: ballot_in(text, "borda", 3),
    "approve": lambda text: ballot_in(text, "approval", 3),
}


@pytest.mark.parametrize(("name", "value", "expected"), VALUES)
def test_what_is_read_and_what_is_not_with_its_reason(name, value, expected):
    found, why = READERS[name](json.dumps({name: value}))
    if isinstance(expected, str):
        assert found is None
        assert expected in why
        assert len(why) < 120
    else:
        assert plain(found) == expected


@pytest.mark.parametrize(
    ("stands", "expected"),
    [(True, (0.3, 0.4)), ("yes", (0.3, 0.4)), ("True", (0.3, 0.4)), (False, ()), ("No", ())],
)
def test_a_candidacy_is_a_yes_or_a_no_in_quotes_too(stands, expected):
    text = json.dumps({"stands": stands, "changes": [10, 0]})
    assert platform_in(text, LAW, "changes").value == pytest.approx(expected)


@pytest.mark.parametrize("stands", [0, 1, 1.0, None, "maybe", [True], {}])
def test_and_nothing_else(stands):
    found, why = platform_in(json.dumps({"stands": stands, "changes": [10, 0]}), LAW, "changes")
    assert found is None
    assert why == '"stands" is neither true nor false'


def test_a_candidate_without_a_readable_platform_is_told_why():
    found, why = platform_in('{"stands": true, "changes": [15, 0]}', LAW, "changes")
    assert found is None
    assert "a change of 15 points" in why
    assert platform_in('{"stands": true}', LAW, "changes").why


@given(st.text(max_size=60) | st.text('{}[]<>/think":, 0123hours', max_size=60))
def test_reading_never_raises(text):
    for read in (*READERS.values(), *(read for _, read, _ in KINDS.values())):
        found, why = read(text)
        assert (found is None) == bool(why)


def test_numbers_of_candidates_are_places_from_zero():
    assert numbers_in('{"vote": ["2", 1.0]}', "vote", options=2).value.tolist() == [1, 0]
