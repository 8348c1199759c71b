"""What the core's benchmark runs: each function, its arguments, and what it is compared with."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import (
    GHH,
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    best_response,
    equilibrium,
    gb2,
    settle,
    us_federal,
)
from econjax.optimal.saez import SaezFixedPoint, converged_saez
from econjax.population import REFERENCE_HOURS
from econjax.welfare import AbstractWelfare
from experiments.benchmarks.references import NumpySchedule, hand_fused_welfare
from experiments.benchmarks.timing import compile_for


class Case(NamedTuple):
    """An operation to time, and the calls that its seconds are compared with, by name."""

    operation: str
    workers: int
    function: Callable
    arguments: tuple
    references: dict[str, Callable[[], Any]]


def cases(size: int) -> Iterator[Case]:
    """Return every operation on so many workers."""
    population, law = shuffled_workers(size), us_federal(2024)
    income = population.skill * REFERENCE_HOURS
    limits = _limits(income)
    host, incomes = (
        NumpySchedule(np.asarray(law.thresholds), np.asarray(law.rates)),
        np.asarray(income),
    )
    by_numpy = {
        "numpy broadcast": lambda: host.broadcast_tax(incomes),
        "numpy searchsorted": lambda: host.searchsorted_tax(incomes),
    }
    yield Case("tax", size, BracketSchedule.tax, (law, income), by_numpy | limits)
    by_numpy = {
        "numpy broadcast": lambda: host.broadcast_rate(incomes),
        "numpy searchsorted": lambda: host.searchsorted_rate(incomes),
    }
    yield Case(
        "marginal rate", size, BracketSchedule.marginal_rate, (law, income), by_numpy | limits
    )
    yield from _economic_cases(population, law, limits)


def many_schedules(schedules: int, workers: int) -> Case:
    """Return each of many schedules' welfare; a pair of schedule and worker counts as a worker."""
    population, law = shuffled_workers(workers), us_federal(2024)
    rates = jnp.linspace(0.5, 1.5, schedules)[:, None] * law.rates[None]
    return Case(
        f"{schedules:,} schedules x {workers:,} workers",
        schedules * workers,
        jax.vmap(_welfare, in_axes=(0, None, None, None)),
        (
            rates,
            Economy(population=population, preferences=Quasilinear(_ELASTICITY)),
            law,
            Atkinson(),
        ),
        _limits(jnp.tile(population.skill, schedules)),
    )


def saez(economy: Economy, law: BracketSchedule, welfare: AbstractWelfare) -> SaezFixedPoint:
    """Return the rates at which the bracket formula agrees with what they bring about."""
    return converged_saez(economy, law, welfare, elasticity=_ELASTICITY)


def shuffled_workers(size: int) -> Population:
    """Return workers on the quantile grid of ACS-2023 incomes, repeated past 100,000, shuffled."""
    skill = np.resize(np.asarray(gb2(min(size, _GRID)).skill), size)
    return Population(np.random.default_rng(0).permutation(skill))


_ELASTICITY = 0.25
_GRID = 100_000


def _economic_cases(
    population: Population, law: BracketSchedule, limits: dict[str, Callable[[], Any]]
) -> Iterator[Case]:
    size, welfare, quasilinear = population.agents, Atkinson(), Quasilinear(_ELASTICITY)
    economy = Economy(population=population, preferences=quasilinear)
    labor = jnp.full_like(population.skill, REFERENCE_HOURS)
    yield Case("settle", size, settle, (economy, law, labor), limits)
    by_hand = compile_for(
        hand_fused_welfare, population, labor, law, quasilinear.elasticity, welfare.aversion
    )
    arguments = (economy, law, labor, welfare)
    yield Case(
        "settle, welfare only", size, _settled_welfare, arguments, limits | {"by hand": by_hand.run}
    )
    for name, preferences in {
        "quasi-linear": quasilinear,
        "isoelastic": Isoelastic(1.0, exponent=3.0, scale=5.2083e-6),
        "GHH": GHH(1.5, elasticity=_ELASTICITY),
    }.items():
        arguments = (Economy(population=population, preferences=preferences), law, jnp.zeros(()))
        yield Case(f"best response, {name}", size, best_response, arguments, limits)
    arguments = (economy, law, welfare)
    yield Case("value and gradient of welfare", size, _value_and_gradient, arguments, limits)
    yield Case("Saez to convergence", size, saez, arguments, limits)


def _limits(numbers: Float[Array, " workers"]) -> dict[str, Callable[[], Any]]:
    """Return one pass of a power over numbers, and a copy of them: the limits of the machine."""
    # The exponent is an argument, so that XLA does not turn the power into products.
    power = compile_for(jnp.power, numbers, jnp.asarray(1.37, numbers.dtype))
    return {"power": power.run, "copy": compile_for(jnp.copy, numbers).run}


def _settled_welfare(
    economy: Economy,
    schedule: BracketSchedule,
    labor: Float[Array, " workers"],
    welfare: AbstractWelfare,
) -> Float[Array, ""]:
    return welfare(economy.population, settle(economy, schedule, labor))


def _welfare(
    rates: Float[Array, " brackets"],
    economy: Economy,
    law: BracketSchedule,
    welfare: AbstractWelfare,
) -> Float[Array, ""]:
    schedule = eqx.tree_at(lambda s: s.rates, law, rates)
    return welfare(economy.population, equilibrium(economy, schedule).outcome)


def _value_and_gradient(
    economy: Economy, law: BracketSchedule, welfare: AbstractWelfare
) -> tuple[Float[Array, ""], Float[Array, " brackets"]]:
    return jax.value_and_grad(_welfare)(law.rates, economy, law, welfare)
