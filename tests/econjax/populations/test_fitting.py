import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econjax.populations.distributions import (
    GB2,
    GB2_ACS_2023,
    GB2_CPS_2023,
    GB2_SSA_2022,
    Lognormal,
)
from econjax.populations.fitting import fit_gb2, us_incomes

# Families by income in thousands of dollars, of a thousand: McDonald (1984), as distributed with
# Stata's gbgfit (Nichols 2009).
FAMILY_EDGES = [0, 2.5, 5, 7.5, 10, 12.5, 15, 20, 25, 35, 50]
FAMILIES = {
    1970: [66, 125, 152, 166, 158, 110, 131, 46, 30, 11, 5],
    1975: [35, 85, 106, 106, 114, 109, 188, 116, 95, 32, 14],
    1980: [21, 41, 62, 65, 73, 69, 140, 137, 198, 128, 67],
}
# Oracles, section 6b: a, b, p, q, log likelihood, mean.
FITS = {
    1970: (5.27645, 13.46905, 0.282400, 0.631252, -2147.919702, 11.18350),
    1975: (3.49780, 20.95693, 0.443205, 1.137043, -2251.186850, 15.59301),
    1980: (2.53727, 40.76665, 0.611605, 2.132723, -2252.227191, 23.93092),
}


@pytest.mark.parametrize("year", FAMILIES)
def test_families_of_mcdonald(year):
    fit = fit_gb2(FAMILY_EDGES, FAMILIES[year])
    a, b, p, q, log_likelihood, mean = FITS[year]
    found = fit.distribution
    np.testing.assert_allclose(
        [found.sigma, found.mu, found.nu, found.tau], [a, b, p, q], rtol=3e-6
    )
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=6e-7)
    assert found.mean == pytest.approx(mean, abs=6e-6)
    assert fit.converged


SHARES = [0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999]
# Quantiles of independent fits to the same tables with the same criterion, in whole dollars.
REFITS = {
    "ssa_2022": (
        GB2_SSA_2022,
        "2181 5247 12624 16748 21101 30404 40488 51622 64829 73034 83350 120833 172396 274869 "
        "391065 1261431",
    ),
    "cps_2023": (
        GB2_CPS_2023,
        "3255 6979 14976 19170 23486 32544 42424 53741 67844 76847 88222 128581 181471 282156 "
        "392775 1174807",
    ),
}


@pytest.mark.parametrize("name", REFITS)
def test_the_fits_to_us_tables_are_the_constants_and_the_refits(name):
    table, (constant, quantiles) = us_incomes(name), REFITS[name]
    fit = fit_gb2(table.edges, table.counts, mean=table.mean)
    assert fit.converged
    for parameter in ("mu", "sigma", "nu", "tau"):
        assert getattr(fit.distribution, parameter) == pytest.approx(
            getattr(constant, parameter), rel=2e-6
        )
    expected = np.array(quantiles.split(), float)
    np.testing.assert_allclose(constant.quantile(SHARES), expected, rtol=1e-4, atol=0.6)
    # The published mean is met closely, not exactly.
    assert fit.distribution.mean == pytest.approx(table.mean, rel=7e-3)


def test_the_tables_are_those_published():
    ssa, cps = us_incomes("ssa_2022"), us_incomes("cps_2023")
    # Earners and mean on the page of the Social Security Administration; 67.9 % earn less than the
    # mean.
    assert ssa.counts.sum() == 172_030_932
    below = (
        np.interp(ssa.mean, ssa.edges, np.append(0, np.cumsum(ssa.counts[:-1]))) / ssa.counts.sum()
    )
    assert below == pytest.approx(0.679, abs=1e-3)
    # Median earnings of 40,847.18 (SSA) and median income of 42,220 (Census) lie in their classes.
    for table, median, width in ((ssa, 40_847.18, 5000), (cps, 42_220, 2500)):
        reached = np.cumsum(table.counts) / table.counts.sum()
        assert 0 <= median - table.edges[np.searchsorted(reached, 0.5)] < width
    # People with income; Census rounds to four figures.
    assert cps.counts.sum() == pytest.approx(241_800_000, rel=1e-3)


EDGES = np.array([0, 10, 20, 30, 40, 50, 60, 75, 100, 150, 200, 300, 500]) * 1000.0


def counts_of(distribution):
    return np.diff(distribution.cdf(EDGES), append=1)


@settings(max_examples=5)
@given(
    st.floats(2e4, 8e4), st.floats(1, 4), st.floats(0.4, 1.5), st.floats(1.1, 2.5), st.booleans()
)
def test_parameters_are_recovered(mu, sigma, nu, tau, anchored):
    truth = GB2(mu, sigma, nu, tau)
    fit = fit_gb2(EDGES, counts_of(truth), mean=truth.mean if anchored else None)
    parameters = [getattr(fit.distribution, name) for name in ("mu", "sigma", "nu", "tau")]
    np.testing.assert_allclose(parameters, [mu, sigma, nu, tau], rtol=1e-3)
    np.testing.assert_allclose(fit.distribution.quantile(SHARES), truth.quantile(SHARES), rtol=1e-5)


def test_units_do_not_matter_and_empty_classes_are_no_hindrance():
    counts = counts_of(GB2_ACS_2023)
    fit = fit_gb2(EDGES, counts)
    cents = fit_gb2(100 * EDGES, 7 * counts)
    assert cents.log_likelihood == pytest.approx(7 * fit.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(
        cents.distribution.quantile(SHARES), 100 * fit.distribution.quantile(SHARES), rtol=1e-5
    )
    # A top class without people says that nobody is there: a thinner tail.
    capped = fit_gb2(np.append(EDGES, 1e6), np.append(counts, 0.0))
    assert capped.distribution.quantile(0.999) < fit.distribution.quantile(0.999)


def test_a_limit_of_the_family_is_said_not_to_converge():
    lognormal = Lognormal(50_000.0, 0.75)
    fit = fit_gb2(EDGES, counts_of(lognormal))
    assert not fit.converged
    np.testing.assert_allclose(counts_of(fit.distribution), counts_of(lognormal), atol=1e-4)


BAD = {
    "unequal": (dict(edges=[0, 1, 2], counts=[1, 2]), r"one length; got shapes \(3,\) and \(2,\)"),
    "no zero": (dict(edges=[1, 2, 3, 4, 5], counts=[1] * 5), r"from 0; got \[1\.0, 2\.0"),
    "falling": (dict(edges=[0, 2, 1, 4, 5], counts=[1] * 5), "rising from 0"),
    "infinite edge": (dict(edges=[0, 1, 2, 3, np.inf], counts=[1] * 5), "inf"),
    "negative": (dict(edges=range(5), counts=[1, 1, -2, 1, 1]), r"counts must be.*-2"),
    "few classes": (dict(edges=range(6), counts=[1, 1, 0, 0, 1, 1]), "five classes .*got 4"),
    "mean": (dict(edges=range(5), counts=[1] * 5, mean=-3.0), r"mean must be positive.*-3"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_names_the_value_and_the_remedy(name):
    arguments, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        fit_gb2(
            **{key: list(value) if key != "mean" else value for key, value in arguments.items()}
        )


def test_an_unknown_table_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="'acs'; choose one of ssa_2022, cps_2023"):
        us_incomes("acs")
