"""Runs killed, interrupted or left by their server go on from there, and end with equal bytes."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_policy.engines.base import Interrupted

ROOT = Path(__file__).parents[3]
RUN = (
    "--scenario",
    "democratic",
    "--agents",
    6,
    "--tax-years",
    4,
    "--tax-year",
    8,
    "--brackets",
    "three",
    "--mode",
    "text",
)
KILLS = 3


def begin(*arguments, cwd, batches=None):
    """Start the command line in its own process; with `batches` only the test ends it."""
    command = [sys.executable, "-m", "tests.helpers.improvising", *map(str, arguments)]
    environment = (
        os.environ
        | {"PYTHONPATH": str(ROOT)}
        | ({} if batches is None else {"BATCHES": str(batches)})
    )
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answers(path):
    """Return what the journal of a run holds, by key; nothing if there is none yet."""
    if not (path / "journal.sqlite").exists():
        return {}
    with contextlib.closing(sqlite3.connect(path / "journal.sqlite")) as journal:
        (tables,) = journal.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'calls'"
        ).fetchone()
        return dict(journal.execute("SELECT key, answer FROM calls")) if tables else {}


def wait_for(process, true):
    """Wait until something is true, or the process ends."""
    deadline = time.monotonic() + 120
    while process.poll() is None and not true():
        assert time.monotonic() < deadline, "nothing happened in two minutes"
        time.sleep(0.02)


def more_answers(path, than):
    """Return whether a journal that is being written holds more answers than before."""
    return lambda: (path / "journal.sqlite-wal").exists() and len(answers(path)) > than


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return a run that was killed several times and then finished, and the answers at each kill.

    The first time it had just made its directory.
    """
    home, draw = tmp_path_factory.mktemp("home"), random.Random(7)
    path, kept = home / "runs" / "one", []
    process = begin("simulate", *RUN, "--name", "one", cwd=home, batches=10)
    for kill in range(KILLS):
        wait_for(process, more_answers(path, len(kept[-1])) if kept else path.exists)
        time.sleep(draw.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (path / "metrics.parquet").exists()
        kept.append(
            answers(shutil.copytree(path, home / f"kill {kill}"))
        )  # whoever opens it mends it
        process = begin("resume", path, cwd=home, batches=10 if kill < KILLS - 1 else None)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"Run directory: {path}" in out
    return path, kept


def test_no_answer_is_lost_or_asked_again(killed):
    path, kept = killed
    final = answers(path)
    sizes = [len(some) for some in kept]
    assert 0 <= sizes[0] < sizes[1] < sizes[2] < len(final)
    for some in kept:
        assert some.items() <= final.items()


def test_a_killed_run_ends_as_one_that_was_not(killed, econjax, play):
    path, _ = killed
    play(None)
    ran = econjax("replay", path)
    assert ran.code == 0, ran.err
    assert "is identical" in ran.err
    for name in ("metrics.parquet", "workers.parquet", "people.csv", "government.json"):
        assert (path.with_name("one-replay") / name).read_bytes() == (path / name).read_bytes()
    assert not [file.name for file in path.iterdir() if file.name.startswith(".")]


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    path = tmp_path / "runs" / "one"
    process = begin("simulate", *RUN, "--name", "one", cwd=tmp_path, batches=1)
    wait_for(process, more_answers(path, 0))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith("econjax: interrupted. Answers so far are kept")
    assert line.endswith("econjax resume runs/one")
    assert answers(path)


@pytest.mark.parametrize(
    "left", ["people.csv", "workers.parquet", "welfare.png", "government.json"]
)
def test_a_run_killed_while_it_wrote_its_files_is_finished(econjax, play, improviser, runs, left):
    """Files but the metrics, which come last and whole, may be there, half written, or missing."""
    path = runs / "one"
    play(improviser())
    choices = (
        "--agents",
        6,
        "--tax-years",
        1,
        "--tax-year",
        2,
        "--planner",
        "fixed",
        "--brackets",
        "three",
    )
    assert econjax("simulate", *choices, "--runs", runs, "--name", "one").code == 0
    metrics, before = (
        path / "metrics.parquet",
        {file.name: file.read_bytes() for file in path.iterdir()},
    )
    metrics.rename(path / ".metrics.parquet")
    (path / left).write_bytes(before[left][:50])
    engine = play(improviser(1))
    ran = econjax("resume", path)
    assert ran.code == 0, ran.err
    assert not engine.said
    for name in (
        "metrics.parquet",
        "people.csv",
        "workers.parquet",
        "government.json",
        "welfare.png",
    ):
        assert (path / name).read_bytes() == before[name], name
    assert not (path / ".metrics.parquet").exists()


def test_a_server_that_fails_for_good_costs_no_answer(econjax, play, improviser, runs, assert_told):
    """What it answered of the batch in which it failed is kept too."""

    class Failing(improviser):
        left = 10

        def complete(self, prompts, schema, **options):
            some = super().complete(prompts[: self.left], schema, **options)
            self.left -= len(some)
            if len(some) < len(prompts):
                raise Interrupted("The server is gone.", range(len(some)), some)
            return some

    path = runs / "one"
    engine = play(Failing())
    choices = (
        "--agents",
        6,
        "--tax-years",
        1,
        "--tax-year",
        3,
        "--planner",
        "fixed",
        "--brackets",
        "three",
        "--mode",
        "text",
    )
    ran = econjax("simulate", *choices, "--runs", runs, "--name", "one")
    last = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert last.startswith("econjax: The server is gone.")
    assert f"econjax resume {path}" in last
    assert len(engine.said) == 10
    kept = answers(path)
    assert len(kept) == 10
    assert_told(econjax("replay", path), "did not finish", f"econjax resume {path}")
    rest = play(improviser(1))
    assert econjax("resume", path).code == 0
    final = answers(path)
    assert kept.items() <= final.items()
    assert len(final) == 10 + len(rest.said)
    assert_told(econjax("resume", path), "is finished", "econjax replay")
