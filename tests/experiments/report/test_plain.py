"""Text from outside is printed, drawn and written as it is, and followed by nobody."""

import csv
import errno
import io
import string
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from experiments.report import console
from experiments.report.console import NOTES, PlainConsole, progress_bar
from experiments.report.figures import panels_of, save_figure
from experiments.report.files import whole
from experiments.report.plain import one_line, plain
from llm_policy.engines.base import EngineError
from llm_policy.personas.files import load_personas, save_personas
from llm_policy.personas.text import roles

HOSTILE = (
    *("[/b]", "[red]warning[/red]", "[link=https://x.y]z[/link]", "[/]", "[bold", "\\[b]"),
    *(
        ":warning:",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x1b]8;;https://x.y\x1b\\z",
        "\x9b2J",
    ),
    *("\x07", "a\rb", "two\nlines", "a\tb", "a\x00b", "\x7f", "\u202eevil", "\u2066x\u2069"),
    *(
        "a\u2028b",
        "\ud800",
        "\x1bPq#0;1\x1b\\",
        "<b>bold</b>",
        "&lt;",
        "{0}",
        "%s",
        "$x^{",
        "=cmd()",
    ),
    *("+1", "-1", "@SUM(A1)", "\t=1", "'=1", "''", "\u200bzero", "\ufeffbom", "é ü 漢字"),
)
MEANT_FOR_TERMINALS = {chr(code) for code in [*range(32), 127, *range(128, 160)]} - {"\n"}


def printed(show):
    """Return what a console prints on a terminal that wants colours."""
    file = io.StringIO()
    show(PlainConsole(file=file, width=400, force_terminal=True, color_system="truecolor"))
    return file.getvalue()


@given(st.text(st.characters(codec=None), max_size=30))
def test_plain_text_is_one_printable_line_from_which_nothing_is_left_out(text):
    shown = plain(text)
    assert all(letter.isprintable() or letter in "\xa0\u2009\u202f" for letter in shown)
    shown.encode()
    kept = "".join(letter for letter in text if letter.isprintable())
    letters = iter(shown)
    assert all(letter in letters for letter in kept)
    assert plain(shown) == shown
    assert "\n" not in one_line(text)


@given(st.text(string.printable, max_size=30))
def test_a_line_keeps_its_words(text):
    assert one_line(text).split() == plain(" ".join(text.split())).split()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_printed_is_what_it_says(text):
    def table(where):
        rows = Table(text, title=text)
        rows.add_row(text)
        where.print(rows)

    for show in (lambda where: where.print(text), lambda where: where.print(f"a {text} b"), table):
        out = printed(show)
        assert plain(text).strip() in out
    out = printed(lambda where: where.print(text))
    assert not set(out) & MEANT_FOR_TERMINALS
    assert out.count("\n") == 1


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_being_done_is_what_it_says(text, monkeypatch):
    file = io.StringIO()
    loud = PlainConsole(file=file, width=400, force_terminal=True)
    with loud.status(text) as status:
        status.update(text)
    monkeypatch.setattr(console, "NOTES", loud)
    with progress_bar(width=9) as bar:
        bar.add_task(plain(text), total=1)
    out = file.getvalue()
    assert out.count(plain(text).strip()) >= 2
    assert "\x1b]" not in out
    assert "\x07" not in out


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_an_error_is_one_line(econjax, monkeypatch, text):
    def fail(*_):
        raise EngineError(f"The server says: {text}")

    monkeypatch.setattr("experiments.cli._run", fail)
    ran = econjax("parity")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("econjax: The server says:")
    assert not set(ran.err) & MEANT_FOR_TERMINALS


def test_a_full_disk_is_told_with_what_to_do(econjax, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "journal.sqlite")

    monkeypatch.setattr("experiments.cli._run", fail)
    ran = econjax("parity")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "No space left on device: 'journal.sqlite'. Make room: what is written stays." in ran.err


def test_hostile_names_are_drawn(tmp_path):
    figure, panels = panels_of(2)
    for panel in panels:
        for place, text in enumerate(HOSTILE):
            panel.plot([0, 1], [place, place], label=text)
        panel.set(title="$\\frac{", xscale="log")
    figure_path = tmp_path / "figure.png"
    (tmp_path / "elsewhere").write_text("precious")
    figure_path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".figure.png").symlink_to(tmp_path / "elsewhere")
    save_figure(figure, panels, figure_path)
    assert figure_path.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["elsewhere", "figure.png"]


def test_people_in_a_file_are_no_formulas_and_come_back_to_the_last_bit(tmp_path):
    people = roles(jax.random.key(0), len(HOSTILE))
    people = replace(people, texts=HOSTILE, written=np.ones(len(HOSTILE), bool))
    save_personas(tmp_path / "people.csv", people)
    assert load_personas(tmp_path / "people.csv").texts == HOSTILE
    with (tmp_path / "people.csv").open(
        newline="", errors="surrogatepass", encoding="utf-8"
    ) as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


def test_a_file_that_fails_half_way_leaves_what_was_there(tmp_path):
    path = tmp_path / "some.json"
    path.write_text("before")

    def fail():
        with whole(path) as file:
            file.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["some.json"]


def test_a_run_with_a_hostile_model_ends_with_its_table(econjax, play, improviser, runs):
    name = "[/b]\x1b[31m$\\frac{ :warning: [link=x]\n=cmd"
    engine = play(improviser())
    engine.describe = lambda: replace(type(engine).describe(engine), model=name)
    small = ("--agents", 6, "--tax-years", 1, "--tax-year", 2, "--planner", "fixed")
    ran = econjax("simulate", *small, "--mode", "text", "--runs", runs, "--name", "[red]x")
    assert ran.code == 0, ran.err
    assert f"Model: {plain(name)}" in ran.out
    assert "\x1b" not in ran.out + ran.err
    play(None)
    ran = econjax("replay", runs / "[red]x")
    assert "is identical to that of" in ran.err, ran.err


def test_notes_interpret_nothing():
    assert isinstance(NOTES, PlainConsole)
