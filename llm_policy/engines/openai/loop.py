"""Many requests at the same time, from one thread that waits for them."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

_TOGETHER_SECONDS = 0.02
"""For so long arrivals are collected: to wake the thread that waits for each would cost more."""
Fetched = TypeVar("Fetched")
"""What a request comes to."""
_Asked = TypeVar("_Asked")


class Came(NamedTuple, Generic[Fetched]):
    """What came for the one at a place: an answer, or what went wrong."""

    place: int
    answer: Fetched | None = None
    error: Exception | None = None


class Loop:
    """An event loop in a thread of its own, which any other thread may wait for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, Fetched]) -> Fetched:
        """Return what the work returns; an interrupt of the waiting thread cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(
        self,
        asked: Sequence[_Asked],
        ask: Callable[[_Asked], Awaitable[Fetched]],
        *,
        together: int,
        first: bool = False,
    ) -> Generator[list[Came[Fetched]], None, None]:
        """Yield what `ask` returns or raises for each, all that has come since the last time.

        At most `together` are asked at a time; with `first` the first one goes alone. Once
        something was raised nothing more is begun, and what had been begun is waited for. To close
        the generator cancels whatever is left.
        """
        news: queue.SimpleQueue[list[Came[Fetched]] | None] = queue.SimpleQueue()
        work = _ask_all(asked, ask, news.put, together=together, first=first)
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(lambda _: news.put(None))
        try:
            while (come := news.get()) is not None:
                yield come
            future.result()
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the `last` of the work and end the thread, once. No other call may follow."""
        if self._loop.is_closed():
            return
        self.wait(last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _ask_all(
    asked: Sequence[_Asked],
    ask: Callable[[_Asked], Awaitable[Fetched]],
    put: Callable[[list[Came[Fetched]]], None],
    *,
    together: int,
    first: bool,
) -> None:
    waiting = deque(enumerate(asked))
    come: list[Came[Fetched]] = []

    def tell() -> None:
        if come:
            put(come.copy())
            come.clear()

    def arrive(one: Came[Fetched]) -> None:
        if not come:
            asyncio.get_running_loop().call_later(_TOGETHER_SECONDS, tell)
        come.append(one)

    async def work(most: int) -> None:
        while waiting and most:
            place, one = waiting.popleft()
            most -= 1
            try:
                arrive(Came(place, await ask(one)))
            except Exception as error:
                waiting.clear()
                arrive(Came(place, error=error))

    if first:
        await work(1)
    await asyncio.gather(*(work(len(asked)) for _ in range(min(together, len(waiting)))))
    tell()
