"""Exact best responses, and the equilibrium they form."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete, require_scalar, split_moving
from econjax._blocks import in_blocks, sum_of_blocks
from econjax._budget import Point, advantage, best_point, home, with_credits
from econjax._choices import choices, shared_entries
from econjax._compiled import compiled
from econjax._jumps import arriving_revenue
from econjax.economy import Economy, Outcome, income_of, paid_out
from econjax.schedule import AbstractSchedule


def best_response(
    economy: Economy, schedule: AbstractSchedule, rebate: ArrayLike = 0.0
) -> Float[Array, " agents"]:
    """Return the hours a week that maximise each worker's own utility, the rebate taken as given.

    Within a bracket the budget is a straight line and utility is concave, so the best point there
    is the unconstrained one, moved to the bracket's nearer end if it lies outside. The best of
    these points over all brackets is exact for every schedule: workers bunch where rates rise, jump
    over thresholds where rates fall, and skip brackets (Hausman 1985, Econometrica 53, 1255-1282).
    Among equally good points the one with the lowest income is taken. Workers do not count on the
    economy's consumption floor.

    Derivatives are those of workers who stay in their bracket, and at work or at home: they miss
    that some would jump over a threshold where rates fall, or start to work. `equilibrium` counts
    those.

    Raises:
        TypeError: a schedule that is neither of brackets nor log-linear.
        ValueError: a rebate that is not one number; a log-linear schedule so regressive that labor
            without end would pay.
    """
    return _best_response(economy, schedule, one_rebate(rebate))


@compiled
def _best_response(
    economy: Economy, schedule: AbstractSchedule, rebate: Float[Array, ""]
) -> Float[Array, " agents"]:
    economy, schedule = with_credits(economy, schedule)
    entries = shared_entries(economy, schedule, rebate)

    def hours(part: Economy, *given: Any) -> Float[Array, " agents"]:
        return _best_points(part, *given).labor

    return in_blocks(hours, economy, schedule, rebate, entries)


def _best_points(
    economy: Economy,
    schedule: AbstractSchedule,
    rebate: Float[Array, ""],
    entries: Float[Array, "borders _"] | None,
) -> Point:
    """Return the best points of few workers, of whom `entries` are the shared ones."""
    chosen = choices(economy, schedule, rebate, entries)
    point = best_point(economy, schedule, rebate, chosen)
    if economy.population.fixed_cost is None:
        return point
    at_home = home(economy, schedule, rebate)
    goes = jax.lax.stop_gradient(advantage(economy, point, at_home) > 0)
    return jax.tree.map(lambda work, rest: jnp.where(goes, work, rest), point, at_home)


class Equilibrium(eqx.Module):
    """An outcome from which no worker would deviate, and how well that was reached.

    `gap` is the distance in dollars between the rebate that workers expected and the one that was
    paid; `steps` counts the rounds of best responses.
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
    economy: Economy, schedule: AbstractSchedule, *, bandwidth: ArrayLike | None = None
) -> Equilibrium:
    """Return the outcome where every worker best-responds and the rebate returns what is collected.

    Without income effects nobody's hours depend on the rebate, so one round is exact (`gap` 0).
    With them the rebate is a fixed point: the more is paid, the less is earned and collected, so
    there is one, found by a safeguarded secant method. Where rates fall, workers who jump at a
    rebate near it may leave no exact fixed point: `gap` says by how much (one worker's jump, shared
    by all).

    What is smooth. Values are those of the workers given: a step function of the rates wherever a
    rate falls with income, since there each worker jumps at once, and wherever working has a fixed
    cost. Derivatives of revenue, and of all that follows from it, count those who jump by a density
    of workers: that of log types under a biweight kernel that reaches `bandwidth` far (6 standard
    deviations of log type * agents^(-1/3) if not given). They are the continuum's, up to the error
    of that density, with respect to whatever the schedule and the economy hold: 1 % of the jump
    term with 20,000 workers of a smooth density, 7 % with 1,000, a third with 100. Derivatives of
    the rebate are those of the fixed point (implicit function theorem). Utility needs no jump term,
    for whoever jumps is indifferent. Workers bunched at a threshold do not move with rates.

    Not smooth or not right: second derivatives where workers jump; jumps of workers whom the
    longest week binds, unless fixed costs differ between workers; a rate of exactly 1, where no
    derivative exists; welfare that values an indifferent worker's two choices differently
    (`InverseIncome`).

    Raises:
        TypeError: a schedule that is neither of brackets nor log-linear.
        ValueError: a bandwidth that is not positive.
    """
    if bandwidth is not None:
        bandwidth = require_scalar("bandwidth", bandwidth, positive=True)
    return _equilibrium(economy, schedule, bandwidth)


@compiled
def _equilibrium(
    economy: Economy, schedule: AbstractSchedule, bandwidth: Float[Array, ""] | None
) -> Equilibrium:
    economy, schedule = with_credits(economy, schedule)
    if economy.preferences.income_effects:
        return Equilibrium(*_fixed_point(economy, schedule, bandwidth))
    expected = jnp.zeros_like(economy.spending)
    outcome = _round(economy, schedule, expected, bandwidth)
    return Equilibrium(outcome=outcome, gap=expected, steps=jnp.ones((), int))


