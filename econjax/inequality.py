"""Inequality of one distribution of dollars, by sorting.

Everywhere `values` are dollars, one per worker, and `weight` the workers' shares of the population,
which sum to 1 and are equal if not given. Neither the order of workers nor the unit of the values
matters. Arrays that are not flat and of one length raise a ValueError; so do, where they are known
(not inside `jit`), negative values in the indices that take logs or powers.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, known, require, require_scalar


def gini(values: ArrayLike, weight: ArrayLike | None = None, *, sample: bool = False) -> Float[Array, ""]:
    """Return the Gini coefficient of a population: the mean absolute difference over twice the mean.

    The population form, which does not change when everyone is duplicated. The `sample` form pairs no
    entry with itself, so it is larger by 1 / (1 - the sum of squared weights): n/(n-1) for equal ones.
    Where all values are equal the Gini is 0; elsewhere it has a meaning only if their mean is positive.
    At ties, where it is not smooth, the derivative is that of tied workers who stay tied.
    """
    values, weight = per_worker(weight, values=values)
    coefficient = concentration(values, values, weight)
    distinct = 1 - jnp.sum(weight**2) if sample else jnp.ones_like(coefficient)
    return jnp.where(coefficient == 0, 0, coefficient / jnp.where(distinct == 0, 1, distinct))


def concentration(values: ArrayLike, by: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return the concentration coefficient: the Gini formula with workers ranked `by` something else.

    Twice the covariance of values and ranks over the mean (Lerman and Yitzhaki 1984); workers tied in
    `by` share a rank. It has a meaning only if the mean is positive. Derivatives hold the ranks fixed.
    """
    values, by, weight = per_worker(weight, values=values, by=by)
    mean = jnp.sum(weight * values)
    covariance = jnp.sum(weight * (values - mean) * position(by, weight))
    return jnp.where(covariance == 0, 0, covariance / jnp.where(mean == 0, 1, mean))


def lorenz(
    values: ArrayLike, weight: ArrayLike | None = None
) -> tuple[Float[Array, " points"], Float[Array, " points"]]:
    """Return the Lorenz curve: shares of people, poorest first, and the shares of dollars they hold.

    One point per worker after (0, 0). Plot the second against the first; between points the curve is
    straight, so its height at p is `jnp.interp(p, people, dollars)`. If nobody has a dollar all are equal.
    """
    values, weight = per_worker(weight, values=values)
    order = jnp.argsort(values)
    people, dollars = (jnp.append(0, jnp.cumsum(x[order])) for x in (weight, weight * values))
    people = people / people[-1]
    return people, jnp.where(dollars[-1] == 0, people, dollars / jnp.where(dollars[-1] == 0, 1, dollars[-1]))


def top_share(values: ArrayLike, weight: ArrayLike | None = None, *, top: ArrayLike) -> Float[Array, ""]:
    """Return the share of all dollars held by the `top` share of people, say 0.01.

    One minus the Lorenz curve at 1 - top, summed from above to keep the digits of a thin top; the
    worker at the border counts in part. If nobody has a dollar all are equal.

    Raises:
        ValueError: `top` is not a share between 0 and 1.
    """
    values, weight = per_worker(weight, values=values)
    top = require_scalar("top", top)
    top = require(top, (top >= 0) & (top <= 1), "top is a share of people: the top 1 % is 0.01.")
    order = jnp.argsort(-values)
    values, weight = values[order], weight[order]
    counted = jnp.clip(top - (jnp.cumsum(weight) - weight), 0, weight)
    total = jnp.sum(weight * values)
    return jnp.where(total == 0, top, jnp.sum(counted * values) / jnp.where(total == 0, 1, total))


