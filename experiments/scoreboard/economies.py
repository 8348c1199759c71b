"""Calibrated economies by name: where incomes come from, the law, how workers respond."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from econjax import BracketSchedule, Economy, Population, Quasilinear, calibrate, us_federal
from econjax.populations.distributions import (
    GB2_ACS_2023,
    AbstractDistribution,
    Lognormal,
    LognormalPareto,
)
from experiments.core.economy import EconomyConfig
from experiments.economies.kept import digest_of

_YEAR = 2024
"""Of the federal law to which all are calibrated."""


@dataclass(frozen=True)
class Kind:
    """Workers who work 40 hours under federal law; the same number of them can be drawn many times.

    `elasticity` is that of income with respect to the net-of-tax rate. Where workers differ in it,
    it is their median, and `spread` the standard deviation of its logarithm.
    """

    name: str
    incomes: AbstractDistribution
    status: str = "single"
    elasticity: float = 0.25
    spread: float = 0.0

    law_title, statuses = "US federal", ()

    @property
    def digest(self) -> dict[str, str]:
        """The column that tells it from others."""
        said = [self.name, self.status, self.elasticity, self.spread, repr(self.incomes)]
        return {"economy": digest_of({"scoreboard": said})}

    @property
    def law(self) -> BracketSchedule:
        """The federal schedule, in whose brackets planners set rates."""
        return us_federal(_YEAR, self.status)

    def economy(self, key: Key[Array, ""], agents: int) -> Economy:
        """Return the economy of `agents` workers drawn with the key."""
        incomes, differ = jax.random.split(key)
        population = self.incomes.population(agents, incomes)
        if self.spread:
            log = jnp.log(self.elasticity) + self.spread * jax.random.normal(differ, (agents,))
            population = Population(population.skill, elasticity=jnp.exp(log))
        preferences = Quasilinear(self.elasticity)
        return Economy(
            population=calibrate(population, self.law, preferences=preferences),
            preferences=preferences,
        )


@dataclass(frozen=True)
class OwnKind:
    """The economy of a user's choices, of which workers can be drawn many times."""

    name: str
    choices: EconomyConfig
    elasticity: float

    @property
    def digest(self) -> dict[str, str]:
        """Nothing: the run's own economy is this one."""
        return {}

    @property
    def law(self) -> BracketSchedule:
        """The law, in whose brackets planners set rates."""
        return self.choices.status_quo()

    @property
    def law_title(self) -> str:
        """The law in words."""
        return self.choices.law_title

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that have a schedule each."""
        return self.choices.statuses

    def economy(self, key: Key[Array, ""], agents: int) -> Economy:
        """Return the economy of `agents` workers drawn with the key."""
        source = dataclasses.replace(self.choices.source, elasticity=self.elasticity)
        return source.economy(agents, key)


ECONOMIES = {
    "acs": Kind("incomes of the ACS 2023, single", GB2_ACS_2023),
    "elastic": Kind("the same, elasticity 0.5", GB2_ACS_2023, elasticity=0.5),
    "lognormal": Kind("lognormal incomes, joint filers", Lognormal(85_000.0, 0.75), status="joint"),
    "thick-tail": Kind(
        "lognormal-Pareto(1.8) incomes, single", LognormalPareto(30_000.0, 0.6, 1.8)
    ),
    "mixed": Kind("ACS incomes, elasticities of median 0.25 that differ", GB2_ACS_2023, spread=0.5),
}
"""The scoreboard's economies: the law and the ACS incomes are sourced, the rest is assumed."""
