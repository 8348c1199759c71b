"""What a sweep computes, in which pieces: groups of one shape, each in chunks of cells."""

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from econjax import AbstractSchedule, BracketSchedule, Population
from econjax.laws import load_schedule
from experiments.core.economy import EconomyConfig
from experiments.economies.kept import Kept
from experiments.reform.command import schedule_named
from experiments.sweep.design import DesignPoint
from experiments.sweep.memory import batch_within
from experiments.sweep.program import Pieces, SearchRule, shapes_of


class Cell(NamedTuple):
    """A point of the design with one draw of its population; no seed: the quantile grid."""

    point: DesignPoint
    seed: int | None


@dataclass(frozen=True)
class CellGroup:
    """Points whose economies have one shape, and so one program, with the seeds of each."""

    points: tuple[DesignPoint, ...]
    pieces: Pieces
    seeds: tuple[int | None, ...]
    memory: float

    @property
    def agents(self) -> int:
        """The workers of each economy."""
        return self.points[0].source.size

    @property
    def brackets(self) -> int:
        """The brackets of each law."""
        return self.pieces.law.rates.shape[-1]

    @property
    def batch(self) -> int:
        """How many economies are solved side by side."""
        return batch_within(self.memory, self.agents, self.brackets)

    @property
    def search(self) -> SearchRule:
        """How the best schedules are sought."""
        said = self.points[0].document.sweep
        return SearchRule(said.planner, said.tolerance, said.most_steps)

    @cached_property
    def chunks(self) -> tuple[tuple[Cell, ...], ...]:
        """All cells, seed by seed, in chunks of about as many each."""
        cells = [Cell(point, seed) for seed in self.seeds for point in self.points]
        most = max(self.batch, int(np.clip(_WORKERS_OF_A_CHUNK // self.agents, 1, 1000)))
        count = -(-len(cells) // most)
        size = -(-len(cells) // count)
        if size > len(self.points):  # all cells of a draw together, so that it is drawn once
            size -= size % len(self.points)
        return tuple(tuple(cells[j : j + size]) for j in range(0, len(cells), size))

    @cached_property
    def _drawn_from(self) -> dict[int, Hashable]:
        """What a draw of workers depends on, beside the seed, by the point's number."""
        return {point.number: _incomes(point) for point in self.points}

    def _populations(self, chunk: Sequence[Cell]) -> dict[Hashable, Cell]:
        """Return a cell of each of the different populations of a chunk, in order."""
        found: dict[Hashable, Cell] = {}
        for cell in chunk:
            found.setdefault((self._drawn_from[cell.point.number], cell.seed), cell)
        return found

    @cached_property
    def _most_populations(self) -> int:
        return max(len(self._populations(chunk)) for chunk in self.chunks)

    def arguments(self, number: int) -> tuple[Population, Pieces, np.ndarray, np.ndarray]:
        """Return the program's arguments for a chunk: padded, so that all have one shape."""
        chunk = self.chunks[number]
        known = self._populations(chunk)
        drawn = [draw_workers(cell) for cell in known.values()]
        drawn += drawn[-1:] * (self._most_populations - len(drawn))
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
        place = {key: j for j, key in enumerate(known)}
        row = {point.number: j for j, point in enumerate(self.points)}
        places = [place[self._drawn_from[cell.point.number], cell.seed] for cell in chunk]
        points = [row[cell.point.number] for cell in chunk]
        rest = len(self.chunks[0]) - len(chunk)
        return (
            stacked,
            self.pieces,
            np.array(places + places[-1:] * rest),
            np.array(points + points[-1:] * rest),
        )


_WORKERS_OF_A_CHUNK = 4_000_000


def groups_of(points: Sequence[DesignPoint], path: Path, *, memory: float) -> list[CellGroup]:
    """Return the groups of a sweep, in the order of their first points."""
    said = points[0].document.sweep
    seeds = tuple(range(said.seeds)) or (None,)
    together: dict[Hashable, list[tuple[DesignPoint, Pieces]]] = {}
    for point in points:
        pieces = _pieces(point, path)
        small = point.source.population(2, jax.random.key(0))
        shape = (shapes_of(pieces), shapes_of(small), point.source.size)
        together.setdefault(shape, []).append((point, pieces))
    return [
        CellGroup(
            tuple(point for point, _ in some),
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *(pieces for _, pieces in some)),
            seeds,
            memory,
        )
        for some in together.values()
    ]


def draw_workers(cell: Cell) -> Population:
    """Return the workers of a cell, before calibration: the same for equal incomes and seeds."""
    source = cell.point.source
    if cell.seed is None:
        return source.population()
    return source.population(source.size, jax.random.key(cell.seed))


def compared(point: DesignPoint, path: Path) -> dict[str, AbstractSchedule]:
    """Return the schedules to set beside the best one and the law, by name.

    Raises:
        ValueError: a name that is none of a schedule.
    """
    law = point.document.law
    place = EconomyConfig(year=law.year or 2024, status=law.status or "single")
    kept = Kept.of(path)
    return {
        name: load_schedule(str(kept.path(name)))
        if name.endswith(".json")
        else schedule_named(name, place)
        for name in point.document.sweep.beside
    }


def bracket_rates(schedule: AbstractSchedule) -> list[float]:
    """Return a schedule's rates, none if it has no brackets."""
    return np.asarray(schedule.rates).tolist() if isinstance(schedule, BracketSchedule) else []


def chunks_of(groups: Sequence[CellGroup]) -> Iterator[tuple[int, CellGroup, int]]:
    """Yield every chunk with its number in the sweep, its group, and its number there."""
    number = 0
    for group in groups:
        for own in range(len(group.chunks)):
            yield number, group, own
            number += 1


def layout_of(groups: Sequence[CellGroup]) -> tuple[int, ...]:
    """Return how many cells each chunk of a sweep has, by its number."""
    return tuple(len(group.chunks[own]) for _, group, own in chunks_of(groups))


def _pieces(point: DesignPoint, path: Path) -> Pieces:
    source, said = point.source, point.document.calibration
    spending = {"none": 0.0}.get(str(source.spending), source.spending)
    return Pieces(
        source.schedule(),
        source.preferences(),
        point.welfare,
        None if isinstance(spending, str) else jnp.asarray(spending, float),
        jnp.asarray(said.rebate, float),
        tuple(compared(point, path).values()),
        said.kind == "40 hours",
    )


def _incomes(point: DesignPoint) -> Hashable:
    """Return what a point's workers depend on, before calibration and beside the seed."""
    source = point.source
    incomes = json.dumps(msgspec.to_builtins(point.document.incomes), sort_keys=True)
    return incomes, source.incomes, source.year, source.status, source.size
