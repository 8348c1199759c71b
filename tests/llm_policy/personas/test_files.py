"""A saved population is the same population; a file that is not one says what it lacks."""

import csv
from dataclasses import fields, replace

import jax
import numpy as np
import pytest

from econjax import Population, gb2
from llm_policy.personas.draw import draw_personas
from llm_policy.personas.files import load_personas, save_personas
from llm_policy.personas.text import roles, templated, traits

KEY = jax.random.key(0)
ODD = ("", 'a "quoted", text', "two\nlines", "ünïcode 你好", "tab\tand, comma", " spaces ")


@pytest.fixture
def people():
    return templated(draw_personas(KEY, gb2(6)))


@pytest.fixture
def path(tmp_path, people):
    save_personas(tmp_path / "people.csv", people)
    return tmp_path / "people.csv"


def edit(path, change):
    with path.open(encoding="utf-8", newline="") as file:
        rows = [change(row) for row in csv.DictReader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def same(one, other):
    assert one.texts == other.texts
    np.testing.assert_array_equal(one.written, other.written)
    assert (one.personas is None) == (other.personas is None)
    for field in fields(one.personas) if one.personas else ():
        np.testing.assert_array_equal(
            getattr(one.personas, field.name), getattr(other.personas, field.name)
        )
        assert (
            getattr(one.personas, field.name).dtype.kind
            == getattr(other.personas, field.name).dtype.kind
        )


@pytest.mark.parametrize("make", [lambda: traits(KEY, gb2(3000)), lambda: roles(KEY, 30)])
def test_what_is_saved_is_loaded_to_the_last_bit(tmp_path, make):
    people = make()
    save_personas(tmp_path / "people.csv", people)
    loaded = load_personas(tmp_path / "people.csv")
    same(loaded, people)
    save_personas(tmp_path / "again.csv", loaded)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "people.csv").read_bytes()


def test_texts_and_who_wrote_them_survive(tmp_path, people):
    odd = replace(people, texts=ODD, written=np.arange(6) % 2 == 0)
    save_personas(tmp_path / "odd.csv", odd)
    same(load_personas(tmp_path / "odd.csv"), odd)


def test_the_saved_skills_are_a_population_that_the_people_fit(path, people):
    population = Population(load_personas(path).personas.skill)
    same(load_personas(path, population), people)


def test_other_people_than_workers_are_refused(path, tmp_path):
    with pytest.raises(
        ValueError, match=r"holds 6 people, the population 8: use a population of 6"
    ):
        load_personas(path, gb2(8))
    with pytest.raises(
        ValueError, match=r"person 1 has a skill of .*, the worker .*draw new personas"
    ):
        load_personas(path, Population(2 * np.asarray(gb2(6).skill)))
    save_personas(tmp_path / "roles.csv", roles(KEY, 5))
    with pytest.raises(ValueError, match="holds 5 people, the population 6"):
        load_personas(tmp_path / "roles.csv", gb2(6))
    assert load_personas(tmp_path / "roles.csv", gb2(5)).personas is None


@pytest.mark.parametrize("missing", [("age", "skill"), ("text",), ("written",)])
def test_missing_columns_are_named(path, missing):
    edit(path, lambda row: {name: value for name, value in row.items() if name not in missing})
    with pytest.raises(
        ValueError, match=f"lacks {', '.join(missing)}: write it with save_personas"
    ):
        load_personas(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("occupation", "Wizards", "person 1: 'Wizards' is no occupation; there are 565"),
        ("age", "12", "person 1: '12' is no age; there are 64, from '16' to '79'"),
        ("hours", "40.5", "person 1: '40.5' is no hours"),
        ("written", "maybe", "person 1: 'maybe' is no written"),
        ("skill", "-3", "person 1: a skill is a number from 0, not '-3'"),
        ("skill", "nan", "person 1: a skill is a number from 0, not 'nan'"),
        ("skill", "much", "person 1: a skill is a number from 0, not 'much'"),
    ],
)
def test_a_value_that_no_persona_has_is_named(path, column, value, message):
    edit(path, lambda row: row | {column: value})
    with pytest.raises(ValueError, match=message):
        load_personas(path)


def test_files_that_hold_nobody_are_refused(path):
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text(lines[0], "utf-8")
    with pytest.raises(ValueError, match="holds no people"):
        load_personas(path)
    path.write_text(lines[0] + lines[1] + lines[2][:80], "utf-8")
    with pytest.raises(ValueError, match="person 2: the row is cut short"):
        load_personas(path)
    path.write_text("", "utf-8")
    with pytest.raises(ValueError, match="lacks text, written"):
        load_personas(path)
    with pytest.raises(FileNotFoundError):
        load_personas(path.with_name("nobody.csv"))
