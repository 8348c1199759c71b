from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy.special import erf

from econjax import gini
from econjax.welfare.inequality import (
    atkinson_index,
    concentration,
    equally_distributed_equivalent,
    lorenz,
    theil_l,
    theil_t,
    top_share,
)
from tests.helpers.laboratory import float64
from tests.helpers.reference import continuum, grid, pareto_quantile

INDICES = {
    "gini": gini,
    "theil_t": theil_t,
    "theil_l": theil_l,
    "atkinson 0.5": partial(atkinson_index, aversion=0.5),
    "atkinson 1": partial(atkinson_index, aversion=1.0),
    "atkinson 2": partial(atkinson_index, aversion=2.0),
}
MEASURES = INDICES | {"top 30 %": partial(top_share, top=0.3)}


@eqx.filter_jit
def measured(values, weight=None):
    """Return all measures at once, compiled together."""
    return {name: measure(values, weight) for name, measure in MEASURES.items()}


def compiled(measure, *arguments, **options):
    """Return a measure of lists or NumPy arrays, compiled as one."""
    arrays = [jnp.array(x, float) for x in arguments]
    return eqx.filter_jit(measure)(*arrays, **options)


# Oracles, section 7a: population and sample forms.
EXACT = [
    ([1, 2, 3, 4], 0.25, 1 / 3),
    ([1, 3], 0.25, 0.5),
    ([0, 0, 0, 1], 0.75, 1.0),
    ([5, 5, 5], 0.0, 0.0),
    ([1, 1, 2, 3, 5, 8], 0.4, 0.48),
    ([10, 20, 30, 40], 0.25, 1 / 3),
    ([0, 1, 1, 4], 0.5, 2 / 3),
    ([4, 1, 3, 2], 0.25, 1 / 3),
    ([0, 0], 0.0, 0.0),
    ([7], 0.0, 0.0),
]


@pytest.mark.eager
@pytest.mark.parametrize(("values", "population", "sample"), EXACT)
def test_exact_values(x64, values, population, sample):
    assert compiled(gini, values) == pytest.approx(population, abs=1e-14)
    assert compiled(gini, values, sample=True) == pytest.approx(sample, abs=1e-14)


@pytest.mark.eager
def test_indices_of_one_to_four(eps):
    # Oracles, section 7a.
    expected = {
        "gini": 0.25,
        "theil_t": 0.106440135286,
        "theil_l": 0.121777274287,
        "atkinson 0.5": 0.055585857370,
        "atkinson 1": 0.114654464240,
        "atkinson 2": 0.232,
    }
    found = measured(jnp.array([1.0, 2, 3, 4]))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=max(5.1e-13, 10 * eps))


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [40, 10, 30, 20]])
def test_lorenz_ordinates(eps, values):
    # Oracles, section 7a.
    people, dollars = compiled(lorenz, values)
    np.testing.assert_allclose(people, [0, 0.25, 0.5, 0.75, 1], rtol=10 * eps)
    np.testing.assert_allclose(dollars, [0, 0.1, 0.3, 0.6, 1], rtol=10 * eps)
    assert jnp.interp(0.125, people, dollars) == pytest.approx(0.05, rel=10 * eps)


def test_weights_are_people(x64):
    # Oracles, section 7a: [1, 2, 3] with weights [2, 1, 1] is [1, 1, 2, 3].
    assert compiled(gini, [1, 2, 3], [0.5, 0.25, 0.25]) == pytest.approx(0.25, abs=1e-14)
    assert compiled(gini, [3, 1, 2], [0.25, 0.5, 0.25]) == pytest.approx(0.25, abs=1e-14)


def test_weights_may_be_in_any_unit(x64):
    values = [1.0, 2, 3]
    for people in ([2, 1, 1], [2e6, 1e6, 1e6]):
        assert compiled(gini, values, people) == pytest.approx(0.25, abs=1e-14)
        assert compiled(gini, values, people, sample=True) == pytest.approx(
            0.25 / (1 - 0.375), abs=1e-14
        )
        found, expected = (
            measured(jnp.array(values), jnp.array(w, float)) for w in (people, [0.5, 0.25, 0.25])
        )
        for name, value in expected.items():
            assert found[name] == pytest.approx(float(value), rel=1e-14)
        assert concentration(values, values, people) == pytest.approx(0.25, abs=1e-14)
        np.testing.assert_allclose(lorenz(values, people)[0], [0, 0.5, 0.75, 1], rtol=1e-14)


