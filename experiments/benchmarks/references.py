"""What the core is compared with: the same figures in NumPy, and in one handwritten function."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import BracketSchedule, Population
from econjax.population import REFERENCE_HOURS


class NumpySchedule:
    """A bracket schedule as NumPy code usually has it: by broadcasting, and by `searchsorted`."""

    def __init__(
        self, thresholds: Float[np.ndarray, " brackets"], rates: Float[np.ndarray, " brackets"]
    ):
        """Hold the brackets, and the tax owed where each begins."""
        self.thresholds, self.rates = thresholds, rates
        self.widths = np.append(np.diff(thresholds), np.asarray(np.inf, thresholds.dtype))
        self.owed = np.append(np.zeros(1, rates.dtype), np.cumsum(self.widths[:-1] * rates[:-1]))

    def broadcast_tax(self, income: Float[np.ndarray, " workers"]) -> Float[np.ndarray, " workers"]:
        """Return the sum over brackets of rate * income in bracket, over [workers, brackets]."""
        return np.sum(
            self.rates * np.clip(income[:, None] - self.thresholds, 0, self.widths), axis=1
        )

    def broadcast_rate(
        self, income: Float[np.ndarray, " workers"]
    ) -> Float[np.ndarray, " workers"]:
        """Return the last rate that begins at or below income, over [workers, brackets]."""
        return self.rates[np.sum(income[:, None] >= self.thresholds, axis=1) - 1]

    def searchsorted_tax(
        self, income: Float[np.ndarray, " workers"]
    ) -> Float[np.ndarray, " workers"]:
        """Return the tax owed where the bracket begins, and the rate on what lies above."""
        bracket = np.searchsorted(self.thresholds, income, side="right") - 1
        return self.owed[bracket] + self.rates[bracket] * (income - self.thresholds[bracket])

    def searchsorted_rate(
        self, income: Float[np.ndarray, " workers"]
    ) -> Float[np.ndarray, " workers"]:
        """Return the rate of the bracket."""
        return self.rates[np.searchsorted(self.thresholds, income, side="right") - 1]


def hand_fused_welfare(
    population: Population,
    labor: Float[Array, " workers"],
    law: BracketSchedule,
    elasticity: Float[Array, ""],
    aversion: Float[Array, ""],
) -> Float[Array, ""]:
    """Return `Atkinson` welfare of `Quasilinear` workers under `settle`, with the same arithmetic.

    No public spending, no consumption floor; utility counts as a dollar at least.
    """
    skill, taste, weight = population.skill, population.taste, population.weight
    thresholds, rates = law.thresholds, law.rates
    income = skill * labor
    tax = rates[0] * income
    for j in range(1, rates.size):
        tax = tax + (rates[j] - rates[j - 1]) * jnp.maximum(income - thresholds[j], 0)
    consumption = income - tax + jnp.sum(weight * tax)
    exponent = 1 + 1 / elasticity
    cost = jnp.exp(exponent * jnp.log(labor / REFERENCE_HOURS))
    utility = jnp.maximum(consumption - taste * skill * (REFERENCE_HOURS / exponent) * cost, 1)
    power = 1 - aversion
    safe = jnp.where(power == 0, 1, power)
    value = jnp.where(power == 0, jnp.log(utility), utility**safe / safe)
    return jnp.sum(weight * value)