def one_rebate(rebate: ArrayLike) -> Float[Array, ""]:
    """Return a rebate as one float; inside `jit` its value is not checked."""
    number = as_float(rebate)
    if number.shape != ():
        raise ValueError(
            f"The rebate is one number, the same to everyone; got shape {number.shape}."
        )
    bad = jnp.isnan(number)
    if is_concrete(bad) and bad:
        raise ValueError("The rebate is dollars a year; got nan.")
    return number


def _round(
    economy: Economy,
    schedule: AbstractSchedule,
    expected: Float[Array, ""],
    bandwidth: Float[Array, ""] | None,
) -> Outcome:
    """Return what follows when every worker expects a rebate."""
    entries = shared_entries(economy, schedule, expected)

    def chosen(part: Economy, *given: Any) -> tuple[Float[Array, " agents"], ...]:
        point = _best_points(part, *given)
        return point.labor, point.tax

    arriving = arriving_revenue(economy, schedule, expected, bandwidth, entries)
    labor, tax = in_blocks(chosen, economy, schedule, expected, entries)
    income = income_of(economy.population, labor)
    return paid_out(economy, labor, income, tax, arriving=arriving)


@eqx.filter_custom_jvp
def _fixed_point(
    economy: Economy, schedule: AbstractSchedule, bandwidth: Float[Array, ""] | None
) -> tuple[Outcome, Float[Array, ""], Int[Array, ""]]:
    """Return what `Equilibrium` holds, at the rebate that pays for itself."""
    expected, rounds = _paid_and_expected(economy, schedule)
    outcome = _round(economy, schedule, expected, bandwidth)
    return outcome, jnp.abs(outcome.rebate - expected), rounds


@_fixed_point.def_jvp
def _fixed_point_jvp(primals, tangents):
    """Differentiate the fixed point implicitly: d rebate = d paid / (1 - d paid / d expected)."""
    *given, bandwidth = primals
    expected, rounds = _paid_and_expected(*given)
    moving, still = split_moving(tuple(given), tangents[:2])

    def following(moving, expected: Float[Array, ""]) -> Outcome:
        economy, schedule = eqx.combine(moving, still)
        return _round(economy, schedule, expected, bandwidth)

    outcome, tangent = jax.linearize(following, moving, expected)
    direct = tangent(tangents[:2], jnp.zeros_like(expected))
    by_expected = tangent(jax.tree.map(jnp.zeros_like, moving), jnp.ones_like(expected))
    raised = direct.rebate / (1 - by_expected.rebate)
    moved = jax.tree.map(lambda one, more: one + raised * more, direct, by_expected)
    gap = jnp.abs(outcome.rebate - expected)
    return (outcome, gap, rounds), (moved, jnp.zeros_like(gap), None)


def _paid_and_expected(
    economy: Economy, schedule: AbstractSchedule
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Return the rebate that is paid if everyone expects it, and the rounds of best responses.

    The surplus of what is paid over what is expected falls, so its root lies between 0 and what is
    paid if nothing is expected. The Illinois method (Dowell and Jarratt 1971): false position that
    halves the value at an end which stays. Where the surplus is not falling after all, the interval
    is widened until it holds a change of sign.
    """
    start = jnp.zeros_like(economy.spending)
    tolerance = 8 * jnp.finfo(start.dtype).eps

    def surplus(expected: Float[Array, ""]) -> Float[Array, ""]:
        entries = shared_entries(economy, schedule, expected)

        def collected(part: Economy, *given: Any) -> Float[Array, ""]:
            return jnp.sum(part.population.weight * _best_points(part, *given).tax)

        found = sum_of_blocks(collected, economy, schedule, expected, entries)
        return found - economy.spending - expected

    def should_continue(state):
        a, _, b, at_b, calls = state
        width = tolerance * jnp.maximum(jnp.abs(a), jnp.abs(b))
        return (calls < 2) | (
            (jnp.abs(at_b) > width / 8) & (jnp.abs(b - a) > width) & (calls < _MOST_CALLS)
        )

    def step(state):
        a, at_a, b, at_b, calls = state  # b is the newest; the value kept for a may be halved
        holds = jnp.sign(at_a) * jnp.sign(at_b) < 0
        x = jnp.where(holds, b - at_b / jnp.where(holds, at_b - at_a, 1) * (b - a), b + 2 * (b - a))
        x = jnp.where(calls == 0, start, jnp.where(calls == 1, start + at_b, x))
        at_x = surplus(x)
        moves = (jnp.sign(at_x) * jnp.sign(at_b) < 0) | ~holds
        return jnp.where(moves, b, a), jnp.where(moves, at_b, at_a / 2), x, at_x, calls + 1

    state = (start, start, start, start, jnp.zeros((), int))
    _, _, expected, _, rounds = jax.lax.while_loop(should_continue, step, state)
    return expected, rounds


_MOST_CALLS = 100
