"""What the years of a simulation came to, of years that are known."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from experiments.study.lived import lived_measures

STEPS = 40


def source(folder, welfare, leaders, *, seeds=(0,), command="simulate"):
    """Return a run with a welfare for each tax year and step, under a leader for each year."""
    rows = [
        {
            "seed": seed,
            "step": year * len(steps) + step,
            "tax_year": year,
            "leader": who,
            "worth": w,
        }
        for seed in seeds
        for year, (steps, who) in enumerate(zip(welfare, leaders, strict=True))
        for step, w in enumerate(steps)
    ]
    shuffled = np.random.default_rng(0).permutation(len(rows))
    return SimpleNamespace(
        path=folder,
        manifest={"command": command},
        choices={"welfare": "worth"},
        metrics=pa.Table.from_pylist([rows[place] for place in shuffled]),
    )


def test_drift_is_the_slope_of_later_halves_whatever_came_before(tmp_path):
    steps = np.arange(STEPS)
    early = np.where(steps < STEPS / 2, -1e6, 0.0)
    found = lived_measures(
        source(tmp_path, [early + 3 * steps, 1e5 + early + 5 * steps], [None, None])
    )
    assert found == {
        "drift": pytest.approx(4.0),
        "drift_error": pytest.approx(0.0, abs=1e-9),
    }


def test_drift_of_noise_is_within_its_error(tmp_path):
    rng = np.random.default_rng(1)
    years, length = 200, 2 * STEPS
    found = lived_measures(
        source(tmp_path, rng.normal(30_000, 100, (years, length)), [None] * years)
    )
    known = 100 / np.sqrt(STEPS * (STEPS**2 - 1) / 12)
    assert found["drift_error"] == pytest.approx(known, rel=0.05)
    assert abs(found["drift"]) < 3 * known / np.sqrt(years)


def test_years_too_short_for_a_slope_and_other_commands_have_none(tmp_path):
    short = source(tmp_path, [[1.0, 2.0, 3.0, 4.0]], [None])
    assert lived_measures(short) == {"drift": None, "drift_error": None}
    assert lived_measures(source(tmp_path, [[1.0]], [None], command="compare")) == {}


@pytest.mark.parametrize(
    ("leaders", "share"), [("aabbc", 0.0), ("abcde", 0.5), ("aaaaa", None), ("abbbb", 1.0)]
)
def test_improving_turnover_counts_new_leaders_under_whom_welfare_is_more(leaders, share, tmp_path):
    elected = {"turnover": 0.4, "leader_advantage": 1.0, "minority_ratio": None}
    (tmp_path / "government.json").write_text(json.dumps(elected))
    welfare = [[10.0, 10.0], [11.0, 13.0], [9.0, 9.0], [30.0, 2.0], [1.0, 1.0]]
    for seeds in ([0], [0, 1]):  # nobody follows a leader of another seed
        found = lived_measures(source(tmp_path, welfare, leaders, seeds=seeds))
        assert found.items() >= elected.items()
        assert found["improving_turnover"] == share
