"""What a run leaves speaks the economy's currency and no other: texts, figures, pages."""

import contextlib
import re
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.core import engines
from experiments.core.commands import COMMANDS

FILE = """
[currency]
symbol = "Kr"
name = "crowns"

[law]
name = "Ruritania 2024"
thresholds = [0, 10_000, 30_000, 80_000, 200_000]
rates = [0.0, 0.15, 0.28, 0.38, 0.45]

[welfare]
functions = ["atkinson"]
"""
SWEEP = '[incomes]\nagents = 6\n[sweep]\nseeds = 2\n[vary]\n"preferences.elasticity" = [0.3, 0.5]\n'
COMPARE = "--workers llm --agents 6 --evaluations 2 --repetitions 2 --planners federal llm ramp"
LIVES = "--agents 6 --tax-years 2 --tax-year 2 --scenario democratic --people"
MODEL = "--mode text --model any"
RUNS = {
    "compare": f"compare {COMPARE} {MODEL}",
    "template": f"simulate {LIVES} template {MODEL}",
    "sweep": "sweep",
    "reform": "reform law us_federal:2024",
}
DOLLARS = re.compile(
    r"\$(?!\\?[a-z]|-\$)|(?<!limit[ _])dollars?\b(?!, at the prices)", re.IGNORECASE
)
"""Signs and words, but for formulas of LaTeX and what a model costs, which is in dollars."""


@pytest.fixture(scope="module")
def left(econjax, improviser, tmp_path_factory):
    """Return the folder of a run of each command with a page, and the texts of their figures."""
    folder, drawn = tmp_path_factory.mktemp("crowns"), {}
    (folder / "economy.toml").write_text(FILE)
    (folder / "sweep.toml").write_text(FILE + SWEEP)
    draw = Figure.savefig

    def savefig(figure, path, *more, **options):
        drawn.setdefault(str(path), []).extend(text.get_text() for text in figure.findobj(Text))
        return draw(figure, path, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: improviser())
        patch.setattr(Figure, "savefig", savefig)
        for name, words in RUNS.items():
            command, *choices = words.split()
            economy = [] if command == "sweep" else ["--economy"]
            economy += [folder / ("sweep.toml" if command == "sweep" else "economy.toml")]
            pages = [["report", folder / "runs" / name]] if COMMANDS[command].leaves_run else []
            where = ["--runs", folder / "runs", "--name", name]
            for line in ([command, *choices, *economy, *where], *pages):
                ran = econjax(*line)
                assert ran.code == 0, ran.err
    return folder / "runs", drawn


def text_of(path):
    """Return all text in a file that a run left; none of a picture."""
    if path.suffix == ".png":
        return ""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        texts = [table[n].to_pylist() for n, t in _columns(table) if pa.types.is_string(t)]
        return "\n".join((*table.column_names, *map(str, texts)))
    if path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as journal:
            return "\n".join(journal.iterdump())
    text = path.read_text("utf-8")
    return re.sub(r"<(script|style)(?! type).*?</\1>", "", text, flags=re.DOTALL)


def _columns(table):
    return zip(table.column_names, table.schema.types, strict=True)


@pytest.mark.parametrize("name", RUNS)
def test_no_file_of_a_run_speaks_of_dollars(left, name):
    files = [path for path in (left[0] / name).rglob("*") if path.is_file()]
    assert len(files) > 3
    said = {
        (path.name, text[max(found.start() - 40, 0) : found.end() + 40])
        for path in files
        for text in [text_of(path)]
        for found in DOLLARS.finditer(text)
    }
    assert not said


def test_no_figure_speaks_of_dollars_and_pages_and_people_of_crowns(left):
    folder, drawn = left
    assert sum(len(texts) for texts in drawn.values()) > 50
    assert not [text for texts in drawn.values() for text in texts if DOLLARS.search(text)]
    for name in ("template/people.csv", "template/report.html", "sweep/report.html"):
        assert re.search(r"Kr[0-9]", (folder / name).read_text("utf-8")), name


def test_people_of_a_run_can_be_played_again_in_the_same_words(left, econjax, improviser):
    folder, engine = left[0], improviser()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: engine)
        own = ["--economy", folder.parent / "economy.toml", "--runs", folder, "--name", "again"]
        people = ["--population", folder / "template" / "people.csv"]
        ran = econjax("simulate", *f"{LIVES} template {MODEL}".split(), *people, *own)
    assert ran.code == 0, ran.err
    first, again = (folder / name / "people.csv" for name in ("template", "again"))
    assert again.read_bytes() == first.read_bytes()
