"""At which skills the people of a cell are asked: where interpolation would err."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from econjax import BracketSchedule
from econjax.population import REFERENCE_HOURS
from llm_policy.archetypes.cells import PersonCells
from llm_policy.archetypes.crowd import PeopledEconomy
from llm_policy.audit.variation import jensen_shannon

Ask = Callable[
    [Int[np.ndarray, " n"], Int[np.ndarray, " n"]],
    tuple[Float[np.ndarray, "n options"], Bool[np.ndarray, " n"]],
]
"""Returns how likely the typical people of cells, in the place of workers, find each of the hours
on offer, and who was understood."""
_EVEN = 0.05  # of an interval's weight, that a kink must have on both sides to divide it


class Nodes(NamedTuple):
    """Archetypes: the cell that each is of, and the worker in whose place it is asked.

    They are in the order of cells, and of skill within.
    """

    cell: Int[np.ndarray, " rows"]
    place: Int[np.ndarray, " rows"]


class HeldOutError(NamedTuple):
    """How far interpolation lies from what was asked between the nodes, but is none of them.

    Jensen-Shannon divergence in bits: `mean` over the intervals between nodes, each asked in its
    middle, by their shares of people and of earnings, half each, and the `worst`; `asked` counts
    them.
    """

    mean: float
    worst: float
    asked: int


class ArchetypeLinks(NamedTuple):
    """Each worker's archetypes: row `left` and, by the `share` of the next one, the row after it.

    Shares are linear in the log of skill; outside of its cell's nodes a worker has the nearest.
    """

    left: Int[np.ndarray, " agents"]
    share: Float[np.ndarray, " agents"]


class _Interval(NamedTuple):
    """From one node of a cell to the next, as positions among its people; `bound` is its error.

    Its `weight` is half the share of all people and half the share of what all can earn that are
    in it: welfare depends on the rebate too, which comes from the few who earn most.
    """

    cell: int
    first: int
    last: int
    weight: float
    bound: float


def nodes_of(
    crowd: PeopledEconomy,
    cells: PersonCells,
    schedule: BracketSchedule,
    ask: Ask,
    *,
    most: int,
    tolerance: float,
) -> tuple[Nodes, HeldOutError]:
    """Return where to ask, at most so many nodes, and what interpolation between them errs by.

    A cell's first nodes are its least and most skilled. Between two of them its typical worker is
    asked in the middle: where its distribution is further than `tolerance` (Jensen-Shannon, bits)
    from the interpolated one there is a node too, and both halves are looked at, the worst first,
    by weight of people and of what they can earn. The middle is on both sides of a skill that earns
    a threshold of the schedule in 40 hours a week, if there is one, for there budgets and
    calibrated tastes turn; otherwise the median.
    When there are as many nodes as may be, what is left is still asked once, and held out.
    """
    search = _Search(crowd, cells, schedule, ask)
    settled: list[tuple[float, float]] = []
    waiting = search.first()
    while waiting:
        room = most - search.count
        waiting.sort(key=lambda interval: -interval.weight * interval.bound)
        now, waiting = (waiting, []) if room < 2 else (waiting[: room // 2], waiting[room // 2 :])
        for interval, middle, error in search.errors(now):
            if error <= tolerance or room < 2:
                settled.append((interval.weight, error))
            else:
                waiting += search.divided(interval, middle, error)
    weight, error = np.array(settled).T if settled else np.zeros((2, 0))
    mean = float(weight @ error) if len(error) else 0.0  # what lies between no nodes errs by none
    return search.nodes(), HeldOutError(mean, float(error.max(initial=0)), len(error))


class _Search:
    def __init__(
        self, crowd: PeopledEconomy, cells: PersonCells, schedule: BracketSchedule, ask: Ask
    ):
        self.people = people_by_cell(cells)
        skill = log_skill(crowd)
        self._skill = [skill[members] for members in self.people]
        counts = _importance(crowd)
        self._reached = [np.cumsum(counts[members]) for members in self.people]
        starts = np.asarray(schedule.each_group()[0], float)
        turns = np.unique(starts[starts > 0]) / REFERENCE_HOURS
        self._turns = [np.searchsorted(own, np.log(turns)) for own in self._skill]
        self._ask, self.known = ask, [{} for _ in self.people]

    @property
    def count(self) -> int:
        return sum(map(len, self.known))

    def first(self) -> list[_Interval]:
        ends = [(0, len(members) - 1) for members in self.people]
        places = [(c, at) for c, pair in enumerate(ends) for at in dict.fromkeys(pair)]
        for (c, at), row in zip(places, self._answers(places), strict=True):
            self.known[c][at] = row
        every = [self._interval(c, *pair, 1.0) for c, pair in enumerate(ends)]
        return [interval for interval in every if self._inside(interval)]

    def errors(self, intervals: list[_Interval]):
        """Yield each interval with what was asked inside, by position, and the worst divergence."""
        middles = [self._middle(interval) for interval in intervals]
        places = [
            (interval.cell, at)
            for interval, middle in zip(intervals, middles, strict=True)
            for at in middle
        ]
        answers = iter(self._answers(places))
        for interval, middle in zip(intervals, middles, strict=True):
            found = {at: next(answers) for at in middle}
            yield interval, found, max(self._error(interval, *one) for one in found.items())

    def divided(self, interval: _Interval, middle: dict, error: float) -> list[_Interval]:
        self.known[interval.cell] |= middle
        ends = [interval.first, *middle, interval.last]
        parts = [self._interval(interval.cell, *pair, error) for pair in itertools.pairwise(ends)]
        return [part for part in parts if self._inside(part)]

    def nodes(self) -> Nodes:
        rows = [(c, self.people[c][at]) for c, some in enumerate(self.known) for at in sorted(some)]
        return Nodes(*np.array(rows).T)

    def _answers(self, places: list[tuple[int, int]]) -> list[np.ndarray]:
        cell = np.array([c for c, _ in places])
        probabilities, understood = self._ask(
            cell, np.array([self.people[c][at] for c, at in places])
        )
        return list(np.where(understood[:, None], probabilities, np.nan))

    def _error(self, interval: _Interval, at: int, found: np.ndarray) -> float:
        """Return the divergence from the interpolated, 0 if somebody was not understood."""
        known, skill = self.known[interval.cell], self._skill[interval.cell]
        low, high = skill[interval.first], skill[interval.last]
        share = (skill[at] - low) / (high - low) if high > low else 0.0
        between = (1 - share) * known[interval.first] + share * known[interval.last]
        return float(np.nan_to_num(jensen_shannon(found, between)))

    def _interval(self, cell: int, first: int, last: int, bound: float) -> _Interval:
        reached = self._reached[cell]
        return _Interval(cell, first, last, float(reached[last] - reached[first]), bound)

    def _inside(self, interval: _Interval) -> bool:
        """Return whether somebody is between the nodes who has another skill than both."""
        skill = self._skill[interval.cell]
        low, high = skill[interval.first], skill[interval.last]
        return np.searchsorted(skill, low, "right") < np.searchsorted(skill, high, "left")

    def _middle(self, interval: _Interval) -> list[int]:
        """Return the positions to ask at: one, or two neighbours with a kink between them."""
        first, last, reached = interval.first, interval.last, self._reached[interval.cell]
        turns = self._turns[interval.cell]
        turns = turns[(turns > first + 1) & (turns < last)]
        half = (reached[first] + reached[last]) / 2
        if len(turns):
            at = int(turns[np.abs(reached[turns] - half).argmin()])
            least = min(reached[at - 1] - reached[first], reached[last] - reached[at])
            if least >= _EVEN * interval.weight:
                return [at - 1, at]
        return [int(np.clip(np.searchsorted(reached, half), first + 1, last - 1))]


def _importance(crowd: PeopledEconomy) -> Float[np.ndarray, " agents"]:
    """Return the mean of each worker's share of all people and of what all can earn."""
    population = crowd.economy.population
    weight = np.asarray(population.weight).astype(float)
    earns = weight * np.asarray(population.skill)
    return weight / weight.sum() / 2 + earns / max(earns.sum(), np.finfo(float).tiny) / 2


