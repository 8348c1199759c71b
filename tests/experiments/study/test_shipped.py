"""Studies that come with the project: whole ones are sound, and quick forms run to their end."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.parity.command import preset
from experiments.runs.directory import read_manifest
from experiments.study.config import StudyConfig
from experiments.study.document import find_study, shipped_studies
from experiments.study.plan import planned_runs
from tests.helpers.laboratory import float64
from tests.helpers.steadfast import Steadfast

NAMES = [study.name for study in shipped_studies()]


class SmallModel(Steadfast):
    """Stands in for econjax-small: it chooses as it was taught to."""

    def describe(self):
        return replace(super().describe(), model="econjax-small")


@pytest.mark.parametrize("name", NAMES)
def test_every_run_of_the_whole_study_is_one(name, tmp_path):
    study = find_study(name)
    runs = planned_runs(study, StudyConfig(study=name), tmp_path)
    assert len({run.name for run in runs}) == len(runs) >= 1
    assert study.document.title.strip(".") == study.document.title
    assert len(study.document.title) <= 100


@pytest.mark.usefixtures("brief_search")
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_form_runs_to_its_end(name, econjax, play, runs, brief_fits):
    play(SmallModel())
    with brief_fits():
        ran = econjax("study", name, "--quick", "--runs", runs, "--json")
    assert ran.code == 0, (ran.err, ran.out)
    told = json.loads(ran.out)
    assert {run["status"] for run in told["runs"]} == {"done"}
    for run in told["runs"]:
        path = runs / f"{name}-quick" / run["run"]
        assert read_manifest(path)["command"] == run["command"]
        assert (path / "metrics.parquet").is_file()


def test_the_list_has_a_line_for_each(econjax):
    assert list(json.loads(econjax("study", "--list", "--json").out)) == NAMES
    printed = econjax("study", "--list").out
    assert all(name in printed for name in NAMES)


@pytest.mark.parametrize("tag", ["E1", "E2", "E5"])
def test_the_people_of_the_reference_are_those_of_its_code(tag):
    file = find_study("reference").path.parent / "reference" / f"{tag.lower()}.csv"
    with file.open() as lines:
        found = list(csv.DictReader(lines))
    with float64():
        population = preset(tag).economy.population
    assert len(found) == population.agents
    skill, taste = (np.array([float(row[name]) for row in found]) for name in ("income", "taste"))
    np.testing.assert_allclose(skill / 40, np.asarray(population.skill), rtol=1e-12)
    np.testing.assert_allclose(taste, np.asarray(population.taste), rtol=1e-12)
