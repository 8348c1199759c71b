import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import float64
from reference import continuum, lognormal_quantile, pareto_quantile
from scipy.special import ndtr

from econjax import gini

# Oracles, section 7a (population form).
EXACT = [
    ([1, 2, 3, 4], 0.25),
    ([1, 3], 0.25),
    ([0, 0, 0, 1], 0.75),
    ([5, 5, 5], 0.0),
    ([1, 1, 2, 3, 5, 8], 0.4),
    ([10, 20, 30, 40], 0.25),
    ([0, 1, 1, 4], 0.5),
    ([4, 1, 3, 2], 0.25),
    ([0, 0], 0.0),
    ([7], 0.0),
]


@pytest.mark.parametrize(("values", "expected"), EXACT)
def test_exact_values(x64, values, expected):
    assert gini(jnp.array(values, float)) == pytest.approx(expected, abs=1e-14)


def test_weights_are_people(x64):
    # Oracles, section 7a: [1, 2, 3] with weights [2, 1, 1] is [1, 1, 2, 3].
    assert gini(jnp.array([1.0, 2, 3]), jnp.array([0.5, 0.25, 0.25])) == pytest.approx(0.25, abs=1e-14)
    shuffled = gini(jnp.array([3.0, 1, 2]), jnp.array([0.25, 0.5, 0.25]))
    assert shuffled == pytest.approx(0.25, abs=1e-14)


@given(
    st.lists(st.floats(0.01, 1e6), min_size=6, max_size=6),
    st.lists(st.integers(1, 9), min_size=6, max_size=6),
)
def test_the_mean_absolute_difference(values, people):
    weight = np.array(people) / sum(people)
    pairs = np.abs(np.subtract.outer(values, values))
    expected = weight @ pairs @ weight / (2 * weight @ values)
    with float64():
        assert gini(jnp.array(values), jnp.array(weight)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("index", [1.5, 2.0, 3.0])
def test_pareto(x64, index):
    # 1 / (2a - 1) (house rule 14).
    values, weight = continuum(pareto_quantile(1000.0, index), 200_001)
    assert gini(jnp.array(values), jnp.array(weight)) == pytest.approx(1 / (2 * index - 1), abs=2e-5)


def test_lognormal(x64):
    # 2 Phi(sigma / sqrt 2) - 1.
    values, weight = continuum(lognormal_quantile)
    expected = 2 * ndtr(0.75 / np.sqrt(2)) - 1
    assert gini(jnp.array(values), jnp.array(weight)) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(1, 1e6), min_size=6, max_size=6), st.floats(0.01, 100))
def test_scale_does_not_matter_and_equal_gifts_lessen_it(values, factor):
    with float64():
        x = jnp.array(values)
        assert gini(x * factor) == pytest.approx(float(gini(x)), abs=1e-12)
        assert gini(x + 1000) <= gini(x) + 1e-12
        assert gini(jnp.repeat(x, 2)) == pytest.approx(float(gini(x)), abs=1e-12)


def test_float32_on_a_million_values():
    # Oracles, section 9.11: sums of a million incomes in float32.
    values = np.random.default_rng(0).pareto(2.0, 1_000_000) + 1
    with float64():
        expected = float(gini(jnp.array(values)))
    assert gini(jnp.array(values, jnp.float32)) == pytest.approx(expected, abs=1e-4)


def test_integers_are_as_good_as_floats():
    assert float(gini(np.array([1, 2, 3, 4]))) == pytest.approx(0.25, rel=1e-6)
