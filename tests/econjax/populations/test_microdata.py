"""Microdata: who does not work, losses by each rule, and what the report says of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import AmongWorkers, Atkinson, Economy, Quasilinear, equilibrium, us_federal
from econjax.economy import income_and_tax
from econjax.populations import from_microdata

EARNINGS = [40_000.0, 0.0, -5_000.0, 80_000.0, 20_000.0]
OTHER = [0.0, 10_000.0, 2_000.0, -1_000.0, 0.0]
WEIGHT = [10.0, 20.0, 30.0, 20.0, 20.0]


def read(**rules):
    """Read the five records by some rules."""
    return from_microdata(EARNINGS, weight=WEIGHT, other_income=OTHER, group=range(5), **rules)


def test_losses_that_are_clipped_count_as_nothing():
    data = read(losses="clip")
    np.testing.assert_allclose(data.population.skill, [1000, 0, 0, 2000, 500])
    np.testing.assert_allclose(data.population.other_income, [0, 10_000, 2_000, 0, 0])
    report = data.report
    assert (report.losses.records, report.losses.share) == (2, 0.5)
    assert report.losses.dollars == -30 * 5_000 - 20 * 1_000
    assert report.used.dollars == report.read.dollars - report.losses.dollars


def test_losses_that_are_dropped_take_their_records_along():
    data = read(losses="drop")
    np.testing.assert_array_equal(data.records, [0, 1, 4])
    np.testing.assert_allclose(data.population.weight, [0.2, 0.4, 0.4])
    np.testing.assert_array_equal(data.population.group, [0, 1, 4])
    assert data.population.groups == 5
    assert (data.report.used.records, data.report.used.share) == (3, 0.5)
    assert data.report.without_work.share == pytest.approx(0.4)


def test_losses_that_are_kept_are_other_income_and_owe_nothing():
    data = read(losses="keep")
    np.testing.assert_allclose(data.population.other_income, [0, 10_000, -3_000, -1_000, 0])
    assert data.report.used.dollars == data.report.read.dollars
    idle = jnp.zeros(5)
    _, tax = income_and_tax(data.population, us_federal(2024), idle)
    np.testing.assert_allclose(tax, [0, 1000, 0, 0, 0], atol=1e-3)


def test_those_without_work_are_apart_from_workers_of_low_skill():
    data = from_microdata([0.0, 1.0, 50_000.0])
    assert data.report.without_work.records == 1
    assert data.report.without_work.share == pytest.approx(1 / 3)
    economy = Economy(population=data.population, preferences=Quasilinear(0.25))
    found = [equilibrium(economy, us_federal(year)).outcome for year in (2017, 2024)]
    assert found[0].labor[0] == found[1].labor[0] == 0
    assert found[0].labor[1] > 0
    assert found[0].consumption[0] == found[0].rebate


def test_those_without_work_can_be_left_out():
    data = from_microdata([0.0, 30_000.0, 50_000.0], weight=[2.0, 1, 1], without_work="drop")
    np.testing.assert_array_equal(data.records, [1, 2])
    assert data.report.dropped
    assert data.report.without_work.share == pytest.approx(0.5)
    np.testing.assert_allclose(data.population.weight, [0.5, 0.5])


def test_welfare_among_workers_is_that_of_the_workers(x64):
    data = from_microdata([0.0, 30_000.0, 50_000.0])
    alone = from_microdata([0.0, 30_000.0, 50_000.0], without_work="drop")
    economy = Economy(population=data.population, preferences=Quasilinear(0.25))
    outcome = equilibrium(economy, us_federal(2024)).outcome
    workers = AmongWorkers(Atkinson(1.0)).equivalent(data.population, outcome)
    utility = outcome.utility[1:]
    assert workers == pytest.approx(float(jnp.exp(jnp.mean(jnp.log(utility)))), rel=1e-12)
    assert alone.population.agents == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: from_microdata([1.0, np.inf]), "earnings must be finite: .* record 1, inf"),
        (lambda: from_microdata([1.0], weight=[-1.0]), "weight must be finite and 0 or more"),
        (lambda: from_microdata([1.0], weight=[0.0]), "No record of positive weight is left"),
        (lambda: from_microdata([-1.0], losses="drop"), "No record of positive weight is left"),
        (lambda: from_microdata([1.0, 2], weight=[1.0]), r"weight is of shape \(1,\)"),
        (lambda: from_microdata([1.0, 2], group=[1]), "group needs one entry for each record"),
    ],
)
def test_what_is_no_microdata_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
