"""What there is to collect: the directories of finished runs, and why others are none."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.collect.columns import renamed
from experiments.core.commands import COMMANDS
from experiments.economies.kept import (
    ECONOMY,
    FOLDER,
    OF_ECONOMY,
    digest_of_economy,
    kept_by,
)
from experiments.report.plain import one_line
from experiments.runs.directory import MANIFEST, METRICS, read_manifest
from experiments.sweep.design import points_of


@dataclass(frozen=True)
class CollectedRun:
    """A finished run: its directory, the name it goes by, its manifest and its renamed metrics."""

    path: Path
    name: str
    manifest: Mapping[str, Any]
    metrics: pa.Table = field(repr=False)

    @property
    def version(self) -> str:
        """The version of econjax that wrote the metrics."""
        begun = self.manifest["versions"].get("econjax", "unknown")
        later = [one.get("econjax", begun) for one in self.manifest["resumed"]]
        return str([begun, *later][-1])

    @cached_property
    def choices(self) -> Mapping[str, Any]:
        """What the run was of, by the names of flags; of a sweep what its first point is."""
        choices = self.manifest["config"]
        return choices | _of_sweep(self.path) if self.manifest["command"] == "sweep" else choices

    @cached_property
    def file_keys(self) -> dict[str, str]:
        """What the run's own economy file says, by dotted key, as JSON; nothing without one."""
        kept = self.path / FOLDER / ECONOMY
        try:
            said = tomllib.loads(kept.read_text("utf-8")) if kept.is_file() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            return {}
        return {key: json.dumps(value, default=str) for key, value in _leaves(said)}

    @cached_property
    def economy(self) -> str:
        """A digest of what the economy is made of, the number of workers aside."""
        return digest_of_economy(self.choices, kept_by(self.path))


def found_in(paths: Sequence[Path]) -> tuple[list[CollectedRun], dict[str, str]]:
    """Return the finished runs, each once, by name, and why each other directory is left out.

    A folder of run directories stands for all of them.
    """
    every = dict.fromkeys(place.resolve() for path in paths for place in _expanded(path))
    read: dict[Path, tuple[Mapping[str, Any], pa.Table]] = {}
    left_out = {}
    for path in sorted(every):
        try:
            read[path] = _read(path)
        except (ValueError, OSError, pa.ArrowException) as error:
            left_out[str(path)] = why if str(path) in (why := one_line(error)) else f"{path}: {why}"
    names = _names(list(read))
    sources = [CollectedRun(path, names[path], *parts) for path, parts in read.items()]
    return sorted(sources, key=lambda source: source.name), left_out


def _expanded(path: Path) -> list[Path]:
    """Return a run's directory, or those in a folder that is none itself."""
    if (path / MANIFEST).exists() or not path.is_dir():
        return [path]
    inner = [place for place in sorted(path.iterdir()) if (place / MANIFEST).exists()]
    return inner or [path]


def _read(path: Path) -> tuple[Mapping[str, Any], pa.Table]:
    """Return a run's manifest and metrics.

    Raises:
        ValueError: it holds no run, or one that did not finish or that no version of ours wrote.
        pa.ArrowException: the metrics are damaged.
    """
    manifest = read_manifest(path)
    known = COMMANDS.get(manifest["command"])
    if known is None or not known.leaves_run:
        raise ValueError(f"{path} was made by econjax {manifest['command']}, not known here.")
    if not (path / METRICS).is_file():
        raise ValueError(f"{path} has no {METRICS}: it did not finish. econjax resume does that.")
    return manifest, renamed(pq.read_table(path / METRICS))


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return each directory's name, with as many of its parents as tell it from the others."""
    names = {path: path.name for path in paths}
    for depth in range(2, max((len(path.parts) for path in paths), default=2) + 1):
        counts = list(names.values())
        twice = [path for path, name in names.items() if counts.count(name) > 1]
        names |= {path: "/".join(path.parts[-depth:]) for path in twice}
    return names


def _of_sweep(path: Path) -> dict[str, Any]:
    """Return the choices that a sweep's file makes; nothing where its copy is none any more."""
    try:
        first = points_of(path / FOLDER / ECONOMY)[0]
    except (ValueError, OSError):
        return {}
    names = (*OF_ECONOMY, "agents")
    return {name: getattr(first.source, name) for name in names} | {"aversion": first.aversion}


def _leaves(said: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in said.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
