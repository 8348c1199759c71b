"""Rates that each bracket's first-order condition implies, and their fixed point (Saez 2001)."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require, require_scalar, seen
from econjax._compiled import compiled
from econjax._jumps import arriving_revenue
from econjax.economy import Economy
from econjax.optimal.one_elasticity import is_of_one_elasticity, statistics_and_jumps
from econjax.response import equilibrium
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare
from econjax.welfare.statistics import BracketStatistics, bracket_statistics


def saez_rates(
    statistics: BracketStatistics,
    *,
    elasticity: ArrayLike | None = None,
    current: Float[Array, "*groups brackets"],
    jump: Float[Array, "*groups brackets"] | float = 0.0,
) -> Float[Array, "*groups brackets"]:
    """Return the rates that the first-order condition of each bracket implies for given statistics.

    rate / (1 - rate) = (base - weighted_base + jump) / (elasticity * active), less credited /
    active where there are credits that depend on income: the perturbation of Saez (2001, section
    3), made to the rate of one bracket, exact for `Quasilinear` and `GHH` preferences. `jump` is
    the derivative of revenue with respect to each rate, in dollars, that is due to workers who jump
    over a threshold (`jump_revenue`): some do wherever rates fall with income, and without them the
    condition is biased there. `elasticity` is one for all, one for
    each bracket, or that of the statistics. Statistics change with the rates: iterate. Where nobody
    responds, the rate is 1 or -1, whichever gains, and stays as in `current` if nothing does.
    Statistics that are NaN make rates that are.

    Raises:
        ValueError: an elasticity that is not positive, none at all, or not one current rate for
        each bracket.
    """
    elasticity = elasticity_or_reported(statistics, elasticity)
    if current.shape != statistics.active.shape:
        raise ValueError(
            f"current is one rate for each of {statistics.active.size} brackets; got shape "
            f"{current.shape}."
        )
    return _implied(statistics, elasticity, current, jump)


def elasticity_or_reported(
    statistics: BracketStatistics, elasticity: ArrayLike | None
) -> Float[Array, "*brackets"]:
    """Return an elasticity for all brackets or each, that of the statistics if none is given.

    Raises:
        ValueError: an elasticity that is not positive, another number of them, or none at all.
    """
    elasticity = _believed(statistics, elasticity)
    shape = statistics.active.shape
    if elasticity.shape not in ((), shape[-1:], shape):
        raise ValueError(
            f"elasticity is one number, or one for each of {statistics.active.size} brackets; got "
            f"shape {elasticity.shape}."
        )
    if elasticity.ndim == 1:  # of each bracket, in every group
        elasticity = jnp.broadcast_to(elasticity, shape)
    return require(elasticity, jnp.all(elasticity > 0), "elasticity must be a positive number.")


def damped_step(
    rates: Float[Array, "*groups brackets"],
    implied: Float[Array, "*groups brackets"],
    step: Float[Array, "*groups brackets"] | float = 0.5,
) -> Float[Array, "*groups brackets"]:
    """Return rates moved a share of the way, in log net-of-tax rates, to those the formula implies.

    Raises:
        ValueError: the formula implies no rates.
    """
    return _damped_step(rates, require(implied, ~jnp.any(jnp.isnan(implied)), _NO_RATES), step)


_NO_RATES = (
    "The formula implies no rates where nobody's consumption adds to welfare, all being below a "
    "floor: lower spending or the floor."
)


def _damped_step(
    rates: Float[Array, "*groups brackets"],
    implied: Float[Array, "*groups brackets"],
    step: Float[Array, "*groups brackets"] | float,
) -> Float[Array, "*groups brackets"]:
    kept, aim = (jnp.clip(1 - r, _LEAST_KEPT, 2) for r in (rates, implied))
    return 1 - jnp.minimum(kept * (aim / kept) ** step, 2)  # a rate of -1 at least, if rounded


def jump_revenue(
    economy: Economy, schedule: BracketSchedule, *, bandwidth: ArrayLike | None = None
) -> Float[Array, "*groups brackets"]:
    """Return the derivative of revenue in each rate that is due to workers who jump, in dollars.

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
) -> Float[Array, "*groups brackets"]:
    def arriving(rates: Float[Array, "*groups brackets"]) -> Float[Array, ""]:
        at = eqx.tree_at(lambda law: law.rates, schedule, rates)
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
    """A schedule that the bracket formula implies at the incomes and weights that it brings itself.

    `gap` is the largest distance between a rate and what the formula implies for it, or, where the
    formula says more at one of the last two rates and less at the other, the distance of these, if
    that is
    shorter: such a rate is the best at a kink. `steps` is the number of equilibria solved,
    `converged` whether the gap came below the tolerance.
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
    """Return the fixed point of `saez_rates`, with the welfare function's own marginal weights.

    Each step solves the equilibrium, counts those who jump, and goes part of the way, in log
    net-of-tax rates, to the implied rates: half at first, then as far as the last two steps of the
    bracket tell by the secant, with care once it has overshot. At the fixed point every bracket's
    first-order condition of `welfare` holds. It is sought until the gap is at most `tolerance` (a
    share of a dollar), with at most `most_steps` equilibria; the best rates seen are returned.
    `elasticity` is what the planner believes, of all workers; without it each step takes the
    workers' own, `BracketStatistics.elasticity`. The thresholds are those of `start`, and so is the
    rate of a bracket that moves nothing. May be compiled and batched, and differentiated in forward
    mode; not in reverse, as the loop's length is not known.

    Raises:
        ValueError: an elasticity or tolerance that is not positive, preferences with income
            effects, or rates at which no worker's consumption adds to welfare.
    """
    if elasticity is not None:
        elasticity = require_scalar("elasticity", elasticity, positive=True)
    tolerance = require_scalar("tolerance", tolerance, positive=True)
    most = jnp.asarray(most_steps)
    found = _converged(economy, start, welfare, elasticity, tolerance, most)
    gap = require(found.gap, seen(found.gap) >= 0, _NO_RATES)
    return eqx.tree_at(lambda found: found.gap, found, gap)


@compiled
def _converged(
    economy: Economy,
    start: BracketSchedule,
    welfare: AbstractWelfare,
    elasticity: Float[Array, ""] | None,
    tolerance: Float[Array, ""],
    most_steps: Int[Array, ""],
) -> SaezFixedPoint:
    evaluate = _evaluation(economy, start, welfare)

    def implied(rates: Float[Array, "*groups brackets"]) -> Float[Array, "*groups brackets"]:
        statistics, jump = evaluate(rates)
        found = _implied(statistics, _believed(statistics, elasticity), rates, jump)
        return jnp.clip(found, -1, 1 - _LEAST_KEPT)

    def should_continue(state: _Search) -> Bool[Array, ""]:
        return (state.best_gap > tolerance) & (state.steps < most_steps)

    def step(state: _Search) -> _Search:
        rates = _damped_step(state.rates, state.target, state.share)
        target = implied(rates)
        off = target - rates
        turned = off * (state.target - state.rates) < 0
        gap = jnp.abs(off)
        gap = jnp.max(jnp.where(turned, jnp.minimum(gap, jnp.abs(rates - state.rates)), gap))
        # Where the formula implies no rates the gap is nan, which ends the search.
        better, overshot = ~(gap >= state.best_gap), state.overshot | turned
        return _Search(
            rates,
            target,
            _next_share(state, _log_way(rates, target), overshot),
            overshot,
            jnp.where(better, rates, state.best),
            jnp.where(better, gap, state.best_gap),
            state.steps + 1,
        )

    rates = jnp.clip(start.rates, -1, 1 - _LEAST_KEPT)
    half, far = jnp.full_like(rates, 0.5), jnp.full_like(economy.spending, jnp.inf)
    begin = _Search(rates, rates, half, half > 1, rates, far, jnp.zeros((), int))
    found = jax.lax.while_loop(should_continue, step, begin)
    best = eqx.tree_at(lambda law: law.rates, start, found.best)
    return SaezFixedPoint(best, found.best_gap, found.steps, found.best_gap <= tolerance)


def _evaluation(
    economy: Economy, start: BracketSchedule, welfare: AbstractWelfare
) -> Callable[[Float[Array, "..."]], tuple[BracketStatistics, Float[Array, "..."]]]:
    """Return what says statistics and the jump term at rates, without a search if it can."""
    if is_of_one_elasticity(economy, start.thresholds):
        return statistics_and_jumps(economy, start.thresholds, welfare)

    def evaluate(rates: Float[Array, "..."]) -> tuple[BracketStatistics, Float[Array, "..."]]:
        schedule = eqx.tree_at(lambda law: law.rates, start, rates)
        outcome = equilibrium(economy, schedule).outcome
        statistics = bracket_statistics(economy, schedule, outcome, welfare)
        return statistics, jump_revenue(economy, schedule)

    return evaluate


_LEAST_KEPT = 1e-3
_LEAST_WENT = 1e-4


class _Search(NamedTuple):
    rates: Float[Array, "*groups brackets"]
    target: Float[Array, "*groups brackets"]
    share: Float[Array, "*groups brackets"]
    overshot: Bool[Array, "*groups brackets"]
    best: Float[Array, "*groups brackets"]
    best_gap: Float[Array, ""]
    steps: Int[Array, ""]


def _next_share(
    state: _Search, way: Float[Array, "*groups brackets"], overshot: Bool[Array, "*groups brackets"]
) -> Float[Array, "*groups brackets"]:
    """Return the share of the `way` to go next: by the secant of the last two, none is left then.

    At most twice the last share, or 1.1 times where the bracket has overshot, as at a kink.
    """
    before = _log_way(state.rates, state.target)
    went, fell = state.share * jnp.abs(before), (before - way) * jnp.sign(before)
    known = (fell > 0) & (went > _LEAST_WENT)
    secant = jnp.where(known, went / jnp.where(known, fell, 1), state.share)
    most = jnp.minimum(jnp.where(overshot, 1.1, 2) * state.share, 1)
    return jnp.clip(secant, state.share / 2, most)


def _log_way(
    rates: Float[Array, "*groups brackets"], target: Float[Array, "*groups brackets"]
) -> Float[Array, "*groups brackets"]:
    kept, aim = (jnp.clip(1 - r, _LEAST_KEPT, 2) for r in (rates, target))
    return jnp.log(aim / kept)


def _believed(statistics: BracketStatistics, elasticity: ArrayLike | None) -> Float[Array, "..."]:
    if elasticity is not None:
        return as_float(elasticity)
    if statistics.elasticity is None:
        raise ValueError("These statistics hold no elasticity: give one.")
    return statistics.elasticity


def _implied(
    statistics: BracketStatistics,
    elasticity: Float[Array, "..."],
    current: Float[Array, "*groups brackets"],
    jump: Float[Array, "*groups brackets"] | float,
) -> Float[Array, "*groups brackets"]:
    lump = statistics.base - statistics.weighted_base
    lump = jnp.where(jnp.abs(lump) <= 1e3 * jnp.finfo(lump.dtype).eps * statistics.base, 0, lump)
    responds = statistics.active > 0
    odds = (lump + jump) / elasticity
    odds = odds if statistics.credited is None else odds - statistics.credited
    odds = odds / jnp.where(responds, statistics.active, 1)
    rates = 1 - 1 / (1 + jnp.maximum(odds, -0.5))
    return jnp.where(responds, rates, jnp.where(lump == 0, current, jnp.sign(lump)))
