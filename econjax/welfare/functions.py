"""Welfare: what a planner maximises, and its equally-distributed equivalent in dollars."""

import abc
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, at_least, is_concrete, require, require_scalar
from econjax._compiled import compiled
from econjax.economy import Economy, Outcome
from econjax.population import Population
from econjax.welfare.inequality import equally_distributed_equivalent, require_aversion


class AbstractWelfare(eqx.Module):
    """A welfare function of everybody's utility.

    Equivalents are in dollars where utility is, as with `Quasilinear` preferences; `needs_dollars`
    says that the function has no meaning elsewhere.

    Raises:
        ValueError: population and outcome are not of the same workers.
    """

    needs_dollars: ClassVar[bool] = False

    @property
    def constant_aversion(self) -> Float[Array, ""] | None:
        """The a of the family of means of u^(1-a) / (1-a) that it belongs to; None: to none."""
        return None

    @property
    def least_utility(self) -> Float[Array, ""] | None:
        """The utility that all lower ones count as; None where each counts as it is."""
        return None

    @property
    def of_those_who_count(self) -> "AbstractWelfare":
        """The function of those who count: itself, where everybody does."""
        return self

    @abc.abstractmethod
    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return welfare, in the function's own unit."""

    @abc.abstractmethod
    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the utility that would be as good if everyone had it; it rises with welfare."""

    def floored(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the share of workers whose utility lies below what the function can value."""
        return jnp.zeros_like(outcome.rebate)


class Utilitarian(AbstractWelfare):
    """The mean of utility."""

    @property
    def constant_aversion(self) -> Float[Array, ""]:
        """Not averse: 0."""
        return jnp.zeros(())

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility."""
        return _mean(population.weight, _utility(population, outcome))

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility."""
        return self(population, outcome)


