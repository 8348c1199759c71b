"""100,000 answers that no model should give: every one is legal or masked, and none raises."""

import json
import random
import string

import numpy as np
import pytest

from llm_policy.answers.reading import (
    STEPS,
    Tally,
    read_changes,
    read_hours,
    read_numbers,
    read_rates,
    read_satisfied,
)

ANSWERS = 100_000
BRACKETS = 3
CANDIDATES = 5

NUMBERS = [
    "0",
    "40",
    "100",
    "-0",
    "-0.0",
    "4e1",
    "37.5",
    "1e-320",
    "100.00000001",
    "-1e-9",
    "101",
    "-20",
    "5.0",
]
NUMBERS += [
    "1e400",
    "-1e400",
    "9" * 400,
    "1." + "3" * 400,
    "4_0",
    "040",
    "+40",
    ".5",
    "40.",
    "0x28",
    "1e",
]
WORDS = [
    "true",
    "false",
    "null",
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "",
    "{}",
    "[]",
    "[[40]]",
    "yes",
]
QUOTED = [
    "40",
    "40 h",
    "40 hours a week",
    "2000 hours a year",
    "40 %",
    "35%",
    "$52,000",
    "40,000",
    "1e3",
    "-5",
]
QUOTED += [
    "yes",
    "No",
    " YES ",
    "maybe",
    "٤٠",
    "४०",
    "４０ 時間",
    "四十",
    "ⅩⅬ",
    "½",
    "²",
    "\\ud800",
    "\\u0034",
    "\\",
    "\x00",
]
VALUES = NUMBERS + WORDS + [f'"{text}"' for text in QUOTED]
NAMES = [
    "hours",
    "satisfied",
    "changes",
    "rates_percent",
    "votes",
    "Hours",
    "thought",
    "часы",
    "",
    "\\u0068ours",
]
PIECES = [
    *'{}[]",:.-+eE09 \\\n\t\0',
    "{}",
    "}{",
    '"hours":',
    "\ud800",
    "\udfff",
    "٤",
    "時",
    "\u202e",
    "\ufeff",
    "😀",
]
WRAPPERS = [
    "```json\n%s\n```",
    "Sure! %s I hope {this} helps.",
    "{%s}",
    "[%s]",
    "<think>{%s</think>%s",
    "%s%s",
]


def legal(chance):
    """Return an answer that one of the readers should understand."""
    listed = {
        "hours": chance.choice(
            [chance.randint(0, 100), chance.uniform(0, 100), f"{chance.randint(0, 100)} h"]
        ),
        "satisfied": chance.choice(["yes", "no"]),
        "changes": [chance.choice(STEPS) for _ in range(BRACKETS)],
        "rates_percent": [chance.uniform(0, 100) for _ in range(BRACKETS)],
        "votes": chance.sample(range(1, CANDIDATES + 1), chance.randint(1, CANDIDATES)),
    }
    name = chance.choice(list(listed))
    return json.dumps({"thought": "I like {braces}."} | {name: listed[name]})


def random_object(chance):
    """Return JSON, or nearly, of known and unknown names, some of them twice, with odd values."""

    def value():
        if chance.random() < 0.4:
            listed = chance.choices(VALUES + NUMBERS, k=chance.choice([0, 1, 3, 3, 3, 9]))
            return f"[{', '.join(listed)}]"
        return chance.choice(VALUES)

    pairs = (f'"{chance.choice(NAMES)}": {value()}' for _ in range(chance.randint(1, 3)))
    return "{" + ", ".join(pairs) + "}"


def noise(chance):
    """Return characters of any script, halves of characters among them."""
    return "".join(
        chr(chance.choice([0x7F, 0x7FF, 0xFFFF, 0x10FFFF]) - chance.randrange(0x7F))
        for _ in range(20)
    )


def deep(chance):
    """Return an answer that is nested deeper than a reader can follow."""
    levels = chance.choice([10, 1_000, 20_000])
    opening, closing = chance.choice([("[", "]"), ('{"hours":', "}")])
    return '{"hours": 40, "why": ' + opening * levels + "1" + closing * levels + "}"


