"""The economy file: what may stand in it, and what is said, with its line, where it is wrong.

Light: the command line reads it for its defaults.
"""

import difflib
import functools
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

WelfareFunction = Literal["atkinson", "rawlsian", "utilitarian"]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file, in which every key is known."""


class Money(_Section, frozen=True):
    """What money is called: a `symbol` before amounts, and the `name` in the plural."""

    symbol: str = "$"
    name: str = "dollars"


class Columns(_Section, frozen=True):
    """Which column of a data file holds what; one that is not named is known by its own name."""

    income: str = "income"
    weight: str | None = None
    status: str | None = None
    taste: str | None = None
    elasticity: str | None = None
    fixed_cost: str | None = None
    age: str | None = None
    group: str | None = None


class Incomes(_Section, frozen=True):
    """Where incomes come from, a `distribution` or a `file`, and what is done with odd ones."""

    distribution: str | None = None
    parameters: dict[str, float] = {}
    file: str | None = None
    agents: int | None = None
    columns: Columns = Columns()
    separator: str = ","
    decimal: Literal[".", ","] = "."
    zeros: Literal["keep", "drop", "apart"] = "keep"
    losses: Literal["refuse", "clip", "drop", "apart"] = "refuse"
    top_code: float | None = None
    pareto_index: float | None = None
    only: tuple[str, ...] = ()


class Brackets(_Section, frozen=True):
    """A schedule of one status: thresholds from 0, rates as shares of a unit of money."""

    thresholds: tuple[float, ...]
    rates: tuple[float, ...]


class Index(_Section, frozen=True):
    """By what thresholds are multiplied, and how the result is rounded."""

    factor: float
    step: float = 0.0
    rounding: Literal["down", "nearest", "up"] = "down"
    of: Literal["increase", "threshold"] = "increase"


class Law(_Section, frozen=True):
    """The law as it stands: of the United States by year, own brackets, a file, or by status."""

    name: str | None = None
    year: int | None = None
    status: str | None = None
    deduction: bool = False
    thresholds: tuple[float, ...] | None = None
    rates: tuple[float, ...] | None = None
    file: str | None = None
    by_status: dict[str, Brackets] = {}
    index: Index | None = None

    @property
    def is_own(self) -> bool:
        """Whether the law is stated here, and is not that of the United States."""
        return bool(self.thresholds or self.rates or self.file or self.by_status)


class Preferences(_Section, frozen=True):
    """How workers trade consumption against labor: a kind, and the parameters of that kind."""

    kind: Literal["quasilinear", "ghh", "isoelastic"] = "quasilinear"
    elasticity: float | None = None
    curvature: float | None = None
    exponent: float | None = None
    scale: float | None = None
    unit: float | None = None


class Welfare(_Section, frozen=True):
    """What planners maximise, and the aversion to inequality of Atkinson welfare.

    `subsistence` is the least that a year of a worker who may err counts as, in money a year.
    """

    functions: tuple[WelfareFunction, ...] = ()
    aversion: float | None = None
    subsistence: float | None = None


class Spending(_Section, frozen=True):
    """Public spending: none, what the law collects, or money a head and year."""

    public: Literal["none", "law"] | float = "none"


class Calibrated(_Section, frozen=True):
    """Whether tastes are those at which everyone works 40 hours under the law, at a `rebate`."""

    kind: Literal["40 hours", "none"] = "40 hours"
    rebate: float = 0.0


class Published(_Section, frozen=True):
    """Published figures of incomes, with their source, to hold the population against."""

    source: str
    mean: float | None = None
    median: float | None = None
    gini: float | None = None


class Document(_Section, frozen=True):
    """An economy file."""

    currency: Money = Money()
    incomes: Incomes = Incomes()
    law: Law = Law()
    spending: Spending = Spending()
    preferences: Preferences = Preferences()
    welfare: Welfare = Welfare()
    calibration: Calibrated = Calibrated()
    published: Published | None = None


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


def read_document(path: Path) -> Document:
    """Return what an economy file says.

    Raises:
        ValueError: there is no such file, it is no TOML, a key is unknown or of another kind than
            it must be, or two keys cannot stand together: in one line, with the file's.
    """
    source = Source(path)
    return _document(path, source.text)


@functools.lru_cache(maxsize=4)
def _document(path: Path, text: str) -> Document:
    source = Source(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, text, error) from error
    try:
        document = msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        raise _misplaced(source, str(error)) from error
    for keys, message in _clashes(document):
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


def _misplaced(source: Source, text: str) -> ValueError:
    """Return what msgspec found, in words, at its line."""
    what, _, place = text.partition(" - at ")
    keys = tuple(re.findall(r"\.?([A-Za-z_]\w*)", place.strip("`$")))
    if unknown := re.search(r"unknown field `(.+)`", what):
        name, known = unknown[1], _known(keys)
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
        return source.at((*keys, name), f"there is no key {name} here: {remedy}")
    if missing := re.search(r"missing required field `(.+)`", what):
        return source.at(keys, f"{'.'.join(keys)} lacks {missing[1]}: add it.")
    words = re.sub(r"`([^`]+)`", lambda found: _WORDS.get(found[1], found[1]), what)
    return source.at(keys, f"{'.'.join(keys)}: {words[0].lower()}{words[1:]}{_HINT}")


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


def _known(keys: tuple[str, ...]) -> list[str]:
    """Return the keys that may stand in a table of the file."""
    kind: Any = Document
    for key in keys:
        field = next((f for f in msgspec.structs.fields(kind) if f.name == key), None)
        if field is None:
            continue
        types = msgspec.inspect.type_info(field.type)
        kind = _struct_in(types) or kind
    return [field.name for field in msgspec.structs.fields(kind)]


def _struct_in(types: Any) -> type | None:
    """Return the table that a field's type holds, if it does."""
    inner = [*getattr(types, "types", ()), getattr(types, "value_type", None), types]
    return next((one.cls for one in inner if isinstance(one, msgspec.inspect.StructType)), None)


