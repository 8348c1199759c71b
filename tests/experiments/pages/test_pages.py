"""Pages of runs: one file that fetches nothing, every text escaped, the same bytes each time."""

import hashlib
import html
import html.parser
import io
import json
import re
import shutil
import sqlite3
from collections import Counter
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from econjax.welfare import inequality
from experiments.compare import contest as comparing
from experiments.core import engines
from experiments.pages.command import run_page, study_page, write_page
from experiments.pages.config import ReportConfig
from experiments.pages.document import Chart, Curve, DataTable, Look, Page, PageSection, placed
from experiments.pages.drawing import DASHES, TONES, inline_svg, look_at
from experiments.pages.latex import latex_text
from experiments.pages.people import lorenz_curve
from experiments.pages.record import read_run
from experiments.pages.rendering import render
from experiments.pages.transcripts import recording_of
from tests.helpers.browser import any_browser, violations
from tests.helpers.laboratory import float64

HOSTILE = '</script><script>document.title="taken"</script><img src="http://192.0.2.1/x.png">'
SWEEP = """
[incomes]
agents = 8

[sweep]
seeds = 2

[vary]
"preferences.elasticity" = [0.25, 0.5]
"""
SMALL = "--agents 8 --tax-years 2 --tax-year 2 --mode text"
FINAL = "recommended"
VOID = {"meta", "link", "br", "img", "hr", "input", "line", "rect", "circle", "path", "use"}
FIGURES = {
    "compare": ["Schedules", "Welfare by evaluation", "Lorenz curves", "Hours by skill"],
    "simulate": ["Welfare by step, atkinson", "Hours by step", "Satisfaction by step"],
    "sweep": ["Gain by preferences.elasticity", "Best schedules", "Lorenz curves"],
}
EVERYWHERE = ["Incomes and bunching", "Winners and losers", "Costs and failures", "Versions"]


@pytest.fixture(scope="module")
def runs(econjax, improviser, tmp_path_factory):
    """Return the folder of a comparison, a democracy of hostile personas, and a sweep."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "sweep.toml").write_text(SWEEP, "utf-8")
    lines = [f'"You are {HOSTILE} {place}.",no' for place in range(8)]
    lines = [line.replace(HOSTILE, HOSTILE.replace('"', '""')) for line in lines]
    (folder / "people.csv").write_text("\n".join(["text,written", *lines, ""]), "utf-8")
    people = ["--population", folder / "people.csv", "--scenario", "democratic"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: improviser())
        patch.setattr(comparing, "best_found", partial(comparing.best_found, steps=4, most=20))
        where = ["--runs", folder / "runs", "--name"]
        small = ["--agents", 8, "--evaluations", 3, "--seeds", 2, "--welfare", "atkinson"]
        planners = ["--workers", "rational", "--planners", "federal", "random"]
        for ran in (
            econjax("compare", *small, *planners, *where, "compare"),
            econjax("simulate", *SMALL.split(), *people, "--model", "any", *where, "simulate"),
            econjax("sweep", folder / "sweep.toml", *where, "sweep"),
        ):
            assert ran.code == 0, ran.err
    return folder / "runs"


def digests(folder):
    """Return what a folder holds, but for what a page adds to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "report.html" and path.parent.name != "figures"
    }


@pytest.fixture(scope="module")
def pages(runs, econjax):
    """Return the page of each run as text; nothing else of the runs has changed."""
    before = {path.name: digests(path) for path in runs.iterdir()}
    ran = econjax("report", *sorted(runs.iterdir()), "--figures", "--latex")
    assert ran.code == 0, ran.err
    assert {path.name: digests(path) for path in runs.iterdir()} == before
    found = {path.name: (path / "report.html").read_text("utf-8") for path in runs.iterdir()}
    for name, text in found.items():
        assert f"{name}/report.html: {len(text.encode()) / 1e6:,.2f} MB" in ran.out
    return found


