import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_policy.answers import HOURS_SCHEMA, STEPS, changes_schema, read_changes, read_hours

BRACKETS = 7

anything = st.text(st.characters())  # any script, controls and lone surrogates
prose = st.text(st.characters(exclude_characters="{}"), max_size=30)
legal_hours = st.floats(0, 100, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
numbers = (
    st.integers(-(10**400), 10**400)
    | st.floats()
    | st.integers(-120, 120)
    | st.sampled_from([-0.0, 1e-300, 100.0000001, -1e-9, 1e308])
)


@st.composite
def mutated(draw, texts):
    """Cut a text short, or put, drop and change characters of JSON's own alphabet."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        put = draw(st.sampled_from([*'{}[]",:.-+eE09', "NaN", "Infinity", "{}", "}{", "\\", "\ud800", "٤"]))
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


some_hours = mutated(numbers.map(lambda value: json.dumps({"hours": value})))
some_changes = mutated(
    st.lists(st.sampled_from(STEPS) | numbers, max_size=9).map(
        lambda changes: json.dumps({"changes": changes})
    )
)


def in_braces(text):
    """Return what Python's own JSON reader finds in the outermost braces; None if that is no object."""
    try:
        found = json.loads(text[text.find("{") : text.rfind("}") + 1].encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


@given(anything | some_hours | some_changes | json_values.map(json.dumps))
@example('{"hours": 1e400}')
@example('{"hours": ' + "9" * 5000 + "}")
@example('{"hours": 40, "why": ' + "[" * 100_000 + "]" * 100_000 + "}")
@example('{"hours": ' + '{"hours": ' * 100_000)
@example('\ud800{"hours": 40}\udfff')
@example("}{")
def test_every_text_gives_legal_hours_or_none(text):
    (hours,), (understood,) = read_hours([text])
    if understood:
        assert 0 <= hours <= 100
        assert hours == in_braces(text)["hours"]  # a second reader reads the same
    else:
        assert hours == 0


@given(anything | some_changes | some_hours | json_values.map(json.dumps), st.integers(1, 8))
@example('{"changes": [1e400]}', 1)
@example('{"changes": ' + "[" * 100_000 + "]" * 100_000 + "}", 1)
@example('{"changes": [NaN]}', 1)
def test_every_text_gives_legal_changes_or_none(text, brackets):
    changes = read_changes(text, brackets)
    if changes is not None:
        assert changes.shape == (brackets,)
        assert in_braces(text)["changes"] == [round(100 * change, 9) for change in changes]
        assert set(np.round(100 * changes)) <= set(STEPS)


@given(st.lists(some_hours | anything, max_size=6))
def test_an_answer_is_read_alike_in_every_batch(texts):
    hours, understood = read_hours(texts)
    assert hours.shape == understood.shape == (len(texts),)
    assert understood.dtype == bool
    alone = [read_hours([text]) for text in texts]
    assert [h.item() for h, _ in alone] == hours.tolist()
    assert [u.item() for _, u in alone] == understood.tolist()


@given(legal_hours, st.dictionaries(st.text(), json_values, max_size=3))
def test_legal_hours_are_read_exactly_whatever_stands_beside_them(value, others):
    hours, understood = read_hours([json.dumps(others | {"hours": value})])
    assert understood.all()
    assert hours.tolist() == [value]


@given(
    legal_hours, prose, prose, st.sampled_from(["{}", " {} ", "```json\n{}\n```", "```\n{}\n```", "**{}**"])
)
def test_words_and_fences_around_an_answer_do_not_hide_it(value, before, after, fence):
    answer = fence.replace("{}", json.dumps({"hours": value}, indent=1))
    hours, understood = read_hours([before + answer + after])
    assert understood.all()
    assert hours.tolist() == [value]
    changes = read_changes(before + fence.replace("{}", '{"changes": [10, -20]}') + after, 2)
    assert changes.tolist() == [0.1, -0.2]


@given(numbers.filter(lambda value: not 0 <= value <= 100))
def test_hours_that_no_week_has_are_not_read(value):
    assert not read_hours([json.dumps({"hours": value})])[1].any()


@pytest.mark.parametrize(
    "value",
    ['"40"', "true", "null", "[40]", '{"hours": 40}', "NaN", "Infinity", "-Infinity", "4٠", "40 50", ""],
)
def test_what_is_no_number_is_no_answer(value):
    assert not read_hours([f'{{"hours": {value}}}'])[1].any()
    assert read_changes(f'{{"changes": [{value}, 10]}}', 2) is None
    assert read_changes(f'{{"changes": {value}}}', 1) is None


@pytest.mark.parametrize(
    "text", ["", "40", "hours: 40", '{"Hours": 40}', '{"work": {"hours": 40}}', '["hours", 40]']
)
def test_an_answer_has_its_name(text):
    assert not read_hours([text])[1].any()


@pytest.mark.parametrize("text", ['{"hours": 40} or {"hours": 50}', '{"hours": 40', '{{"hours": 40}}'])
def test_two_answers_or_half_an_answer_are_none(text):
    assert not read_hours([text])[1].any()


@given(st.data())
def test_whatever_the_hours_schema_allows_is_read_and_what_is_next_to_it_is_not(data):
    (name,) = HOURS_SCHEMA["required"]
    allowed = HOURS_SCHEMA["properties"][name]
    low, high = allowed["minimum"], allowed["maximum"]
    value = data.draw(st.integers(low, high))
    hours, understood = read_hours([json.dumps({name: value}) for value in (value, low - 1, high + 1)])
    assert hours[0] == value
    assert understood.tolist() == [True, False, False]


@given(st.data(), st.integers(1, 9))
def test_whatever_the_changes_schema_allows_is_read_and_other_lists_are_not(data, brackets):
    schema = changes_schema(brackets)
    (name,) = schema["required"]
    allowed = schema["properties"][name]
    items = st.sampled_from(allowed["items"]["enum"])
    answer = data.draw(st.lists(items, min_size=allowed["minItems"], max_size=allowed["maxItems"]))
    changes = read_changes(json.dumps({name: answer}), brackets)
    assert changes.shape == (brackets,)
    np.testing.assert_array_equal(changes, [step / 100 for step in answer])
    assert read_changes(json.dumps({name: answer[1:]}), brackets) is None
    assert read_changes(json.dumps({name: [*answer, 0]}), brackets) is None
    other = data.draw(numbers.filter(lambda value: value not in STEPS))
    assert read_changes(json.dumps({name: [*answer[1:], other]}), brackets) is None


@given(json_values.filter(lambda value: not is_number(value)), st.integers(0, BRACKETS - 1))
def test_one_illegal_change_makes_the_answer_unreadable(value, where):
    changes = [10] * BRACKETS
    changes[where] = value
    assert read_changes(json.dumps({"changes": changes}), BRACKETS) is None
