import tomllib
from importlib.resources import files

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import us_federal

BOOK = tomllib.loads(files("econjax").joinpath("data/us_federal.toml").read_text())
YEARS = range(2013, 2027)
STATUSES = ("single", "joint", "separate", "head_of_household")

# Oracles, section 4: inner thresholds and standard deduction.
STATUTES = {
    "single": """
2017 9325 37950 91900 191650 416700 418400 6350
2018 9525 38700 82500 157500 200000 500000 12000
2019 9700 39475 84200 160725 204100 510300 12200
2020 9875 40125 85525 163300 207350 518400 12400
2021 9950 40525 86375 164925 209425 523600 12550
2022 10275 41775 89075 170050 215950 539900 12950
2023 11000 44725 95375 182100 231250 578125 13850
2024 11600 47150 100525 191950 243725 609350 14600
2025 11925 48475 103350 197300 250525 626350 15750
2026 12400 50400 105700 201775 256225 640600 16100""",
    "joint": """
2017 18650 75900 153100 233350 416700 470700 12700
2018 19050 77400 165000 315000 400000 600000 24000
2019 19400 78950 168400 321450 408200 612350 24400
2020 19750 80250 171050 326600 414700 622050 24800
2021 19900 81050 172750 329850 418850 628300 25100
2022 20550 83550 178150 340100 431900 647850 25900
2023 22000 89450 190750 364200 462500 693750 27700
2024 23200 94300 201050 383900 487450 731200 29200
2025 23850 96950 206700 394600 501050 751600 31500
2026 24800 100800 211400 403550 512450 768700 32200""",
    "head_of_household": """
2017 13350 50800 131200 212500 416700 444550 9350
2018 13600 51800 82500 157500 200000 500000 18000
2019 13850 52850 84200 160700 204100 510300 18350
2020 14100 53700 85500 163300 207350 518400 18650
2021 14200 54200 86350 164900 209400 523600 18800
2022 14650 55900 89050 170050 215950 539900 19400
2023 15700 59850 95350 182100 231250 578100 20800
2024 16550 63100 100500 191950 243700 609350 21900
2025 17000 64850 103350 197300 250500 626350 23625
2026 17700 67450 105700 201750 256200 640600 24150""",
}
ROWS = [
    (status, *map(int, row.split()))
    for status, table in STATUTES.items()
    for row in table.strip().split("\n")
]

# Oracles, section 4, hand-checked: single filer, taxable income.
HAND_CHECKED = {
    2024: {
        11600: 1160.00,
        47150: 5426.00,
        50000: 6053.00,
        100525: 17168.50,
        191950: 39110.50,
        243725: 55678.50,
        609350: 183647.25,
        1e6: 328187.75,
    },
    2019: {
        9700: 970,
        39475: 4543,
        84200: 14382.5,
        160725: 32748.5,
        204100: 46628.5,
        510300: 153798.5,
    },
    2018: {
        9525: 952.5,
        38700: 4453.5,
        82500: 14089.5,
        157500: 32089.5,
        200000: 45689.5,
        500000: 150689.5,
    },
    2025: {
        11925: 1192.5,
        48475: 5578.5,
        103350: 17651,
        197300: 40199,
        250525: 57231,
        626350: 188769.75,
    },
    2026: {
        12400: 1240,
        50400: 5800,
        105700: 17966,
        201775: 41024,
        256225: 58448,
        640600: 192979.25,
    },
    2017: {
        9325: 932.5,
        37950: 5226.25,
        91900: 18713.75,
        191650: 46643.75,
        416700: 120910.25,
        418400: 121505.25,
    },
}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_entry_brings_its_expected_tax(x64, year, status):
    income, tax = BOOK[str(year)][status]["expected"]
    assert us_federal(year, status).tax(jnp.array(float(income))) == pytest.approx(tax, rel=1e-12)


def test_the_book_holds_nothing_else():
    assert sorted(BOOK) == [str(year) for year in YEARS]
    assert all(sorted(BOOK[year]) == sorted(STATUSES) for year in BOOK)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_thresholds_rates_and_deduction_are_the_statutes(x64, row):
    status, year, *thresholds, deduction = row
    schedule = us_federal(year, status)
    per_cent = [10, 15, 25, 28, 33, 35, 39.6] if year == 2017 else [10, 12, 22, 24, 32, 35, 37]
    np.testing.assert_array_equal(schedule.thresholds, [0, *thresholds])
    np.testing.assert_allclose(schedule.rates, np.array(per_cent) / 100, rtol=1e-15)
    assert BOOK[str(year)][status]["standard_deduction"] == deduction


@pytest.mark.parametrize("year", HAND_CHECKED)
def test_hand_checked_taxes(x64, year):
    income, tax = zip(*HAND_CHECKED[year].items(), strict=True)
    np.testing.assert_allclose(us_federal(year).tax(jnp.array(income, float)), tax, rtol=1e-13)


# Oracles, section 4, Tax-Calculator cross-check: single filer, 2024, wages only: wages and tax
# (c05200).
ON_WAGES = """
0 0, 5000 0, 12000 0, 14600 0, 16000 140, 20000 540, 26200 1160, 35000 2216, 47150 3674, 61750 5426,
80000 9441, 100000 13841, 115125 17168.5, 150000 25538.5, 206550 39110.5, 250000 53014.5, \
258325 55678.5,
400000 105264.75, 623950 183647.25, 1500000 507785.75"""


def test_tax_on_gross_wages_is_tax_calculators(eps):
    wages, tax = np.array([row.split() for row in ON_WAGES.split(",")], float).T
    found = us_federal(2024, deduction=True).tax(jnp.array(wages.tolist()))
    np.testing.assert_allclose(found, tax, rtol=10 * eps, atol=1e6 * eps)


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("status", STATUSES)
def test_the_deduction_is_the_first_bracket(x64, year, status):
    law, on_wages = us_federal(year, status), us_federal(year, status, deduction=True)
    deduction = BOOK[str(year)][status]["standard_deduction"]
    wages = jnp.concatenate([jnp.linspace(0.0, 1e6, 997), deduction + law.thresholds])
    np.testing.assert_allclose(
        on_wages.tax(wages), law.tax(jnp.maximum(wages - deduction, 0.0)), rtol=1e-12, atol=1e-9
    )
    assert on_wages.thresholds[1] == deduction


@pytest.mark.parametrize("year", YEARS)
def test_separate_filers_have_half_the_joint_thresholds(x64, year):
    # Internal Revenue Code, sections 1(d) and 1(j)(2)(D).
    joint, separate = us_federal(year, "joint"), us_federal(year, "separate")
    np.testing.assert_array_equal(separate.thresholds, joint.thresholds / 2)
    np.testing.assert_array_equal(separate.rates, joint.rates)


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("status", STATUSES)
def test_rates_rise_with_income(year, status):
    assert np.all(np.diff(us_federal(year, status).rates) > 0)


def test_the_default_status_is_single():
    np.testing.assert_array_equal(
        us_federal(2024).thresholds, us_federal(2024, "single").thresholds
    )


@pytest.mark.parametrize("year", [2012, 2027, 1913])
def test_an_unknown_year_is_named_with_the_years_there_are(year):
    with pytest.raises(ValueError, match=str(year)) as error:
        us_federal(year)
    assert error.match("2013")
    assert error.match("2026")


def test_an_unknown_status_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="married") as error:
        us_federal(2024, "married")
    for status in STATUSES:
        assert error.match(status)
