"""Several runs that ask one engine, side by side: their prompts reach it in batches."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from llm_policy.engines.base import Engine, EngineInfo
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper

_Answer = TypeVar("_Answer")


def in_step(
    engine: Engine,
    runs: Sequence[Callable[[Engine], _Answer]],
    progress: Callable[[str], None] = lambda what: None,
) -> list[_Answer]:
    """Call every run with an engine that hands all prompts to `engine` in one batch, once all wait.

    Each run has a thread of its own, where JAX's global settings hold, and asks as the others do:
    for texts under the same schema, or for choices among the same options. A batch holds the
    prompts in the order of `runs`. When the engine or a run fails, all end, and it raises.
    """
    inbox = _Inbox(len(runs))
    with ThreadPoolExecutor(max(len(runs), 1)) as pool:
        try:
            callers = [_Caller(engine, inbox, place) for place in range(len(runs))]
            futures = [pool.submit(run, caller) for run, caller in zip(runs, callers, strict=True)]
            for future in futures:
                future.add_done_callback(lambda _: inbox.put(None))
            for number, batch in enumerate(inbox.batches(), start=1):
                for future in futures:
                    if future.done():
                        future.result()
                progress(f"batch {number}, {len(batch)} questions")
                _answer(engine, batch)
        except BaseException as error:
            inbox.refuse(error)
            raise
    return [future.result() for future in futures]


class _Question(NamedTuple):
    """What the run at a `place` asks, and where the answers go."""

    place: int
    request: Request[Any]
    reply: "Future[Any]"


class _Inbox:
    """Questions of so many runs, and the news (None) that one has ended."""

    def __init__(self, going: int) -> None:
        self._going = going
        self._waiting: list[_Question] = []
        self._news: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[Future[Any]] = set()
        self._refusal: BaseException | None = None

    def put(self, question: "_Question | None") -> None:
        """Take a question, or the news that a run has ended.

        Raises:
            BaseException: why no question is answered any more.
        """
        with self._lock:
            if question is not None:
                if self._refusal is not None:
                    raise self._refusal
                self._open.add(question.reply)
                question.reply.add_done_callback(self._open.discard)
            self._news.put(question)

    def refuse(self, why: BaseException) -> None:
        """Answer with an error all that is or will be asked."""
        with self._lock:
            self._refusal = why
            left = list(self._open)
        for reply in left:
            if not reply.done():
                reply.set_exception(why)

    def batches(self) -> Iterator[list[_Question]]:
        """Yield the questions of all runs that go on, whenever all wait, until all have ended."""
        while self._going:
            if len(self._waiting) == self._going:
                yield sorted(self._waiting, key=lambda question: question.place)
                self._waiting = []
            elif (news := self._news.get()) is None:
                self._going -= 1
            else:
                self._waiting.append(news)


class _Caller(Wrapper):
    """The engine as the run at a `place` meets it: its questions wait for those of the others."""

    def __init__(self, engine: Engine, inbox: _Inbox, place: int) -> None:
        self._engine, self._inbox, self._place = engine, inbox, place
        self._said = engine.describe()  # here: a journal answers in its own thread alone

    def answer(self, request: Request[Reply]) -> Reply:
        question = _Question(self._place, request, Future())
        self._inbox.put(question)
        return question.reply.result()

    def describe(self) -> EngineInfo:
        return self._said

    def close(self) -> None:
        """Leave the engine open: the other runs ask it too."""


def _answer(engine: Engine, batch: Sequence[_Question]) -> None:
    """Ask all questions at once."""
    alike = batch[0].request
    if any(question.request.about([]) != alike.about([]) for question in batch):
        raise ValueError(
            "Runs in step ask alike: under one schema, for equally many samples of one length, or "
            "for the same options."
        )
    prompts = [prompt for question in batch for prompt in question.request.prompts]
    answers = alike.about(prompts).ask(engine)
    begin = 0
    for question in batch:
        places = slice(begin, begin := begin + len(question.request.prompts))
        question.reply.set_result(alike.part(answers, places))
