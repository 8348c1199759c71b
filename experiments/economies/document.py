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


def read_document(path: Path, kind: type[FileKind] = Document) -> FileKind:
    """Return what an economy file says, or a `kind` of file that says more.

    Raises:
        ValueError: there is no such file, it is no TOML, a key is unknown or of another kind than
            it must be, or two keys cannot stand together: in one line, with the file's.
    """
    source = Source(path)
    return _document(path, source.text, kind)


@functools.lru_cache(maxsize=4)
def _document(path: Path, text: str, kind: type[FileKind]) -> FileKind:
    source = Source(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, text, error) from error
    try:
        document = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise _misplaced(source, str(error), raw, kind) from error
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


def _misplaced(source: Source, text: str, raw: dict[str, Any], kind: type[Document]) -> ValueError:
    """Return what msgspec found, in words, at its line."""
    what, _, place = text.partition(" - at ")
    keys = _keys_of(place, raw, kind)
    if unknown := re.search(r"unknown field `(.+)`", what):
        name, known = unknown[1], _known(keys, kind)
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
        return source.at((*keys, name), f"there is no key {name} here: {remedy}")
    if missing := re.search(r"missing required field `(.+)`", what):
        return source.at(keys, f"{'.'.join(keys)} lacks {missing[1]}: add it.")
    words = re.sub(r"`([^`]+)`", lambda found: _WORDS.get(found[1], found[1]), what)
    return source.at(keys, f"{'.'.join(keys)}: {words[0].lower()}{words[1:]}{_HINT}")


def _keys_of(place: str, raw: Any, kind: Any) -> tuple[str, ...]:
    """Return the keys of a place as msgspec writes it, with the names of tables that users name."""
    keys = []
    for key in re.findall(r"[A-Za-z_]\w*|\[\.\.\.\]", place):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        if key == "[...]":
            key = next((name for name, value in raw.items() if _is_wrong(value, kind)), key)
        elif key in fields:
            kind = _struct_in(msgspec.inspect.type_info(fields[key])) or kind
        raw = raw.get(key, {}) if isinstance(raw, dict) else {}
        keys.append(key)
    return tuple(keys)


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
    inner = [*getattr(types, "types", ()), getattr(types, "value_type", None), types]
    return next((one.cls for one in inner if isinstance(one, msgspec.inspect.StructType)), None)


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line of the last of the keys that can be found, in its table if it has one."""
    found, table, wanted = None, (), tuple(keys)
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if head := re.match(r"\[\[?\s*([^\]]+?)\s*\]", bare):
            table = tuple(part.strip(" \"'") for part in head[1].split("."))
            if table == wanted[: len(table)] and (found is None or len(table) >= found[0]):
                found = (len(table), number)
        elif key := re.match(r"[\"']?([\w.-]+)[\"']?\s*=", bare):
            path = (*table, *key[1].split("."))
            if path == wanted[: len(path)] and (found is None or len(path) > found[0]):
                found = (len(path), number)
            elif path[:-1] == wanted[: len(path) - 1] and wanted[-1:] and wanted[-1] in bare:
                found = found or (0, number)
    return found[1] if found else None
