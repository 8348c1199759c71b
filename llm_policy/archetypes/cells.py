"""Cells of like people: few of them, none empty, each with somebody who is typical of it."""

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from llm_policy.archetypes.crowd import PeopledEconomy, personas_at
from llm_policy.personas.draw import Personas
from llm_policy.personas.joint import cells
from llm_policy.surrogate.recording import person_features

_POOL = 2**14
"""People at most from whom cells are learned."""
_AT_ONCE = 2**20


class PersonCells(NamedTuple):
    """The number of each worker's cell, and the worker who is most typical of each cell.

    That one is asked to choose at which skills its cell is asked.
    """

    of: Int[np.ndarray, " agents"]
    typical: Int[np.ndarray, " cells"]


class _Split(NamedTuple):
    """Who of a cell has more of a feature than `above` goes to a cell of its own, `new`."""

    cell: int
    feature: int
    above: float
    new: int


def person_cells(crowd: PeopledEconomy, most: int) -> PersonCells:
    """Return at most so many cells of like people, or one of each kind of worker if these are more.

    Nobody shares a cell with workers of another group, kind of credits, or who are not asked. From
    there, the cell whose people differ most, by weight, is cut in two where that takes most of the
    sum of squares of one feature: usual hours, attitudes, sex, age, education, pay of the
    occupation. All this is of 16,384 people at most, so it does not depend on how many there are.
    The typical worker of a cell is whom its mean describes best.
    """
    stratum = crowd.stratum
    step = -(-len(stratum) // _POOL)
    pool = np.arange(step // 2, len(stratum), step)
    x = features(personas_at(crowd.personas, pool))
    weight = np.asarray(crowd.economy.population.weight)[pool].astype(float)
    splits = _grown(x, weight, stratum[pool], int(stratum.max()) + 1, most)
    cell = stratum.copy()
    for start in range(0, len(cell), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        cell[part] = _sorted_into(splits, features(personas_at(crowd.personas, part)), cell[part])
    return PersonCells(cell, _most_typical(cell, pool, x, weight))


def features(personas: Personas) -> Float[np.ndarray, "people features"]:
    """Return who people are, in numbers of about unit size."""
    return np.column_stack([np.asarray(person_features(personas)), _pay()[personas.occupation]])


def _pay() -> Float[np.ndarray, " occupations"]:
    """Return the log of an hour's pay by occupation, with mean 0 and standard deviation 1."""
    table = cells()
    share = table.share.sum((1, 2, 3, 4))
    pay = (table.log_hourly * table.share).sum((1, 2, 3, 4)) / share
    pay -= share @ pay
    return pay / np.sqrt(share @ pay**2)


def _grown(
    x: Float[np.ndarray, "people features"],
    weight: Float[np.ndarray, " people"],
    stratum: Int[np.ndarray, " people"],
    strata: int,
    most: int,
) -> list[_Split]:
    cell, splits = stratum.copy(), []
    heap = [
        (*_best_cut(x, weight, members), number)
        for number in range(strata)
        if len(members := np.flatnonzero(cell == number))
    ]
    heapq.heapify(heap)
    while heap and strata + len(splits) < most:
        gain, feature, above, number = heapq.heappop(heap)
        if gain >= 0:
            break
        new = strata + len(splits)
        splits.append(_Split(number, feature, above, new))
        cell[(cell == number) & (x[:, feature] > above)] = new
        for part in (number, new):
            heapq.heappush(heap, (*_best_cut(x, weight, np.flatnonzero(cell == part)), part))
    return splits


def _best_cut(
    x: Float[np.ndarray, "people features"],
    weight: Float[np.ndarray, " people"],
    members: Int[np.ndarray, " members"],
) -> tuple[float, int, float]:
    """Return minus the squares that the best cut takes, its feature, and the value to cut above."""
    best = (0.0, 0, 0.0)
    for feature in range(x.shape[1]):
        order = members[np.argsort(x[members, feature], kind="stable")]
        values, share = x[order, feature], weight[order]
        below, sums = np.cumsum(share)[:-1], np.cumsum(share * values)
        beyond = share.sum() - below
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / beyond if len(order) > 1 else below
        gain = np.where(np.diff(values) > 0, below * beyond / share.sum() * apart**2, 0)
        if gain.size and gain.max() > -best[0]:
            at = int(gain.argmax())
            best = (-float(gain[at]), feature, float(values[at : at + 2].mean()))
    return best


def _sorted_into(
    splits: list[_Split],
    x: Float[np.ndarray, "people features"],
    cell: Int[np.ndarray, " people"],
) -> Int[np.ndarray, " people"]:
    for split in splits:
        cell[(cell == split.cell) & (x[:, split.feature] > split.above)] = split.new
    return cell


def _most_typical(
    cell: Int[np.ndarray, " agents"],
    pool: Int[np.ndarray, " pool"],
    x: Float[np.ndarray, "pool features"],
    weight: Float[np.ndarray, " pool"],
) -> Int[np.ndarray, " cells"]:
    """Return, for each cell, the worker of the pool who is nearest to its mean."""
    typical = np.zeros(cell.max() + 1, int)
    for number in range(len(typical)):
        here = np.flatnonzero(cell[pool] == number)
        if not len(here):  # a kind of worker that the pool has nobody of
            typical[number] = int(np.argmax(cell == number))
            continue
        mean = weight[here] @ x[here] / weight[here].sum()
        typical[number] = pool[here[((x[here] - mean) ** 2).sum(axis=1).argmin()]]
    return typical
