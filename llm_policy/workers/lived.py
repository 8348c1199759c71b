"""Welfare as lived by workers who may err: what a year counts as, and what errors cost.

A worker who errs may have a utility of minus a million dollars: under `Quasilinear` preferences
effort at 100 hours costs 98 times what it does at 40 (elasticity 0.25). A welfare function that
takes such years at their word ranks schedules by who drew fewer of them. A choice that errs is no
measure of welfare (Bernheim and Rangel 2009); what it brings is read here as experienced utility
(Kahneman, Wakker and Sarin 1997) of somebody who may leave: nobody's year counts as less than one
without any work would have brought, nor than a subsistence, unless the worker's own best is less.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from econjax import BracketSchedule, Economy, Outcome, Population, best_response
from econjax.economy import income_and_tax, utility_of
from econjax.planning import Report, summarise
from econjax.schedule import AbstractSchedule
from econjax.welfare import AbstractWelfare

SUBSISTENCE = 15_060.0
"""Dollars a year: the poverty guideline of 2024 for one person in the 48 contiguous states
(US Department of Health and Human Services, 89 FR 2961)."""
_DISCONTENT, _MATERIAL = 0.5, 0.1


class Standing(NamedTuple):
    """What each worker's best hours would bring at a rebate, and the least that a year counts as.

    All are utilities; `scale` is the size of the best or, if that is more, the subsistence.
    """

    best: Float[Array, " agents"]
    least: Float[Array, " agents"]
    scale: Float[Array, " agents"]


class LivedStep(NamedTuple):
    """A step as it counts: the report, and by worker what its error cost and if it was bounded.

    `lost` is utility short of the worker's own best at the rebate that was paid, without any bound;
    `bounded` the chance, 0 to 1, that the year counts as more than its utility by over a tenth of
    the worker's own best or, if that is more, of the subsistence. `error` is the
    standard error of the equivalent where draws stand for an expectation, otherwise 0.
    """

    report: Report
    lost: Float[Array, " agents"]
    bounded: Float[Array, " agents"]
    error: Float[Array, ""]


def own_best(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> Float[Array, " agents"]:
    """Return each worker's best hours a week; they count as fixed in derivatives (envelope)."""
    return jax.lax.stop_gradient(best_response(economy, schedule, rebate))


def standing(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    best: Float[Array, " agents"],
    subsistence: float,
) -> Standing:
    """Return v, the utility of the `best` hours, and the least that a year counts as.

    That is l = min(v, max(e, s)), with e the utility of no work at the same rebate, and s the
    `subsistence` in dollars, which has no part in it where utility is not in dollars. Who chooses
    best is never touched, however poor: the bound is on errors, not on poverty.

    Influence is bounded. A worker of weight w who moves from best to worst hours at an unchanged
    rebate lowers the log of the Atkinson equivalent of aversion 1 by at most w log(v / l), the mean
    by at most w (v - l), its own share of the money, and the lowest utility to max(e, s) at most,
    if it was above. What the worker then pays in taxes, T' instead of T, is money that everybody
    gets or lacks: w (T' - T) dollars of rebate a head are real, and no mistake of measurement.
    """
    nothing = jnp.zeros_like(best)

    def utility(labor: Float[Array, " agents"]) -> Float[Array, " agents"]:
        income, tax = income_and_tax(economy.population, schedule, labor)
        return utility_of(economy, income - tax + rebate, labor)

    worth, leaving = utility(best), utility(nothing)
    floor = subsistence if economy.preferences.utility_in_dollars else -jnp.inf
    least = jnp.minimum(worth, jnp.maximum(leaving, floor))
    return Standing(worth, least, jnp.maximum(jnp.abs(worth), floor))


def on_offer(
    population: Population, schedule: AbstractSchedule, labor: Float[Array, "agents options"]
) -> tuple[Float[Array, "agents options"], Float[Array, "agents options"]]:
    """Return everybody's income at each of some hours, and the tax less credits."""
    return jax.vmap(partial(income_and_tax, population, schedule), 1, 1)(labor)


def counted(
    utility: Float[Array, " agents"], stands: Standing
) -> tuple[Float[Array, " agents"], Bool[Array, " agents"]]:
    """Return utilities as they count, and whose are raised by over a tenth of `stands.scale`."""
    raised = stands.least - utility > _MATERIAL * stands.scale
    return jnp.maximum(utility, stands.least), raised


def felt(
    utility: Float[Array, " agents"], satisfied: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return utility after satisfaction: less by half its size for who is not satisfied (0)."""
    return jnp.where(satisfied == 0, utility - (1 - _DISCONTENT) * jnp.abs(utility), utility)


@eqx.filter_jit
def lived(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    welfare: AbstractWelfare,
    *,
    best: Float[Array, " agents"],
    subsistence: float | None,
    understood: Float[Array, ""],
    satisfied: Float[Array, " agents"] | None = None,
) -> LivedStep:
    """Return an outcome as it counts, `best` being everybody's own best hours.

    Without a `subsistence` it counts as it is. With `satisfied`, whoever is not has `felt` less.
    The report has no elasticities: nobody knows those of language-model workers.
    """
    stands = standing(economy, schedule, outcome.rebate, best, subsistence or 0.0)
    utility, bounded = outcome.utility, jnp.zeros(outcome.utility.shape, bool)
    if subsistence is not None:
        utility, bounded = counted(utility, stands)
    if satisfied is not None:
        utility = felt(utility, satisfied)
    as_counted = eqx.tree_at(lambda o: o.utility, outcome, utility)
    report = summarise(economy, schedule, as_counted, welfare, understood=understood)
    lost = jnp.maximum(stands.best - outcome.utility, 0)
    zero = jnp.zeros_like(outcome.rebate)
    return LivedStep(_untold(report), lost, bounded.astype(lost.dtype), zero)


def _untold(report: Report) -> Report:
    """Return the report without elasticities."""
    return replace(
        report, brackets=replace(report.brackets, elasticity=None, elasticity_variance=None)
    )
