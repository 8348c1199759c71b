"""Winners and losers: what moving from one schedule to another does to each worker, and to groups.

All functions are pure and go through `jit`, `vmap` and `grad`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float
from econjax._compiled import compiled
from econjax.economy import Economy, Outcome, income_and_tax, spendable
from econjax.response import equilibrium
from econjax.schedule import AbstractSchedule
from econjax.welfare.inequality import position


class ReformEffects(eqx.Module):
    """What a reform does to every worker, in dollars a year; rates are shares of a dollar.

    `before` and `after` are the equilibria under the two schedules. `gain` is the change of utility
    over the marginal utility of consumption before the reform: with quasi-linear preferences the
    change of utility itself. A worker's tax changes by `mechanical` at unchanged income, and by
    `behavioural` because income changes. `marginal_before` and `marginal_after` are the rates on
    the next dollar at the incomes chosen then.
    """

    before: Outcome
    after: Outcome
    gain: Float[Array, " agents"]
    mechanical: Float[Array, " agents"]
    behavioural: Float[Array, " agents"]
    marginal_before: Float[Array, " agents"]
    marginal_after: Float[Array, " agents"]


class GroupEffects(eqx.Module):
    """What a reform does to groups of workers: one entry per group, nan where nobody is.

    `share` is the group's share of all people. Means per head of the group, in dollars a year:
    `income` before the reform, `gain`, `tax_before` and `tax_after` (without the rebate),
    `mechanical` and `behavioural`, whose sum is the change of tax. Shares of the group's people:
    `gaining` and `losing` more than the tolerance. Rates: `effective_before` and `effective_after`
    are taxes over incomes, `marginal_before` and `marginal_after` means over people.
    """

    share: Float[Array, " groups"]
    income: Float[Array, " groups"]
    gain: Float[Array, " groups"]
    gaining: Float[Array, " groups"]
    losing: Float[Array, " groups"]
    tax_before: Float[Array, " groups"]
    tax_after: Float[Array, " groups"]
    mechanical: Float[Array, " groups"]
    behavioural: Float[Array, " groups"]
    effective_before: Float[Array, " groups"]
    effective_after: Float[Array, " groups"]
    marginal_before: Float[Array, " groups"]
    marginal_after: Float[Array, " groups"]


@compiled
def reform_effects(
    economy: Economy, base: AbstractSchedule, reform: AbstractSchedule
) -> ReformEffects:
    """Return what moving from `base` to `reform` does to each worker, responses and rebate counted.

    The mechanical part of revenue is what the reform collects of the incomes before it, the
    behavioural part the rest (Saez 2001, section 3).

    Raises:
        TypeError: a schedule to which `best_response` knows no answer.
    """
    before, after = (equilibrium(economy, schedule).outcome for schedule in (base, reform))
    # All by hours, so that what does not change is 0 to the last digit.
    workers = economy.population
    law, old, new = (
        income_and_tax(workers, schedule, outcome.labor)[1]
        for schedule, outcome in ((base, before), (reform, before), (reform, after))
    )
    own = [(spendable(economy, o.consumption, o.labor), o.labor) for o in (before, after)]
    gain = economy.preferences.advantage(*own[1], own[0], workers)
    return ReformEffects(
        before=before,
        after=after,
        gain=gain,
        mechanical=old - law,
        behavioural=new - old,
        marginal_before=base.of(workers).marginal_rate(before.income),
        marginal_after=reform.of(workers).marginal_rate(after.income),
    )


def effects_by(
    effects: ReformEffects,
    weight: Float[Array, " agents"],
    group: Int[Array, " agents"],
    *,
    groups: int,
    tolerance: ArrayLike = 1.0,
) -> GroupEffects:
    """Return what a reform does to each of so many `groups`; `group` numbers them from 0.

    Who gains, or loses, `tolerance` dollars a year or less counts for neither.
    """
    weight, tolerance = as_float(weight), as_float(tolerance)

    def total(values: Float[Array, " agents"]) -> Float[Array, " groups"]:
        return jax.ops.segment_sum(weight * values, group, num_segments=groups)

    people = total(jnp.ones_like(weight))
    before, after = effects.before, effects.after

    def mean(values: Float[Array, " agents"]) -> Float[Array, " groups"]:
        return total(values) / people

    return GroupEffects(
        share=people / jnp.sum(weight),
        income=mean(before.income),
        gain=mean(effects.gain),
        gaining=mean(1.0 * (effects.gain > tolerance)),
        losing=mean(1.0 * (effects.gain < -tolerance)),
        tax_before=mean(before.tax),
        tax_after=mean(after.tax),
        mechanical=mean(effects.mechanical),
        behavioural=mean(effects.behavioural),
        effective_before=total(before.tax) / total(before.income),
        effective_after=total(after.tax) / total(after.income),
        marginal_before=mean(effects.marginal_before),
        marginal_after=mean(effects.marginal_after),
    )


@compiled
def quantile_groups(
    values: Float[Array, " agents"], weight: Float[Array, " agents"], *, groups: int = 10
) -> Int[Array, " agents"]:
    """Return each worker's quantile group, from 0 for the poorest: deciles if not said otherwise.

    A worker belongs where the middle of its own share of the people falls; equals stay together.
    """
    rank = (1 + position(values, weight / jnp.sum(weight))) / 2
    return jnp.clip(jnp.floor(groups * rank), 0, groups - 1).astype(int)
