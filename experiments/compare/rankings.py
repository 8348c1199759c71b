"""Whether the ranking of planners changes from one kind of workers to another."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from experiments.compare.rows import Comparison, ComparisonRow
from experiments.report.intervals import Measured, mean_of


@dataclass(frozen=True)
class SwappedPair:
    """Two planners of whom the first is ahead in one table and behind in another, by dollars.

    Each lead has its 95 % interval; `certain` says that neither holds 0.
    """

    first: str
    second: str
    before: Measured
    after: Measured

    @property
    def certain(self) -> bool:
        """Whether both intervals tell the two planners apart."""
        return self.before.low > 0 > self.after.high


@dataclass(frozen=True)
class RankingChange:
    """How planners rank in two tables of one welfare function, by their means over seeds.

    `before` and `after` say who works in them, `best` who is first in each; `tau` is Kendall's, of
    `pairs` of planners that both tables hold. `paired` says over what intervals are.
    """

    welfare: str
    before: str
    after: str
    best: tuple[str, str]
    pairs: int
    tau: float
    swapped: tuple[SwappedPair, ...]
    paired: str

    @property
    def line(self) -> str:
        """The change in a line below the tables."""
        certain = [pair for pair in self.swapped if pair.certain]
        first, second = self.best
        best = f"{first} is best in both" if first == second else f"best: {first} -> {second}"
        words = (
            f"Ranking of planners, {self.welfare}, {self.before} -> {self.after}: of {self.pairs} "
            f"pairs {len(self.swapped)} change places, {len(certain)} of them beyond both 95 % "
            f"intervals ({self.paired}); Kendall's tau {self.tau:.2f}; {best}."
        )
        return " ".join([words, *map(_in_words, certain[:_MOST_NAMED])])


_MOST_NAMED = 3


def ranking_changes(comparisons: Sequence[Comparison]) -> list[RankingChange]:
    """Return the changes from each table to those after it of the same welfare function."""
    aims = comparisons[0].aims
    return [
        change
        for before, after in itertools.combinations(comparisons[0].tables, 2)
        if aims[before] == aims[after]
        if (change := _change(comparisons, before, after)) is not None
    ]


def _change(comparisons: Sequence[Comparison], before: str, after: str) -> RankingChange | None:
    """Return the change between two tables, None where they have fewer than two planners alike."""
    first, second = (_samples(comparisons, title) for title in (before, after))
    names = [name for name in first if name in second]
    if len(names) < 2:
        return None
    pairs = list(itertools.combinations(names, 2))
    swapped = tuple(_swapped(first, second, pairs))
    first_best, second_best = (
        max(names, key=lambda name, t=table: t[name].mean()) for table in (first, second)
    )
    order = sum(np.sign(_lead(first, *pair).value * _lead(second, *pair).value) for pair in pairs)
    welfare = comparisons[0].aims[before]
    return RankingChange(
        welfare=welfare,
        before=_who(before, welfare),
        after=_who(after, welfare),
        best=(first_best, second_best),
        pairs=len(pairs),
        tau=float(order / len(pairs)),
        swapped=swapped,
        paired="paired by seed" if len(comparisons) > 1 else "paired by year of one seed",
    )


_Samples = Mapping[str, Float[np.ndarray, " samples"]]


def _samples(comparisons: Sequence[Comparison], title: str) -> _Samples:
    """Return each planner's equivalents: one for each seed, or of one seed for each year."""
    rows = [{row.planner: row for row in one.tables[title]} for one in comparisons]
    if len(comparisons) == 1:
        return {name: _years(row) for name, row in rows[0].items()}
    return {name: np.array([one[name].equivalent for one in rows]) for name in rows[0]}


def _years(row: ComparisonRow) -> Float[np.ndarray, " years"]:
    return np.array(row.years or (row.equivalent,))


def _swapped(
    first: _Samples, second: _Samples, pairs: Sequence[tuple[str, str]]
) -> Iterator[SwappedPair]:
    """Yield the pairs that change places, who was ahead first."""
    for one, other in pairs:
        ahead, behind = (one, other) if _lead(first, one, other).value > 0 else (other, one)
        before, after = _lead(first, ahead, behind), _lead(second, ahead, behind)
        if before.value > 0 > after.value:
            yield SwappedPair(ahead, behind, before, after)


def _lead(table: _Samples, first: str, second: str) -> Measured:
    """Return by how much a planner leads another, exact where there is but one exact value."""
    away = table[first] - table[second]
    if len(away) > 1:
        return mean_of(away)
    return Measured(float(away[0]), float(away[0]), float(away[0]))


def _who(title: str, welfare: str) -> str:
    return title.removeprefix(welfare).strip(" ()") or "rational workers"


def _in_words(pair: SwappedPair) -> str:
    ends = (pair.before, Measured(-pair.after.value, -pair.after.high, -pair.after.low))
    ahead, behind = (f"${one.value:,.0f} ({one.low:,.0f} to {one.high:,.0f})" for one in ends)
    return f"{pair.first} leads {pair.second} by {ahead}, then lies behind by {behind}."
