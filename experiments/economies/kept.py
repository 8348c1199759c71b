"""What a run keeps of its economy: the file and all data it names, whole, with their digests.

A folder `economy` of a run directory holds copies under names of their own, and `files.json`, which
says what each was called and what its bytes were. Whoever reads an economy file beside a
`files.json` finds the copies by it, and is told where one has changed.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER, INDEX, ECONOMY = "economy", "files.json", "economy.toml"
"""The folder of a run, the list of what is in it, and the economy file in it."""


@dataclass(frozen=True)
class Kept:
    """Where the files that an economy file names are: beside it, or the copies of a run."""

    folder: Path
    copies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path | None) -> "Kept":
        """Return where the files of an economy file are, or those of flags alone.

        Raises:
            ValueError: a copy has changed since it was made, or is gone.
        """
        folder = Path() if file is None else file.parent
        index = folder / INDEX
        if file is None or not index.is_file():
            return cls(folder)
        copies = json.loads(index.read_text("utf-8"))["files"]
        for name, entry in copies.items():
            _require_unchanged(folder / entry["copy"], name, entry["sha256"])
        return cls(folder, copies)

    def path(self, said: str, *, by_flag: bool = False) -> Path:
        """Return where the file is that an economy file, or a flag, names so."""
        if said in self.copies:
            return self.folder / self.copies[said]["copy"]
        path = Path(said).expanduser()
        return path if by_flag else self.folder / path


def copies_of(file: Path | None, named: Mapping[str, Path]) -> dict[str, bytes]:
    """Return what a run is to keep, by name within its folder: nothing where nothing is a file.

    `named` says where each file is that the economy names.
    """
    if file is None and not named:
        return {}
    text = b"" if file is None else file.read_bytes()
    kept, index = {ECONOMY: text}, {}
    for place, (said, path) in enumerate(sorted(named.items()), start=1):
        copy, data = f"{place}-{Path(said).stem}{path.suffix}", path.read_bytes()
        kept[copy] = data
        index[said] = _entry(copy, path, data)
    if file is not None:
        index[ECONOMY] = _entry(ECONOMY, file, text)
    kept[INDEX] = (json.dumps({"files": index}, indent=2) + "\n").encode()
    return {f"{FOLDER}/{name}": data for name, data in kept.items()}


def _entry(copy: str, path: Path, data: bytes) -> dict[str, str]:
    return {"copy": copy, "from": str(path.resolve()), "sha256": _digest(data)}


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file that a run keeps, but for the list of them."""
    index = f"{FOLDER}/{INDEX}"
    return {name: _digest(data) for name, data in files.items() if name != index}


OF_ECONOMY = ("incomes", "elasticity", "law", "year", "status", "group_rates", "spending")
"""The choices that an economy is made of, but for the number of its workers."""


def digest_of_economy(choices: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Return a short digest of `OF_ECONOMY` and of the economy's files, as a run keeps them.

    It is the same of a configuration and of the run that it left.
    """
    said = {name: choices.get(name) for name in OF_ECONOMY}
    own = {name: data for name, data in files.items() if name.startswith(f"{FOLDER}/")}
    return digest_of(said | {"files": digests_of(own)})


def digest_of(said: Mapping[str, Any]) -> str:
    """Return a short digest of choices as JSON has them."""
    return _digest(json.dumps(said, sort_keys=True).encode())[:12]


def name_of(file: Path) -> str:
    """Return what an economy file is called, without its ending: a copy as what it is a copy of."""
    index = file.parent / INDEX
    copies = json.loads(index.read_text("utf-8"))["files"] if index.is_file() else {}
    return Path(copies.get(file.name, {}).get("from", file)).stem


def kept_by(run: Path) -> dict[str, bytes]:
    """Return the files of its economy that a run keeps, by name within its folder."""
    files = (path for path in sorted((run / FOLDER).glob("*")) if path.is_file())
    return {f"{FOLDER}/{path.name}": path.read_bytes() for path in files}


def changed_since(run: Path) -> list[str]:
    """Return the files that a run was given and that are there still, but not as they were."""
    index = run / FOLDER / INDEX
    if not index.is_file():
        return []
    entries = json.loads(index.read_text("utf-8"))["files"].values()
    return [
        entry["from"]
        for entry in entries
        if Path(entry["from"]).is_file() and _digest_of(Path(entry["from"])) != entry["sha256"]
    ]


def _require_unchanged(path: Path, name: str, digest: str) -> None:
    if not path.is_file():
        raise ValueError(f"{path}, the copy of {name} that the run keeps, is gone: put it back.")
    if _digest_of(path) != digest:
        raise ValueError(
            f"{path}, the copy of {name} that the run keeps, has changed since it began: put it "
            "back as it was, or begin a new run."
        )


def _digest_of(path: Path) -> str:
    stat = path.stat()
    return _digest_at(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=16)
def _digest_at(path: Path, stamp: int, size: int) -> str:
    return _digest(path.read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