people = st.lists(st.integers(1, 9), min_size=6, max_size=6)
incomes = st.lists(st.floats(0.01, 1e6), min_size=6, max_size=6)


@given(incomes, people)
def test_the_mean_absolute_difference(values, people):
    weight = np.array(people) / sum(people)
    pairs = np.abs(np.subtract.outer(values, values))
    expected = weight @ pairs @ weight / (2 * weight @ values)
    # Of two different entries: without the pairs on the diagonal.
    distinct = expected / (1 - weight @ weight)
    with float64():
        assert compiled(gini, values, weight) == pytest.approx(expected, abs=1e-12)
        assert compiled(gini, values, weight, sample=True) == pytest.approx(distinct, abs=1e-12)


@given(incomes, people, st.floats(0.01, 100), st.permutations(range(6)))
def test_unit_order_and_duplicates_do_not_matter(values, people, factor, order):
    x, weight, order = np.array(values), np.array(people) / sum(people), np.array(order)
    with float64():
        first = measured(jnp.array(x), jnp.array(weight))
        twins = measured(jnp.array(np.repeat(x, 2)), jnp.array(np.repeat(weight / 2, 2)))
        ghosts = measured(
            jnp.array(np.append(x, np.zeros(6))), jnp.array(np.append(weight, np.zeros(6)))
        )
        scaled = measured(jnp.array(factor * x[order]), jnp.array(weight[order]))
        for name in MEASURES:
            others = [found[name] for found in (twins, ghosts, scaled)]
            np.testing.assert_allclose(others, first[name], rtol=1e-9, atol=1e-12)


def test_without_a_positive_mean_only_the_equal_are_equal():
    for values in ([-5.0, -5, -5], [0.0, 0, 0]):
        assert gini(values) == 0
        assert compiled(gini, values) == 0
    # Inside jit there is no error, and no number of dollars in place of a share.
    for values in ([-3.0, 1, 1], [-2.0, 1, 1]):
        found = measured(jnp.array(values))
        assert np.isnan([found["gini"], found["top 30 %"], compiled(lorenz, values)[1][1]]).all()


@given(incomes, st.floats(0, 0.5))
def test_a_transfer_from_richer_to_poorer_lessens_inequality(values, share):
    before = np.sort(values)
    gift = share * (before[4] - before[1])
    after = before + gift * np.eye(6)[1] - gift * np.eye(6)[4]
    with float64():
        weight = jnp.full(6, 1 / 6)
        one, other = measured(jnp.array(after), weight), measured(jnp.array(before), weight)
        assert all(one[name] <= other[name] + 1e-12 for name in MEASURES)


def test_nothing_to_share_is_shared_equally():
    for values in ([0.0, 0, 0, 0], [5.0, 5, 5, 5]):
        found = measured(jnp.array(values))
        assert all(found[name] == pytest.approx(0, abs=1e-6) for name in INDICES)
        assert found["top 30 %"] == pytest.approx(0.3, rel=1e-6)
        np.testing.assert_allclose(lorenz(values)[1], [0, 0.25, 0.5, 0.75, 1], rtol=1e-6)


def test_somebody_without_a_dollar(x64):
    values = [0, 1, 4]
    found = measured(jnp.array([0.0, 1, 4]))
    assert found["theil_t"] == pytest.approx((0.6 * np.log(0.6) + 2.4 * np.log(2.4)) / 3, rel=1e-14)
    assert found["theil_l"] == np.inf
    # The equivalent is (mean of sqrt x)^2 = 1; 0 from aversion 1 on.
    assert found["atkinson 0.5"] == pytest.approx(1 - 1 / (5 / 3), rel=1e-14)
    index = lambda aversion: (  # noqa: E731
        float(compiled(atkinson_index, values, aversion=jnp.array(aversion)))
    )
    assert index(0.999) == pytest.approx(1, abs=1e-14)
    assert [index(1.0), index(1.001), index(3.0)] == [1, 1, 1]


NODES, GAUSS = np.polynomial.hermite_e.hermegauss(80)


