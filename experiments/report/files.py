"""Files that appear whole or not at all, and where they are said to be."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a path to write to: once that is done, what was written takes the place of `path`.

    A symbolic link at either place is replaced, and never written through. A `shared` file may be
    written by several processes at a time: each of them writes its own, and the last one stays.
    """
    own = f".{os.getpid()}" if shared else ""
    partial = path.with_name(f".{path.name}{own}")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def require_own_files(folder: Path) -> None:
    """Check that nothing in a folder is a symbolic link, through which one would write elsewhere.

    Raises:
        ValueError: one is.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            raise ValueError(
                f"{path} is a symbolic link, and a run keeps its files in its own directory: put "
                "the file itself there."
            )
