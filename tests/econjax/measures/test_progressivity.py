import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads

from econjax.measures.progressivity import kakwani, reynolds_smolensky, suits
from tests.helpers.laboratory import float64

INCOME = [10.0, 20, 30, 40]


@eqx.filter_jit
def measured(income, tax, weight=None):
    effect = reynolds_smolensky(income, tax, weight)
    indices = kakwani(income, tax, weight), suits(income, tax, weight)
    return jnp.stack([*indices, effect.effect, effect.vertical, effect.reranking])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_a_progressive_tax(eps, order):
    # Oracles, section 7b: 11/40, 61/200, 11/160 = K t / (1 - t), and nobody overtakes anybody.
    found = measured(
        jnp.array(INCOME)[jnp.array(order)], jnp.array([0.0, 2, 5, 13])[jnp.array(order)]
    )
    np.testing.assert_allclose(found, [11 / 40, 61 / 200, 11 / 160, 11 / 160, 0], atol=10 * eps)


def test_a_proportional_tax(eps):
    # Oracles, section 7b.
    np.testing.assert_allclose(
        measured(jnp.array(INCOME), 0.2 * jnp.array(INCOME)), 0, atol=2 * eps
    )


def test_a_tax_after_which_some_overtake_others(eps):
    # Oracles, section 7b: Gini after tax .3, its concentration .2875.
    found = measured(jnp.array(INCOME), jnp.array([0.0, 12, 2, 6]))
    np.testing.assert_allclose(found[2:], [-0.05, -0.0375, 0.0125], atol=10 * eps)


def test_a_rebated_tax(eps):
    # Oracles, section 7b: net taxes [-5, -3, 0, 8] sum to 0; the Gini falls by .105 to .145.
    found = reynolds_smolensky(jnp.array(INCOME), jnp.array([-5.0, -3, 0, 8]))
    np.testing.assert_allclose(
        [found.effect, found.vertical, found.reranking], [0.105, 0.105, 0], atol=10 * eps
    )


def test_no_tax_redistributes_nothing():
    for income in (INCOME, [0.0, 0, 0, 0]):
        found = reynolds_smolensky(income, [0.0, 0, 0, 0])
        assert (found.effect, found.vertical, found.reranking) == (0, 0, 0)


numbers = st.lists(st.floats(1, 1e5), min_size=6, max_size=6)
people = st.lists(st.integers(1, 9), min_size=6, max_size=6)


@given(numbers, numbers, people, st.permutations(range(6)))
def test_laws_of_any_tax(income, tax, people, order):
    x, weight, order = (
        np.array(income).round(-4) + 1e4,
        np.array(people) / sum(people),
        np.array(order),
    )
    t = np.array(tax) / 20
    rate = weight @ t / (weight @ x)
    with float64():
        found = np.asarray(measured(*map(jnp.array, (x, t, weight))))
        shuffled = measured(*(jnp.array(a[order]) for a in (7 * x, 7 * t, weight)))
        twins = measured(*(jnp.array(np.repeat(a, 2)) for a in (x, t, weight / 2)))
        ghosts = measured(*(jnp.array(np.append(a, np.zeros(6))) for a in (x, t, weight)))
    k, s, effect, vertical, reranking = found
    for other in (shuffled, twins, ghosts):
        np.testing.assert_allclose(other, found, atol=1e-11)
    assert effect == pytest.approx(vertical - reranking, abs=1e-12)
    assert vertical == pytest.approx(k * rate / (1 - rate), abs=1e-12)
    assert reranking >= -1e-12
    assert s == pytest.approx(suits_by_area(x, t, weight), abs=1e-12)


def suits_by_area(income, tax, weight):
    """Return 1 less twice the area under taxes cumulated over incomes, equal ones together."""
    groups, member = np.unique(income, return_inverse=True)
    totals = [np.bincount(member, weight * x, groups.size) for x in (income, tax)]
    earned, paid = (np.append(0, np.cumsum(x) / x.sum()) for x in totals)
    return 1 - np.sum(np.diff(earned) * (paid[1:] + paid[:-1]))


def test_derivatives(x64):
    # With respect to taxes; ranks of income do not move.
    weight = jnp.array([0.1, 0.4, 0.3, 0.2])
    check_grads(
        lambda tax: measured(jnp.array(INCOME), tax, weight),
        (jnp.array([1.0, 2, 5, 13]),),
        order=1,
        rtol=1e-6,
    )


def test_one_compilation_for_all_taxes_and_batches_of_them(compilations):
    first = measured(jnp.array(INCOME), jnp.array([0.0, 2, 5, 13]))
    taxes = jnp.array([[0.0, 2, 5, 13], [0.0, 12, 2, 6]])
    other = taxes[1]
    with compilations() as seen:
        measured(jnp.array(INCOME), other)
    assert not seen
    np.testing.assert_allclose(
        jax.vmap(measured, (None, 0))(jnp.array(INCOME), taxes)[0], first, rtol=1e-5
    )


@pytest.mark.parametrize("index", [kakwani, suits])
@pytest.mark.parametrize(
    "net", [[-5.0, -3, 0, 8], [-0.5, -0.3, 0, 0.80000001], [0.0, 0, 0, 0], [-1.0, 0, 0, 0]]
)
def test_net_taxes_that_sum_to_nothing_have_no_progressivity(index, net):
    # Oracles, section 9.16.
    with pytest.raises(
        ValueError, match=r"The mean tax must be above 0.*gross of any rebate\. Got "
    ):
        index(INCOME, net)


def test_net_taxes_are_refused_inside_jit():
    with pytest.raises(RuntimeError, match="The mean tax must be above 0"):
        jax.block_until_ready(
            eqx.filter_jit(kakwani)(jnp.array(INCOME), jnp.array([-5.0, -3, 0, 8]))
        )


def test_weights_may_be_in_any_unit(x64):
    income, tax, people = map(jnp.array, (INCOME, [0.0, 12, 2, 6], [3.0, 1, 4, 2]))
    found, expected = measured(income, tax, people), measured(income, tax, people / 10)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    with pytest.raises(ValueError, match="Weights are finite, 0 or more"):
        kakwani(INCOME, INCOME, [1, 1, 1, -1])


def test_nothing_left_after_tax_has_no_distribution():
    tax = [11.0, 21, 31, 42]
    with pytest.raises(ValueError, match=r"The mean must be above 0.*-1\.25"):
        reynolds_smolensky(INCOME, tax)
    assert np.isnan(eqx.filter_jit(reynolds_smolensky)(jnp.array(INCOME), jnp.array(tax)).effect)


@pytest.mark.parametrize("measure", [kakwani, suits, reynolds_smolensky])
def test_incomes_and_taxes_are_of_the_same_workers(measure):
    with pytest.raises(ValueError, match=r"'income': \(4,\), 'tax': \(2,\)"):
        measure(INCOME, [1.0, 2])