@pytest.mark.parametrize("sigma", [0.5, 0.75, 1.0])
def test_lognormal(x64, sigma):
    # Oracles, section 7c. Gauss-Hermite points are exact for what is smooth; the Gini is not.
    found = measured(jnp.array(np.exp(sigma * NODES)), jnp.array(GAUSS / GAUSS.sum()))
    assert found["theil_t"] == pytest.approx(sigma**2 / 2, rel=1e-11)
    assert found["theil_l"] == pytest.approx(sigma**2 / 2, rel=1e-11)
    for aversion in ("0.5", "1", "2"):
        expected = 1 - np.exp(-float(aversion) * sigma**2 / 2)
        assert found[f"atkinson {aversion}"] == pytest.approx(expected, rel=1e-11)
    values = (grid("LN", 20000) / 50000) ** (sigma / 0.75)
    assert compiled(gini, values) == pytest.approx(erf(sigma / 2), abs=2e-4)


@pytest.mark.parametrize(
    ("n", "expected"), [(1000, 0.4036358781), (20000, 0.4040824243), (200000, 0.4041124358)]
)
def test_lognormal_grids(x64, n, expected):
    # Oracles, section 7c: sigma = .75.
    assert compiled(gini, grid("LN", n)) == pytest.approx(expected, abs=5.1e-11)


# Oracles, section 7c: a; Gini, T, L, top 1 %, top 10 %; what the tail beyond the last point leaves
# out.
PARETO = [
    (1.5, 0.5, 0.901387711332, 0.431945622001, 0.2154434690, 0.4641588834, 1e-4),
    (2.0, 1 / 3, 0.306852819440, 0.193147180560, 0.1000000000, 0.3162277660, 1e-7),
    (2.5, 0.25, 0.155841042901, 0.110825623766, 0.0630957344, 0.2511886432, 1e-7),
    (3.0, 0.2, 0.094534891892, 0.072131774775, 0.0464158883, 0.2154434690, 1e-7),
]


@pytest.mark.parametrize("row", PARETO, ids=lambda row: str(row[0]))
def test_pareto(x64, row):
    index, *expected, tail = row
    values, weight = map(jnp.array, continuum(pareto_quantile(1000.0, index), 100_001))
    found = [measured(values, weight)[name] for name in ("gini", "theil_t", "theil_l")]
    found += [compiled(top_share, values, weight, top=jnp.array(top)) for top in (0.01, 0.1)]
    np.testing.assert_allclose(found, expected, atol=tail + 1e-7)


def exponential_quantile(u, v):
    return np.where(u < 0.5, -np.log1p(-np.minimum(u, 0.5)), -np.log(v))


def test_exponential_and_uniform(x64):
    # Oracles, section 7c.
    values, weight = map(jnp.array, continuum(exponential_quantile))
    found = measured(values, weight)
    assert found["gini"] == pytest.approx(0.5, abs=1e-5)
    assert found["atkinson 1"] == pytest.approx(0.438540516433, abs=1e-6)
    assert found["theil_t"] == pytest.approx(0.422784335098, abs=1e-6)
    # The grid of n points is (1 - 1/n^2) / 3.
    assert compiled(gini, (np.arange(1000) + 0.5) / 1000) == pytest.approx(
        (1 - 1e-6) / 3, rel=1e-12
    )


@given(incomes, people, st.floats(0.001, 1))
def test_the_lorenz_curve_holds_the_gini_and_the_top_share(values, people, top):
    weight = np.array(people) / sum(people)
    with float64():
        p, height = map(np.asarray, compiled(lorenz, values, weight))
        area = np.sum(np.diff(p) * (height[1:] + height[:-1]) / 2)
        assert compiled(gini, values, weight) == pytest.approx(1 - 2 * area, abs=1e-12)
        share = compiled(top_share, values, weight, top=jnp.array(top))
        assert share == pytest.approx(1 - np.interp(1 - top, p, height), abs=1e-12)


def test_concentration_by_another_rank(x64):
    # Oracles, section 7b: taxes [0, 2, 5, 13] of incomes in rising order, 21/40.
    assert concentration([0, 2, 5, 13], [1, 2, 3, 4]) == pytest.approx(21 / 40, rel=1e-14)
    assert concentration([0, 2, 5, 13], [4, 3, 2, 1]) == pytest.approx(-21 / 40, rel=1e-14)
    assert concentration([0, 2, 5, 13], [1, 1, 1, 1]) == 0


