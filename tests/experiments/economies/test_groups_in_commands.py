"""Every command on people of several statuses: two countries, rates in common and of each."""

import json
from unittest import mock

import pyarrow.parquet as pq
import pytest

from econjax.laws import load_schedule
from experiments.core import engines
from experiments.optimum import models
from tests.helpers.improviser import Improviser

US = """[incomes]
file = "people.csv"
zeros = "apart"
losses = "keep"
agents = 6
[welfare]
functions = ["atkinson"]
counts = "workers"
"""
UK = """[currency]
symbol = "£"
name = "pounds"
[incomes]
file = "people.csv"
agents = 6
losses = "clip"
[incomes.columns]
status = "home"
[law]
name = "UK 2024"
[law.by_status.england]
thresholds = [0, 12_570, 50_270]
rates = [0, 0.20, 0.40]
[law.by_status.scotland]
thresholds = [0, 12_570, 43_662]
rates = [0, 0.20, 0.42]
[welfare]
functions = ["rawlsian"]
"""
# https://www.gov.uk/income-tax-rates, https://www.gov.uk/scottish-income-tax, with fewer brackets
PEOPLE = "income,weight,status,home,other_income\n" + "".join(
    f"{income},{1 + place % 3},{('single', 'joint', 'separate', 'head_of_household')[place % 4]},"
    f"{('england', 'scotland')[place % 2]},{1000 * (place % 2)}\n"
    for place, income in enumerate([30_000, 52_000, 0, 18_000, 75_000, 0, 41_000, -900, 160_000])
)
FEW = {
    "compare": "--workers rational llm --planners federal random llm --no-uninformed "
    "--evaluations 2 --tax-year 1 --repetitions 2",
    "simulate": "--tax-years 2 --tax-year 2",
    "contest": "--agents 6 --evaluations 1 --seeds 2",
    "scoreboard": "--populations 2 --agents 6 --evaluations 2 --planners federal random llm",
    "optimum": "--generations 1",
    "transfer": "--agents 6 --planners federal random --seeds 2 --evaluations 2 2 --checks 1",
    "audit": "--samples 2 --elections 1",
}
CASES = [*(("UK", command) for command in FEW), ("US", "compare"), ("US", "contest")]


@pytest.fixture
def home(country, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "economy.toml").write_text({"US": US, "UK": UK}[country])
    return tmp_path


@pytest.mark.usefixtures("brief_search")
@pytest.mark.parametrize(("country", "command"), CASES)
def test_a_command_knows_who_is_taxed_how(country, command, home, econjax, brief_fits, monkeypatch):
    engine, us = Improviser(mumbles=0), country == "US"
    monkeypatch.setattr(engines, "start_engine", lambda *_: engine)
    economy = ("--economy", home / "economy.toml", "--model", "improviser")
    runs = ("--runs", home / "runs", "--name", command)
    with brief_fits():
        ran = econjax(command, *economy, *FEW[command].split(), *runs)
        again = econjax("replay", home / "runs" / command)
    assert ran.code == 0, ran.err
    said = " ".join(ran.out.split())
    names = ("single", "joint", "separate", "head of household") if us else ("england", "scotland")
    assert f"Schedules by status ({names[0]} " in said
    assert all(name in said for name in names)
    if command != "audit":  # which tells of no money
        assert ("$" in said, "£" in said) == (us, not us)
    if us:
        assert "do not work: they are kept apart" in said
    if command == "compare":
        _check_the_run(home / "runs" / command, us)
    assert "metrics.parquet is identical" in again.err


def _check_the_run(path, us):
    """Check that rates are one list in the United States, and one for each status elsewhere."""
    rates = [row["rates"] for row in pq.read_table(path / "metrics.parquet").to_pylist()]
    assert all(len(own) == (7 if us else 2) for own in rates)
    law = load_schedule(path / "schedules" / "law.json")
    assert law.thresholds.shape == ((4, 7) if us else (2, 3))
    assert law.rates.shape == ((7,) if us else (2, 3))
    saved = json.loads((path / "schedules" / "law.json").read_text())
    assert len(saved["thresholds"]) == law.groups


@pytest.mark.parametrize("country", ["UK"])
def test_the_best_among_models_is_of_all_statuses(home, econjax, brief_fits, monkeypatch):
    engine = Improviser(mumbles=0)
    monkeypatch.setattr(engines, "start_engine", lambda *_: engine)
    brief = models.Search(tries=2, climbs=1, finalists=1, checks=2, steps=1)
    with brief_fits(), mock.patch.object(models, "SEARCH", brief):
        ran = econjax(
            *("optimum", "--economy", home / "economy.toml", "--model", "improviser"),
            *("--workers", "llm", "--json", "--runs", home / "runs"),
        )
    assert ran.code == 0, ran.err
    for candidate in json.loads(ran.out)["candidates"]:
        assert len(candidate["rates"]) == 2
