"""Formulas for optimal rates, the statistics of an economy that they need, and their fixed point."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require_scalar
from econjax._jumps import arriving_revenue, default_bandwidth
from econjax.economy import Economy, Outcome
from econjax.population import Population
from econjax.response import equilibrium
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


def linear_rate(weight: ArrayLike, *, elasticity: ArrayLike) -> Float[Array, "*shape"]:
    """Return the optimal flat rate, (1 - g) / (1 - g + e); with g = 0, the revenue-maximising one.

    `weight` is g = E[g_i z_i] / E[z_i], the income-weighted mean of marginal welfare weights of mean 1
    (Piketty and Saez 2013, section 3.1). It depends on the rate: `optimal_linear_rate` is the fixed point.
    """
    return top_rate(1.0, elasticity=elasticity, weight=weight)


def top_rate(
    pareto_index: ArrayLike,
    *,
    elasticity: ArrayLike,
    weight: ArrayLike = 0.0,
    compensated: ArrayLike | None = None,
) -> Float[Array, "*shape"]:
    """Return the optimal rate on high incomes, (1 - g) / (1 - g + e + e_c (a - 1)) (Saez 2001).

    `pareto_index` is a = m / (m - z), with m the mean of the incomes above z, and `weight` the mean marginal
    welfare weight g of those who earn them, where the mean of everyone's is 1; g = 0 maximises revenue
    (Diamond and Saez 2011). `elasticity` is uncompensated; the `compensated` one is the same without
    income effects, and then the rate is (1 - g) / (1 - g + a e).
    """
    gain, index = 1 - as_float(weight), as_float(pareto_index)
    compensated = elasticity if compensated is None else compensated
    return gain / (gain + as_float(elasticity) + as_float(compensated) * (index - 1))


def three_elasticity_top_rate(
    pareto_index: ArrayLike,
    *,
    real: ArrayLike,
    avoidance: ArrayLike = 0.0,
    bargaining: ArrayLike = 0.0,
    avoided_rate: ArrayLike = 0.0,
) -> Float[Array, "*shape"]:
    """Return the revenue-maximising top rate where not all of the elasticity is work.

    (1 + t a e2 + a e3) / (1 + a (e1 + e2 + e3)), with e1 the elasticity of `real` labor supply, e2 of
    `avoidance` into a base taxed at `avoided_rate` t, and e3 of `bargaining` at others' expense
    (Piketty, Saez and Stantcheva 2014).
    """
    a, t = as_float(pareto_index), as_float(avoided_rate)
    e1, e2, e3 = as_float(real), as_float(avoidance), as_float(bargaining)
    return (1 + a * (t * e2 + e3)) / (1 + a * (e1 + e2 + e3))


def asymptotic_rate(
    skill_index: ArrayLike, *, elasticity: ArrayLike, weight: ArrayLike = 0.0
) -> Float[Array, "*shape"]:
    """Return the limit of the optimal rate where skills have a Pareto tail of index k (Diamond 1998).

    t / (1 - t) = (1 + 1/e) (1 - g) / k, with g the mean marginal welfare weight of the highest. Incomes
    then have the index k / (1 + e): do not mix the two.
    """
    return top_rate(as_float(skill_index) / (1 + as_float(elasticity)), elasticity=elasticity, weight=weight)


def nonlinear_rate(
    potential: ArrayLike,
    *,
    density: ArrayLike,
    above: ArrayLike,
    weight_above: ArrayLike,
    elasticity: ArrayLike,
) -> Float[Array, "*shape"]:
    """Return the optimal marginal rate of a type, t / (1 - t) = (1/e) (1 - F) / (n f) (1 - G) (Diamond 1998).

    `potential` is n, the income that the type earns at a zero rate, in dollars; `density` is f, per
    dollar; `above` is 1 - F, the share of higher types, and `weight_above` G their mean marginal welfare
    weight, where the mean of everyone's is 1. In place of types, incomes z = n (1 - t)^e will do with the
    density that they would have if the schedule were straight at z; with their actual density the formula
    is wrong by up to 0.01. Quasi-linear preferences. G depends on the rates: `mirrlees_continuum` solves
    for both.
    """
    index = as_float(potential) * as_float(density) / as_float(above)
    return top_rate(index, elasticity=elasticity, weight=weight_above)


def pareto_index(
    income: Num[Array | np.ndarray, " agents"],
    threshold: ArrayLike,
    weight: Num[Array | np.ndarray, " agents"] | None = None,
) -> Float[Array, ""]:
    """Return a(z) = m / (m - z), with m the mean of incomes above a threshold z; infinite if there are none.

    For a Pareto tail it is the tail's index, at every z. `weight` counts people, equally if not given.
    """
    income, threshold = as_float(income), as_float(threshold)
    weight = jnp.ones_like(income) if weight is None else as_float(weight)
    above = jnp.where(income > threshold, weight, 0)
    excess = jnp.sum(above * jnp.maximum(income - threshold, 0))
    mean = jnp.sum(above * income)
    return jnp.where(excess > 0, mean / jnp.where(excess > 0, excess, 1), jnp.inf)


class BracketStatistics(eqx.Module):
    """What the bracket formula must know of an outcome, per head of the population and per bracket.

    `share` of the population has its last dollar in the bracket; `base` is the income in the bracket,
    in dollars a year; `weighted_base` is the same with every worker counted at its marginal welfare
    weight (mean 1); `active` is the whole income of those strictly inside the bracket, who alone respond
    to its rate: workers bunched at a threshold do not. Those who already work the longest week do not
    either, but count here as if they did.
    """

    share: Float[Array, " brackets"]
    base: Float[Array, " brackets"]
    weighted_base: Float[Array, " brackets"]
    active: Float[Array, " brackets"]


def bracket_statistics(
    population: Population, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    """Return the statistics of every bracket, with the weights of the welfare function itself."""

    def equivalent(utility: Float[Array, " agents"]) -> Float[Array, ""]:
        return welfare.equivalent(population, eqx.tree_at(lambda o: o.utility, outcome, utility))

    # Each entry is already multiplied by the worker's share of the population.
    social = jax.grad(equivalent)(outcome.utility)
    social = social / jnp.sum(social)
    income, weight = outcome.income, population.weight
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    starts, ends = schedule.thresholds, jnp.append(schedule.thresholds[1:], jnp.inf)
    rows = []
    for j, (start, end) in enumerate(zip(starts, ends, strict=True)):
        above = (income > start * (1 + rounding)) | (j == 0)
        last = above & (income <= end * (1 + rounding))
        inside = above & (income < end * (1 - rounding)) & (income > 0)
        base = jnp.clip(income, start, end) - start
        terms = (weight * last, weight * base, social * base, weight * jnp.where(inside, income, 0))
        rows.append(tuple(map(jnp.sum, terms)))
    return BracketStatistics(*(jnp.stack(column) for column in zip(*rows, strict=True)))


def saez_rates(
    statistics: BracketStatistics,
    *,
    elasticity: Float[Array, ""] | float,
    current: Float[Array, " brackets"],
    jump: Float[Array, " brackets"] | float = 0.0,
) -> Float[Array, " brackets"]:
    """Return the rates that the first-order condition of each bracket implies for given statistics.

    rate / (1 - rate) = (base - weighted_base + jump) / (elasticity * active): the perturbation of Saez
    (2001, section 3), made to the rate of one bracket, exact for quasi-linear preferences. `jump` is the
    derivative of revenue with respect to each rate, in dollars, that is due to workers who jump over a
    threshold (`jump_revenue`): some do wherever rates fall with income, and without them the condition is
    biased there. Statistics change with the rates: iterate. Where nobody is strictly inside a bracket its
    rate stays as in `current`.
    """
    identified = statistics.active > 0
    gain = statistics.base - statistics.weighted_base + jump
    odds = gain / (elasticity * jnp.where(identified, statistics.active, 1))
    rate = jnp.where(odds > -0.5, odds / (1 + jnp.maximum(odds, -0.5)), -1)
    return jnp.where(identified, rate, current)


def jump_revenue(economy: Economy, schedule: BracketSchedule) -> Float[Array, " brackets"]:
    """Return the derivative of revenue with respect to each rate that is due to workers who jump, in dollars.

    0 where rates rise with income; `equilibrium` says how those who jump are counted. Without income effects.

    Raises:
        ValueError: preferences with income effects.
    """
    if economy.preferences.income_effects:
        raise ValueError(
            "The bracket formula holds without income effects, which "
            f"{type(economy.preferences).__name__} has: use Quasilinear."
        )

    def arriving(rates: Float[Array, " brackets"]) -> Float[Array, ""]:
        at = BracketSchedule(schedule.thresholds, rates)
        return arriving_revenue(economy, at, jnp.zeros_like(economy.spending), default_bandwidth(economy))

    return jax.grad(arriving)(schedule.rates)


class SaezFixedPoint(eqx.Module):
    """A schedule that the bracket formula implies at the incomes and weights which it brings about itself.

    `gap` is the largest distance between a rate and what the formula implies for it, `steps` the number
    of equilibria solved, `converged` whether the gap came below the tolerance. In a finite population the
    statistics move in steps, so that the gap may stay at a few thousandths where a bracket is thin.
    """

    schedule: BracketSchedule
    gap: Float[Array, ""]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


def converged_saez(
    economy: Economy,
    start: BracketSchedule,
    welfare: AbstractWelfare,
    *,
    elasticity: ArrayLike,
    tolerance: ArrayLike = 1e-3,
    most_steps: int = 100,
) -> SaezFixedPoint:
    """Return the fixed point of `saez_rates`, with the marginal weights of the welfare function itself.

    Each step solves the equilibrium, counts those who jump, and goes half of the way, in log net-of-tax
    rates, to the implied rates. At the fixed point every bracket's first-order condition of `welfare`
    holds. It is sought until the gap is at most `tolerance` (a share of a dollar), with at most
    `most_steps` equilibria. `elasticity` is what the planner believes; the workers have their own. The
    thresholds are those of `start`, and so is the rate of a bracket that nobody is strictly inside.

    Raises:
        ValueError: an elasticity or tolerance that is not positive, or preferences with income effects.
    """
    elasticity = require_scalar("elasticity", elasticity, positive=True)
    tolerance = require_scalar("tolerance", tolerance, positive=True)

    def implied(rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        schedule = BracketSchedule(start.thresholds, rates)
        outcome = equilibrium(economy, schedule).outcome
        statistics = bracket_statistics(economy.population, schedule, outcome, welfare)
        jump = jump_revenue(economy, schedule)
        found = saez_rates(statistics, elasticity=elasticity, current=rates, jump=jump)
        return jnp.clip(found, -1, 1 - _LEAST_KEPT)

    def goes_on(state):
        _, _, gap, steps = state
        return (gap > tolerance) & (steps < most_steps)

    def step(state):
        rates, target, _, steps = state
        rates = 1 - jnp.sqrt((1 - rates) * (1 - target))
        target = implied(rates)
        return rates, target, jnp.max(jnp.abs(target - rates)), steps + 1

    rates = jnp.clip(start.rates, -1, 1 - _LEAST_KEPT)
    first = (rates, rates, jnp.full_like(rates[0], jnp.inf), jnp.zeros((), int))
    rates, _, gap, steps = jax.lax.while_loop(goes_on, step, first)
    return SaezFixedPoint(BracketSchedule(start.thresholds, rates), gap, steps, gap <= tolerance)


def optimal_linear_rate(
    economy: Economy, welfare: AbstractWelfare, *, elasticity: ArrayLike
) -> Float[Array, ""]:
    """Return the flat rate t at which t = (1 - g) / (1 - g + e) at the incomes and weights that t brings."""
    start = BracketSchedule([0.0], [0.5])
    tolerance = 16 * jnp.finfo(economy.population.skill.dtype).eps
    found = converged_saez(economy, start, welfare, elasticity=elasticity, tolerance=tolerance)
    return found.schedule.rates[0]


_LEAST_KEPT = 1e-3
