"""A Python environment for each peer, made when it is first asked for and kept in the cache."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.report.console import Mistake

REQUIREMENTS: Mapping[str, tuple[Sequence[str], ...]] = {
    "ai-economist": (
        ("--no-deps", "ai-economist==1.7.1"),  # it asks for NumPy 1.21, which has no Python 3.11
        (
            *("numpy==2.4.6", "scipy==1.17.1", "pandas==3.1.1", "lz4==4.4.5", "tqdm==4.70.1"),
            *("PyYAML==6.0.4", "pycryptodome==4.4.0", "GPUtil==1.4.0", "setuptools==80.9.0"),
        ),
    ),
    "tax-calculator": (("taxcalc==6.8.0", "numba==0.68.1", "numpy==2.4.6", "pandas==3.1.1"),),
    "agent-torch": (
        ("--no-deps", "agent-torch==0.6.0"),  # language models are not needed for its taxes
        (
            *("torch==2.13.0", "torch_geometric==2.8.1", "numpy==2.4.6", "pandas==3.1.1"),
            *("networkx==3.6.1", "omegaconf==2.4.0", "tqdm==4.70.1"),
        ),
    ),
}
"""What pip is told for each peer, call by call."""


def environment_of(
    peer: str, home: Path, on_start: Callable[[str], None] = lambda what: None
) -> Path:
    """Return the interpreter of a peer's environment, which is made in `home` if it is not there.

    An environment appears there whole or not at all.

    Raises:
        Mistake: it cannot be made; the message ends with pip's own last line.
    """
    return make_environment(peer, REQUIREMENTS[peer], home, on_start)


def make_environment(
    name: str,
    calls: Sequence[Sequence[str]],
    home: Path,
    on_start: Callable[[str], None] = lambda what: None,
) -> Path:
    """Return the interpreter of an environment with what pip is told, call by call.

    It is made in `home` if it is not there, where it appears whole or not at all.

    Raises:
        Mistake: it cannot be made; the message ends with pip's own last line.
    """
    wanted = f"{sys.version_info[:2]} {calls}"
    place = home / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    python = place / "bin" / "python"
    if (place / _WHOLE).is_file():
        return python
    on_start(f"{name}: making an environment for it, once")
    home.mkdir(parents=True, exist_ok=True)
    # An environment holds its own path, so it is made where it stays, marked at the end.
    with tempfile.TemporaryDirectory() as empty:
        _run(name, [sys.executable, "-m", "venv", "--clear", str(place)], empty)
        for arguments in calls:
            _run(name, [str(python), "-m", "pip", "install", "--quiet", *arguments], empty)
    (place / _WHOLE).touch()
    return python


_WHOLE = ".whole"


def _run(name: str, command: Sequence[str], folder: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        last = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise Mistake(
            f"No environment for {name}: {last[0]}. It is installed from a package index: see "
            "that pip reaches one, or leave it out."
        )
