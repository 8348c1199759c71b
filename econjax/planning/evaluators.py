"""One counted evaluator is the only road from a planner to an economy."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
from jaxtyping import Array, Float

from econjax._arrays import is_none
from econjax.economy import Economy, Outcome
from econjax.planning.report import Report, summarise
from econjax.population import Population
from econjax.response import equilibrium
from econjax.schedule import BracketSchedule
from econjax.welfare.functions import AbstractWelfare, require_dollars


@runtime_checkable
class Evaluator(Protocol):
    """The only road from a planner to an economy.

    `counts` says how many evaluations of each kind there were: "value", "gradient" and "what_if".
    """

    counts: dict[str, int]

    def value(self, schedule: BracketSchedule) -> Report:
        """Evaluate a schedule."""
        ...

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Evaluate a schedule and the gradient of the equivalent with respect to its rates."""
        ...

    def what_if(self, schedule: BracketSchedule) -> Report:
        """Return what a schedule would bring if all best-responded: a question, not a tax year."""
        ...


def no_counts() -> dict[str, int]:
    """Return the `counts` of an evaluator that was asked nothing yet."""
    return {"value": 0, "gradient": 0, "what_if": 0}


class RationalEvaluator:
    """Evaluate schedules in an economy whose workers all best-respond.

    Values are of the exact finite population; gradients as `equilibrium` documents them.
    """

    def __init__(self, economy: Economy, welfare: AbstractWelfare):
        """Hold the economy and the welfare function; nothing is counted yet.

        Raises:
            ValueError: a welfare function of dollars, and preferences whose utility is not in
            dollars.
        """
        require_dollars(economy, welfare)
        self.economy = economy
        self.welfare = welfare
        self.counts = no_counts()

    def value(self, schedule: BracketSchedule) -> Report:
        """Return the report on one settled equilibrium."""
        self.counts["value"] += 1
        return _value(self.economy, self.welfare, schedule)

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Return the report on one settled equilibrium, with the gradient."""
        self.counts["gradient"] += 1
        return _value_and_grad(self.economy, self.welfare, schedule)

    def what_if(self, schedule: BracketSchedule) -> Report:
        """Return the report that `value` would, counted as a question."""
        self.counts["what_if"] += 1
        return _value(self.economy, self.welfare, schedule)


def _value(economy: Economy, welfare: AbstractWelfare, schedule: BracketSchedule) -> Report:
    return _report(economy, schedule, equilibrium(economy, schedule).outcome, welfare)


def _value_and_grad(
    economy: Economy, welfare: AbstractWelfare, schedule: BracketSchedule
) -> Report:
    # Apart, so that all welfare functions share the programs of the equilibrium and of its
    # derivative, and evaluations with and without a gradient that of the report.
    outcome, to_rates = _outcome_and_pullback(economy, schedule)
    report = _report(economy, schedule, outcome, welfare)
    gradient = _pull(to_rates, _slope(economy.population, outcome, welfare))
    return eqx.tree_at(lambda r: r.gradient, report, gradient, is_leaf=is_none)


_report = eqx.filter_jit(summarise)


@eqx.filter_jit
def _outcome_and_pullback(
    economy: Economy, schedule: BracketSchedule
) -> tuple[Outcome, Callable[[Outcome], tuple[Float[Array, "*groups brackets"]]]]:
    def outcome(rates: Float[Array, "*groups brackets"]) -> Outcome:
        return equilibrium(economy, eqx.tree_at(lambda s: s.rates, schedule, rates)).outcome

    return jax.vjp(outcome, schedule.rates)


@eqx.filter_jit
def _slope(population: Population, outcome: Outcome, welfare: AbstractWelfare) -> Outcome:
    """Return the derivative of the equivalent with respect to the outcome."""
    return jax.grad(lambda outcome: welfare.equivalent(population, outcome))(outcome)


@eqx.filter_jit
def _pull(
    to_rates: Callable[[Outcome], tuple[Float[Array, "*groups brackets"]]], by_outcome: Outcome
) -> Float[Array, "*groups brackets"]:
    return to_rates(by_outcome)[0]
