"""Engines in processes of their own, which go on from run to run."""

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from experiments.cluster.connection import (
    RETRIES,
    Cluster,
    LostProcess,
    await_again,
    call,
    stream,
)
from experiments.cluster.tasks import prepare_process
from experiments.core.choices import EngineOptions, EngineOrder
from experiments.core.engines import start_engine
from llm_policy.engines.base import (
    Engine,
    EngineError,
    EngineInfo,
    Hear,
    Renewable,
    Telling,
)
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Answering


class EngineLease(NamedTuple):
    """For whom an engine answers: an attempt at a run, with the seed of its texts."""

    attempt: str
    seed: int


class EngineHost:
    """An engine, in a process of its own; to every lease it is as one that has just been started.

    What goes wrong is returned, not raised: it comes through to whoever asks as it is.
    """

    def __init__(self, options: EngineOptions) -> None:
        prepare_process()
        self._options = options
        self._engine: Engine | None = None
        self._lease: EngineLease | None = None
        self._asked = threading.Lock()

    def describe(self, lease: EngineLease) -> EngineInfo | Exception:
        """Return what answers."""
        return _caught(lambda: self._leased(lease).describe())

    def count(self, lease: EngineLease, texts: Sequence[str]) -> list[int] | Exception:
        """Return the number of tokens of each text."""
        return _caught(lambda: self._leased(lease).count(texts))

    def answer(self, lease: EngineLease, request: Request[Any]) -> Iterator[Any]:
        """Yield (places, answers) as they come, if the engine tells, and in the end all answers."""
        news: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def ask() -> Any:
            with self._asked:  # whoever asked last may have gone away meanwhile
                engine = self._leased(lease)
                if not isinstance(engine, Telling):
                    return request.ask(engine)
                engine.hear = lambda places, said: news.put((list(places), said))
                try:
                    return request.ask(engine)
                finally:
                    engine.hear = None

        threading.Thread(target=lambda: news.put(_Whole(_caught(ask))), daemon=True).start()
        while not isinstance(told := news.get(), _Whole):
            yield told
        yield told.said

    def _leased(self, lease: EngineLease) -> Engine:
        """Return the engine as a lease's own."""
        old = self._engine
        if old is not None and lease != self._lease:
            if isinstance(old, Renewable):
                old.renew(lease.seed)
            else:
                old.close()
                self._engine = None
        if self._engine is None:
            self._engine = start_engine(self._options._replace(seed=lease.seed))
        self._lease = lease
        return self._engine


class _Whole(NamedTuple):
    """All answers to a request, or what went wrong."""

    said: Any


class HostedEngine(Answering):
    """The engine of a host, for one lease; where its process is lost, another is asked again."""

    def __init__(self, host: Any, lease: EngineLease) -> None:
        self.hear: Hear | None = None
        self._host, self._lease = host, lease

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the engine's answers, and tell of them as they come.

        Raises:
            EngineError: the engine cannot answer, or its process is lost again and again.
        """
        return self._tried(lambda: self._answered(request))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the engine's numbers of tokens."""
        return self._tried(lambda: _raised(call(self._host, "count", self._lease, texts)))

    def describe(self) -> EngineInfo:
        """Return the engine's description."""
        return self._tried(lambda: _raised(call(self._host, "describe", self._lease)))

    def close(self) -> None:
        """Do nothing: the engine answers the next run."""

    def _answered(self, request: Request[Reply]) -> Reply:
        said: Any = None
        for said in stream(self._host, "answer", self._lease, request):
            if isinstance(said, tuple) and self.hear is not None:
                self.hear(*said)
        return _raised(said)

    def _tried(self, ask: Callable[[], Any]) -> Any:
        for _ in range(RETRIES):
            try:
                return ask()
            except LostProcess:
                await_again(self._host)
        return ask()


class EnginePool:
    """The processes that hold engines, at most as many as runs go on at a time.

    A server needs none: its client is in the process of the run.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._idle: dict[EngineOptions, list[Any]] = defaultdict(list)
        self._leased: dict[int, tuple[EngineOptions, Any]] = {}

    def lease(self, orders: Sequence[EngineOrder]) -> list[Any] | None:
        """Return the process of each engine, none for a server's, or None if they must wait."""
        wanted = [_alike(order.options) for order in orders if order.options.server is None]
        most = self._most(wanted)
        if self._leased and len(self._leased) + len(wanted) > most:
            return None
        hosts = iter([self._host(options, most) for options in wanted])
        return [None if order.options.server is not None else next(hosts) for order in orders]

    def give_back(self, hosts: Sequence[Any]) -> None:
        """Take back the processes of a run."""
        for host in hosts:
            if host is not None:
                options, _ = self._leased.pop(id(host))
                self._idle[options].append(host)

    def _most(self, wanted: Sequence[EngineOptions]) -> int:
        """Return how many engines there may be at a time."""
        gpus = self._cluster.gpus
        share = max((options.tensor_parallel for options in wanted), default=1)
        return min(self._cluster.slots, gpus // share) if gpus else self._cluster.slots

    def _host(self, options: EngineOptions, most: int) -> Any:
        """Return a process for such an engine: an idle one, or a new one in place of others."""
        alike = self._idle[options]
        host = alike.pop() if alike else None
        while host is not None and self._cluster.has_lost(host):
            host = alike.pop() if alike else None
        if host is None:
            others = [(kind, host) for kind, some in self._idle.items() for host in some]
            many = len(self._leased) + len(others) + 1 - most
            for kind, host in others[: max(0, many)]:
                self._idle[kind].remove(host)
                self._cluster.end(host)
            gpus = options.tensor_parallel if self._cluster.gpus else 0
            host = self._cluster.process(EngineHost, options, gpus=gpus)
        self._leased[id(host)] = options, host
        return host


def _alike(options: EngineOptions) -> EngineOptions:
    """Return the options of all engines that one process can stand for."""
    return options._replace(seed=0)


def _caught(ask: Callable[[], Any]) -> Any:
    """Return what is returned, or what went wrong if that is an engine's to say."""
    try:
        return ask()
    except (EngineError, ValueError) as error:
        return error


def _raised(said: Any) -> Any:
    """Raise what went wrong, or return what was returned."""
    if isinstance(said, Exception):
        raise said
    return said
