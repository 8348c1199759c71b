"""What XLA compiles is kept for the next command: in the user's cache, bounded, for one machine."""

import atexit
import hashlib
import os
import platform
import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from experiments.report.console import NOTES

VARIABLE = "ECONJAX_CACHE"
"""The environment variable that names another folder, or says "off"."""
MOST_BYTES = 256 * 2**20
"""What all that is kept may take up when a command ends."""


def keep_compilations() -> None:
    """Let JAX look up what earlier commands compiled, and keep what this one compiles.

    Nothing changes where JAX has a folder by its own settings. What is kept never passes from one
    version, processor or set of XLA's flags to another. It fails no command: a folder that cannot
    be used is told in one line, and so is the first entry that cannot be read or written, which is
    compiled again.
    """
    chosen = os.environ.get(VARIABLE, "")
    own = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if chosen == "off" or own:
        return
    home = Path(chosen).expanduser() if chosen else _user_folder()
    folder = home / _machine()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to read and write {folder}")
    except OSError as error:
        _tell(f"what is compiled is not kept: {error}")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _hush()
    _mend(folder)
    atexit.register(bound, home, MOST_BYTES)


def bound(home: Path, most: int) -> None:
    """Delete what was used longest ago, until a folder and all below hold at most so many bytes."""
    found = []
    for path in home.rglob("*"):
        try:
            status = path.stat()
        except OSError:  # another process deleted it
            continue
        if path.is_file():
            found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    held = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if held <= most:
            return
        _delete(path)
        held -= size


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax" / "xla"


def _machine() -> str:
    """Return a folder's name for all that compiled code depends on, beside the program itself."""
    versions = [version("jax"), version("jaxlib"), platform.python_version()]
    facts = [*versions, platform.system(), _processor(), os.environ.get("XLA_FLAGS", "")]
    return f"jax-{versions[0]}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def _processor() -> str:
    """Return what tells processors apart for a compiler, or the machine's name if nothing does."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n")[0]
    except OSError:
        first = ""
    lines = [line for line in first.splitlines() if line.split(":")[0].strip() in _TELLING]
    return "\n".join([platform.machine(), platform.processor(), *(lines or [platform.node()])])


_TELLING = {
    *("vendor_id", "cpu family", "model", "model name", "stepping", "flags"),  # x86
    *(
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
        "Features",
    ),  # Arm
}


def _hush() -> None:
    """Keep XLA from logging an error for each entry it finds, unless logs were asked for.

    Where processors have AVX-512, XLA of jaxlib 0.10.1 compiles for two features that it does not
    see in the machine it runs on (they say what is fast, not what is possible), so that it takes
    what it compiled here for another machine's (https://github.com/jax-ml/jax/issues/38445). The
    folder's name tells machines apart. Level 3 of XLA's own messages stays when the level of JAX's,
    which sets it, is taken back.
    """
    asked = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") != "1"  # 1 is what JAX sets
    level = jax.config.jax_logging_level  # pyright: ignore[reportAttributeAccessIssue]
    if level == "NOTSET" and not asked:
        for level in ("CRITICAL", "NOTSET"):
            jax.config.update("jax_logging_level", level)


def _mend(folder: Path) -> None:
    """Tell of the first entry JAX cannot read or write; delete all such when the command ends."""
    broken: set[str] = set()
    show = warnings.showwarning

    def hear(message: Warning | str, *where: Any, **more: Any) -> None:
        about = _BROKEN.match(str(message))
        if about is None:
            show(message, *where, **more)
            return
        if not broken:
            _tell(f"{message}; it is compiled again")
        broken.add(about[1])

    def delete() -> None:
        for name in broken:
            for path in folder.glob(f"{name}-*"):
                _delete(path)

    warnings.filterwarnings(
        "default", _BROKEN.pattern
    )  # also where the user makes errors of warnings
    warnings.showwarning = hear
    atexit.register(delete)


_BROKEN = re.compile(r"Error (?:reading|writing) persistent compilation cache entry for '([^']+)'")


def _delete(path: Path) -> None:
    """Delete a file, or leave it where that cannot be done."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _tell(f"{path} cannot be deleted: {error}")


def _tell(what: str) -> None:
    NOTES.print(f"econjax: {what}. {VARIABLE} names another folder, or is off.")
