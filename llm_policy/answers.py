"""From text to arrays and a mask. Reading never raises: what cannot be read is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from jaxtyping import Bool, Float

from llm_policy.engine import Schema

STEPS = (-20, -10, 0, 10, 20)
"""The changes that a planner may make to a rate, in percentage points."""

HOURS_SCHEMA: Schema = {
    "type": "object",
    "properties": {"hours": {"type": "integer", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}


def changes_schema(brackets: int) -> Schema:
    """Return the schema of a planner's answer: one change for each of `brackets` rates."""
    changes = {"type": "array", "items": {"enum": list(STEPS)}, "minItems": brackets, "maxItems": brackets}
    return {
        "type": "object",
        "properties": {"changes": changes},
        "required": ["changes"],
        "additionalProperties": False,
    }


@dataclass
class Tally:
    """How many answers were asked for, and how many could be read; an answer asked again counts again."""

    asked: int = 0
    read: int = 0


def read_hours(texts: Sequence[str]) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return the weekly hours in each text, and which could be read: a number from 0 to 100.

    Hours that could not be read are 0 and must not be used.
    """
    hours = [_decode(text, _Hours) for text in texts]
    understood = np.array([h is not None and 0 <= h.hours <= 100 for h in hours], bool)
    values = [h.hours if h is not None and ok else 0.0 for h, ok in zip(hours, understood, strict=True)]
    return np.array(values, float), understood


def read_changes(text: str, brackets: int) -> Float[np.ndarray, " brackets"] | None:
    """Return a planner's changes as shares (-0.2 to 0.2), or None if the text holds no such list."""
    answer = _decode(text, _Changes)
    if answer is None or len(answer.changes) != brackets or not set(answer.changes) <= set(STEPS):
        return None
    return np.array(answer.changes, float) / 100


_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class _Hours(msgspec.Struct):
    hours: float


class _Changes(msgspec.Struct):
    changes: list[float]


def _decode(text: str, kind: type[_Answer]) -> _Answer | None:
    """Decode the outermost braces of a text: models like to wrap JSON in words or fences."""
    start, end = text.find("{"), text.rfind("}")
    try:
        return msgspec.json.decode(text[start : end + 1].encode("utf-8", "replace"), type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return None
