"""Run directories as bytes, on their way between machines."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from experiments.report.files import whole
from experiments.runs.directory import METRICS

Files = Mapping[str, bytes]
"""What files hold, by name within a folder."""


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, but for those that begin with a dot or are SQLite's locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not path.name.startswith(".") and not path.name.endswith("-shm")
    }


def is_of_journal(name: str) -> bool:
    """Whether a file is a run's journal, or belongs to one."""
    return name.startswith("journal") and ".sqlite" in name


def unpack(files: Files, folder: Path) -> None:
    """Write files into a folder, each whole or not at all, and that with a run's metrics last."""
    for name in sorted(files, key=lambda name: name == METRICS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_bytes(files[name])


def fresh(folder: Path) -> Path:
    """Return an empty folder beside another, to be put in its place when it is filled."""
    partial = folder.with_name(f".{folder.name}")
    if partial.is_symlink():
        partial.unlink()
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def put(partial: Path, folder: Path) -> None:
    """Put a filled folder where it belongs."""
    os.rename(partial, folder)
