"""A few language-model workers asked once, whose answers any number of workers is drawn from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, Outcome, Population
from econjax.dynamics.policies import Chosen
from econjax.schedule import AbstractSchedule


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
