"""What is computed of one economy: the best schedule, and what it and others bring. Pure."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from baselines.gradient.loop import climbed
from econjax import (
    AbstractPreferences,
    AbstractSchedule,
    BracketSchedule,
    Economy,
    Outcome,
    Population,
    calibrate,
    equilibrium,
)
from econjax.optimal import converged_saez
from econjax.optimal.one_elasticity import is_of_one_elasticity, outcomes_at
from econjax.welfare import AbstractWelfare


class Pieces(eqx.Module):
    """What makes an economy of a population, and what is sought in it: a point of a design.

    `spending` is money a head; None for what the law collects. With `calibrated`, workers work 40
    hours under the law at the `rebate`. `beside` are schedules to compare, besides the law.
    """

    law: BracketSchedule
    preferences: AbstractPreferences
    welfare: AbstractWelfare
    spending: Float[Array, ""] | None
    rebate: Float[Array, ""]
    beside: tuple[AbstractSchedule, ...]
    calibrated: bool = eqx.field(static=True)


class SearchRule(NamedTuple):
    """How the best schedule is sought: by the Saez formula to a tolerance, or along gradients."""

    planner: str
    tolerance: float
    most_steps: int


class Brought(NamedTuple):
    """What a schedule brings, in dollars a year per head; labor in hours, floored as a share."""

    equivalent: Float[Array, ""]
    rebate: Float[Array, ""]
    income: Float[Array, ""]
    tax: Float[Array, ""]
    labor: Float[Array, ""]
    floored: Float[Array, ""]


class Found(NamedTuple):
    """The best rates found, how well that went, and what they, the law and others bring."""

    rates: Float[Array, " brackets"]
    gap: Float[Array, ""]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]
    brought: Brought


def solve_all(
    search: SearchRule,
    batch: int,
) -> Callable[[Population, Pieces, Int[Array, " cells"], Int[Array, " cells"]], Found]:
    """Return a function of stacked populations and pieces, and which of each makes every cell.

    `batch` cells are solved side by side, as lanes of one loop that lasts as long as the slowest;
    of one cell alone, nothing is waited for.
    """

    def solved(
        populations: Population,
        pieces: Pieces,
        workers: Int[Array, " cells"],
        points: Int[Array, " cells"],
    ) -> Found:
        def one(cell: tuple[Int[Array, ""], Int[Array, ""]]) -> Found:
            place, point = cell
            own = jax.tree.map(lambda leaf: leaf[place], populations)
            return solve(own, jax.tree.map(lambda leaf: leaf[point], pieces), search)

        return jax.lax.map(one, (workers, points), batch_size=None if batch == 1 else batch)

    return solved


def solve(population: Population, pieces: Pieces, search: SearchRule) -> Found:
    """Return the best rates in the law's brackets, and what they, the law and others bring."""
    economy, law = economy_of(population, pieces), pieces.law
    rates, gap, steps, converged = _best(economy, pieces, search)
    respond = _outcomes(economy, law.thresholds)

    def brought(outcome: Outcome) -> Brought:
        return _brought(economy, outcome, pieces.welfare)

    found = jax.lax.map(lambda own: brought(respond(own)), jnp.stack([rates, law.rates]))
    for other in pieces.beside:
        more = brought(_settled(economy, other))
        found = jax.tree.map(lambda some, one: jnp.append(some, one), found, more)
    return Found(rates, gap, steps, converged, found)


def shapes_of(tree: Any) -> tuple[Hashable, ...]:
    """Return what a program depends on of its arguments: their structure and shapes."""
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(tree))
    return jax.tree.structure(tree), shapes


def economy_of(population: Population, pieces: Pieces) -> Economy:
    """Return the economy that pieces make of a population."""
    wants, law = pieces.preferences, pieces.law
    if pieces.calibrated:
        population = calibrate(population, law, preferences=wants, rebate=pieces.rebate)
    if pieces.spending is not None:
        return Economy(population=population, preferences=wants, spending=pieces.spending)
    free = Economy(population=population, preferences=wants)
    collected = _settled(free, law).rebate
    return Economy(population=population, preferences=wants, spending=collected)


def _best(
    economy: Economy, pieces: Pieces, search: SearchRule
) -> tuple[Float[Array, " brackets"], Float[Array, ""], Int[Array, ""], Bool[Array, ""]]:
    if search.planner == "gradient":
        climb = climbed(economy, pieces.law, pieces.welfare, steps=search.most_steps)
        return climb.schedule.rates, climb.slope, climb.steps, climb.slope <= search.tolerance
    found = converged_saez(
        economy,
        pieces.law,
        pieces.welfare,
        tolerance=search.tolerance,
        most_steps=search.most_steps,
    )
    return found.schedule.rates, found.gap, found.steps, found.converged


def _settled(economy: Economy, schedule: AbstractSchedule) -> Outcome:
    if isinstance(schedule, BracketSchedule):
        return _outcomes(economy, schedule.thresholds)(schedule.rates)
    return equilibrium(economy, schedule).outcome


def _outcomes(
    economy: Economy, thresholds: Float[Array, " brackets"]
) -> Callable[[Float[Array, " brackets"]], Outcome]:
    """Return what says the outcome at any rates within these brackets."""
    if is_of_one_elasticity(economy, thresholds):
        return outcomes_at(economy, thresholds)
    return lambda rates: equilibrium(economy, BracketSchedule(thresholds, rates)).outcome


def _brought(economy: Economy, outcome: Outcome, welfare: AbstractWelfare) -> Brought:
    weight = economy.population.weight
    income, tax, labor = (
        jnp.sum(weight * each) for each in (outcome.income, outcome.tax, outcome.labor)
    )
    return Brought(
        equivalent=welfare.equivalent(economy.population, outcome),
        rebate=outcome.rebate,
        income=income,
        tax=tax,
        labor=labor,
        floored=welfare.floored(economy.population, outcome),
    )
