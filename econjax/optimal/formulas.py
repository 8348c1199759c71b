"""Formulas for optimal rates, and the Pareto index that they need."""

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete, require_scalar


def linear_rate(weight: ArrayLike, *, elasticity: ArrayLike) -> Float[Array, "*shape"]:
    """Return the optimal flat rate, (1 - g) / (1 - g + e); with g = 0, the revenue-maximising one.

    `weight` is g = E[g_i z_i] / E[z_i], the income-weighted mean of marginal welfare weights of
    mean 1 (Piketty and Saez 2013, section 3.1). It depends on the rate: `converged_saez` of one
    bracket finds both.
    """
    return top_rate(1.0, elasticity=elasticity, weight=weight)


def top_rate(
    pareto_index: ArrayLike,
    *,
    elasticity: ArrayLike,
    weight: ArrayLike = 0.0,
    compensated: ArrayLike | None = None,
) -> Float[Array, "*shape"]:
    """Return the optimal rate on high incomes, (1 - g) / (1 - g + e + e_c (a - 1)) (Saez 2001).

    `pareto_index` is a = m / (m - z), with m the mean of the incomes above z, and `weight` the mean
    marginal welfare weight g of those who earn them, where the mean of everyone's is 1; g = 0
    maximises revenue (Diamond and Saez 2011). `elasticity` is uncompensated; the `compensated` one
    is the same without income effects, and then the rate is (1 - g) / (1 - g + a e).
    """
    gain, index = 1 - as_float(weight), as_float(pareto_index)
    compensated = elasticity if compensated is None else compensated
    return gain / (gain + as_float(elasticity) + as_float(compensated) * (index - 1))


def three_elasticity_top_rate(
    pareto_index: ArrayLike,
    *,
    real: ArrayLike,
    avoidance: ArrayLike = 0.0,
    bargaining: ArrayLike = 0.0,
    avoided_rate: ArrayLike = 0.0,
) -> Float[Array, "*shape"]:
    """Return the revenue-maximising top rate where not all of the elasticity is work.

    (1 + t a e2 + a e3) / (1 + a (e1 + e2 + e3)), with e1 the elasticity of `real` labor supply, e2
    of `avoidance` into a base taxed at `avoided_rate` t, and e3 of `bargaining` at others' expense
    (Piketty, Saez and Stantcheva 2014).
    """
    a, t = as_float(pareto_index), as_float(avoided_rate)
    e1, e2, e3 = as_float(real), as_float(avoidance), as_float(bargaining)
    return (1 + a * (t * e2 + e3)) / (1 + a * (e1 + e2 + e3))


def asymptotic_rate(
    skill_index: ArrayLike, *, elasticity: ArrayLike, weight: ArrayLike = 0.0
) -> Float[Array, "*shape"]:
    """Return the limit of the optimal rate where skills' Pareto tail has index k (Diamond 1998).

    t / (1 - t) = (1 + 1/e) (1 - g) / k, with g the mean marginal welfare weight of the highest.
    Incomes then have the index k / (1 + e): do not mix the two.
    """
    return top_rate(
        as_float(skill_index) / (1 + as_float(elasticity)), elasticity=elasticity, weight=weight
    )


def nonlinear_rate(
    potential: ArrayLike,
    *,
    density: ArrayLike,
    above: ArrayLike,
    weight_above: ArrayLike,
    elasticity: ArrayLike,
) -> Float[Array, "*shape"]:
    """Return a type's optimal marginal rate t: t / (1 - t) = (1/e) (1 - F) / (n f) (1 - G).

    The formula is Diamond's (1998). `potential` is n, the income that the type earns at a zero
    rate, in dollars; `density` is f, per dollar; `above` is 1 - F, the share of higher types, and
    `weight_above` G their mean marginal welfare weight, where the mean of everyone's is 1. In place
    of types, incomes z = n (1 - t)^e will do with the density that they would have if the schedule
    were straight at z; with their actual density the formula is wrong by up to 0.01. Quasi-linear
    preferences. G depends on the rates: `mirrlees_continuum` solves for both.
    """
    index = as_float(potential) * as_float(density) / as_float(above)
    return top_rate(index, elasticity=elasticity, weight=weight_above)


def pareto_index(
    income: ArrayLike, threshold: ArrayLike, weight: ArrayLike | None = None
) -> Float[Array, ""]:
    """Return a(z) = m / (m - z), m the mean of incomes above a threshold z; infinite if none are.

    For a Pareto tail it is the tail's index, at every z. `weight` counts people, equally if not
    given.

    Raises:
        ValueError: incomes and weights that are not flat arrays of one length, more than one
            threshold, or, where they are known, incomes that are not finite.
    """
    income, threshold = as_float(income), require_scalar("threshold", threshold)
    weight = jnp.ones_like(income) if weight is None else as_float(weight)
    if income.ndim != 1 or weight.shape != income.shape:
        raise ValueError(
            "income and weight are flat arrays, one entry for each worker; "
            f"got shapes {income.shape} and {weight.shape}."
        )
    finite = jnp.isfinite(income)
    if is_concrete(finite) and not finite.all():
        where = int(jnp.argmin(finite))
        raise ValueError(f"Incomes are finite dollars a year: mend entry {where}, {income[where]}.")
    above = jnp.where(income > threshold, weight, 0)
    excess = jnp.sum(above * jnp.maximum(income - threshold, 0))
    mean = jnp.sum(above * income)
    return jnp.where(excess > 0, mean / jnp.where(excess > 0, excess, 1), jnp.inf)
