"""Schedules that stay as they are: no tax, one rate for all, the law, or whatever a file says."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Key

from econjax import BracketSchedule, us_federal
from econjax.planning import Report, require_law


class FixedPlanner(NamedTuple):
    """Propose and recommend one schedule, whatever it brings."""

    schedule: BracketSchedule
    observes = ()

    def init(self, key: Key[Array, ""]) -> None:
        """Return no state."""
        require_law(self.schedule)

    def ask(self, key: Key[Array, ""], state: None) -> tuple[BracketSchedule, None]:
        """Propose the schedule."""
        return self.schedule, None

    def tell(self, state: None, schedule: BracketSchedule, report: Report) -> None:
        """Learn nothing."""

    def recommend(self, state: None) -> BracketSchedule:
        """Recommend the schedule."""
        return self.schedule


def laissez_faire(law: BracketSchedule) -> FixedPlanner:
    """Return the planner that takes nothing."""
    return flat_rate(law, 0.0)


def flat_rate(law: BracketSchedule, rate: float) -> FixedPlanner:
    """Return the planner that takes the same share of every dollar.

    Raises:
        ValueError: a rate that is not a share between -1 and 1.
    """
    law = require_law(law)
    return FixedPlanner(BracketSchedule(law.thresholds, jnp.full_like(law.rates, rate)))


def uniform_rates(law: BracketSchedule) -> FixedPlanner:
    """Return the planner that takes half of every dollar.

    It is UNIFORM of the LLM Economist (arXiv 2507.15815).
    """
    return flat_rate(law, 0.5)


def federal(year: int, status: str = "single", *, deduction: bool = False) -> FixedPlanner:
    """Return the planner that keeps a year's federal law; choices and errors as in `us_federal`."""
    return FixedPlanner(us_federal(year, status, deduction=deduction))


def from_file(path: str | Path) -> FixedPlanner:
    """Return the planner that keeps a file's schedule; formats and errors as in `read_schedule`."""
    return FixedPlanner(read_schedule(path))


def read_schedule(path: str | Path) -> BracketSchedule:
    """Return the schedule in a .csv or .json file: thresholds in dollars a year, rates as shares.

    A CSV file has the columns `threshold` and `rate` and one line for each bracket; a JSON file
    holds `{"thresholds": [0, 50000], "rates": [0.1, 0.3]}`.

    Raises:
        ValueError: another kind of file, a missing column or key, or thresholds and rates that make
            no schedule; the message names the file, the place and the value.
        OSError: the file cannot be read.
    """
    path = Path(path)
    readers = {".csv": _csv_columns, ".json": _json_columns}
    if path.suffix.lower() not in readers:
        raise ValueError(f"A schedule is read from a .csv or .json file; got {path.name!r}.")
    thresholds, rates = readers[path.suffix.lower()](path)
    thresholds = [_number(path, place, "threshold", value) for place, value in thresholds]
    rates = [_rate(path, place, value) for place, value in rates]
    try:
        return BracketSchedule(thresholds, rates)
    except ValueError as error:
        raise ValueError(f"{path.name} holds no schedule. {error}") from error


_Column = list[tuple[str, object]]
"""Where each value is, in words, and the value."""


def _csv_columns(path: Path) -> tuple[_Column, _Column]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.reader(file)
        rows = [(table.line_num, [cell.strip() for cell in row]) for row in table if row]
    header = rows[0][1] if rows else []
    if not {"threshold", "rate"} <= set(header):
        raise ValueError(
            f"{path.name} needs the columns threshold and rate; its first line has {header}."
        )

    def column(name: str) -> _Column:
        at = header.index(name)
        return [(f"line {line}", row[at] if at < len(row) else "") for line, row in rows[1:]]

    return column("threshold"), column("rate")


def _json_columns(path: Path) -> tuple[_Column, _Column]:
    try:
        held = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON: {error}.") from error
    columns = []
    for name in ("thresholds", "rates"):
        values = held.get(name) if isinstance(held, dict) else None
        if not isinstance(values, list):
            example = '{"thresholds": [0, 50000], "rates": [0.1, 0.3]}'
            raise ValueError(
                f"{path.name} needs a list named {name}, as in {example}; got {values!r}."
            )
        columns.append([(f"{name}[{i}]", value) for i, value in enumerate(values)])
    return columns[0], columns[1]


def _rate(path: Path, place: str, value: object) -> float:
    rate = _number(path, place, "rate", value)
    if not -1 <= rate <= 1:
        remedy = f": write {rate:g} % as {rate / 100:g}" if abs(rate) <= 100 else ""
        raise ValueError(
            f"{path.name}, {place}: a rate is a share between -1 and 1; got {rate:g}{remedy}."
        )
    return rate


def _number(path: Path, place: str, what: str, value: object) -> float:
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        raise ValueError(
            f"{path.name}, {place}: a {what} is a plain number, without signs or separators; got "
            f"{value!r}."
        ) from None
