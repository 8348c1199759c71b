"""The reference economies as econjax objects, and the functions that tests share compiled.

A NumPy array that a compiled function closes over is remembered by JAX 0.10 in the precision of
that call, and `jnp.asarray` of the same array returns it in the other precision: hence the
`.tolist()`s.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Outcome,
    Population,
    Quasilinear,
    Rawlsian,
    best_response,
    equilibrium,
    settle,
)
from econjax.economy import income_and_tax, utility_of

solve = eqx.filter_jit(equilibrium)
respond = eqx.filter_jit(best_response)
settled = eqx.filter_jit(settle)


def float64():
    """Return the context in which JAX computes in float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # jax before 0.8

    return enable_x64(True)


def hours_of(economy, schedule, rebate=0.0):
    """Return everybody's best hours; a compiled function takes a Python rebate for a constant."""
    return respond(economy, schedule, jnp.asarray(rebate, float))


@eqx.filter_jit
def lost_to_grid(economy, schedule, rebate):
    """Return what best responses lose to the best of 5,001 hours, a share of the own utility.

    0 for whom no hours have a utility.
    """

    def utility(labor):
        income, tax = income_and_tax(economy.population, schedule, labor)
        return utility_of(economy, income - tax + rebate, labor)

    def better(step, best):
        return jnp.maximum(best, utility(jnp.full_like(best, 0.02 * step)))

    own = utility(best_response(economy, schedule, rebate))
    best = jax.lax.fori_loop(0, 5001, better, own)
    return jnp.where(jnp.isfinite(own), (best - own) / jnp.abs(own), 0)


def economy_of(potential, elasticity, *, weight=None, max_labor=jnp.inf, **options) -> Economy:
    """Return the economy of workers whose income at a zero rate is `potential`."""
    population = Population(np.asarray(potential) / 40, weight=weight)
    return Economy(
        population=population, preferences=Quasilinear(elasticity), max_labor=max_labor, **options
    )


def power_economy(skill, scale, power, **options) -> Economy:
    """Return the economy in which u = c - scale * labor^power, the LLM Economist's form."""
    skill = np.asarray(skill, float)
    taste = scale * power * 40 ** (power - 1) / skill
    return Economy(
        population=Population(skill, taste=taste),
        preferences=Quasilinear(1 / (power - 1)),
        **options,
    )


def outcome_of(utility, income=None) -> Outcome:
    """Return an outcome of which only utility (and income) matters."""
    utility = jnp.asarray(utility, float)
    income = utility if income is None else jnp.asarray(income, float)
    zero = jnp.zeros(())
    return Outcome(
        labor=jnp.zeros_like(utility),
        income=income,
        tax=jnp.zeros_like(utility),
        consumption=income,
        utility=utility,
        rebate=zero,
        floored=zero,
    )


def welfare_of(aversion: float):
    return Rawlsian() if aversion == np.inf else Atkinson(float(aversion))


@eqx.filter_jit
def equivalent(economy, welfare, schedule):
    """Return rebate, mean income and equivalent."""
    outcome = equilibrium(economy, schedule).outcome
    mean = jnp.sum(economy.population.weight * outcome.income)
    return outcome.rebate, mean, welfare.equivalent(economy.population, outcome)


@eqx.filter_jit
def rebate_and_gradients(economy, thresholds, rates, bandwidth=None):
    """Return the rebate with its derivatives with respect to thresholds and rates."""

    def rebate(thresholds, rates):
        return equilibrium(economy, BracketSchedule(thresholds, rates), bandwidth=bandwidth).rebate

    return rebate(thresholds, rates), *jax.grad(rebate, (0, 1))(thresholds, rates)
