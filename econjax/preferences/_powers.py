"""Powers of consumption and labor, cut where no number or no gradient would be left."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from econjax._arrays import at_most
from econjax.population import Population
from econjax.utility import Agents

TOO_REGRESSIVE = (
    "So regressive a schedule has no best hours between none and the longest week: marginal "
    "disutility must rise faster than the net-of-tax rate. Use a higher progressivity or a lower "
    "elasticity of labor."
)


def crra(amount: Agents, curvature: Float[Array, ""]) -> Agents:
    """Return (x^(1 - eta) - 1) / (1 - eta), log x at eta = 1, to all digits; -inf at x <= 0."""
    log = jnp.log(jnp.where(amount > 0, amount, 1))
    power = 1 - curvature
    safe = jnp.where(power == 0, 1, power)
    value = jnp.where(power == 0, log, jnp.expm1(safe * log) / safe)
    return jnp.where(amount > 0, value, -jnp.inf)


def power(
    base: Agents, exponent: Float[Array, "..."], *, most: Float[Array, ""] | float = jnp.inf
) -> Agents:
    """Return base^exponent for a base of 0 or more: several times faster than `jnp.power`.

    Cut at exp(most).
    """
    positive = base > 0
    log = jnp.log(jnp.where(positive, base, 1))
    return jnp.where(positive, jnp.exp(at_most(exponent * log, most)), 0)


def hours_of(log_hours: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return hours, cut where nobody has so many, so that no gradient is 0 * inf."""
    return jnp.exp(at_most(log_hours, 0.5 * jnp.log(jnp.finfo(log_hours.dtype).max)))


def log_skill_of(workers: Population) -> tuple[Agents, Bool[Array, " agents"]]:
    """Return the log of skill, 0 where there is none, and where there is some."""
    works = workers.skill > 0
    return jnp.log(jnp.where(works, workers.skill, 1)), works


def positive_taste(workers: Population) -> Agents:
    """Return tastes, 1 where there is none."""
    return jnp.where(workers.taste > 0, workers.taste, 1)


def without_end(hours: Agents, workers: Population) -> Agents:
    """Return the hours, or inf for workers whom labor costs nothing."""
    return jnp.where(workers.taste > 0, hours, jnp.inf)
