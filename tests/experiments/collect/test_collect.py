"""Collections: every number once, whatever the order, of one type in every subset, whole files."""

import errno
import itertools
import json
import select
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from experiments.collect import command
from experiments.collect.columns import KNOWN
from experiments.collect.rows import collected_schema, long_rows
from experiments.collect.sources import found_in
from experiments.compare.config import CompareConfig
from experiments.simulate.config import SimulateConfig

COMPARED = [
    {
        "welfare": title,
        "agents": 5,
        "planner": planner,
        "seed": seed,
        "kind": "recommended",
        "step": 3,
        "rates": [0.1, 0.2],
        "equivalent": 100.0 * seed + len(planner),
        "planner_model": None,
        "worker_model": None,
        "years": None,
    }
    for title in ("Atkinson, aversion 1", "Rawlsian (workers imitate a formula)")
    for planner in ("random search", "US federal")
    for seed in (0, 1)
]
LIVED = [
    {
        "step": step,
        "tax_year": 1,
        "leader": -1,
        "rates": [[0.1, 0.2], [0.3, 0.4]],
        "atkinson": 7.0 + step,
        "rawlsian": 5.0 + step,
        "labor": 40.0,
        "satisfied": None if step == 1 else 0.5,
    }
    for step in (1, 2)
]
OTHERS = [{"seed": 4, "economy_name": "lognormal", "regret": 3.5, "best": True, "draws": 9}]
RUNS = {
    "first": ("compare", CompareConfig(elasticity=0.5), COMPARED),
    "second": ("simulate", SimulateConfig(seed=3, welfare="rawlsian"), LIVED),
    "third": ("compare", CompareConfig(year=2020), COMPARED[:3]),
}
NUMBERS = {"first": 8 * 3, "second": 2 * (1 + 4 + 2 + 1) + 1, "third": 3 * 3}
"""How many numbers each run holds, but for those that are columns of their own."""


def write_run(folder, command, config, rows, *, version="0.1.0"):
    """Write the directory of a finished run."""
    folder.mkdir(parents=True)
    engine = {"model": "some-model"} if command == "simulate" else None
    manifest = {"command": command, "config": config.asdict(), "limits": {}, "engine": engine}
    manifest["versions"] = {"econjax": version}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    pq.write_table(pa.Table.from_pylist(rows), folder / "metrics.parquet")
    return folder


@pytest.fixture
def runs(tmp_path):
    for name, of in RUNS.items():
        write_run(tmp_path / "runs" / name, *of)
    return tmp_path / "runs"


def joined(paths):
    """Return the rows of some runs as one table."""
    sources, left_out = found_in(paths)
    assert not left_out
    schema = collected_schema(sources)
    return pa.concat_tables([long_rows(source, schema) for source in sources])


