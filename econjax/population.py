"""Populations: everything that differs between workers."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete

REFERENCE_HOURS = 40.0
"""L0, hours a week: a `Quasilinear` worker with taste 1 works so long at a zero rate."""


class Population(eqx.Module):
    """Workers, one per entry of arrays of equal length.

    `skill` is in dollars of annual income per weekly hour, `taste` is the dimensionless scale of
    the disutility of labor (1 for everyone if not given), `weight` is the share of the population
    that a worker stands for (equal if not given). Two may be left out: `elasticity`, each worker's
    own, in place of the one of the preferences, and `fixed_cost`, what working at all costs, in
    dollars a year (child care, the way to work; part of consumption, but it brings no utility), so
    that some stay home. A skill or taste of next to 0 (1e-31 in float32, 1e-292 in float64) is 0.

    Raises:
        ValueError: unequal lengths, a negative or infinite value, an elasticity of 0, or weights
            that do not sum to 1. Values are checked where they are known, so not inside `jit`.
    """

    skill: Float[Array, " agents"]
    taste: Float[Array, " agents"]
    weight: Float[Array, " agents"]
    elasticity: Float[Array, " agents"] | None
    fixed_cost: Float[Array, " agents"] | None

    def __init__(
        self,
        skill: ArrayLike,
        *,
        taste: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        elasticity: ArrayLike | None = None,
        fixed_cost: ArrayLike | None = None,
    ):
        self.skill = _normal(as_float(skill))
        self.taste = jnp.ones_like(self.skill) if taste is None else _normal(as_float(taste))
        self.weight = (
            jnp.ones_like(self.skill) / self.skill.size if weight is None else as_float(weight)
        )
        self.elasticity = None if elasticity is None else as_float(elasticity)
        self.fixed_cost = None if fixed_cost is None else as_float(fixed_cost)
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        given = {name: values for name, values in fields.items() if values is not None}
        for name, values in given.items():
            if values.ndim != 1 or values.shape != self.skill.shape or values.size == 0:
                shapes = {field: array.shape for field, array in given.items()}
                raise ValueError(
                    f"{', '.join(given)} are flat arrays of one length; got shapes {shapes}."
                )
            if is_concrete(values):
                _require_nonnegative(name, np.asarray(values))
        if (
            self.elasticity is not None
            and is_concrete(self.elasticity)
            and not np.all(np.asarray(self.elasticity) > 0)
        ):
            raise ValueError(
                "elasticity must be above 0 for everyone: 0.01 is next to no response."
            )
        if weight is not None and is_concrete(self.weight):
            total = float(np.asarray(self.weight, float).sum())
            if (
                abs(total - 1)
                > 10 * float(jnp.finfo(self.weight.dtype).eps) * self.weight.size**0.5
            ):
                raise ValueError(
                    f"Weights are shares that sum to 1, not {total}: divide by their sum."
                )

    @property
    def agents(self) -> int:
        """The number of workers held, each of whom stands for `weight` of the population."""
        return self.skill.shape[0]


def _normal(values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return values with the least as 0: compiled code may or may not see subnormal numbers.

    What is next to them has no reciprocal, so that derivatives would be nan.
    """
    limits = jnp.finfo(values.dtype)
    return jnp.where(jnp.abs(values) < limits.tiny / limits.eps, 0, values)


def _require_nonnegative(name: str, values: Float[np.ndarray, " agents"]) -> None:
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        where = int(np.argmax(bad))
        raise ValueError(
            f"{name} must be finite and 0 or more: mend entry {where}, {values[where]}."
        )
