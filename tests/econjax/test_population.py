import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Population, gb2


def test_everyone_counts_the_same_and_has_the_same_taste_by_default():
    population = Population([10, 20, 30, 40])
    np.testing.assert_array_equal(population.taste, [1, 1, 1, 1])
    np.testing.assert_allclose(population.weight, [0.25] * 4)
    assert population.agents == 4
    assert isinstance(population.skill, jax.Array)
    assert jnp.issubdtype(population.skill.dtype, jnp.floating)


def test_large_populations_of_float32_weights_sum_to_one():
    assert gb2(1_000_003).weight.sum() == pytest.approx(1, abs=1e-4)
    Population(np.ones(1_000_003), weight=np.full(1_000_003, 1 / 1_000_003, np.float32))


def test_next_to_no_skill_or_taste_is_none(eps):
    least = float(np.finfo(np.float32 if eps > 1e-10 else np.float64).tiny) / eps
    given = [0.5 * least, -0.0, 2 * least]
    some = Population(given, taste=given)
    for found in (some.skill, some.taste):
        np.testing.assert_array_equal(found, np.asarray([0, 0, 2 * least], found.dtype))
        assert not np.signbit(found).any()


def test_a_population_is_a_pytree_of_its_arrays():
    population = jax.tree.map(
        lambda x: x[::-1], Population([1.0, 2.0], taste=[3.0, 4.0], weight=[0.25, 0.75])
    )
    np.testing.assert_array_equal(population.skill, [2, 1])
    np.testing.assert_array_equal(population.weight, [0.75, 0.25])


def test_a_population_can_be_built_inside_jit():
    agents = jax.jit(lambda skill: Population(skill).weight.sum())(jnp.ones(5))
    assert agents == pytest.approx(1)


BAD = {
    "negative skill": (dict(skill=[10, -7]), "-7", "skill"),
    "nan skill": (dict(skill=[10, np.nan]), "nan", "skill"),
    "infinite skill": (dict(skill=[10, np.inf]), "inf", "skill"),
    "negative taste": (dict(skill=[10, 7], taste=[1, -3]), "-3", "taste"),
    "nan taste": (dict(skill=[10, 7], taste=[1, np.nan]), "nan", "taste"),
    "negative weight": (dict(skill=[10, 7], weight=[1.5, -0.5]), r"-0\.5", "weight"),
    "nan weight": (dict(skill=[10, 7], weight=[1, np.nan]), "nan", "weight"),
    "counts as weights": (dict(skill=[10, 7], weight=[3, 2]), "5", r"sum.*1|1.*sum"),
    "unequal tastes": (dict(skill=[10, 7], taste=[1, 1, 1]), "3", "taste"),
    "unequal weights": (dict(skill=[10, 7], weight=[1.0]), "1", "weight"),
    "two-dimensional": (dict(skill=[[10, 7]]), "1, 2", "skill"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    arguments, value, remedy = BAD[name]
    with pytest.raises(ValueError, match=rf"(?s){value}") as error:
        Population(**arguments)
    assert error.match(rf"(?s){remedy}")
