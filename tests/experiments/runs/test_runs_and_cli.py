import json
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from experiments.compare.config import CompareConfig
from experiments.compare.contest import OPTIMISER
from experiments.core.registry import REGISTRY
from experiments.runs.directory import make_run, new_run_path, read_manifest, write_table
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine

ALWAYS = {"manifest.json", "metrics.parquet", "timings.parquet", "schedules.png", "welfare.png"}
SMALL = ("--agents", 300, "--evaluations", 3)
QUICK = (
    "--workers",
    "rational",
    *SMALL,
    "--welfare",
    "rawlsian",
    "--planners",
    "federal",
    "random",
)
FEW = ("--agents", 20, "--evaluations", 2, "--repetitions", 2, "--welfare", "rawlsian")
LLM_WORKERS = ("--workers", "llm", "--mode", "text", *FEW)


def shell(*arguments, cwd):
    """Run the command line as a user does, in a process of its own."""
    command = [sys.executable, "-m", "experiments.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def strict(text):
    """Read JSON that holds neither NaN nor Infinity."""

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(files):
    """Return what stands in a run directory itself, and check that each schedule is one."""
    kept = {name: data for name, data in files.items() if name.startswith("schedules/")}
    assert "schedules/law.json" in kept
    assert all(strict(data)["rates"] for data in kept.values())
    return set(files) - set(kept)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a run from the shell, without models: its directory and how it ended."""
    home = tmp_path_factory.mktemp("home")
    return home / "runs" / "first", shell("compare", *QUICK, "--json", "--name", "first", cwd=home)


@pytest.fixture
def one(plain, runs):
    """Return a copy of that run, to do with as one likes."""
    return shutil.copytree(plain[0], runs / "one")


def test_a_plain_run_from_the_shell(plain):
    path, ran = plain
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    result = strict(ran.stdout)  # one document and nothing else
    assert path == path.parents[1] / result["run"]
    assert result["engine"] is None
    planners = [REGISTRY["federal"].name, REGISTRY["random"].name, OPTIMISER]
    assert [row["planner"] for row in result["tables"]["Rawlsian"]] == planners
    assert names(contents(path)) == ALWAYS


def test_a_run_directory_says_what_was_run(plain):
    manifest = strict((plain[0] / "manifest.json").read_text())
    assert manifest["engine"] is None
    assert {"python", "jax", "numpy", "econjax"} <= set(manifest["versions"])
    assert manifest["hardware"]["devices"]
    planners = ("federal", "random")
    expected = CompareConfig(
        workers=("rational",), agents=300, evaluations=3, welfare=("rawlsian",), planners=planners
    )
    found = read_manifest(plain[0])
    assert found["command"] == "compare"
    assert CompareConfig.fromdict(found["config"]) == expected


def test_a_run_directory_says_what_came_out(plain):
    path, ran = plain
    for figure in ("schedules.png", "welfare.png"):
        assert (path / figure).read_bytes().startswith(b"\x89PNG")
    metrics, timings = (
        pq.read_table(path / f"{name}.parquet").to_pylist() for name in ("metrics", "timings")
    )
    rows = strict(ran.stdout)["tables"]["Rawlsian"]
    assert len(metrics) == (1 + 1) + (3 + 1) + 1
    assert {row["agents"] for row in metrics} == {300}
    recommended = {r["planner"]: r["equivalent"] for r in metrics if r["kind"] == "recommended"}
    assert recommended == {row["planner"]: row["equivalent"] for row in rows}
    assert [timing["planner"] for timing in timings] == [row["planner"] for row in rows]


@pytest.mark.usefixtures("brief_search")
def test_the_table_for_people_names_every_planner_and_the_run(econjax, runs):
    ran = econjax("compare", *QUICK, "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    for name in (REGISTRY["federal"].name, REGISTRY["random"].name, OPTIMISER):
        assert name in ran.out
    assert f"Run directory: {runs / 'one'}" in ran.out
    assert "300 rational workers" in ran.out


def test_a_name_that_is_taken_is_refused_and_nothing_is_overwritten(
    econjax, runs, play, assert_told
):
    play(None)
    taken = runs / "mine"
    taken.mkdir(parents=True)
    (taken / "manifest.json").write_text("precious")
    for choices in (QUICK, LLM_WORKERS):
        ran = econjax("compare", *choices, "--runs", runs, "--name", "mine")
        assert_told(ran, str(taken), "Choose another --name")
        assert contents(taken) == {"manifest.json": b"precious"}


@pytest.mark.parametrize(
    ("choices", "value", "remedy"),
    [
        (("--agents", 1), "1", "at least 2"),
        (("--evaluations", 0), "0", "at least 1"),
        (("--temperature", -1), "-1", "not be negative"),
        (("--year", 1900), "1900", "2013 to 2026"),
        (("--status", "widowed"), "'widowed'", "choose one of single, joint"),
        (("--elasticity", -1), "-1", "positive"),
        (
            ("--workers", "llm", "--server", "http://127.0.0.1:9/v1"),
            "http://127.0.0.1:9/v1",
            "start the server",
        ),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_line_and_leaves_no_run(
    econjax, runs, assert_told, choices, value, remedy
):
    planners = () if "--server" in choices else ("--planners", "flat")
    ran = econjax("compare", "--runs", runs, *choices, *planners)
    assert_told(ran, value, remedy)
    assert not runs.exists() or not any(runs.iterdir())


def test_a_model_that_does_not_exist_is_told_from_the_shell(tmp_path):
    nowhere = str(tmp_path / "no-model")
    ran = shell("compare", "--model", nowhere, cwd=tmp_path)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    [line] = ran.stderr.splitlines()
    assert line.startswith("econjax: ")
    assert nowhere in line
    assert "config.json" in line
    assert not (tmp_path / "runs").exists()


def test_a_mistake_in_the_shell_ends_with_code_2(tmp_path):
    ran = shell("compare", "--year", 1900, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("econjax: No federal schedule for year 1900")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param(LLM_WORKERS, id="workers and planner"),
        pytest.param(("--workers", "rational", *SMALL), id="planner"),
        pytest.param(FEW, id="both kinds of workers"),
    ],
)
@pytest.mark.usefixtures("brief_search")
def test_a_replay_needs_no_engine_and_gives_the_same_bytes(
    econjax, runs, play, improviser, choices
):
    play(improviser())
    planners = ("--planners", "federal", "random", "llm")
    ran = econjax("compare", *choices, *planners, "--runs", runs, "--name", "one", "--json")
    assert ran.code == 0, ran.err
    before = contents(runs / "one")
    cards = set() if "rational" in choices else {"validity.json"}
    assert names(before) == ALWAYS | {"journal.sqlite"} | cards
    play(None)
    again = econjax("replay", runs / "one", "--json")
    assert again.code == 0, again.err
    assert "identical" in again.err
    after = contents(runs / "one-replay")
    assert after["metrics.parquet"] == before["metrics.parquet"]
    assert contents(runs / "one") == before
    told, retold = strict(ran.out), strict(again.out)
    assert retold["engine"] == told["engine"] == strict(before["manifest.json"])["engine"]
    for title, rows in told["tables"].items():
        for row, other in zip(rows, retold["tables"][title], strict=True):
            assert {k: v for k, v in row.items() if k != "seconds"} == {
                k: v for k, v in other.items() if k != "seconds"
            }


def test_a_run_without_a_model_is_replayed_to_the_same_bytes_in_another_process(one):
    ran = shell("replay", one, "--name", "two", cwd=one.parent)
    assert ran.returncode == 0, ran.stderr
    assert contents(one.parent / "two")["metrics.parquet"] == contents(one)["metrics.parquet"]


@pytest.mark.usefixtures("brief_search")
def test_a_replay_that_differs_says_so(econjax, one):
    write_table(one / "metrics.parquet", [{"equivalent": 1.0}])
    ran = econjax("replay", one)
    assert ran.code == 2
    assert "metrics.parquet is NOT identical" in ran.err
    assert str(one) in ran.err
    assert "Traceback" not in ran.err


def test_a_replay_without_its_journal_is_refused(econjax, runs, play, improviser, assert_told):
    play(improviser())
    ran = econjax("compare", *LLM_WORKERS, "--planners", "federal", "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    journal = runs / "one" / "journal.sqlite"
    journal.unlink()
    play(None)
    assert_told(
        econjax("replay", runs / "one"), str(journal), "There is no journal", "correct the path"
    )
    assert [path.name for path in runs.iterdir()] == ["one"]


def test_a_replay_of_what_is_no_run_is_refused(econjax, runs, assert_told):
    runs.mkdir()
    for folder in (runs, runs / "nowhere"):
        assert_told(
            econjax("replay", folder),
            str(folder),
            "holds no run",
            "Give the path that the run printed",
        )
    assert list(runs.iterdir()) == []


def test_a_replay_of_a_run_that_was_interrupted_is_refused(econjax, one, assert_told):
    (one / "metrics.parquet").unlink()
    assert_told(econjax("replay", one), str(one), "metrics.parquet")
    assert [path.name for path in one.parent.iterdir()] == ["one"]


class Failing(ScriptedEngine):
    """Answers `calls` batches and is gone."""

    def __init__(self, calls):
        super().__init__(lambda prompt: '{"hours": 35}' if "week" in prompt.personal else NO_CHANGE)
        self.calls = calls

    def complete(self, prompts, schema, *, samples=1, max_tokens=64):
        self.calls -= 1
        if self.calls < 0:
            raise EngineError("The server has left.")
        return super().complete(prompts, schema, samples=samples, max_tokens=max_tokens)


NO_CHANGE = '{"changes": [0, 0, 0, 0, 0, 0, 0]}'


def test_a_run_cut_short_keeps_its_answers_and_is_finished_from_there(
    econjax, runs, play, assert_told
):
    choices = (
        *LLM_WORKERS,
        "--planners",
        "federal",
        "llm",
        "--runs",
        runs,
    )
    play(Failing(7))
    ran = econjax("compare", *choices, "--name", "one")
    assert ran.code == 2
    assert (
        f"The server has left. Answers so far are kept; to go on: econjax resume {runs / 'one'}"
        in ran.err
    )
    assert_told(
        econjax("replay", runs / "one"), "it did not finish", f"econjax resume {runs / 'one'}"
    )
    rest = play(Failing(10**6))
    assert econjax("resume", runs / "one").code == 0
    resumed = 10**6 - rest.calls
    assert econjax("compare", *choices, "--name", "whole").code == 0
    whole = 10**6 - rest.calls - resumed
    assert resumed == whole - 7
    assert contents(runs / "one")["metrics.parquet"] == contents(runs / "whole")["metrics.parquet"]
    assert_told(econjax("resume", runs / "one"), "is finished", "econjax replay")


def test_a_model_that_nobody_understands_ends_the_run_with_its_words(econjax, runs, play):
    play(ScriptedEngine(lambda prompt: "bla"))
    ran = econjax("compare", *LLM_WORKERS, "--planners", "federal", "--runs", runs, "--name", "one")
    assert ran.code == 2
    assert "econjax: 100% of the workers' answers could not be read" in ran.err
    assert "'bla'" in ran.err
    assert "Traceback" not in ran.err


def test_a_run_whose_model_is_noise_says_so(econjax, runs, play, improviser):
    play(improviser(noise=True))
    ran = econjax("compare", *LLM_WORKERS, "--planners", "federal", "llm", "--runs", runs)
    assert ran.code == 0, ran.err
    assert "ITS ANSWERS ARE NOISE" in ran.out
    assert "(workers are noise)" in ran.out


def test_a_run_without_a_name_is_called_by_its_time(tmp_path):
    path = new_run_path(tmp_path, None, command="compare")
    assert path.parent == tmp_path
    assert path.name.startswith("compare-2")
    path.mkdir()
    with pytest.raises(ValueError, match="exists"):
        new_run_path(tmp_path, path.name, command="compare")


def test_equal_rows_give_equal_bytes(tmp_path):
    rows = [
        {"name": "a", "value": 0.1, "rates": [0.1, 0.2]},
        {"name": "b", "value": 1e-300, "rates": []},
    ]
    for name in ("one", "two"):
        write_table(tmp_path / name, [dict(row) for row in rows])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert pq.read_table(tmp_path / "one").to_pylist() == rows


def test_a_run_directory_appears_with_its_manifest(tmp_path):
    """A process killed before leaves nothing that could be taken for a run or stands in the way."""
    path = tmp_path / "runs" / "one"
    (path.parent / ".one").mkdir(parents=True)
    (path.parent / ".one" / "manifest.json").write_text("{ half of")
    choices = {
        "command": "compare",
        "config": {"seed": 1},
        "limits": {"limit_tokens": 9},
        "engine": None,
    }
    make_run(path, **choices)
    assert choices.items() <= read_manifest(path).items()
    assert list(path.parent.iterdir()) == [path]
