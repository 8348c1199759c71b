"""Millions of workers whose hours are drawn from those of few language models, by tax year."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, settle
from econjax.planning import Report
from econjax.population import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare
from llm_policy.archetypes.cells import PersonCells, person_cells
from llm_policy.archetypes.crowd import PeopledEconomy, personas_at
from llm_policy.archetypes.device import Drawn, scored
from llm_policy.archetypes.lives import FewAnswers, ask, begun, remembering
from llm_policy.archetypes.nodes import ArchetypeLinks, HeldOutError, Nodes, links_of, nodes_of
from llm_policy.archetypes.speakers import speakers_of
from llm_policy.personas.draw import generator
from llm_policy.prompts.workers import Situation
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.chances import Chances, Moment
from llm_policy.workers.lived import SUBSISTENCE, LivedStep
from llm_policy.workers.llm import present
from llm_policy.workers.reports import year_report
from llm_policy.workers.society import Society, State

MakeWorkers = Callable[[PeopledEconomy], RecordedWorkers]
"""Makes language models of people, in the order in which they stand."""
TOLERANCE = 0.0
"""Jensen-Shannon divergence in bits above which interpolation between two skills is not enough: all
the archetypes that there may be are used. What is missed between skills errs in one direction in
all cells, so that little of it by worker is much for the mean."""
_NODES_A_CELL, _FEW_CELLS = 32, 4
"""Archetypes to a cell, fewer where that leaves fewer cells than a few. What people of a cell
differ in averages out over its archetypes; what is missed between skills does not."""


@dataclass
class Archetypes:
    """Few language models, and which of them every worker of a crowd is drawn from.

    `workers` are asked in the place of the crowd's workers at `nodes`, with the persona of the
    workers `speaker`, of the same cell (`speakers_of`). `held_out` says what interpolation between
    skills errs by under the schedule that they were chosen for. `decisions` counts hours drawn for
    the crowd's workers, and `calls` what the models were asked for them, to choose the nodes too.
    """

    crowd: PeopledEconomy
    cells: PersonCells
    nodes: Nodes
    links: ArchetypeLinks
    speaker: Int[np.ndarray, " rows"]
    workers: RecordedWorkers
    make: MakeWorkers
    held_out: HeldOutError
    decisions: int = 0
    calls: int = 0

    def spoken_for(self, key: Key[Array, ""], place: Int[np.ndarray, " n"]) -> PeopledEconomy:
        """Return workers at some places of the crowd with personas that speak for them.

        Of a worker's two archetypes it is that of the one after with the chance of its share.
        """
        luck = generator(key).random(len(place))
        row = self.links.left[place] + (luck < self.links.share[place])
        return spoken_for(self.crowd, place, self.speaker[row])

    def drawn(self, answers: FewAnswers) -> Drawn:
        """Return of which chances everybody's hours are drawn."""
        known = np.where(answers.understood[:, None], answers.probabilities, 0)
        dtype = self.crowd.economy.population.skill.dtype
        return Drawn(
            jnp.asarray(self.links.left),
            jnp.asarray(self.links.share, dtype),
            jnp.asarray(np.cumsum(known, axis=1), dtype),
            self.workers.hours,
        )


