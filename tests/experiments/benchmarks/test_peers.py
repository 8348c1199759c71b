"""Peers in environments of their own: what is asked of them, divided by what, and what fails."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import us_federal
from experiments.benchmarks.config import PeersBenchmarkConfig
from experiments.benchmarks.peers import command, environments, process
from experiments.benchmarks.peers.command import PeerRow, judge_peer, run_peers
from experiments.benchmarks.peers.environments import REQUIREMENTS, environment_of
from experiments.benchmarks.peers.process import InNumpy, Peer
from experiments.benchmarks.peers.rows import NUMPY, OPERATIONS, SpeedBar
from experiments.benchmarks.timing import Ratio
from experiments.report.console import Mistake

INCOMES = np.array([5_000.0, 20_000.0, 60_000.0, 1e6])
OTHER = """
import numpy as np
import serving
print("this is no answer")

def taxes(incomes):
    print("nor is this")
    return serving.Prepared(lambda: 0.25 * incomes, [0.0, 1e9], [0.25, 0.5])

def broken(incomes):
    raise ValueError("two words")

def left(incomes):
    return serving.Prepared(lambda: None, [0.0, 1e9], [0.25, 0.5])

_OPERATIONS = {"taxes": taxes, "rates": left, "period": broken, "step": broken}
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Let a program of a few lines stand for Tax-Calculator, and this Python for its own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    shutil.copy(Path(process.__file__).with_name("programs") / "serving.py", folder)
    (folder / "run_tax_calculator.py").write_text(OTHER, encoding="utf-8")
    monkeypatch.setattr(process, "_PROGRAMS", folder)
    monkeypatch.setattr(command, "environment_of", lambda *_: Path(sys.executable))
    return folder


def test_a_peer_says_its_law_what_it_found_and_its_seconds(programs):
    with Peer("tax-calculator", Path(sys.executable)) as peer:
        law, found = peer.prepare("taxes", INCOMES)
        assert law == ([0.0, 1e9], [0.25, 0.5])
        np.testing.assert_array_equal(found, INCOMES / 4)
        assert 0 < peer.seconds(3) < 1
        assert peer.prepare("rates", INCOMES)[1] is None
        with pytest.raises(Mistake, match="program of tax-calculator failed: ValueError: two word"):
            peer.prepare("period", INCOMES)


@pytest.mark.usefixtures("x64")
def test_both_sides_tax_under_the_law_of_the_peer(programs):
    config = PeersBenchmarkConfig(peers=("tax-calculator",), most=100, repeats=2)
    found = run_peers(config)
    taxed = [row for row in found.rows if row.apart is not None]
    assert {row.people for row in taxed} == {2, 100}
    for row in taxed:
        assert row.apart < 1e-9  # a quarter of everything, on both sides
        assert row.ours > 0
        assert row.times.least > 0
        assert row.rounds <= 2
    assert [v.operation for v in found.verdicts] == [
        row.title for row in OPERATIONS if row.peer == "tax-calculator"
    ]


@pytest.mark.usefixtures("x64")
def test_numpy_owes_federal_taxes_in_both_ways():
    side = InNumpy()
    for operation in ("broadcast", "searchsorted"):
        law, taxes = side.prepare(operation, INCOMES)
        np.testing.assert_allclose(
            taxes, np.asarray(us_federal(2024).tax(jnp.asarray(INCOMES))), rtol=1e-12
        )
        assert law.thresholds[0] == 0
        assert side.seconds(2) > 0


@pytest.mark.usefixtures("x64")
def test_every_side_of_ours_runs_and_taxes_as_numpy_does():
    _, taxes = InNumpy().prepare("broadcast", INCOMES)
    schedule = us_federal(2024)
    for row in OPERATIONS:
        found = row.ours(schedule, *row.given(INCOMES))
        if row.compared:
            np.testing.assert_allclose(np.asarray(found[0]), taxes, rtol=1e-12)
        assert row.peer == NUMPY or row.peer in REQUIREMENTS
        assert row.bar is None or row.bar.people in row.sizes


@pytest.mark.usefixtures("x64")
def test_the_tax_period_counts_everybody_once_and_keeps_the_money():
    [row] = (row for row in OPERATIONS if row.title == "tax period")
    tax, kept, rates, effective, occupied = row.ours(us_federal(2024), *row.given(INCOMES))
    assert int(np.sum(occupied)) == len(INCOMES)
    assert list(occupied) == [1, 1, 1, 0, 0, 0, 1]
    assert float(np.sum(kept)) == pytest.approx(INCOMES.sum())
    np.testing.assert_allclose(effective, tax / INCOMES)
    assert rates[-1] == pytest.approx(0.37)


@pytest.mark.parametrize(
    ("times", "bar", "faster_from", "met"),
    [
        ([0.5, 2.0, 9.0], SpeedBar(100, 8), 10, True),
        ([2.0, 0.5, 9.0], SpeedBar(100, 10), 100, False),
        ([2.0, 3.0, 0.5], SpeedBar(1_000, 10), None, None),
        ([2.0, 3.0, 4.0], None, 1, None),
    ],
)
def test_a_bar_and_the_size_from_which_on_it_is_faster(times, bar, faster_from, met):
    row = OPERATIONS[0]._replace(bar=bar)
    found = [
        PeerRow(row.peer, row.title, people, 1.0, value, Ratio(value, value), 3, None)
        for people, value in zip((1, 10, 100), times, strict=True)
    ]
    verdict = judge_peer(row, found)
    assert (verdict.faster_from, verdict.met) == (faster_from, met)


def test_the_command_prints_sentences_or_json(econjax, programs):
    arguments = ("benchmark", "peers", "--peers", "numpy", "tax-calculator", "--most", 100)
    ran = econjax(*arguments, "--repeats", 1)
    assert ran.code == 0, ran.err
    assert "numpy, tax, by broadcasting: " in ran.out
    assert "bar 20 times at 1,000,000: not run. Work: the same" in ran.out.replace("\n", " ")
    ran = econjax(*arguments, "--repeats", 1, "--json")
    assert {row["peer"] for row in json.loads(ran.out)["rows"]} == {"numpy", "tax-calculator"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--peers",), "peers"),
        (("--most", 1), "most"),
        (("--repeats", 0), "repeats"),
        (("--patience", "inf"), "--patience is a number of seconds; got inf"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(econjax, wrong, told):
    ran = econjax("benchmark", "peers", *wrong)
    assert ran.code == 2
    assert told in ran.err


def test_an_environment_that_was_not_made_whole_is_made_anew(tmp_path, monkeypatch):
    asked = []

    def run(peer, arguments, folder):
        asked.append(arguments[-1])
        if arguments[-1] == "absent":
            raise Mistake("No environment")

    monkeypatch.setattr(environments, "_run", run)
    monkeypatch.setattr(environments, "REQUIREMENTS", {"one": (("first",), ("absent",))})
    for _ in range(2):
        with pytest.raises(Mistake):
            environment_of("one", tmp_path)
    assert asked[1:3] == ["first", "absent"]
    assert asked[:3] == asked[3:]


def test_pip_has_the_last_word_where_an_environment_fails(tmp_path):
    with pytest.raises(Mistake, match=r"No environment for one: .*exit 3.*leave it out"):
        environments._run("one", [sys.executable, "-c", "raise SystemExit('exit 3')"], tmp_path)


def test_a_benchmark_is_plain():
    found = run_peers(PeersBenchmarkConfig(peers=("numpy",), most=2, repeats=1))
    assert json.loads(json.dumps(dataclasses.asdict(found)))["machine"]["cores"] >= 1
