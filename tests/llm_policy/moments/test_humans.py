"""People's hours from a file: one share to fit to, the rest to test on, and clear errors."""

import numpy as np
import pytest

from llm_policy.moments.humans import HumanHours, read_humans, split_humans
from llm_policy.moments.published import published_moments
from llm_policy.moments.targets import require_reachable

TENS = np.arange(0.0, 101, 10)


def write(path, people=400, **columns):
    """Write people of whom half work 40 hours, with further columns."""
    draw = np.random.default_rng(0)
    hours = draw.choice([0, 20, 38, 40, 50, 60], people, p=[0.1, 0.2, 0.1, 0.4, 0.1, 0.1])
    every = {"hours": hours.tolist(), **columns}
    lines = [
        ",".join(every),
        *(",".join(map(str, row)) for row in zip(*every.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return np.asarray(hours, float)


def test_a_share_has_the_targets_and_the_rest_intervals(tmp_path):
    file = tmp_path / "hours.csv"
    sex = ["man", "woman"] * 200
    hours = write(file, sex=sex, age=[22, 40, 60, 30] * 100, weight=[1.0] * 400)
    people = read_humans(file)
    found = split_humans(people, name="hours.csv", share=0.5, seed=1)
    again = split_humans(people, name="hours.csv", share=0.5, seed=2)
    assert set(found.targets) == {"hours_1_34", "hours_40", "mean_hours"}
    assert found.targets != again.targets
    known = {(row.moment, row.group): row for row in found.held_out}
    # Both shares together are everybody at work.
    mean = known["mean_hours", "all"]
    both = (found.targets["mean_hours"] + mean.value) / 2
    assert both == pytest.approx(hours[hours > 0].mean(), abs=0.5)
    assert mean.low < mean.value < mean.high
    groups = {row.group for row in published_moments() if row.moment == "mean_hours"}
    assert {group for moment, group in known if moment == "mean_hours"} == groups
    assert {row.moment for row in found.held_out if row.fitted} == set(found.targets)


def test_the_held_out_interval_holds_the_truth_in_95_of_100_draws():
    held = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        hours = draw.choice([20.0, 40.0, 50.0], 200, p=[0.3, 0.5, 0.2])
        people = HumanHours(hours, np.ones(200), None, None)
        [row] = (
            row
            for row in split_humans(people, name="x", share=0.5, seed=seed).held_out
            if row.moment == "mean_hours"
        )
        held += row.low <= 36.0 <= row.high
    assert held >= 95


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hours\n", "holds nobody"),
        ("age\n30\n", "no column hours"),
        ("hours,income\n40,3\n", "the column 'income'"),
        ("hours,sex\n40,other\n", "line 2: sex is man or woman.*got 'other'"),
        ("hours\n40\nmany\n", "line 3: hours is a number from 0 to 168; got 'many'"),
        ("hours\n200\n", "from 0 to 168; got '200'"),
        ("hours,weight\n40,-1\n", "weight is a number of 0 or more; got '-1'"),
        ("hours,age\n40,\n", "age is a number from 0 to 120; got ''"),
        ("hours\nnan\n", "got 'nan'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, text, says):
    file = tmp_path / "hours.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        read_humans(file)


def test_no_file_and_too_few_people_are_told(tmp_path):
    with pytest.raises(ValueError, match="There is no file"):
        read_humans(tmp_path / "none.csv")
    file = tmp_path / "hours.csv"
    write(file, people=40)
    with pytest.raises(ValueError, match="too few for an interval, of which 30"):
        split_humans(read_humans(file), name="few", share=0.5, seed=0)
    write(file, people=400, sex=["man"] * 390 + ["woman"] * 10)
    with pytest.raises(ValueError, match="women who are held out are too few"):
        split_humans(read_humans(file), name="few", share=0.5, seed=0)


def test_a_group_that_is_nobody_is_left_out(tmp_path):
    file = tmp_path / "hours.csv"
    write(file, sex=["man"] * 400)
    found = split_humans(read_humans(file), name="men", share=0.5, seed=0)
    assert {row.group for row in found.held_out} == {"all", "men"}


def test_moments_that_contradict_each_other_are_told():
    require_reachable({"hours_1_34": 23.3, "hours_40": 48.7, "mean_hours": 38.3, "income": 9}, TENS)
    for targets in (
        {"hours_1_34": 60.0, "hours_40": 60.0},
        {"hours_40": 90.0, "mean_hours": 60.0},
        {"hours_1_34": 0.0, "hours_40": 50.0},
        {"hours_35_39": 10.0},
    ):
        with pytest.raises(ValueError, match="contradict each other among people who work 10, 20"):
            require_reachable(targets, TENS)