def people_by_cell(cells: PersonCells) -> list[Int[np.ndarray, " members"]]:
    """Return the places of each cell's people, in the order of skill."""
    order = np.argsort(cells.of.astype(np.int32), kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells.of))[:-1])


def log_skill(crowd: PeopledEconomy) -> Float[np.ndarray, " agents"]:
    """Return the log of skill, of no less than a dollar a year per weekly hour."""
    return np.log(np.maximum(np.asarray(crowd.economy.population.skill), 1.0))


def links_of(crowd: PeopledEconomy, cells: PersonCells, nodes: Nodes) -> ArchetypeLinks:
    """Return which archetypes each worker's hours are drawn from."""
    left = np.empty(len(cells.of), np.int32)
    share = np.zeros(len(cells.of), np.float32)
    skill = log_skill(crowd)
    for cell, members in enumerate(people_by_cell(cells)):
        rows = np.flatnonzero(nodes.cell == cell)
        own, at = skill[members], skill[nodes.place[rows]]
        place = np.clip(np.searchsorted(at, own, side="right") - 1, 0, max(len(rows) - 2, 0))
        left[members] = rows[place]
        if len(rows) > 1:
            width = at[place + 1] - at[place]
            share[members] = np.clip((own - at[place]) / np.where(width > 0, width, 1), 0, 1)
    return ArchetypeLinks(left, share)
