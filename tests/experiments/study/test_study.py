"""`econjax study`: runs with factors and seeds are done once, under one budget, by one command."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from experiments.core.commands import COMMANDS
from experiments.runs.spending import spent_by
from experiments.study.config import StudyConfig
from experiments.study.document import commands_of_runs, find_study
from experiments.study.plan import planned_runs
from experiments.study.recorded import INDEX
from llm_policy.engines.base import EngineError
from tests.helpers.steadfast import Steadfast

FILE = """
title = "Two lengths of a tax year"

[[runs]]
name = "life"
command = "simulate"
seeds = 2
choices = { agents = 2, tax_years = 1, planner = "fixed", mode = "choice", scenario = "rational" }
vary = { tax-year = [1, 2] }

[runs.quick]
seeds = [4]
vary = { tax-year = [1] }
"""
NAMES = [f"life-tax-year-{length}-seed-{seed}" for length in (1, 2) for seed in (0, 1)]
QUESTIONS = {name: 2 * (1 + (name in NAMES[2:])) for name in NAMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, econjax):
    """Return the folder of a study that was done at once."""
    home = tmp_path_factory.mktemp("whole")
    (home / "lengths.toml").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.core.engines.start_engine", lambda *_: Steadfast())
        ran = econjax("study", home / "lengths.toml", "--runs", home / "runs")
    assert ran.code == 0, ran.err
    return home / "runs" / "lengths"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a folder with a study file, in which commands are given."""
    (tmp_path / "lengths.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(home, text=FILE, **choices):
    (home / "lengths.toml").write_text(text)
    config = StudyConfig(study="lengths.toml", **choices)
    return planned_runs(find_study("lengths.toml"), config, home / "runs")


def rows(path):
    return pq.read_table(path / "metrics.parquet").to_pylist()


def test_every_combination_has_every_seed_in_the_order_of_the_file(home):
    runs = planned(home)
    assert [run.name for run in runs] == NAMES
    assert [(run.factors, run.seed) for run in runs] == [
        ({"tax-year": length}, seed) for length in (1, 2) for seed in (0, 1)
    ]
    assert {run.config.agents for run in runs} == {2}
    assert [run.name for run in planned(home, quick=True)] == ["life-tax-year-1-seed-4"]


def test_cases_stand_together_and_multiply_what_varies(home):
    cases = 'cases = [{ rule = "borda" }, { rule = "approval", term = 2 }]'
    runs = planned(home, FILE.replace("seeds = 2", cases, 1))
    said = [(run.config.rule, run.config.term, run.config.tax_year) for run in runs]
    assert said == [("borda", 1, 1), ("borda", 1, 2), ("approval", 2, 1), ("approval", 2, 2)]


def test_all_runs_that_ask_take_over_the_study_s_model_unless_they_name_one(home):
    own = 'agents = 2, model = "own"'
    assert {run.config.model for run in planned(home, model="other")} == {"other"}
    text = FILE.replace("agents = 2", own)
    assert {run.config.model for run in planned(home, text, model="other")} == {"own"}


WRONG = {
    ("seeds = 2", "seeds = 0"): ("line 7", "1 or more"),
    ("seeds = 2", "seed = 2"): ("line 7", "did you mean seeds?"),
    ('"simulate"', '"simulat"'): ("line 6", "'simulat'", "simulate"),
    ('"simulate"', '"personas"'): ("line 6", "leaves a run"),
    ("tax_years = 1", "tax_yaers = 1"): ("line 8", "did you mean tax_years?"),
    ("tax_years = 1", 'tax_years = "one"'): ("line 8", "tax_years", "int"),
    ("tax_years = 1", "tax_years = 0"): ("--tax-years must be at least 1; got 0",),
    ("tax_years = 1", "seed = 1"): ("line 8", "say seeds beside choices"),
    ("[1, 2] }", "[] }"): ("line 9", "varies over no value"),
    ("[1, 2] }", "[1, 1] }"): ("two runs would be called life-tax-year-1-seed-0",),
    ('title = "Two', 'title = Two"'): ("line 2", "no TOML"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.items(), ids=lambda each: str(each[-1]))
def test_a_file_that_is_no_study_is_told_in_one_line(home, econjax, assert_told, change, words):
    assert change[0] in FILE
    (home / "lengths.toml").write_text(FILE.replace(*change, 1))
    assert_told(econjax("study", "lengths.toml"), "lengths.toml", *words)
    assert not (home / "runs").exists()


def test_a_study_that_is_none_is_told(econjax, assert_told, home):
    assert_told(econjax("study", "vote"), "no study of that name", "Did you mean votes?")
    assert_told(econjax("study"), "Which study?", "--list")
    assert_told(econjax("study", "votes", "--limit-dollars", 1), "needs --prices")


def test_what_is_complete_is_skipped_and_what_was_cut_short_finished(home, econjax, play, whole):
    engine = play(Steadfast(batches=3))
    ran = econjax("study", "lengths.toml")
    assert ran.code == 130
    assert ran.err.splitlines()[-1].endswith("to go on: econjax study lengths.toml")
    before = engine.answered
    engine = play(Steadfast())
    ran = econjax("study", "lengths.toml", "--json")
    assert ran.code == 0, ran.err
    assert engine.answered + before == sum(QUESTIONS.values())
    told = json.loads(ran.out)
    statuses = [run["status"] for run in told["runs"]]
    assert statuses == ["complete", "complete", "done", "done"]
    assert {run["run"]: run["questions"] for run in told["runs"]} == QUESTIONS
    for name in NAMES:
        assert rows(Path("runs", "lengths", name)) == rows(whole / name)
        assert "steps a tax year" in Path("runs", "lengths", f"{name}.txt").read_text()
    play(None)
    assert econjax("study", "lengths.toml").code == 0


def test_a_study_whose_runs_changed_is_refused_and_one_that_grew_goes_on(
    home, econjax, play, assert_told, whole
):
    shutil.copytree(whole, home / "runs" / "lengths")
    play(Steadfast())
    for change, words in (
        (("tax_years = 1", "tax_years = 2"), ("tax_years: 1 then, 2 now", "--name")),
        (("seeds = 2", "seeds = 1"), ("life-tax-year-1-seed-1", "does not have any more")),
    ):
        (home / "lengths.toml").write_text(FILE.replace(*change, 1))
        assert_told(econjax("study", "lengths.toml"), *words)
    (home / "lengths.toml").write_text(FILE.replace("seeds = 2", "seeds = 3", 1))
    told = json.loads(econjax("study", "lengths.toml", "--json").out)
    statuses = [run["status"] for run in told["runs"]]
    assert statuses == ["complete", "complete", "done"] * 2


def test_a_run_that_fails_is_listed_and_stops_no_other(home, econjax, play):
    play(Tired())
    ran = econjax("study", "lengths.toml", "--json")
    assert ran.code == 2
    assert "2 of 4 runs are not complete" in ran.err
    told = json.loads(ran.out)
    assert [run["status"] for run in told["runs"]] == ["done", "done", "failed", "failed"]
    assert "I am tired" in told["runs"][2]["why"]
    assert "I am tired" in Path("runs", "lengths", f"{NAMES[2]}.txt").read_text()
    play(Steadfast())
    told = json.loads(econjax("study", "lengths.toml", "--json").out)
    assert [run["status"] for run in told["runs"]] == ["complete", "complete", "done", "done"]


class Tired(Steadfast):
    """Answers two runs and no more."""

    def choose(self, prompts, options):
        if self.answered >= QUESTIONS[NAMES[0]] + QUESTIONS[NAMES[1]]:
            raise EngineError("I am tired.")
        return super().choose(prompts, options)


@pytest.mark.parametrize("limit", ["tokens", "dollars"])
def test_one_budget_is_over_all_runs(home, econjax, play, limit, whole):
    play(Steadfast())
    spent = [spent_by(whole / name) for name in NAMES]
    tokens = sum(each.prompt_tokens + each.answer_tokens for each in spent)
    given = {"tokens": ("--limit-tokens", tokens // 2)}
    given["dollars"] = ("--limit-dollars", tokens / 2e6, "--prices", 1, 1)
    ran = econjax("study", "lengths.toml", *given[limit], "--json")
    assert ran.code == 2
    assert "runs are not complete; to go on: econjax study lengths.toml" in ran.err
    told = json.loads(ran.out)
    statuses = [run["status"] for run in told["runs"]]
    assert statuses[0] == "done"
    assert statuses[-1] == "left"
    assert told["in_all"]["tokens_read"] + told["in_all"]["tokens_written"] <= tokens // 2
    if limit == "tokens":
        ran = econjax("study", "lengths.toml", "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["in_all"]["questions"] == sum(QUESTIONS.values())


def test_a_dry_run_says_beforehand_what_is_asked(home, econjax, play, whole):
    play(Steadfast())
    told = json.loads(econjax("study", "lengths.toml", "--dry-run", "--json", "--prices", 1, 2).out)
    assert not Path("runs").exists()
    assert {run["run"]: run["questions"] for run in told["runs"]} == QUESTIONS
    assert [run["source"] for run in told["runs"]] == [
        source for name in NAMES[::2] for source in (REHEARSED, f"as {name}")
    ]
    shutil.copytree(whole, home / "runs" / "lengths")
    play(None)
    done = json.loads(econjax("study", "lengths.toml", "--json").out)
    for name in ("tokens_read", "tokens_written"):
        assert told["in_all"][name] / done["in_all"][name] == pytest.approx(1, abs=0.05)
    paid = told["in_all"]["tokens_read"] + 2 * told["in_all"]["tokens_written"]
    assert told["in_all"]["dollars"] == pytest.approx(paid / 1e6)
    left = json.loads(econjax("study", "lengths.toml", "--dry-run", "--json").out)
    assert (left["complete"], left["runs"]) == (4, [])
    again = json.loads(
        econjax("study", "lengths.toml", "--dry-run", "--json", "--runs", "runs/lengths").out
    )
    assert {run["run"]: run["questions"] for run in again["runs"]} == QUESTIONS
    assert again["runs"][0]["source"].startswith("the run runs/lengths/life-tax-year-1-seed-")


REHEARSED = "a rehearsal, and a probe of the model's speed"


def test_the_commands_of_a_study_are_those_that_leave_runs():
    assert set(commands_of_runs()) == {name for name, one in COMMANDS.items() if one.leaves_run}
    assert INDEX == "study.json"


def test_a_choice_of_a_later_version_is_as_it_was_where_nothing_is_said(
    home, econjax, play, assert_told, whole
):
    shutil.copytree(whole, home / "runs" / "lengths")
    index = home / "runs" / "lengths" / "study.json"
    told = json.loads(index.read_text())
    for run in told["runs"].values():
        del run["config"]["nudges"], run["config"]["score"]
    index.write_text(json.dumps(told))
    play(Steadfast())
    ran = json.loads(econjax("study", "lengths.toml", "--json").out)
    assert {run["status"] for run in ran["runs"]} == {"complete"}
    index.write_text(json.dumps(told))
    changed = FILE.replace("choices = {", "choices = { nudges = false,", 1)
    (home / "lengths.toml").write_text(changed)
    assert_told(econjax("study", "lengths.toml"), "nudges: None then, False now")
