import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from econjax.populations.distributions import (
    GB2,
    GB2_ACS_2023,
    Lognormal,
    LognormalPareto,
    Pareto,
    Uniform,
)
from econjax.populations.empirical import Quantiles
from tests.helpers.reference import GB2 as PARAMETERS
from tests.helpers.reference import QUANTILES, THRESHOLDS

# Oracles, section 0.
ECONOMIES = {
    "GB2": GB2_ACS_2023,
    "LN": Lognormal(50_000.0, 0.75),
    "PLN": LognormalPareto(40_000.0, 0.6, 2.0),
    "BP": Pareto(20_000.0, 1.5, 2_000_000.0),
}
SHARES = np.concatenate(
    [np.logspace(-9, -2, 8), np.linspace(0.02, 0.98, 49), 1 - np.logspace(-2, -9, 8)]
)


@pytest.mark.parametrize("name", ECONOMIES)
def test_quantiles_of_the_reference_economies(name):
    shares = (np.arange(2000) + 0.5) / 2000
    expected = QUANTILES[name](shares, 1 - shares)
    np.testing.assert_allclose(ECONOMIES[name].quantile(shares), expected, rtol=1e-12)


# Oracles, section 6a: the LLM Economist's GB2, in dollars.
@pytest.mark.parametrize(
    ("share", "income"),
    [
        (0.01, 695.139684),
        (0.05, 3434.090875),
        (0.1, 6850.620244),
        (0.25, 17393.033095),
        (0.5, 38101.531840),
        (0.75, 72159.267070),
        (0.9, 124508.873589),
        (0.95, 175431.630970),
        (0.99, 361313.198064),
        (0.999, 967606.997983),
        (0.9999, 2566181.460604),
    ],
)
def test_gb2_quantiles(share, income):
    assert GB2_ACS_2023.quantile(share) == pytest.approx(income, abs=6e-7, rel=1e-12)


def test_gb2_mean_and_shares():
    # Oracles, section 6a.
    assert GB2_ACS_2023.mean == pytest.approx(59249.20382374, rel=1e-12)
    np.testing.assert_allclose(
        GB2_ACS_2023.cdf([50_000, 200_000]), [0.608669774477, 0.962237301443], rtol=0, atol=6e-13
    )
    assert 1 - GB2_ACS_2023.cdf(1e6) == pytest.approx(9.253419534896e-04, rel=1e-12)
    held = np.diff(GB2_ACS_2023.cdf(THRESHOLDS), append=1)
    expected = [0.168726, 0.416237, 0.267093, 0.106677, 0.016824, 0.021477, 0.002965]
    np.testing.assert_allclose(held, expected, rtol=0, atol=6e-7)


def test_gb2_far_from_one():
    # Singh-Maddala: 1 - F = (1 + x)^-q, x = (z / b)^a; Dagum its mirror image. Odds of exp(100) and
    # more.
    rest = np.log1p(-SHARES) / -0.009
    expected = 5e4 * np.exp((rest + np.log1p(-np.exp(-rest))) / 219)
    np.testing.assert_allclose(GB2(5e4, 219.0, 1.0, 0.009).quantile(SHARES), expected, rtol=1e-11)
    rest = np.log(SHARES) / -0.009
    expected = 5e4 * np.exp(-(rest + np.log1p(-np.exp(-rest))) / 219)
    np.testing.assert_allclose(GB2(5e4, 219.0, 0.009, 1.0).quantile(SHARES), expected, rtol=1e-11)


def test_gb2_holds_singh_maddala_and_dagum():
    # Oracles, section 6a.
    assert GB2(1.0, 2.0, 1.0, 1.5).cdf(1.0) == pytest.approx(1 - 2**-1.5, rel=1e-14)
    assert GB2(1.0, 3.0, 0.5, 1.0).cdf(2.0) == pytest.approx((1 + 2**-3) ** -0.5, rel=1e-14)


SCIPY = {
    "GB2": (lambda x: stats.betaprime.cdf((x / PARAMETERS[0]) ** PARAMETERS[1], *PARAMETERS[2:])),
    "LN": stats.lognorm(0.75, scale=50_000).cdf,
    "PLN": lambda x: stats.exponnorm.cdf(np.log(x), 1 / 1.2, np.log(40_000), 0.6),
    "BP": stats.truncpareto(1.5, 100, scale=20_000).cdf,
}


@pytest.mark.parametrize("name", ECONOMIES)
def test_cdfs_are_scipys(name):
    incomes = np.logspace(2, 7, 200)
    np.testing.assert_allclose(
        ECONOMIES[name].cdf(incomes), SCIPY[name](incomes), rtol=1e-10, atol=1e-13
    )