def theil_t(values: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return Theil's T, the mean of r log r, r = x / mean; a worker without a dollar adds 0 (Theil 1967)."""
    ratio, weight = _ratios_to_mean(values, weight)
    return jnp.sum(weight * xlogy(ratio, ratio))


def theil_l(values: ArrayLike, weight: ArrayLike | None = None) -> Float[Array, ""]:
    """Return Theil's L, the mean of -log r, r = x / mean; infinite if somebody has no dollar (Theil 1967)."""
    ratio, weight = _ratios_to_mean(values, weight)
    return -jnp.sum(weight * jnp.log(ratio))


def atkinson_index(
    values: ArrayLike, weight: ArrayLike | None = None, *, aversion: ArrayLike
) -> Float[Array, ""]:
    """Return the Atkinson index, the share of all dollars that equality would make dispensable.

    One minus the equally-distributed equivalent over the mean (Atkinson 1970); 1 if somebody has no
    dollar and the aversion is 1 or more. Derivatives need positive values.

    Raises:
        ValueError: the aversion is negative.
    """
    ratio, weight = _ratios_to_mean(values, weight)
    return 1 - equally_distributed_equivalent(ratio, weight, require_scalar("aversion", aversion, least=0))


def equally_distributed_equivalent(
    values: Float[Array, " agents"], weight: Float[Array, " agents"], aversion: Float[Array, ""]
) -> Float[Array, ""]:
    """Return what, given equally to everyone, has the mean of x^(1-a) / (1-a) that `values` have.

    The power mean of exponent 1 - a, the geometric mean where the aversion a is 1; values are 0 or more.
    """
    values = jnp.where(weight > 0, values, jnp.max(values))
    top = jax.lax.stop_gradient(jnp.max(values))
    logs = jnp.log(values / jnp.where(top > 0, top, 1))
    mean = jnp.sum(weight * jnp.where(values > 0, logs, 0))
    power = 1 - aversion
    # Two forms of log(mean of exp(power * deviation)) / power: digits near power 0, range elsewhere.
    near = jnp.abs(power) < 0.01
    small = jnp.where(near & (power != 0), power, 1)
    large = jnp.where(near, 1, power)
    deviation = jnp.where(near, logs - mean, 0)
    close = jnp.log1p(jnp.sum(weight * jnp.expm1(small * deviation))) / small
    far = jax.nn.logsumexp(large * (logs - mean), b=weight) / large
    geometric = jnp.where(jnp.all(values > 0), 0, -jnp.inf)
    return top * jnp.exp(mean + jnp.where(power == 0, geometric, jnp.where(near, close, far)))


def position(by: Float[Array, " agents"], weight: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Return the share of people below each worker less the share above: from -1 to 1, equal for the tied."""
    order = jnp.argsort(by)
    ranked, reached = by[order], jnp.cumsum(weight[order])
    begins = jnp.append(True, ranked[1:] != ranked[:-1])
    ends = jnp.append(begins[1:], True)
    below = jax.lax.cummax(jnp.where(begins, jnp.append(0, reached[:-1]), 0))
    above = 1 - jax.lax.cummin(jnp.where(ends, reached, jnp.inf), reverse=True)
    return jnp.zeros_like(weight).at[order].set(below - above)


def per_worker(weight: ArrayLike | None, **fields: ArrayLike) -> tuple[Float[Array, " agents"], ...]:
    """Return the fields and then the weights as flat arrays of one length.

    Raises:
        ValueError: they are not.
    """
    arrays = {name: as_float(field) for name, field in fields.items()}
    first = next(iter(arrays.values()))
    arrays["weight"] = jnp.full_like(first, 1 / max(first.size, 1)) if weight is None else as_float(weight)
    if first.ndim != 1 or first.size == 0 or any(array.shape != first.shape for array in arrays.values()):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(
            f"Give flat arrays with one entry per worker, all of one length; got shapes {shapes}."
        )
    return tuple(arrays.values())


def _ratios_to_mean(
    values: ArrayLike, weight: ArrayLike | None
) -> tuple[Float[Array, " agents"], Float[Array, " agents"]]:
    values, weight = per_worker(weight, values=values)
    legal = jnp.all((values >= 0) | (weight == 0))
    if known(legal) and not legal:
        raise ValueError(f"This index is of values that are 0 or more; the least is {jnp.min(values)}.")
    mean = jnp.sum(weight * values)
    ratio = jnp.where(mean == 0, 1, values / jnp.where(mean == 0, 1, mean))
    return jnp.where(weight > 0, ratio, 1), weight
