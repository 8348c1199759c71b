"""Welfare: what a planner maximises, and its equally-distributed equivalent in dollars."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import require_scalar
from econjax.economy import Outcome
from econjax.population import Population


class AbstractWelfare(eqx.Module):
    """A welfare function of everybody's utility.

    Equivalents are in dollars where utility is, as with `Quasilinear` preferences.
    """

    @abc.abstractmethod
    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return welfare, in the function's own unit."""

    @abc.abstractmethod
    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the utility that, given equally to everyone, would be as good; it rises with welfare."""

    def floored(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the share of workers whose utility lies below what the function can value."""
        return jnp.zeros_like(outcome.rebate)


class Utilitarian(AbstractWelfare):
    """The mean of utility."""

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility."""
        return jnp.sum(population.weight * outcome.utility)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility."""
        return self(population, outcome)


class Atkinson(AbstractWelfare):
    """The mean of u^(1-a) / (1-a), or of log u where the aversion to inequality a is 1 (Atkinson 1970).

    Utility must be in dollars. Utilities below `floor` count as `floor` dollars (noise hours can make
    utility negative); `floored` says how many workers that concerns.
    """

    aversion: Float[Array, ""]
    floor: Float[Array, ""]

    def __init__(self, aversion: ArrayLike = 1.0, *, floor: ArrayLike = 1.0):
        self.aversion = require_scalar("aversion", aversion, least=0)
        self.floor = require_scalar("floor, in dollars of utility,", floor, positive=True)

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the weighted mean of the concave transform of utility."""
        utility = jnp.maximum(outcome.utility, self.floor)
        power = 1 - self.aversion
        is_log = power == 0
        safe = jnp.where(is_log, 1, power)
        return jnp.sum(population.weight * jnp.where(is_log, jnp.log(utility), utility**safe / safe))

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the equally-distributed equivalent, in dollars a year."""
        utility = jnp.maximum(outcome.utility, self.floor)
        top = jax.lax.stop_gradient(jnp.max(utility))
        log_utility = jnp.log(utility / top)
        mean = jnp.sum(population.weight * log_utility)
        power = 1 - self.aversion
        # Two forms of log(mean of exp(power * deviation)) / power: digits near power 0, range elsewhere.
        near = jnp.abs(power) < 0.01
        small = jnp.where(near & (power != 0), power, 1)
        large = jnp.where(near, 1, power)
        deviation = jnp.where(near, log_utility - mean, 0)
        close = jnp.log1p(jnp.sum(population.weight * jnp.expm1(small * deviation))) / small
        far = jax.nn.logsumexp(large * (log_utility - mean), b=population.weight) / large
        return top * jnp.exp(mean + jnp.where(power == 0, 0, jnp.where(near, close, far)))

    def floored(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the share of workers with a utility below the floor."""
        return jnp.sum(population.weight * (outcome.utility < self.floor))


class Rawlsian(AbstractWelfare):
    """The utility of the worst-off worker (of positive weight)."""

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the lowest utility."""
        return jnp.min(jnp.where(population.weight > 0, outcome.utility, jnp.inf))

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the lowest utility."""
        return self(population, outcome)


class InverseIncome(AbstractWelfare):
    """The mean of u / max(income, floor), for parity with the LLM Economist, which sums it over workers.

    Not for comparisons: one idle worker with a rebate outweighs everyone else. `floor` is in dollars;
    the reference code uses 1, 1000, or none (0: workers without income are then left out).
    """

    floor: Float[Array, ""]

    def __init__(self, floor: ArrayLike):
        self.floor = require_scalar("floor, in dollars of income,", floor, least=0)

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility per dollar of own income."""
        income = jnp.maximum(outcome.income, self.floor)
        ratio = jnp.where(income > 0, outcome.utility / jnp.where(income > 0, income, 1), 0)
        return jnp.sum(population.weight * ratio)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the mean itself: utility per dollar has no equivalent in dollars."""
        return self(population, outcome)
