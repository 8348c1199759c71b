"""People's own weekly hours from a file: moments of one share to fit to, of the rest to test on."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from llm_policy.moments.estimates import MomentEstimate, jackknifed
from llm_policy.moments.measure import ALL, AT_WORK, HOURS_CLASSES
from llm_policy.moments.published import PublishedMoment

LEAST_PEOPLE = 30
"""The fewest people at work, in a share of them and in a group of it, who have an interval."""
_SEXES = ("man", "woman")
HUMAN_TARGETS = ("hours_1_34", "hours_40", "mean_hours")
"""Moments of hours that a correction is fitted to: those of the published table."""
_LONGEST, _OLDEST = 168.0, 120.0


@dataclass(frozen=True)
class HumanHours:
    """People's weekly hours, weights, and where the file says so whether women, and ages."""

    hours: Float[np.ndarray, " people"]
    weight: Float[np.ndarray, " people"]
    woman: Bool[np.ndarray, " people"] | None
    age: Float[np.ndarray, " people"] | None

    def groups(self) -> dict[str, Bool[np.ndarray, " people"]]:
        """Return who is in each group of the published table, as far as the file says."""
        found = {}
        if self.woman is not None:
            found |= {"men": ~self.woman, "women": self.woman}
        if self.age is not None:
            found |= age_groups(self.age)
        return found


class HumanSplit(NamedTuple):
    """Targets from one share of people, and the moments of the rest, with 99 % intervals."""

    targets: dict[str, float]
    held_out: tuple[PublishedMoment, ...]


def age_groups(age: np.ndarray) -> dict[str, Bool[np.ndarray, " people"]]:
    """Return who is in each age group of the published table."""
    return {
        "aged 20 to 24": (age >= 20) & (age < 25),
        "aged 25 to 54": (age >= 25) & (age < 55),
        "aged 55 and over": age >= 55,
    }


def read_humans(path: Path) -> HumanHours:
    """Return the people of a CSV file: a column hours, and maybe weight, sex (man, woman), age.

    Hours are those of a usual or actual week at all jobs, 0 of who does not work.

    Raises:
        ValueError: there is no such file, or it holds other columns, other categories, or something
            that is no number where one must be.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no file {path} of people's hours: give a CSV with a column hours."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            _check_columns(path, columns)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file in UTF-8 ({error}): save it as one.") from error
    if not rows:
        raise ValueError(f"{path} holds nobody: give a line for each person.")

    def numbers(name: str, most: float) -> np.ndarray:
        return np.array([_number(path, row, name, most, line) for line, row in enumerate(rows, 2)])

    woman = None
    if "sex" in columns:
        woman = np.array([_is_woman(path, row["sex"], line) for line, row in enumerate(rows, 2)])
    return HumanHours(
        hours=numbers("hours", _LONGEST),
        weight=numbers("weight", math.inf) if "weight" in columns else np.ones(len(rows)),
        woman=woman,
        age=numbers("age", _OLDEST) if "age" in columns else None,
    )


def split_humans(people: HumanHours, *, name: str, share: float, seed: int) -> HumanSplit:
    """Return the targets of a share of people that is drawn by the seed, and moments of the rest.

    Raises:
        ValueError: too few people at work for an interval in either, or in a group of the rest.
    """
    order = np.random.default_rng(seed).permutation(len(people.hours))
    fitted = np.zeros(len(order), bool)
    fitted[order[: round(share * len(order))]] = True
    everybody = np.ones(len(order), bool)
    for words, who in (("fitted to", fitted), ("held out", ~fitted)):
        _require_enough(name, f"the share that is {words}", _at_work(people) & who)
    targets = {one: _estimate(people, one, fitted).value for one in HUMAN_TARGETS}
    moments = [(one, ALL, everybody) for one in (*HOURS_CLASSES, "mean_hours")]
    for group, who in people.groups().items():
        if np.any(_at_work(people) & who):
            _require_enough(name, f"{group} who are held out", _at_work(people) & who & ~fitted)
            moments.append(("mean_hours", group, who))
    return HumanSplit(
        {one: value for one, value in targets.items() if value is not None},
        tuple(_moment(people, name, *moment, ~fitted) for moment in moments),
    )


def _moment(
    people: HumanHours,
    name: str,
    moment: str,
    group: str,
    who: Bool[np.ndarray, " people"],
    held_out: Bool[np.ndarray, " people"],
) -> PublishedMoment:
    found = _estimate(people, moment, who & held_out)
    return PublishedMoment(
        moment=moment,
        group=group,
        value=found.value,
        low=found.low,
        high=found.high,
        unit="hours a week" if moment == "mean_hours" else "% of people at work",
        fitted=moment in HUMAN_TARGETS and group == ALL,
        definition="weekly hours, with the 99 % interval of the people who were held out",
        population=f"{found.workers:,} people at work of {name}",
        year=None,
        source=f"{name}, the share that was held out",
        page="",
    )


def _estimate(people: HumanHours, moment: str, who: Bool[np.ndarray, " people"]) -> MomentEstimate:
    """Return a moment of those at work among some."""
    there = who & _at_work(people)
    if moment == "mean_hours":
        what, limits = people.hours, None
    else:
        least, end = HOURS_CLASSES[moment]
        what, limits = 100.0 * ((people.hours >= least) & (people.hours < end)), (0.0, 100.0)
    return jackknifed({"x": what}, people.weight, there, lambda mean: mean["x"], limits=limits)


def _at_work(people: HumanHours) -> Bool[np.ndarray, " people"]:
    return (people.hours >= AT_WORK) & (people.weight > 0)


def _require_enough(name: str, words: str, who: Bool[np.ndarray, " people"]) -> None:
    if who.sum() < LEAST_PEOPLE:
        raise ValueError(
            f"{name}: {who.sum():,} people at work in {words} are too few for an interval, of "
            f"which {LEAST_PEOPLE} are the least: give more people, another share, or leave out "
            "the column that divides them."
        )


def _check_columns(path: Path, columns: list[str]) -> None:
    known = ("hours", "weight", "sex", "age")
    strange = [column for column in columns if column not in known]
    if "hours" not in columns or strange or len(set(columns)) < len(columns):
        wrong = f"the column {strange[0]!r}" if strange else "no column hours, or one of them twice"
        raise ValueError(
            f"{path} holds {wrong}: its columns are hours, and maybe weight, sex and age."
        )


def _number(path: Path, row: Mapping[str, str], name: str, most: float, line: int) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        value = math.nan
    if not (0 <= value <= most and math.isfinite(value)):
        limit = f"from 0 to {most:g}" if math.isfinite(most) else "of 0 or more"
        raise ValueError(
            f"{path}, line {line}: {name} is a number {limit}; got {row[name]!r}. Mend it, or "
            "leave the person out."
        )
    return value


def _is_woman(path: Path, said: str | None, line: int) -> bool:
    word = (said or "").strip().lower()
    if word not in _SEXES:
        raise ValueError(
            f"{path}, line {line}: sex is {' or '.join(_SEXES)}, the groups of which personas are; "
            f"got {said!r}. Write these words, or leave the column out."
        )
    return word == "woman"
