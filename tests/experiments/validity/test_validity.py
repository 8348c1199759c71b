"""Corrections as files, errors of files that do not fit, and cards of what workers stand for."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.compare.config import CompareConfig
from experiments.compare.rankings import ranking_changes
from experiments.compare.rows import Comparison, ComparisonRow
from experiments.core.config import FORMULA
from experiments.optimum import models
from experiments.people.command import hold_against_people
from experiments.people.config import PeopleConfig
from experiments.people.found import certificate_of
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.certificates import (
    law_digest,
    read_correction,
    save_certificate,
)
from llm_policy.engines.base import EngineInfo
from llm_policy.engines.wrappers.tally import Tally
from tests.experiments.conftest import told
from tests.helpers.laboratory import float64

PEOPLE = PeopleConfig(workers="formula", agents=60, ways=False, correct=True)
YEAR = ("--evaluations", 2, "--repetitions", 2, "--tax-year", 1, "--welfare", "rawlsian")
FEW = ("compare", "--agents", 6, *YEAR, "--planners", "federal", "random")
OF_FORMULA = (*FEW, "--worker-model", "formula")


@pytest.fixture(scope="module")
def certificate():
    with float64():
        found = hold_against_people(PEOPLE, None, Tally())
        return certificate_of(PEOPLE, found, FORMULA, "measured")


@pytest.fixture
def write(tmp_path, certificate):
    """Return what writes a certificate with changes, and says how workers are named."""

    def written(name="measured", *, certificate=certificate, **changes):
        folder = tmp_path / f"people-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        own = replace(certificate.of, name=name, **changes)
        save_certificate(folder, replace(certificate, of=own))
        return f"corrected:{folder}"

    return written


def test_a_file_holds_what_it_was_fitted_on_and_the_same_correction(write, certificate):
    back = read_correction(write().removeprefix("corrected:"))
    assert back == certificate
    assert back.of.worker_model == FORMULA
    assert back.of.hours == tuple(range(0, 101, 10))
    made = back.correction
    assert set(made.targets) == {"hours_1_34", "hours_40", "mean_hours", "income"}
    assert made.effective_sample_size == pytest.approx(60 * made.left)
    fitted = {(one.moment, one.group) for one in back.moments if one.fitted}
    assert fitted == {(name, "all") for name in made.targets}
    for one in back.moments:
        if one.fitted:
            assert one.corrected.value == pytest.approx(one.people, rel=1e-3)
    with float64():
        correction = back.as_correction()
        assert law_digest(correction.law) == back.of.law == law_digest(PEOPLE.status_quo())
    assert law_digest(PEOPLE.status_quo()) == back.of.law  # in single precision too


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"worker_model": "another"}, "is of another, and here works formula"),
        ({"currency": "euros"}, "corrects answers in euros, and this economy's money is dollars"),
        ({"law": "0"}, "was fitted under another law (digest 0, here"),
        ({"hours": (0.0, 40.0)}, "corrects chances of 0, 40 hours, and 0, 10, 20"),
        ({"hours": None}, "fitted to hours in texts, of which no chances are known"),
    ],
)
def test_a_correction_that_does_not_fit_is_told(econjax, write, runs, changes, says):
    told(econjax(*OF_FORMULA, "--workers", write(**changes), "--runs", runs), says)
    assert not list(runs.glob("*")), "a mistake leaves no run"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no certificate that can be read"),
        ("{}", "is no certificate that can be read"),
        ('{"of": NaN}', "is no certificate that can be read"),
        (None, "There is no certificate"),
    ],
)
def test_a_broken_file_is_told(econjax, tmp_path, text, says):
    file = tmp_path / "broken.json"
    if text is not None:
        file.write_text(text)
    ran = econjax(*OF_FORMULA, "--workers", f"corrected:{file}")
    told(ran, says, "Give a run of econjax people")
    told(econjax(*OF_FORMULA, "--workers", "llm", "--certificate", file), says)


def test_refused_and_missing_corrections_modes_and_names_are_told(econjax, write, certificate):
    refused = write(certificate=replace(certificate, correction=None, refused="no signal"))
    told(econjax(*OF_FORMULA, "--workers", refused), "was refused", "no signal")
    none = write(certificate=replace(certificate, correction=None))
    told(econjax(*OF_FORMULA, "--workers", none), "holds no correction: run econjax people with")
    told(econjax(*FEW, "--workers", write(), "--mode", "text"), "give --mode choice, or leave out")
    both = ("--workers", write(), write())
    told(econjax(*OF_FORMULA, *both), "Two corrections are both called measured")
    told(econjax(*FEW, "--workers", "elves"), "takes some of rational, llm and corrected:")
    told(econjax("transfer", "--workers", "llm"), "between two kinds of --workers at least")


@pytest.mark.parametrize("command", ["compare", "contest", "transfer", "optimum"])
def test_nobody_is_corrected_who_is_drawn_from_archetypes(econjax, write, runs, command):
    workers = [write()]
    if command in ("compare", "transfer"):
        workers.insert(0, "rational")
    drawn = ("--archetypes", 16, "--agents", 100, "--runs", runs)
    ran = econjax(command, "--workers", *workers, *drawn)
    told(ran, f"answers as they are: leave out --archetypes, or {workers[-1]}")
    assert not list(runs.glob("*")), "a mistake leaves no run"


def test_corrected_workers_stand_beside_raw_ones_and_are_replayed(
    econjax, write, runs, brief_search
):
    workers = ("--workers", "llm", write("people-a"))
    ran = econjax(*OF_FORMULA, *workers, "--runs", runs, "--name", "a")
    assert ran.code == 0, ran.err
    out = " ".join(ran.out.split())
    assert "(workers of the formula, corrected by people-a)" in out
    assert "Ranking of planners, Rawlsian, workers of the formula -> workers of the for" in out
    assert "Validity of formula (choice): not measured" not in out
    rows = pq.read_table(runs / "a" / "metrics.parquet").to_pylist()
    by_title = {row["welfare"]: row["labor"] for row in rows if row["kind"] == "recommended"}
    assert len(by_title) == len(set(by_title.values())) == 2
    card = json.loads((runs / "a" / "validity.json").read_text())
    assert [one["corrected_by"] for one in card["workers"]] == [None, "people-a"]
    for one in card["workers"]:
        assert one["certificate"]["name"] == "people-a"
        assert any("Make any claim about people" in words for words in one["may_not"])
    again = econjax("replay", runs / "a")
    assert (again.code, "is identical" in again.err) == (0, True), again.err
    page = econjax("report", runs / "a")
    assert page.code == 0, page.err
    assert "corrected by people-a: of" in (runs / "a" / "report.html").read_text()


def test_a_card_without_a_certificate_says_that_nothing_was_measured(certificate):
    config, model = CompareConfig(), EngineInfo(engine="e", model="m")
    [card] = card_of(config, [asked_workers(model, "choice")], [certificate]).workers
    assert card.certificate is None
    assert "not measured beside people" in card.line
    assert any("is not measured" in words for words in card.may_not)
    own = replace(certificate, of=replace(certificate.of, worker_model="m", mode="text"))
    [card] = card_of(config, [asked_workers(model, "choice")], [certificate, own]).workers
    assert card.certificate.differs == ("measured with mode text, here choice",)
    assert sum(card.certificate.verdicts.values()) == 16 + 2  # of labor supply, and of bunching
    alike = [one.moment for one in own.moments if one.verdict == "agrees"]
    assert all(name in " ".join(card.may) for name in alike)
    [noise] = card_of(config, [asked_workers(replace(model, noise=True), "choice")], []).workers
    assert noise.may == ("Test the software.",)


def row(planner, equivalent, years=()):
    blank = dict.fromkeys(ComparisonRow.__dataclass_fields__)
    return ComparisonRow(
        **{**blank, "planner": planner, "equivalent": equivalent, "years": tuple(years)}
    )


def test_a_ranking_changes_for_certain_where_both_intervals_tell_planners_apart():
    leads = np.array([[10.0, -5.0, 1.0], [12.0, -6.0, -1.5], [11.0, -4.0, -0.1]])  # by seed
    tables = [
        {
            "Mean": [row("one", lead), row("two", 0.0), row("only", 9.0)],
            "Mean (models)": [row("one", swapped), row("two", 0.0)],
            "Mean (others)": [row("two", 0.0), row("one", unsure)],
        }
        for lead, swapped, unsure in leads.tolist()
    ]
    aims = dict.fromkeys(tables[0], "Mean")
    first, second, _ = ranking_changes([Comparison(one, {}, [], aims=aims) for one in tables])
    assert (first.before, first.after) == ("rational workers", "models")
    assert (first.pairs, first.tau) == (1, -1)
    assert first.best == ("one", "two")
    assert [pair.certain for pair in first.swapped] == [True]
    assert "1 of them beyond both 95 % intervals (paired by seed)" in first.line
    assert "one leads two by $11" in first.line
    assert [pair.certain for pair in second.swapped] == [False]


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("contest", ("--evaluations", 2, "--seeds", 2)),
        ("transfer", ("--evaluations", 2, 2, "--seeds", 2, "--checks", 1, "--tax-year", 1)),
        ("optimum", ()),
    ],
)
def test_other_commands_let_corrected_workers_of_the_formula_work(
    econjax, write, runs, brief, play, command, choices
):
    play(None)
    workers = [write("people-a")]
    if command == "transfer":
        workers, choices = ["rational", *workers], (*choices, "--planners", "federal", "random")
    few = ("--agents", 6, "--welfare", "rawlsian", *choices)
    ran = econjax(command, "--workers", *workers, *few, "--runs", runs, "--name", command)
    assert ran.code == 0, ran.err
    assert "corrected by people-a" in " ".join(ran.out.split())
    rows = pq.read_table(runs / command / "metrics.parquet").to_pylist()
    assert FORMULA in {row["worker_model"] for row in rows}
    card = json.loads((runs / command / "validity.json").read_text())
    assert [one["corrected_by"] for one in card["workers"]] == ["people-a"]
    again = econjax("replay", runs / command)
    assert (again.code, "is identical" in again.err) == (0, True), again.err


@pytest.fixture
def brief(brief_fits, monkeypatch):
    monkeypatch.setattr(models, "SEARCH", models.Search(2, 1, 1, 2, 1))
    monkeypatch.setattr(models, "_flat", lambda evaluate, law: law)
    monkeypatch.setattr(models, "climb", partial(models.climb, steps=2))
    with brief_fits():
        yield
