"""A big population in the order of skill, with a person for each of its workers."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from econjax import Economy, Population
from llm_policy.personas.draw import Personas, draw_personas

_AT_ONCE = 2**20
"""Workers whose people are drawn together."""
_COLUMNS = (
    "skill",
    "taste",
    "elasticity",
    "fixed_cost",
    "other_income",
    "credit",
    "group",
)


class PeopledEconomy(NamedTuple):
    """An economy whose workers stand in the order of skill, and who they are.

    `fixed` holds the hours of whom no model is asked, NaN of the others; None: all are asked.
    """

    economy: Economy
    personas: Personas
    fixed: Float[np.ndarray, " agents"] | None = None

    @property
    def stratum(self) -> Int[np.ndarray, " agents"]:
        """A number for each worker's group, kind of credits, and whether a model is asked."""
        population = self.economy.population
        number = np.zeros(population.agents, np.int32)
        if population.group is not None:
            number += np.asarray(population.group, np.int32)
        if population.credits is not None:
            kinds = population.credits.rates.shape[0]
            number = number * kinds + np.asarray(population.credits.kind, np.int32)
        if self.fixed is not None:
            number = 2 * number + ~np.isnan(self.fixed)
        return np.unique(number, return_inverse=True)[1].astype(np.int32)

    def some(
        self, place: Int[np.ndarray, " n"], weight: Float[np.ndarray, " n"] | None = None
    ) -> "PeopledEconomy":
        """Return the workers at some places, of their own weights if none are given."""
        population = workers_at(self.economy.population, place, weight)
        fixed = None if self.fixed is None else self.fixed[place]
        economy = eqx.tree_at(lambda e: e.population, self.economy, population)
        return PeopledEconomy(economy, personas_at(self.personas, place), fixed)


def crowd_of(
    key: Key[Array, ""], economy: Economy, fixed: Float[np.ndarray, " agents"] | None = None
) -> PeopledEconomy:
    """Return the workers in the order of skill, each with a persona drawn as `draw_personas` does.

    Whoever has equal skill stands in the order of the rest, so that the order in which workers came
    changes nothing. Of more than a million, every so manieth in that order is drawn together.
    """
    population = economy.population
    place = _order(population)
    if place is not None:
        ordered = workers_at(population, place)
        economy = eqx.tree_at(lambda e: e.population, economy, ordered)
        fixed = None if fixed is None else fixed[place]
    return PeopledEconomy(economy, _drawn(key, economy.population), fixed)


def workers_at(
    population: Population,
    place: Int[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"] | None = None,
) -> Population:
    """Return the population of the workers at some places, of their own weights if none given."""
    own = {
        name: np.asarray(values)[place]
        for name in _COLUMNS
        if (values := getattr(population, name)) is not None
    }
    weight = np.asarray(population.weight)[place] if weight is None else weight
    weight = weight.astype(float)
    credits = population.credits
    if credits is not None:
        kind = np.asarray(credits.kind)[place]
        credits = eqx.tree_at(lambda c: c.kind, credits, jax.numpy.asarray(kind))
    groups = None if population.group is None else population.groups
    return Population(weight=weight / weight.sum(), credits=credits, groups=groups, **own)


def personas_at(personas: Personas, place: Int[np.ndarray, " n"] | slice) -> Personas:
    """Return the people at some places."""
    return Personas(**{field.name: getattr(personas, field.name)[place] for field in _FIELDS})


_FIELDS = dataclasses.fields(Personas)


def _order(population: Population) -> Int[np.ndarray, " agents"] | None:
    """Return the places in the order of skill, then of all else; None if they stand so."""
    skill = np.asarray(population.skill)
    if np.all(skill[1:] > skill[:-1]):
        return None
    rest = [np.asarray(population.weight)]
    rest += [
        np.asarray(values)
        for name in _COLUMNS[1:]
        if (values := getattr(population, name)) is not None
    ]
    if population.credits is not None:
        rest.append(np.asarray(population.credits.kind))
    return np.lexsort([*rest, skill])


def _drawn(key: Key[Array, ""], population: Population) -> Personas:
    """Return a persona for each worker, in codes of 16 bits."""
    agents = population.agents
    blocks = -(-agents // _AT_ONCE)
    if blocks == 1:
        return draw_personas(key, population)
    skill, weight = np.asarray(population.skill), np.asarray(population.weight)
    columns = {
        field.name: np.empty(agents, bool if field.name == "woman" else np.int16)
        for field in _FIELDS
    } | {"skill": skill}
    for block in range(blocks):
        some = weight[block::blocks].astype(float)
        part = Population(skill[block::blocks], weight=some / some.sum())
        people = draw_personas(jax.random.fold_in(key, block), part)
        for field in _FIELDS:
            if field.name != "skill":
                columns[field.name][block::blocks] = getattr(people, field.name)
    return Personas(**columns)
