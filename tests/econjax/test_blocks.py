"""Many workers are worked on in blocks: everybody counted often is everybody counted by weight."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    _blocks,
    best_response,
    equilibrium,
)

FEW, BLOCK = 500, 1024
TIMES = {"divisible": 2 * BLOCK // FEW + 1, "odd": (2 * BLOCK + 21) / FEW}
RISING, FALLING = [0.1, 0.3, 0.5], [0.5, 0.2, 0.4]
ISOELASTIC = Isoelastic(2.0, exponent=3.0, scale=1.0417e-6, unit=1e4)


class Noted(Quasilinear):
    """Preferences that hold what is no number, too."""

    note: Callable = math.log


KINDS = {
    "quasi-linear": (Quasilinear(0.3), {}),
    "isoelastic": (ISOELASTIC, {}),
    "elasticities": (Quasilinear(0.3), {"elasticity": np.linspace(0.1, 0.6, FEW)}),
    "fixed costs": (ISOELASTIC, {"fixed_cost": np.linspace(0.0, 5e3, FEW)}),
    "a function": (Noted(0.3), {}),
    "groups": (ISOELASTIC, {"group": np.arange(FEW) % 2}),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Divide populations that no other test has, whose programs would know blocks of full size."""
    monkeypatch.setattr(_blocks, "BLOCK", BLOCK)
    traced = []
    over_blocks = _blocks._over_blocks
    monkeypatch.setattr(
        _blocks, "_over_blocks", lambda *given: traced.append(given) or over_blocks(*given)
    )
    yield
    assert traced, "nobody was divided into blocks"


def economies(kind, times):
    """Return few workers with weights, and many of equal weight of whom these are the kinds."""
    preferences, more = KINDS[kind]
    who = np.arange(round(times * FEW)) % FEW
    skill = np.random.default_rng(0).permutation(np.geomspace(200.0, 6_000.0, FEW))
    workers = {"skill": skill, "taste": np.linspace(0.7, 1.4, FEW), **more}
    few = Population(**workers, weight=np.bincount(who) / len(who))
    many = Population(**{name: values[who] for name, values in workers.items()})
    return who, *(Economy(population=p, preferences=preferences) for p in (few, many))


def schedule_of(kind, rates):
    starts = [0.0, 30_000.0, 90_000.0]
    return BracketSchedule(
        [starts, [0.0, 40_000.0, 80_000.0]] if kind == "groups" else starts, rates
    )


@pytest.mark.parametrize(
    ("kind", "times"), [("quasi-linear", "divisible"), *((kind, "odd") for kind in KINDS)]
)
def test_best_hours_are_those_of_a_few(kind, times):
    who, few, many = economies(kind, TIMES[times])
    for rates in (RISING, FALLING):
        schedule = schedule_of(kind, rates)
        one, other = (best_response(economy, schedule, 3_000.0) for economy in (few, many))
        np.testing.assert_array_equal(np.asarray(one)[who], other)


@pytest.mark.parametrize("kind", ["quasi-linear", "isoelastic"])
def test_equilibrium_and_gradient_are_those_of_a_few(x64, kind):
    _, few, many = economies(kind, TIMES["odd"])

    def mean_utility(rates, economy):
        found = equilibrium(economy, schedule_of(kind, rates), bandwidth=0.2).outcome
        return jnp.sum(economy.population.weight * found.utility), found.rebate

    both = jax.jit(jax.value_and_grad(mean_utility, has_aux=True))
    for rates in (RISING, FALLING):
        (value, rebate), slopes = both(jnp.array(rates), few)
        (same, paid), others = both(jnp.array(rates), many)
        np.testing.assert_allclose([same, paid], [value, rebate], rtol=1e-10)
        np.testing.assert_allclose(others, slopes, rtol=1e-6)
