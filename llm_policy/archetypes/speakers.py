"""Whose persona each archetype speaks with: somebody drawn from those whom it speaks for."""

import numpy as np
from jaxtyping import Float, Int

from llm_policy.archetypes.cells import PersonCells, features
from llm_policy.archetypes.crowd import PeopledEconomy, personas_at
from llm_policy.archetypes.nodes import ArchetypeLinks, Nodes, people_by_cell

_HEARD = 256
"""People at most from whom an archetype's speaker is drawn, at even distances of rank in skill."""
_GOLDEN = (5**0.5 - 1) / 2


def speakers_of(
    crowd: PeopledEconomy, cells: PersonCells, nodes: Nodes, links: ArchetypeLinks
) -> Int[np.ndarray, " rows"]:
    """Return the worker whose persona each archetype has.

    It is drawn from the workers of the archetype's cell, each by the weight with which its own
    hours will be drawn from that archetype, so that means over the population are unbiased. The
    most typical person of a cell would have hours that vary less than those of people who differ
    to both sides. The points at which draws are inverted are a lattice (Niederreiter 1992, of
    Kronecker sequences), over people in the order of the feature in which their cell differs most:
    all archetypes together leave little to luck.
    """
    weight = np.asarray(crowd.economy.population.weight).astype(float)
    points = (0.5 + _GOLDEN * np.arange(len(nodes.cell))) % 1
    speaker = nodes.place.copy()
    for cell, members in enumerate(people_by_cell(cells)):
        rows = np.flatnonzero(nodes.cell == cell)
        at = np.searchsorted(members, nodes.place[rows])  # both in the order of skill
        starts, ends = np.r_[0, at[:-1]], np.r_[at[1:], len(members) - 1]
        differs = _features(crowd, members[_evenly(0, len(members) - 1)]).var(axis=0).argmax()
        for row, first, last in zip(rows, starts, ends, strict=True):
            some = members[_evenly(first, last)]
            own, before = links.left[some] == row, links.left[some] == row - 1
            share = np.where(own, 1 - links.share[some], np.where(before, links.share[some], 0))
            order = np.argsort(_features(crowd, some)[:, differs], kind="stable")
            reached = np.cumsum((share * weight[some])[order])
            if reached[-1] > 0:
                place = np.searchsorted(reached, points[row] * reached[-1], side="right")
                speaker[row] = some[order[min(place, len(some) - 1)]]
    return speaker


def _evenly(first: int, last: int) -> Int[np.ndarray, " some"]:
    """Return positions from the first to the last, all or so many as may be heard."""
    step = max(1.0, (last - first + 1) / _HEARD)
    return (first + np.arange(0, last - first + 1, step)).astype(int)


def _features(
    crowd: PeopledEconomy, place: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "some features"]:
    return features(personas_at(crowd.personas, place))
