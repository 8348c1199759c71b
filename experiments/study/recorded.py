"""What a study's folder says of itself: the study as it is done, and what each of its runs is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from experiments.report.files import whole
from experiments.runs.directory import MANIFEST, read_manifest
from experiments.runs.rows import MAY_CHANGE
from experiments.study.document import StudyDocument
from experiments.study.plan import PlannedRun

INDEX = "study.json"
"""The file in a study's folder that says what it is."""


class RecordedStudy(NamedTuple):
    """A study in the form that is done, and its runs by name: command, factors, seed and part."""

    document: StudyDocument
    runs: dict[str, dict[str, Any]]


def record_runs(
    folder: Path, document: StudyDocument, runs: Sequence[PlannedRun], *, quick: bool
) -> None:
    """Write what a study is, and each of its runs, into its folder."""
    form = document.quickly() if quick else document
    every = {run.name: run.identity() | {"place": _place(run)} for run in runs}
    said = {"study": msgspec.to_builtins(form), "runs": every}
    with whole(folder / INDEX) as file:
        file.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def recorded_study(folder: Path) -> RecordedStudy | None:
    """Return the study of a folder, None where it holds none, or does not say which.

    Raises:
        ValueError: the file is not what this version writes.
    """
    said = _read(folder)
    if "study" not in said:
        return None
    try:
        document = msgspec.convert(said["study"], StudyDocument)
        runs = {
            name: {"command": one["command"]} | one["place"] for name, one in said["runs"].items()
        }
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / INDEX} is not what this version writes: {error}.") from error
    return RecordedStudy(document, runs)


def recorded_identities(folder: Path) -> dict[str, Any]:
    """Return what the runs are that a folder holds or was to hold, by name."""
    recorded = _read(folder).get("runs", {})
    for name, identity in recorded.items():
        if (folder / name / MANIFEST).is_file():
            manifest = read_manifest(folder / name)
            identity["config"] |= {
                name: said
                for name, said in manifest["config"].items()
                if name in identity["config"] and name not in MAY_CHANGE
            }
    return recorded


def _place(run: PlannedRun) -> dict[str, Any]:
    return {"factors": run.factors, "seed": run.seed, "part": run.part}


def _read(folder: Path) -> dict[str, Any]:
    """Return what the file says, nothing where there is none."""
    file = folder / INDEX
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}