class Atkinson(AbstractWelfare):
    """The mean of u^(1-a) / (1-a), or of log u at an aversion to inequality a of 1 (Atkinson 1970).

    Utility must be in dollars (`require_dollars`). Utilities below `floor` count as `floor` dollars
    (noise hours can make utility negative); `floored` says how many workers that concerns.

    Raises:
        ValueError: a negative or infinite aversion, or a floor that is not positive.
    """

    needs_dollars: ClassVar[bool] = True
    aversion: Float[Array, ""]
    floor: Float[Array, ""]

    def __init__(self, aversion: ArrayLike = 1.0, *, floor: ArrayLike = 1.0):
        self.aversion = require_aversion(aversion)
        self.floor = require_scalar("floor, in dollars of utility,", floor, positive=True)

    @property
    def constant_aversion(self) -> Float[Array, ""]:
        """The aversion."""
        return self.aversion

    @property
    def least_utility(self) -> Float[Array, ""]:
        """The floor."""
        return self.floor

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the weighted mean of the concave transform of utility.

        As a function of the aversion it jumps at 1, where the power goes over into the log, and its
        digits are few in float32: compare outcomes, and aversions, by `equivalent`.
        """
        utility = at_least(_utility(population, outcome), self.floor)
        return _mean_of_power(population.weight, jnp.log(utility), 1 - self.aversion)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the equally-distributed equivalent, in dollars a year, smooth in the aversion."""
        utility = at_least(_utility(population, outcome), self.floor)
        return equally_distributed_equivalent(utility, population.weight, self.aversion)

    def floored(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the share of workers with a utility below the floor."""
        return jnp.sum(population.weight * (_utility(population, outcome) < self.floor))


class Rawlsian(AbstractWelfare):
    """The utility of the worst-off worker (of positive weight), or its smooth stand-in.

    With a `temperature` t, in the unit of utility, it is -t log(mean of exp(-u / t)): smooth, never
    below the lowest utility nor above the mean, and nearer to the lowest the lower the temperature.
    It exceeds the lowest by at most t log(1 / the weight of the worst-off).

    Raises:
        ValueError: the temperature is not positive.
    """

    temperature: Float[Array, ""] | None

    def __init__(self, temperature: ArrayLike | None = None):
        self.temperature = (
            None
            if temperature is None
            else require_scalar("temperature", temperature, positive=True)
        )

    @property
    def constant_aversion(self) -> Float[Array, ""] | None:
        """Infinite for the exact minimum; the smooth one is of no such family."""
        return jnp.asarray(jnp.inf) if self.temperature is None else None

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the lowest utility, or its stand-in."""
        utility = _utility(population, outcome)
        lowest = _lowest(jnp.where(population.weight > 0, utility, jnp.inf))
        if self.temperature is None:
            return lowest
        start = jax.lax.stop_gradient(jnp.where(jnp.isfinite(lowest), lowest, 0))
        excess = (utility - start) / self.temperature
        return start - self.temperature * jax.nn.logsumexp(-excess, b=population.weight)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the lowest utility, or its stand-in."""
        return self(population, outcome)


class WeightedUtilitarian(AbstractWelfare):
    """The mean of utility with a fixed social weight for every worker (Saez and Stantcheva 2016).

    Only ratios of the `social_weight` [agents] matter: they are scaled to a mean of 1 over the
    population.

    Raises:
        ValueError: not a flat array, or a negative or infinite entry where values are known; later,
            not one entry per worker of the population at hand, or 0 for all of them.
    """

    social_weight: Float[Array, " agents"]

    def __init__(self, social_weight: ArrayLike):
        self.social_weight = as_float(social_weight)
        if self.social_weight.ndim != 1:
            raise ValueError(
                f"social_weight is a flat array; got one of shape {self.social_weight.shape}."
            )
        legal = (self.social_weight >= 0) & (self.social_weight < jnp.inf)
        if is_concrete(legal) and not jnp.all(legal):
            where = int(jnp.argmin(legal))
            raise ValueError(
                f"social_weight is finite and 0 or more: mend entry {where}, "
                f"{self.social_weight[where]}."
            )

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the weighted mean of utility."""
        if self.social_weight.shape != population.weight.shape:
            raise ValueError(
                f"social_weight needs one entry for each of {population.agents} workers; "
                f"got {self.social_weight.size}."
            )
        weight = population.weight * self.social_weight
        total = jnp.sum(weight)
        total = require(
            total, total > 0, "social_weight must be above 0 for somebody of positive weight."
        )
        return _mean(weight, _utility(population, outcome)) / total

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the weighted mean of utility."""
        return self(population, outcome)


class InverseIncome(AbstractWelfare):
    """The mean of u / max(income, floor), for parity with the LLM Economist, which takes the sum.

    Not for comparisons: one idle worker with a rebate outweighs everyone else. `floor` is in
    dollars; the reference code uses 1, 1000, or none (0: workers without income are then left out).
    """

    floor: Float[Array, ""]

    def __init__(self, floor: ArrayLike):
        self.floor = require_scalar("floor, in dollars of income,", floor, least=0)

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return mean utility per dollar of own income."""
        income = at_least(outcome.income, self.floor)
        utility = _utility(population, outcome)
        ratio = jnp.where(income > 0, utility / jnp.where(income > 0, income, 1), 0)
        return _mean(population.weight, ratio)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the mean itself: utility per dollar has no equivalent in dollars."""
        return self(population, outcome)


class AmongWorkers(AbstractWelfare):
    """Another welfare function, of those with skill only: the others receive the rebate, no more.

    Their marginal weight is 0, and the equivalent is that of the workers.
    """

    welfare: AbstractWelfare

    @property
    def needs_dollars(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the function of the workers does."""
        return self.welfare.needs_dollars

    @property
    def constant_aversion(self) -> Float[Array, ""] | None:
        """None: that of the workers is not everybody's."""
        return None

    @property
    def least_utility(self) -> Float[Array, ""] | None:
        """That of the function of the workers."""
        return self.welfare.least_utility

    @property
    def of_those_who_count(self) -> AbstractWelfare:
        """The function of the workers."""
        return self.welfare

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the welfare of those with skill."""
        return self.welfare(_workers(population), outcome)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the utility that would be as good if every worker had it."""
        return self.welfare.equivalent(_workers(population), outcome)

    def floored(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the share of the workers whom the function had to floor."""
        return self.welfare.floored(_workers(population), outcome)


def require_dollars(economy: Economy, welfare: AbstractWelfare) -> None:
    """Refuse a welfare function that needs utility in dollars where the economy's is not.

    Raises:
        ValueError: `Atkinson` welfare, say, with `Isoelastic` preferences.
    """
    if welfare.needs_dollars and not economy.preferences.utility_in_dollars:
        raise ValueError(
            f"{type(welfare).__name__} welfare needs utility in dollars, and that of "
            f"{type(economy.preferences).__name__} preferences is not: use Utilitarian or Rawlsian."
        )


@jax.custom_jvp
@compiled
def _mean_of_power(
    weight: Float[Array, " agents"], log: Float[Array, " agents"], power: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the mean of x^power / power, of log x where the power is 0."""
    safe = jnp.where(power == 0, 1, power)
    return jax.lax.cond(
        power == 0,
        lambda: jnp.sum(weight * log),
        lambda: jnp.sum(weight * jnp.exp(safe * log)) / safe,
    )


@partial(_mean_of_power.defjvp, symbolic_zeros=True)
def _mean_of_power_jvp(primals, tangents):
    """Without the conditional, which copies everybody's numbers from one program to the next."""
    weight, log, power = primals
    safe, raised = jnp.where(power == 0, 1, power), jnp.exp(power * log)
    by_weight = jnp.where(power == 0, log, raised / safe)
    by_power = jnp.where(power == 0, 0, (log * raised - raised / safe) / safe)
    slopes = (by_weight, weight * raised, weight * by_power)
    parts = [
        jnp.sum(slope * moved)
        for slope, moved in zip(slopes, tangents, strict=True)
        if not isinstance(moved, SymbolicZero)
    ]
    return jnp.sum(weight * by_weight), sum(parts, jnp.zeros_like(power))


def _utility(population: Population, outcome: Outcome) -> Float[Array, " agents"]:
    if outcome.utility.shape != population.weight.shape:
        raise ValueError(
            f"The outcome is of {outcome.utility.size} workers and the population of "
            f"{population.agents}: evaluate an outcome with the population it was settled for."
        )
    return outcome.utility


def _workers(population: Population) -> Population:
    """Return the population with no weight on those without skill."""
    weight = jnp.where(population.skill > 0, population.weight, 0)
    return eqx.tree_at(lambda p: p.weight, population, weight / jnp.sum(weight))


@jax.custom_jvp
def _lowest(values: Float[Array, " agents"]) -> Float[Array, ""]:
    return jnp.min(values)


@_lowest.defjvp
def _lowest_jvp(primals, tangents):
    # Unlike that of jnp.min, the derivative finds the lowest also where XLA computes the values
    # once more, with another rounding, for it: nobody would equal the minimum, and 0 / 0 follow.
    (values,), (moved,) = primals, tangents
    lowest = jnp.min(values)
    tied = values <= lowest + 4 * jnp.finfo(values.dtype).eps * jnp.abs(lowest)
    return lowest, jnp.sum(jnp.where(tied, moved, 0)) / jnp.sum(tied)


def _mean(weight: Float[Array, " agents"], values: Float[Array, " agents"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(weight > 0, weight * values, 0))
