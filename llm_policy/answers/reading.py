"""From text to values, one way for every kind of answer.

Reading never raises: what cannot be read is counted, with the reason. `docs/language.md` has the
table of what is read and what is not.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from llm_policy.answers.objects import objects_in
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


_Value = TypeVar("_Value")
_Arguments = ParamSpec("_Arguments")


class Reading(NamedTuple, Generic[_Value]):
    """What an answer says, or None and why it cannot be read."""

    value: _Value | None
    why: str = ""


class NoAnswer(Exception):
    """An answer cannot be read, for the reason given. No function of this package lets it out."""


def reading(
    read: Callable[_Arguments, _Value],
) -> Callable[_Arguments, Reading[_Value]]:
    """Return a reader that gives the reason where `read` raises `NoAnswer`."""

    @functools.wraps(read)
    def readable(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Reading[_Value]:
        try:
            return Reading(read(*args, **kwargs))
        except NoAnswer as unread:
            return Reading(None, str(unread))

    return readable


@dataclass
class Tally:
    """How many answers were asked for, and how many were read; one asked again counts again.

    `reasons` counts why the others were not.
    """

    asked: int = 0
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, understood: Bool[np.ndarray, " n"], reasons: Iterable[str] = ()) -> None:
        """Count a batch of answers, and the reasons of those not understood."""
        self.asked += len(understood)
        self.read += int(understood.sum())
        self.reasons.update(reason for reason in reasons if reason)

    def add(self, other: "Tally") -> None:
        """Count the answers of another tally as well."""
        self.asked += other.asked
        self.read += other.read
        self.reasons.update(other.reasons)

    @property
    def words(self) -> str:
        """How many answers were understood, and the commonest reasons of the others, if any."""
        reasons = "; ".join(f"{count:,} x {why}" for why, count in self.reasons.most_common(3))
        unread = f" Not understood: {reasons}." * bool(reasons)
        return f"Answers understood: {self.read:,} of {self.asked:,}.{unread}"


def read_hours(
    texts: Sequence[str], most: float = 100
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return the weekly hours in each text, and which could be read: a number from 0 to `most`.

    Hours that could not be read are 0 and must not be used.
    """
    return as_column([hours_in(text, most) for text in texts])


def read_satisfied(texts: Sequence[str]) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return 1 for a yes and 0 for a no, and which texts could be read."""
    return as_column([satisfied_in(text) for text in texts])


def as_column(
    readings: Sequence[Reading[float]],
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return one number per answer, 0 where there is none, and where there is one."""
    understood = np.array([value is not None for value, _ in readings], bool)
    return np.array([value or 0.0 for value, _ in readings], float), understood


@reading
def hours_in(text: str, most: float = 100) -> float:
    """Return the weekly hours that a text names: a number from 0 to `most`."""
    said = value_in(text, "hours")
    hours = _amount(said, _WEEKLY_HOURS)
    if hours is None:
        raise NoAnswer(f"{_shown(said)} is no number of weekly hours")
    if not 0 <= hours <= most:
        raise NoAnswer(f"{_shown(said)} is not from 0 to {most:g} hours")
    return float(hours)


@reading
def satisfied_in(text: str) -> float:
    """Return 1 if a text says yes, 0 if no."""
    said = value_in(text, "satisfied")
    word = said.strip().lower() if isinstance(said, str) else ""
    if word not in ("yes", "no"):
        raise NoAnswer(f"{_shown(said)} is neither yes nor no")
    return float(word == "yes")


@reading
def changes_in(text: str, brackets: int) -> Float[np.ndarray, " brackets"]:
    """Return a planner's changes of rates as shares, -0.2 to 0.2."""
    listed = _list_in(value_in(text, "changes"), brackets, "changes")
    changes = [_amount(said, _POINTS) for said in listed]
    for said, change in zip(listed, changes, strict=True):
        if change not in STEPS:
            offered = ", ".join(map(str, STEPS))
            raise NoAnswer(f"a change of {_shown(said)} points is none of those offered, {offered}")
    return np.array(changes, float) / 100


@reading
def rates_in(text: str, brackets: int) -> Float[np.ndarray, " brackets"]:
    """Return a planner's rates as shares, 0 to 1."""
    return as_rates(value_in(text, "rates_percent"), brackets)


