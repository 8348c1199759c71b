"""Two processes in one folder: the second is told, and has changed nothing."""

import subprocess
import sys

import pytest

from experiments.report.console import Mistake
from experiments.runs import alone
from experiments.runs.alone import alone_in, wait_for_others

HOLD = """
import sys
from pathlib import Path
from experiments.runs.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """Give a folder in which another process is at work."""
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], **pipes) as other:
        assert other.stdout.readline() == "in\n"
        yield folder
        other.communicate(timeout=60)
    with alone_in(folder):  # it has ended: nobody is kept out
        pass


def test_who_comes_second_is_told(held, econjax, assert_told):
    with pytest.raises(Mistake, match="Another process is at work in"), alone_in(held):
        pass
    assert_told(econjax("resume", held), held, "wait until it has ended")
    with alone_in(held.parent):  # the folder around it is another one
        pass


def test_a_study_is_done_by_one_process(held, econjax, assert_told):
    ran = econjax("study", "replicates", "--quick", "--runs", held.parent, "--name", held.name)
    assert_told(ran, "Another process is at work in")
    assert list(held.iterdir()) == []


def test_who_ends_is_waited_for_and_who_goes_on_is_not(held, monkeypatch, tmp_path):
    monkeypatch.setattr(alone, "_ENDING_SECONDS", 0.3)
    wait_for_others([held, tmp_path / "none"])
    with pytest.raises(Mistake, match="Another process is at work in"), alone_in(held):
        pass
    monkeypatch.setattr(alone, "_ENDING_SECONDS", 60.0)
    monkeypatch.setattr(alone.time, "sleep", lambda _: ended.close())
    script = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        ended = other.stdin
        assert other.stdout.readline() == b"in\n"
        wait_for_others([tmp_path])
        with alone_in(tmp_path):
            pass


def test_a_folder_is_free_after_an_error_and_where_there_is_none(tmp_path):
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path):
        raise ZeroDivisionError
    with alone_in(tmp_path), alone_in(tmp_path / "none"):
        pass