@given(
    incomes, st.lists(st.integers(0, 2), min_size=6, max_size=6), people, st.permutations(range(6))
)
def test_the_tied_share_a_rank_in_any_order(values, by, people, order):
    x, by, weight, order = (
        np.array(values),
        np.array(by),
        np.array(people) / sum(people),
        np.array(order),
    )
    below = (weight * (by[None, :] < by[:, None])).sum(axis=1)
    above = (weight * (by[None, :] > by[:, None])).sum(axis=1)
    expected = (weight * x) @ (below - above) / (weight @ x)
    with float64():
        assert compiled(concentration, x, by, weight) == pytest.approx(expected, abs=1e-12)
        shuffled = compiled(concentration, x[order], by[order], weight[order])
        assert shuffled == pytest.approx(expected, abs=1e-12)


def test_derivatives(x64):
    values, weight = jnp.array([3.0, 1, 7, 2, 9]), jnp.array([0.1, 0.3, 0.2, 0.25, 0.15])
    check_grads(measured, (values, weight), order=1, modes=["rev"], eps=1e-6, rtol=1e-6)
    another = eqx.filter_jit(lambda x: concentration(x, weight, weight))
    check_grads(another, (values,), order=1, modes=["rev"], eps=1e-6, rtol=1e-6)


def test_derivatives_where_somebody_has_no_dollar(x64):
    values, weight = jnp.array([0.0, 1, 4]), jnp.array([0.2, 0.3, 0.5])
    names = ["theil_t", "atkinson 0.5", "atkinson 2", "theil_l"]
    found = eqx.filter_jit(lambda x: jnp.stack([INDICES[name](x, weight) for name in names]))
    # With respect to the others; who has no dollar matters for the mean, 2.3, alone.
    others = lambda x: found(jnp.append(0.0, x))[:3]  # noqa: E731
    check_grads(others, (values[1:],), order=1, modes=["rev"], rtol=1e-6)
    own = jax.jit(jax.jacrev(found))(values)[:, 0]
    by_the_mean = [-0.2 * (found(values)[0] + 1) / 2.3, 0.2 * (0.3 + 2 * 0.5) ** 2 / 2.3**2, 0, 0]
    np.testing.assert_allclose(own, by_the_mean, rtol=1e-12)


@pytest.mark.parametrize("poorest", [1.0, 0.0])
@pytest.mark.parametrize("aversion", [0.3, 1.0, 1 + 1e-7, 3.0])
def test_slopes_of_the_equivalent_in_dollars_people_and_aversion(x64, aversion, poorest):
    @jax.jit
    def found(values, weight, aversion):
        values, weight = jnp.append(poorest, values), jnp.append(0.2, weight)
        return equally_distributed_equivalent(values, weight, aversion)

    at = (jnp.array([2.0, 9, 3]), jnp.array([0.1, 0.3, 0.4]), jnp.array(aversion))
    check_grads(found, at, order=2, modes=["fwd", "rev"], rtol=1e-6, eps=1e-5)


