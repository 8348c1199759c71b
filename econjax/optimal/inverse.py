"""The inverse optimum: the welfare weights under which a given schedule is the best one."""

from collections.abc import Callable
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, dot, is_concrete, require, require_scalar
from econjax.economy import Economy, Outcome
from econjax.optimal.saez import require_no_income_effects
from econjax.schedule import AbstractSchedule, BracketSchedule
from econjax.welfare.statistics import shares_and_bases


class WelfareWeights(eqx.Module):
    """Marginal welfare weights, of mean 1, as far as a bracket schedule reveals them.

    `near[j]` is the mean weight of the workers around threshold j, each counted by how near it is:
    fully at the threshold, falling linearly to nothing at the thresholds next to it; whoever earns
    more than the last threshold counts fully there. These counts are in `people`: shares that sum
    to 1, as does `people @ near`. `dollar[j]` is the mean weight of the dollars in bracket j: the
    tail beyond the last threshold is seen in its last entry alone. At the optimum of a welfare
    function both are that function's own marginal weights, averaged in these two ways. What no
    worker reveals is 0 and not `identified` (`near`) or not `held` (`dollar`).

    `dominated` marks the thresholds with a negative weight, and the last also where the dollars
    beyond it have one: no welfare function that values everybody prefers the schedule, since a
    small change of the rates beside the threshold leaves no worker worse off and some better
    (Werning 2007; Lorenz and Sachs 2016; Bierbrauer, Boyer and Hansen 2023, Econometrica 91, for
    reforms of one and two brackets).
    """

    near: Float[Array, " brackets"]
    people: Float[Array, " brackets"]
    dollar: Float[Array, " brackets"]
    identified: Bool[Array, " brackets"]
    held: Bool[Array, " brackets"]
    dominated: Bool[Array, " brackets"]


def inverse_optimum(
    economy: Economy, schedule: BracketSchedule, outcome: Outcome, *, elasticity: ArrayLike
) -> WelfareWeights:
    """Return the welfare weights that rationalise a schedule for workers without income effects.

    The first-order condition of each bracket's rate, E[(1 - g) l_j] = e rate_j / (1 - rate_j) E[z;
    active in j] with l_j the income in the bracket, and that of the rebate, E[g] = 1, are one more
    than the brackets (Bourguignon and Spadaro 2012, Journal of Economic Inequality 10). Differences
    of neighbouring conditions, per dollar of the bracket's width, give the means in
    `WelfareWeights` exactly and without an assumption on how weights vary within a bracket. As in
    `saez_rates`, the conditions hold where no worker jumps over a threshold, so are biased where
    rates fall with income.

    Raises:
        ValueError: preferences with income effects, an elasticity that is not positive, or a rate
            of 1 at which someone still works.
    """
    elasticity = require_scalar("elasticity", elasticity, positive=True)
    require_no_income_effects(economy)
    _, base, active = shares_and_bases(economy, schedule, outcome)
    rates = require(
        schedule.rates,
        jnp.all((schedule.rates < 1) | (active == 0)),
        "Nobody chooses to work where a rate takes the whole next dollar: use rates below 1.",
    )
    # What a rise of each rate loses to lower incomes, in dollars per head and unit of rate.
    lost = elasticity * rates / jnp.where(rates < 1, 1 - rates, 1) * active
    width = jnp.diff(schedule.thresholds)
    lost_per_dollar = jnp.append(lost[:-1] / width, 0)
    gain = jnp.diff(lost_per_dollar, prepend=0)
    people = jnp.stack(
        [
            dot(economy.population.weight, nearness)
            for nearness in _nearness(schedule.thresholds, outcome.income)
        ]
    )
    near, identified = _ratio(people + gain, people)
    dollar, held = _ratio(base - lost, base)
    dominated = identified & (near < 0)
    dominated = dominated.at[-1].set(dominated[-1] | (held[-1] & (dollar[-1] < 0)))
    return WelfareWeights(near, people, dollar, identified, held, dominated)


def weights_by_income(
    schedule: AbstractSchedule,
    density: Callable[[Float[Array, ""]], Float[Array, ""]],
    income: ArrayLike,
    *,
    elasticity: ArrayLike,
) -> Float[Array, "*shape"]:
    """Return the welfare weights, at incomes of any shape, that rationalise a smooth schedule.

    g(z) = 1 + (1/h) d/dz [e z h* T' / (1 - T')], from the formula of Diamond (1998) and Saez (2001)
    with the virtual density h* = h / (1 + e z T'' / (1 - T')) differentiated once. `density` is
    that of incomes under the schedule, h, differentiable and positive. Within the brackets of a
    `BracketSchedule` T'' is 0; at a threshold the formula does not hold. A negative weight:
    `WelfareWeights`.

    Raises:
        ValueError: an elasticity that is not positive, or, where they are known, incomes at which
            the marginal rate is not below 1 and finite.
    """
    elasticity = require_scalar("elasticity", elasticity, positive=True)
    income = as_float(income)
    rates = schedule.marginal_rate(income)
    if is_concrete(rates) and not jnp.all((rates < 1) & jnp.isfinite(rates) & (income < jnp.inf)):
        raise ValueError(
            "Weights are known where incomes are finite and their marginal rate is, and below 1; "
            f"incomes {income.tolist()} have rates {rates.tolist()}."
        )

    def lost(z: Float[Array, ""]) -> Float[Array, ""]:
        rate, slope = jax.value_and_grad(schedule.marginal_rate)(z)
        virtual = density(z) / (1 + elasticity * z * slope / (1 - rate))
        return elasticity * z * virtual * rate / (1 - rate)

    flat = income.ravel()
    return (1 + jax.vmap(jax.grad(lost))(flat) / jax.vmap(density)(flat)).reshape(income.shape)


def _nearness(
    thresholds: Float[Array, " brackets"], income: Float[Array, " agents"]
) -> list[Float[Array, " agents"]]:
    """Return how near every worker is to each threshold: shares that sum to 1 over thresholds."""
    passed = [
        jnp.clip((income - start) / (end - start), 0, 1) for start, end in pairwise(thresholds)
    ]
    ends = [jnp.ones_like(income), *passed, jnp.zeros_like(income)]
    return [before - after for before, after in pairwise(ends)]


def _ratio(
    part: Float[Array, " brackets"], whole: Float[Array, " brackets"]
) -> tuple[Float[Array, " brackets"], Bool[Array, " brackets"]]:
    defined = whole > 0
    return jnp.where(defined, part / jnp.where(defined, whole, 1), 0), defined
