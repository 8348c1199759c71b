"""Memory that programs free is kept for the next one, where glibc would hand it back at once."""

import ctypes
import gc
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of choices in glibc's malloc.h."""
_MOST = 2**31 - 1


def collect_seldom() -> None:
    """Let Python look for objects that hold each other after 200,000 new ones, not after 700.

    Tracing makes millions that live on, and to look through them again and again takes 4 % of a
    comparison's time.
    """
    gc.set_threshold(200_000, 20, 50)


def keep_memory() -> None:
    """Let glibc hold on to memory that is freed, of up to 2 GiB in one piece.

    XLA allocates what a program needs at every call, and frees it after. By itself glibc asks the
    system for each piece above 32 MiB, and for any above 64 MiB off the main thread, and gives it
    back: the system clears it page by page, which takes as long as a gradient of 1,000,000 workers
    does (glibc 2.36, JAX 0.10.1). Nothing changes where there is another C library, or where the
    user chose by glibc's environment variables.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    mallopt(_ARENA_MAX, 1)
    for threshold in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
        mallopt(threshold, _MOST)