@pytest.mark.parametrize("aversion", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("dollars", [1e-30, 1e-3])
def test_slopes_are_those_of_the_others_where_a_pauper_has_no_weight(aversion, dollars):
    slopes = jax.jit(jax.grad(equally_distributed_equivalent, (0, 1, 2)))
    values, weight = np.array([1e4, 4e4, dollars], np.float32), np.array([0.5, 0.5, 0], np.float32)
    found = slopes(values, weight, np.float32(aversion))
    others = slopes(values[:2], weight[:2], np.float32(aversion))
    np.testing.assert_allclose(found[0], [*others[0], 0], rtol=1e-5)
    np.testing.assert_allclose(found[1][:2], others[1], rtol=1e-5)
    assert found[1][2] < 0
    assert np.isfinite(found[1][2])
    np.testing.assert_allclose(found[2], others[2], rtol=1e-5)


@pytest.mark.parametrize("aversion", [0.5, 1 - 1e-7, 1.0, 1 + 1e-7, 1.2, 2.0])
def test_the_derivative_with_respect_to_aversion(x64, aversion):
    values, weight = jnp.array([3.0, 1, 7, 2, 9]), jnp.array([0.1, 0.3, 0.2, 0.25, 0.15])
    index = eqx.filter_jit(lambda a: atkinson_index(values, weight, aversion=a))
    difference = (index(jnp.array(aversion + 1e-4)) - index(jnp.array(aversion - 1e-4))) / 2e-4
    assert jax.grad(index)(jnp.array(aversion)) == pytest.approx(float(difference), rel=1e-7)


def test_the_derivative_of_the_gini_among_the_tied(x64):
    # The mean of the two orders in which the tied could stand.
    at = lambda x: np.asarray(jax.grad(gini)(jnp.array(x)))  # noqa: E731
    expected = (at([1, 2, 2 + 1e-9, 3]) + at([1, 2, 2 - 1e-9, 3])) / 2
    np.testing.assert_allclose(at([1.0, 2, 2, 3]), expected, atol=1e-8)


def test_one_compilation_for_all_values_of_a_shape(compilations):
    weight = jnp.full(5, 0.2)
    first = measured(jnp.array([3.0, 1, 7, 2, 9]), weight)
    other = jnp.array([3.0, 3, 0, 2, 9])
    with compilations() as seen:
        measured(other, weight)
    assert not seen
    batch = jax.vmap(measured, in_axes=(0, None))(
        jnp.array([[3.0, 1, 7, 2, 9], [3, 3, 0, 2, 9]]), weight
    )
    for name, value in first.items():
        assert batch[name][0] == pytest.approx(float(value), rel=1e-5)


def test_float32_on_a_million_values():
    # Oracles, section 9.11: sums of a million incomes in float32.
    values = np.random.default_rng(0).pareto(2.0, 1_000_000) + 1
    with float64():
        expected = float(compiled(gini, values))
    assert compiled(gini, values) == pytest.approx(expected, abs=1e-5)


def test_float32_tells_how_much_a_few_hold():
    # One in a thousand, a tenth of whom count: 1 less the share of the others would have lost its
    # digits.
    values = np.append(np.ones(999), 2.0)
    assert compiled(top_share, values, top=jnp.array(1e-4)) == pytest.approx(2e-4 / 1.001, rel=1e-6)


BAD = {
    "no values": (lambda: gini([]), r"\(0,\)"),
    "a table": (lambda: gini([[1.0, 2.0]]), r"flat arrays with one entry per worker.*\(1, 2\)"),
    "too few weights": (
        lambda: lorenz([1.0, 2.0, 3.0], [0.5, 0.5]),
        r"'values': \(3,\), 'weight': \(2,\)",
    ),
    "too few ranks": (lambda: concentration([1.0, 2.0], [1.0]), r"'by': \(1,\)"),
    "negative values": (lambda: theil_t([1.0, -2.0, 3.0]), r"0 or more; the least is -2"),
    "a nan": (lambda: atkinson_index([1.0, np.nan], aversion=1), r"0 or more; the least is nan"),
    "negative weights": (lambda: gini([1.0, 2.0], [-1, 2]), "finite, 0 or more.*the least is -1"),
    "an infinite weight": (lambda: theil_t([1.0, 2.0], [1, np.inf]), "the greatest inf"),
    "no weights": (
        lambda: top_share([1.0, 2.0], [0, 0], top=0.1),
        "above 0 for somebody.*greatest 0",
    ),
    "a negative mean": (
        lambda: gini([-3.0, 1, 1]),
        "The mean must be above 0, by more than rounding.*-0.33",
    ),
    "no mean": (lambda: top_share([-2.0, 1, 1], top=0.1), "The mean must be above 0"),
    "a mean of rounding": (lambda: lorenz([-0.5, -0.3, 0, 0.80000001]), "by more than rounding"),
    "infinite aversion": (
        lambda: atkinson_index([1.0], aversion=np.inf),
        "finite.*use Rawlsian. Got inf",
    ),
    "negative aversion": (
        lambda: atkinson_index([1.0], aversion=-1),
        "aversion must be a number, 0 or more",
    ),
    "a per cent": (lambda: top_share([1.0, 2.0], top=10), r"the top 1 % is 0\.01\. Got 10"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_what_is_wrong(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("index", [theil_t, theil_l, lambda v: atkinson_index(v, aversion=2.0)])
def test_indices_of_negative_values_are_nan_inside_jit(index):
    assert jnp.isnan(jax.jit(index)(jnp.array([-1.0, 2.0, 3.0])))
