"""Points of a sweep: what each says of the economy, and that it makes one."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from econjax.welfare import AbstractWelfare, require_dollars
from experiments.core.economy import EconomyConfig
from experiments.economies.checks import clashes
from experiments.economies.defaults import choices_said
from experiments.economies.document import Source, read_document
from experiments.economies.kept import Kept, digest_of
from experiments.economies.sections import Document
from experiments.economies.source import EconomySource
from experiments.sweep.document import Between, Level, Sweep, SweepDocument
from llm_policy.prompts.welfare import welfare_aim

MOST_POINTS = 100_000
_AGENTS_OF_A_CHECK = 64


@dataclasses.dataclass(frozen=True)
class VariedSource(EconomySource):
    """The economy of a document that is no file of its own."""

    said: Document = dataclasses.field(kw_only=True)

    @cached_property
    def document(self) -> Document:
        """What the point says."""
        return self.said


@dataclasses.dataclass(frozen=True)
class DesignPoint:
    """One point of a design: what varies, the sweep, what it says here, and the economy."""

    number: int
    values: Mapping[str, Level]
    base: SweepDocument
    document: SweepDocument
    source: VariedSource

    @property
    def welfare_name(self) -> str:
        """The welfare function that planners maximise."""
        return (self.document.welfare.functions or ("atkinson",))[0]

    @property
    def aversion(self) -> float:
        """The aversion to inequality, of Atkinson welfare."""
        said = self.document.welfare.aversion
        return 1.0 if said is None else said

    @property
    def welfare(self) -> AbstractWelfare:
        """What planners maximise."""
        return welfare_aim(self.welfare_name, self.aversion).welfare


def read_sweep(path: Path) -> SweepDocument:
    """Return what a sweep file says.

    Raises:
        ValueError: it is none, in one line with that of the file.
    """
    Kept.of(path)  # a run's copies are as they were, or nothing is read
    document = read_document(path, SweepDocument)
    for wrong, key, message in _of_sweep(document):
        if wrong:
            raise Source(path).at(key, message)
    return document


def points_of(path: Path) -> tuple[DesignPoint, ...]:
    """Return the points of a sweep file's design, in the order of its keys.

    Raises:
        ValueError: the file is no sweep, or a value is none that its field can take.
    """
    return _points(path, Source(path).text)


def checked_points(path: Path) -> tuple[DesignPoint, ...]:
    """Return the points, each of which makes an economy of a few workers.

    Raises:
        ValueError: one does not, or its welfare function has no meaning there.
    """
    points = points_of(path)
    for point in points:
        few = min(point.source.agents or _AGENTS_OF_A_CHECK, _AGENTS_OF_A_CHECK)
        economy = dataclasses.replace(point.source, agents=few).economy()
        require_dollars(economy, point.welfare)
        if economy.population.credits is not None:
            said = "a sweep knows no credits that depend on income: leave them out."
            raise Source(path).at(("credits",), said)
        if economy.population.group is not None:
            said = "a sweep sets one schedule for all: "
            raise Source(path).at(("law", "status"), said + 'say whose, as status = "single".')
        if point.document.sweep.planner == "saez" and economy.preferences.income_effects:
            said = f"{type(economy.preferences).__name__} preferences have income effects, which "
            remedy = 'the Saez formula does not know: write planner = "gradient".'
            raise Source(path).at(("sweep", "planner"), said + remedy)
    return points


def economy_digest(document: SweepDocument) -> str:
    """Return a digest of the economy that a sweep varies, without what it varies."""
    said = msgspec.to_builtins(document)
    return digest_of({name: said[name] for name in said if name not in ("sweep", "vary")})


def sweep_digest(document: SweepDocument) -> str:
    """Return a digest of all that a sweep file says."""
    return digest_of(msgspec.to_builtins(document))


@functools.lru_cache(maxsize=2)
def _points(path: Path, text: str) -> tuple[DesignPoint, ...]:
    document = read_sweep(path)
    return tuple(
        _point(path, document, number, dict(zip(document.vary, levels, strict=True)))
        for number, levels in enumerate(_levels(document.sweep, list(document.vary.values())))
    )


def _point(path: Path, base: SweepDocument, number: int, values: dict[str, Level]) -> DesignPoint:
    said = msgspec.to_builtins(base)
    source = Source(path)
    for name, value in values.items():
        *tables, key = name.split(".")
        place = functools.reduce(lambda table, part: table.setdefault(part, {}), tables, said)
        place[key] = [value] if name == _FUNCTIONS else value
        try:
            msgspec.convert(said, SweepDocument)
        except msgspec.ValidationError as error:
            raise source.at(_key(name), _refused(name, value, str(error))) from error
    document = msgspec.convert(said, SweepDocument)
    for keys, message in clashes(document):
        raise source.at(keys, message)
    return DesignPoint(number, values, base, document, _source(path, document))


_FUNCTIONS = "welfare.functions"


def _key(*names: str) -> tuple[str, ...]:
    """Return the keys of what varies, as a file's lines have them."""
    return ("vary", *(names[0].split(".") if names else ()))


