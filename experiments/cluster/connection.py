"""A Ray cluster, joined or started for one command; the only module that imports Ray."""

import contextlib
import importlib
import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from experiments.cluster.address import cluster_address
from experiments.report.console import NOTES, Mistake
from experiments.report.plain import one_line
from llm_policy.engines.base import EngineError

What = TypeVar("What")
RETRIES = 3
"""How often a task is begun anew, and a process that holds an engine, after it was lost."""
_WAITING = 2
"""Tasks that are handed over beyond those that can run, so that none of these waits for a next."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # tasks without a GPU are told of none otherwise
}


class LostTask(NamedTuple):
    """What became of a task that ended without an answer, in words."""

    why: str


class Cluster:
    """What can be done on a cluster."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @property
    def slots(self) -> int:
        """How many tasks can run at a time."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def gpus(self) -> int:
        """How many GPUs the machines have together."""
        return int(self._ray.cluster_resources().get("GPU", 0))

    def task(self, function: Callable[..., Any], *arguments: Any, gpus: float = 0) -> Any:
        """Begin a task, which begins anew where its process is lost, and return its reference."""
        remote = self._ray.remote(function)
        own = remote.options(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)
        return own.remote(*arguments)

    def process(self, kind: type, *arguments: Any, gpus: float = 0) -> Any:
        """Start a process that holds an object, anew where it is lost, and return its handle."""
        remote = self._ray.remote(kind)
        own = remote.options(num_cpus=0, num_gpus=gpus, max_restarts=RETRIES)
        return own.remote(*arguments)

    def process_here(self, kind: type, *arguments: Any) -> Any:
        """Start a process on this machine that holds an object, and return its handle."""
        ray = self._ray
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node_id=ray.get_runtime_context().get_node_id(), soft=False
        )
        return ray.remote(kind).options(num_cpus=0, scheduling_strategy=near).remote(*arguments)

    def shared(self, value: Any) -> Any:
        """Return a reference to a value that many tasks take."""
        return self._ray.put(value)

    def end(self, process: Any) -> None:
        """End a process."""
        self._ray.kill(process)

    def has_lost(self, process: Any) -> bool:
        """Whether a process was lost so often that it is not started anew any more."""
        errors = self._ray.exceptions
        try:
            self._ray.get(process.__ray_ready__.remote(), timeout=1.0)
        except errors.ActorDiedError:
            return True
        except errors.RayError:  # at work still, or just being started anew
            return False
        return False

    def first(self, references: list[Any]) -> Any:
        """Return the reference of the task that is the first to end."""
        while True:
            ready, _ = self._ray.wait(references, num_returns=1, timeout=1.0)
            if ready:
                return ready[0]

    def result(self, reference: Any) -> Any:
        """Return what a task returned, or that it was lost."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return LostTask(f"{type(error).__name__}: {one_line(error)}")


class Tasks(Generic[What]):
    """Tasks that were handed to a cluster, by what they are for: never many more than can run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._going: dict[Any, What] = {}

    def __len__(self) -> int:
        """Return how many have not been heard of."""
        return len(self._going)

    @property
    def full(self) -> bool:
        """Whether to wait before another is handed over."""
        return len(self._going) >= self._cluster.slots + _WAITING

    def add(self, what: What, reference: Any) -> None:
        """Take note of a task."""
        self._going[reference] = what

    def next(self) -> tuple[What, Any]:
        """Wait for one, and return what it was for and what came of it."""
        reference = self._cluster.first(list(self._going))
        return self._going.pop(reference), self._cluster.result(reference)


@contextlib.contextmanager
def joined_cluster(said: str) -> Iterator[Cluster]:
    """Join the cluster that `--ray` names, or start one of this machine that ends with the command.

    Raises:
        Mistake: Ray is not installed, or there is no such cluster.
    """
    address, workers = cluster_address(said)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    heeded = signal.getsignal(signal.SIGTERM)
    ray = _ray()
    logging.getLogger("ray").setLevel(logging.ERROR)
    NOTES.print("Starting Ray on this machine." if address == "local" else f"Joining Ray: {said}.")
    own = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        with warnings.catch_warnings():  # forks of Ray's become other programs at once
            warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)
            ray.init(address=address, log_to_driver=False, configure_logging=False, **own)
    except Exception as error:  # Ray's own are of any kind
        raise Mistake(f"No cluster can be had by --ray {said}: {one_line(error)}") from error
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where Ray took none
            signal.signal(signal.SIGTERM, heeded)  # Ray takes the command's for itself
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def call(process: Any, method: str, *arguments: Any) -> Any:
    """Return what a method of a process's object returns, from within a task.

    Raises:
        EngineError: the process is lost.
    """
    ray = _ray()
    with _found_again(ray):
        return ray.get(getattr(process, method).remote(*arguments))


def stream(process: Any, method: str, *arguments: Any) -> Iterator[Any]:
    """Yield what a generator among a process's methods yields, as it comes, from within a task.

    Raises:
        EngineError: the process is lost.
    """
    ray = _ray()
    streaming = getattr(process, method).options(num_returns="streaming")
    with _found_again(ray):
        for reference in streaming.remote(*arguments):
            yield ray.get(reference)


def await_again(process: Any) -> None:
    """Wait until a process that was lost has been started anew; not if it never will be."""
    ray = _ray()
    while True:
        try:
            ray.get(process.__ray_ready__.remote())
            return
        except ray.exceptions.ActorUnavailableError:
            time.sleep(0.5)
        except ray.exceptions.RayError:
            return


class LostProcess(EngineError):
    """A process that holds an object ended, and with it what it was asked."""


@contextlib.contextmanager
def _found_again(ray: Any) -> Iterator[None]:
    """Raise what a method raised as it was; that a process is lost is an `EngineError`."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise LostProcess(f"A process of the cluster is lost: {one_line(error)}.") from error


def _ray() -> Any:
    """Return Ray.

    Raises:
        Mistake: it is not installed.
    """
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise Mistake(f"--ray needs Ray ({error}): pip install 'econjax[ray]'") from error
    return ray
