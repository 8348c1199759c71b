"""A run's directory as a page reads it: its manifest, choices and rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from experiments.core.commands import COMMANDS
from experiments.report.plain import one_line
from experiments.runs.directory import MANIFEST, METRICS, read_manifest


@dataclass(frozen=True)
class RunRecord:
    """A run: its directory, its manifest, and its choices, None where this version reads others.

    `trouble` says why there are none. `rows` are those of the metrics, none of a run that is not
    finished and of a sweep, which has many; `damage` says why they cannot be read.
    """

    path: Path
    manifest: dict[str, Any]
    config: Any
    trouble: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    damage: str = ""

    @property
    def command(self) -> str:
        """The command that the run is of."""
        return self.manifest["command"]

    @property
    def finished(self) -> bool:
        """Whether the run has its metrics."""
        return (self.path / METRICS).is_file()

    @property
    def engines(self) -> list[dict[str, Any]]:
        """What the run's engines said of themselves, the first one's first."""
        engine = self.manifest["engine"]
        if not engine:
            return []
        first = {name: value for name, value in engine.items() if name != "others"}
        return [first, *engine.get("others", [])]

    @property
    def symbol(self) -> str:
        """The sign of the money that figures are in."""
        currency = getattr(self.config, "currency", None)
        return "$" if currency is None else currency.symbol

    def size(self, agents: int, seeds: list[int]) -> str:
        """Return what a caption says of people and draws: how many, their elasticity, the seeds."""
        elasticity = self.manifest["config"].get("elasticity")
        known = f", elasticity {elasticity:g}" if isinstance(elasticity, float | int) else ""
        return f"{agents:,} workers{known}, {seeds_text(seeds)}"


def seeds_text(seeds: list[int]) -> str:
    """Return seeds in words: "seed 0", "3 seeds, 0 to 2"."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"{len(seeds):,} seeds, {min(seeds)} to {max(seeds)}"


def is_run(path: Path) -> bool:
    """Return whether a folder is the directory of a run."""
    return (path / MANIFEST).is_file()


def read_run(path: Path) -> RunRecord:
    """Return the run in a directory.

    Raises:
        ValueError: the folder holds no run.
    """
    manifest = read_manifest(path)
    config, trouble, rows, damage = None, "", [], ""
    command = COMMANDS.get(manifest["command"])
    try:
        if command is None or not command.leaves_run:
            raise ValueError(f"this version knows no econjax {manifest['command']}")
        kind: Any = command.kind(loaded=True)
        config = kind.fromdict(manifest["config"] | manifest["limits"]).of_run(path)
    except (ValueError, OSError) as error:
        trouble = one_line(error)
    try:
        if manifest["command"] != "sweep" and (path / METRICS).is_file():
            rows = pq.read_table(path / METRICS).to_pylist()
    except (ValueError, OSError) as error:
        damage = one_line(error)
    return RunRecord(path, manifest, config, trouble, rows, damage)
