"""`econjax sense` with engines that know all, nothing, or one letter; its tasks, scored anew."""

import importlib.util
import json
import random
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.sense.command import ANSWERS, items_of
from experiments.sense.config import SenseConfig
from experiments.sense.tasks import ITEMS, scoring_source, task_files
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from tests.experiments.conftest import told

CASES = 20
SIZE = ("--agents", 50, "--cases", CASES)
WORST = {"responds": 0, "right_direction": 0, "unmoved": 1, "asked_again": 1, "other_words": 1}
WORST |= {"other_order": 0, "tax_due": 1 / 4, "kept_of_more": 1 / 4, "best_hours": 1 / 5}
WORST |= {"prefers_progressive": 0, "prefers_flat": 0}
"""What who always says the same letter scores: letters change places, and right ones are shared."""


@pytest.fixture(scope="module")
def items():
    return items_of(SenseConfig(agents=50, cases=CASES))


def by_prompt(items, mode):
    return {item.prompt(mode): item for item in items}


def knows_all(items, mode):
    """Return an engine with the best answers; 40 hours and the progressive tax where none is."""
    known = by_prompt(items, mode)

    def letter(prompt):
        item = known[prompt]
        best = 40 if item.family == "reliability" else item.target
        return item.letters[item.values.index(1.0 if best is None else best)]

    return engine_of(letter, mode)


def engine_of(letter, mode):
    if mode == "choice":
        return ScriptedEngine(letter)
    return ScriptedEngine(lambda prompt: json.dumps({"answer": letter(prompt)}))


def guesses(prompt):
    options = prompt.personal.splitlines()[-1].count(" = ")
    return random.Random(zlib.crc32("\n".join(prompt).encode())).choice("ABCDE"[:options])


def scores_of(econjax, play, engine, mode, tmp_path):
    play(engine)
    ran = econjax("sense", *SIZE, "--mode", mode, "--json", "--runs", tmp_path, "--name", "one")
    assert ran.code == 0, ran.err
    return {each["measure"]: each for each in json.loads(ran.out)["scores"]}


@pytest.mark.parametrize("mode", ["choice", "text"])
def test_who_knows_all_has_all(mode, items, econjax, play, tmp_path):
    found = scores_of(econjax, play, knows_all(items, mode), mode, tmp_path)
    values = {name: each["value"] for name, each in found.items()}
    assert values == dict.fromkeys(values, 1) | {"prefers_flat": 0}
    assert len(values) == 11
    assert all(each["read"] == 1 for each in found.values())


@pytest.mark.parametrize("mode", ["choice", "text"])
def test_who_always_says_the_same_is_found_out(mode, econjax, play, tmp_path):
    found = scores_of(econjax, play, engine_of(lambda prompt: "B", mode), mode, tmp_path)
    assert {name: each["value"] for name, each in found.items()} == pytest.approx(WORST)


def test_who_guesses_scores_what_chance_gives(econjax, play, tmp_path):
    found = scores_of(econjax, play, engine_of(guesses, "choice"), "choice", tmp_path)
    assert found.pop("asked_again")["value"] == 1  # who guesses so always guesses alike
    outside = [
        name for name, each in found.items() if not each["low"] <= each["chance"] <= each["high"]
    ]
    assert len(outside) <= 1
    assert found["right_direction"]["chance"] == pytest.approx(0.4)
    assert found["best_hours"]["chance"] == pytest.approx(0.2)


def test_who_says_nothing_that_can_be_read_fails(econjax, play, tmp_path):
    found = scores_of(econjax, play, ScriptedEngine(lambda prompt: "well"), "text", tmp_path)
    assert {each["value"] for each in found.values()} == {0}
    assert {each["read"] for each in found.values()} == {0}


@pytest.mark.parametrize("held", [True, False])
def test_texts_are_held_to_a_schema_or_to_nothing(held, items, econjax, play, tmp_path):
    asked = []

    class Engine(ScriptedEngine):
        def complete(self, prompts, schema, **kinds):
            asked.append(schema)
            return super().complete(prompts, schema, **kinds)

    play(Engine(lambda prompt: 'I would say {"answer": "A"}.'))
    choices = () if held else ("--no-schema",)
    ran = econjax("sense", *SIZE, "--mode", "text", *choices, "--runs", tmp_path, "--json")
    assert ran.code == 0, ran.err
    assert {each["read"] for each in json.loads(ran.out)["scores"]} == {1}
    if held:
        letters = {"".join(schema["properties"]["answer"]["enum"]) for schema in asked}
        assert letters == {item.letters for item in items}
    else:
        assert set(asked) == {None}


def test_a_run_has_a_row_for_each_score_an_answer_for_each_question_and_a_table(
    items, econjax, play, tmp_path
):
    play(knows_all(items, "choice"))
    ran = econjax("sense", *SIZE, "--runs", tmp_path, "--name", "one")
    assert ran.code == 0, ran.err
    assert "best hours, utility stated" in ran.out
    assert "the likeliest of the letters" in ran.out
    rows = pq.read_table(tmp_path / "one" / "metrics.parquet").to_pylist()
    assert {row["figure"]: row["value"] for row in rows}["tax_due"] == 1
    lines = (tmp_path / "one" / ANSWERS).read_text("utf-8").splitlines()
    answers = {row["id"]: row["chosen"] for row in map(json.loads, lines)}
    assert list(answers) == [item.id for item in items]
    ran = econjax("report", tmp_path / "one")
    assert (ran.code, "cannot be shown" in ran.err) == (0, False)
    play(None)
    again = econjax("replay", tmp_path / "one")
    assert "is identical" in again.err, again.err
    replayed = tmp_path / "one-replay" / ANSWERS
    assert replayed.read_text("utf-8").splitlines() == lines


