"""Formulas for optimal rates, the statistics of an economy that they need, and their fixed point."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, known, require, require_scalar
from econjax._compiled import compiled
from econjax._jumps import arriving_revenue
from econjax.economy import Economy, Outcome, utility_of
from econjax.response import equilibrium
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


def linear_rate(weight: ArrayLike, *, elasticity: ArrayLike) -> Float[Array, "*shape"]:
    """Return the optimal flat rate, (1 - g) / (1 - g + e); with g = 0, the revenue-maximising one.

    `weight` is g = E[g_i z_i] / E[z_i], the income-weighted mean of marginal welfare weights of mean 1
    (Piketty and Saez 2013, section 3.1). It depends on the rate: `converged_saez` of one bracket finds both.
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
    income: ArrayLike, threshold: ArrayLike, weight: ArrayLike | None = None
) -> Float[Array, ""]:
    """Return a(z) = m / (m - z), with m the mean of incomes above a threshold z; infinite if there are none.

    For a Pareto tail it is the tail's index, at every z. `weight` counts people, equally if not given.

    Raises:
        ValueError: incomes and weights that are not flat arrays of one length, more than one threshold, or,
            where they are known, incomes that are not finite.
    """
    income, threshold = as_float(income), require_scalar("threshold", threshold)
    weight = jnp.ones_like(income) if weight is None else as_float(weight)
    if income.ndim != 1 or weight.shape != income.shape:
        raise ValueError(
            "income and weight are flat arrays, one entry for each worker; "
            f"got shapes {income.shape} and {weight.shape}."
        )
    finite = jnp.isfinite(income)
    if known(finite) and not finite.all():
        where = int(jnp.argmin(finite))
        raise ValueError(f"Incomes are finite dollars a year: mend entry {where}, {income[where]}.")
    above = jnp.where(income > threshold, weight, 0)
    excess = jnp.sum(above * jnp.maximum(income - threshold, 0))
    mean = jnp.sum(above * income)
    return jnp.where(excess > 0, mean / jnp.where(excess > 0, excess, 1), jnp.inf)


class BracketStatistics(eqx.Module):
    """What the bracket formula must know of an outcome, per head of the population and per bracket.

    `share` of the population has its last dollar in the bracket; `base` is the income in the bracket,
    in dollars a year; `weighted_base` is the same with every worker counted at its marginal welfare
    weight, the value of a dollar of its consumption (mean 1; NaN where no worker's counts, all being below a
    floor); `active` is the whole income of those strictly inside the bracket, who alone respond to its
    rate: workers bunched at a threshold do not, nor do those who already work the longest week.
    `elasticity` is the mean elasticity with which that income best-responds (everybody's, where nobody is
    active), and `elasticity_variance` the variance around it; None with income effects, as an elasticity
    then depends on the budget, and of workers whose responses nobody knows.
    """

    share: Float[Array, " brackets"]
    base: Float[Array, " brackets"]
    weighted_base: Float[Array, " brackets"]
    active: Float[Array, " brackets"]
    elasticity: Float[Array, " brackets"] | None = None
    elasticity_variance: Float[Array, " brackets"] | None = None


