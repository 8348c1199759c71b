"""Inequality of one distribution of dollars, by sorting.

Everywhere `values` are dollars, one per worker, and `weight` says how many people each worker
stands for, in any unit; equally many if not given. Neither the order of workers nor the unit of the
values matters. If all have the same, nothing is unequal; otherwise the mean must be above 0, by
more than rounding. Arrays that are not flat and of one length raise a ValueError; so do, where they
are known, illegal weights, a mean that is not positive, and negative values in the indices that
take logs or powers. Inside `jit` these give nan.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from econjax._arrays import (
    as_float,
    at_most,
    in_order,
    is_concrete,
    require,
    require_scalar,
    rise,
    running_sum,
    seen,
)
from econjax._compiled import compiled_to_nan


@compiled_to_nan
def gini(
    values: ArrayLike, weight: ArrayLike | None = None, *, sample: bool = False
) -> Float[Array, ""]:
    """Return the Gini coefficient of a population: mean absolute difference over twice the mean.

    The population form, which does not change when everyone is duplicated. The `sample` form pairs
    no entry with itself, so it is larger by the factor 1 / (1 - the sum of squared shares of
    people), which is n/(n-1) for equal ones. Weights count there by their shares alone, in whatever
    unit: an entry of weight 2 is one entry. A single entry has 0 in both forms. At ties, where the
    Gini is not smooth, the derivative is that of tied workers who stay tied.
    """
    values, weight = per_worker(weight, values=values)
    coefficient = _concentration(values, values, weight)
    distinct = 1 - jnp.sum(weight**2) if sample else jnp.ones_like(coefficient)
    return coefficient / jnp.where(distinct == 0, 1, distinct)


@compiled_to_nan
def concentration(
    values: ArrayLike, by: ArrayLike, weight: ArrayLike | None = None
) -> Float[Array, ""]:
    """Return the concentration coefficient: the Gini formula with ranks `by` something else.

    Twice the covariance of values and ranks over the mean (Lerman and Yitzhaki 1984); workers tied
    in `by` share a rank. Derivatives hold the ranks fixed.
    """
    return _concentration(*per_worker(weight, values=values, by=by))


@compiled_to_nan
def lorenz(
    values: ArrayLike, weight: ArrayLike | None = None
) -> tuple[Float[Array, " points"], Float[Array, " points"]]:
    """Return the Lorenz curve: shares of people, poorest first, and shares of dollars they hold.

    One point per worker after (0, 0). Plot the second against the first; between points the curve
    is straight, so its height at p is `jnp.interp(p, people, dollars)`.
    """
    values, weight = per_worker(weight, values=values)
    _, *parts = in_order(values, weight, weight * _ratios_to_mean(values, weight))
    people, dollars = (jnp.append(0, running_sum(part)) for part in parts)
    return people / people[-1], dollars / dollars[-1]


@compiled_to_nan
def top_share(
    values: ArrayLike, weight: ArrayLike | None = None, *, top: ArrayLike
) -> Float[Array, ""]:
    """Return the share of all dollars held by the `top` share of people, say 0.01.

    One minus the Lorenz curve at 1 - top, summed from above to keep the digits of a thin top; the
    worker at the border counts in part. Not smooth in `top` where the border reaches the next
    worker, nor in values where workers tie across the border: there the derivative is that of one
    order of the tied.

    Raises:
        ValueError: `top` is not a share between 0 and 1.
    """
    values, weight = per_worker(weight, values=values)
    top = require_scalar("top", top)
    top = require(top, (top >= 0) & (top <= 1), "top is a share of people: the top 1 % is 0.01.")
    _, *parts = in_order(values, _ratios_to_mean(values, weight), weight)
    ratio, weight = (part[::-1] for part in parts)
    counted = jnp.clip(top - (running_sum(weight) - weight), 0, weight)
    return jnp.sum(counted * ratio)


@compiled_to_nan
def theil_t(values: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return Theil's T (1967), the mean of r log r, r = x / mean; a worker without a dollar adds 0.

    Where a value is 0 the slope in it is infinite; the derivative given is what it does to the
    mean.
    """
    ratio, weight = _nonnegative_ratios(values, weight)
    return jnp.sum(weight * ratio * jnp.log(jnp.where(ratio == 0, 1, ratio)))