def mutate(chance, text):
    """Cut, change, double or wrap a text."""
    at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
    kind = chance.randrange(6)
    if kind == 0:
        return text[:to]
    if kind == 1:
        return text[:at] + text[to:]
    if kind == 2:
        return chance.choice(WRAPPERS).replace("%s", text)
    if kind == 3:
        return text[:at] + "".join(chance.choices(string.printable, k=3)) + text[at:]
    return text[:at] + chance.choice(PIECES) + text[at + (kind == 4) :]


def fuzzed(chance):
    if chance.random() < 0.001:
        return deep(chance)
    text = chance.choices([legal, random_object, noise], [50, 45, 5])[0](chance)
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        text = mutate(chance, text)
    return text


def said(text, name):
    """Return what Python's own JSON reader finds under a name in the outermost braces."""
    return json.loads(text[text.find("{") : text.rfind("}") + 1].encode("utf-8", "replace"))[name]


def amount(value, unit):
    """Return a number, which may be quoted and be followed by its own unit."""
    return float(value.split(unit)[0]) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def texts():
    chance = random.Random(20_250_815)
    return [fuzzed(chance) for _ in range(ANSWERS)]


def check_share(understood):
    """Between a thousandth and a half can be read, or the answers would not try the reader."""
    assert 0.001 < np.mean(understood) < 0.5


@pytest.mark.parametrize(("read", "name"), [(read_hours, "hours"), (read_satisfied, "satisfied")])
def test_every_column_is_legal_or_masked_and_counted(texts, read, name):
    values, understood = read(texts)
    assert values.shape == understood.shape == (ANSWERS,)
    assert (values.dtype, understood.dtype) == (np.float64, bool)
    assert np.all((values >= 0) & (values <= 100))
    assert not values[~understood].any()
    check_share(understood)
    for place in np.flatnonzero(understood):
        answer = said(texts[place], name)
        assert not isinstance(answer, bool)
        wanted = (
            ["no", "yes"].index(answer.strip().lower())
            if name == "satisfied"
            else amount(answer, "h")
        )
        assert values[place] == wanted, texts[place]
    tally = Tally()
    tally.count(understood)
    assert (tally.asked, tally.read) == (ANSWERS, int(understood.sum()))


@pytest.mark.parametrize(
    ("read", "name"), [(read_changes, "changes"), (read_rates, "rates_percent")]
)
def test_every_list_of_a_planner_is_legal_or_none(texts, read, name):
    lists = [read(text, BRACKETS) for text in texts]
    check_share([found is not None for found in lists])
    for text, found in zip(texts, lists, strict=True):
        if found is None:
            continue
        answer = said(text, name)
        assert not any(isinstance(entry, bool) for entry in answer)
        assert found.shape == (BRACKETS,)
        np.testing.assert_array_equal(
            found, np.array([amount(entry, "%") for entry in answer]) / 100
        )
        if name == "changes":
            assert set(np.round(100 * found, 9)) <= set(STEPS)
        else:
            assert np.all((found >= 0) & (found <= 1))


def test_every_vote_is_legal_or_none(texts):
    votes = [read_numbers(text, "votes", options=CANDIDATES) for text in texts]
    check_share([found is not None for found in votes])
    for text, found in zip(texts, votes, strict=True):
        if found is None:
            continue
        answer = said(text, "votes")
        answer = answer if isinstance(answer, list) else [answer]
        assert [type(number) for number in answer] == [int] * len(answer)
        assert (found + 1).tolist() == answer
        assert len(set(answer)) == len(answer)
        assert set(answer) <= set(range(1, CANDIDATES + 1))


def test_an_answer_is_read_alike_in_every_batch(texts):
    some = texts[:2000]
    for read in (read_hours, read_satisfied):
        values, understood = read(some)
        alone = [read([text]) for text in some]
        assert np.concatenate([value for value, _ in alone]).tolist() == values.tolist()
        assert np.concatenate([known for _, known in alone]).tolist() == understood.tolist()