class Reader(html.parser.HTMLParser):
    """Reads a page, and holds it to what HTML is: what opens closes, in order, and ids are once."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.headings, self.fetched = [], Counter(), [], []
        self.tags, self.labels, self.links, self.texts = Counter(), [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        assert len(known) == len(attributes), (tag, attributes)
        self.tags[tag] += 1
        if "id" in known:
            self.ids[known["id"]] += 1
        self.labels += [known[name] for name in ("aria-labelledby", "for") if name in known]
        if tag == "a":
            self.links.append(known["href"])
        places = [known[name] for name in ("src", "data", "poster", "srcset") if name in known]
        self.fetched += places + ([known["href"]] if tag == "link" else [])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        assert not any(name.startswith("on") for name in known), known
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module", params=["compare", "simulate", "sweep"])
def page(request, pages):
    return request.param, pages[request.param], Reader(pages[request.param])


def test_a_page_fetches_nothing(page):
    _, text, read = page
    assert read.fetched == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", text)
    assert "default-src 'none'" in html.unescape(text)
    assert all(link.startswith("#") for link in read.links)


def test_a_page_is_whole_with_ids_once_and_headings_in_order(page):
    _, text, read = page
    assert text.startswith("<!DOCTYPE html>")
    assert not [name for name, times in read.ids.items() if times > 1]
    assert set(read.labels) <= set(read.ids)
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    steps = np.diff(read.headings)
    assert steps.max() <= 1
    for tag in ("main", "header", "nav", "footer", "title"):
        assert read.tags[tag] == 1
    assert read.tags["table"] == read.tags["caption"]
    assert read.tags["figure"] == read.tags["figcaption"] == text.count('role="img"')


def test_panels_are_present_with_their_numbers(page):
    name, text, _ = page
    for title in (*FIGURES[name], *EVERYWHERE):
        assert title in text, title
    said = {
        "compare": "8 workers, elasticity 0.25, 2 seeds, 0 to 1",
        "sweep": "8 workers, 2 points",
    }
    assert said.get(name, "8 workers, elasticity 0.25, seed 0") in text


def test_what_a_model_or_a_file_says_is_text(pages, runs):
    text, read = pages["simulate"], Reader(pages["simulate"])
    assert read.tags["script"] == 1
    assert read.tags["img"] == 0
    assert sum(HOSTILE in said for said in read.texts) >= 8
    with sqlite3.connect(runs / "simulate" / "journal.sqlite") as database:
        answers = [json.loads(a)[0] for (a,) in database.execute("SELECT answer FROM calls")]
    whole = "\n".join(read.texts)
    assert all(answer in whole for answer in answers)
    assert f"All {len(answers):,} answers are shown" in text


def test_every_worker_is_a_choice_of_the_transcript(pages):
    read = Reader(pages["simulate"])
    spoken = {said[:8] for said in read.texts if re.match(r"worker \d \(\d+\)$", said)}
    assert spoken == {f"worker {place}" for place in range(8)}


@pytest.fixture(scope="module")
def compared(runs, pages):
    """Return the page of the comparison, before it is written."""
    with float64():
        return run_page(read_run(runs / "compare"))


def test_equal_runs_make_equal_bytes(runs, pages, compared, tmp_path):
    write_page(compared, tmp_path, ReportConfig((), figures=True, latex=True))
    assert (tmp_path / "report.html").read_text("utf-8") == pages["compare"]
    first, again = (
        {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
        for folder in (runs / "compare", tmp_path)
    )
    assert again == first
    kinds = Counter(name.rpartition(".")[2] for name in first)
    assert kinds["svg"] == kinds["pdf"] == 6
    assert kinds["tex"] > 6
    assert all(data.startswith(b"%PDF") for name, data in first.items() if name.endswith("pdf"))
    table = first["atkinson-aversion-1-rational-workers-what-planners-recommend.tex"].decode()
    assert r"\toprule" in table
    assert "8 workers, elasticity 0.25, 2 seeds, 0 to 1" in table
    for name, data in first.items():
        if name.endswith("tex") and "rational-workers" in name:
            assert b"8 workers, elasticity 0.25, 2 seeds, 0 to 1" in data, name


@pytest.mark.parametrize("most", [0, 5, 20, 48])
def test_a_bound_holds_for_the_answers_of_all_together(runs, most):
    """Of each speaker the first and the last are shown, in order."""
    all_of = recording_of(runs / "simulate", known=[], most=10_000).kept
    found = recording_of(runs / "simulate", known=[], most=most)
    assert most - len(all_of) < sum(map(len, found.kept.values())) <= most
    for name, some in found.kept.items():
        every = [call for _, call in all_of[name]]
        places = [
            next(j for j, one in enumerate(every) if one is call or str(one) == str(call))
            for _, call in some
        ]
        assert places[0] == 0
        assert len(some) < 2 or places[-1] == len(every) - 1
    assert found.total == sum(map(len, all_of.values()))


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_what_is_no_run_is_told(econjax, assert_told, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert_told(econjax("report", tmp_path / name), name, "holds no run")


def test_a_damaged_journal_is_said_on_the_page(runs, econjax, tmp_path):
    copy = tmp_path / "damaged"
    shutil.copytree(runs / "simulate", copy)
    data = (copy / "journal.sqlite").read_bytes()
    (copy / "journal.sqlite").write_bytes(data[: len(data) // 2])
    ran = econjax("report", copy)
    assert ran.code == 0, ran.err
    text = (copy / "report.html").read_text("utf-8")
    assert "is damaged" in text
    assert "Hours by step" in text


def test_a_folder_of_runs_has_a_page_that_pools_them(runs, econjax, tmp_path):
    """Values that differ only by their seed are pooled, and a run that did not finish is named."""
    for name, elasticity in (("one", 0.25), ("two", 0.5)):
        shutil.copytree(runs / "compare", tmp_path / name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text("utf-8"))
        manifest["config"]["elasticity"] = elasticity
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    shutil.copytree(runs / "simulate", tmp_path / "cut")
    (tmp_path / "cut" / "metrics.parquet").unlink()
    page = study_page(tmp_path, [read_run(path) for path in sorted(tmp_path.iterdir())])
    text = render(page)
    read = Reader(text)
    assert {link for link in read.links if not link.startswith("#")} == {
        f"{name}/report.html" for name in ("cut", "one", "two")
    }
    for said in ("3 runs, 2 of them finished", "cut has no metrics.parquet", "Worth by elasticity"):
        assert said in text
    rows = pq.read_table(runs / "compare" / "metrics.parquet").to_pylist()
    law = [r["equivalent"] for r in rows if (r["planner"], r["kind"]) == ("US federal", FINAL)]
    assert len(law) == 2
    assert text.count(f'<td class="number">{np.mean(law):,.2f}</td>') == 4


@pytest.mark.parametrize("name", ["metrics.parquet", "workers.parquet"])
def test_damaged_rows_are_said_on_the_page(runs, econjax, tmp_path, name):
    shutil.copytree(runs / "simulate", tmp_path / "damaged")
    file = tmp_path / "damaged" / name
    file.write_bytes(file.read_bytes()[:-7])
    ran = econjax("report", tmp_path / "damaged")
    assert ran.code == 0, ran.err
    read = Reader((tmp_path / "damaged" / "report.html").read_text("utf-8"))
    assert any("damaged found cannot be shown" in said for said in read.texts)
    assert "damaged found cannot be shown" in ran.err
    assert any("answers are shown" in said for said in read.texts)


def test_no_two_curves_of_a_figure_look_alike():
    looks = [look_at(place) for place in range(len(TONES) * len(DASHES))]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("end", [0, 1])
def test_colours_can_be_told_from_their_ground(end):
    """The ratio of WCAG 2.2, 1.4.11, for what is drawn."""

    def light(colour):
        parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    ground = light(("#ffffff", "#15171b")[end])
    for tone in TONES:
        pair = sorted((light(tone[end]), ground))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, tone


def test_two_figures_of_a_page_share_no_id():
    curve = Curve("a <b>", [1, 2], [3, 4], kind="dots", look=Look(1))
    data = DataTable("T", ("x",), (("1",),))
    chart = Chart("T", "", "", 'x <&"', "y", (curve,), data, x_scale="log")
    page = Page("P", "", (PageSection("S", (chart, chart)), PageSection("S", (chart,))))
    read = Reader(render(page))
    assert max(read.ids.values()) == 1
    assert [name for place in placed(page) for name, _ in place.blocks] == ["s-t", "s-t-2", "s-2-t"]
    assert inline_svg(chart, "one") == inline_svg(chart, "one")


def test_lorenz_curves_have_the_gini_of_the_core():
    rng = np.random.default_rng(0)
    values, weight = rng.pareto(3, 5000) + 1, rng.random(5000)
    x, y = lorenz_curve(values, weight)
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    assert 1 - 2 * area == pytest.approx(float(inequality.gini(values, weight)), abs=2e-3)
    assert y[0] == 0
    assert y[-1] == pytest.approx(1)
    assert (np.diff(y) >= 0).all()
    assert (y <= x + 1e-12).all()


def test_latex_sets_special_letters_as_they_are():
    assert latex_text("50 % of $3 & a_b #1 {x}") == r"50 \% of \$3 \& a\_b \#1 \{x\}"
    assert latex_text("a\\b~c^d") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"


@pytest.fixture(scope="module")
def tab():
    with any_browser(seconds=90) as opened:
        yield opened


@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_complains_of_nothing_and_asks_for_nothing(runs, pages, tab, width):
    for name in pages:
        place = runs / name / "report.html"
        tab.open(place, width=width)
        assert tab.requests() == [place.resolve().as_uri()]
        assert tab.complaints() == []
        assert "taken" not in tab.value("document.title")
        assert tab.value("document.documentElement.scrollWidth") <= width
        picture = Image.open(io.BytesIO(tab.screenshot())).convert("L")
        assert picture.size == (width, 900)
        assert np.asarray(picture).std() > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_no_error(runs, pages, tab, scheme):
    tab.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    for name in pages:
        tab.open(runs / name / "report.html", width=1280)
        assert violations(tab) == [], name
        assert tab.value("axe.run().then(said => said.passes.length)") > 10


def test_the_speaker_is_chosen_by_keyboard(runs, pages, tab):
    tab.open(runs / "simulate" / "report.html", width=360)
    heard = "[...document.querySelectorAll('[data-speaker]')].map(one => one.hidden)"
    assert tab.value(heard).count(False) == 1
    assert not tab.value(heard)[0]
    tab.value("document.querySelector('select').focus()")
    for kind in ("rawKeyDown", "keyUp"):
        tab.call(
            "Input.dispatchKeyEvent", type=kind, key="End", code="End", windowsVirtualKeyCode=35
        )
    assert tab.value(heard).count(False) == 1
    assert not tab.value(heard)[-1]
