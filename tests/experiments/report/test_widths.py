"""Tables in narrow terminals: no figure is lost or cut, and what is chosen is what is printed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich import box
from rich.table import Table

from experiments.core.parsing import parse
from experiments.report import console as consoles
from experiments.report.config import TableConfig
from experiments.report.console import PlainConsole


def table_of(widths, rows=3):
    table = Table(box=box.SIMPLE_HEAD, title="titled")
    table.add_column("planner", justify="left", no_wrap=True)
    for number, width in enumerate(widths):
        table.add_column(f"c{number}", justify="right", no_wrap=True)
        assert width >= 4
    for row in range(rows):
        cells = [f"{row}{number:03}".rjust(width, "x") for number, width in enumerate(widths)]
        table.add_row(f"name{row}", *cells)
    return table


def printed(table, width, choices=None):
    file = io.StringIO()
    consoles.TABLE_CHOICES.append(choices or TableConfig())
    try:
        PlainConsole(file=file, width=width).print(table)
    finally:
        consoles.TABLE_CHOICES.pop()
    return file.getvalue()


@given(widths=st.lists(st.integers(4, 40), min_size=1, max_size=12), width=st.integers(60, 130))
def test_every_figure_is_printed_once_and_no_line_is_longer_than_the_terminal(widths, width):
    table = table_of(widths)
    text = printed(table, width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = text.split()
    for column in table.columns[1:]:
        assert all(words.count(cell) == 1 for cell in column.cells)
        assert words.count(str(column.header)) == 1
    assert words.count("name0") == words.count("planner") >= 1
    assert words.count("titled") == 1


def test_a_wide_table_is_whole_and_columns_are_chosen_by_their_beginnings():
    table = table_of([30] * 12)
    whole = printed(table, 80, TableConfig(wide=True)).split()
    assert whole.count("planner") == 1
    assert [word for word in whole if word[0] == "c"] == [f"c{n}" for n in range(12)]
    some = printed(table, 80, TableConfig(columns=("C1", "c3"))).split()
    assert {word for word in some if word[0] == "c"} == {"c1", "c10", "c11", "c3"}
    assert "planner" in some
    assert printed(table, 80, TableConfig(columns=("none",))) == printed(table, 80)


def test_a_column_that_is_wider_than_the_terminal_is_not_cut():
    [cell] = table_of([150], rows=1).columns[1].cells
    assert cell in printed(table_of([150], rows=1), 80)


@pytest.mark.parametrize("command", ["compare", "simulate", "reform law law", "replay runs/one"])
def test_every_command_that_prints_tables_takes_the_flags(command):
    parsed = parse([*command.split(), "--wide", "--columns", "rates", "hours"])
    assert parsed.tables == TableConfig(wide=True, columns=("rates", "hours"))


@pytest.mark.usefixtures("brief_search")
def test_a_comparison_fits_80_columns(econjax, runs, monkeypatch):
    monkeypatch.setattr("experiments.report.console.FILE_WIDTH", 80)
    sizes = ("--agents", 6, "--evaluations", 2, "--runs", runs)
    ran = econjax("compare", "--workers", "rational", "--planners", "flat", *sizes)
    assert ran.code == 0, ran.err
    lines = [line for line in ran.out.splitlines() if "flat" in line or "US federal" in line]
    assert max(len(line) for line in lines) <= 80
    assert len(lines) > 4
