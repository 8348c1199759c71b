"""What stops a run, what it says, what it leaves, and how to go on."""

import json
import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from experiments.core import engines
from experiments.runs.directory import read_manifest
from llm_policy.engines.scripted import ScriptedEngine

AGENTS = 8
SMALL = (
    "--agents",
    AGENTS,
    "--tax-years",
    2,
    "--tax-year",
    2,
    "--brackets",
    "three",
    "--planner",
    "fixed",
    "--mode",
    "text",
)


def nothing_in(runs):
    return not runs.exists() or not list(runs.iterdir())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, econjax, improviser):
    """Return the directory of a finished simulation of workers with roles."""
    runs = tmp_path_factory.mktemp("home") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: improviser())
        ran = econjax("simulate", *SMALL, "--people", "roles", "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    return runs / "one"


@pytest.mark.parametrize(
    ("choices", "parts"),
    [
        ("--altruistic 0.7 --adversarial 0.6", ["sum to 1 at most; got 0.7 and 0.6"]),
        ("--altruistic -0.1", ["--altruistic is a share from 0 to 1; got -0.1"]),
        ("--most-unread 20", ["--most-unread is a share from 0 to 1; got 20"]),
        ("--candidates 0 --scenario democratic", ["--candidates must be at least 1; got 0"]),
        ("--term 0", ["--term must be at least 1; got 0"]),
        ("--term-limit 0", ["--term-limit must be at least 1; got 0"]),
        ("--tax-years 0", ["--tax-years must be at least 1; got 0"]),
        ("--warmup -1", ["--warmup must be at least 0; got -1"]),
        ("--queries -1", ["--queries must be at least 0; got -1"]),
        ("--queries 2 --planner fixed", ["--queries", "got 2", "leave them out"]),
        ("--queries 2 --scenario democratic", ["--queries", "got 2", "leave them out"]),
        ("--start -0.1", ["--start is a rate, a share of a dollar from 0 to 1; got -0.1"]),
        ("--start 35", ["--start", "got 35"]),
        ("--history 0", ["at least 1 latest step", "got 0"]),
        (
            "--scenario rational --people roles",
            ["Rational workers have no personas", "leave out --people"],
        ),
        ("--scenario rational --satisfaction-counts", ["leave out --satisfaction-counts"]),
        ("--think --mode choice", ["cannot think first", "use text mode"]),
        ("--population nobody.csv", ["there is no file nobody.csv", "people.csv"]),
        ("--limit-dollars 3", ["--limit-dollars needs --prices"]),
        ("--limit-tokens 0", ["--limit-tokens must be positive; got 0"]),
        ("--limit-seconds nan", ["--limit-seconds must be positive; got nan"]),
        ("--seed -1", ["--seed must be from 0", "got -1"]),
        (f"--seed {2**70}", ["--seed must be from 0", f"got {2**70}"]),
        ("--prices -1 2", ["--prices must not be negative; got -1.0 2.0"]),
    ],
)
def test_a_choice_that_makes_no_simulation_is_told_before_an_engine_starts(
    econjax, play, runs, assert_told, choices, parts
):
    play(None)
    assert_told(econjax("simulate", *SMALL, *choices.split(), "--runs", runs), *parts)
    assert nothing_in(runs)


def test_an_unknown_score_is_refused_with_those_there_are(econjax, play, finished, assert_told):
    play(None)
    assert econjax("simulate", "--score", "nash").code == 2
    ran = econjax("replay", finished, "--score", "nash", "--name", "nash")
    assert_told(ran, "--score takes some of atkinson, rawlsian, utilitarian", "got nash")
    assert not finished.with_name("nash").exists()


class Cramped(ScriptedEngine):
    """A model with little room, which nobody may ask."""

    def __init__(self):
        super().__init__(lambda prompt: pytest.fail("asked"))

    def describe(self):
        return replace(super().describe(), context=50)


@pytest.mark.parametrize("choices", [(), ("--scenario", "rational"), ("--mode", "choice")], ids=str)
def test_prompts_that_do_not_fit_are_told_with_their_length_before_anything_is_asked(
    econjax, play, runs, assert_told, choices
):
    play(Cramped())
    ran = econjax("simulate", *SMALL, *choices, "--runs", runs)
    assert_told(
        ran, "A worker's longest prompt", "tokens, but the model holds 50", "raise --context"
    )
    assert nothing_in(runs)


def spoil(people, how):
    lines = people.splitlines()
    return (
        "\n".join({"header": ["text", *lines[1:]], "short": lines[:-1], "empty": lines[:1]}[how])
        + "\n"
    )


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ("header", ["lacks written", "save_personas"]),
        ("short", [f"holds {AGENTS - 1} people, the population {AGENTS}"]),
        ("empty", ["holds no people"]),
    ],
)
def test_a_population_that_does_not_fit_is_told_and_leaves_no_run(
    econjax, play, improviser, finished, runs, assert_told, tmp_path, how, parts
):
    path = tmp_path / "some.csv"
    path.write_text(spoil((finished / "people.csv").read_text(), how))
    engine = play(improviser())
    assert_told(econjax("simulate", *SMALL, "--population", path, "--runs", runs), path, *parts)
    assert not engine.said
    assert nothing_in(runs)


