"""A table of what archetypes answer: one question per persona cell and bin of skill."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from econjax import BracketSchedule, Economy, Population, Utilitarian
from llm_policy.answers.choice_sets import probabilities
from llm_policy.answers.elicitation import is_answer
from llm_policy.archetypes.table import Table
from llm_policy.engines.base import Engine, EngineError
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

ALONE = Style(mode="choice", history=1, best=0, averages=False, nudges=False, explore=False)
"""How archetypes are asked: about one step, with nothing to try."""


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
