"""A few language-model workers asked once, whose answers any number of workers is drawn from."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, Outcome, Population, Utilitarian
from econjax.dynamics.policies import Chosen
from econjax.schedule import AbstractSchedule
from llm_policy.answers.choice_sets import probabilities
from llm_policy.answers.elicitation import is_answer
from llm_policy.engines.base import Engine, EngineError
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

ALONE = Style(mode="choice", history=1, best=0, averages=False, nudges=False, explore=False)
"""How archetypes are asked: about one step, with nothing to try."""


class Table(eqx.Module):
    """How likely each archetype finds each of a few weekly hours, under each of several schedules.

    An archetype is a persona cell and a bin of skill. Bin b holds the skills above edge b - 1, in
    dollars of annual income per weekly hour, up to edge b itself; the first and the last bin are
    open. `weight` is the share of the population in each, and `asked` who was there to be asked.
    Where `understood` is false the model said nothing about its hours, or was not asked: these
    probabilities are NaN.
    """

    probabilities: Float[Array, "cells bins schedules options"]
    understood: Bool[Array, "cells bins schedules"]
    asked: Bool[Array, "cells bins"]
    weight: Float[Array, "cells bins"]
    edges: Float[Array, " edges"]
    hours: Float[Array, " options"]
    schedules: tuple[BracketSchedule, ...]


def elicit(
    engine: Engine,
    economy: Economy,
    cells: Int[np.ndarray, " agents"],
    texts: Sequence[str],
    schedules: Sequence[BracketSchedule],
    *,
    bins: int = 5,
    style: Style = ALONE,
    most_unread: float = 0.2,
) -> Table:
    """Ask every archetype that the population has, in one batch per schedule, and return the table.

    `cells` is each worker's persona cell, a place in `texts`, which say who the people of a cell
    are but no amount of money, for they earn different ones; everyone of a cell is of one group and
    has the same credits. Bins are quantiles of skill by weight. An archetype has the weighted mean
    of its people in all that they differ in, and remembers one step of 40 hours under the schedule,
    with the rebate that archetypes who all work so long would bring.

    Raises:
        ValueError: cells that do not fit the population or the texts, or mix groups or kinds of
            credits; a text with an amount of money, no schedule, no bin, or a style of text mode.
        EngineError: more than `most_unread` of the population, by weight and schedule, are
            archetypes about whose hours the model said nothing; or the engine cannot answer.
    """
    _check(economy, cells, texts, schedules, bins, style)
    edges, place = _bins(economy.population, bins)
    weight = np.zeros((len(texts), bins))
    np.add.at(weight, (np.asarray(cells), place), np.asarray(economy.population.weight, float))
    cell, bin_ = np.nonzero(weight)
    row = np.searchsorted(cell * bins + bin_, np.asarray(cells) * bins + place)
    few = _representatives(economy, np.minimum(row, len(cell) - 1), len(cell))
    personas = [texts[c] for c in map(int, cell)]
    workers = LLMWorkers(engine, few, personas, scenario="bounded", style=style)
    probabilities, leaked = zip(*(_ask(workers, schedule) for schedule in schedules), strict=True)
    understood = is_answer(np.stack(leaked, axis=1), workers.asker.most_leaked)
    unread = float(weight[cell, bin_] @ (~understood).mean(axis=1))
    if unread > most_unread or not understood.any():
        raise EngineError(
            f"The model said nothing about the hours of {unread:.0%} of the population (at most "
            f"{most_unread:.0%}): most of its probability is on none of the options. Use a model "
            "that answers with one of them."
        )
    rows = np.where(understood[..., None], np.stack(probabilities, axis=1), np.nan)
    known = np.zeros((*weight.shape, len(schedules)), bool)
    known[cell, bin_] = understood
    table = np.full((*known.shape, rows.shape[-1]), np.nan)
    table[cell, bin_] = rows
    return Table(
        probabilities=jnp.asarray(table, float),
        understood=jnp.asarray(known),
        asked=jnp.asarray(weight > 0),
        weight=jnp.asarray(weight, float),
        edges=jnp.asarray(edges),
        hours=jnp.asarray(workers.choice_set.values, float),
        schedules=tuple(schedules),
    )


def sample(
    key: Key[Array, "..."],
    table: Table,
    cell: Int[Array, " agents"],
    skill: Float[Array, " agents"],
    schedule_index: int,
) -> Float[Array, " agents"]:
    """Return weekly hours of any number of workers, each drawn from its archetype's probabilities.

    With one `key` the draw belongs to a worker's place in the arrays; with a key for each worker,
    [agents], it belongs to the worker, so that another order of workers changes nobody's hours. The
    same key brings the same draw under every schedule.

    Raises:
        ValueError: arrays of unequal length, a schedule that the table does not have, or a worker
            whose archetype was not asked or not understood. Under `jit`, where nobody can look,
            such a worker's hours are NaN.
    """
    index = _index(table, schedule_index)
    _check_workers(table, cell, skill, index)
    return _sample(key, table, jnp.asarray(cell), jnp.asarray(skill), jnp.asarray(index))


class ArchetypePolicy(eqx.Module):
    """Workers drawn from a table under one of its schedules: a `LaborPolicy`.

    `cell` is the persona cell of each worker of the `population`. A draw has no derivative: asking
    for one raises a TypeError. A worker whose skill moves to where nobody was asked has NaN hours.

    Raises:
        ValueError: what `sample` raises; at a call, a schedule of another kind or size than the
        table's.
        EquinoxRuntimeError: at a call, a schedule of other thresholds or rates.
    """

    table: Table
    cell: Int[Array, " agents"]
    schedule_index: int = eqx.field(static=True)

    def __init__(
        self,
        table: Table,
        population: Population,
        cell: Int[Array, " agents"],
        *,
        schedule_index: int,
    ):
        self.table, self.cell = table, jnp.asarray(cell)
        self.schedule_index = _index(table, schedule_index)
        _check_workers(table, self.cell, population.skill, self.schedule_index)

    def init(self, key: Key[Array, ""], economy: Economy) -> None:
        """Return no state."""

    def __call__(
        self,
        key: Key[Array, ""],
        state: None,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return one draw for each worker."""
        economy, schedule, _ = _not_differentiated((economy, schedule, last.rebate))
        own, skill = self.table.schedules[self.schedule_index], economy.population.skill
        if not isinstance(schedule, BracketSchedule) or schedule.rates.shape != own.rates.shape:
            raise ValueError(f"{_OTHER_SCHEDULE} Got another kind or number of brackets.")
        same = jnp.allclose(schedule.rates, own.rates, atol=1e-6)
        same &= jnp.allclose(schedule.thresholds, own.thresholds)
        skill = eqx.error_if(skill, ~same, _OTHER_SCHEDULE)
        return Chosen(sample(key, self.table, self.cell, skill, self.schedule_index), None)