def test_every_number_is_there_once(runs):
    rows = joined([runs]).to_pylist()
    keys = [(row["run"], row["row"], row["measure"], row["welfare"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for name, number in NUMBERS.items():
        assert sum(row["run"] == name for row in rows) == number
    found = {key: row["value"] for key, row in zip(keys, rows, strict=True)}
    assert found["second", 1, "equivalent", "rawlsian"] == 7.0
    assert found["second", 0, "rate_2_1", "rawlsian"] == 0.3
    assert found["first", 7, "equivalent", "rawlsian"] == 100.0 + len("US federal")
    assert ("second", 0, "satisfied", "rawlsian") not in found


def test_rows_say_who_worked_in_what(runs):
    for row in joined([runs]).to_pylist():
        assert row["version"] == "0.1.0"
        assert row["seed"] in ((3,) if row["run"] == "second" else (0, 1))
        assert row["elasticity"] == (0.5 if row["run"] == "first" else 0.25)
        assert row["year"] == (2020 if row["run"] == "third" else 2024)
        assert (row["aversion"] is None) == (row["welfare"] != "atkinson")
        assert row["worker_model"] == ("some-model" if row["run"] == "second" else None)
    digests = {row["run"]: row["economy"] for row in joined([runs]).to_pylist()}
    assert len(set(digests.values())) == 3


def test_a_runs_economy_has_the_digest_that_its_own_rows_have(runs):
    file = runs.parent / "own.toml"
    file.write_text("[preferences]\nelasticity = 0.4\n", "utf-8")
    for name, config in {
        "flags": CompareConfig(year=2019),
        "file": CompareConfig(economy_file=file),
    }.items():
        write_run(runs / name, "compare", config, OTHERS)
        for place, data in config.carried().items():
            (runs / name / place).parent.mkdir(exist_ok=True)
            (runs / name / place).write_bytes(data)
        ((found,), _) = found_in([runs / name])
        assert found.economy == config.columns()["economy"]


@pytest.mark.parametrize("order", list(itertools.permutations(RUNS)))
def test_neither_order_nor_repetition_matters(runs, econjax, order):
    out = runs.parent / "all.parquet"
    assert econjax("collect", runs, "--out", out).code == 0
    whole = out.read_bytes()
    given = [runs / name for name in (*order, order[0])]
    assert econjax("collect", *given, "--out", out).code == 0
    assert out.read_bytes() == whole


def test_a_column_has_one_type_in_every_subset(runs):
    write_run(runs / "other", "sweep", CompareConfig(), OTHERS)
    names = [*RUNS, "other"]
    types = {}
    for size in range(1, 5):
        for some in itertools.combinations(names, size):
            sources, _ = found_in([runs / name for name in some])
            for field in collected_schema(sources):
                assert types.setdefault(field.name, field.type) == field.type
    assert set(KNOWN) < set(types)
    assert types["economy_name"] == pa.string()
    assert not any(pa.types.is_nested(kind) for kind in types.values())


@pytest.mark.parametrize("name", [*KNOWN, "measure", "value", "title", "file.law.year"])
@pytest.mark.parametrize("value", ["tall", 2.5, [0.5, 1.5]], ids=["text", "number", "list"])
def test_a_column_of_a_runs_own_may_have_any_name(runs, name, value):
    """It is told under its name or another, beside all else, which stays as it was."""
    write_run(runs / "text", "optimum", CompareConfig(), [OTHERS[0] | {name: "wide"}])
    plain = write_run(runs / "plain", "optimum", CompareConfig(), OTHERS)
    own = write_run(
        runs / "own", "optimum", CompareConfig(), [row | {name: value} for row in OTHERS]
    )
    rows = {
        run: [row for row in joined([runs]).to_pylist() if row["run"] == run.name]
        for run in (plain, own)
    }
    names = {row["measure"] for row in rows[plain]}
    for before, after in zip(
        rows[plain], (row for row in rows[own] if row["measure"] in names), strict=True
    ):
        changed = {key for key in before if before[key] != after[key]}
        assert changed <= {"run", name, f"own_{name}"}
    if name not in ("run", "command", "version", "aversion"):  # which nothing else may say
        told = {
            row[key] for row in rows[own] for key in (name, f"own_{name}", "value") if key in row
        }
        assert told >= (set(value) if isinstance(value, list) else {value})


def test_a_folder_with_a_column_called_measure_has_its_file_and_its_page(runs, econjax):
    write_run(
        runs / "own", "optimum", CompareConfig(), [row | {"measure": "tall"} for row in OTHERS]
    )
    assert econjax("collect", runs, "--out", runs.parent / "all.csv").code == 0
    assert econjax("report", runs).code == 0


def test_an_economy_file_gives_columns_where_files_differ(runs):
    texts = ["[preferences]\nelasticity = 0.3\n[law]\nyear = 2023\n"]
    texts.append(texts[0].replace("0.3", "0.4"))
    for name, text in zip(("first", "third"), texts, strict=True):
        (runs / name / "economy").mkdir()
        (runs / name / "economy" / "economy.toml").write_text(text, "utf-8")
    table = joined([runs / "first", runs / "third"])
    columns = (table[name].to_pylist() for name in ("run", "file.preferences.elasticity"))
    said = zip(*columns, strict=True)
    assert set(said) == {("first", "0.3"), ("third", "0.4")}
    assert "file.law.year" not in table.column_names


def test_csv_and_parquet_say_the_same(runs, econjax):
    outs = [runs.parent / f"all{end}" for end in (".csv", ".parquet")]
    for out in outs:
        assert econjax("collect", runs, "--out", out).code == 0
    rows = pq.read_table(outs[1])
    read = csv.ConvertOptions(column_types=rows.schema, strings_can_be_null=True)
    assert csv.read_csv(outs[0], convert_options=read).equals(rows)


def test_what_is_no_finished_run_is_named_and_left_out(runs, econjax):
    whole = joined([runs])
    (runs / "foreign").mkdir()
    (runs / "a file").write_text("x", "utf-8")
    for name in ("cut", "damaged", "strange", "mangled"):
        shutil.copytree(runs / "first", runs / name)
    (runs / "cut" / "metrics.parquet").unlink()
    data = (runs / "damaged" / "metrics.parquet").read_bytes()
    (runs / "damaged" / "metrics.parquet").write_bytes(data[:-9])
    (runs / "mangled" / "manifest.json").write_text("{", "utf-8")
    manifest = json.loads((runs / "strange" / "manifest.json").read_text("utf-8"))
    (runs / "strange" / "manifest.json").write_text(
        json.dumps(manifest | {"command": "tomorrow"}), "utf-8"
    )
    out = runs.parent / "all.parquet"
    ran = econjax("collect", *sorted(runs.iterdir()), "--out", out)
    assert ran.code == command.LEFT_OUT
    told = [line for line in ran.err.splitlines() if line.startswith("Left out: ")]
    assert len(told) == 6
    for name in ("foreign", "a file", "cut", "damaged", "strange", "mangled"):
        assert sum(str(runs / name) in line for line in told) == 1
    assert "econjax resume" in ran.err
    assert pq.read_table(out).equals(whole)


def test_a_run_of_another_version_and_a_copy_are_said(runs, econjax):
    write_run(runs / "older", *RUNS["second"], version="0.0.9")
    ran = econjax("collect", runs, "--out", runs.parent / "all.csv")
    assert ran.code == 0, ran.err
    assert "Written by econjax 0.0.9, most others by 0.1.0: older." in ran.err
    assert "second holds the same metrics as older" in ran.err


def test_runs_of_one_name_are_told_apart(tmp_path):
    for place in ("a", "b"):
        write_run(tmp_path / place / "run", *RUNS["third"])
    write_run(tmp_path / "alone", *RUNS["third"])
    rows = joined([tmp_path / "a", tmp_path / "b", tmp_path / "alone"])
    assert set(rows["run"].to_pylist()) == {"a/run", "b/run", "alone"}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["runs/first", "--out", "all.txt"], "--out is a file .parquet or .csv; got"),
        (["runs/first", "--out", "runs/first/metrics.parquet"], "lies in the directory of a run"),
        (["nowhere"], "there is nothing to collect"),
    ],
)
def test_a_choice_that_collects_nothing_is_told(runs, econjax, arguments, part):
    given = [a if a.startswith("--") else runs.parent / a for a in arguments]
    ran = econjax("collect", *given)
    assert ran.code == 2
    assert part in ran.err.splitlines()[-1]


