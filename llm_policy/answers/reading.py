"""From text to arrays and a mask. Reading never raises: what cannot be read is counted."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
from jaxtyping import Bool, Float, Int

from llm_policy.engines.base import Schema

STEPS = (-20, -10, 0, 10, 20)
"""The changes that a planner may make to a rate, in percentage points."""

HOURS = tuple(range(0, 101, 10))
"""The weekly hours offered in choice mode."""


def schema(properties: Mapping[str, Any], *, thought: bool = False) -> Schema:
    """Return the schema of an object of exactly these properties, after a short `thought`."""
    first = {"thought": {"type": "string"}} if thought else {}
    return {
        "type": "object",
        "properties": first | dict(properties),
        "required": [*first, *properties],
        "additionalProperties": False,
    }


def hours_answer(most: float = 100) -> dict[str, Any]:
    """Return the properties of an answer that names weekly hours, `most` at most."""
    return {"hours": {"type": "number", "minimum": 0, "maximum": most}}


SATISFIED_ANSWER = {"satisfied": {"type": "string", "enum": ["yes", "no"]}}


def changes_answer(brackets: int) -> dict[str, Any]:
    """Return the properties of an answer that changes `brackets` rates, in percentage points."""
    return {"changes": _several({"type": "integer", "enum": list(STEPS)}, brackets)}


def rates_answer(brackets: int) -> dict[str, Any]:
    """Return the properties of an answer that sets each of `brackets` rates, in per cent."""
    return {"rates_percent": _several({"type": "number", "minimum": 0, "maximum": 100}, brackets)}


@dataclass
class Tally:
    """How many answers were asked for, and how many were read; one asked again counts again."""

    asked: int = 0
    read: int = 0

    def count(self, understood: Bool[np.ndarray, " n"]) -> None:
        """Count a batch of answers."""
        self.asked += len(understood)
        self.read += int(understood.sum())


def read_hours(
    texts: Sequence[str], most: float = 100
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return the weekly hours in each text, and which could be read: a number from 0 to `most`.

    Hours that could not be read are 0 and must not be used.
    """
    return _read_column(texts, _Hours, lambda answer: _number(answer.hours, most, _WEEKLY_HOURS))


def read_satisfied(texts: Sequence[str]) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return 1 for a yes and 0 for a no, and which texts could be read."""
    words = {"yes": 1.0, "no": 0.0}
    return _read_column(
        texts, _Satisfied, lambda answer: words.get(answer.satisfied.strip().lower())
    )


def read_changes(text: str, brackets: int) -> Float[np.ndarray, " brackets"] | None:
    """Return a planner's changes as shares (-0.2 to 0.2), None if the text holds no such list."""
    answer = _decode(text, _Changes)
    if answer is None or len(answer.changes) != brackets or not set(answer.changes) <= set(STEPS):
        return None
    return np.array(answer.changes, float) / 100


def read_rates(text: str, brackets: int) -> Float[np.ndarray, " brackets"] | None:
    """Return a planner's rates as shares (0 to 1), None if the text lists no such per cents."""
    answer = _decode(text, _Rates)
    if answer is None or len(answer.rates_percent) != brackets:
        return None
    rates = [_number(rate, 100, _PERCENT) for rate in answer.rates_percent]
    return None if None in rates else np.array(rates, float) / 100


def read_numbers(text: str, name: str, *, options: int) -> Int[np.ndarray, " chosen"] | None:
    """Return the distinct whole numbers, 1 to `options`, listed or given under `name`, less 1.

    None if the text holds nothing of the kind.
    """
    listed = read_field(text, name)
    listed = listed if isinstance(listed, list) else [listed]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in listed)
    if not whole or len(set(listed)) < len(listed) or not set(listed) <= set(range(1, options + 1)):
        return None
    return np.array(listed, int) - 1


def read_field(text: str, name: str) -> Any:
    """Return the value under `name` in the JSON object of a text; None if there is none."""
    answer = _decode(text, dict[str, Any])
    return None if answer is None else answer.get(name)


class _Hours(msgspec.Struct):
    hours: float | str


class _Satisfied(msgspec.Struct):
    satisfied: str


class _Changes(msgspec.Struct):
    changes: list[float]


class _Rates(msgspec.Struct):
    rates_percent: list[float | str]


_Answer = TypeVar("_Answer")
_AMOUNT = r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*"
_WEEKLY_HOURS = re.compile(_AMOUNT + r"(?:h|hours?(?: (?:a|per) week)?)?\s*")
_PERCENT = re.compile(_AMOUNT + r"(?:%|per ?cent)?\s*")


def _several(item: Mapping[str, Any], count: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": count, "maxItems": count}


def _number(value: float | str, most: float, quoted: re.Pattern[str]) -> float | None:
    """Return a number from 0 to `most`, which may be `quoted` and then have its unit, or None."""
    if isinstance(value, str):
        match = quoted.fullmatch(value)
        value = float(match[1]) if match else -1.0
    return float(value) if 0 <= value <= most else None


def _read_column(
    texts: Sequence[str], kind: type[_Answer], read: Callable[[_Answer], float | None]
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return one number per text, 0 where there is none, and where there is one."""
    answers = [_decode(text, kind) for text in texts]
    values = [None if answer is None else read(answer) for answer in answers]
    understood = np.array([value is not None for value in values], bool)
    return np.array([value or 0.0 for value in values], float), understood


def _decode(text: str, kind: type[_Answer]) -> _Answer | None:
    """Decode the outermost braces of a text: models like to wrap JSON in words or fences."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return msgspec.json.decode(text[start : end + 1].encode("utf-8", "replace"), type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return None