def archetypes_of(
    crowd: PeopledEconomy,
    make: MakeWorkers,
    schedule: BracketSchedule,
    *,
    most: int = 512,
    tolerance: float = TOLERANCE,
    cells: PersonCells | None = None,
) -> Archetypes:
    """Choose at most so many archetypes for a crowd, by asking them under a schedule.

    There is a cell of like people for every 32 of them, and 4 at least if that leaves 8 for each
    (`person_cells`, if `cells` are not given),
    the nodes of skill are where interpolation errs most (`nodes_of`), and at each another person
    speaks (`speakers_of`). How often models are asked does not depend on the number of workers.

    Raises:
        ValueError: fewer archetypes than twice the cells, or a tolerance that is no share.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    few = max(1, min(_FEW_CELLS, most // 8))
    cells = person_cells(crowd, max(few, most // _NODES_A_CELL)) if cells is None else cells
    count = len(cells.typical)
    if most < min(2 * count, crowd.economy.population.agents) or not 0 <= tolerance <= 1:
        raise ValueError(
            f"{count} cells of people have at least {2 * count} archetypes, and an error from 0 to "
            f"1 is borne; got {most} and {tolerance}."
        )
    question = _Question(crowd, cells, make, schedule, size=2 * count)
    nodes, held_out = nodes_of(crowd, cells, schedule, question, most=most, tolerance=tolerance)
    links = links_of(crowd, cells, nodes)
    weight = _weights(crowd, links, len(nodes.cell))
    speaker = speakers_of(crowd, cells, nodes, links)
    workers = make(spoken_for(crowd, nodes.place, speaker, weight))
    return Archetypes(
        crowd, cells, nodes, links, speaker, workers, make, held_out, calls=question.calls
    )


class _Question:
    """Asks the typical people of cells in the place of workers, in batches of one size.

    What a batch lacks stands in it with fixed hours, and is not asked: so programs are compiled
    once.
    """

    def __init__(
        self,
        crowd: PeopledEconomy,
        cells: PersonCells,
        make: MakeWorkers,
        schedule: BracketSchedule,
        *,
        size: int,
    ):
        self._crowd, self._cells, self._make, self._size = crowd, cells, make, size
        self._schedule, self._rebate = schedule, _usual(crowd.economy, schedule)
        self.calls = 0

    def __call__(
        self, cell: Int[np.ndarray, " n"], place: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n options"], Bool[np.ndarray, " n"]]:
        """Return how likely they find each of the hours on offer, and who was understood."""
        starts = range(0, len(cell), self._size)
        parts = [
            self._batch(cell[start : start + self._size], place[start : start + self._size])
            for start in starts
        ]
        probabilities, understood = (np.concatenate(each) for each in zip(*parts, strict=True))
        return probabilities, understood

    def _batch(self, cell: Int[np.ndarray, " n"], place: Int[np.ndarray, " n"]):
        count, lacks = len(cell), self._size - len(cell)
        cell, place = (np.pad(each, (0, lacks), mode="edge") for each in (cell, place))
        some = spoken_for(self._crowd, place, self._cells.typical[cell])
        fixed = np.full(self._size, np.nan) if some.fixed is None else some.fixed
        fixed = np.where(np.arange(self._size) < count, fixed, 0.0)
        workers = self._make(some._replace(fixed=fixed))
        state = begun(workers, self._schedule, self._rebate).next_year(self._schedule)
        found = ask(jax.random.key(0), workers, state.situation(), state.memory)
        self.calls += len(workers.models.asked)
        return found.probabilities[:count], found.understood[:count]


def spoken_for(
    crowd: PeopledEconomy,
    place: Int[np.ndarray, " n"],
    speaker: Int[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"] | None = None,
) -> PeopledEconomy:
    """Return workers at some places, each with the persona of another one, its speaker."""
    some = crowd.some(place, weight)
    people = personas_at(crowd.personas, speaker)
    return some._replace(personas=replace(people, skill=some.personas.skill))


def _weights(crowd: PeopledEconomy, links: ArchetypeLinks, rows: int) -> Float[np.ndarray, " rows"]:
    """Return the share of the population that is drawn from each archetype."""
    weight = np.asarray(crowd.economy.population.weight).astype(float)
    found = np.bincount(links.left, weight * (1 - links.share), rows + 1)
    found += np.bincount(links.left + 1, weight * links.share, rows + 1)
    return found[:rows]


@eqx.filter_jit
def _usual(economy: Economy, schedule: BracketSchedule) -> Float[Array, ""]:
    """Return the rebate if everybody works 40 hours."""
    labor = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
    return settle(economy, schedule, labor).rebate


class CrowdStep(NamedTuple):
    """A step of a crowd: what all knew before it, what it was drawn from, and how it counts."""

    economy: Economy
    lived: LivedStep
    situation: Situation
    answers: FewAnswers
    rebate: float


class ArchetypeSociety:
    """A crowd that lives tax years as a `Society` does, while its archetypes alone are asked.

    An archetype remembers what was drawn for itself, with the rebate that all workers bring. All
    are scored on the device: by their chances where they are few, otherwise by draws. It is what a
    `ModelEvaluator` evaluates schedules with.

    Raises:
        ValueError: what `Society` raises.
    """

    def __init__(
        self,
        archetypes: Archetypes,
        welfare: AbstractWelfare,
        *,
        subsistence: float | None = SUBSISTENCE,
    ):
        self.archetypes, self.welfare, self.subsistence = archetypes, welfare, subsistence
        self.economy, self.answering = archetypes.crowd.economy, archetypes.workers
        Society(archetypes.workers, welfare, subsistence=subsistence)  # checks all of them

    def begin(self, schedule: BracketSchedule) -> State:
        """Return the state after a step 0 in which everybody works 40 hours under `schedule`."""
        return begun(self.archetypes.workers, schedule, _usual(self.economy, schedule))

    def tax_year(
        self,
        key: Key[Array, ""],
        state: State,
        schedule: BracketSchedule,
        *,
        steps: int,
        on_step: Callable[[int, CrowdStep, Report], None] = lambda number, step, report: None,
    ) -> tuple[Report, State]:
        """Live `steps` steps under one schedule; return their mean report with its standard error.

        The error is for a year lived again by the same archetypes, with other luck.

        Raises:
            ValueError: a year without a step.
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if steps < 1:
            raise ValueError(f"A tax year has at least 1 step; got {steps}.")
        state = state.next_year(schedule)
        reports, moments = [], []
        for place in range(steps):
            number = state.step + 1
            step, state, moment = self._step(
                jax.random.fold_in(key, number), state, last=place == steps - 1
            )
            on_step(number, step, step.lived.report)
            reports.append(step.lived.report)
            moments.append(moment)
        deciding = self.archetypes.workers.deciding
        options = {"subsistence": self.subsistence, "deciding": deciding}
        return year_report(schedule, reports, moments, self.welfare, **options), state

    def _step(
        self, key: Key[Array, ""], state: State, *, last: bool
    ) -> tuple[CrowdStep, State, Moment]:
        few, schedule = self.archetypes.workers, state.laws[state.tax_year]
        situation = state.situation("exploit" if last else "explore")
        answer_key, _ = jax.random.split(key)
        answers = ask(answer_key, few, situation, state.memory)
        draw_key = jax.random.fold_in(key, _DRAWS_KEY)
        economy, counts = scored(
            draw_key,
            self.economy,
            schedule,
            self.archetypes.drawn(answers),
            self.welfare,
            self.subsistence,
        )
        self.archetypes.calls += len(few.models.asked)
        self.archetypes.decisions += self.economy.population.agents
        rebate = float(counts.report.rebate)
        state = replace(state, step=state.step + 1, rebate=rebate)
        state = remembering(state, few.economy, answers.labor, answers.understood)
        known = present(few.economy.population, jnp.asarray(answers.understood))
        among = eqx.tree_at(lambda e: e.population, few.economy, known)
        chances = Chances(few.hours, jnp.asarray(answers.probabilities, few.hours.dtype))
        moment = Moment(among, answers.labor, chances, draw_key, None, counts.error)
        return CrowdStep(economy, counts, situation, answers, rebate), state, moment


_DRAWS_KEY = 2  # as in a society
