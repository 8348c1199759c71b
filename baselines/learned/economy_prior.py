"""Economies drawn at random: what a planner that learns before it is asked learns from."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Outcome,
    Population,
    Quasilinear,
    Rawlsian,
    calibrate,
)
from econjax.populations.distributions import GB2, LognormalPareto
from econjax.welfare import AbstractWelfare


class AnyAversion(AbstractWelfare):
    """Atkinson welfare up to infinite aversion, Rawls's, in one function that can be batched.

    Utility must be in dollars.
    """

    needs_dollars = True
    aversion: Float[Array, ""]

    def __call__(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the equivalent itself."""
        return self.equivalent(population, outcome)

    def equivalent(self, population: Population, outcome: Outcome) -> Float[Array, ""]:
        """Return the equally-distributed equivalent, in dollars a year."""
        endless = jnp.isinf(self.aversion)
        finite = Atkinson(jnp.where(endless, 1, self.aversion)).equivalent(population, outcome)
        return jnp.where(endless, Rawlsian().equivalent(population, outcome), finite)


class EconomyDraw(NamedTuple):
    """An economy, and the aversion to inequality of those who plan for it (`inf`: Rawls)."""

    economy: Economy
    aversion: Float[Array, ""]

    @property
    def welfare(self) -> AnyAversion:
        """The welfare function."""
        return AnyAversion(self.aversion)


def draw_skills(
    key: Key[Array, ""], *, populations: int, agents: int
) -> Float[Array, "populations agents"]:
    """Return the skills of populations of different income distributions, on the host.

    Half are GB2 (McDonald 1984), half lognormal with a Pareto tail, all of whose parameters are
    drawn so that medians lie around 25,000 to 90,000 dollars and tails have a Pareto index of 1.4
    or more. Half of each are quantile grids, half independent draws.
    """
    rows = []
    for index in range(populations):
        parameters, sample = jax.random.split(jax.random.fold_in(key, index))
        u = np.asarray(jax.random.uniform(parameters, (4,)), float)
        distribution = _gb2(u) if index % 2 else _lognormal_pareto(u)
        rows.append(distribution.population(agents, sample if index % 4 < 2 else None).skill)
    return jnp.stack(rows)


def draw_world(
    key: Key[Array, ""], skills: Float[Array, "populations agents"], law: BracketSchedule
) -> EconomyDraw:
    """Return a world with one of the populations, and an elasticity and an aversion of its own.

    The elasticity is log-uniform between 0.1 and 1; the aversion is infinite with probability 1/4,
    else uniform between 0.5 and 4; preferences are quasi-linear, public spending is 0. In half of
    the worlds tastes are such that everyone works 40 hours under the `law`, in the others
    everyone's taste is 1.
    """
    which, elastic, averse, rawls, fitted = jax.random.split(key, 5)
    skill = skills[jax.random.randint(which, (), 0, skills.shape[0])]
    elasticity = 0.1 * 10 ** jax.random.uniform(elastic)
    aversion = jax.random.uniform(averse, minval=0.5, maxval=4.0)
    aversion = jnp.where(jax.random.bernoulli(rawls, 0.25), jnp.inf, aversion)
    population = calibrate(Population(skill), law)
    taste = jnp.where(jax.random.bernoulli(fitted), population.taste, 1)
    population = eqx.tree_at(lambda p: p.taste, population, taste)
    return EconomyDraw(
        Economy(population=population, preferences=Quasilinear(elasticity)), aversion
    )


def _gb2(u: Float[np.ndarray, " 4"]) -> GB2:
    shape, low, high = 1.6 + 1.4 * u[0], 0.4 + 0.8 * u[1], 0.9 + 0.8 * u[2]
    unscaled = GB2(1.0, shape, low, high)
    return GB2(_median(u[3]) / float(unscaled.quantile(0.5)), shape, low, high)


def _lognormal_pareto(u: Float[np.ndarray, " 4"]) -> LognormalPareto:
    index, sigma = 1.4 * 6 ** u[0], 0.35 + 0.5 * u[1]
    unscaled = LognormalPareto(1.0, sigma, index)
    return LognormalPareto(_median(u[3]) / float(unscaled.quantile(0.5)), sigma, index)


def _median(u: float) -> float:
    return 25_000 * 3.6**u