def test_a_full_disk_loses_nothing(runs, econjax, monkeypatch):
    out = runs.parent / "all.parquet"
    assert econjax("collect", runs / "first", "--out", out).code == 0
    before = out.read_bytes()

    def full(self, table):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    ran = econjax("collect", runs, "--out", out)
    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from experiments.collect.command import write_rows

def tables():
    for line in iter(sys.stdin.readline, "end\\n"):
        yield pa.table({"value": [int(line)] * 1000})
        print("written", flush=True)

write_rows(tables(), pa.schema([("value", pa.int64())]), Path(sys.argv[1]))
"""


def test_two_processes_leave_one_whole_file(tmp_path):
    """They write in turns, and each of them a file of its own until it ends."""
    out = tmp_path / "all.parquet"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", WRITER, out], **pipes) for _ in range(2)]
    try:
        for _ in range(3):
            for number, one in enumerate(both):
                print(number, file=one.stdin, flush=True)
                assert select.select([one.stdout], [], [], 60)[0]
                assert one.stdout.readline() == "written\n"
        for number, one in enumerate(both):
            one.communicate("end\n", timeout=60)
            assert one.returncode == 0
            assert pq.read_table(out)["value"].to_pylist() == [number] * 3000
    finally:
        for one in both:
            one.kill()
            one.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]
