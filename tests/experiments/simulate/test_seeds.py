"""Simulations with several seeds: each is what it is alone, and a table has means of them."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.helpers.steadfast import Steadfast

SMALL = ("simulate", "--agents", 4, "--tax-years", 2, "--tax-year", 2, "--mode", "text")
ELECT = ("--scenario", "democratic", "--brackets", "three")
SEEDS = 3


@pytest.fixture(scope="module")
def lived(econjax, tmp_path_factory):
    """Return a run of several seeds, of which the first is 5, and its JSON."""
    runs = tmp_path_factory.mktemp("home") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.core.engines.start_engine", lambda *_: Steadfast())
        choices = (*SMALL, *ELECT, "--runs", runs)
        ran = econjax(*choices, "--seed", 5, "--seeds", SEEDS, "--name", "all", "--json")
        assert ran.code == 0, ran.err
        assert econjax(*choices, "--seed", 6, "--name", "second").code == 0
    return runs / "all", json.loads(ran.out)


def test_each_seed_is_what_it_is_alone(lived):
    path, _ = lived
    for name in ("metrics", "workers"):
        rows, alone = (
            [row | {"run": None} for row in pq.read_table(folder / f"{name}.parquet").to_pylist()]
            for folder in (path, path.parent / "second")
        )
        assert [row for row in rows if row["seed"] == 6] == alone
        assert {row["seed"] for row in rows} == {5, 6, 7}
    assert (path / "people-6.csv").read_bytes() == (path.parent / "second/people.csv").read_bytes()
    assert (path / "people.csv").read_bytes() != (path / "people-6.csv").read_bytes()


def test_means_and_intervals_are_over_the_seeds(lived):
    path, told = lived
    rows = pq.read_table(path / "metrics.parquet").to_pylist()
    assert [year["tax_year"] for year in told["seeds"]] == [1, 2]
    for year in told["seeds"]:
        own = [row for row in rows if row["tax_year"] == year["tax_year"]]
        means = [
            np.mean([row["atkinson"] for row in own if row["seed"] == seed]) for seed in (5, 6, 7)
        ]
        found = year["figures"]["atkinson"]
        assert found["value"] == pytest.approx(np.mean(means))
        assert found["low"] < found["value"] < found["high"]
    assert told["seeds"][0]["turnover"] is None
    assert 0 <= told["seeds"][1]["turnover"] <= 1


def test_it_is_replayed_and_printed(lived, econjax, play):
    play(None)
    ran = econjax("replay", lived[0])
    assert "is identical" in ran.err
    assert f"{SEEDS} seeds" in ran.out
    assert "new leader %" in ran.out
    alone = econjax("replay", lived[0].parent / "second").out
    asked, of_one = (
        int(re.search(r"Answers understood: [\d,]+ of ([\d,]+)", out)[1])
        for out in (ran.out, alone)
    )
    assert 2 * of_one < asked < 4 * of_one  # of all seeds, who may be asked again
    assert "Elections (first seed) that changed the leader" in ran.out
    assert "Elections that changed the leader" in alone


def test_one_seed_at_least(econjax, assert_told):
    assert_told(econjax(*SMALL, "--seeds", 0), "seeds", 0)
