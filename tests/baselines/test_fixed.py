"""Schedules that stay as they are, and those read from files."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.fixed import (
    federal,
    flat_rate,
    from_file,
    laissez_faire,
    read_schedule,
    uniform_rates,
)
from econjax import us_federal

INCOMES = [0.0, 8_000.0, 50_000.0, 1_000_000.0]

LAW = us_federal(2024)


def schedule_of(planner):
    state = planner.init(jax.random.key(0))
    proposed, state = planner.ask(jax.random.key(1), state)
    assert proposed is planner.recommend(planner.tell(state, proposed, None))
    return proposed


def owed(planner, incomes):
    return schedule_of(planner).tax(jnp.asarray(incomes))


@pytest.mark.parametrize(
    ("make", "share"),
    [
        (laissez_faire, 0.0),
        (uniform_rates, 0.5),
        (lambda law: flat_rate(law, 0.3), 0.3),
    ],
)
def test_one_rate_takes_one_share_of_every_income(make, share):
    np.testing.assert_allclose(owed(make(LAW), INCOMES), [share * z for z in INCOMES], rtol=1e-6)


def test_the_law_of_a_year():
    # IRS Revenue Procedures 2023-34 and 2016-55: tax on a taxable income of 50,000.
    assert owed(federal(2024), 50_000.0) == pytest.approx(6_053.0)
    joint = owed(federal(2017, "joint"), 50_000.0)
    assert joint == pytest.approx(1_865 + 0.15 * (50_000 - 18_650))
    assert owed(federal(2024, deduction=True), 14_600.0) == 0


def test_a_rate_in_per_cent_is_refused():
    with pytest.raises(ValueError, match=r"35 % is 0.35"):
        flat_rate(LAW, 35.0)


CSV = "threshold,rate\n0, 0.10\n11600, 0.12\n47150,0.22\n"
JSON = '{"thresholds": [0, 11600, 47150], "rates": [0.10, 0.12, 0.22]}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("law.csv", CSV),
        ("LAW.CSV", "note , rate,threshold \nlow,.1,0\n\nmiddle,1.2e-1,11600\nhigh,0.22,4.715e4\n"),
        ("bom.csv", "\ufeff" + CSV),
        ("law.json", JSON),
    ],
)
def test_files_say_what_the_law_says(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    read, law = read_schedule(tmp_path / name), us_federal(2024)
    np.testing.assert_array_equal(read.thresholds, law.thresholds[:3])
    np.testing.assert_array_equal(read.rates, law.rates[:3])
    np.testing.assert_array_equal(schedule_of(from_file(str(tmp_path / name))).rates, read.rates)


def test_what_json_writes_is_read_back(tmp_path):
    law, file = us_federal(2026, "joint"), tmp_path / "law.json"
    file.write_text(
        json.dumps({"thresholds": law.thresholds.tolist(), "rates": law.rates.tolist()})
    )
    np.testing.assert_array_equal(read_schedule(file).rates, law.rates)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.csv",
            "threshold,rate\n0,10\n11600,12\n",
            "a.csv, line 2: a rate .* got 10: write 10 % as 0.1.",
        ),
        (
            "a.csv",
            "threshold,rate\n0,.1\n11600,1e9\n",
            "line 3: a rate is a share between -1 and 1; got 1e+09.",
        ),
        ("a.csv", "threshold,rate\n0,10 %\n", "line 2: a rate is a plain number.*got '10 %'"),
        (
            "a.csv",
            'threshold,rate\n0,.1\n"11,600",.2\n',
            "line 3: a threshold is a plain.*got '11,600'",
        ),
        ("a.csv", "threshold,rate\n0,.1\n5000\n", "line 3: a rate is a plain number.*got ''"),
        (
            "a.csv",
            "bracket,rate\n0,.1\n",
            "columns threshold and rate; its first line has .'bracket', 'rate'",
        ),
        ("a.csv", "", "columns threshold and rate; its first line has "),
        (
            "a.csv",
            "threshold,rate\n5,.1\n",
            "a.csv holds no schedule. Thresholds .* Write the first as 0",
        ),
        ("a.csv", "threshold,rate\n", "a.csv holds no schedule. .* at least one bracket"),
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", "[0, 1]", "a list named thresholds"),
        ("a.json", '{"thresholds": [0], "rates": 0.1}', "a list named rates.*got 0.1"),
        (
            "a.json",
            '{"thresholds": [0], "rates": [35]}',
            r"rates\[0\]: a rate .* write 35 % as 0.35",
        ),
        (
            "a.json",
            '{"thresholds": [0, null], "rates": [0, 0]}',
            r"thresholds\[1\].*plain number.*got None",
        ),
        (
            "a.json",
            '{"thresholds": [0, 9], "rates": [0]}',
            "a.json holds no schedule.*as many rates",
        ),
        ("a.toml", "rate = 1", "a .csv or .json file; got 'a.toml'"),
    ],
)
def test_a_file_that_holds_no_schedule_is_told_where_and_why(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said.replace("1e+09", re.escape("1e+09"))):
        read_schedule(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_schedule(tmp_path / "none.csv")
