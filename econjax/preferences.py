"""Preferences: the utility of one worker over consumption and labor."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import require_scalar

REFERENCE_HOURS = 40.0
"""L0, hours a week: a worker with taste 1 works so long at a zero rate."""


class AbstractPreferences(eqx.Module):
    """How a worker trades consumption (dollars a year) against labor (hours a week)."""

    @abc.abstractmethod
    def utility(
        self,
        consumption: Float[Array, " agents"],
        labor: Float[Array, " agents"],
        *,
        skill: Float[Array, " agents"],
        taste: Float[Array, " agents"],
    ) -> Float[Array, " agents"]:
        """Return each worker's utility, in utils."""

    @abc.abstractmethod
    def linear_labor(
        self, net_rate: Float[Array, ""], *, skill: Float[Array, " agents"], taste: Float[Array, " agents"]
    ) -> Float[Array, " agents"]:
        """Return the best weekly hours on a straight budget line that leaves `net_rate` of every dollar."""

    @abc.abstractmethod
    def equivalent_skill(
        self, skill: Float[Array, " agents"], *, taste: Float[Array, " agents"]
    ) -> Float[Array, " agents"]:
        """Return the skill with which a worker of taste 1 would choose the same incomes."""


class Quasilinear(AbstractPreferences):
    """Consumption less a power disutility of labor: no income effects, a constant elasticity.

    u = c - taste * skill * L0 / (1 + 1/e) * (l / L0)^(1 + 1/e), with L0 = 40 hours and e the elasticity
    of income with respect to the net-of-tax rate (Diamond 1998, section 1). Utility is in dollars. On a
    straight line l = L0 * (net rate / taste)^e.

    Raises:
        ValueError: the elasticity is not positive.
    """

    elasticity: Float[Array, ""]

    def __init__(self, elasticity: ArrayLike):
        self.elasticity = require_scalar("elasticity", elasticity, positive=True)

    def utility(
        self,
        consumption: Float[Array, " agents"],
        labor: Float[Array, " agents"],
        *,
        skill: Float[Array, " agents"],
        taste: Float[Array, " agents"],
    ) -> Float[Array, " agents"]:
        """Return consumption less the cost of labor, in dollars a year."""
        exponent = 1 + 1 / self.elasticity
        # Cut where only hopeless choices lie, so that no power overflows and no gradient is 0 * inf.
        most = jnp.finfo(labor.dtype).max ** (0.5 / exponent)
        effort = jnp.minimum(labor / REFERENCE_HOURS, most) ** exponent
        return consumption - taste * skill * (REFERENCE_HOURS / exponent) * effort

    def linear_labor(
        self, net_rate: Float[Array, ""], *, skill: Float[Array, " agents"], taste: Float[Array, " agents"]
    ) -> Float[Array, " agents"]:
        """Return L0 * (net rate / taste)^e hours; nothing is worked where nothing is kept."""
        kept = jnp.where(net_rate > 0, net_rate, 1)
        hours = REFERENCE_HOURS * kept**self.elasticity * taste**-self.elasticity
        return jnp.where(net_rate > 0, hours, 0)

    def equivalent_skill(
        self, skill: Float[Array, " agents"], *, taste: Float[Array, " agents"]
    ) -> Float[Array, " agents"]:
        """Return skill * taste^(-e)."""
        return skill * taste**-self.elasticity
