import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.answers.reading import (
    HOURS,
    SATISFIED_ANSWER,
    STEPS,
    changes_answer,
    hours_answer,
    rates_answer,
    read_changes,
    read_hours,
    read_numbers,
    read_rates,
    read_satisfied,
    schema,
)
from llm_policy.engines.wrappers.tally import Tally

BRACKETS = 7

prose = st.text(st.characters(exclude_characters="{}"), max_size=30)
legal_hours = st.floats(0, 100, allow_nan=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
numbers = (
    st.integers(-(10**400), 10**400)
    | st.floats()
    | st.integers(-120, 120)
    | st.sampled_from([-0.0, 1e-300, 100.0000001, -1e-9, 1e308])
)


def hours(text, most=100):
    """Return the hours in one text, or None."""
    (value,), (understood,) = read_hours([text], most)
    assert understood or value == 0
    return value if understood else None


@given(legal_hours, st.dictionaries(st.text(), json_values, max_size=3))
def test_legal_hours_are_read_exactly_whatever_stands_beside_them(value, others):
    assert hours(json.dumps(others | {"hours": value})) == value


@given(
    legal_hours,
    prose,
    prose,
    st.sampled_from(["{}", " {} ", "```json\n{}\n```", "```\n{}\n```", "**{}**"]),
)
def test_words_and_fences_around_an_answer_do_not_hide_it(value, before, after, fence):
    assert (
        hours(before + fence.replace("{}", json.dumps({"hours": value}, indent=1)) + after) == value
    )
    changes = read_changes(before + fence.replace("{}", '{"changes": [10, -20]}') + after, 2)
    assert changes.tolist() == [0.1, -0.2]


@given(numbers.filter(lambda value: not 0 <= value <= 100))
def test_hours_and_rates_that_do_not_exist_are_not_read(value):
    assert hours(json.dumps({"hours": value})) is None
    assert read_rates(json.dumps({"rates_percent": [10, value]}), 2) is None


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        ("40", 40),
        (" 37.5 ", 37.5),
        ("40 h", 40),
        ("40h", 40),
        ("1 hour", 1),
        ("40 hours", 40),
        ("40 hours a week", 40),
        ("40 hours per week", 40),
        ("101", None),
        ("-5", None),
        ("40 %", None),
        ("40 hours a day", None),
        ("2000 hours a year", None),
        ("$40", None),
        ("40,000", None),
        ("30-40", None),
        ("4e1", None),
        ("forty", None),
        ("٤٠", None),
        ("４０", None),
        ("", None),
    ],
)
def test_quoted_hours_may_carry_their_own_unit_and_no_other(quoted, value):
    assert hours(json.dumps({"hours": quoted})) == value


@pytest.mark.parametrize(
    ("quoted", "share"),
    [
        ("35", 0.35),
        ("35%", 0.35),
        (" 35.5 % ", 0.355),
        ("35 percent", 0.35),
        ("35 per cent", 0.35),
        ("0", 0.0),
        ("100 %", 1.0),
        ("101 %", None),
        ("35 hours", None),
        ("35 points", None),
        ("35 %%", None),
        ("-1 %", None),
        ("$35", None),
    ],
)
def test_quoted_rates_may_carry_their_own_unit_and_no_other(quoted, share):
    rates = read_rates(json.dumps({"rates_percent": [quoted, 20]}), 2)
    assert (rates is None) if share is None else rates.tolist() == [share, 0.2]


@pytest.mark.parametrize(
    "value",
    ["true", "null", "[40]", '{"hours": 40}', "NaN", "Infinity", "-Infinity", "4٠", "40 50", ""],
)
def test_what_is_no_number_is_no_answer(value):
    assert hours(f'{{"hours": {value}}}') is None
    assert read_rates(f'{{"rates_percent": [{value}, 10]}}', 2) is None
    assert read_changes(f'{{"changes": [{value}, 10]}}', 2) is None
    assert read_changes(f'{{"changes": {value}}}', 1) is None
    assert read_numbers(f'{{"votes": [1, {value}]}}', "votes", options=50) is None


@pytest.mark.parametrize(
    "text",
    ["", "40", "hours: 40", '{"Hours": 40}', '{"work": {"hours": 40}}', '["hours", 40]', "}{"],
)
def test_an_answer_has_its_name(text):
    assert hours(text) is None


