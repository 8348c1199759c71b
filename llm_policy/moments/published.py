"""Published moments of people's labor supply, from `data/published_moments.csv`."""

import functools
import math
from dataclasses import dataclass
from typing import Literal

from llm_policy.personas.tables import read_table

MomentVerdict = Literal["agrees", "above", "below", "undecided"]

OF_NOUGHT = 0.1
"""How far from a published elasticity of 0 an interval may reach that agrees with it."""


@dataclass(frozen=True)
class PublishedMoment:
    """A figure on people, by the name of the moment and the group that it is of.

    `value` is None where the source gives a bound alone, and `low` and `high` are the ends of the
    source's own interval, None where it has none. `fitted` marks the moments that a correction may
    be fitted to; all others are held out. `page` is where in the source the figure stands, `year`
    that of the source, None of a file of people.
    """

    moment: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    fitted: bool
    definition: str
    population: str
    year: int | None
    source: str
    page: str

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that is published: an interval, one side of it, or a value."""
        alone = self.value if self.low is None and self.high is None else None
        least, most = (alone if end is None else end for end in (self.low, self.high))
        return (-math.inf if least is None else least, math.inf if most is None else most)

    def verdict(self, low: float, high: float) -> MomentVerdict:
        """Tell how an interval of workers lies to what is published.

        It agrees if it overlaps the range and reaches beyond it by no more than half of the value
        (a bound: not at all, a nought: by `OF_NOUGHT`); one that overlaps and reaches further is
        undecided.
        """
        least, most = self.range
        if low > most or high < least:
            return "above" if low > most else "below"
        room = 0.0 if self.value is None else abs(self.value) / 2 or OF_NOUGHT
        near = low >= least - room and high <= most + room
        return "agrees" if near else "undecided"


@functools.cache
def published_moments() -> tuple[PublishedMoment, ...]:
    """Return the whole table."""
    return tuple(_moment(row) for row in read_table("published_moments"))


def _moment(row: dict[str, str]) -> PublishedMoment:
    numbers = {name: float(row[name]) if row[name] else None for name in ("value", "low", "high")}
    of_kind = {"fitted": row["fitted"] == "yes", "year": int(row["year"])}
    return PublishedMoment(**{**row, **numbers, **of_kind})
