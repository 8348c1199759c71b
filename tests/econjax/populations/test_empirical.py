import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

from econjax import Population
from econjax.populations.distributions import GB2, Lognormal, shares
from econjax.populations.empirical import Empirical, Quantiles, from_incomes
from tests.helpers.laboratory import float64

SHARES = np.concatenate(
    [np.logspace(-9, -2, 8), np.linspace(0.02, 0.98, 49), 1 - np.logspace(-2, -9, 8)]
)


def test_quantiles_are_met_and_a_fisk_is_met_everywhere():
    # Fisk: Q(u) = b (u / (1 - u))^(1/a), a straight line in log odds.
    known = np.array([0.1, 0.5, 0.75, 0.9])
    fisk = GB2(1000.0, 4.0, 1.0, 1.0)
    through = Quantiles(known, fisk.quantile(known))
    np.testing.assert_allclose(through.quantile(SHARES), fisk.quantile(SHARES), rtol=1e-12)
    incomes = [5_000.0, 40_000.0, 120_000.0, 370_000.0]
    through = Quantiles([0.1, 0.5, 0.9, 0.99], incomes)
    np.testing.assert_allclose(through.quantile([0.1, 0.5, 0.9, 0.99]), incomes, rtol=1e-13)


def test_the_gaps_between_deciles_are_small():
    deciles = np.append(np.arange(1, 10) / 10, [0.95, 0.99])
    lognormal = Lognormal(50_000.0, 0.75)
    through = Quantiles(deciles, lognormal.quantile(deciles))
    between = np.linspace(0.1, 0.99, 300)
    np.testing.assert_allclose(through.quantile(between), lognormal.quantile(between), rtol=5e-3)


def test_the_tail_beyond_the_last_quantile_is_pareto():
    # Index: the slope of log odds in log income between the last two quantiles.
    through = Quantiles([0.5, 0.9, 0.99], [40_000.0, 120_000.0, 370_000.0])
    index = (special.logit(0.99) - special.logit(0.9)) / np.log(370 / 120)
    ratio = (1 - through.cdf(4e6)) / (1 - through.cdf(2e6))
    assert ratio == pytest.approx(2**-index, rel=1e-3)


incomes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=8).filter(
    lambda rows: sum(weight for _, weight in rows) > 0
)


@given(incomes, st.floats(0.01, 0.99))
def test_a_weight_is_so_many_people(rows, share):
    values, weight = np.array(rows).T
    people = np.repeat(values, weight)
    assume(abs(share * people.size - round(share * people.size)) > 1e-9)  # no step of the staircase
    sample = Empirical(values, weight)
    np.testing.assert_allclose(
        sample.cdf(range(10)), stats.ecdf(people).cdf.evaluate(range(10)), atol=1e-14
    )
    assert sample.quantile(share) == np.quantile(people, share, method="inverted_cdf")


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=6))
def test_microdata_keep_their_people(values):
    with float64():
        weight = np.arange(1.0, len(values) + 1)
        population = from_incomes(values, weight=weight)
        np.testing.assert_allclose(40 * population.skill, values, rtol=1e-14)
        np.testing.assert_allclose(population.weight, weight / weight.sum(), rtol=1e-14)
        people = np.repeat(values, weight.astype(int))
        expected = from_incomes(values, weight=weight, n=8).skill
        for same in (people[::-1], np.repeat(people, 3)):
            np.testing.assert_array_equal(from_incomes(same, n=8).skill, expected)


def test_resampled_microdata(x64):
    assert 40 * from_incomes(range(1, 13), n=1).skill == pytest.approx([6])
    assert 40 * from_incomes([30, 10, 20], n=6).skill == pytest.approx([10, 10, 20, 20, 30, 30])
    draws = 40 * from_incomes([30, 10, 20], weight=[0, 1, 3], n=4000, key=jax.random.key(0)).skill
    values, counts = np.unique(np.round(draws), return_counts=True)
    np.testing.assert_array_equal(values, [10, 20])
    assert counts[0] / 4000 == pytest.approx(0.25, abs=0.03)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 7))
def test_a_share_that_is_reached_is_not_passed(n, each, copies):
    # n divides the records: the midpoint of each is on a step of the staircase if `each` is even.
    values = np.arange(1.0, n * each + 1)
    expected = values[np.arange(n) * each + (each - 1) // 2]
    for weight in (None, np.full(values.size, 0.1), np.full(values.size, 1 / values.size)):
        np.testing.assert_array_equal(Empirical(values, weight).quantile(shares(n)), expected)
    np.testing.assert_array_equal(
        Empirical(np.repeat(values, copies)).quantile(shares(n)), expected
    )


def test_the_mean_of_a_sample():
    assert Empirical([1, 2, 4], [1, 1, 2]).mean == 2.75


def test_microdata_without_weights_count_the_same():
    population = from_incomes([30_000, 0, 20_000])
    assert isinstance(population, Population)
    np.testing.assert_allclose(population.weight, np.full(3, 1 / 3), rtol=1e-6)


BAD = {
    "one quantile": (lambda: Quantiles([0.5], [1.0]), r"at least 2; got shapes \(1,\)"),
    "unequal lists": (lambda: Quantiles([0.1, 0.5], [1.0]), r"one length"),
    "falling incomes": (
        lambda: Quantiles([0.1, 0.5], [2.0, 1.0]),
        r"incomes must not fall.*\[2\.0, 1\.0\]",
    ),
    "per cents": (
        lambda: Quantiles([10, 50], [1.0, 2.0]),
        r"shares must rise strictly between 0 and 1.*50",
    ),
    "zero quantile": (
        lambda: Quantiles([0.1, 0.5], [0, 1.0]),
        "two must be above 0",
    ),
    "negative income": (
        lambda: Empirical([1.0, -3.0]),
        r"incomes must be.*leave out -3\.0, entry 1",
    ),
    "negative weight": (lambda: Empirical([1.0, 3.0], [-1, 3]), r"weight must be.*-1\.0, entry 0"),
    "no weight": (lambda: Empirical([1.0, 3.0], [0, 0]), r"positive weight; got 0\.0 in 2 records"),
    "unequal weights": (lambda: Empirical([1.0, 3.0], [1.0]), r"one length; got \(2,\) and \(1,\)"),
    "a key alone": (lambda: from_incomes([1, 2], key=jax.random.key(0)), "how many with n"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