@compiled_to_nan
def theil_l(values: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return Theil's L, the mean of -log r, r = x / mean (Theil 1967).

    Infinite, and all derivatives given as 0, if somebody has no dollar.
    """
    ratio, weight = _nonnegative_ratios(values, weight)
    mean = -jnp.sum(weight * jnp.log(jnp.where(ratio == 0, 1, ratio)))
    return jnp.where(jnp.any(ratio == 0), jnp.inf, mean)


@compiled_to_nan
def atkinson_index(
    values: ArrayLike, weight: ArrayLike | None = None, *, aversion: ArrayLike
) -> Float[Array, ""]:
    """Return the Atkinson index, the share of all dollars that equality would make dispensable.

    One minus the equally-distributed equivalent over the mean (Atkinson 1970); 1 if somebody has no
    dollar and the aversion is 1 or more. Where a value is 0 the slope in it is infinite at an
    aversion between 0 and 1; the derivative given is what it does to the mean.

    Raises:
        ValueError: the aversion is negative or infinite.
    """
    ratio, weight = _nonnegative_ratios(values, weight)
    index = 1 - equally_distributed_equivalent(ratio, weight, require_aversion(aversion))
    return jnp.where(jnp.any(jnp.isnan(ratio)), jnp.nan, index)


def require_aversion(aversion: ArrayLike) -> Float[Array, ""]:
    """Return an aversion to inequality: one number, 0 or more and finite.

    Raises:
        ValueError: anything else (under `jit`, when the function runs).
    """
    aversion = require_scalar("aversion", aversion, least=0, finite=False)
    return require(
        aversion,
        seen(aversion) < jnp.inf,
        "aversion must be finite; for the worst-off alone use Rawlsian.",
    )


def equally_distributed_equivalent(
    values: Float[Array, " agents"], weight: Float[Array, " agents"], aversion: Float[Array, ""]
) -> Float[Array, ""]:
    """Return what, given equally to everyone, has the mean of x^(1-a) / (1-a) that `values` have.

    The power mean of exponent 1 - a, the geometric mean where the aversion a is 1; values are 0 or
    more. Smooth in the aversion, through 1; the derivative with respect to a value of 0 is given as
    0.
    """
    return _power_mean(values, weight, 1 - aversion)


@jax.custom_jvp
def _power_mean(
    values: Float[Array, " agents"], weight: Float[Array, " agents"], power: Float[Array, ""]
) -> Float[Array, ""]:
    share, held, some_have_none = _holders(values, weight)
    top = jnp.max(jnp.where(weight > 0, values, 0))
    logs = jnp.log(jnp.where(share > 0, values / jnp.where(top > 0, top, 1), 1))
    mean = jnp.sum(share * logs)  # of those with a dollar, whose power mean comes first
    deviation, lowest, highest = logs - mean, jnp.min(logs) - mean, -mean
    near = jnp.abs(power) * jnp.maximum(highest, -lowest) < 0.5
    large = jnp.where(near, 1, power)
    most = large * jnp.where(large > 0, highest, lowest)
    raised = jnp.where(near, jnp.expm1(power * deviation), jnp.exp(large * deviation - most))
    total = jnp.sum(share * raised)
    close = jnp.log1p(jnp.where(near, total, 0)) / jnp.where(power == 0, 1, power)
    excess = jnp.where(near, close, (most + jnp.log(jnp.where(near, 1, total))) / large)
    # Those without a dollar bring a positive power mean down to share^(1/power) of the others', or
    # to 0.
    down = jnp.where(some_have_none, jnp.log(held) / jnp.where(power > 0, power, 1), 0)
    return jnp.where(some_have_none & (power <= 0), 0, top * jnp.exp(mean + excess + down))


@partial(_power_mean.defjvp, symbolic_zeros=True)
def _power_mean_jvp(primals, tangents):
    """By d, the log of a value over the mean: shares sum exp(power d) to 1.

    Where somebody has no dollar the mean is not of shares but of weights, and its power above 0 or
    the mean 0.
    """
    values, weight, power = primals
    mean = _power_mean(*primals)
    share, held, some_have_none = _holders(values, weight)
    share = jnp.where(mean > 0, share * jnp.where(some_have_none, held, 1), 0)
    ratio = values / jnp.where(mean > 0, mean, 1)
    ratio = jnp.where(ratio > 0, ratio, 1)
    d, above_0 = jnp.log(ratio), jnp.where(power > 0, power, 1)
    # Cut where only people of next to no weight lie, so that no product is 0 * inf.
    bent = at_most(power * d, 0.75 * math.log(jnp.finfo(d.dtype).max))
    raised = jnp.exp(bent)
    by_value, by_weight, by_power = tangents
    moved = jnp.zeros_like(mean)
    if not isinstance(by_value, SymbolicZero):
        moved += jnp.sum(share * raised / ratio * by_value)
    if not isinstance(by_weight, SymbolicZero):
        slope = jnp.where(some_have_none, raised / above_0, d * _beyond(bent, 1) / held)
        moved += jnp.sum(jnp.where(values > 0, slope, 0) * by_weight) * mean
    if not isinstance(by_power, SymbolicZero):
        slope = d**2 * (_beyond(bent, 1) - _beyond(bent, 2))
        slope = jnp.where(some_have_none, raised * d / above_0, slope)
        moved += jnp.sum(share * slope) * mean * by_power
    return mean, moved


def _holders(
    values: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> tuple[Float[Array, " agents"], Float[Array, ""], Bool[Array, ""]]:
    """Return shares in those with a dollar, what these hold together, and whether others exist."""
    positive = values > 0
    share = jnp.where(positive, weight, 0)
    held = jnp.sum(share)
    held = jnp.where(held > 0, held, 1)
    return share / held, held, jnp.any((weight > 0) & ~positive)


def _beyond(x: Float[Array, " agents"], terms: int) -> Float[Array, " agents"]:
    """Return the series of e^x without its first terms, one or two, over x^terms."""
    near = jnp.abs(x) < 0.5
    series = _polynomial(x, [1 / math.factorial(k + terms) for k in range(13)])
    far = jnp.where(near, 1, x)
    rest = jnp.expm1(far) / far
    return jnp.where(near, series, rest if terms == 1 else (rest - 1) / far)


def position(
    by: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return the share of people below each worker less that above: -1 to 1, equal for the tied."""
    return jax.lax.cond(rise(by), _position_in_order, _position, by, weight)


def _position(
    by: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    order = jnp.argsort(by)
    own = _position_in_order(by[order], weight[order])
    return jnp.zeros_like(weight).at[order].set(own)


def _position_in_order(
    ranked: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    reached = running_sum(weight)
    begins = jnp.append(True, ranked[1:] != ranked[:-1])
    ends = jnp.append(begins[1:], True)
    below = jax.lax.cummax(jnp.where(begins, jnp.append(0, reached[:-1]), 0))
    above = reached[-1] - jax.lax.cummin(jnp.where(ends, reached, jnp.inf), reverse=True)
    return below - above


def per_worker(
    weight: ArrayLike | None, **fields: ArrayLike
) -> tuple[Float[Array, " agents"], ...]:
    """Return the fields, then everybody's share of the people, as flat arrays of one length.

    Raises:
        ValueError: they are not; or, where they are known, a weight is negative or infinite or all
        are 0.
    """
    arrays = {name: as_float(field) for name, field in fields.items()}
    first = next(iter(arrays.values()))
    arrays["weight"] = (
        jnp.full_like(first, 1 / max(first.size, 1)) if weight is None else as_float(weight)
    )
    if (
        first.ndim != 1
        or first.size == 0
        or any(array.shape != first.shape for array in arrays.values())
    ):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(
            f"Give flat arrays with one entry per worker, all of one length; got shapes {shapes}."
        )
    if weight is not None:
        arrays["weight"] = _shares_of_people(arrays["weight"])
    return tuple(arrays.values())


def _shares_of_people(weight: Float[Array, " agents"]) -> Float[Array, " agents"]:
    total = jnp.sum(weight)
    legal = jnp.all((weight >= 0) & (weight < jnp.inf)) & (total > 0)
    if is_concrete(legal) and not legal:
        raise ValueError(
            "Weights are finite, 0 or more, and above 0 for somebody; "
            f"the least is {jnp.min(weight)}, the greatest {jnp.max(weight)}."
        )
    return weight / jnp.where(legal, total, jnp.nan)


def _concentration(
    values: Float[Array, " agents"], by: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, ""]:
    return jnp.sum(weight * (_ratios_to_mean(values, weight) - 1) * position(by, weight))


def _ratios_to_mean(
    values: Float[Array, " agents"], weight: Float[Array, " agents"]
) -> Float[Array, " agents"]:
    """Return values over their mean; 1 where all have the same, and for workers of no weight."""
    counted = weight > 0
    values = jnp.where(counted, values, 0)
    mean, gross = jnp.sum(weight * values), jnp.sum(weight * jnp.abs(values))
    positive = mean > 1e3 * jnp.finfo(values.dtype).eps * gross
    equal = jnp.max(values, where=counted, initial=-jnp.inf) == jnp.min(
        values, where=counted, initial=jnp.inf
    )
    if is_concrete(mean) and not (positive | equal):
        raise ValueError(
            f"The mean must be above 0, by more than rounding, to compare values with it; got "
            f"{mean}."
        )
    ratio = values / jnp.where(positive, mean, 1)
    return jnp.where(counted, jnp.where(positive, ratio, jnp.where(equal, 1, jnp.nan)), 1)


def _nonnegative_ratios(
    values: ArrayLike, weight: ArrayLike | None
) -> tuple[Float[Array, " agents"], Float[Array, " agents"]]:
    values, weight = per_worker(weight, values=values)
    legal = jnp.all((values >= 0) | (weight == 0))
    if is_concrete(legal) and not legal:
        raise ValueError(
            f"This index is of values that are 0 or more; the least is {jnp.min(values)}."
        )
    return jnp.where(legal, _ratios_to_mean(values, weight), jnp.nan), weight


def _polynomial(x: Float[Array, "..."], coefficients: list[float]) -> Float[Array, "..."]:
    total = jnp.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total
