"""The page of a study: what `--results` prints stands there, as tables, and as figures."""

import html
import json
import re

import pytest

from experiments.pages.command import study_page, write_page
from experiments.pages.config import ReportConfig
from experiments.pages.record import is_run, read_run
from experiments.pages.rendering import render
from experiments.study.recorded import INDEX, recorded_study
from experiments.study.results import figure_text
from tests.helpers.browser import any_browser, violations

FILE = """
title = "What habits <b>do</b> to workers of two kinds"

[[runs]]
name = "habits"
command = "simulate"
seeds = 3
choices = { agents = 24, planner = "fixed", tax_years = 1, tax_year = 2 }
vary = { workers = ["rational", "formula"], adapt = [1.0, 0.5] }
measures = ["equivalent", "distance"]

[runs.quick]
seeds = 1
vary = { adapt = [1.0] }

[[claims]]
text = "Workers of the formula are off their best"
measure = "distance"
of = { workers = "formula" }
against = { workers = "rational" }
by = 0.01

[[claims]]
text = "Nobody has said anything of models"
of = { workers = "llm" }
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory, econjax):
    """Return the folder of a study that was done and reported."""
    home = tmp_path_factory.mktemp("study")
    (home / "habits.toml").write_text(FILE, "utf-8")
    ran = econjax("study", home / "habits.toml", "--runs", home / "runs")
    assert ran.code == 0, ran.err
    folder = home / "runs" / "habits"
    write_page(study_page(folder, runs_in(folder)), folder, ReportConfig((), figures=True))
    return folder


def runs_in(folder):
    return [read_run(path) for path in sorted(folder.iterdir()) if is_run(path)]


@pytest.fixture(scope="module")
def cells(study):
    """Return the rows of the page's tables."""
    text = (study / "report.html").read_text("utf-8")
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [
        tuple(
            html.unescape(re.sub("<[^>]*>", "", cell)).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        )
        for row in rows
    ]


def test_what_results_prints_is_on_the_page(study, cells, econjax):
    home = study.parents[1]
    ran = econjax("study", home / "habits.toml", "--runs", home / "runs", "--results")
    assert ran.code == 0, ran.err
    printed = [
        tuple(re.split(r" {2,}", line.strip())) for line in ran.out.splitlines() if "  " in line
    ]
    effects = [row for row in printed if row[0] == "all"]
    assert len(effects) == 2 * (2 + 2)
    claims = [row for row in printed if len(row) == 10 and f'"{row[0]}"' in FILE]
    assert len(claims) == 2
    for row in (*effects, *claims):
        assert row in cells, row


def test_figures_show_the_means_with_their_intervals(study, cells, econjax):
    home = study.parents[1]
    command = ("study", home / "habits.toml", "--runs", home / "runs", "--results", "--json")
    found = json.loads(econjax(*command).out)
    text = (study / "report.html").read_text("utf-8")
    for measure in ("equivalent", "distance"):
        for factor in ("workers", "adapt"):
            assert f"{measure} by {factor}, habits" in text
    for effect in found["effects"]:
        interval = effect["interval"]
        ends = "-"
        if interval is not None:
            ends = f"{figure_text(interval['low'])} to {figure_text(interval['high'])}"
        drawn = ("all", effect["level"], figure_text(effect["mean"]), ends, "3")
        assert drawn in cells, drawn
    names = {path.name for path in (study / "figures").glob("*.svg")}
    assert len(names) == 4
    assert any("adapt" in name for name in names)


def test_claims_come_first_with_their_verdicts(study, cells):
    text = (study / "report.html").read_text("utf-8")
    places = [
        text.index(f">{title}<") for title in ("Claims", "Effects on distance, habits", "Runs")
    ]
    assert places == sorted(places)
    verdicts = {row[0]: row[1] for row in cells if len(row) == 10}
    assert verdicts["Workers of the formula are off their best"] == "supported"
    assert verdicts["Nobody has said anything of models"].endswith("(no finished run has both)")
    assert "What habits &lt;b&gt;do&lt;/b&gt; to workers of two kinds. 12 runs, 12 of them" in text


def test_a_quick_study_is_remembered_in_its_form(study, econjax):
    home = study.parents[1]
    ran = econjax("study", home / "habits.toml", "--runs", home / "runs", "--quick")
    assert ran.code == 0, ran.err
    known = recorded_study(home / "runs" / "habits-quick")
    assert known is not None
    assert known.document.runs[0].vary["adapt"] == [1.0]
    assert {run["seed"] for run in known.runs.values()} == {0}


@pytest.mark.parametrize("damage", ["no study", "strange"])
def test_a_folder_that_does_not_say_its_study_is_pooled_as_it_is(study, tmp_path, damage):
    said = json.loads((study / INDEX).read_text("utf-8"))
    if damage == "no study":
        del said["study"]
    else:
        said["study"]["runs"][0]["seeds"] = "many"
    (tmp_path / INDEX).write_text(json.dumps(said), "utf-8")
    text = render(study_page(tmp_path, runs_in(study)))
    assert "Worth by what was chosen, simulate" in text
    assert ("is not what this version writes" in text) == (damage == "strange")


def test_a_browser_complains_of_nothing(study):
    place = study / "report.html"
    with any_browser(seconds=90) as tab:
        for width, scheme in ((360, "light"), (1280, "dark")):
            preference = {"name": "prefers-color-scheme", "value": scheme}
            tab.call("Emulation.setEmulatedMedia", features=[preference])
            tab.open(place, width=width)
            assert tab.requests() == [place.resolve().as_uri()]
            assert tab.complaints() == []
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert violations(tab) == []