def bracket_statistics(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    """Return the statistics of every bracket, with the weights of the welfare function itself."""
    return _statistics(economy, schedule, outcome, welfare)


@compiled
def _statistics(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome, welfare: AbstractWelfare
) -> BracketStatistics:
    def equivalent(consumption: Float[Array, " agents"]) -> Float[Array, ""]:
        utility = utility_of(economy, consumption, outcome.labor)
        fed = eqx.tree_at(lambda o: (o.consumption, o.utility), outcome, (consumption, utility))
        return welfare.equivalent(economy.population, fed)

    # Each entry is already multiplied by the worker's share of the population.
    social = jax.grad(equivalent)(outcome.consumption)
    social = social / jnp.sum(social)

    def row(share, base, responding, dollars) -> tuple[Float[Array, ""], ...]:
        responds = _elasticities(economy, responding)
        return share, base, jnp.sum(social * dollars), jnp.sum(responding), *responds

    return BracketStatistics(*_within_brackets(economy, schedule, outcome, row))


def _elasticities(
    economy: Economy, responding: Float[Array, " agents"]
) -> tuple[Float[Array, ""], Float[Array, ""]] | tuple[()]:
    """Return mean and variance of elasticities by the income that responds; nothing with income effects."""
    workers = economy.population
    own = economy.preferences.elasticity_of(workers)
    if own is None:
        return ()
    if own.ndim == 0:
        return own, jnp.zeros_like(own)
    part = jnp.where(jnp.sum(responding) > 0, responding, workers.weight)
    part = part / jnp.sum(part)
    mean = jnp.sum(part * own)
    return mean, jnp.sum(part * (own - mean) ** 2)


def shares_and_bases(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome
) -> tuple[Float[Array, " brackets"], Float[Array, " brackets"], Float[Array, " brackets"]]:
    """Return `share`, `base` and `active` of `BracketStatistics`."""
    share, base, active = _shares_and_bases(economy, schedule, outcome)
    return share, base, active


@compiled
def _shares_and_bases(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome
) -> tuple[Float[Array, " brackets"], ...]:
    return _within_brackets(
        economy, schedule, outcome, lambda share, base, responding, _: (share, base, jnp.sum(responding))
    )


def _within_brackets(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    row: Callable[..., tuple[Float[Array, ""], ...]],
) -> tuple[Float[Array, " brackets"], ...]:
    """Return what `row` does for each bracket, stacked.

    Its arguments are `share` and `base` of `BracketStatistics`, each worker's part of `active`, and its
    dollars in the bracket.
    """
    income, weight = outcome.income, economy.population.weight
    # A worker at a threshold, up to rounding, has its last dollar in the bracket below.
    rounding = 32 * jnp.finfo(income.dtype).eps
    responds = (income > 0) & (outcome.labor < economy.max_labor * (1 - rounding))

    @partial(jax.checkpoint, prevent_cse=False)
    def within(bracket: tuple[Int[Array, ""], Float[Array, ""], Float[Array, ""]]):
        j, start, end = bracket
        above = (income > start * (1 + rounding)) | (j == 0)
        last = above & (income <= end * (1 + rounding))
        inside = above & (income < end * (1 - rounding)) & responds
        dollars = jnp.where(above, jnp.clip(income, start, end) - start, 0)
        responding = jnp.where(inside, weight * income, 0)
        return row(jnp.sum(weight * last), jnp.sum(weight * dollars), responding, dollars)

    starts, ends = schedule.thresholds, jnp.append(schedule.thresholds[1:], jnp.inf)
    return jax.lax.map(within, (jnp.arange(starts.shape[0]), starts, ends))


def saez_rates(
    statistics: BracketStatistics,
    *,
    elasticity: ArrayLike | None = None,
    current: Float[Array, " brackets"],
    jump: Float[Array, " brackets"] | float = 0.0,
) -> Float[Array, " brackets"]:
    """Return the rates that the first-order condition of each bracket implies for given statistics.

    rate / (1 - rate) = (base - weighted_base + jump) / (elasticity * active): the perturbation of Saez
    (2001, section 3), made to the rate of one bracket, exact for `Quasilinear` and `GHH` preferences.
    `jump` is the derivative of revenue with respect to each rate, in dollars, that is due to workers who
    jump over a threshold (`jump_revenue`): some do wherever rates fall with income, and without them the
    condition is biased there. `elasticity` is one for all, one for each bracket, or that of the statistics.
    Statistics change with the rates: iterate. Where nobody responds, the rate is 1 or -1, whichever gains,
    and stays as in `current` if nothing does. Statistics that are NaN make rates that are.

    Raises:
        ValueError: an elasticity that is not positive, none at all, or not one current rate for each bracket.
    """
    elasticity = elasticity_or_reported(statistics, elasticity)
    if current.shape != statistics.active.shape:
        raise ValueError(
            f"current is one rate for each of {statistics.active.size} brackets; got shape {current.shape}."
        )
    return _implied(statistics, elasticity, current, jump)


def elasticity_or_reported(
    statistics: BracketStatistics, elasticity: ArrayLike | None
) -> Float[Array, "*brackets"]:
    """Return an elasticity for all brackets or one for each, that of the statistics if none is given.

    Raises:
        ValueError: an elasticity that is not positive, another number of them, or none at all.
    """
    elasticity = _believed(statistics, elasticity)
    if elasticity.shape not in ((), statistics.active.shape):
        raise ValueError(
            f"elasticity is one number, or one for each of {statistics.active.size} brackets; got shape "
            f"{elasticity.shape}."
        )
    return require(elasticity, jnp.all(elasticity > 0), "elasticity must be a positive number.")


def toward(
    rates: Float[Array, " brackets"],
    implied: Float[Array, " brackets"],
    step: Float[Array, " brackets"] | float = 0.5,
) -> Float[Array, " brackets"]:
    """Return rates moved by a share of the way, in log net-of-tax rates, to those that the formula implies.

    Raises:
        ValueError: the formula implies no rates.
    """
    remedy = (
        "The formula implies no rates where nobody's consumption adds to welfare, all being below a floor: "
        "lower spending or the floor."
    )
    implied = require(implied, ~jnp.any(jnp.isnan(implied)), remedy)
    kept, aim = (jnp.clip(1 - r, _LEAST_KEPT, 2) for r in (rates, implied))
    return 1 - kept * (aim / kept) ** step


def jump_revenue(
    economy: Economy, schedule: BracketSchedule, *, bandwidth: ArrayLike | None = None
) -> Float[Array, " brackets"]:
    """Return the derivative of revenue with respect to each rate that is due to workers who jump, in dollars.

    0 where rates rise with income; `equilibrium` says how those who jump are counted, with which
    `bandwidth`. Without income effects.

    Raises:
        ValueError: preferences with income effects, or a bandwidth that is not positive.
    """
    require_no_income_effects(economy)
    if bandwidth is not None:
        bandwidth = require_scalar("bandwidth", bandwidth, positive=True)
    return _jump_revenue(economy, schedule, bandwidth)


@compiled
def _jump_revenue(
    economy: Economy, schedule: BracketSchedule, bandwidth: Float[Array, ""] | None
) -> Float[Array, " brackets"]:
    def arriving(rates: Float[Array, " brackets"]) -> Float[Array, ""]:
        at = BracketSchedule(schedule.thresholds, rates)
        return arriving_revenue(economy, at, jnp.zeros_like(economy.spending), bandwidth, None)

    return jax.grad(arriving)(schedule.rates)


def require_no_income_effects(economy: Economy) -> None:
    """Raise a ValueError where hours depend on the rebate."""
    if economy.preferences.income_effects:
        raise ValueError(
            "The bracket formula holds without income effects, which "
            f"{type(economy.preferences).__name__} has: use Quasilinear or GHH."
        )


class SaezFixedPoint(eqx.Module):
    """A schedule that the bracket formula implies at the incomes and weights which it brings about itself.

    `gap` is the largest distance between a rate and what the formula implies for it, or, where the
    formula says more at one of the last two rates and less at the other, the distance of these, if that is
    shorter: such a rate is the best at a kink. `steps` is the number of equilibria solved, `converged`
    whether the gap came below the tolerance.
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
    elasticity: ArrayLike | None = None,
    tolerance: ArrayLike = 1e-3,
    most_steps: int = 100,
) -> SaezFixedPoint:
    """Return the fixed point of `saez_rates`, with the marginal weights of the welfare function itself.

    Each step solves the equilibrium, counts those who jump, and goes half of the way, in log net-of-tax
    rates, to the implied rates; a bracket that overshoots halves its steps, which then grow again. At the
    fixed point every bracket's first-order condition of `welfare` holds. It is sought until the gap is at
    most `tolerance` (a share of a dollar), with at most `most_steps` equilibria; the best rates seen are
    returned.
    `elasticity` is what the planner believes, of all workers; without it each step takes the workers' own,
    `BracketStatistics.elasticity`. The thresholds are those of `start`, and so is the rate of a bracket
    that moves nothing. May be compiled and batched, and differentiated in forward mode; not in reverse, as
    the loop's length is not known.

    Raises:
        ValueError: an elasticity or tolerance that is not positive, preferences with income effects, or
            rates at which no worker's consumption adds to welfare.
    """
    if elasticity is not None:
        elasticity = require_scalar("elasticity", elasticity, positive=True)
    tolerance = require_scalar("tolerance", tolerance, positive=True)
    return _converged(economy, start, welfare, elasticity, tolerance, jnp.asarray(most_steps))


@compiled
def _converged(
    economy: Economy,
    start: BracketSchedule,
    welfare: AbstractWelfare,
    elasticity: Float[Array, ""] | None,
    tolerance: Float[Array, ""],
    most_steps: Int[Array, ""],
) -> SaezFixedPoint:
    def implied(rates: Float[Array, " brackets"]) -> Float[Array, " brackets"]:
        schedule = BracketSchedule(start.thresholds, rates)
        outcome = equilibrium(economy, schedule).outcome
        statistics = bracket_statistics(economy, schedule, outcome, welfare)
        jump = jump_revenue(economy, schedule)
        found = _implied(statistics, _believed(statistics, elasticity), rates, jump)
        return jnp.clip(found, -1, 1 - _LEAST_KEPT)

    def goes_on(state: _Search) -> Bool[Array, ""]:
        return (state.best_gap > tolerance) & (state.steps < most_steps)

    def step(state: _Search) -> _Search:
        rates = toward(state.rates, state.target, state.share)
        target = implied(rates)
        off = target - rates
        turned = off * (state.target - state.rates) < 0
        gap = jnp.abs(off)
        gap = jnp.max(jnp.where(turned, jnp.minimum(gap, jnp.abs(rates - state.rates)), gap))
        better = gap < state.best_gap
        return _Search(
            rates,
            target,
            jnp.where(turned, state.share / 2, jnp.minimum(1.1 * state.share, 0.5)),
            jnp.where(better, rates, state.best),
            jnp.where(better, gap, state.best_gap),
            state.steps + 1,
        )

    rates = jnp.clip(start.rates, -1, 1 - _LEAST_KEPT)
    half, far = jnp.full_like(rates, 0.5), jnp.full_like(rates[0], jnp.inf)
    found = jax.lax.while_loop(goes_on, step, _Search(rates, rates, half, rates, far, jnp.zeros((), int)))
    best = BracketSchedule(start.thresholds, found.best)
    return SaezFixedPoint(best, found.best_gap, found.steps, found.best_gap <= tolerance)


_LEAST_KEPT = 1e-3


class _Search(NamedTuple):
    rates: Float[Array, " brackets"]
    target: Float[Array, " brackets"]
    share: Float[Array, " brackets"]
    best: Float[Array, " brackets"]
    best_gap: Float[Array, ""]
    steps: Int[Array, ""]


def _believed(statistics: BracketStatistics, elasticity: ArrayLike | None) -> Float[Array, "..."]:
    if elasticity is not None:
        return as_float(elasticity)
    if statistics.elasticity is None:
        raise ValueError("These statistics hold no elasticity: give one.")
    return statistics.elasticity


def _implied(
    statistics: BracketStatistics,
    elasticity: Float[Array, "..."],
    current: Float[Array, " brackets"],
    jump: Float[Array, " brackets"] | float,
) -> Float[Array, " brackets"]:
    lump = statistics.base - statistics.weighted_base
    lump = jnp.where(jnp.abs(lump) <= 1e3 * jnp.finfo(lump.dtype).eps * statistics.base, 0, lump)
    responds = statistics.active > 0
    odds = (lump + jump) / (elasticity * jnp.where(responds, statistics.active, 1))
    rates = 1 - 1 / (1 + jnp.maximum(odds, -0.5))
    return jnp.where(responds, rates, jnp.where(lump == 0, current, jnp.sign(lump)))
