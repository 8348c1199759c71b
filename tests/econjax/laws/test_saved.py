"""Schedules as JSON: what is loaded is what was saved, to the last digit."""

import json

import equinox as eqx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule, LogLinearSchedule, us_federal
from econjax.laws import load_schedule, save_schedule, schedule_from, schedule_parts

RATES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=9)


@given(rates=RATES)
def test_brackets_come_back_as_they_were(rates):
    law = BracketSchedule([1_000.0 * j for j in range(len(rates))], rates)
    assert eqx.tree_equal(law, schedule_from(json.loads(json.dumps(schedule_parts(law)))))


def test_files_hold_both_kinds(tmp_path):
    for law in (us_federal(2024), LogLinearSchedule(2.5, 0.181)):
        save_schedule(law, tmp_path / "law.json")
        assert eqx.tree_equal(law, load_schedule(tmp_path / "law.json"))


def test_a_schedule_needs_no_kind():
    assert eqx.tree_equal(
        schedule_from({"thresholds": [0, 10], "rates": [0.1, 0.2]}),
        BracketSchedule([0.0, 10.0], [0.1, 0.2]),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{\n", "line 2: no JSON"),
        ("[]", "object with thresholds and rates"),
        ('{"rates": [0.1]}', "add thresholds"),
        ('{"thresholds": [0], "rates": [0.1], "name": "x"}', "no name: leave it out"),
        ('{"kind": "steps"}', "brackets or log-linear; got 'steps'"),
        ('{"thresholds": [0], "rates": ["10%"]}', "plain numbers.*got '10%'"),
        ('{"thresholds": [0], "rates": [10]}', "35 % is 0.35, not 35"),
        ('{"thresholds": [5, 1], "rates": [0.1, 0.2]}', "rising strictly from 0"),
        ('{"thresholds": [0, 1], "rates": [0.1]}', "as many rates as thresholds"),
    ],
)
def test_what_is_no_schedule_is_told_with_the_file(text, words, tmp_path):
    (tmp_path / "law.json").write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        load_schedule(tmp_path / "law.json")
    assert "law.json" in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="There is no file"):
        load_schedule(tmp_path / "none.json")
