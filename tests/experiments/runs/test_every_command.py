"""Every command that asks a model leaves a run: cut short twice, finished, replayed, and pooled."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.contest import run as contest
from experiments.core.commands import COMMANDS
from experiments.core.registry import REGISTRY
from experiments.optimum import models
from experiments.optimum.config import OptimumConfig
from experiments.runs.directory import read_manifest
from experiments.runs.rows import run_columns
from experiments.runs.spending import spent_by
from experiments.scoreboard import run as board
from experiments.simulate.config import SimulateConfig
from tests.helpers.steadfast import Steadfast

PLANNERS = ("--planners", "federal", "llm")
FEW = ("--agents", 6)
YEAR = ("--evaluations", 2, "--welfare", "rawlsian")
RUNS = {
    "compare": (*FEW, *PLANNERS, *YEAR, "--no-uninformed", "--workers", "llm"),
    "simulate": (*FEW, "--tax-years", 2, "--tax-year", 2),
    "audit": (*FEW, "--samples", 1, "--elections", 1),
    "people": (*FEW, "--samples", 1),
    "sense": (*FEW, "--cases", 2),
    "scoreboard": (*FEW, *PLANNERS, *YEAR, "--populations", 2, "--economies", "acs"),
    "contest": (*FEW, *YEAR, "--seeds", 2),
    "transfer": (
        *FEW,
        "--planners",
        "federal",
        "random",
        "--seeds",
        2,
        "--evaluations",
        2,
        2,
        "--welfare",
        "rawlsian",
    ),
    "optimum": (*FEW, "--workers", "llm", "--welfare", "rawlsian"),
}
POOLED = {"run", "command", "version", "economy", "elasticity", "agents", "seed"}
POOLED |= {"welfare", "aversion", "planner_model", "worker_model"}
OF_THE_FIRST_ROUND = ("compare", "simulate")
"""Commands whose rows have columns of their own."""


def test_the_table_holds_every_command_that_asks_a_model():
    asks = {name for name, command in COMMANDS.items() if command.leaves_run} - {"sweep", "study"}
    assert asks == set(RUNS)


@pytest.fixture
def brief(brief_fits, monkeypatch, brief_search):
    monkeypatch.setattr(models, "SEARCH", models.Search(2, 1, 1, 2, 1))
    monkeypatch.setattr(models, "_flat", lambda evaluate, law: law)
    monkeypatch.setattr(models, "climb", partial(models.climb, steps=2))
    monkeypatch.setattr(board, "best_found", partial(board.best_found, steps=2, most=10))
    few = [REGISTRY[name] for name in ("surrogate", "federal", "llm")]
    monkeypatch.setattr(contest, "ENTRANTS", few)
    with brief_fits():
        yield


@pytest.mark.parametrize("command", RUNS)
def test_a_run_cut_short_twice_ends_as_one_that_was_not(command, econjax, play, runs, brief):
    whole, parts = runs / "whole", runs / "parts"
    choices = (command, *RUNS[command], "--runs", runs, "--name")
    engine = play(Steadfast())
    assert econjax(*choices, "whole").code == 0
    asked, batches, spent = engine.answered, 10**9 - engine.batches, spent_by(whole)
    tokens = spent.prompt_tokens + spent.answer_tokens
    assert spent.prompts == asked

    ended = play(Steadfast(batches // 3))
    ran = econjax(*choices, "parts")
    assert (ran.code, f"econjax resume {parts}" in ran.err) == (130, True)
    asked -= ended.answered
    ended = play(Steadfast())
    ran = econjax("resume", parts, "--limit-tokens", 2 * tokens // 3)
    assert (ran.code, "higher limit" in ran.err) == (2, True)
    assert spent_by(parts).prompt_tokens < tokens
    assert not (parts / "metrics.parquet").exists()
    asked -= ended.answered
    ended = play(Steadfast())
    ran = econjax("resume", parts, "--limit-tokens", 2 * tokens)
    assert ran.code == 0, ran.err
    assert ended.answered == asked
    assert (parts / "metrics.parquet").read_bytes() == (whole / "metrics.parquet").read_bytes()
    play(None)
    ran = econjax("replay", parts)
    assert "is identical" in ran.err, ran.err
    _check_rows(whole, nested=command in OF_THE_FIRST_ROUND)


def _check_rows(path, *, nested):
    """Check that rows say what is needed to pool them, in columns of one value each."""
    table, manifest = pq.read_table(path / "metrics.parquet"), read_manifest(path)
    assert set(table.column_names) > POOLED - ({"welfare", "aversion"} if nested else set())
    assert not any(pa.types.is_null(kind) for kind in table.schema.types)
    assert nested == any(pa.types.is_nested(kind) for kind in table.schema.types)
    rows = table.to_pylist()
    assert {row["command"] for row in rows} == {manifest["command"]}
    assert {row["version"] for row in rows} == {manifest["versions"]["econjax"]}
    assert len({row["run"] for row in rows}) == 1
    if not nested:
        of_none = manifest["command"] in ("people", "sense")  # figures of no welfare function
        assert {row["welfare"] for row in rows} <= ({None} if of_none else {"rawlsian", "atkinson"})
    models = {row[who] for row in rows for who in ("planner_model", "worker_model")}
    assert models <= {None, "improviser"} != {None}


def test_an_economy_keeps_its_name_in_a_replay_and_its_digest_when_its_file_is_gone(
    econjax, runs, tmp_path, brief
):
    file = tmp_path / "mine.toml"
    file.write_text("[preferences]\nelasticity = 0.5\n")
    size = (*FEW, "--planners", "federal", "--evaluations", 1, "--populations", 2)
    choices = ("--economy", file, "--economies", "own", "--welfare", "rawlsian", *size)
    assert econjax("scoreboard", *choices, "--runs", runs, "--name", "one").code == 0
    file.unlink()
    ran = econjax("replay", runs / "one")
    assert "is identical" in ran.err, ran.err
    [name] = set(pq.read_table(runs / "one" / "metrics.parquet")["economy_name"].to_pylist())
    assert name == "mine"


def test_equal_choices_have_one_digest_and_others_another(tmp_path):
    file = tmp_path / "economy.toml"
    file.write_text("[preferences]\nelasticity = 0.5\n")
    one, again = (OptimumConfig.of_file(file, agents=30) for _ in range(2))
    other = replace(one, seed=1, name="other", limit_tokens=3)
    first, same, third = (_columns("optimum", each) for each in (one, again, other))
    assert first == same
    assert (first["economy"], first["elasticity"]) == (third["economy"], 0.5)
    assert first["run"] != third["run"] != _columns("contest", other)["run"]
    file.write_text("[preferences]\nelasticity = 0.4\n")
    assert _columns("optimum", one)["economy"] != first["economy"]


def test_a_digest_is_of_what_figures_depend_on(tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("who\n", "utf-8")
    one = SimulateConfig(population=str(people), most_unread=0.1)
    moved = tmp_path / "moved.csv"
    people.rename(moved)
    again = replace(one, population=str(moved), most_unread=0.9, limit_tokens=7)
    moved.write_text("who\n", "utf-8")
    kept = _columns("simulate", again)
    people.write_text("who\n", "utf-8")
    assert _columns("simulate", one) == kept
    people.write_text("others\n", "utf-8")
    assert _columns("simulate", one)["run"] != kept["run"]
    assert _columns("simulate", one)["economy"] == kept["economy"]


def _columns(command, config):
    return run_columns(command, config.asdict(), config.carried()) | config.columns()
