"""Answers that no model should give, and a command that reads many of them.

    python -m tests.helpers.fuzzed 200000

prints how many each reader read, and the seconds: none raises, and what is not read has its reason.
"""

import json
import random
import string
import sys
import time

from econjax import BracketSchedule
from llm_policy.answers.ballots import ballot_in
from llm_policy.answers.proposals import platform_in, question_in
from llm_policy.answers.reading import (
    STEPS,
    changes_in,
    hours_in,
    numbers_in,
    rates_in,
    satisfied_in,
)

BRACKETS = 3
CANDIDATES = 5
LAW = BracketSchedule([0, 1e4, 5e4], [0.1, 0.2, 0.3])
READERS = {
    "hours": hours_in,
    "satisfied": satisfied_in,
    "changes": lambda text: changes_in(text, BRACKETS),
    "rates_percent": lambda text: rates_in(text, BRACKETS),
    "votes": lambda text: numbers_in(text, "votes", options=CANDIDATES),
    "vote": lambda text: ballot_in(text, "plurality", CANDIDATES),
    "ranking": lambda text: ballot_in(text, "borda", CANDIDATES),
    "approve": lambda text: ballot_in(text, "approval", CANDIDATES),
    "stands": lambda text: platform_in(text, LAW, "changes"),
    "what_if": lambda text: question_in(text, LAW, "changes"),
}
"""A reader of each kind of answer, by the field that it reads first."""

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
    "vote",
    "ranking",
    "approve",
    "stands",
    "what_if",
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
    "<think>%s",
    "{one} %s",
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
        "vote": chance.choice([0, 1, 5, "2", "Candidate 3"]),
        "ranking": chance.sample(range(1, CANDIDATES + 1), CANDIDATES),
        "approve": chance.sample(range(1, CANDIDATES + 1), chance.randint(0, CANDIDATES)),
        "stands": chance.choice([False, "no"]),
        "what_if": [chance.randint(0, 100) for _ in range(BRACKETS)],
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


def fuzzed_answers(count, seed=20_250_815):
    """Return so many answers."""
    chance = random.Random(seed)
    return [fuzzed(chance) for _ in range(count)]


def main(count):
    """Read so many answers in every way, and print how many could be read."""
    texts, unread = fuzzed_answers(count), 0
    started = time.perf_counter()
    for name, read in READERS.items():
        readings = [read(text) for text in texts]
        known = sum(not why for _, why in readings)
        assert all((value is None) == bool(why) for value, why in readings)
        unread += count - known
        print(f"{name:>14}: {known:,} of {count:,} read, the others counted with a reason")
    seconds = time.perf_counter() - started
    print(f"{len(READERS) * count:,} readings, {unread:,} of none: {seconds:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))
