"""Progressivity of taxes: how incomes before and after tax are distributed over the same workers.

Everywhere `income` (before tax) and `tax` are dollars, one per worker, and `weight` says how many
people each worker stands for, in any unit; equally many if not given. Workers are ranked by income
before tax; equal incomes share a rank. Derivatives hold the ranks fixed. Arrays that are not flat
and of one length, and illegal weights where they are known, raise a ValueError.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import is_concrete, require
from econjax._compiled import compiled_to_nan
from econjax.welfare.inequality import concentration, gini, per_worker, position


class Redistribution(eqx.Module):
    """What a tax did to the Gini, as shares.

    `effect` is the Gini before tax less the Gini after it, negative if incomes became less equal,
    and equals `vertical` - `reranking`. `vertical` is what it would be if everyone kept their rank;
    `reranking`, 0 or more, is lost because some overtake others or part from their equals (Atkinson
    1980, Plotnick 1981).
    """

    effect: Float[Array, ""]
    vertical: Float[Array, ""]
    reranking: Float[Array, ""]


@compiled_to_nan
def reynolds_smolensky(
    income: ArrayLike, tax: ArrayLike, weight: ArrayLike | None = None
) -> Redistribution:
    """Return the redistributive effect of a tax (Reynolds and Smolensky 1977) and its two parts.

    The vertical part is kakwani * t / (1 - t), with t the average rate (Kakwani 1984). Unlike that
    product it needs no positive total: `tax` may be net of rebates.

    Raises:
        ValueError: mean income before or after tax is not positive, where it is known and incomes
            are not all equal (inside `jit` the parts are nan).
    """
    income, tax, weight = per_worker(weight, income=income, tax=tax)
    after = income - tax
    ranks_kept = concentration(after, income, weight)
    vertical, reranking = gini(income, weight) - ranks_kept, gini(after, weight) - ranks_kept
    return Redistribution(vertical - reranking, vertical, reranking)


@compiled_to_nan
def kakwani(income: ArrayLike, tax: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return the concentration of taxes less the Gini of incomes: 0 if proportional (Kakwani 1977).

    Raises:
        ValueError: incomes or taxes do not sum to a positive amount (under `jit`, when the function
            runs). Rebated taxes sum to 0: give those before the rebate.
    """
    income, tax, weight = per_worker(weight, income=income, tax=tax)
    taxed, earned = _shares("tax", tax, weight), _shares("income", income, weight)
    return jnp.sum((taxed - earned) * position(income, weight))


@compiled_to_nan
def suits(income: ArrayLike, tax: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return the Suits (1977) index, in which taxes cumulate over dollars of income, not people.

    From -1 to 1 where taxes too are 0 or more; 0 if proportional. Incomes are 0 or more.

    Raises:
        ValueError: as `kakwani`; or an income below 0, where it is known (inside `jit` the index is
            then nan).
    """
    income, tax, weight = per_worker(weight, income=income, tax=tax)
    legal = jnp.all((income >= 0) | (weight == 0))
    if is_concrete(legal) and not legal:
        raise ValueError(
            f"Taxes cumulate over incomes of 0 or more; the least is {jnp.min(income)}: leave "
            "losses out, or use `kakwani`, which cumulates over people."
        )
    taxed, earned = _shares("tax", tax, weight), _shares("income", income, weight)
    return jnp.where(legal, jnp.sum((taxed - earned) * position(income, earned)), jnp.nan)


def _shares(
    name: str, dollars: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    total, gross = jnp.sum(weight * dollars), jnp.sum(weight * jnp.abs(dollars))
    beyond_rounding = total > 1e3 * jnp.finfo(dollars.dtype).eps * gross
    remedy = (
        f"The mean {name} must be above 0, by more than rounding: give taxes gross of any rebate."
    )
    return weight * dollars / require(total, beyond_rounding, remedy)
