"""How personas compare with published tables: simulated, published, and the difference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Bool

from econjax import gb2
from experiments.personas.config import PersonasConfig
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


def compare_people(
    config: PersonasConfig, on_stage: Callable[[str], Any] = lambda stage: None
) -> list[PublishedFigure]:
    """Draw the personas and return every figure that is published about them.

    Raises:
        ValueError: too few people to have medians of.
    """
    config.check()
    personas = draw_personas(jax.random.key(config.seed), gb2(config.agents))
    return [*_shares(personas), *_earnings(personas)]


_AGES = ((16, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 79))


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
