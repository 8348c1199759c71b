"""Several runs that ask one engine, side by side: their prompts reach it in batches."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar, cast

from llm_policy.engines.base import Choices, Completion, Engine, Prompt, Schema

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
            futures = [
                pool.submit(run, cast(Engine, caller))
                for run, caller in zip(runs, callers, strict=True)
            ]
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
    """Prompts of the run at a `place`, how they are asked, and where the answers go."""

    place: int
    prompts: Sequence[Prompt]
    how: dict[str, Any]
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


class _Caller:
    """The engine as the run at a `place` meets it: its questions wait for those of the others."""

    def __init__(self, engine: Engine, inbox: _Inbox, place: int) -> None:
        self._inbox, self._place = inbox, place
        self.count, said = engine.count, engine.describe()
        self.describe = lambda: dict(said)  # asked here: a journal answers in its own thread alone

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        return self._wait(prompts, {"schema": schema, "samples": samples, "max_tokens": max_tokens})

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        return self._wait(prompts, {"options": options})

    def _wait(self, prompts: Sequence[Prompt], how: dict[str, Any]) -> Any:
        question = _Question(self._place, prompts, how, Future())
        self._inbox.put(question)
        return question.reply.result()


def _answer(engine: Engine, batch: Sequence[_Question]) -> None:
    """Ask all questions at once."""
    how = batch[0].how
    if any(question.how != how for question in batch):
        raise ValueError(
            "Runs in step ask alike: under one schema, for equally many samples of one length, or "
            "for the same options."
        )
    prompts = [prompt for question in batch for prompt in question.prompts]
    answers = engine.choose(prompts, **how) if "options" in how else engine.complete(prompts, **how)
    begin = 0
    for question in batch:
        places = slice(begin, begin := begin + len(question.prompts))
        if isinstance(answers, Choices):
            question.reply.set_result(
                Choices(*(getattr(answers, each.name)[places] for each in fields(answers)))
            )
        else:
            question.reply.set_result(answers[places])