def as_rates(listed: Any, brackets: int) -> Float[np.ndarray, " brackets"]:
    """Return a list of per cents as shares.

    Raises:
        NoAnswer: another number of them, or one that is not from 0 to 100 %.
    """
    listed = _list_in(listed, brackets, "rates")
    rates = [_amount(said, _PERCENT) for said in listed]
    for said, rate in zip(listed, rates, strict=True):
        if rate is None or not 0 <= rate <= 100:
            raise NoAnswer(f"a rate of {_shown(said)} is not from 0 to 100 per cent")
    return np.array(rates, float) / 100


@reading
def numbers_in(text: str, name: str, *, options: int) -> Int[np.ndarray, " chosen"]:
    """Return the distinct whole numbers, 1 to `options`, listed or given under `name`, less 1."""
    listed = value_in(text, name)
    listed = listed if isinstance(listed, list) else [listed]
    numbers = [_amount(said, _CANDIDATE) for said in listed]
    for said, number in zip(listed, numbers, strict=True):
        if number not in range(1, options + 1):
            raise NoAnswer(f"{_shown(said)} is none of the numbers 1 to {options}")
    if len(set(numbers)) < len(numbers):
        raise NoAnswer("a number is listed twice")
    return np.array(numbers, int) - 1


def read_changes(text: str, brackets: int) -> Float[np.ndarray, " brackets"] | None:
    """Return what `changes_in` reads, or None."""
    return changes_in(text, brackets).value


def read_rates(text: str, brackets: int) -> Float[np.ndarray, " brackets"] | None:
    """Return what `rates_in` reads, or None."""
    return rates_in(text, brackets).value


def read_numbers(text: str, name: str, *, options: int) -> Int[np.ndarray, " chosen"] | None:
    """Return what `numbers_in` reads, or None."""
    return numbers_in(text, name, options=options).value


def read_field(text: str, name: str) -> Any:
    """Return the value under `name` in the one JSON object of a text that has it, or None."""
    return reading(value_in)(text, name).value


def value_in(text: str, name: str, *others: str) -> Any:
    """Return the value under `name` in the one JSON object of a text that has it, or the `others`.

    None if the object has only others.

    Raises:
        NoAnswer: there is no such object, or more than one.
    """
    objects = objects_in(text)
    answers = [one for one in objects.found if not one.keys().isdisjoint((name, *others))]
    if len(answers) == 1:
        return answers[0].get(name)
    if answers:
        raise NoAnswer(f'"{name}" is answered {len(answers)} times')
    if objects.cut:
        raise NoAnswer("the answer ends within its braces")
    raise NoAnswer(f'no JSON object names "{name}"' if objects.found else "there is no JSON object")


def is_number(said: Any, number: float) -> bool:
    """Return whether a value is this number, of a candidate, as `numbers_in` reads numbers."""
    return _amount(said, _CANDIDATE) == number


_AMOUNT = r"\s*([+-]?[0-9]{1,9}(?:\.[0-9]{1,40})?)\s*"


def _with_unit(before: str, after: str) -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{before})?{_AMOUNT}(?:{after})?\s*", re.IGNORECASE)


_WEEKLY_HOURS = _with_unit("", "h|hours?(?: (?:a|per) week)?")
_PERCENT = _with_unit("", "%|per ?cent")
_POINTS = _with_unit("", "(?:percentage )?points?|pp|%")
_CANDIDATE = _with_unit("candidate", "")


def _amount(said: Any, quoted: re.Pattern[str]) -> float | int | None:
    """Return a number, which may be `quoted` and then have its unit; None if it is none."""
    if isinstance(said, bool):
        return None
    if isinstance(said, str):
        match = quoted.fullmatch(said)
        return float(match[1]) if match else None
    return said if isinstance(said, int | float) else None


def _list_in(said: Any, count: int, what: str) -> list[Any]:
    if not isinstance(said, list):
        raise NoAnswer(f"{_shown(said)} is no list of {count} {what}")
    if len(said) != count:
        raise NoAnswer(f"{len(said)} {what} are listed, not {count}")
    return said


def _shown(said: Any) -> str:
    """Return a value as it was said, a long one shortened."""
    shown = "null" if said is None else str(said).lower() if isinstance(said, bool) else repr(said)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _several(item: Mapping[str, Any], count: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": count, "maxItems": count}
