"""Memory that programs free is kept for the next one, unless the user chose otherwise."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from experiments.core.memory import keep_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)

def use():
    piece = libc.malloc(2**26)
    ctypes.memset(piece, 1, 2**26)
    libc.free(piece)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_memory()
before = use()
print([use() for _ in range(10)][-1] - before)
"""
PAGES = 2**26 // os.sysconf("SC_PAGESIZE")


def faults(**environment):
    """Return how many pages ten pieces of 64 MiB, one after the other, take from the system."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep as they do")
def test_what_is_freed_is_used_again():
    assert faults() < PAGES


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep as they do")
@pytest.mark.parametrize(
    "chosen",
    [
        {"MALLOC_MMAP_THRESHOLD_": "1048576"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1048576"},
    ],
)
def test_the_users_own_choice_stands(chosen):
    assert faults(**chosen) > 5 * PAGES