def test_a_manifest_of_another_version_is_refused(econjax, play, finished, tmp_path, assert_told):
    play(None)
    other = shutil.copytree(finished, tmp_path / "other")
    manifest = read_manifest(finished)
    command, choices, limits = (
        manifest["command"],
        manifest["config"],
        {"limits": manifest["limits"]},
    )
    for manifest, parts in (
        (
            {"command": command, "config": choices | {"hat": 1}} | limits,
            ["another version of econjax", "'hat'"],
        ),
        ({"command": "guess", "config": choices} | limits, ["econjax guess", "does not know"]),
        ({"config": choices} | limits, ["no manifest of a run", "'command'"]),
        ([], ["no manifest of a run"]),
    ):
        (other / "manifest.json").write_text(json.dumps(manifest))
        for verb in ("replay", "resume"):
            assert_told(econjax(verb, other), *parts)


def test_what_is_over_is_not_resumed_and_what_is_not_is_not_replayed(
    econjax, play, finished, assert_told
):
    play(None)
    assert_told(
        econjax("resume", finished), f"{finished} is finished", f"econjax replay {finished}"
    )
    unfinished = finished.with_name("unfinished")
    shutil.copytree(finished, unfinished, ignore=shutil.ignore_patterns("metrics.parquet"))
    assert_told(econjax("replay", unfinished), "did not finish", f"econjax resume {unfinished}")
    assert_told(econjax("resume", finished.with_name("nowhere")), "holds no run")
    assert_told(
        econjax("resume", unfinished, "--limit-dollars", 1), "--limit-dollars needs --prices"
    )
    assert_told(econjax("resume", unfinished, "--most-unread", 2), "--most-unread", "got 2")


def test_another_model_does_not_go_on_with_a_run(
    econjax, play, improviser, finished, tmp_path, assert_told
):
    path = tmp_path / "one"
    shutil.copytree(finished, path, ignore=shutil.ignore_patterns("metrics.parquet"))
    play(improviser(noise=True))
    assert_told(econjax("resume", path), "is another engine's", "noise: False then, True now")


def test_too_many_unreadable_answers_stop_a_run_until_more_are_allowed(
    econjax, play, improviser, runs, assert_told
):
    engine = play(improviser(mumbles=0.75))
    path = runs / "one"
    ran = econjax("simulate", *SMALL, "--runs", runs, "--name", "one", "--most-unread", 0.1)
    line = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert "of the workers' answers could not be read after 3 attempts (at most 10%)" in line
    assert "'well, it depends'" in line
    assert f"Answers so far are kept; to go on: econjax resume {path}" in line
    assert "a limit that was met is raised there" in line
    asked = len(engine.said)
    again = econjax("resume", path)
    assert again.code == 2
    assert "(at most 10%)" in again.err
    assert len(engine.said) == asked
    ran = econjax("resume", path, "--most-unread", 0.95)
    assert ran.code == 0, ran.err
    understood = [row["understood"] for row in pq.read_table(path / "metrics.parquet").to_pylist()]
    assert min(understood) < 0.9
    play(None)
    again = econjax("replay", path)
    assert (again.code, "is identical" in again.err) == (0, True), again.err


