"""The equilibrium that best responses form, with derivatives that count those who jump."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from econjax._budget import entry_types, first_border, is_shared, one_worker, sides
from econjax.economy import Economy, Outcome, settle
from econjax.response import best_response
from econjax.schedule import AbstractSchedule, BracketSchedule


class Equilibrium(eqx.Module):
    """An outcome from which no worker would deviate, and how well that was reached.

    `gap` is the distance in dollars between the rebate that workers expected and the one that was paid;
    `steps` counts the rounds of best responses.
    """

    outcome: Outcome
    gap: Float[Array, ""]
    steps: Int[Array, ""]

    @property
    def labor(self) -> Float[Array, " agents"]:
        """Hours a week."""
        return self.outcome.labor

    @property
    def rebate(self) -> Float[Array, ""]:
        """Dollars a year, the same to every worker."""
        return self.outcome.rebate


def equilibrium(
    economy: Economy, schedule: AbstractSchedule, *, bandwidth: float | None = None
) -> Equilibrium:
    """Return the outcome in which every worker best-responds and the rebate returns what is collected.

    Without income effects nobody's hours depend on the rebate, so one round is exact (`gap` 0). With them
    the rebate is a fixed point: the more is paid, the less is earned and collected, so there is one, found
    by a safeguarded secant method. Where rates fall, workers who jump at a rebate near it may leave no
    exact fixed point: `gap` says by how much (one worker's jump, shared by all).

    What is smooth. Values are those of the workers given: a step function of the rates wherever a rate
    falls with income, since there each worker jumps at once, and wherever working has a fixed cost.
    Derivatives of revenue, and of all that follows from it, count those who jump by a density of workers,
    logistic in log skill with scale `bandwidth` (agents^(-1/3) if not given): they are the continuum's,
    up to the error of that density, and with respect to whatever the schedule and the economy hold.
    Derivatives of the rebate are those of the fixed point (implicit function theorem). Utility needs no
    jump term, for whoever jumps is indifferent. Workers bunched at a threshold do not move with rates.
    Not smooth or not right: second derivatives where workers jump; jumps of workers whom the longest week
    binds, unless elasticities or fixed costs differ between workers; a rate of exactly 1, where no
    derivative exists; welfare that values an indifferent worker's two choices differently
    (`InverseIncome`).

    Raises:
        TypeError: a schedule that is neither of brackets nor log-linear.
    """
    if bandwidth is None:
        bandwidth = economy.population.agents ** (-1 / 3)
    scale = jnp.asarray(bandwidth, economy.population.skill.dtype)
    if not economy.preferences.income_effects:
        expected, steps = jnp.zeros_like(economy.spending), jnp.ones((), int)
    else:
        expected, steps = _fixed_point(economy, schedule, scale)
    outcome = _round(economy, schedule, expected, scale)
    gap = jnp.abs(outcome.rebate - expected) if economy.preferences.income_effects else expected
    return Equilibrium(outcome=outcome, gap=gap, steps=steps)


def _round(
    economy: Economy, schedule: AbstractSchedule, expected: Float[Array, ""], bandwidth: Float[Array, ""]
) -> Outcome:
    """Return what follows when every worker expects a rebate."""
    labor = best_response(economy, schedule, expected)
    # Revenue that jumpers bring works like lower spending: nothing in value, right in derivative.
    arriving = _jump_revenue(economy, schedule, expected, bandwidth)
    open_budget = eqx.tree_at(lambda e: e.spending, economy, economy.spending - arriving)
    return settle(open_budget, schedule, labor)


def _fixed_point(
    economy: Economy, schedule: AbstractSchedule, bandwidth: Float[Array, ""]
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Return the rebate that pays for itself, differentiable, and the rounds it took to find it."""
    fixed = jax.lax.stop_gradient((economy, schedule))

    def paid(expected: Float[Array, ""]) -> Float[Array, ""]:
        return settle(*fixed, best_response(*fixed, expected)).rebate

    found, steps = _decreasing_root(lambda r: paid(r) - r, jnp.zeros_like(economy.spending))
    found = jax.lax.stop_gradient(found)
    # One Newton step, of which only the derivative is kept: d rebate = d paid / (1 - d paid / d expected).
    again, tangent = jax.linearize(lambda r: _round(economy, schedule, r, bandwidth).rebate, found)
    step = again / jax.lax.stop_gradient(1 - tangent(jnp.ones_like(found)))
    return found + (step - jax.lax.stop_gradient(step)), steps


def _decreasing_root(
    f: Callable[[Float[Array, ""]], Float[Array, ""]], start: Float[Array, ""]
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Return where a falling function f(x) = g(x) - x is 0, or changes sign, and the number of calls.

    As g falls, the root lies between `start` and g(start). The Illinois method (Dowell and Jarratt 1971):
    false position that halves the value at an end which stays. Where f is not falling after all, the
    interval is widened until it holds a change of sign.
    """
    tolerance = 8 * jnp.finfo(start.dtype).eps

    def goes_on(state):
        a, _, b, at_b, calls = state
        width = tolerance * jnp.maximum(jnp.abs(a), jnp.abs(b))
        return (calls < 2) | ((jnp.abs(at_b) > width / 8) & (jnp.abs(b - a) > width) & (calls < _MOST_CALLS))

    def step(state):
        a, at_a, b, at_b, calls = state  # b is the newest point; the value kept for a may be halved
        holds = at_a * at_b < 0
        x = jnp.where(holds, b - at_b * (b - a) / jnp.where(holds, at_b - at_a, 1), b + 2 * (b - a))
        x = jnp.where(calls == 0, start, jnp.where(calls == 1, start + at_b, x))
        at_x = f(x)
        moves = (at_x * at_b < 0) | ~holds
        return jnp.where(moves, b, a), jnp.where(moves, at_b, at_a / 2), x, at_x, calls + 1

    state = (start, start, start, start, jnp.zeros((), int))
    _, _, root, _, calls = jax.lax.while_loop(goes_on, step, state)
    return root, calls


_MOST_CALLS = 100


@eqx.filter_custom_jvp
def _jump_revenue(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""], bandwidth: Float[Array, ""]
) -> Float[Array, ""]:
    """Return 0, with the derivative of revenue that is due to workers who jump over a border.

    A border is the threshold of a bracket whose rate is lower, or the decision to work where that has a
    fixed cost. At each, workers of one type a are indifferent between a point below and one above. When
    log a rises by da, f(a) da workers move from the upper point to the lower, with f the density of log
    type x, and revenue changes by f(a) da (T_low - T_high). As the upper point's lead m is 0 at a, whatever
    lifts the lead by dm moves a by -dm / (dm / da); workers whose own type moves cross like a moving by -dx.
    """
    return jnp.zeros_like(bandwidth)


@_jump_revenue.def_jvp
def _jump_revenue_jvp(primals, tangents):
    economy, schedule, rebate, bandwidth = primals
    falls = _falls(economy, schedule)
    zero = jnp.zeros_like(bandwidth)
    if falls.shape[0] == 0:
        return zero, zero
    shared = is_shared(economy.population)

    def met(economy: Economy) -> Economy:
        """Return the economy of those who are met at a border: one for all who share a type, or each."""
        return one_worker(economy) if shared else economy

    at = entry_types(*jax.lax.stop_gradient((met(economy), schedule, rebate)))
    exists = falls[:, None] & jnp.isfinite(at)
    at = jnp.where(exists, at, 0)  # far types overflow
    low, high, option, _ = sides(met(economy), schedule, rebate, at)
    _, slope = jax.jvp(lambda at: sides(met(economy), schedule, rebate, at)[3], (at,), (jnp.ones_like(at),))
    _, lift = eqx.filter_jvp(
        lambda economy, schedule, rebate: sides(met(economy), schedule, rebate, at)[3],
        (economy, schedule, rebate),
        tangents[:3],
    )
    # Whoever jumps over several borders at once is met at each of them: count the last one only.
    stretch = jnp.cumsum(falls)[:, None]
    last = stretch[jnp.maximum(option - first_border(economy.population) - 1, 0), 0] == stretch
    counted = exists & last & (slope > 0)
    moved = jnp.zeros_like(at) if lift is None else lift / jnp.where(counted, slope, 1)
    gain = jnp.where(counted, high.tax - low.tax, 0)
    types, type_moves = eqx.filter_jvp(_log_types, (economy,), tangents[:1])
    arriving = zero
    for border in range(falls.shape[0]):
        below = jax.nn.sigmoid((at[border] - types) / bandwidth)
        mass = economy.population.weight * below * (1 - below) / bandwidth
        if type_moves is not None:
            arriving += jnp.sum(mass * gain[border] * type_moves)
        mass = jnp.sum(mass, keepdims=True) if shared else mass
        arriving += jnp.sum(mass * gain[border] * moved[border])
    return zero, arriving


def _falls(economy: Economy, schedule: AbstractSchedule) -> Bool[Array, " borders"]:
    """Return at which borders workers jump."""
    falls = jnp.diff(schedule.rates) < 0 if isinstance(schedule, BracketSchedule) else jnp.zeros(0, bool)
    return falls if economy.population.fixed_cost is None else jnp.append(True, falls)


def _log_types(economy: Economy) -> Float[Array, " agents"]:
    """Return every worker's log type; far below all others where there is no skill."""
    workers = economy.population
    works = (workers.skill > 0) & (workers.taste > 0)
    safe = eqx.tree_at(
        lambda w: (w.skill, w.taste),
        workers,
        (jnp.where(works, workers.skill, 1), jnp.where(works, workers.taste, 1)),
    )
    return jnp.where(works, economy.preferences.log_type(safe), -jnp.inf)
