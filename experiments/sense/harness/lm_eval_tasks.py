"""Questions about taxes for lm-evaluation-harness: what its task files name by `!function`."""

import json
import sys
from pathlib import Path
from typing import Any

import datasets  # pyright: ignore[reportMissingImports]

_HERE = Path(__file__).parent
if str(_HERE) not in sys.path:
    sys.path.insert(0, str(_HERE))

from sense_scoring import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    MEASURES,
    likeliest,
    read_letter,
    score,
)


def questions(family: str, mode: str, **_: Any) -> dict[str, datasets.Dataset]:
    """Return the questions of a family, each with the system message of the mode."""
    lines = (_HERE / "items.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["family"] == family]
    for row in rows:
        row["system"] = row["system"][mode]
        row["options"] = list(row.pop("letters"))
    return {"test": datasets.Dataset.from_list(rows)}


def process_answer(doc: dict[str, Any], results: list[Any]) -> dict[str, dict[str, Any]]:
    """Return the question with its answer, for every measure that it is part of.

    `results` are the letters' log likelihoods, or one text.
    """
    scores = None
    if isinstance(results[0], str):
        chosen = read_letter(results[0], len(doc["options"]))
    else:
        scores = [logprob for logprob, _ in results]
        chosen = likeliest(scores)
    facts = {name: doc[name] for name in ("family", "case", "role", "values", "target")}
    said = facts | {"chosen": chosen, "scores": scores}
    return {measure.name: said for measure in MEASURES if measure.family == doc["family"]}


def _value(name: str, answers: list[dict[str, Any]]) -> float:
    """Return the score of a measure; nan where no case was asked whole, as under --limit."""
    found = [each.value for each in score(answers) if each.measure == name]
    return found[0] if found else float("nan")


def responds(answers: list[dict[str, Any]]) -> float:
    """Return how many work other hours under much higher taxes."""
    return _value("responds", answers)


def right_direction(answers: list[dict[str, Any]]) -> float:
    """Return how many work fewer hours under much higher taxes."""
    return _value("right_direction", answers)


def unmoved(answers: list[dict[str, Any]]) -> float:
    """Return how many work the same hours where the rate of another bracket changes."""
    return _value("unmoved", answers)


def asked_again(answers: list[dict[str, Any]]) -> float:
    """Return how many answer alike when they are asked again."""
    return _value("asked_again", answers)


def other_order(answers: list[dict[str, Any]]) -> float:
    """Return how many answer alike to another order of the options."""
    return _value("other_order", answers)


def other_words(answers: list[dict[str, Any]]) -> float:
    """Return how many answer alike to other words."""
    return _value("other_words", answers)


def tax_due(answers: list[dict[str, Any]]) -> float:
    """Return how many know the tax that is due."""
    return _value("tax_due", answers)


def kept_of_more(answers: list[dict[str, Any]]) -> float:
    """Return how many know what is kept of more income."""
    return _value("kept_of_more", answers)


def best_hours(answers: list[dict[str, Any]]) -> float:
    """Return how many find the best hours where the utility is stated."""
    return _value("best_hours", answers)


def prefers_progressive(answers: list[dict[str, Any]]) -> float:
    """Return how many prefer the progressive tax, in both orders."""
    return _value("prefers_progressive", answers)


def prefers_flat(answers: list[dict[str, Any]]) -> float:
    """Return how many prefer the flat tax, in both orders."""
    return _value("prefers_flat", answers)
