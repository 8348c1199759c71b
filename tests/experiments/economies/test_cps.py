"""The CPS file of taxcalc by name: read from a package like it, aged as that package does."""

import gzip
import importlib.metadata
import importlib.util
import json
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

FILES = {
    "cps.csv.gz": "e00200,e00300,MARS,age_head,EIC\n"
    "10000,5,1,30,0\n0,7,1,70,0\n60000,0,2,45,1\n30000,0,4,28,3\n",
    "cps_weights.csv.gz": "WT2014,WT2015,WT2016\n"
    "100,110,200\n100,110,200\n300,300,400\n100,100,600\n",
    "growfactors.csv": "YEAR,AWAGE\n2013,1.5\n2014,1.25\n2015,1.1\n2016,1.2\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a small package taxcalc where the real one would be, of which no code can be imported."""
    folder = tmp_path / "taxcalc"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('only data files are read')")
    for name, text in FILES.items():
        data = text.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    spec = ModuleSpec("taxcalc", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    find, version = importlib.util.find_spec, importlib.metadata.version
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: spec if name == "taxcalc" else find(name, *a)
    )
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "6.8.0" if name == "taxcalc" else version(name)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def described(econjax, *options):
    ran = econjax("economy", "describe", "--incomes", "cps", "--year", 2016, *options, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    return {row["name"]: row["value"] for row in found["figures"]}, found["about"]


def test_units_of_the_status_are_aged_by_wages_and_weights_of_the_year(package, econjax):
    single, about = described(econjax, "--status", "single")
    assert (single["records"], single["people"]) == (2, 4)
    # Wages grow by the factors after 2014 alone: 1.1 * 1.2.
    assert single["mean $"] == pytest.approx(10_000 * 1.1 * 1.2 / 2)
    assert single["people without income, %"] == pytest.approx(50)
    assert "taxcalc 6.8.0, 2014 levels, aged to 2016" in about
    assert "2 of 4 records (71.4% of people" in about
    joint, _ = described(econjax, "--status", "joint")
    assert joint["mean $"] == pytest.approx(60_000 * 1.1 * 1.2)


def test_units_of_all_statuses_are_groups_if_none_is_asked_for(package, econjax):
    every, about = described(econjax)
    assert every["records"] == 4
    shares = [every[f"people of status {name}, %"] for name in ("single", "joint")]
    np.testing.assert_allclose(shares, [100 * 4 / 14, 100 * 4 / 14])
    assert "Schedules by status (single 28.6%, joint 28.6%, head of household 42.9%" in about


def test_a_year_that_the_package_does_not_know_is_told(package, econjax, assert_told):
    ran = econjax("economy", "describe", "--incomes", "cps", "--year", 2026)
    assert_told(ran, "holds no WT2026 in cps_weights.csv.gz", "choose another --year")


def test_a_package_without_the_file_is_told(package, econjax, assert_told):
    (package / "cps.csv.gz").unlink()
    assert_told(econjax("economy", "describe", "--incomes", "cps", "--year", 2016), "no cps.csv.gz")


def test_it_is_read_once_for_a_version(package, econjax):
    first, _ = described(econjax)
    (package / "cps.csv.gz").unlink()
    again, _ = described(econjax)
    assert again == first
    assert np.isfinite(again["mean $"])
