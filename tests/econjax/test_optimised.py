"""Programs compiled as users do say what they say without optimisation, as in most tests here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    converged_saez,
    equilibrium,
    grid_response,
    logit_probabilities,
)
from econjax.optimal.saez import damped_step
from econjax.planning import summarise
from tests.helpers.laboratory import float64
from tests.helpers.versions import HAS_EMITTERS

DEFAULTS = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
}
UNOPTIMISED = DEFAULTS | {"xla_backend_optimization_level": 0}
if HAS_EMITTERS:
    DEFAULTS["xla_cpu_use_fusion_emitters"] = True
    UNOPTIMISED["xla_cpu_use_fusion_emitters"] = False
THRESHOLDS = np.array([0.0, 11_600.0, 47_150.0, 100_525.0, 191_950.0, 243_725.0, 609_350.0])
RISING = np.array([0.1, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37])
FALLING = np.array([0.6, 0.5, 0.45, 0.5, 0.52, 0.5, 0.4])


def economy_with(preferences, **workers):
    skill = np.exp(np.random.default_rng(5).normal(6, 1, 1_000))
    return Economy(population=Population(skill, **workers), preferences=preferences)


ECONOMIES = {
    "quasi-linear": lambda: economy_with(Quasilinear(0.25)),
    "isoelastic": lambda: economy_with(Isoelastic(1.0, exponent=3.0, scale=5.2e-6)),
    "fixed costs": lambda: economy_with(
        Quasilinear(0.25), fixed_cost=np.linspace(0.0, 4_000.0, 1_000)
    ),
}


def agree(f, economy, *several, rtol):
    """Check f(economy, given) for several of what may be given."""
    lowered = jax.jit(f).lower(economy, several[0])
    as_users, plain = (lowered.compile(dict(options)) for options in (DEFAULTS, UNOPTIMISED))
    for given in several:
        leaves = [jax.tree.leaves(program(economy, given)) for program in (as_users, plain)]
        for one, other in zip(*leaves, strict=True):
            scale = float(np.max(np.abs(other), initial=0))
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("economy", ECONOMIES)
def test_welfare_and_its_gradient(economy):
    def welfare(economy, rates):
        outcome = equilibrium(economy, BracketSchedule(THRESHOLDS, rates)).outcome
        return Utilitarian().equivalent(economy.population, outcome)

    program = jax.value_and_grad(welfare, argnums=1)
    if economy == "quasi-linear":
        return agree(program, ECONOMIES[economy](), RISING, FALLING, rtol=2e-3)
    with float64():
        agree(program, ECONOMIES[economy](), RISING, FALLING, rtol=1e-7)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["Atkinson", "Rawlsian"])
def test_a_report(x64, welfare):
    def report(economy, rates):
        schedule = BracketSchedule(THRESHOLDS, rates)
        return summarise(economy, schedule, equilibrium(economy, schedule).outcome, welfare)

    agree(report, ECONOMIES["quasi-linear"](), RISING, FALLING, rtol=1e-10)


def test_the_saez_fixed_point(x64):
    def best(economy, aversion):
        start = BracketSchedule(THRESHOLDS, jnp.full(7, 0.4))
        found = converged_saez(economy, start, Atkinson(aversion), elasticity=0.25, tolerance=1e-3)
        return found.schedule.rates, found.converged

    agree(best, ECONOMIES["quasi-linear"](), 1.0, 2.0, rtol=1e-7)


def test_choices_and_smooth_schedules(x64):
    def follow(economy, rates):
        schedule = BracketSchedule(THRESHOLDS, rates)
        smooth = equilibrium(economy, LogLinearSchedule(3.0, 0.1)).outcome
        odds = logit_probabilities(economy, schedule, temperature=100.0)
        return grid_response(economy, schedule), odds, smooth

    agree(follow, ECONOMIES["quasi-linear"](), RISING, FALLING, rtol=1e-10)


def test_a_step_all_the_way_to_the_least_rate_does_not_pass_it(eps):
    """Powers round otherwise as users compile them: no rate is below -1, which no schedule has."""
    rates = 1 - jax.random.uniform(jax.random.key(0), (100_000,), minval=1e-3, maxval=2.0)
    given = rates, jnp.full_like(rates, -1.0), jnp.ones_like(rates)
    reached = jax.jit(damped_step).lower(*given).compile(dict(DEFAULTS))(*given)
    assert reached.min() == -1
    np.testing.assert_allclose(reached, -1, atol=4 * eps)
