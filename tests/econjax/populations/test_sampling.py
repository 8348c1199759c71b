import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from econjax import gini
from econjax.populations.distributions import GB2_ACS_2023, Lognormal, Pareto, Uniform, shares
from econjax.populations.empirical import Quantiles, from_quantiles
from econjax.populations.sampling import (
    gb2,
    lognormal,
    lognormal_pareto,
    pareto,
    stratified,
    uniform,
)
from tests.helpers.laboratory import float64
from tests.helpers.reference import THRESHOLDS, grid

KNOWN = dict(shares=[0.1, 0.5, 0.9], incomes=[5_000, 40_000, 120_000])
# Economies of oracles, section 0, and two more: the population of n workers and the quantiles it
# has.
DRAW = {
    "GB2": gb2,
    "LN": lambda n, key=None: lognormal(n, key, median=50_000, sigma=0.75),
    "PLN": lambda n, key=None: lognormal_pareto(n, key, scale=40_000, sigma=0.6, index=2),
    "BP": lambda n, key=None: pareto(n, key, minimum=20_000, index=1.5, maximum=2_000_000),
    "uniform": lambda n, key=None: uniform(n, key, low=10_000, high=50_000),
    "quantiles": lambda n, key=None: from_quantiles(n, key, **KNOWN),
}
OTHER = {"uniform": Uniform(10_000.0, 50_000.0), "quantiles": Quantiles(**KNOWN)}


def expected(name, n):
    return OTHER[name].quantile((np.arange(n) + 0.5) / n) if name in OTHER else grid(name, n)


@pytest.mark.parametrize("name", DRAW)
def test_without_a_key_it_is_the_quantile_grid(name, eps):
    population = DRAW[name](20_000)
    np.testing.assert_allclose(
        40 * population.skill, expected(name, 20_000), rtol=max(1e-11, 4 * eps)
    )
    assert population.skill.dtype == (jnp.float32 if eps > 1e-10 else jnp.float64)
    np.testing.assert_allclose(population.weight, np.full(20_000, 1 / 20_000), rtol=eps)


@pytest.mark.parametrize("name", DRAW)
def test_draws_follow_the_distribution(name):
    draws = 40 * np.asarray(DRAW[name](4000, jax.random.key(0)).skill, float)
    assert stats.ks_2samp(draws, expected(name, 100_000)).pvalue > 1e-2


def test_draws_belong_to_their_key():
    one, same, other = (gb2(100, jax.random.key(seed)).skill for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(np.asarray(one) != np.asarray(other))


def test_no_draw_is_out_of_reach():
    # A share of 0 would be the income of nobody; draws in 2^32 cells lie in their middle.
    drawn = shares(3_000_000, jax.random.key(0))
    np.testing.assert_array_equal(drawn * 2.0**32 % 1, 0.5)
    assert 0 < drawn.min() < 2.0**-20
    assert 1 - 2.0**-20 < drawn.max() < 1


def test_draws_are_the_same_in_both_precisions():
    single = gb2(1000, jax.random.key(0)).skill
    with float64():
        double = gb2(1000, jax.random.key(0)).skill
    np.testing.assert_array_equal(single, np.asarray(double, np.float32))


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap])
def test_populations_are_drawn_on_the_host(transform):
    keys = jax.random.split(jax.random.key(0), 2)
    with pytest.raises(
        ValueError, match="drawn on the host: draw them outside jit and vmap, and stack them"
    ):
        transform(lambda key: gb2(3, key))(keys[0] if transform is jax.jit else keys)


def test_gb2_with_unit_shapes_is_the_fisk_distribution(x64):
    # p = q = 1: Q(u) = b (u / (1 - u))^(1/a); its Gini is 1/a.
    population = gb2(20_000, mu=1000.0, sigma=4.0, nu=1.0, tau=1.0)
    at = (np.arange(20_000) + 0.5) / 20_000
    np.testing.assert_allclose(40 * population.skill, 1000 * (at / (1 - at)) ** 0.25, rtol=1e-12)
    assert gini(population.skill) == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(
    ("n", "expected"), [(1000, 0.4036358781), (20_000, 0.4040824243), (200_000, 0.4041124358)]
)
def test_gini_of_lognormal_grids(x64, n, expected):
    # Oracles, section 7c.
    assert gini(lognormal(n, median=1.0, sigma=0.75).skill) == pytest.approx(expected, abs=6e-11)


# Strata that take the tails apart: 200 workers in each do the work of millions.
TAILS = np.concatenate([[0.01, 0.1], np.linspace(0.2, 0.9, 8), 1 - np.logspace(-2, -12, 11)])
# Oracles, sections 6a and 7c: the Gini of each.
GINIS = [
    (GB2_ACS_2023, 0.5300940492),
    (Lognormal(50_000.0, 0.75), special.erf(0.75 / 2)),
    (Pareto(20_000.0, 2.0), 1 / 3),
    (Pareto(20_000.0, 3.0), 1 / 5),
    (Uniform(0.0, 1.0), 1 / 3),
]


@pytest.mark.parametrize(("distribution", "expected"), GINIS, ids=lambda value: repr(value)[:12])
def test_strata_in_the_tails_give_mean_and_gini(x64, distribution, expected):
    population = stratified(200, distribution=distribution, edges=distribution.quantile(TAILS))
    assert population.weight @ population.skill * 40 == pytest.approx(distribution.mean, rel=3e-5)
    assert gini(population.skill, population.weight) == pytest.approx(expected, abs=3e-5)


@pytest.mark.parametrize("key", [None, 0])
def test_each_bracket_holds_n_workers_and_its_share_of_the_people(eps, key):
    key = None if key is None else jax.random.key(key)
    population = stratified(50, key, distribution=GB2_ACS_2023, edges=THRESHOLDS)
    bracket = (
        np.searchsorted(THRESHOLDS, 40 * np.asarray(population.skill, float), side="right") - 1
    )
    np.testing.assert_array_equal(np.bincount(bracket), np.full(7, 50))
    held = np.bincount(bracket, weights=np.asarray(population.weight, float))
    # Oracles, section 6a: shares of the people at the 2024 brackets.
    expected = [0.168726, 0.416237, 0.267093, 0.106677, 0.016824, 0.021477, 0.002965]
    np.testing.assert_allclose(held, expected, rtol=0, atol=6e-7)
    assert np.sum(held) == pytest.approx(1, abs=10 * eps)


def test_one_stratum_is_the_grid_and_empty_strata_hold_nobody(x64):
    law = Pareto(20_000.0, 1.5, 2_000_000.0)
    whole = stratified(100, distribution=law, edges=[0.0, 20_000.0, 2_000_000.0, 1e9])
    np.testing.assert_allclose(whole.skill, law.population(100).skill, rtol=1e-13)


BAD = {
    "nobody": (lambda: gb2(0), "at least one; got n = 0"),
    "a negative number": (lambda: uniform(-3, low=0, high=1), "at least one; got n = -3"),
    "no stratum": (lambda: stratified(0, distribution=GB2_ACS_2023, edges=[1.0]), "got n = 0"),
    "an edge without value": (
        lambda: stratified(5, distribution=GB2_ACS_2023, edges=[np.nan]),
        "nan",
    ),
    "falling edges": (
        lambda: stratified(5, distribution=GB2_ACS_2023, edges=[2.0, 1.0]),
        r"finite, rising; got \[2\.0, 1\.0\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()
