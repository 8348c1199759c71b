"""The economy file: what is read of it, and what is said, with its line, where it is wrong.

Light: the command line reads it for its defaults.
"""

import contextlib
import difflib
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from experiments.economies.checks import clashes
from experiments.economies.sections import Document
from experiments.economies.sections import Money as Money


class Source:
    """The text of an economy file, in which keys have lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text("utf-8-sig")
        except OSError as error:
            raise ValueError(
                f"--economy: there is no file {path}. To write one: econjax economy init {path}"
            ) from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text in UTF-8: save it as such.") from error

    def at(self, keys: tuple[str, ...], message: str) -> ValueError:
        """Return an error that says what is wrong with a key, and in which line it stands."""
        line = _line_of(self.text, keys)
        where = f", line {line}" if line else ""
        return ValueError(f"{self.path}{where}: {message}")


class Blame:
    """Says of what keys of an economy file errors are: in a line of the file, if there is one.

    As a context (`blame.at(...)`) it takes the ValueErrors in it for such.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def error(self, keys: tuple[str, ...], message: str) -> ValueError:
        """Return an error that a key is to blame for."""
        if self._path is None:
            return ValueError(message[0].upper() + message[1:])
        return Source(self._path).at(keys, message)

    @contextlib.contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Return a context for whose ValueErrors a key is to blame.

        Raises:
            ValueError: whatever is raised in it, with the line of the key.
        """
        try:
            yield
        except ValueError as error:
            raise (error if self._path is None else self.error(keys, str(error))) from error


FileKind = TypeVar("FileKind", bound=Document)
TableKind = TypeVar("TableKind", bound=msgspec.Struct)


def read_document(path: Path, kind: type[FileKind] = Document) -> FileKind:
    """Return what an economy file says, or a `kind` of file that says more.

    Raises:
        ValueError: there is no such file, it is no TOML, a key is unknown or of another kind than
            it must be, or two keys cannot stand together: in one line, with the file's.
    """
    source = Source(path)
    return _document(path, source.text, kind)


def read_tables(source: Source, kind: type[TableKind]) -> TableKind:
    """Return what any file of the project's says, as the `kind` of tables that it must hold.

    Raises:
        ValueError: it is no TOML, or a key is unknown or of another kind: in one line, with the
            file's.
    """
    try:
        raw = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(source.path, source.text, error) from error
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _misplaced(source, str(error), raw, kind) from error


@functools.lru_cache(maxsize=4)
def _document(path: Path, text: str, kind: type[FileKind]) -> FileKind:
    source = Source(path)
    document = read_tables(source, kind)
    for keys, message in clashes(document):
        raise source.at(keys, message)
    return document


def _broken(path: Path, text: str, error: Exception) -> ValueError:
    """Return what tomllib found, with the line in front."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
    where = f", line {found[2] or len(text.splitlines())}" if found else ""
    what = found[1] if found else str(error)
    return ValueError(
        f"{path}{where}: no TOML: {what}. Texts stand in quotation marks, numbers without units."
    )


def _misplaced(
    source: Source, text: str, raw: dict[str, Any], kind: type[msgspec.Struct]
) -> ValueError:
    """Return what msgspec found, in words, at its line."""
    what, _, place = text.partition(" - at ")
    places = _places_of(place, raw, kind)
    keys = tuple(key for key in places if not key.isdigit())
    if unknown := re.search(r"unknown field `(.+)`", what):
        name, known = unknown[1], _known(keys, kind)
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
        return source.at((*places, name), f"there is no key {name} here: {remedy}")
    if missing := re.search(r"missing required field `(.+)`", what):
        return source.at(places, f"{'.'.join(keys) or 'it'} lacks {missing[1]}: add it.")
    words = re.sub(r"`([^`]+)`", lambda found: _WORDS.get(found[1], found[1]), what)
    return source.at(places, f"{'.'.join(keys)}: {words[0].lower()}{words[1:]}{_HINT}")


def _places_of(place: str, raw: Any, kind: Any) -> tuple[str, ...]:
    """Return the keys of a place that msgspec names, with numbers of items and own names."""
    places = []
    for key in re.findall(r"\w+|\[\.\.\.\]", place.strip("`$")):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        if key == "[...]" and isinstance(raw, dict):
            key = next((name for name, value in raw.items() if _is_wrong(value, kind)), key)
        elif key in fields:
            kind = _struct_in(msgspec.inspect.type_info(fields[key])) or kind
        if isinstance(raw, list) and key.isdigit():
            raw = raw[int(key)]
        else:
            raw = raw.get(key, {}) if isinstance(raw, dict) else {}
        if key != "[...]":
            places.append(key)
    return tuple(places)


def _is_wrong(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return True
    return False


_HINT = ". Numbers are plain, such as 11600 or 0.22; lists stand in brackets."
_WORDS = {
    "float": "a number",
    "float | null": "a number",
    "int": "a whole number",
    "int | null": "a whole number",
    "str": "a text in quotation marks",
    "str | null": "a text in quotation marks",
    "array": "a list",
    "array | null": "a list",
    "object": "a table",
    "bool": "true or false",
}


def _known(keys: tuple[str, ...], kind: Any) -> list[str]:
    """Return the keys that may stand in a table of the file."""
    for key in keys:
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        if key in fields:
            kind = _struct_in(msgspec.inspect.type_info(fields[key])) or kind
    return [field.name for field in msgspec.structs.fields(kind)]


def _struct_in(types: Any) -> type | None:
    """Return the table that a field's type holds, if it does."""
    parts = (getattr(types, name, None) for name in ("value_type", "item_type"))
    inner = [*getattr(types, "types", ()), *parts, types]
    return next((one.cls for one in inner if isinstance(one, msgspec.inspect.StructType)), None)


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line of the last of the keys that can be found, in its table if it has one.

    A table of a list of tables, [[name]], has its place after its name: "name", "0".
    """
    found, table, wanted = None, (), tuple(keys)
    last: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if head := re.match(r"(\[\[?)\s*([^\]]+?)\s*\]", bare):
            table = tuple(part.strip(" \"'") for part in head[2].split("."))
            if head[1] == "[[":
                last[table] = last.get(table, -1) + 1
            for place in range(len(table), 0, -1):
                if (within := table[:place]) in last:
                    table = (*within, str(last[within]), *table[place:])
                    break
            if table == wanted[: len(table)] and (found is None or len(table) >= found[0]):
                found = (len(table), number)
        elif key := re.match(r"[\"']?([\w.-]+)[\"']?\s*=", bare):
            path = (*table, *key[1].split("."))
            if path == wanted[: len(path)] and (found is None or len(path) > found[0]):
                found = (len(path), number)
            elif path[:-1] == wanted[: len(path) - 1] and wanted[-1:] and wanted[-1] in bare:
                found = found or (0, number)
    return found[1] if found else None
