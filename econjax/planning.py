"""Planners ask and tell; one counted evaluator is the only road to the economy."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    get_args,
    runtime_checkable,
)

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import in_order, is_none
from econjax.economy import Economy, Outcome
from econjax.inequality import gini
from econjax.population import Population
from econjax.response import equilibrium
from econjax.schedule import BracketSchedule
from econjax.statistics import BracketStatistics, bracket_statistics
from econjax.welfare import AbstractWelfare, require_dollars

Observation = Literal[
    "value", "distribution", "brackets", "elasticity", "gradient", "answers", "what-if"
]
"""A part of what an evaluation brings to light: a planner declares which of them it observes."""
OBSERVATIONS: tuple[Observation, ...] = get_args(Observation)


VALUE: tuple[Observation, ...] = ("value",)
CLIMBS: tuple[Observation, ...] = ("value", "gradient")
"""What planners observe who search by values alone, and those who follow gradients."""


class Report(eqx.Module):
    """What a planner hears of a schedule: dollars a year per head unless said otherwise.

    Of value: `equivalent` is the welfare function's equally-distributed equivalent, averaged over
    the steps of the tax year, and `standard_error` that of its mean (0 for one settled
    equilibrium); `floored` is the share of workers whose utility the welfare function had to floor,
    `understood` the share of workers' answers that could be read (1 where nobody was asked).

    Of distribution: `rebate`; mean `income`, and `labor`, the mean week in hours; `gini` of
    consumption; nine deciles, ascending, and spreads, which are standard deviations. `utility` is
    the mean, and these three are in the preferences' unit of it.

    Of brackets: `brackets`, without its elasticities, which are an observation of their own.
    `brackets.share` is the share of workers per bracket. `gradient` is d equivalent / d rates, in
    dollars per unit of rate, if asked for.

    Raises:
        AttributeError: a planner reads what it does not observe (see `observed`).
    """

    equivalent: Float[Array, ""]
    standard_error: Float[Array, ""]
    rebate: Float[Array, ""]
    income: Float[Array, ""]
    labor: Float[Array, ""]
    gini: Float[Array, ""]
    floored: Float[Array, ""]
    understood: Float[Array, ""]
    income_deciles: Float[Array, " 9"]
    income_spread: Float[Array, ""]
    utility: Float[Array, ""]
    utility_deciles: Float[Array, " 9"]
    utility_spread: Float[Array, ""]
    brackets: BracketStatistics
    # No default of the class: a report without it refuses to tell it.
    gradient: Float[Array, "*groups brackets"] | None = eqx.field(default_factory=lambda: None)

    if not TYPE_CHECKING:  # a misspelt name stays an error of types

        def __getattr__(self, name: str):
            """Refuse what this report does not hold."""
            if name in _OBSERVED_BY:
                raise AttributeError(
                    f"The planner does not observe {_OBSERVED_BY[name]}, of which {name} is part: "
                    "it must stand in the planner's `observes`."
                )
            raise AttributeError(f"A report has no {name}.")


_VALUE = frozenset({"equivalent", "standard_error", "floored", "understood"})
_NAMED = frozenset({"brackets", "gradient"})


def _part(name: str) -> str:
    return "value" if name in _VALUE else name if name in _NAMED else "distribution"


_OBSERVED_BY = {field.name: _part(field.name) for field in dataclasses.fields(Report)}


def observed(report: Report, observes: Collection[Observation]) -> Report:
    """Return the report with the parts that a planner observes, and nothing else in it.

    Whatever else is read of it raises an AttributeError; elasticities of brackets are None.
    """
    seen = object.__new__(Report)
    for name, part in _OBSERVED_BY.items():
        if part in observes:
            object.__setattr__(seen, name, getattr(report, name))
    if "brackets" in observes and "elasticity" not in observes:
        untold = dataclasses.replace(report.brackets, elasticity=None, elasticity_variance=None)
        object.__setattr__(seen, "brackets", untold)
    return seen


@runtime_checkable
class Planner(Protocol):
    """Whoever sets the schedule. `state` is the planner's own; only the functions below read it.

    An equivalent of -inf is worse than any other, and so is nan: a planner ranks such a schedule
    last and goes on. It raises nothing but for a report that lacks what it observes.

    `observes` declares the parts of a report that `tell` reads: it hears no others. A planner that
    observes "gradient" is answered by evaluations with gradients.
    """

    @property
    def observes(self) -> Collection[Observation]:
        """The parts of a report that the planner hears."""
        ...

    def init(self, key: Key[Array, ""]) -> Any:
        """Return the state before anything was seen."""
        ...

    def ask(self, key: Key[Array, ""], state: Any) -> tuple[BracketSchedule, Any]:
        """Propose a schedule to evaluate."""
        ...

    def tell(self, state: Any, schedule: BracketSchedule, report: Report) -> Any:
        """Hear what the schedule brought."""
        ...

    def recommend(self, state: Any) -> BracketSchedule:
        """Return the schedule the planner would now enact."""
        ...


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


def summarise(
    economy: Economy,
    schedule: BracketSchedule,
    outcome: Outcome,
    welfare: AbstractWelfare,
    *,
    understood: Float[Array, ""] | float = 1.0,
) -> Report:
    """Return the report on one outcome. Workers of weight 0 count for nothing."""
    population, weight = economy.population, economy.population.weight
    income, utility = (_spread_out(values, weight) for values in (outcome.income, outcome.utility))
    return Report(
        equivalent=welfare.equivalent(population, outcome),
        standard_error=jnp.zeros_like(outcome.rebate),
        rebate=outcome.rebate,
        income=income.mean,
        labor=jnp.sum(weight * outcome.labor),
        gini=gini(outcome.consumption, weight),
        floored=welfare.floored(population, outcome),
        understood=jnp.asarray(understood, weight.dtype),
        income_deciles=income.deciles,
        income_spread=income.spread,
        utility=utility.mean,
        utility_deciles=utility.deciles,
        utility_spread=utility.spread,
        brackets=bracket_statistics(economy, schedule, outcome, welfare),
    )


@dataclass(frozen=True)
class Plan:
    """A planner's run: the schedules proposed, the report on each, and the final recommendation."""

    schedules: tuple[BracketSchedule, ...]
    reports: tuple[Report, ...]
    recommended: BracketSchedule


