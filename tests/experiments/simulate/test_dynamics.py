"""`econjax simulate` of three kinds of workers: habits, moving skills, followers, a reform."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.runs.directory import read_manifest
from experiments.simulate.reform import OUTCOMES, REFORM_ELASTICITIES, column_of
from tests.helpers.steadfast import Steadfast

SMALL = ("simulate", "--agents", 6, "--planner", "fixed", "--mode", "choice", "--tax-year", 2)
MOVING = ("--adapt", 0.5, "--skill-sigma", 0.1)
REFORM = ("--tax-years", 3, "--reform-year", 2)
KINDS = ("rational", "formula", "llm")
COLUMNS = [column_of(outcome, name) for outcome in OUTCOMES for name in REFORM_ELASTICITIES]


def rows(path, name="metrics"):
    return pq.read_table(path / f"{name}.parquet").to_pylist()


def elasticities(path):
    """Return what the last row says about the reform, as no other row does."""
    *others, last = rows(path)
    assert all(row[name] is None for row in others for name in COLUMNS)
    return {name: last[name] for name in COLUMNS}


@pytest.mark.parametrize(
    ("workers", "mode"), [*((kind, "choice") for kind in KINDS), ("llm", "text")]
)
def test_a_run_is_cut_short_finished_and_replayed(workers, mode, econjax, play, runs):
    small = [mode if said == "choice" else said for said in SMALL]
    choices = (*small, *MOVING, *REFORM, "--stand-for", 2, "--workers", workers, "--runs", runs)
    engine = play(Steadfast()) if workers == "llm" else play(None)
    ran = econjax(*choices, "--name", "whole")
    assert ran.code == 0, ran.err
    if workers == "llm":
        asked, batches = engine.answered, 10**9 - engine.batches
        ended = play(Steadfast(batches // 2))
        assert econjax(*choices, "--name", "parts").code == 130
        again = play(Steadfast())
        assert econjax("resume", runs / "parts").code == 0
        assert ended.answered + again.answered == asked
        parts = runs / "parts" / "metrics.parquet"
        assert parts.read_bytes() == (runs / "whole" / "metrics.parquet").read_bytes()
    play(None)
    ran = econjax("replay", runs / "whole")
    assert ran.code == 0, ran.err
    assert "is identical" in ran.err
    config = read_manifest(runs / "whole")["config"]
    assert (config["adapt"], config["skill_sigma"], config["stand_for"]) == (0.5, 0.1, 2)
    works = {"rational": None, "formula": "formula", "llm": "improviser"}[workers]
    assert {row["worker_model"] for row in rows(runs / "whole")} == {works}
    assert (runs / "whole" / "validity.json").is_file() == (workers != "rational")


def test_skills_are_the_same_whoever_works(econjax, play, runs):
    """Income over hours is skill, and its draws depend on nothing but the seed and the step."""
    found = {}
    for workers in KINDS:
        play(Steadfast())
        ran = econjax(*SMALL, *MOVING, "--workers", workers, "--runs", runs, "--name", workers)
        assert ran.code == 0, ran.err
        table = rows(runs / workers, "workers")
        found[workers] = np.array([row["income"] / row["labor"] for row in table])
    np.testing.assert_allclose(found["formula"], found["rational"], rtol=1e-4)
    np.testing.assert_allclose(found["llm"], found["rational"], rtol=1e-4)
    steps = found["rational"].reshape(-1, 6)
    assert np.all(np.std(np.log(steps), axis=0) > 0.01)


def test_every_estimator_finds_the_elasticity_of_workers_who_choose_best(econjax, play, runs):
    """Quasi-linear workers have one elasticity, but for those whom a threshold holds."""
    play(None)
    choices = (*SMALL, *REFORM, "--workers", "rational", "--elasticity", 0.4, "--brackets", "flat")
    ran = econjax(*choices, "--start", 0.2, "--runs", runs, "--name", "one", "--json")
    assert ran.code == 0, ran.err
    found = elasticities(runs / "one")
    assert json.loads(ran.out)["reform"] == [found]
    for name, value in found.items():
        truth = 0.0 if name.endswith("bias") else 0.4
        assert value == pytest.approx(truth, abs=4e-3), name  # an arc is not a point


def test_before_and_after_takes_what_would_have_come_anyway_for_a_response(econjax, play, runs):
    """With skills that move, income changes without any reform, which the twin leaves out."""
    play(None)
    choices = (*SMALL, *REFORM, "--workers", "rational", "--brackets", "flat", "--start", 0.2)
    ran = econjax(*choices, "--skill-sigma", 0.5, "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    assert "with and without the reform" in ran.out
    found = elasticities(runs / "one")
    assert found["income_elasticity_twin"] == pytest.approx(0.25, abs=4e-3)
    assert found["hours_elasticity_paired_before"] == pytest.approx(0.25, abs=4e-3)
    assert abs(found["income_elasticity_naive"] - 0.25) > 0.1
    bias = found["income_elasticity_naive"] - found["income_elasticity_twin"]
    assert found["income_elasticity_bias"] == pytest.approx(bias)


def test_hours_that_lag_seem_to_respond_less_than_workers_want_to(econjax, play, runs):
    play(None)
    choices = (*SMALL, *REFORM, "--workers", "rational", "--brackets", "flat", "--start", 0.2)
    ran = econjax(*choices, "--adapt", 0.1, "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    found = elasticities(runs / "one")
    assert found["hours_elasticity_paired_after"] == pytest.approx(0.25, abs=4e-3)
    assert 0 < found["hours_elasticity_twin"] < 0.12


def test_a_table_has_intervals_over_seeds(econjax, play, runs):
    play(None)
    choices = (*SMALL, *REFORM, "--workers", "formula", "--seeds", 3)
    ran = econjax(*choices, "--runs", runs, "--name", "one", "--wide")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    row = next(line for line in lines if "same moment under both laws, after" in line)
    last = [each for each in rows(runs / "one") if each["hours_elasticity_twin"] is not None]
    assert [each["seed"] for each in last] == [0, 1, 2]
    assert f"{np.mean([r['hours_elasticity_paired_after'] for r in last]):.3f}" in row
    assert row.count(" to ") == 2


def test_one_decision_for_several_asks_so_many_times_fewer(econjax, play, runs):
    asked = {}
    for each in (1, 2, 4):
        engine = play(Steadfast())
        ran = econjax(*SMALL, "--stand-for", each, "--runs", runs, "--name", f"of-{each}")
        assert ran.code == 0, ran.err
        asked[each] = engine.answered
        table = rows(runs / f"of-{each}", "workers")
        hours = np.array([row["labor"] for row in table]).reshape(-1, 6)
        assert len(table) == 6 * 8
        for start in range(0, 6, each):
            block = hours[:, start : start + each]
            assert np.all(block == block[:, :1])
    assert [asked[1], asked[2], asked[4]] == [96, 48, 32]


REFUSED = {
    "--adapt 0": "--adapt is a share of the way",
    "--adapt 1.5": "--adapt is a share of the way",
    "--skill-sigma -0.1": "--skill-sigma",
    "--skill-sigma 0.1 --skill-persistence 1": "--skill-persistence lies between",
    "--stand-for 0": "--stand-for must be at least 1",
    "--stand-for 2 --one-model": "leave it out, or --one-model",
    "--stand-for 2 --scenario democratic": "leave it out, or --scenario democratic",
    "--stand-for 2 --satisfaction-counts": "leave it out, or --satisfaction-counts",
    "--reform-year 2 --planner saez": "give --planner fixed",
    "--reform-year 2 --scenario democratic": "give --planner fixed",
    "--reform-year 1": "from 2 to the last of --tax-years, 4; got 1",
    "--reform-year 5": "from 2 to the last of --tax-years, 4; got 5",
    "--reform-year 2 --reform-keep 1": "--reform-keep",
    "--reform-year 2 --reform-keep 0": "--reform-keep",
    "--workers formula --scenario democratic": "--scenario democratic is of language models",
    "--workers formula --scenario rational": "--scenario rational is of language models",
    "--workers formula --people roles": "--people is of language models",
    "--workers rational --altruistic 0.5": "--altruistic is of language models",
    "--workers rational --mode text": "--mode text is of language models",
    "--workers rational --satisfaction-counts": "--satisfaction-counts is of language models",
    "--workers rational --one-model": "--one-model is of language models",
}


@pytest.mark.parametrize(("said", "words"), REFUSED.items(), ids=lambda each: each[:40])
def test_what_makes_no_sense_is_refused_in_a_line(said, words, econjax, play, runs, assert_told):
    play(None)
    arguments = said.split()
    planner = () if "--planner" in arguments else ("--planner", "fixed")
    assert_told(econjax("simulate", *planner, *arguments, "--runs", runs), words)
    assert not runs.exists()


@pytest.mark.parametrize("workers", ["rational", "formula"])
def test_a_language_model_plans_for_workers_who_are_none(workers, econjax, play, runs):
    engine = play(Steadfast())
    choices = ("--agents", 6, "--tax-years", 3, "--tax-year", 1, "--think", *MOVING)
    ran = econjax("simulate", *choices, "--workers", workers, "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    assert engine.answered == 2  # after a tax year of warm-up
    works = None if workers == "rational" else "formula"
    who = {(row["planner_model"], row["worker_model"]) for row in rows(runs / "one")}
    assert who == {("improviser", works)}
    play(None)
    ran = econjax("replay", runs / "one")
    assert "is identical" in ran.err, ran.err
