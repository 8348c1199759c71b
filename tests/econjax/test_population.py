import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laboratory import float64
from reference import GB2, grid
from scipy import stats

from econjax import Population, gb2, gini

# Oracles, section 6a: quantiles of the LLM Economist's GB2, in dollars; grid of n points, point i (from 1).
QUANTILES = [
    (50, 1, 695.139684),
    (10, 1, 3434.090875),
    (5, 1, 6850.620244),
    (10, 3, 17393.033095),
    (1, 1, 38101.531840),
    (10, 8, 72159.267070),
    (5, 5, 124508.873589),
    (10, 10, 175431.630970),
    (50, 50, 361313.198064),
    (500, 500, 967606.997983),
    (5000, 5000, 2566181.460604),
]


@pytest.mark.parametrize(("n", "i", "income"), QUANTILES)
def test_gb2_quantiles(x64, n, i, income):
    assert 40 * gb2(n).skill[i - 1] == pytest.approx(income, abs=6e-7, rel=1e-12)


def test_gb2_grid_is_scipys(x64):
    np.testing.assert_allclose(40 * gb2(20000).skill, grid("GB2"), rtol=1e-12)
    b, a, p, q = GB2
    shares = (np.arange(2000) + 0.5) / 2000
    np.testing.assert_allclose(
        40 * gb2(2000).skill, b * stats.betaprime(p, q).ppf(shares) ** (1 / a), rtol=1e-9
    )


def test_gb2_with_unit_shapes_is_the_fisk_distribution(x64):
    # p = q = 1: Q(u) = b (u / (1 - u))^(1/a); its Gini is 1/a.
    population = gb2(20000, mu=1000.0, sigma=4.0, nu=1.0, tau=1.0)
    shares = (np.arange(20000) + 0.5) / 20000
    np.testing.assert_allclose(40 * population.skill, 1000 * (shares / (1 - shares)) ** 0.25, rtol=1e-12)
    assert gini(population.skill) == pytest.approx(0.25, abs=1e-4)


def test_gb2_mean_and_gini(x64):
    # Oracles, section 6a: mean 59249.20, Gini .5301; the grid cuts the tail beyond 1 - 1/(2n).
    population = gb2(1_000_000)
    assert 40 * population.skill.mean() == pytest.approx(59249.20382374, rel=3e-4)
    assert gini(population.skill) == pytest.approx(0.5300940492, abs=3e-4)


def test_gb2_draws_follow_the_distribution():
    b, a, p, q = GB2
    population = gb2(4000, jax.random.key(0))
    shares = stats.betaprime(p, q).cdf((40 * np.asarray(population.skill, float) / b) ** a)
    assert stats.kstest(shares, "uniform").pvalue > 1e-3


def test_gb2_draws_belong_to_their_key():
    one, same, other = (gb2(100, jax.random.key(seed)).skill for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(np.asarray(one) != np.asarray(other))


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


def test_float32_grid_agrees_with_float64():
    single = gb2(20000).skill
    assert single.dtype == jnp.float32
    with float64():
        double = gb2(20000).skill
    np.testing.assert_allclose(single, double, rtol=4 * np.finfo(np.float32).eps)


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


@pytest.mark.parametrize("n", [0, -3])
def test_a_population_needs_workers(n):
    with pytest.raises(ValueError, match=str(n)):
        gb2(n)