def plan(
    key: Key[Array, ""],
    planner: Planner,
    evaluate: Evaluator,
    *,
    steps: int,
    on_step: Callable[[int, BracketSchedule, Report], None] = lambda step, schedule, report: None,
) -> Plan:
    """Let a planner propose and hear `steps` times, and return all of it.

    `on_step(step, schedule, report)` is called after each evaluation.
    """
    init_key, ask_key = jax.random.split(key)
    state = planner.init(init_key)
    schedules, reports = [], []
    for step in range(steps):
        schedule, state = planner.ask(jax.random.fold_in(ask_key, step), state)
        report = evaluated(planner, evaluate, schedule)
        state = hear(planner, state, schedule, report)
        on_step(step, schedule, report)
        schedules.append(schedule)
        reports.append(report)
    return Plan(tuple(schedules), tuple(reports), planner.recommend(state))


def evaluated(planner: Planner, evaluate: Evaluator, schedule: BracketSchedule) -> Report:
    """Return the whole report on a schedule, by the kind of evaluation that the planner needs."""
    if "gradient" in planner.observes:
        return evaluate.value_and_grad(schedule)
    return evaluate.value(schedule)


def hear(planner: Planner, state: Any, schedule: BracketSchedule, report: Report) -> Any:
    """Return the planner's state after it heard what it observes of a report."""
    return planner.tell(state, schedule, observed(report, planner.observes))


def require_law(law: object) -> BracketSchedule:
    """Return the law that a planner starts from, the first argument of every planner.

    Raises:
        ValueError: it is no bracket schedule.
    """
    if not isinstance(law, BracketSchedule):
        raise ValueError(
            f"A planner is given a law, a BracketSchedule such as us_federal(2024); got "
            f"{type(law).__name__}: {law!r:.60}."
        )
    return law


def worth(report: Report) -> float:
    """Return the equivalent by which a schedule ranks, in dollars; -inf, the last, if it is nan."""
    value = float(report.equivalent)
    return -math.inf if math.isnan(value) else value


def to_learn_from(values: ArrayLike) -> Float[np.ndarray, " tries"]:
    """Return equivalents as finite numbers in the same order, for methods that compute with them.

    What is infinitely bad, or nan, is as far below the worst of the others as that is below the
    best.
    """
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    worst, best = (known.min(), known.max()) if known.size else (0.0, 0.0)
    return np.where(np.isfinite(values), values, worst - max(best - worst, 1.0))


class Incumbent(eqx.Module):
    """The best schedule a planner has seen so far: what most planners recommend."""

    schedule: BracketSchedule
    equivalent: Float[Array, ""]

    @classmethod
    def none(cls, schedule: BracketSchedule) -> "Incumbent":
        """Return an incumbent that any evaluated schedule replaces."""
        return cls(schedule, jnp.asarray(-jnp.inf))

    @property
    def is_lost(self) -> bool:
        """Whether nothing better than -inf was heard of any schedule."""
        return bool(self.equivalent == -jnp.inf)

    def or_better(self, schedule: BracketSchedule, report: Report) -> "Incumbent":
        """Return the better of this incumbent and a schedule just evaluated."""
        return (
            Incumbent(schedule, report.equivalent) if report.equivalent > self.equivalent else self
        )


class _Spread(NamedTuple):
    mean: Float[Array, ""]
    spread: Float[Array, ""]
    deciles: Float[Array, " 9"]


def _spread_out(values: Float[Array, " agents"], weight: Float[Array, " agents"]) -> _Spread:
    """Return mean, standard deviation and deciles, between two workers their average."""
    counts = weight > 0
    mean = jnp.sum(jnp.where(counts, weight * values, 0))
    spread = jnp.sqrt(jnp.sum(jnp.where(counts, weight * (values - mean) ** 2, 0)))
    ranked, weight = in_order(jnp.where(counts, values, jnp.inf), weight)
    reached, rounding = jnp.cumsum(weight), 32 * jnp.finfo(weight.dtype).eps
    shares = jnp.arange(1, 10, dtype=weight.dtype) / 10
    low, high = (
        ranked[jnp.searchsorted(reached, at)] for at in (shares - rounding, shares + rounding)
    )
    return _Spread(mean, spread, (low + high) / 2)


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
