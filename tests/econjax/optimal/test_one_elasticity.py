"""Workers of one elasticity: what is found without a search is what the general code finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Quasilinear,
    Rawlsian,
    calibrate,
    converged_saez,
    equilibrium,
    gb2,
    us_federal,
)
from econjax.optimal import jump_revenue, saez
from econjax.optimal.one_elasticity import is_of_one_elasticity, outcomes_at, statistics_and_jumps
from econjax.population import Population
from econjax.welfare import InverseIncome, Utilitarian
from econjax.welfare.statistics import bracket_statistics

LAW = "single"
CASES = {
    "falling and rising": (0.25, [0.6, 0.55, 0.52, 0.55, 0.57, 0.58, 0.59], 100.0),
    "falling twice in a row": (0.8, [0.7, 0.6, 0.3, 0.5, 0.45, 0.6, 0.2], 100.0),
    "steep": (0.1, [0.9, -0.2, 0.8, 0.1, 0.7, 0.0, 0.9], 100.0),
    "subsidies": (1.1, [-0.5, -0.2, 0.1, 0.3, 0.2, 0.1, 0.4], 100.0),
    "a short week": (0.5, [0.5, 0.4, 0.5, 0.1, 0.4, 0.2, 0.1], 38.0),
    "confiscation": (0.4, [0.2, 0.3, 1.0, 0.3, 0.4, 0.999, 0.5], 100.0),
}
AIMS = (Atkinson(1.0), Atkinson(2.0, floor=20_000.0), Rawlsian(), Utilitarian(), InverseIncome(1e3))


@pytest.fixture
def economy(x64):
    workers = calibrate(gb2(300, jax.random.key(1)), us_federal(2024, LAW))
    # Somebody is idle, and somebody of high skill counts for nothing.
    idle = Population(
        jnp.append(workers.skill, jnp.array([0.0, 1e6])),
        taste=jnp.append(workers.taste, jnp.ones(2)),
        weight=jnp.append(jnp.full(300, 0.9 / 300), jnp.array([0.1, 0.0])),
    )

    def of(elasticity: float, max_labor: float = 100.0, floor: float = 15_000.0) -> Economy:
        return Economy(
            population=idle,
            preferences=Quasilinear(elasticity),
            spending=1_000.0,
            max_labor=max_labor,
            consumption_floor=floor,
        )

    return of


@pytest.mark.parametrize("case", CASES)
def test_responses_statistics_and_jumps_are_those_of_the_general_code(economy, case):
    elasticity, rates, week = CASES[case]
    thresholds = us_federal(2024, LAW).thresholds
    here, schedule = economy(elasticity, week), BracketSchedule(thresholds, rates)
    assert is_of_one_elasticity(here, thresholds)
    welfare = AIMS[list(CASES).index(case) % len(AIMS)]
    _assert_alike(_general(here, schedule, welfare), _quick(here, schedule, welfare))


def test_so_they_are_at_any_schedule(economy):
    draw = np.random.default_rng(4)
    tried = jax.jit(
        lambda here, schedule: tuple(way(here, schedule, AIMS[0]) for way in (_general, _quick))
    )
    for number in range(60):
        thresholds = np.sort(np.exp(draw.uniform(np.log(3e3), np.log(7e5), 7)))
        thresholds[0] = 0.0
        if number % 3 == 0:  # from one end of the interval, Newton's method leads to the other
            thresholds = np.array([0, 3442, 7712, 18017, 19254, 39778, 129743]) * draw.uniform(1, 2)
            rates = [0.9, 1.0, 0.5, 1.0, 0.0, 0.2, 0.9]
        elif number % 3 == 1:
            rates = draw.choice([-0.3, 0.0, 0.2, 0.5, 0.9, 0.99], 7)
        else:
            rates = draw.uniform(-0.5, 0.95, 7)
        week = (38.0, 60.0, 100.0, 1_000.0)[number % 4]
        here = economy(2.0 if number % 3 == 0 else float(draw.choice([0.05, 0.3, 1.0])), week)
        _assert_alike(*tried(here, BracketSchedule(thresholds, rates)))


def _general(here, schedule, welfare):
    outcome = equilibrium(here, schedule).outcome
    statistics = bracket_statistics(here, schedule, outcome, welfare)
    return outcome, statistics, jump_revenue(here, schedule)


def _quick(here, schedule, welfare):
    outcome = outcomes_at(here, schedule.thresholds)(schedule.rates)
    return outcome, *statistics_and_jumps(here, schedule.thresholds, welfare)(schedule.rates)


def _assert_alike(general, quick):
    outcome, statistics, jump = general
    for name, values in vars(outcome).items():
        np.testing.assert_allclose(getattr(quick[0], name), values, atol=1e-7, rtol=1e-9)
    for name, values in vars(statistics).items():
        if values is None:  # credited: nobody has a credit here
            assert getattr(quick[1], name) is None
            continue
        np.testing.assert_allclose(getattr(quick[1], name), values, atol=1e-6, rtol=1e-9)
    np.testing.assert_allclose(quick[2], jump, atol=1e-6 * float(jnp.abs(jump).max() + 1))


@pytest.mark.parametrize("welfare", [AIMS[1], AIMS[2]], ids=lambda welfare: type(welfare).__name__)
def test_the_fixed_point_is_that_of_the_general_search(economy, monkeypatch, welfare):
    law, here = us_federal(2024, LAW), economy(0.3, floor=2_000.0)
    quick = converged_saez(here, law, welfare)
    monkeypatch.setattr(saez, "is_of_one_elasticity", lambda *_: False)
    slow = jax.jit(lambda start: converged_saez(here, start, welfare))(law)
    assert quick.steps == slow.steps
    np.testing.assert_allclose(quick.schedule.rates, slow.schedule.rates, atol=1e-9)


def test_others_and_other_precision_are_left_to_the_general_code(economy):
    law = us_federal(2024, LAW)
    workers = economy(0.3).population
    own = Population(workers.skill, elasticity=jnp.full_like(workers.skill, 0.3))
    assert not is_of_one_elasticity(
        Economy(population=own, preferences=Quasilinear(0.3)), law.thresholds
    )
    assert not is_of_one_elasticity(economy(0.3), jnp.arange(17.0))
    assert not is_of_one_elasticity(economy(0.3), jnp.zeros((2, 7)))
