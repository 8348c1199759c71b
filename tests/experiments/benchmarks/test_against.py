"""One checkout beside another one: who takes turns, what is divided by what, and what differs."""

import dataclasses
import json
from pathlib import Path

import pytest

from experiments.benchmarks import against, probes
from experiments.benchmarks.against import Sample, Side, measure_in_turns

HERE = Path(__file__).parents[3]
THIS, OTHER = Side("this", HERE), Side("other", HERE)


def tables(flat=100.0, planner="flat"):
    return {"Rawlsian": [{"planner": planner, "equivalent": flat, "regret": 0.0, "seconds": 3.0}]}


@pytest.fixture
def scripted(monkeypatch):
    """Let rows be measured at once: this side takes 1, 2, ... in turn, the other twice as much."""
    taken = {"this": 0.0, "other": 0.0}

    def probe(side):
        taken[side.name] += 1.0 if side.name == "this" else 2.0
        figures = {"seconds": taken[side.name], "compilations": 0.0}
        figures |= {"only this": 1.0} if side.name == "this" else {}
        return Sample(figures, tables(100.0 if side.name == "this" else 100.004))

    monkeypatch.setattr(against, "_probes", lambda config: {"compare": probe, "help": probe})


def test_sides_take_turns_and_who_begins_changes():
    asked, told = [], []
    samples = measure_in_turns(
        "row",
        lambda side: asked.append(side.name) or Sample({"order": len(asked)}),
        (THIS, OTHER),
        3,
        told.append,
    )
    assert asked == ["this", "other", "other", "this", "this", "other"]
    assert [sample.figures["order"] for sample in samples["other"]] == [2, 3, 6]
    assert told[2] == "row: other side, turn 2 of 3"


def test_a_ratio_is_this_side_over_the_other_turn_by_turn():
    samples = {
        "this": [Sample({"a": ours, "b": 1.0, "new": 1.0}) for ours in (1.0, 4.0, 6.0)],
        "other": [Sample({"a": theirs, "b": 0.0}) for theirs in (2.0, 4.0, 3.0)],
    }
    a, b = against._rows("row", samples)
    assert (a.this, a.other, a.ratio, a.least, a.most) == (4.0, 3.0, 1.0, 0.5, 2.0)
    assert (b.figure, b.this, b.other, b.ratio, b.least, b.most) == (
        "b",
        1.0,
        0.0,
        None,
        None,
        None,
    )


def test_tables_differ_by_a_cent_or_by_who_is_in_them():
    assert against._differences(tables(), tables(100.004)) == []
    assert against._differences(tables(), tables(100.01)) == [
        "Rawlsian, flat, equivalent: 100.00 here, 100.01 there"
    ]
    lines = against._differences(tables(), tables(planner="saez"))
    assert "Rawlsian, flat, regret: only this side" in lines
    assert "Rawlsian, saez, regret: only the other side" in lines


@pytest.mark.parametrize("helped", ["--uninformed, --no-uninformed", "--planners"])
def test_sides_are_also_asked_the_questions_that_both_ask(monkeypatch, helped):
    ran = []

    def python(side, *arguments, cache="off"):
        if "--help" in arguments:
            return against._Ran(helped, 1.0, 1.0)
        ran.append((arguments, cache))
        return against._Ran(json.dumps({"tables": len(ran)}), float(len(ran)), 0.5)

    monkeypatch.setattr(against, "_python", python)
    sample = against._compare(Side("this", HERE))
    same = {name: value for name, value in sample.figures.items() if "same" in name}
    assert len(same) == len(sample.figures) - len(same) == 4
    fewer = [bool(set(against._FEWER) & set(arguments)) for arguments, _ in ran]
    assert fewer == [False, False, True, True][: len(ran)]
    assert len({cache for _, cache in ran}) == len(ran) / 2  # what a first run keeps, for one
    assert list(same.values())[::2] == [len(ran) - 1.0, float(len(ran))]
    assert sample.tables == len(ran) == (4 if "no-uninformed" in helped else 2)


def test_the_command_prints_a_table_or_json(econjax, scripted):
    arguments = ("benchmark", "against", HERE, "--rows", "compare", "help", "--turns", 2)
    ran = econjax(*arguments)
    assert ran.code == 0, ran.err
    assert "tables that differ by a cent: 0" in ran.out
    [line] = (line for line in ran.out.splitlines() if line.split()[:2] == ["compare", "seconds"])
    assert line.split()[2:] == ["1.5", "3", "0.500", "0.500", "0.500"]
    assert "only this" not in ran.out
    found = json.loads(econjax(*arguments, "--json").out)
    assert {row["figure"] for row in found["rows"]} == {"seconds", "compilations"}
    assert found["differences"] == []
    assert set(found["rows"][0]) == {field.name for field in dataclasses.fields(against.AgainstRow)}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--rows",), "--rows takes some of help, eager"),
        (("--turns", 0), "--turns must be at least 1; got 0"),
        (("--brackets", 1), "--brackets must be at least 2; got 1"),
        (("--sizes", 0), "--sizes must be at least 1; got 0"),
        (("--sweep-seeds", 0), "--sweep-seeds must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(econjax, assert_told, wrong, told):
    assert_told(econjax("benchmark", "against", HERE, *wrong), told)


def test_a_folder_without_the_project_is_refused(econjax, assert_told, tmp_path):
    assert_told(econjax("benchmark", "against", tmp_path), "no checkout", tmp_path)


def test_a_side_that_fails_is_told_with_its_last_word(econjax, assert_told, tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    (tmp_path / "experiments" / "cli.py").write_text("raise SystemExit('too old')")
    ran = econjax("benchmark", "against", tmp_path, "--rows", "help", "--turns", 1)
    assert_told(ran, tmp_path, "too old")


def test_the_code_of_each_side_runs_and_no_other(tmp_path):
    (tmp_path / "econjax.py").write_text("WHO = 'the other'")
    ran = against._python(Side("other", tmp_path), "-c", "import econjax; print(econjax.WHO)")
    assert ran.out == "the other\n"
    assert ran.processor_seconds > 0


def test_help_is_measured(capfd):
    (seconds,) = against._help(THIS).figures.values()
    assert seconds > 0
    assert capfd.readouterr() == ("", "")


def test_what_a_checkout_compiles_is_counted():
    found = probes.eager(["settle"])
    assert set(found) == {"settle"}
    assert found["settle"] >= 0
    assert probes.compiling(2) > 0
