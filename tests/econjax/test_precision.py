"""Sums of products keep the precision of their numbers on accelerators too.

There XLA rounds the factors of a float32 product of arrays to TF32 or bfloat16, unless told not to.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Quasilinear,
    calibrate,
    converged_saez,
    equilibrium,
    gb2,
    settle,
    simulate,
    us_federal,
)
from econjax.dynamics.policies import Rational
from econjax.measures import elasticity as estimators
from econjax.optimal.inverse import inverse_optimum
from econjax.planning.report import summarise

LAW = us_federal(2024)
HIGHER = BracketSchedule(LAW.thresholds, LAW.rates + 0.1)
PEOPLE = calibrate(gb2(50), LAW)
HOURS = jnp.linspace(20.0, 60.0, 50)
ECONOMY, WITH_INCOME_EFFECTS = (
    Economy(population=PEOPLE, preferences=preferences)
    for preferences in (Quasilinear(0.25), Isoelastic(1.0, exponent=3.0, scale=5.2e-6))
)
HIGHEST = jax.lax.Precision.HIGHEST


def equivalent(rates, economy):
    outcome = equilibrium(economy, BracketSchedule(LAW.thresholds, rates)).outcome
    return Atkinson().equivalent(PEOPLE, outcome)


def panel(labor):
    one, other = (settle(ECONOMY, law, labor).income for law in (LAW, HIGHER))
    return estimators.Panel(one, 0.99 * other, before=LAW, after=HIGHER)


PROGRAMS = {
    "welfare and its gradient": (
        lambda rates: jax.value_and_grad(equivalent)(rates, ECONOMY),
        LAW.rates,
    ),
    "with income effects": (
        lambda rates: jax.value_and_grad(equivalent)(rates, WITH_INCOME_EFFECTS),
        LAW.rates,
    ),
    "report": (
        lambda labor: summarise(ECONOMY, LAW, settle(ECONOMY, LAW, labor), Atkinson()),
        HOURS,
    ),
    "Saez": (
        lambda rates: converged_saez(
            ECONOMY, BracketSchedule(LAW.thresholds, rates), Atkinson(), elasticity=0.25
        ),
        LAW.rates,
    ),
    "years": (
        lambda key: simulate(key, ECONOMY, LAW, Rational(), periods=2).saved,
        jax.random.key(0),
    ),
    "welfare weights": (
        lambda labor: inverse_optimum(ECONOMY, LAW, settle(ECONOMY, LAW, labor), elasticity=0.25),
        HOURS,
    ),
    "arc elasticity": (lambda labor: estimators.arc_elasticity(panel(labor)), HOURS),
    "instrumented elasticity": (
        lambda labor: estimators.gruber_saez(panel(labor), pieces=2),
        HOURS,
    ),
}


def products(program: Any) -> Iterator:
    """Yield every product of arrays in a program and in those that it calls."""
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=callable):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_product_is_rounded(name):
    function, argument = PROGRAMS[name]
    for product in products(jax.make_jaxpr(function)(argument).jaxpr):
        assert product.params["precision"] == (HIGHEST, HIGHEST), product


def test_a_product_that_is_rounded_would_be_found():
    program = jax.make_jaxpr(jax.jit(lambda x: jax.lax.map(lambda row: row @ row, x)))(
        jnp.ones((3, 3))
    )
    assert [product.params["precision"] for product in products(program.jaxpr)] == [None]