def test_tasks_are_the_questions_of_a_run_and_equal_again(items, econjax, tmp_path):
    folder = tmp_path / "tasks"
    ran = econjax("sense-tasks", folder, *SIZE)
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in (folder / ITEMS).read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == [item.id for item in items]
    for row, item in zip(rows, items, strict=True):
        for mode in ("choice", "text"):
            assert (row["system"][mode], row["user"]) == tuple(item.prompt(mode))
        assert (tuple(row["values"]), row["target"]) == (item.values, item.target)
    assert task_files(items) == {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    told(econjax("sense-tasks", folder, *SIZE), "exists", "give another name")


def test_the_data_scored_by_hand_give_the_scores_of_the_command(econjax, play, tmp_path):
    engine = engine_of(guesses, "choice")
    found = scores_of(econjax, play, engine, "choice", tmp_path)
    econjax("sense-tasks", tmp_path / "tasks", *SIZE)
    lines = (tmp_path / "tasks" / ITEMS).read_text("utf-8").splitlines()
    rows = {(r["family"], r["role"], r["case"]): r for r in map(json.loads, lines)}

    def said(family, role):
        asked = [rows[family, role, case] for case in range(CASES)]
        letters = [guesses(Prompt(row["system"]["choice"], row["user"])) for row in asked]
        places = map("ABCDE".index, letters)
        return np.array([row["values"][p] for row, p in zip(asked, places, strict=True)])

    def best(role):
        return np.array([rows["competency", role, case]["target"] for case in range(CASES)])

    before, taxed, same = (said("litmus", role) for role in ("before", "taxed", "irrelevant"))
    one, other = said("preference", "first"), said("preference", "second")
    asked = said("reliability", "first")
    by_hand = {
        "responds": before != taxed,
        "right_direction": taxed < before,
        "unmoved": before == same,
        "asked_again": asked == said("reliability", "again"),
        "other_order": asked == said("reliability", "order"),
        "other_words": asked == said("reliability", "words"),
        "tax_due": said("competency", "tax") == best("tax"),
        "kept_of_more": said("competency", "kept") == best("kept"),
        "best_hours": said("competency", "hours") == best("hours"),
        "prefers_progressive": one * other == 1,
        "prefers_flat": one + other == 0,
    }
    values = {name: float(passed.mean()) for name, passed in by_hand.items()}
    assert values == pytest.approx({name: each["value"] for name, each in found.items()})


def test_the_scoring_that_is_written_runs_alone_and_scores_alike(items, tmp_path):
    file = tmp_path / "sense_scoring.py"
    file.write_text(scoring_source(), encoding="utf-8")
    alone = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sense_scoring as own\n"
        'assert own.read_letter(\'x {"answer": "c"}\', 3) == 2\n'
        "heavy = {'llm_policy', 'econjax', 'numpy', 'jax'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, "-I", "-S", "-c", alone, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    spec = importlib.util.spec_from_file_location("sense_scoring", file)
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    from llm_policy.sense.scoring import score

    answers = [item.answered(len(item.id) % len(item.values)) for item in items]
    assert [tuple(each) for each in own.score(answers)] == [tuple(each) for each in score(answers)]


def test_every_measure_has_a_function_of_its_own_in_the_files_for_lm_eval(items):
    files = task_files(items)
    named = {
        line.rpartition(".")[2]
        for name, text in files.items()
        if name.endswith(".yaml")
        for line in text.splitlines()
        if "aggregation:" in line
    }
    assert len(named) == 11
    assert all(f"def {name}(" in files["lm_eval_tasks.py"] for name in named)


def test_tasks_of_another_currency_speak_of_it(tmp_path, econjax):
    file = tmp_path / "economy.toml"
    file.write_text('[currency]\nname = "crowns"\nsymbol = "kr "\n')
    ran = econjax("sense-tasks", tmp_path / "tasks", "--economy", file, "--cases", 1)
    assert ran.code == 0, ran.err
    text = (tmp_path / "tasks" / ITEMS).read_text("utf-8")
    assert "$" not in text
    assert "kr 12,000" in text


@pytest.mark.parametrize("command", ["sense", "sense-tasks"])
@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (("--cases", 0), "--cases must be at least 1"),
        (("--elasticity", 0.01, "--cases", 1), "elasticity is too low"),
        (("--seed", -1), "--seed must be from 0"),
    ],
)
def test_choices_that_make_no_questions_are_told(command, choices, words, econjax, play, tmp_path):
    play(ScriptedEngine(lambda prompt: "A"))
    where = ("--runs", tmp_path) if command == "sense" else (tmp_path / "tasks",)
    told(econjax(command, *where, *choices), words)
    assert list(Path(tmp_path).iterdir()) == []


def test_a_choice_writes_nothing_that_a_schema_could_hold(econjax, play, tmp_path):
    play(ScriptedEngine(lambda prompt: "A"))
    told(econjax("sense", "--no-schema", "--runs", tmp_path), "--no-schema is about --mode text")