_OTHER_SCHEDULE = (
    "These workers were asked about another schedule: choose the table's, or elicit them anew."
)


@eqx.filter_jit
def _sample(
    key: Key[Array, "..."],
    table: Table,
    cell: Int[Array, " agents"],
    skill: Float[Array, " agents"],
    index: Int[Array, ""],
) -> Float[Array, " agents"]:
    row, known = _locate(table, cell, skill, index)
    probabilities = table.probabilities[:, :, index].reshape(table.asked.size, -1)
    below = [
        probabilities[:, 0]
    ]  # added up one by one: an option of no probability leaves the sum as it is
    for option in range(1, probabilities.shape[1]):
        below.append(below[-1] + probabilities[:, option])
    draw = (
        jax.random.uniform(key, cell.shape) if key.ndim == 0 else jax.vmap(jax.random.uniform)(key)
    )
    place = jnp.zeros(cell.shape, int)
    for edge in below[:-1]:
        place += draw >= (edge / below[-1])[row]
    return jnp.where(known, table.hours[place], jnp.nan)


@eqx.filter_jit
def _locate(
    table: Table, cell: Int[Array, " agents"], skill: Float[Array, " agents"], index: Int[Array, ""]
) -> tuple[Int[Array, " agents"], Bool[Array, " agents"]]:
    """Return each worker's row among cells x bins, and whether its archetype was understood."""
    cells, bins = table.asked.shape
    row = cell * bins
    for edge in table.edges:
        row += skill > edge
    return row, table.understood[:, :, index].ravel()[row] & (cell >= 0) & (cell < cells)


def _bins(
    population: Population, bins: int
) -> tuple[Float[np.ndarray, " edges"], Int[np.ndarray, " agents"]]:
    """Return the skills at the inner quantiles, by weight, and each worker's bin."""
    skill, weight = np.asarray(population.skill), np.asarray(population.weight, float)
    order = np.argsort(skill, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, np.arange(1, bins) / bins * reached[-1] - 1e-9)
    edges = skill[order][at]
    return edges, np.searchsorted(edges, skill, side="left")


def _representatives(economy: Economy, row: Int[np.ndarray, " agents"], rows: int) -> Economy:
    """Return the economy of the archetypes: one worker per row, like the mean worker of it."""
    population = economy.population
    share = np.asarray(population.weight, float)
    weight = np.bincount(row, share, rows)

    def mean(values: Float[Array, " agents"]) -> Float[np.ndarray, " rows"]:
        return np.bincount(row, share * np.asarray(values, float), rows) / weight

    def one(number: Int[Array, " agents"]) -> Int[Array, " rows"]:
        """Return the number that everyone of a row has."""
        of_row = np.zeros(rows, int)
        of_row[row[share > 0]] = np.asarray(number)[share > 0]
        return jnp.asarray(of_row)

    own = {name: getattr(population, name) for name in _LEFT_OUT}
    group, credits = population.group, population.credits
    few = Population(
        mean(population.skill),
        taste=mean(population.taste),
        weight=weight / weight.sum(),
        **{name: mean(values) for name, values in own.items() if values is not None},
        credits=credits and eqx.tree_at(lambda c: c.kind, credits, one(credits.kind)),
        group=None if group is None else one(group),
        groups=population.groups,
    )
    return eqx.tree_at(lambda e: e.population, economy, few)