_Clash = tuple[Any, tuple[str, ...], str]
"""Whether something is wrong, the key to blame, and what is said of it."""


def _clashes(document: Document) -> list[tuple[tuple[str, ...], str]]:
    """Return what cannot stand together, or is no value, each with the key to blame."""
    checks = [
        *_of_incomes(document.incomes),
        *_of_law(document.law),
        *_of_preferences(document.preferences),
        *_of_the_rest(document),
    ]
    return [(keys, message) for wrong, keys, message in checks if wrong]


def _of_incomes(incomes: Incomes) -> list[_Clash]:
    return [
        (
            incomes.distribution and incomes.file,
            ("incomes", "file"),
            "incomes come from a distribution or from a file: leave one out.",
        ),
        (
            (incomes.top_code is None) != (incomes.pareto_index is None),
            ("incomes", "top_code" if incomes.top_code is not None else "pareto_index"),
            "a top code comes with the pareto_index of the tail above it: give both, or neither.",
        ),
        (
            incomes.pareto_index is not None and not 1 < incomes.pareto_index < 1e6,
            ("incomes", "pareto_index"),
            f"pareto_index is above 1, or the tail has no mean; got {incomes.pareto_index}.",
        ),
        (
            incomes.top_code is not None and not incomes.top_code > 0,
            ("incomes", "top_code"),
            f"top_code is an amount above 0; got {incomes.top_code}.",
        ),
        (
            "apart" in (incomes.zeros, incomes.losses),
            ("incomes", "zeros" if incomes.zeros == "apart" else "losses"),
            "people without work are not kept apart yet: keep them as workers who earn nothing "
            '(zeros = "keep", losses = "clip"), or drop them.',
        ),
    ]


def _of_law(law: Law) -> list[_Clash]:
    own = [bool(law.thresholds or law.rates), bool(law.file), bool(law.by_status)]
    return [
        (
            sum(own) > 1,
            ("law",),
            "the law is thresholds and rates, a file, or by_status: keep one of them.",
        ),
        (
            bool(law.thresholds) != bool(law.rates),
            ("law", "thresholds" if law.thresholds else "rates"),
            "a law has as many rates as thresholds: give both lists.",
        ),
        (
            law.is_own and (law.year is not None or law.deduction),
            ("law", "year" if law.year is not None else "deduction"),
            "year and deduction are of the federal law of the United States: leave them out.",
        ),
    ]


def _of_preferences(wants: Preferences) -> list[_Clash]:
    takes, needs = _TAKES[wants.kind]
    given = {name for name in _PARAMETERS if getattr(wants, name) is not None}
    alien, missing = sorted(given - takes), sorted(needs - given)
    return [
        (
            alien,
            ("preferences", *alien[:1]),
            f"{wants.kind} preferences have no {''.join(alien[:1])}: they take "
            f"{', '.join(sorted(takes))}.",
        ),
        (
            missing,
            ("preferences", "kind"),
            f"{wants.kind} preferences need {' and '.join(missing)}: add it.",
        ),
    ]


def _of_the_rest(document: Document) -> list[_Clash]:
    welfare, money = document.welfare, document.currency
    return [
        (
            not 0 <= (welfare.aversion or 0) < float("inf"),
            ("welfare", "aversion"),
            f"aversion is 0 or more and finite; got {welfare.aversion}. For the worst-off alone: "
            'functions = ["rawlsian"].',
        ),
        (
            not 0 <= (welfare.subsistence or 0) < float("inf"),
            ("welfare", "subsistence"),
            f"subsistence is money a year, 0 or more; got {welfare.subsistence}.",
        ),
        (
            not (money.name.isalpha() and money.symbol.strip()),
            ("currency", "name" if not money.name.isalpha() else "symbol"),
            'a currency has a name of one word in the plural, such as "crowns", and a symbol.',
        ),
    ]


_TAKES = {
    "quasilinear": ({"elasticity"}, set()),
    "ghh": ({"elasticity", "curvature", "unit"}, {"curvature"}),
    "isoelastic": (
        {"curvature", "exponent", "scale", "unit"},
        {"curvature", "exponent", "scale"},
    ),
}
_PARAMETERS = ("elasticity", "curvature", "exponent", "scale", "unit")


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
