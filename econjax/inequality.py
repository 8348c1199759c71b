"""Inequality of any array of dollars, by sorting."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from econjax._arrays import as_float


def gini(
    values: Num[Array | np.ndarray, " agents"], weight: Float[Array, " agents"] | None = None
) -> Float[Array, ""]:
    """Return the Gini coefficient of a population: the mean absolute difference over twice the mean.

    The population form, which does not change when everyone is duplicated; the sample form is larger by
    n/(n-1). `weight` are shares that sum to 1, equal if not given. Where all values are equal the Gini is 0;
    elsewhere it has a meaning only if their mean is positive.
    """
    values = as_float(values)
    weight = jnp.full_like(values, 1 / values.size) if weight is None else weight
    order = jnp.argsort(values)
    values, weight = values[order], weight[order]
    rank = jnp.cumsum(weight) - weight / 2
    mean = jnp.sum(weight * values)
    covariance = jnp.sum(weight * values * (2 * rank - 1))
    return jnp.where(covariance == 0, 0, covariance / jnp.where(mean == 0, 1, mean))
