"""Models that plan and models that work, from the command line: one journal each, one budget."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from experiments.core import engines
from experiments.runs.directory import read_manifest
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine

AGENTS = 6
FEW = ("compare", "--workers", "llm", "--agents", AGENTS, "--evaluations", 2, "--tax-year", 1)
FEW += ("--repetitions", 2, "--welfare", "rawlsian", "--planners", "federal", "llm")
APART = ("--planner-model", "one", "two", "--worker-model", "three")


class Named(ScriptedEngine):
    """Finds any option as likely as another; has a name and maybe a server."""

    def __init__(self, name, server=None, lasts=10**9):
        self.name, self.server, self.asked, self.lasts = name, server, [], lasts
        super().__init__(str, likelihood=lambda prompt, option: 1.0)

    def choose(self, prompts, options):
        if len(self.asked) >= self.lasts:
            raise EngineError("The model has gone.")
        self.asked += prompts
        return super().choose(prompts, options)

    def describe(self):
        return replace(super().describe(), model=self.name, url=self.server or "")


class Cast(dict):
    """Starts engines by name, and keeps them; `lasts` says how many prompts a model answers."""

    def __init__(self):
        super().__init__()
        self.lasts = {}

    def start(self, options):
        model = options.model
        assert model not in self, "one engine for each model"
        self[model] = Named(model, options.server, self.lasts.get(model, 10**9))
        return self[model]


@pytest.fixture
def cast(monkeypatch):
    cast = Cast()
    monkeypatch.setattr(engines, "start_engine", cast.start)
    return cast


def rows_of(path):
    return pq.read_table(path / "metrics.parquet").to_pylist()


def test_every_model_has_an_engine_and_a_journal_and_replays_without(econjax, cast, runs):
    ran = econjax(*FEW, *APART, "--runs", runs, "--name", "a")
    assert ran.code == 0, ran.err
    assert set(cast) == {"one", "two", "three"}
    assert len(list((runs / "a").glob("journal*.sqlite"))) == 3
    assert "language model: one" in ran.out
    assert {row["worker_model"] for row in rows_of(runs / "a")} == {"three"}
    assert {row["planner_model"] for row in rows_of(runs / "a")} == {None, "one", "two"}
    cast.clear()
    again = econjax("replay", runs / "a")
    assert (again.code, "is identical" in again.err) == (0, True), again.err
    assert not cast


def test_a_run_that_a_model_cut_short_is_finished_with_nothing_asked_again(econjax, cast, runs):
    whole = econjax(*FEW, *APART, "--runs", runs, "--name", "whole")
    assert whole.code == 0, whole.err
    all_of_it = {name: len(engine.asked) for name, engine in cast.items()}
    cast.clear()
    cast.lasts["three"] = 20
    cut = econjax(*FEW, *APART, "--runs", runs, "--name", "cut")
    assert cut.code != 0
    assert "econjax resume" in cut.err
    before = {name: len(engine.asked) for name, engine in cast.items()}
    cast.clear()
    cast.lasts.clear()
    ended = econjax("resume", runs / "cut")
    assert ended.code == 0, ended.err
    for name, engine in cast.items():
        assert before[name] + len(engine.asked) == all_of_it[name]
    one, other = (runs / name / "metrics.parquet" for name in ("whole", "cut"))
    assert one.read_bytes() == other.read_bytes()


def test_servers_are_not_written_down_and_are_asked_for_again(econjax, cast, runs, assert_told):
    cast.lasts["two"] = 0
    places = ("--planner-server", "http://me:secret@host/v1", "http://other/v1")
    cut = econjax(*FEW, *APART, *places, "--runs", runs, "--name", "cut")
    assert cut.code != 0
    assert (cast["one"].server, cast["three"].server) == ("http://me:secret@host/v1", None)
    assert "secret" not in json.dumps(read_manifest(runs / "cut")["config"])
    assert_told(econjax("resume", runs / "cut"), "asked the server", "--planner-server")
    cast.clear()
    cast.lasts.clear()
    ended = econjax("resume", runs / "cut", *places)
    assert ended.code == 0, ended.err


def test_models_share_one_limit(econjax, cast, runs):
    free = econjax(*FEW, *APART, "--runs", runs, "--name", "free")
    assert free.code == 0, free.err

    def spent():
        return {
            name: sum(sum(engine.count(list(prompt))) + 1 for prompt in engine.asked)
            for name, engine in cast.items()
        }

    every = spent()
    limit = sum(every.values()) - min(every.values()) // 2
    assert limit > max(every.values())
    cast.clear()
    ran = econjax(*FEW, *APART, "--runs", runs, "--name", "few", "--limit-tokens", limit)
    assert ran.code != 0
    assert f"of {limit:,} are spent" in ran.err
    assert sum(spent().values()) <= limit


def test_the_formula_works_without_any_engine(econjax, cast, runs):
    only = ("--worker-model", "formula", "--runs", runs, "--name", "formula")
    ran = econjax(*FEW[:-2], "federal", *only)
    assert ran.code == 0, ran.err
    assert not cast
    assert "workers of the formula" in ran.out
    assert "no claim about people" in ran.out
    assert not list((runs / "formula").glob("journal*"))
