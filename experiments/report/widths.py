"""Tables as wide as the terminal: split into several, or some columns of them."""

import dataclasses
from collections.abc import Sequence
from copy import copy

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

from experiments.report.config import TableConfig


def fitting(table: Table, console: Console, choices: TableConfig) -> list[Table]:
    """Return tables that fit the console, each of which begins with what says of whom a row is.

    Those are the columns before the first that is set to the right. Of columns that are chosen by
    name none is left out; where a table has none of them, all of it is printed.
    """
    leading, others = _parts(table)
    chosen = [column for column in others if _is_chosen(column, choices.columns)]
    columns = chosen or others
    if choices.wide:
        return [_with(table, [*leading, *columns], title=True)]
    room = console.width - 1 - sum(_width(column) for column in leading)
    groups: list[list[Column]] = [[]]
    left = room
    for column in columns:
        width = _width(column)
        if width > left and groups[-1]:
            groups.append([])
            left = room
        groups[-1].append(column)
        left -= width
    return [
        _with(table, [*leading, *group], title=number == 0) for number, group in enumerate(groups)
    ]


def least_width(table: Table) -> int:
    """Return how many characters a line of a table needs if nothing is cut."""
    return 1 + sum(_width(column) for column in table.columns)


def _parts(table: Table) -> tuple[list[Column], list[Column]]:
    """Return the columns that say of whom a row is, at least one, and the others."""
    right = [number for number, column in enumerate(table.columns) if column.justify == "right"]
    first = max(1, right[0] if right else 1)
    return table.columns[:first], table.columns[first:]


def _is_chosen(column: Column, names: Sequence[str]) -> bool:
    head = str(column.header).lower()
    return any(head.startswith(name.lower()) for name in names)


def _width(column: Column) -> int:
    """Return what a column takes, with the space around it: text that may be broken takes less."""
    head, cells = str(column.header), [str(cell) for cell in column.cells]
    longest = max((cell_len(line) for cell in cells for line in cell.splitlines()), default=0)
    if not column.no_wrap:
        word = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        longest = max(word, min(longest, _ENOUGH))
    return 3 + max(cell_len(head), longest)


_ENOUGH = 32
"""Characters of a column whose text may be broken."""


def _with(table: Table, columns: Sequence[Column], *, title: bool) -> Table:
    """Return a table of some of its columns."""
    part = copy(table)
    part.columns = [
        dataclasses.replace(column, _index=place) for place, column in enumerate(columns)
    ]
    part.title = table.title if title else None
    return part
