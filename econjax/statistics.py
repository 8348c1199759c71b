"""What the formulas for optimal rates must know of an outcome, bracket by bracket."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from econjax._compiled import compiled
from econjax.economy import Economy, Outcome, utility_of
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


class BracketStatistics(eqx.Module):
    """What the bracket formula must know of an outcome, per head of the population and per bracket.

    `share` of the population has its last dollar in the bracket; `base` is the income in the
    bracket, in dollars a year; `weighted_base` is the same with every worker counted at its
    marginal welfare weight, the value of a dollar of its consumption (mean 1; NaN where no worker's
    counts, all being below a floor); `active` is the whole income of those strictly inside the
    bracket, who alone respond to its
    rate: workers bunched at a threshold do not, nor do those who already work the longest week.
    `elasticity` is the mean elasticity with which that income best-responds (everybody's, where
    nobody is active), and `elasticity_variance` the variance around it; None with income effects,
    as an elasticity then depends on the budget, and of workers whose responses nobody knows.
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
    """Return elasticities' mean and variance by responding income; nothing with income effects."""
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
        economy,
        schedule,
        outcome,
        lambda share, base, responding, _: (share, base, jnp.sum(responding)),
    )


def _within_brackets(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    row: Callable[..., tuple[Float[Array, ""], ...]],
) -> tuple[Float[Array, " brackets"], ...]:
    """Return what `row` does for each bracket, stacked.

    Its arguments are `share` and `base` of `BracketStatistics`, each worker's part of `active`, and
    its dollars in the bracket.
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
