"""Schedules as JSON: saved, loaded, and in a form that two programs can compare."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from econjax.schedule import AbstractSchedule, BracketSchedule, LogLinearSchedule

_KINDS = {
    "brackets": (BracketSchedule, ("thresholds", "rates")),
    "log-linear": (LogLinearSchedule, ("scale", "progressivity")),
}


def schedule_parts(schedule: AbstractSchedule) -> dict[str, Any]:
    """Return the schedule as plain values: its "kind", and the fields of that kind.

    Of "brackets" they are "thresholds" (dollars a year, from 0) and "rates" (shares), lists of
    lists where groups have their own, of
    "log-linear" "scale" and "progressivity".

    Raises:
        TypeError: another kind of schedule.
    """
    for kind, (made, fields) in _KINDS.items():
        if type(schedule) is made:
            values = {name: np.asarray(getattr(schedule, name), float) for name in fields}
            return {"kind": kind} | {name: value.tolist() for name, value in values.items()}
    raise TypeError(f"No form for {type(schedule).__name__}: saved are {', '.join(_KINDS)}.")


def schedule_from(parts: Any) -> AbstractSchedule:
    """Return the schedule that `schedule_parts` described; without a "kind" it is of brackets.

    Raises:
        ValueError: an unknown kind, a missing or unknown part, or values that make no schedule.
    """
    if not isinstance(parts, Mapping):
        raise ValueError(f"A schedule is an object with thresholds and rates; got {parts!r}.")
    kind = parts.get("kind", "brackets")
    if kind not in _KINDS:
        raise ValueError(f"A schedule's kind is {' or '.join(_KINDS)}; got {kind!r}.")
    made, fields = _KINDS[kind]
    if missing := [name for name in fields if name not in parts]:
        raise ValueError(f"A schedule of kind {kind} has {' and '.join(fields)}: add {missing[0]}.")
    if unknown := sorted(set(parts) - {"kind", *fields}):
        raise ValueError(f"A schedule of kind {kind} has no {unknown[0]}: leave it out.")
    return made(*(_numbers(name, parts[name]) for name in fields))


def save_schedule(schedule: AbstractSchedule, path: Path | str) -> None:
    """Write the schedule as JSON, with all digits; a file that is there is overwritten.

    Raises:
        TypeError: a kind that `schedule_parts` has no form for.
    """
    text = json.dumps(schedule_parts(schedule), indent=2, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def load_schedule(path: Path | str) -> AbstractSchedule:
    """Return the schedule that `save_schedule` wrote.

    Raises:
        ValueError: there is no such file, or it holds no schedule: with the file's name, and the
            line where it is no JSON.
    """
    try:
        return schedule_from(json.loads(Path(path).read_text("utf-8")))
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {path}: give one that holds a schedule.") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: no JSON: {error.msg}.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _numbers(name: str, value: Any) -> Any:
    """Return a number, a list of finite numbers or a list of such for each group, as JSON holds."""
    several = value if isinstance(value, list) else [value]
    if several and all(isinstance(one, list) for one in several):
        return [_numbers(name, own) for own in several]
    for one in several:
        if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one):
            raise ValueError(f"{name} are plain numbers, such as 11600 or 0.22; got {one!r}.")
    return value
