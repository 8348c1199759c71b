"""How personas compare with published tables: simulated, published, and the difference."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Bool
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import gb2
from experiments.personas.config import PersonasConfig
from experiments.report.console import mistakes, results
from llm_policy.personas.draw import Personas, draw_personas
from llm_policy.personas.tables import AGES, FULL_TIME, column, of_sex, published, read_table


@dataclass(frozen=True)
class PublishedFigure:
    """A simulated figure beside the published one; `difference` is relative to the latter.

    A share is one of all employed people. Earnings are the median weekly earnings of full-time
    workers (in "part time" of part-time workers) as a ratio to that of all full-time workers; in
    "education" both are of those of 25 and over.
    """

    kind: Literal["share", "sex", "age", "education", "group", "part time"]
    name: str
    people: int
    simulated: float
    published: float
    difference: float


def run_personas(config: PersonasConfig) -> None:
    """Print every figure of simulated people beside the published one.

    Raises:
        Mistake: too few people to have medians of.
    """
    with mistakes():
        config.check()
    print_people(config, results())


def compare_people(config: PersonasConfig) -> list[PublishedFigure]:
    """Draw the personas and return every figure that is published about them."""
    personas = draw_personas(jax.random.key(config.seed), gb2(config.agents))
    return [*_shares(personas), *_earnings(personas)]


def print_people(config: PersonasConfig, console: Console) -> None:
    """Print every figure: as JSON, or as a table with how far off they are and what they are not.

    Raises:
        ValueError: too few people to have medians of.
    """
    config.check()
    figures = compare_people(config)
    if config.json:
        print(
            json.dumps(
                [dataclasses.asdict(figure) for figure in figures], indent=2, allow_nan=False
            )
        )
        return
    console.print(_table(figures))
    away = np.abs([figure.difference for figure in figures])
    console.print(
        f"{np.sum(away <= 0.1)} of {len(away)} figures are within 10 % of the published one; the "
        f"median difference is {np.median(away):.1%}, the largest {away.max():.1%}."
    )
    console.print(_REMARK)


_AGES = ((16, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 79))
_REMARK = (
    "Published: Current Population Survey, annual averages 2024. Earnings are medians of usual "
    "weekly earnings, of full-time workers but for the last line, as a ratio to that of all "
    "full-time workers (education: both of those of 25 and over). Only ratios can be compared: the "
    "level and the spread of skill are those of the distribution chosen."
)


def _table(figures: Sequence[PublishedFigure]) -> Table:
    lines = Table(box=box.SIMPLE_HEAD)
    for title in ("", "figure", "people", "simulated", "published", "difference"):
        lines.add_column(
            title, justify="left" if title in ("", "figure") else "right", no_wrap=True
        )
    for kind, some in itertools.groupby(figures, key=lambda figure: figure.kind):
        for figure in some:
            numbers = f"{figure.people:,}", f"{figure.simulated:.3f}", f"{figure.published:.3f}"
            lines.add_row(kind, figure.name, *numbers, f"{figure.difference:+.1%}")
        lines.add_section()
    return lines


def _shares(personas: Personas) -> Iterator[PublishedFigure]:
    groups = read_table("groups")
    employed, women = column(groups, "employed"), column(groups, "women_percent") / 100
    part, full = (
        column(read_table("part_time"), figure).sum() for figure in ("part_time", "full_time")
    )
    for name, who, value in (
        ("women", personas.woman, employed @ women / employed.sum()),
        ("part-time workers", personas.hours < FULL_TIME, part / (part + full)),
    ):
        yield _figure("share", name, who, np.mean(who), value)


def _earnings(personas: Personas) -> Iterator[PublishedFigure]:
    full, age, income = personas.hours >= FULL_TIME, personas.age, personas.income
    adult = full & (age >= 25)
    median = _published_median("full_time", "both", 16, 79)

    def ratio(
        kind: str, name: str, who: Bool[np.ndarray, " agents"], value: float
    ) -> PublishedFigure:
        return _figure(
            kind, name, who, np.median(income[who]) / np.median(income[full]), value / median
        )

    for sex, who in (("men", ~personas.woman), ("women", personas.woman)):
        yield ratio("sex", sex, full & who, _published_median("full_time", sex, 16, 79))
    for first, last in _AGES:
        name = f"{first} to {last}" if last < AGES[-1] else f"{first} and over"
        who = full & (age >= first) & (age <= last)
        yield ratio("age", name, who, _published_median("full_time", "both", first, last))
    for level, row in enumerate(of_sex("education", "both")):
        who = adult & (personas.education == level)
        simulated = np.median(income[who]) / np.median(income[adult])
        value = float(row["weekly"]) / _published_median("full_time", "both", 25, 79)
        yield _figure("education", row["education"], who, simulated, value)
    for place, row in enumerate(read_table("groups")):
        yield ratio("group", row["group"], full & (personas.group == place), float(row["weekly"]))
    value = _published_median("part_time", "both", 16, 79)
    yield ratio("part time", "part-time workers", ~full, value)


def _figure(
    kind: Any, name: str, who: Bool[np.ndarray, " agents"], simulated: Any, value: Any
) -> PublishedFigure:
    return PublishedFigure(
        kind, name, int(who.sum()), float(simulated), float(value), float(simulated / value - 1)
    )


def _published_median(status: str, sex: str, first: int, last: int) -> float:
    where = {"status": status, "sex": sex, "first": str(first), "last": str(last)}
    return published("earnings", "weekly", **where)