def _refused(name: str, value: Level, error: str) -> str:
    if "unknown field" in error:
        return f"an economy file has no {name}: econjax economy init writes one with every key."
    return f"{name} cannot be {value!r}: {error.partition(' - at ')[0].lower()}."


def _source(path: Path, document: SweepDocument) -> VariedSource:
    fields = {field.name for field in dataclasses.fields(EconomySource)}
    config = EconomyConfig(economy_file=path, **_of_economy(choices_said(document)))
    given = {name: getattr(config, name) for name in fields - {"file", "agents"}}
    return VariedSource(file=path, agents=config.asked_for, said=document, **given)


def _of_economy(choices: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(EconomyConfig)}
    return {name: value for name, value in choices.items() if name in known}


def _levels(
    sweep: Sweep, factors: Sequence[tuple[Level, ...] | Between]
) -> list[tuple[Level, ...]]:
    """Return the values of every factor at each point."""
    if sweep.design == "grid":
        return list(itertools.product(*(f for f in factors if isinstance(f, tuple))))
    count = sweep.points or 0
    return [
        tuple(_at(factor, float(u)) for factor, u in zip(factors, row, strict=True))
        for row in _unit_points(sweep, count, len(factors))
    ]


def _unit_points(sweep: Sweep, count: int, size: int) -> Float[np.ndarray, "points factors"]:
    """Return points of the unit cube; scrambled by the seed, if of Halton (1960)."""
    if sweep.design == "halton":
        return qmc.Halton(size, scramble=True, rng=sweep.seed).random(count)
    return np.random.default_rng(sweep.seed).random((count, size))


def _at(factor: tuple[Level, ...] | Between, u: float) -> Level:
    """Return the value of a factor at a share of its way."""
    if isinstance(factor, tuple):
        return factor[min(int(u * len(factor)), len(factor) - 1)]
    if factor.scale == "log":
        return float(factor.low * (factor.high / factor.low) ** u)
    return factor.low + (factor.high - factor.low) * u


def _of_sweep(document: SweepDocument) -> list[tuple[bool, tuple[str, ...], str]]:
    """Return what may be wrong, the key to blame, and what is said of it."""
    sweep, vary = document.sweep, document.vary
    grid = sweep.design == "grid"
    ranges = {name: factor for name, factor in vary.items() if isinstance(factor, Between)}
    empty = [name for name, factor in vary.items() if factor == ()]
    bad = [n for n, r in ranges.items() if not (r.low < r.high and (r.scale != "log" or r.low > 0))]
    size = np.prod([len(f) for f in vary.values() if isinstance(f, tuple)], dtype=float)
    count = size if grid else sweep.points or 0
    alien = [name for name in vary if name.split(".")[0] in ("sweep", "vary")]
    return [
        (bool(alien), _key(*alien[:1]), "what varies is of the economy or of welfare."),
        (bool(empty), _key(*empty[:1]), "give at least one value, or leave the key out."),
        (bool(bad), _key(*bad[:1]), "low is below high, and above 0 on a log scale."),
        (
            grid and bool(ranges),
            _key(*list(ranges)[:1]),
            'a grid takes values in a list: write some, or design = "halton" under [sweep].',
        ),
        (
            not grid and not vary,
            ("sweep", "design"),
            "a random or Halton design draws what [vary] names: name something.",
        ),
        (
            grid != (sweep.points is None),
            ("sweep", "points" if sweep.points is not None else "design"),
            "points are how many a random or Halton design has: a grid has those of its lists.",
        ),
        (
            not 1 <= count <= MOST_POINTS,
            ("sweep", "points" if sweep.points is not None else "design"),
            f"a design has 1 to {MOST_POINTS:,} points; got {count:,.0f}.",
        ),
        (sweep.seeds < 0, ("sweep", "seeds"), f"seeds are 0 or more; got {sweep.seeds}."),
        (
            not 0 < sweep.tolerance < 1,
            ("sweep", "tolerance"),
            f"tolerance is a share of a dollar, such as 0.001; got {sweep.tolerance}.",
        ),
        (
            sweep.most_steps < 1,
            ("sweep", "most_steps"),
            f"most_steps is 1 or more; got {sweep.most_steps}.",
        ),
        (
            len({*sweep.beside, "optimal", "law"}) < len(sweep.beside) + 2,
            ("sweep", "beside"),
            "beside names other schedules than the law, each once: us_federal:2020 or a JSON file.",
        ),
    ]
