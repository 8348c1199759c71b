"""What an evaluation brings to light, and which parts of it a planner observes."""

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from econjax._arrays import in_order, running_sum
from econjax.economy import Economy, Outcome
from econjax.schedule import BracketSchedule
from econjax.welfare.functions import AbstractWelfare
from econjax.welfare.inequality import gini
from econjax.welfare.statistics import BracketStatistics, bracket_statistics

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
    reached, rounding = running_sum(weight), 32 * jnp.finfo(weight.dtype).eps
    shares = jnp.arange(1, 10, dtype=weight.dtype) / 10
    low, high = (
        ranked[jnp.searchsorted(reached, at)] for at in (shares - rounding, shares + rounding)
    )
    return _Spread(mean, spread, (low + high) / 2)
