"""What rational workers do: exact best responses to any bracket schedule, and the equilibrium they form."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from econjax.economy import Economy, Outcome, settle
from econjax.population import Population
from econjax.preferences import REFERENCE_HOURS
from econjax.schedule import BracketSchedule


def best_response(
    economy: Economy, schedule: BracketSchedule, rebate: ArrayLike = 0.0
) -> Float[Array, " agents"]:
    """Return the hours a week that maximise each worker's own utility, the rebate taken as given.

    Within a bracket the budget is a straight line and utility is concave, so the best point there is
    the unconstrained one, moved to the bracket's nearer end if it lies outside. The best of these
    points over all brackets is exact for every schedule: workers bunch where rates rise, jump over
    thresholds where rates fall, and skip brackets (Hausman 1985, Econometrica 53, 1255-1282). Among
    equally good points the one with the lowest income is taken. Workers do not count on the economy's
    consumption floor.

    Derivatives with respect to rates are those of workers who stay in their bracket; they miss that
    some would jump over a threshold where rates fall. `equilibrium` counts those.
    """
    best = _best(_bracket_optima(economy, schedule, jnp.asarray(rebate)))
    return _hours(best.income, economy.population.skill)


class Equilibrium(eqx.Module):
    """An outcome from which no worker would deviate, and how well that was reached.

    `gap` is the distance in dollars between the rebate that workers expected and the one that was paid;
    `steps` counts the rounds of best responses.
    """

    outcome: Outcome
    gap: Float[Array, ""]
    steps: int = eqx.field(static=True)

    @property
    def labor(self) -> Float[Array, " agents"]:
        """Hours a week."""
        return self.outcome.labor

    @property
    def rebate(self) -> Float[Array, ""]:
        """Dollars a year, the same to every worker."""
        return self.outcome.rebate


def equilibrium(
    economy: Economy, schedule: BracketSchedule, *, bandwidth: float | None = None
) -> Equilibrium:
    """Return the outcome in which every worker best-responds and the rebate returns what is collected.

    Without income effects nobody's hours depend on the rebate, so one round is exact (`gap` 0).

    What is smooth. Values are those of the workers given: a step function of the rates wherever a rate
    falls with income, since there each worker jumps at once. Derivatives of revenue with respect to the
    schedule, and of all that follows from it, count those who jump by a density of workers, logistic in
    log skill with scale `bandwidth` (agents^(-1/3) if not given): they are the continuum's, up to the
    error of that density and provided that the hours cap does not bind for those who jump. Utility needs
    no such term, for whoever jumps is indifferent. Only first derivatives, and only those with respect to
    the schedule, are right where rates fall; a rate of exactly 1 has no derivative.
    """
    if bandwidth is None:
        bandwidth = economy.population.agents ** (-1 / 3)
    labor = best_response(economy, schedule)
    # Revenue that jumpers bring works like lower spending: nothing in value, right in derivative.
    arriving = _jump_revenue(schedule, economy, jnp.asarray(bandwidth, labor.dtype))
    open_budget = eqx.tree_at(lambda e: e.spending, economy, economy.spending - arriving)
    outcome = settle(open_budget, schedule, labor)
    return Equilibrium(outcome=outcome, gap=jnp.zeros_like(outcome.rebate), steps=1)


class _Optimum(NamedTuple):
    """The best point of every worker within some brackets; utility is -inf where no hours reach it."""

    income: Float[Array, " agents"]
    tax: Float[Array, " agents"]
    utility: Float[Array, " agents"]
    bracket: Float[Array, " agents"]


def _bracket_optima(economy: Economy, schedule: BracketSchedule, rebate: Float[Array, ""]) -> list[_Optimum]:
    skill, taste = economy.population.skill, economy.population.taste
    starts, owed = schedule.thresholds, schedule.tax(schedule.thresholds)
    optima = []
    for j in range(starts.shape[0]):
        rate, end = schedule.rates[j], starts[j + 1] if j + 1 < starts.shape[0] else jnp.inf
        hours = economy.preferences.linear_labor(1 - rate, skill=skill, taste=taste)
        income = jnp.clip(skill * jnp.minimum(hours, economy.max_labor), starts[j], end)
        tax = owed[j] + rate * (income - starts[j])
        utility = economy.preferences.utility(
            income - tax + rebate,
            _hours(income, skill),
            skill=skill,
            taste=taste,
        )
        reached = True if j == 0 else economy.max_labor * skill >= starts[j]
        optima.append(_Optimum(income, tax, jnp.where(reached, utility, -jnp.inf), jnp.full_like(income, j)))
    return optima


def _hours(income: Float[Array, " agents"], skill: Float[Array, " agents"]) -> Float[Array, " agents"]:
    return jnp.where(skill > 0, income / jnp.where(skill > 0, skill, 1), 0)


def _best(optima: list[_Optimum]) -> _Optimum:
    best = optima[0]
    for optimum in optima[1:]:
        better = optimum.utility > best.utility
        best = jax.tree.map(lambda new, old, better=better: jnp.where(better, new, old), optimum, best)
    return best


@jax.custom_jvp
def _jump_revenue(
    schedule: BracketSchedule, economy: Economy, bandwidth: Float[Array, ""]
) -> Float[Array, ""]:
    """Return 0, with the derivative of revenue that is due to workers who jump over a threshold.

    Where the rate falls, workers of one skill s* are indifferent between a point below the threshold and
    one above. When log s* rises by dx, f(s*) dx workers move from the upper point to the lower and revenue
    changes by f(s*) dx (T_low - T_high), with f the density of log skill. As the upper point's lead m is 0
    at s*, a change of rates that lifts the lead by dm moves log s* by -dm / (dm / d log s*).
    """
    return jnp.zeros_like(bandwidth)


@_jump_revenue.defjvp
def _jump_revenue_jvp(primals, tangents):
    schedule, economy, bandwidth = primals
    if schedule.thresholds.shape[0] == 1:  # nothing to jump over
        return jnp.zeros_like(bandwidth), jnp.zeros_like(bandwidth)
    at = _indifferent_log_skill(economy, schedule)
    low, high = _sides(economy, schedule, at)
    _, slope = jax.jvp(lambda log_skill: _lead(economy, schedule, log_skill), (at,), (jnp.ones_like(at),))
    _, lift = jax.jvp(lambda schedule: _lead(economy, schedule, at), (schedule,), (tangents[0],))
    falls = jnp.diff(schedule.rates) < 0
    # Whoever jumps over several falls at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls)
    last = stretch[jnp.maximum(high.bracket.astype(int) - 1, 0)] == stretch
    counted = falls & last & (slope > 0)
    arriving = _log_skill_density(economy, at, bandwidth) * lift / jnp.where(counted, slope, 1)
    return jnp.zeros_like(bandwidth), jnp.sum(jnp.where(counted, arriving * (high.tax - low.tax), 0))


def _indifferent_log_skill(economy: Economy, schedule: BracketSchedule) -> Float[Array, " inner"]:
    """Return, for each inner threshold, the log skill from which points above it are better (bisection)."""
    centre = jnp.log(schedule.thresholds[1:] / REFERENCE_HOURS)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        above = _lead(economy, schedule, middle) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jax.lax.fori_loop(0, 60, halve, (centre - 10, centre + 20))
    # Where rates rise nobody is indifferent, and the far skills that bisection ends at overflow.
    falls = jnp.diff(schedule.rates) < 0
    return jax.lax.stop_gradient(jnp.where(falls, (low + high) / 2, centre))


def _lead(
    economy: Economy, schedule: BracketSchedule, log_skill: Float[Array, " inner"]
) -> Float[Array, " inner"]:
    low, high = _sides(economy, schedule, log_skill)
    return high.utility - low.utility


def _sides(
    economy: Economy, schedule: BracketSchedule, log_skill: Float[Array, " inner"]
) -> tuple[_Optimum, _Optimum]:
    """Return the best points below and above each inner threshold for one worker of taste 1 at each."""
    workers = Population(skill=jnp.exp(log_skill))
    unlimited = jnp.full_like(economy.max_labor, jnp.inf)
    economy = eqx.tree_at(lambda e: (e.population, e.max_labor), economy, (workers, unlimited))
    optima = _bracket_optima(economy, schedule, jnp.zeros_like(economy.spending))
    table = jax.tree.map(lambda *rows: jnp.stack(rows), *optima)
    below = jnp.arange(len(optima))[:, None] <= jnp.arange(workers.agents)[None, :]

    def best(among: Bool[Array, "brackets inner"]) -> _Optimum:
        chosen = jnp.argmax(jnp.where(among, table.utility, -jnp.inf), axis=0, keepdims=True)
        return jax.tree.map(lambda field: jnp.take_along_axis(field, chosen, axis=0)[0], table)

    return best(below), best(~below)


def _log_skill_density(
    economy: Economy, at: Float[Array, " inner"], bandwidth: Float[Array, ""]
) -> Float[Array, " inner"]:
    population = economy.population
    log_skill = jnp.log(economy.preferences.equivalent_skill(population.skill, taste=population.taste))

    def density(point: Float[Array, ""]) -> Float[Array, ""]:
        share_below = jax.nn.sigmoid((point - log_skill) / bandwidth)
        return jnp.sum(population.weight * share_below * (1 - share_below)) / bandwidth

    return jnp.stack([density(point) for point in at])
