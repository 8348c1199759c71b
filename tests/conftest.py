"""Settings for every test: shapes are checked at run time, and precision is asked for by name."""

import ctypes
import functools
import gc
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.core.memory import collect_seldom, keep_memory
from tests.helpers.versions import HAS_EMITTERS

# Most programs here run for a moment: without optimisation they compile in a third of the time. Set
# both to compile as users do; `test_optimised.py` compares the two.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1 --xla_cpu_parallel_codegen_split_count=1"
    + " --xla_cpu_use_fusion_emitters=false" * HAS_EMITTERS,
)
# There is a test process for every core: threads of their own would only wait for each other.
os.environ.setdefault("NPROC", "1")  # XLA's
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's, vLLM's too
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB

import hypothesis
import jax
import jax.monitoring
import jaxtyping
import pytest

from tests.helpers import typecheck

keep_memory()  # XLA's compiler, too, frees much in one piece
collect_seldom()
# Before anything imports econjax; jaxtyping 0.3.11 finds the checker only if it is imported.
jaxtyping.install_import_hook(["econjax"], f"{typecheck.__name__}.check")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_nans", False)
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("tests")

MAPS, MOST_MAPS = Path("/proc/self/maps"), 40_000
"""Pieces of memory that a process has mapped, beyond which compiled programs are dropped.

Each program is a few. Linux ends a process that has 65,530.
"""
RESIDENT = Path("/proc/self/statm")
"""Pages of memory that a process holds; the test processes together, at most half of all."""

_compilations: list[str] = []


def _on_duration(event: str, duration: float, **_) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compilations.append(event)


jax.monitoring.register_event_duration_secs_listener(_on_duration)


def pytest_configure(config: pytest.Config) -> None:
    """Keep slow compilations for the other processes and for the next run.

    A size that it keeps to makes JAX lock the folder, which only then takes several processes. With
    every program that it adds it looks through all there are: what compiles in less than a second
    is not worth that.
    """
    assert config.cache is not None
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_compilation_cache_max_size", 1 << 30)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    for level in ("CRITICAL", "NOTSET"):  # as `experiments.core.compilations` does, which says why
        jax.config.update("jax_logging_level", level)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests in one process, and all files that start vLLM in one: it starts once.

    Files with tests that run long first, then in the order of the folders: so no process is left
    with a long file when the others have ended.

    Marks would say so, but with pytest 9.2.0 pytest-xdist 3.8.0 does not follow them.
    """
    from xdist.scheduler import LoadFileScheduling
    from xdist.workermanage import WorkerController

    @functools.cache
    def marked(file: str, name: str) -> bool:
        return f"mark.{name}" in (config.rootpath / file).read_text("utf-8")

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "vllm" if marked(file, "vllm") else file

        def _assign_work_unit(self, node: WorkerController) -> None:
            long = (scope for scope in self.workqueue if scope == "vllm" or marked(scope, "long"))
            if (scope := next(long, None)) is not None:
                self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="module")
def forget_what_was_compiled() -> Iterator[None]:
    """Drop compiled programs, and what nobody holds, from memory once they take gigabytes.

    What was freed glibc keeps for itself, until `malloc_trim` gives it to the system.
    """
    yield
    if MAPS.exists() and (MAPS.read_bytes().count(b"\n") > MOST_MAPS or _hold_half()):
        jax.clear_caches()
        gc.collect()
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
            trim(0)


def _hold_half() -> bool:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    held = int(RESIDENT.read_text("ascii").split()[1])
    return 2 * processes * held > os.sysconf("SC_PHYS_PAGES")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Optimise programs of a test that says it runs long, and of fixtures it is first to use."""
    given = jax.config.read("jax_disable_most_optimizations")
    jax.config.update(
        "jax_disable_most_optimizations", given and not item.get_closest_marker("long")
    )
    try:
        return (yield)
    finally:
        jax.config.update("jax_disable_most_optimizations", given)


@pytest.fixture
def x64() -> Iterator[None]:
    """Run the test in float64; without it, the default is float32."""
    from tests.helpers.laboratory import float64

    with float64():
        yield


@pytest.fixture(params=["float64", "float32"])
def eps(request: pytest.FixtureRequest) -> Iterator[float]:
    """Run the test in each precision and give its rounding, from which tolerances come."""
    if request.param == "float64":
        from tests.helpers.laboratory import float64

        with float64():
            yield 2.0**-52
    else:
        yield 2.0**-23


@pytest.fixture
def compilations() -> Callable:
    """Count what XLA compiles within a `with` block."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        before, seen = len(_compilations), []
        yield seen
        seen.extend(_compilations[before:])

    return count
