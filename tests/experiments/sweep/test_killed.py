"""A sweep that is killed in the middle, twice, ends with the bytes of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.sweep import plan

ROOT = Path(__file__).parents[3]
CHUNK = 400
"""Workers of a chunk, of which there are many then."""
SWEEP = """
[incomes]
agents = 200

[sweep]
seeds = 150

[vary]
"preferences.elasticity" = [0.25, 0.5]
"""
SMALL = f"""
from experiments import cli
from experiments.sweep import plan
plan._WORKERS_OF_A_CHUNK = {CHUNK}
cli.main()
"""


def killed_after(parts, path, *arguments):
    """Give a command in a process of its own, and kill it when so many chunks are kept."""
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 240
    while len(list(path.glob("parts/[0-9]*.parquet"))) < parts:
        assert process.poll() is None, "the sweep ended by itself"
        assert time.monotonic() < until, "the sweep does not come forward"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return {part.name: part.read_bytes() for part in path.glob("parts/[0-9]*.parquet")}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_WORKERS_OF_A_CHUNK", CHUNK)
    (tmp_path / "sweep.toml").write_text(SWEEP, "utf-8")
    return tmp_path


def test_a_killed_sweep_goes_on_to_the_same_bytes(home, econjax):
    choices = ("sweep", home / "sweep.toml", "--runs", home, "--name")
    path = home / "killed"
    first = killed_after(3, path, *choices, "killed")
    second = killed_after(len(first) + 10, path, "resume", path)
    assert first.items() <= second.items()
    assert econjax("resume", path).code == 0
    assert econjax(*choices, "whole").code == 0
    metrics = [(home / name / "metrics.parquet").read_bytes() for name in ("killed", "whole")]
    assert metrics[0] == metrics[1]
    assert not (path / "parts").exists()