@pytest.mark.parametrize(
    "text", ['{"hours": 40} or {"hours": 50}', '{"hours": 40', '{{"hours": 40}}']
)
def test_two_answers_or_half_an_answer_are_none(text):
    assert hours(text) is None


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("yes", 1),
        ("no", 0),
        (" Yes ", 1),
        ("NO", 0),
        ("maybe", None),
        ("yes, no", None),
        ("", None),
        (True, None),
        (1, None),
        (None, None),
    ],
)
def test_satisfied_is_a_yes_or_a_no(said, value):
    (satisfied,), (understood,) = read_satisfied([json.dumps({"satisfied": said})])
    assert understood == (value is not None)
    assert satisfied == (value or 0)


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        ({"votes": 2}, [1]),
        ({"votes": [3, 1]}, [2, 0]),
        ({"votes": []}, []),
        ({"votes": [1, 1]}, None),
        ({"votes": 0}, None),
        ({"votes": 4}, None),
        ({"votes": -1}, None),
        ({"votes": 10**30}, None),
        ({"votes": 1.0}, [0]),
        ({"votes": True}, None),
        ({"votes": [True, 2]}, None),
        ({"votes": "1"}, [0]),
        ({"votes": 1.5}, None),
        ({"votes": "1.5"}, None),
        ({"votes": None}, None),
        ({"votes": [[1]]}, None),
        ({"votes": {"1": 1}}, None),
        ({"vote": 1}, None),
        ([1], None),
    ],
)
def test_numbers_name_candidates_from_one_on(answer, places):
    chosen = read_numbers(json.dumps(answer), "votes", options=3)
    assert (chosen is None) if places is None else chosen.tolist() == places


@given(st.data())
def test_whatever_the_schemas_allow_is_read(data):
    """Drawn from the schemas themselves, so that the two cannot drift apart."""
    most = data.draw(st.sampled_from([100.0, 80.0, 37.5]))
    allowed = hours_answer(most)["hours"]
    value = data.draw(st.floats(allowed["minimum"], allowed["maximum"]))
    assert hours(json.dumps({"hours": value}), most) == value
    assert hours(json.dumps({"hours": most + 0.5}), most) is None
    assert hours(json.dumps({"hours": f"{most + 0.5} hours"}), most) is None
    for word in SATISFIED_ANSWER["satisfied"]["enum"]:
        assert read_satisfied([json.dumps({"satisfied": word})])[1].all()
    brackets = data.draw(st.integers(1, 9))
    listed = rates_answer(brackets)["rates_percent"]
    percent = st.floats(listed["items"]["minimum"], listed["items"]["maximum"])
    rates = data.draw(st.lists(percent, min_size=listed["minItems"], max_size=listed["maxItems"]))
    np.testing.assert_array_equal(
        read_rates(json.dumps({"rates_percent": rates}), brackets), [rate / 100 for rate in rates]
    )


@given(st.data(), st.integers(1, 9))
def test_whatever_the_changes_schema_allows_is_read_and_other_lists_are_not(data, brackets):
    listed = changes_answer(brackets)["changes"]
    items = st.sampled_from(listed["items"]["enum"])
    answer = data.draw(st.lists(items, min_size=listed["minItems"], max_size=listed["maxItems"]))
    changes = read_changes(json.dumps({"changes": answer}), brackets)
    assert changes.shape == (brackets,)
    np.testing.assert_array_equal(changes, [step / 100 for step in answer])
    assert read_changes(json.dumps({"changes": answer[1:]}), brackets) is None
    assert read_changes(json.dumps({"changes": [*answer, 0]}), brackets) is None
    other = data.draw(numbers.filter(lambda value: value not in STEPS))
    assert read_changes(json.dumps({"changes": [*answer[1:], other]}), brackets) is None


@given(
    json_values.filter(
        lambda value: isinstance(value, bool) or not isinstance(value, int | float | str)
    ),
    st.integers(0, BRACKETS - 1),
)
def test_one_illegal_entry_makes_a_list_unreadable(value, where):
    for name, read in (("changes", read_changes), ("rates_percent", read_rates)):
        entries = [10] * BRACKETS
        assert read(json.dumps({name: entries}), BRACKETS).tolist() == [0.1] * BRACKETS
        entries[where] = value
        assert read(json.dumps({name: entries}), BRACKETS) is None


def test_a_schema_wants_every_property_and_no_other_and_the_thought_first():
    properties = hours_answer() | SATISFIED_ANSWER
    plain, thoughtful = schema(properties), schema(properties, thought=True)
    assert list(plain["properties"]) == plain["required"] == ["hours", "satisfied"]
    assert (
        list(thoughtful["properties"])
        == thoughtful["required"]
        == ["thought", "hours", "satisfied"]
    )
    assert plain["additionalProperties"] is thoughtful["additionalProperties"] is False
    assert (
        properties["hours"]["minimum"] <= min(HOURS) < max(HOURS) <= properties["hours"]["maximum"]
    )


def test_a_tally_counts_answers_and_those_that_were_read():
    whole = Tally()
    tally = Tally(within=whole)
    tally.count(read_hours(['{"hours": 40}', "no idea"])[1])
    tally.count(read_hours(['{"hours": 41}'])[1])
    assert (tally.asked, tally.read) == (3, 2)
    assert tally.words == "Answers understood: 2 of 3."
    whole.count(np.array([True] * 1998 + [False]), ["", "no number"])
    assert whole.words == "Answers understood: 2,000 of 2,002. Not understood: 1 x no number."
    assert Tally.of_all([tally, whole]).words == (
        "Answers understood: 2,002 of 2,005. Not understood: 1 x no number."
    )
    assert Tally.of_all([]) == Tally()
    assert (tally.asked, tally.read) == (3, 2)
