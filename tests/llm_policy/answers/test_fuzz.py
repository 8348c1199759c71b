"""Answers that no model should give: every one is legal or counted, and none raises.

A sample; `python -m tests.helpers.fuzzed 200000` reads more of them.
"""

import json

import numpy as np
import pytest

from llm_policy.answers.reading import STEPS, read_hours, read_satisfied
from llm_policy.engines.wrappers.tally import Tally
from tests.helpers.fuzzed import BRACKETS, CANDIDATES, READERS, fuzzed_answers

ANSWERS = 10_000
DECODER = json.JSONDecoder(strict=False)


def said(text, name):
    """Return what Python's own JSON reader finds under a name, by whatever brace it begins.

    Six decimals at the end of the text are a number that was cut.
    """
    values = []
    _, point, end = text.rpartition(".")
    text += "}" * (bool(point) and len(end) >= 6 and end.isdecimal())
    for start in (place for place, letter in enumerate(text) if letter == "{"):
        try:
            read, _ = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        values += [read[name]] if name in read else []
    return values


def number(value):
    """Return a number, which may be quoted and have its unit."""
    if not isinstance(value, str):
        return value
    words = value.lower().replace("candidate", "").replace("%", " ").replace("h", " ").split()
    return float(words[0])


@pytest.fixture(scope="module")
def texts():
    return fuzzed_answers(ANSWERS)


@pytest.fixture(scope="module", params=READERS)
def found(request, texts):
    """Return the texts that a reader read, what it read, and what stands there."""
    readings = [READERS[request.param](text) for text in texts]
    assert all((value is None) == bool(why) for value, why in readings)
    # Between a thousandth and a half, or the answers would not try the reader.
    assert 0.001 < np.mean([not why for _, why in readings]) < 0.5
    read = [(text, value) for text, (value, why) in zip(texts, readings, strict=True) if not why]
    return request.param, [(value, said(text, request.param)) for text, value in read]


def test_whatever_is_read_is_legal_and_stands_in_the_text(found):
    name, read = found
    for value, values in read:
        assert LEGAL[name](value)
        proposed = name == "what_if" and not value[1]
        assert proposed or any(SAME[name](value, one) for one in values), (value, values)


def _is_list(value, low, high):
    return value.shape == (BRACKETS,) and np.all((value >= low) & (value <= high))


def _is_ballot(value):
    return len(set(value)) == len(value) and set(value) <= set(range(CANDIDATES))


LEGAL = {
    "hours": lambda value: type(value) is float and 0 <= value <= 100,
    "satisfied": lambda value: value in (0.0, 1.0),
    "changes": lambda value: (
        _is_list(100 * value, -20, 20) and set(np.round(100 * value, 9)) <= set(STEPS)
    ),
    "rates_percent": lambda value: _is_list(value, 0, 1),
    "votes": lambda value: _is_ballot(value.tolist()),
    "vote": lambda value: len(value) <= 1 and _is_ballot(value),
    "ranking": lambda value: len(value) in (0, CANDIDATES) and _is_ballot(value),
    "approve": _is_ballot,
    "stands": lambda value: len(value) in (0, BRACKETS),
    "what_if": lambda value: _is_list(np.asarray(value[0].rates), 0, 1),
}


def _alike(value, listed):
    return np.allclose(value, [number(one) for one in listed], rtol=1e-12)


def _places(value, listed):
    listed = listed if isinstance(listed, list) else [listed]
    return [place + 1 for place in value] == [number(one) for one in listed if one]


SAME = {
    "hours": lambda value, one: value == number(one),
    "satisfied": lambda value, one: ["no", "yes"][int(value)] == one.strip().lower(),
    "changes": lambda value, listed: _alike(100 * value, listed),
    "rates_percent": lambda value, listed: _alike(100 * value, listed),
    "votes": _places,
    "vote": lambda value, one: _places(value, one) or (value == () and number(one) == 0),
    "ranking": _places,
    "approve": _places,
    "stands": lambda value, one: bool(value) == (str(one).strip().lower() in ("true", "yes")),
    "what_if": lambda value, listed: (
        listed is None
        or np.allclose(100 * value[0].rates, [number(one) for one in listed], rtol=1e-5)
    ),
}


@pytest.mark.parametrize("read", [read_hours, read_satisfied])
def test_a_column_is_masked_and_counted_and_read_alike_in_every_batch(texts, read):
    some = texts[:2000]
    values, understood = read(some)
    assert (values.dtype, understood.dtype) == (np.float64, bool)
    assert not values[~understood].any()
    alone = [read([text]) for text in some]
    assert np.concatenate([value for value, _ in alone]).tolist() == values.tolist()
    assert np.concatenate([known for _, known in alone]).tolist() == understood.tolist()
    tally = Tally()
    tally.count(understood)
    assert (tally.asked, tally.read) == (len(some), int(understood.sum()))
