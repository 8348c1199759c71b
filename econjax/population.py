"""Populations: everything that differs between workers, and distributions to draw them from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike
from scipy import special

from econjax._arrays import as_float, known
from econjax.preferences import REFERENCE_HOURS


class Population(eqx.Module):
    """Workers, one per entry of three arrays of equal length.

    `skill` is in dollars of annual income per weekly hour, `taste` is the dimensionless scale of the
    disutility of labor (1 for everyone if not given), `weight` is the share of the population that a
    worker stands for (equal if not given).

    Raises:
        ValueError: unequal lengths, a negative or infinite skill, taste or weight, or weights that do
            not sum to 1. Values are checked where they are known, so not inside `jit`.
    """

    skill: Float[Array, " agents"]
    taste: Float[Array, " agents"]
    weight: Float[Array, " agents"]

    def __init__(self, skill: ArrayLike, *, taste: ArrayLike | None = None, weight: ArrayLike | None = None):
        self.skill = as_float(skill)
        self.taste = jnp.ones_like(self.skill) if taste is None else as_float(taste)
        self.weight = jnp.ones_like(self.skill) / self.skill.size if weight is None else as_float(weight)
        fields = {"skill": self.skill, "taste": self.taste, "weight": self.weight}
        for name, values in fields.items():
            if values.ndim != 1 or values.shape != self.skill.shape or values.size == 0:
                shapes = {field: array.shape for field, array in fields.items()}
                raise ValueError(
                    f"skill, taste and weight are flat arrays of one length; got shapes {shapes}."
                )
            if known(values):
                _require_nonnegative(name, np.asarray(values))
        if weight is not None and known(self.weight):
            total = float(np.asarray(self.weight, float).sum())
            if abs(total - 1) > 10 * float(jnp.finfo(self.weight.dtype).eps) * self.weight.size**0.5:
                raise ValueError(f"Weights are shares that sum to 1, not {total}: divide by their sum.")

    @property
    def agents(self) -> int:
        """The number of workers held, each of whom stands for `weight` of the population."""
        return self.skill.shape[0]


GB2_ACS_2023 = {
    "mu": 72402.78177917618,
    "sigma": 2.0721070746154746,
    "nu": 0.48651871959386955,
    "tau": 1.1410398548220329,
}
"""The GB2 of individual incomes that the LLM Economist (arXiv 2507.15815) states as fitted to ACS 2023."""


def gb2(
    n: int,
    key: Key[Array, ""] | None = None,
    *,
    mu: float = GB2_ACS_2023["mu"],
    sigma: float = GB2_ACS_2023["sigma"],
    nu: float = GB2_ACS_2023["nu"],
    tau: float = GB2_ACS_2023["tau"],
) -> Population:
    """Return n workers whose incomes at 40 hours a week follow a generalized beta of the second kind.

    Without a key they are the n mid-points of the quantile grid, Q((i - 1/2)/n), in rising order; with
    one they are independent draws. Parameters are named as in GAMLSS: `mu` is the scale in dollars,
    `sigma`, `nu` and `tau` the shapes a, p and q of McDonald (1984, Econometrica 52, 647-663).

    Raises:
        ValueError: n is not a positive whole number, or a parameter is not positive.
    """
    income = gb2_quantile(_shares(n, key), mu=mu, sigma=sigma, nu=nu, tau=tau)
    return Population(skill=income / REFERENCE_HOURS)


def gb2_quantile(
    share: Float[np.ndarray, " n"],
    *,
    mu: float = GB2_ACS_2023["mu"],
    sigma: float = GB2_ACS_2023["sigma"],
    nu: float = GB2_ACS_2023["nu"],
    tau: float = GB2_ACS_2023["tau"],
) -> Float[np.ndarray, " n"]:
    """Return the quantiles of a GB2 at shares in (0, 1), in dollars; computed on the host in float64.

    Raises:
        ValueError: a parameter is not positive.
    """
    parameters = {"mu": mu, "sigma": sigma, "nu": nu, "tau": tau}
    if not all(value > 0 for value in parameters.values()):
        raise ValueError(f"The parameters of a GB2 are positive; got {parameters}.")
    # v/(1-v) for the beta quantile v of nu, tau; the upper half from its mirror image, to keep digits.
    lower = special.betaincinv(nu, tau, np.minimum(share, 0.5))
    upper = special.betaincinv(tau, nu, 1 - np.maximum(share, 0.5))
    odds = np.where(share <= 0.5, lower / (1 - lower), (1 - upper) / upper)
    return mu * odds ** (1 / sigma)


def _shares(n: int, key: Key[Array, ""] | None) -> Float[np.ndarray, " n"]:
    if n < 1 or n != int(n):
        raise ValueError(f"A population needs a whole number of workers, at least one; got n = {n}.")
    if key is None:
        return (np.arange(n) + 0.5) / n
    tiny = float(jnp.finfo(float).tiny)
    return np.asarray(jax.random.uniform(key, (n,), minval=tiny), np.float64)


def _require_nonnegative(name: str, values: Float[np.ndarray, " agents"]) -> None:
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        where = int(np.argmax(bad))
        raise ValueError(f"{name} must be finite and 0 or more: mend entry {where}, {values[where]}.")
