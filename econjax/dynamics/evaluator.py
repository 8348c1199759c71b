"""Evaluate schedules in a tax year in which workers still adjust, with gradients through it all."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._jumps import arriving_revenue
from econjax.dynamics.policies import Lagged, Rational
from econjax.dynamics.simulation import whole_years
from econjax.economy import Economy, Outcome, settle
from econjax.planning import RationalEvaluator, Report, no_counts, summarise
from econjax.response import best_response, equilibrium
from econjax.schedule import BracketSchedule
from econjax.welfare import AbstractWelfare


class SimulatedEvaluator:
    """Report the mean over a tax year of `steps` steps in which workers adjust to the schedule.

    Before the year everyone had fully adjusted to the schedule `before`. In every step they move a
    `fraction` of the way from their hours to the best response to the schedule and the last rebate,
    as `Lagged(Rational(), fraction)` does. `what_if` is the report on workers who have adjusted to
    the end.

    Gradients are those of the whole year, so any gradient planner plans against the adjustment, not
    its end. Values step where workers jump over a threshold at which a rate falls. Derivatives
    count the revenue that jumpers bring as `equilibrium` does, and as if it came as their hours do:
    `fraction` of what is left in each step. That is exact in the long run; before, it takes the tax
    between a jumper's two points for a straight line, and the jumper for indifferent on the way.
    Where no rate falls nobody jumps, and values have a kink where a worker's hours pass a threshold
    on the way.

    Raises:
        ValueError: a welfare function that needs dollars where utility is not in dollars, a
            fraction that is not above 0 and at most 1, or steps that do not count.
    """

    def __init__(
        self,
        economy: Economy,
        welfare: AbstractWelfare,
        *,
        before: BracketSchedule,
        fraction: ArrayLike,
        steps: int,
    ):
        self.rational = RationalEvaluator(economy, welfare)
        self.economy, self.welfare = economy, welfare
        self.fraction = Lagged(Rational(), fraction).fraction
        self.steps = whole_years(steps)
        self.start = _adjusted(economy, before)
        self.counts = no_counts()

    def value(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year."""
        self.counts["value"] += 1
        return _value(self.economy, self.welfare, self.start, self.fraction, self.steps, schedule)

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year, with the gradient of its mean equivalent."""
        self.counts["gradient"] += 1
        return _value_and_grad(
            self.economy, self.welfare, self.start, self.fraction, self.steps, schedule
        )

    def what_if(self, schedule: BracketSchedule) -> Report:
        """Return the report on workers who have adjusted, counted as a question."""
        self.counts["what_if"] += 1
        return self.rational.value(schedule)


@eqx.filter_jit
def _adjusted(economy: Economy, schedule: BracketSchedule) -> Outcome:
    return equilibrium(economy, schedule).outcome


@eqx.filter_jit
def _value(
    economy: Economy,
    welfare: AbstractWelfare,
    start: Outcome,
    fraction: Float[Array, ""],
    steps: int,
    schedule: BracketSchedule,
) -> Report:
    return _year(economy, welfare, start, fraction, steps, schedule)[1]


@eqx.filter_jit
def _value_and_grad(
    economy: Economy,
    welfare: AbstractWelfare,
    start: Outcome,
    fraction: Float[Array, ""],
    steps: int,
    schedule: BracketSchedule,
) -> Report:
    def equivalent(rates: Float[Array, " brackets"]) -> tuple[Float[Array, ""], Report]:
        at = eqx.tree_at(lambda s: s.rates, schedule, rates)
        return _year(economy, welfare, start, fraction, steps, at)

    gradient, report = jax.grad(equivalent, has_aux=True)(schedule.rates)
    return eqx.tree_at(lambda r: r.gradient, report, gradient, is_leaf=lambda leaf: leaf is None)


def _year(
    economy: Economy,
    welfare: AbstractWelfare,
    start: Outcome,
    fraction: Float[Array, ""],
    steps: int,
    schedule: BracketSchedule,
) -> tuple[Float[Array, ""], Report]:
    """Return the mean equivalent of a year, and the mean report, which has no derivative."""

    @jax.checkpoint
    def step(carry: tuple[Outcome, Float[Array, ""]], _):
        last, arrived = carry
        aim = best_response(economy, schedule, last.rebate)
        arriving = arriving_revenue(economy, schedule, last.rebate, None, None)
        labor = last.labor + fraction * (aim - last.labor)
        arrived = arrived + fraction * (arriving - arrived)
        now = settle(economy, schedule, labor, arriving=arrived)
        shown = jax.lax.stop_gradient((schedule, now))
        report = summarise(economy, *shown, welfare)
        return (now, arrived), (welfare.equivalent(economy.population, now), report)

    _, (equivalents, reports) = jax.lax.scan(
        step, (start, jnp.zeros_like(start.rebate)), length=steps
    )
    return jnp.mean(equivalents), jax.tree.map(lambda each: jnp.mean(each, axis=0), reports)
