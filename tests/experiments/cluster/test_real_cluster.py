"""A real cluster of two workers, one of which is killed: nothing is lost, and nothing twice."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.helpers.fake_server import fake_server, reply
from tests.helpers.kills import recorded

pytest.importorskip("ray", reason="Ray is not installed: pip install 'econjax[ray]'")
ROOT = Path(__file__).parents[3]
STUDY = """
title = "Three lengths of a tax year"

[[runs]]
name = "life"
command = "simulate"
choices = { agents = 2, tax_years = 1, planner = "fixed", mode = "text", scenario = "rational" }
vary = { tax-year = [1, 2, 3] }
"""
SWEEP = """
[incomes]
agents = 200

[sweep]
seeds = 3

[vary]
"preferences.elasticity" = [0.25, 0.5]
"""


SECOND = "Step 1: "


class Server:
    """Answers a question always alike and counts questions.

    Who is the first to ask in a second step is killed, if that is wanted, in place of an answer.
    """

    def __init__(self, *, kills: bool) -> None:
        self.asked: Counter[str] = Counter()
        self._kills, self._lock = kills, threading.Lock()

    def __call__(self, body, headers):
        said = json.dumps(body["messages"])
        with self._lock:
            if "weekly hours" in said:  # others find out what the server refuses
                self.asked[said] += 1
            if self._kills and SECOND in said:
                self._kills = False
                return 200, kill
        return 200, reply(json.dumps({"hours": 20 + zlib.crc32(said.encode()) % 41}))


def kill(handler):
    """Kill the process that asks, and wait until it has ended."""
    port = handler.client_address[1]
    [asker] = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr.port == port and connection.pid != os.getpid()
    }
    process = psutil.Process(asker)
    assert "ray::" in process.cmdline()[0]
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def asking(url):
    """Return the flags that say who answers."""
    return ("--server", url, "--model", "small")


def same_runs(one, other):
    """Return the runs of a study, after looking whether another's have the same bytes and files."""
    runs = [path.parent for path in sorted(Path("runs", one).glob("*/metrics.parquet"))]
    assert len(runs) == 3
    others = [Path("runs", other, here.name) for here in runs]
    for here, there in zip(runs, others, strict=True):
        assert (there / "metrics.parquet").read_bytes() == (here / "metrics.parquet").read_bytes()
        assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}
    return others


@pytest.fixture(scope="module")
def cluster():
    """Return the address of a cluster with two workers, whose processes run this tree."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        node = {"num_cpus": 2, "include_dashboard": False}
        try:
            made = Cluster(initialize_head=True, head_node_args=node)
        except Exception as error:
            if "timed out" not in str(error):  # after 30 s, which nothing can change
                raise
            pytest.skip(f"Ray does not start on a machine as busy as this: {error}")
    yield made.address
    made.shutdown()


def test_a_study_loses_nothing_and_asks_nothing_twice(cluster, econjax, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lengths.toml").write_text(STUDY)
    alone, together = Server(kills=False), Server(kills=True)
    for name, server, more in (("alone", alone, ()), ("together", together, ("--ray", cluster))):
        with fake_server(server) as url:
            ran = econjax("study", "lengths.toml", "--name", name, *asking(url), *more)
        assert ran.code == 0, ran.err
    [kept] = map(int, re.findall(r"(?m): Answers kept: (\d+)\.$", ran.err))
    assert kept in (2, 3)  # two workers' first step, and perhaps one of the second
    assert not alone.asked - together.asked
    twice = together.asked - alone.asked
    assert 1 <= twice.total() <= 4 - kept  # what was being answered when the process was killed
    assert all(SECOND in said for said in twice)
    for there in same_runs("alone", "together"):
        assert str(there) in there.with_suffix(".txt").read_text()
        assert tempfile.gettempdir() not in there.with_suffix(".txt").read_text()
        assert "is identical" in econjax("replay", there).err


def test_a_study_whose_command_is_killed_is_finished_here_or_on_a_cluster(
    cluster, econjax, tmp_path, monkeypatch
):
    """The machine ends the command, as for want of memory, while its runs are being answered."""
    monkeypatch.chdir(tmp_path)
    Path("lengths.toml").write_text(STUDY)
    alone, cut = Server(kills=False), Server(kills=False)
    began: list[subprocess.Popen] = []

    def killing(body, headers):
        if SECOND in json.dumps(body["messages"]):
            began[0].kill()
        return cut(body, headers)

    with fake_server(alone) as url:
        assert econjax("study", "lengths.toml", "--name", "alone", *asking(url)).code == 0
    with fake_server(killing) as url, Path("said.txt").open("w") as said:
        choices = ("study", "lengths.toml", "--name", "cut", *asking(url), "--ray", cluster)
        command = [sys.executable, "-m", "experiments.cli", *choices]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        began.append(subprocess.Popen(command, stdout=said, stderr=said, env=env))
        assert began[0].wait(120) == -signal.SIGKILL, Path("said.txt").read_text()
        shutil.copytree("runs/cut", "runs/moved")
        kept = recorded(Path("runs/moved"))
        assert kept >= 2
    for name, more in (("cut", ()), ("moved", ("--ray", cluster))):
        server = Server(kills=False)
        with fake_server(server) as url:
            ran = econjax("study", "lengths.toml", "--name", name, *asking(url), *more)
        assert ran.code == 0, ran.err
        assert server.asked.total() <= alone.asked.total() - kept
        assert same_runs("alone", name)


def test_an_engine_that_is_killed_is_asked_again(cluster, econjax, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lengths.toml").write_text(STUDY.replace('"text"', '"choice"'))
    killed: list[int] = []

    def kill_once():
        while not killed:
            for process in psutil.process_iter(["cmdline"]):
                if "ray::EngineHost.answer" in (process.info["cmdline"] or [""])[0]:
                    process.kill()
                    killed.append(process.pid)
                    return
            time.sleep(0.02)

    assert econjax("study", "lengths.toml", "--name", "alone").code == 0
    killer = threading.Thread(target=kill_once, daemon=True)
    killer.start()
    ran = econjax("study", "lengths.toml", "--name", "together", "--ray", cluster)
    assert (ran.code, len(killed)) == (0, 1), ran.err
    assert same_runs("alone", "together")


def test_a_sweep_has_the_bytes_of_one_without_a_cluster(cluster, econjax, tmp_path, monkeypatch):
    (tmp_path / "sweep.toml").write_text(SWEEP)
    choices = ("sweep", tmp_path / "sweep.toml", "--runs", tmp_path, "--name")
    assert econjax(*choices, "alone").code == 0
    ran = econjax(*choices, "together", "--ray", cluster)
    assert ran.code == 0, ran.err
    alone, together = (tmp_path / name / "metrics.parquet" for name in ("alone", "together"))
    assert together.read_bytes() == alone.read_bytes()
