"""The published tables that personas are drawn from, and what single columns of theirs say.

`data/*.csv` hold the figures, each with its source; `experiments/tools/persona_tables.py` wrote
them.
"""

import csv
import functools
import importlib.resources
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

AGES = np.arange(16, 80)
"""The ages there are. The tables' open age of 75 and over is cut at 79."""

USUAL_HOURS = np.arange(1, 70)
"""The usual weekly hours there are. The tables' open 60 hours and over are cut at 69."""

FULL_TIME = 35
"""The fewest weekly hours of full-time work."""

BANDS = ((16, 19), (20, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 79))
"""The age bands of the occupations' table, first and last year."""

SEXES = ("men", "women")
"""In the order of every axis of sexes."""


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of `data/NAME.csv`, whose first lines name the source."""
    text = importlib.resources.files("llm_policy").joinpath(f"data/{name}.csv").read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@dataclass(frozen=True)
class Names:
    """What the codes of a persona stand for; `group_of` gives each occupation's major group."""

    occupation: np.ndarray
    group: np.ndarray
    group_of: Int[np.ndarray, " occupations"]
    education: np.ndarray
    state: np.ndarray


@functools.cache
def names() -> Names:
    """Return the names behind the codes."""
    groups = [row["group"] for row in read_table("groups")]
    occupations = read_table("occupations")
    return Names(
        occupation=np.array([row["occupation"] for row in occupations]),
        group=np.array(groups),
        group_of=np.array([groups.index(row["group"]) for row in occupations]),
        education=np.array([row["education"] for row in of_sex("education", "both")]),
        state=np.array([row["state"] for row in read_table("states")]),
    )


@functools.cache
def age_shares() -> Float[np.ndarray, "sex_and_band ages"]:
    """Return the shares of the ages within each band, one row per sex and band, sex first."""
    people = employed_by_age()
    rows = np.stack([people * ((first <= AGES) & (last >= AGES)) for first, last in BANDS], axis=1)
    return (rows / rows.sum(-1, keepdims=True)).reshape(-1, len(AGES))


@functools.cache
def hours_shares() -> Float[np.ndarray, "occupation_and_sex_then_part_time hours"]:
    """Return the shares of usual weekly hours: full-timers by occupation and sex, part-timers last.

    The distribution is that of actual hours at work; for full-timers it is tilted so that its mean
    differs from that of all by as much as the published mean of the group and sex.
    """
    people = spread(read_table("hours"), "people", USUAL_HOURS)
    part, full = people * (USUAL_HOURS < FULL_TIME), people * (USUAL_HOURS >= FULL_TIME)
    part, full = part / part.sum(), full / full.sum()
    away = USUAL_HOURS - full @ USUAL_HOURS
    hours = full_time_hours()
    by_sex = np.array(
        [float(row["at_work"]) for row in read_table("hours_by_group") if row["group"] == "All"]
    )
    shift = hours - hours[0] @ by_sex / by_sex.sum()
    rows = full * (1 + shift[..., None] * away / (full @ away**2))
    return np.concatenate([rows[hours_group()].reshape(-1, len(USUAL_HOURS)), part[None]])


@functools.cache
def state_shares() -> Float[np.ndarray, " states"]:
    """Return the shares of employed people by state."""
    employed = column(read_table("states"), "employed")
    return employed / employed.sum()


def published(name: str, figure: str, **where: str) -> float:
    """Return the one figure of a table whose row has the values given."""
    (row,) = (
        row for row in read_table(name) if all(row[key] == value for key, value in where.items())
    )
    return float(row[figure])


def full_time_hours() -> Float[np.ndarray, "groups 2"]:
    """Return full-timers' mean hours by row of the hours' table and sex; row 0 is everyone."""
    return np.stack(
        [column(of_sex("hours_by_group", sex), "full_time_hours") for sex in SEXES], axis=1
    )


def hours_group() -> Int[np.ndarray, " occupations"]:
    """Return each occupation's row in the hours' table."""
    rows = [row["group"] for row in of_sex("hours_by_group", SEXES[0])]
    return np.array([rows.index(row["hours_group"]) for row in read_table("groups")])[
        names().group_of
    ]


def employed_by_age() -> Float[np.ndarray, "2 ages"]:
    """Return thousands of employed people by sex and year of age."""
    return np.stack([spread(of_sex("ages", sex), "employed", AGES) for sex in SEXES])


def spread(
    rows: list[dict[str, str]], figure: str, values: Int[np.ndarray, " values"]
) -> Float[np.ndarray, " values"]:
    """Return a figure by bands, `first` to `last`, spread evenly over the values in each band."""
    spread = np.zeros(len(values))
    for row in rows:
        within = (int(row["first"]) <= values) & (int(row["last"]) >= values)
        spread[within] = float(row[figure]) / within.sum()
    return spread


def of_sex(name: str, sex: str) -> list[dict[str, str]]:
    """Return the rows of a table that are about men, women or both."""
    return [row for row in read_table(name) if row["sex"] == sex]


def column(rows: list[dict[str, str]], figure: str) -> Float[np.ndarray, " rows"]:
    """Return a column of numbers."""
    return np.array([float(row[figure]) for row in rows])
