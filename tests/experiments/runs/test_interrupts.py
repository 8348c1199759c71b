"""A signal while answers are outstanding: what has come is kept, and nobody waits for the rest."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.interrupted import holding_server

ROOT = Path(__file__).parents[3]
SMALL = ("--agents", 12, "--tax-years", 1, "--tax-year", 2, "--planner", "fixed", "--mode", "text")
ANSWERED = 6
LEARNT = 2
"""Questions before the run, by which a command learns what a server refuses."""
SIGNALS = {"SIGINT": "interrupted", "SIGTERM": "stopped by SIGTERM", "SIGHUP": "stopped by SIGHUP"}


HEEDING = """
import os, signal, sys
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def begin(*arguments, cwd):
    """Start the command line in a process that ignores no signal, as one under `nohup` does."""
    return subprocess.Popen(
        [sys.executable, "-c", HEEDING, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kept(path):
    with contextlib.closing(sqlite3.connect(path / "journal.sqlite")) as journal:
        return journal.execute("SELECT count(*) FROM calls").fetchone()[0]


@pytest.mark.parametrize("name", SIGNALS)
def test_what_has_come_is_kept_and_the_rest_not_waited_for(tmp_path, name):
    """The server holds six of twelve answers for two minutes: the process ends long before."""
    path = tmp_path / "runs" / "one"
    with holding_server(LEARNT + ANSWERED, '{"hours": 40}') as server:
        choices = ("--server", server.url, "--model", "small", "--name", "one")
        process = begin("-m", "experiments.cli", "simulate", *SMALL, *choices, cwd=tmp_path)
        try:
            assert server.waiting.wait(timeout=120)
            until = time.monotonic() + 30
            while time.monotonic() < until and (not path.exists() or kept(path) < ANSWERED):
                time.sleep(0.01)
            assert kept(path) == ANSWERED
            process.send_signal(getattr(signal, name))
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert not server.over.is_set()
    number = getattr(signal, name)
    assert (process.returncode, out) == (128 + number, ""), err
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith(f"econjax: {SIGNALS[name]}. Answers so far are kept; to go on: ")
    assert line.endswith("econjax resume runs/one --server ...")
    assert kept(path) == ANSWERED


DEAF = """
import signal, sys, time
from experiments.core.signals import advising, leave, stoppable
with stoppable(), advising("Go on so."):
    try:
        print("ready", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("heard", flush=True)  # and goes on, as a finaliser or a careless library would
        time.sleep(600)
"""


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("signals", [1, 2])
def test_who_does_not_hear_the_first_signal_is_ended_by_the_second_or_by_time(
    tmp_path, name, signals
):
    process = begin("-c", DEAF, cwd=tmp_path)
    try:
        assert process.stdout.readline() == "ready\n"
        for _ in range(signals):
            process.send_signal(getattr(signal, name))
            if signals > 1 and process.poll() is None:
                process.stdout.readline()
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + getattr(signal, name)
    assert err == f"econjax: {SIGNALS[name]}. Go on so.\n"


TURNED = {
    "while a class is made": """
class Name:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGTERM)
def work(arguments):
    type("Made", (), {"name": Name()})
""",
    "by a careful library": """
def work(arguments):
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        raise OSError("the line is cut") from error
""",
}


@pytest.mark.parametrize("how", TURNED)
def test_a_stop_that_has_become_another_error_is_a_stop(tmp_path, how):
    code = (
        f"import signal\nfrom experiments import cli\n{TURNED[how]}\ncli._main = work\ncli.main()"
    )
    process = begin("-c", code, cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (143, "", "econjax: stopped by SIGTERM.\n")


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code = ignoring + DEAF.replace("time.sleep(600)", "signal.raise_signal(signal.SIGHUP)", 1)
    process = begin("-c", code, cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "ready\n", "")


def test_a_few_kills_lose_nothing():
    """The whole of it: `python -m tests.helpers.kills --kills 200`."""
    command = [sys.executable, "-m", "tests.helpers.kills", "--kills", "3"]
    command += ["--kinds", "simulate, choice"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills 3; answers recorded" in done.stdout
    assert "lost 0; replays" in done.stdout
    assert "of which 0 differ" in done.stdout
