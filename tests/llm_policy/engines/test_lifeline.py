"""Processes that a lifeline ties to who started them, and theirs, end when that one is killed."""

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from llm_policy.engines._lifeline import Lifeline

ROOT = Path(__file__).parents[3]
CHAIN = """
import multiprocessing, os, time
from llm_policy.engines._lifeline import Lifeline

def child(line, further):
    print(os.getpid(), flush=True)
    if further:
        start(line, further - 1)
    time.sleep(300)

def start(line, further):
    multiprocessing.get_context("spawn").Process(target=child, args=(line, further)).start()

if __name__ == "__main__":
    start(Lifeline("held"), 1)
    time.sleep(300)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_nothing_is_left_of_a_process_that_is_killed(tmp_path, name):
    script = tmp_path / "chain.py"
    script.write_text(CHAIN)
    begun = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with begun:
        children = [psutil.Process(int(begun.stdout.readline())) for _ in range(2)]
        time.sleep(0.2)
        assert all(child.is_running() for child in children)
        begun.send_signal(getattr(signal, name))
    _, left = psutil.wait_procs(children, timeout=20)
    assert left == []


def test_a_lifeline_is_a_text_that_ties_nothing_where_it_is_only_copied():
    line = Lifeline("held")
    for other in (copy.deepcopy({"a": line})["a"], pickle.loads(pickle.dumps(line))):
        assert type(other) is Lifeline
        assert other == "held"
    assert json.dumps(line) == '"held"'