def test_a_run_stops_before_a_limit_of_tokens_and_goes_on_with_a_higher_one(
    econjax, play, improviser, runs
):
    engine = play(improviser())
    path = runs / "one"
    ran = econjax("simulate", *SMALL, "--runs", runs, "--name", "one", "--limit-tokens", 9_000)
    line = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert line.startswith("econjax: The next ")
    assert "of 9,000 are spent" in line
    assert f"econjax resume {path}" in line
    spent = sum(len(" ".join(prompt).split()) + len(text.split()) for prompt, text in engine.said)
    assert 0 < spent <= 9_000
    before = list(engine.said)
    ran = econjax("resume", path, "--limit-tokens", 10_000_000)
    assert ran.code == 0, ran.err
    assert engine.said[: len(before)] == before
    play(improviser())  # says the same things again, since nothing was asked twice
    whole = econjax("simulate", *SMALL, "--runs", runs, "--name", "whole")
    assert whole.code == 0, whole.err
    first, second = (runs / name / "metrics.parquet" for name in ("one", "whole"))
    assert first.read_bytes() == second.read_bytes()


def test_a_limit_of_dollars_counts_what_is_read_and_written(econjax, play, improviser, runs):
    play(improviser())
    prices = ("--limit-dollars", 0.01, "--prices", 1, 2)
    ran = econjax("simulate", *SMALL, *prices, "--runs", runs, "--name", "one")
    assert ran.code == 2
    assert "dollars, and" in ran.err.splitlines()[-1]
    assert "of 0.01 are spent" in ran.err.splitlines()[-1]


def test_an_interrupt_while_the_engine_starts_leaves_nothing(econjax, monkeypatch, runs):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "start_engine", interrupted)
    ran = econjax("simulate", *SMALL, "--runs", runs)
    assert (ran.code, ran.out, ran.err) == (130, "", "econjax: interrupted.\n")
    assert nothing_in(runs)


def test_a_resume_keeps_within_the_limits_of_the_run(econjax, play, improviser, runs):
    play(improviser())
    choices = (*SMALL, "--limit-tokens", 6_000, "--runs", runs, "--name", "one")
    for ran in (econjax("simulate", *choices), econjax("resume", runs / "one")):
        assert ran.code == 2
        assert "of 6,000 are spent" in ran.err.splitlines()[-1]


def test_whoever_asked_a_server_is_told_to_name_it_again(
    econjax, finished, tmp_path, play, assert_told
):
    play(None)
    other = shutil.copytree(finished, tmp_path / "other")
    (other / "metrics.parquet").unlink()
    manifest = read_manifest(other)
    manifest["engine"]["url"] = "http://localhost:8000/v1"
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert_told(econjax("resume", other), "asked the server http://localhost:8000/v1", "--server")


@pytest.mark.parametrize(
    ("choices", "who"),
    [
        (("--agents", AGENTS, "--queries", 9), "planner"),
        (("--agents", AGENTS, "--scenario", "democratic"), "leader"),
        (("--agents", 60, "--scenario", "democratic", "--candidates", "None"), "voter"),
    ],
)
def test_the_longest_question_of_anyone_has_to_fit(
    econjax, play, improviser, runs, assert_told, choices, who
):
    engine = play(improviser())
    room = {"planner": 1_000, "leader": 1_000, "voter": 2_000}[who]
    engine.describe = lambda: replace(type(engine).describe(engine), context=room)
    choices = (*choices, "--mode", "text", "--history", 1, "--best", 0)
    ran = econjax("simulate", *choices, "--runs", runs)
    assert_told(ran, f"A {who}'s longest prompt", f"the model holds {room:,}")
    assert not engine.said