_LEFT_OUT = ("elasticity", "fixed_cost", "other_income", "credit")
"""What a population may leave out, and an archetype has the mean of."""


def _ask(
    workers: LLMWorkers, schedule: BracketSchedule
) -> tuple[Float[np.ndarray, "rows options"], Float[np.ndarray, " rows"]]:
    state = Society(workers, Utilitarian()).begin(schedule)
    prompts = workers.prompts(Situation(schedule, 1, {}, state.rebate, "explore"), state.memory)
    return probabilities(workers.engine, prompts, workers.choice_set, workers.asked)


def _check(
    economy: Economy,
    cells: Int[np.ndarray, " agents"],
    texts: Sequence[str],
    schedules: Sequence[BracketSchedule],
    bins: int,
    style: Style,
) -> None:
    agents, cells = economy.population.agents, np.asarray(cells)
    if cells.shape != (agents,):
        raise ValueError(
            f"cells has one entry per worker, {agents} in all; got shape {cells.shape}."
        )
    if not texts or cells.min() < 0 or cells.max() >= len(texts):
        raise ValueError(
            f"Cells are places in the {len(texts)} texts; got cells from {cells.min()} to "
            f"{cells.max()}: give a text for each."
        )
    if priced := [cell for cell, text in enumerate(texts) if "$" in text]:
        raise ValueError(
            "People of one cell earn different amounts, so its text states none; take it out of "
            f"cell {priced[0]}: {texts[priced[0]]!r}."
        )
    population = economy.population
    credits = population.credits and population.credits.kind
    for what, number in (("group", population.group), ("kind of credits", credits)):
        if number is not None:
            _check_alike(what, np.asarray(number), cells)
    if not schedules or bins < 1:
        raise ValueError(
            f"A table has at least 1 schedule and 1 bin of skill; got {len(schedules)} and {bins}."
        )
    if style.mode != "choice":
        raise ValueError(
            f'Archetypes answer in choice mode: give Style(mode="choice"); got {style.mode!r}.'
        )


def _check_alike(
    what: str, number: Int[np.ndarray, " agents"], cells: Int[np.ndarray, " agents"]
) -> None:
    """Check that everyone of a cell has the same number."""
    first = np.zeros(cells.max() + 1, int)
    first[cells] = number  # somebody's of the cell
    if (differs := first[cells] != number).any():
        worker = int(np.argmax(differs))
        raise ValueError(
            f"Everyone of a cell is of one {what}, but cell {cells[worker]} has people of "
            f"{first[cells[worker]]} and {number[worker]}: divide it."
        )


def _check_workers(
    table: Table, cell: Int[Array, " agents"], skill: Float[Array, " agents"], index: int
) -> None:
    """Check that every worker has an archetype who was understood, where the workers are known."""
    if cell.shape != skill.shape:
        raise ValueError(
            f"Each worker has a cell and a skill; got {cell.shape[0]} cells and {skill.shape[0]} "
            "skills."
        )
    if any(isinstance(values, Tracer) for values in (cell, skill, *jax.tree.leaves(table))):
        return
    known = np.asarray(_locate(table, jnp.asarray(cell), jnp.asarray(skill), jnp.asarray(index))[1])
    if not known.all():
        first = int(np.argmin(known))
        raise ValueError(
            f"{int((~known).sum()):,} workers have no archetype who was asked and understood, the "
            f"first of them worker {first}, of cell {cell[first]} and a skill of "
            f"${skill[first]:,.0f} a year per weekly hour: elicit the table on a population that "
            "has such people, or leave them out."
        )


def _index(table: Table, schedule_index: int) -> int:
    if not 0 <= schedule_index < len(table.schedules):
        raise ValueError(
            f"The table's schedules are 0 to {len(table.schedules) - 1}; got {schedule_index}: "
            "elicit it under the schedule you want."
        )
    return int(schedule_index)


@eqx.filter_custom_jvp
def _not_differentiated(values):
    return values


@_not_differentiated.def_jvp
def _no_derivative(primals, tangents):
    raise TypeError(
        "Hours drawn from a table have no useful derivative: nobody would seem to respond. Use the "
        "econjax policy Rational(), or a method without gradients."
    )
