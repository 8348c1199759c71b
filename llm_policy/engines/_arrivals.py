"""Work in threads, whose results are met as they come, and which nobody has to wait for."""

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple, TypeVar

_News = TypeVar("_News")


def in_threads(
    workers: Sequence[Callable[[Callable[[_News], None]], None]],
) -> Generator[list[_News], None, None]:
    """Call each worker in a thread with what puts news, and yield all news since the last time.

    It ends when all have ended, and raises what one raised. The threads are daemons: who stops
    listening, or ends the process, waits for none.
    """
    news: queue.SimpleQueue[_News | _End] = queue.SimpleQueue()

    def work(worker: Callable[[Callable[[_News], None]], None]) -> None:
        try:
            worker(news.put)
        except BaseException as error:
            news.put(_End(error))
        else:
            news.put(_End(None))

    for worker in workers:
        threading.Thread(target=work, args=[worker], daemon=True).start()
    working = len(workers)
    while working:
        some = _all_of(news)
        if fresh := [one for one in some if not isinstance(one, _End)]:
            yield fresh
        for end in (one for one in some if isinstance(one, _End)):
            working -= 1
            if end.error is not None:
                raise end.error


class _End(NamedTuple):
    """A worker has ended, maybe by an error."""

    error: BaseException | None


def _all_of(news: "queue.SimpleQueue[_News]") -> list[_News]:
    """Wait for the next of a queue, and return it with all that is there."""
    some = [news.get()]
    while not news.empty():
        some.append(news.get_nowait())
    return some