SOME = [
    *ECONOMIES.values(),
    GB2(30_000.0, 5.4, 0.15, 0.37),
    GB2(5e4, 219.0, 1.0, 0.009),
    GB2(5e4, 219.0, 0.009, 1.0),
    Pareto(10_000.0, 3.0),
    Pareto(10_000.0, 1.0, 50_000.0),
    Pareto(10_000.0, 0.5, 1e6),
    LognormalPareto(40_000.0, 0.05, 20.0),
    LognormalPareto(40_000.0, 1.5, 2.5),
    Uniform(1000.0, 5000.0),
    Quantiles([0.1, 0.5, 0.9, 0.99], [5_000.0, 40_000.0, 120_000.0, 370_000.0]),
    Quantiles([0.3, 0.95], [25_000.0, 120_000.0]),
]


@pytest.mark.parametrize("distribution", SOME, ids=repr)
def test_the_cdf_undoes_the_quantile(distribution):
    incomes = distribution.quantile(SHARES)
    assert np.all(np.diff(incomes) > 0)
    odds = special.logit(distribution.cdf(incomes))
    # Near 0 and 1 the rounding of incomes and shares is all there is: 1e-16 of 1e-9.
    np.testing.assert_allclose(odds, special.logit(SHARES), rtol=0, atol=1e-6)
    np.testing.assert_allclose(distribution.cdf([-5.0, 0.0, np.inf]), [0, 0, 1], atol=1e-100)


@given(st.floats(100, 1e6), st.floats(0.05, 3), st.floats(0.5, 20), st.floats(1e-7, 0.999999))
def test_the_lognormal_pareto_is_the_lower_and_the_upper_tail(scale, sigma, index, share):
    distribution = LognormalPareto(scale, sigma, index)
    income = distribution.quantile(share)
    assert distribution.cdf(income) == pytest.approx(share, rel=1e-9)
    # The Pareto factor is 1 or more.
    assert income >= Lognormal(scale, sigma).quantile(share) * (1 - 1e-9)


@pytest.mark.parametrize("distribution", SOME, ids=repr)
def test_the_mean_is_the_integral_of_the_quantiles(distribution):
    # By the trapezoid rule in log odds; beyond 30 there are 1e-13 of the people.
    log_odds = np.linspace(-30, 30, 6001)
    share = special.expit(log_odds)
    dollars = distribution.quantile(share) * share * special.expit(-log_odds)
    assert distribution.mean == pytest.approx(integrate.trapezoid(dollars, log_odds), rel=3e-6)


def test_a_thick_tail_has_no_mean():
    # The tail beyond the last quantile: tenfold the income for a ninth of the odds, an index below
    # 1.
    steep = Quantiles([0.5, 0.9], [1.0, 10.0])
    for distribution in (
        Pareto(1.0, 1.0),
        LognormalPareto(1.0, 1.0, 1.0),
        GB2(1.0, 2.0, 1.0, 0.5),
        steep,
    ):
        assert distribution.mean == np.inf


BAD = {
    "negative mu": (
        lambda: GB2(-7.0, 1.0, 1.0, 1.0),
        r"mu must be positive and finite; got mu = -7\.0",
    ),
    "zero tau": (lambda: GB2(7.0, 1.0, 1.0, 0.0), "tau must be positive.*0"),
    "nan sigma": (lambda: GB2(7.0, np.nan, 1.0, 1.0), "sigma must be positive.*nan"),
    "zero sigma": (lambda: Lognormal(7.0, 0.0), "sigma must be positive"),
    "infinite median": (
        lambda: Lognormal(np.inf, 1.0),
        "median must be positive and finite; got median = inf",
    ),
    "zero minimum": (lambda: Pareto(0.0, 2.0), "minimum must be positive"),
    "negative index": (lambda: Pareto(1.0, -2.0), r"index must be positive.*-2"),
    "low maximum": (
        lambda: Pareto(3.0, 2.0, 2.0),
        r"maximum must exceed minimum = 3\.0; got maximum = 2\.0",
    ),
    "zero index": (lambda: LognormalPareto(1.0, 1.0, 0.0), "index must be positive"),
    "empty range": (lambda: Uniform(5.0, 5.0), r"low < high; got low = 5\.0, high = 5\.0"),
    "negative low": (lambda: Uniform(-5.0, 5.0), r"low = -5\.0"),
    "share of 1": (lambda: ECONOMIES["LN"].quantile([0.5, 1.0]), r"neither included; got 1\.0"),
    "per cent": (lambda: ECONOMIES["GB2"].quantile(50), "between 0 and 1.*50"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call()
