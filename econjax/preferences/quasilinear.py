"""Preferences without income effects: in dollars, or as a power of dollars."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import require, require_scalar
from econjax.population import REFERENCE_HOURS, Population
from econjax.preferences._powers import (
    TOO_REGRESSIVE,
    crra,
    hours_of,
    log_skill_of,
    positive_taste,
    power,
    without_end,
)
from econjax.utility import AbstractPreferences, Agents, Choice


class Quasilinear(AbstractPreferences):
    """Consumption less a power disutility of labor: no income effects, a constant elasticity.

    u = c - taste * skill * L0 / (1 + 1/e) * (l / L0)^(1 + 1/e), with L0 = 40 hours and e the
    elasticity of income with respect to the net-of-tax rate (Diamond 1998, section 1). Utility is
    in dollars. On a straight line l = L0 * (net rate / taste)^e. Workers whose population states
    elasticities have those.

    Raises:
        ValueError: the elasticity is not positive and finite.
    """

    elasticity: Float[Array, ""]
    utility_in_dollars: ClassVar[bool] = True
    income_effects: ClassVar[bool] = False

    def __init__(self, elasticity: ArrayLike):
        self.elasticity = require_scalar("elasticity", elasticity, positive=True)

    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return consumption less the cost of labor, in dollars a year."""
        return consumption - self.cost(labor, workers)

    def cost(self, labor: Agents, workers: Population) -> Agents:
        """Return the disutility of labor, in dollars a year."""
        exponent = 1 + 1 / self.elasticity_of(workers)
        # Cut where only hopeless choices lie, so that no power overflows and no gradient is 0 *
        # inf.
        most = 0.5 * jnp.log(jnp.finfo(labor.dtype).max)
        effort = power(labor / REFERENCE_HOURS, exponent, most=most)
        return workers.taste * workers.skill * (REFERENCE_HOURS / exponent) * effort

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return the difference of utilities, in dollars a year."""
        return (consumption - over[0]) - (self.cost(labor, workers) - self.cost(over[1], workers))

    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return L0 * (net rate / taste)^e hours; nothing is worked where nothing is kept."""
        log_kept = log_net_rate - jnp.log(positive_taste(workers))
        hours = REFERENCE_HOURS * hours_of(self.elasticity_of(workers) * log_kept)
        return jnp.where((workers.taste > 0) | (log_net_rate == -jnp.inf), hours, jnp.inf)

    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours at which scale * (1 - p) * (skill l)^(-p) = taste * (l / L0)^(1/e)."""
        inverse = 1 / self.elasticity_of(workers)
        progressivity = require(progressivity, jnp.all(inverse + progressivity > 0), TOO_REGRESSIVE)
        log_skill, _ = log_skill_of(workers)
        log_taste = jnp.log(positive_taste(workers))
        kept = jnp.log(scale * (1 - progressivity)) - progressivity * log_skill - log_taste
        hours = hours_of((kept + inverse * jnp.log(REFERENCE_HOURS)) / (inverse + progressivity))
        return without_end(hours, workers)

    def log_type(self, workers: Population) -> Agents:
        """Return log(skill * taste^(-e))."""
        return jnp.log(workers.skill) - self.elasticity_of(workers) * jnp.log(workers.taste)

    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return net rate * (l / L0)^(-1/e)."""
        return net_rate * (labor / REFERENCE_HOURS) ** (-1 / self.elasticity_of(workers))

    def elasticity_of(self, workers: Population) -> Float[Array, "..."]:
        """Return the population's elasticities, or everybody's if it states none."""
        return self.elasticity if workers.elasticity is None else workers.elasticity


class GHH(AbstractPreferences):
    """A power of consumption less the cost of labor: no income effects, and aversion to risk.

    u = ((c - v)^(1 - eta) - 1) / (1 - eta), or log(c - v) at eta = 1, with v the cost of labor of
    `Quasilinear(elasticity)` and c - v in multiples of `unit` dollars (Greenwood, Hercowitz and
    Huffman 1988). Hours are those of `Quasilinear`. Where c is not above v, utility is -inf.

    Raises:
        ValueError: a parameter is not positive and finite.
    """

    curvature: Float[Array, ""]
    composite: Quasilinear
    unit: Float[Array, ""]
    utility_in_dollars: ClassVar[bool] = False
    income_effects: ClassVar[bool] = False

    def __init__(self, curvature: ArrayLike, *, elasticity: ArrayLike, unit: ArrayLike = 1.0):
        self.curvature = require_scalar("curvature", curvature, positive=True)
        self.composite = Quasilinear(elasticity)
        self.unit = require_scalar("unit, in dollars,", unit, positive=True)

    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return the power of consumption less the cost of labor."""
        return crra(self.composite.utility(consumption, labor, workers) / self.unit, self.curvature)

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return differences of consumption less the cost of labor, which orders choices alike."""
        return self.composite.advantage(consumption, labor, over, workers)

    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return L0 * (net rate / taste)^e hours; nothing is worked where nothing is kept."""
        return self.composite.linear_labor(log_net_rate, virtual_income, workers)

    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours of `Quasilinear`."""
        return self.composite.log_linear_labor(scale, progressivity, virtual_income, workers)

    def log_type(self, workers: Population) -> Agents:
        """Return log(skill * taste^(-e))."""
        return self.composite.log_type(workers)

    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return net rate * (l / L0)^(-1/e)."""
        return self.composite.revealed_taste(net_rate, consumption, labor, workers)

    def elasticity_of(self, workers: Population) -> Float[Array, "..."]:
        """Return the elasticity of `Quasilinear`."""
        return self.composite.elasticity_of(workers)
