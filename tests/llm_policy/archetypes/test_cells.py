import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Economy, IncomeCredits, Population, Quasilinear, calibrate, gb2, us_federal
from llm_policy.archetypes.cells import person_cells
from llm_policy.archetypes.crowd import crowd_of, personas_at
from llm_policy.personas.draw import draw_personas
from llm_policy.surrogate.recording import person_features

KEY = jax.random.key(0)


def economy_of(population):
    return Economy(population=population, preferences=Quasilinear(0.25))


@pytest.fixture(scope="module")
def crowd():
    return crowd_of(KEY, economy_of(calibrate(gb2(3_000), us_federal(2024))))


def test_few_have_the_personas_that_they_would_have_when_asked_one_by_one(crowd):
    alone = draw_personas(KEY, crowd.economy.population)
    for name in ("occupation", "age", "hours", "risk", "skill"):
        np.testing.assert_array_equal(getattr(crowd.personas, name), getattr(alone, name))


def test_the_order_of_workers_changes_nobody(crowd):
    population, order = crowd.economy.population, np.random.default_rng(1).permutation(3_000)
    mixed = Population(
        population.skill[order], taste=population.taste[order], weight=population.weight[order]
    )
    again = crowd_of(KEY, economy_of(mixed), np.where(order < 5, 0.0, np.nan))
    np.testing.assert_array_equal(again.economy.population.taste, population.taste)
    np.testing.assert_array_equal(again.personas.age, crowd.personas.age)
    assert again.fixed is not None
    assert not again.fixed[:5].any()
    assert np.isnan(again.fixed[5:]).all()


def test_blocks_of_people_have_the_shares_of_all(crowd, monkeypatch):
    monkeypatch.setattr("llm_policy.archetypes.crowd._AT_ONCE", 1_000)
    parts = crowd_of(KEY, crowd.economy).personas
    for name in ("woman", "age", "education", "hours"):
        one, other = (getattr(each, name).astype(float) for each in (parts, crowd.personas))
        assert abs(one.mean() - other.mean()) < 5 * other.std() / 3_000**0.5, name
    ranks = np.corrcoef(np.arange(3_000), parts.education)[0, 1]
    assert ranks > 0.2  # whoever earns more knows more, across blocks


def test_no_cell_is_empty_and_speakers_are_of_their_cells(crowd):
    cells = person_cells(crowd, 24)
    assert len(cells.typical) == 24
    assert np.bincount(cells.of).min() > 0
    np.testing.assert_array_equal(cells.of[cells.typical], np.arange(24))


def test_more_cells_hold_people_who_are_more_alike(crowd):
    x = np.asarray(person_features(crowd.personas))

    def within(most):
        of = person_cells(crowd, most).of
        return np.mean([x[of == number].var(axis=0).sum() for number in range(most)])

    assert within(64) < 0.6 * within(8) < 0.6 * x.var(axis=0).sum() * 1.01


def test_cells_do_not_depend_on_how_many_people_there_are():
    """A speaker of a big crowd is as near to the centre of its cell as one of a small crowd."""
    law = us_federal(2024)
    small, large = (crowd_of(KEY, economy_of(calibrate(gb2(n), law))) for n in (5_000, 40_000))
    shares = [np.sort(np.bincount(person_cells(one, 16).of)) for one in (small, large)]
    assert len(shares[0]) == len(shares[1]) == 16
    np.testing.assert_allclose(shares[0] / 5_000, shares[1] / 40_000, atol=0.04)


def test_nobody_shares_a_cell_with_another_group_credit_or_who_is_not_asked():
    count = 200
    group, kind = np.arange(count) % 2, np.arange(count) // 2 % 2
    population = Population(
        np.linspace(100.0, 900.0, count),
        group=group,
        credits=IncomeCredits([[0.0, 9_000.0]] * 2, [[0.0, 0.0], [-0.3, 0.0]], kind),
        groups=2,
    )
    fixed = np.where(np.arange(count) < 20, 0.0, np.nan)
    crowd = crowd_of(KEY, economy_of(population), fixed)
    cells = person_cells(crowd, 12)
    for number in range(len(cells.typical)):
        here = cells.of == number
        assert len(set(zip(group[here], kind[here], np.isnan(fixed[here]), strict=True))) == 1
    assert len(person_cells(crowd, 1).typical) == 8  # one of each kind at least


def test_some_keep_all_that_they_are():
    population = Population(
        jnp.linspace(100.0, 900.0, 6),
        other_income=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        group=[0, 1, 0, 1, 0, 1],
        groups=3,
    )
    crowd = crowd_of(KEY, economy_of(population))
    some = crowd.some(np.array([4, 1]), np.array([3.0, 1.0]))
    chosen = some.economy.population
    np.testing.assert_array_equal(chosen.other_income, [4.0, 1.0])
    np.testing.assert_array_equal(chosen.group, [0, 1])
    np.testing.assert_allclose(chosen.weight, [0.75, 0.25])
    assert chosen.groups == 3
    assert personas_at(crowd.personas, np.array([4])).skill == some.personas.skill[0]
