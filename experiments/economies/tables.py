"""Data files: named columns of a CSV or Parquet as numbers, or one line on what is wrong where."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

Column = np.ndarray

NUMBER_COLUMNS = (
    *("income", "weight", "taste", "elasticity", "fixed_cost", "other_income", "credit"),
    *("children", "age"),
)
WORD_COLUMNS = ("status", "group")


def read_columns(
    path: Path, names: Mapping[str, str | None], *, separator: str = ",", decimal: str = "."
) -> dict[str, Column]:
    """Return the columns of a file by what they hold, in float64, or texts for `WORD_COLUMNS`.

    `names` says which column holds what; where it says None, a column of that very name does, if
    there is one. A file whose name ends in .parquet is Parquet, any other CSV with a header.

    Raises:
        ValueError: no such file, no table, a column that is missing, empty or twice there, or an
            entry that is no number, with its line.
    """
    if not path.is_file():
        raise ValueError(f"There is no file {path}: give a CSV or a Parquet with a column income.")
    table = _parquet(path) if _is_parquet(path) else _csv(path, separator, decimal)
    if not table.num_rows:
        raise ValueError(f"{path} holds no people: there is nothing below its header.")
    found = {}
    for role, name in names.items():
        wanted = role if name is None else name
        if table.column_names.count(wanted) > 1:
            raise ValueError(f"{path} has several columns {wanted}: rename all but one.")
        if wanted in table.column_names:
            found[role] = wanted
        elif name is not None:
            raise ValueError(_missing(path, role, name, table.column_names, separator))
    return {
        role: _numbers(path, table[name], name, "." if _is_parquet(path) else decimal)
        if role in NUMBER_COLUMNS
        else _texts(path, table[name], name)
        for role, name in found.items()
    }


def place_of(path: Path, entry: int) -> str:
    """Return where entry number `entry` (from 0) of a data file stands: a line, or a row."""
    if _is_parquet(path):
        return f"{path}, row {entry + 1}"
    with path.open(encoding="utf-8-sig") as file:
        lines = (number for number, line in enumerate(file, start=1) if line.strip())
        number = next((n for place, n in enumerate(lines) if place == entry + 1), None)
    return f"{path}, line {number}" if number else str(path)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is no Parquet file: {_one_line(error)}") from error


def _csv(path: Path, separator: str, decimal: str) -> pa.Table:
    if len(separator) != 1 or separator == decimal:
        raise ValueError(
            f"A separator is one character, another than the decimal sign; got {separator!r}."
        )
    parse = pa_csv.ParseOptions(delimiter=separator)
    read = pa_csv.ReadOptions(use_threads=True)
    convert = pa_csv.ConvertOptions(decimal_point=decimal, strings_can_be_null=True)
    try:
        return pa_csv.read_csv(
            path, read_options=read, parse_options=parse, convert_options=convert
        )
    except pa.ArrowInvalid as error:
        raise ValueError(_unread(path, str(error), separator)) from error


def _unread(path: Path, error: str, separator: str) -> str:
    """Return what is wrong with a file that is no table."""
    if "Empty CSV" in error:
        return f"{path} is empty: it needs a header, and a line for each person."
    if "invalid UTF" in error or "UTF8" in error:
        return f"{path} is no text in UTF-8: save it as such."
    uneven = re.search(r"Expected (\d+) columns, got (\d+)", error)
    if not uneven:
        return f"{path} is no CSV: {_one_line(error)}"
    wanted, got = map(int, uneven.groups())
    row = next(
        (number for number, cells in _rows(path, separator) if cells and len(cells) != wanted),
        None,
    )
    where = f", line {row}" if row else ""
    return (
        f"{path}{where}: {got} entries where the header has {wanted}: write numbers without "
        "commas, such as 1234.50, or put texts with commas in quotation marks."
    )


def _rows(path: Path, separator: str) -> Any:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        for cells in reader:
            yield reader.line_num, cells


def _missing(path: Path, role: str, name: str, columns: Sequence[str], separator: str) -> str:
    """Return that a column is missing, and what may be meant."""
    [only, *others] = columns
    if not others and any(mark in only for mark in ";\t|"):
        mark = next(mark for mark in ";\t|" if mark in only)
        return (
            f"{path}, line 1: one column {only!r}: say separator = {mark!r} under [incomes], or "
            "separate columns by commas."
        )
    return (
        f"{path}, line 1: there is no column {name}, of {role}; there are {', '.join(columns)}. "
        f"Name the right one under [incomes.columns]: {role} = ..."
    )


def _numbers(path: Path, column: pa.ChunkedArray, name: str, decimal: str) -> Column:
    """Return a column as float64."""
    kind = column.type
    if column.null_count:
        entry = int(np.argmax(column.is_null().to_numpy()))
        raise ValueError(f"{place_of(path, entry)}: {name} is empty: fill it in, or drop the line.")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64()).to_numpy()
        _require_finite(path, name, values)
        return values
    texts = column.cast(pa.string()).to_pylist()
    for entry, text in enumerate(texts):
        if not _is_number(text, decimal):
            raise ValueError(f"{place_of(path, entry)}: {name} is {text!r}: {_remedy(text)}")
    return np.array([float(text.replace(decimal, ".")) for text in texts])


def _texts(path: Path, column: pa.ChunkedArray, name: str) -> Column:
    if column.null_count:
        entry = int(np.argmax(column.is_null().to_numpy()))
        raise ValueError(f"{place_of(path, entry)}: {name} is empty: fill it in, or drop the line.")
    return np.asarray(column.cast(pa.string()).to_pylist(), dtype=object)


def _require_finite(path: Path, name: str, values: Column) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        entry = int(np.argmax(bad))
        raise ValueError(
            f"{place_of(path, entry)}: {name} is {values[entry]}: write a finite number, or drop "
            "the line."
        )


def _is_number(text: str, decimal: str) -> bool:
    return (
        re.fullmatch(rf"\s*[+-]?(\d+({re.escape(decimal)}\d*)?)([eE][+-]?\d+)?\s*", text)
        is not None
    )


def _remedy(text: str) -> str:
    """Return how to write what was meant as a number."""
    if re.fullmatch(r"\s*-?\d{1,3}(,\d{3})+(\.\d+)?\s*", text):
        return "write it without thousands separators."
    if re.fullmatch(r"\s*-?\d{1,3}(\.\d{3})*,\d+\s*", text):
        return 'write 1234.50 for 1.234,50, or say decimal = "," under [incomes].'
    if re.search(r"\d", text):
        return "write the number alone, without currency or other signs."
    return "write a number."


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:200]
