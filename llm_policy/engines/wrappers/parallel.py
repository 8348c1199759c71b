"""Several engines or servers of the same model that answer one batch together."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, Generic, NamedTuple

from llm_policy.engines._arrivals import in_threads
from llm_policy.engines.base import (
    Engine,
    EngineError,
    EngineInfo,
    Hear,
    Interrupted,
    Prompt,
    Telling,
)
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Answering

_LOG = logging.getLogger(__name__)

_SMALL = 64
"""Prompts that are worth a call of their own."""


class _Told(NamedTuple, Generic[Reply]):
    """What came for some places of the batch, None for none."""

    places: list[int]
    answers: Reply | None


class Parallel(Answering):
    """The same protocol over `engines` of one model: whichever is free takes the next prompts.

    Prompts with the same `shared` text stay together, so that each engine's prefix cache is of use;
    answers come in the order of the batch, whoever gave them. An engine that fails where others
    answer is asked no more, and they take over what it left: `describe().lost` says why. Where
    all fail, the failure is an error.

    Raises:
        EngineError: there is no engine, or their descriptions differ in more than the url.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        if not engines:
            raise EngineError("Parallel has no engine: give at least one.")
        self.hear: Hear | None = None
        self._engines = list(engines)
        self._lost: dict[int, str] = {}
        self._info = _common([engine.describe() for engine in engines])

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, as the first engine counts them.

        Raises:
            EngineError: none can count.
        """
        failed: dict[int, EngineError] = {}
        for number, engine in self._left(failed):
            try:
                counts = engine.count(texts)
            except EngineError as error:
                failed[number] = error
            else:
                self._lose(failed)
                return counts
        raise next(iter(failed.values()))

    def describe(self) -> EngineInfo:
        """Return what every engine says of itself, all their urls, and which were lost, if any."""
        return replace(self._info, lost="; ".join(self._lost.values()))

    def close(self) -> None:
        """Close every engine. No call may follow."""
        for engine in self._engines:
            engine.close()

    def answer(self, request: Request[Reply]) -> Reply:
        """Let the engines answer one part of the batch after another, and join what they say.

        Raises:
            ValueError: the engines cannot score these options.
            EngineError: an engine failed and nothing was answered; `Interrupted` if something was.
        """
        prompts = request.prompts
        waiting = deque(_parts(prompts, len(self._engines)))
        answered: list[_Told[Reply]] = []
        failed: dict[int, EngineError] = {}
        mistakes: list[Exception] = []

        def work(number: int, engine: Engine, put: Callable[[_Told[Reply]], None]) -> None:
            tells = isinstance(engine, Telling)
            while number not in failed and (part := _next(waiting)) is not None:
                if tells:
                    engine.hear = partial(_put_told, put, part)
                try:
                    asked = request.about([prompts[place] for place in part])
                    told = _Told(part, asked.ask(engine))
                except EngineError as error:
                    failed[number] = error
                    told = _told_before(request, error, part)
                    waiting.append([place for place in part if place not in told.places])
                except Exception as error:
                    waiting.clear()
                    mistakes.append(error)
                    return
                finally:
                    if tells:
                        engine.hear = None
                if told.answers is not None:
                    answered.append(told)
                    if not tells:
                        put(told)

        try:
            while waiting and (left := self._left(failed)):
                workers = [partial(work, number, engine) for number, engine in left]
                with closing(in_threads(workers)) as news:
                    for told in chain.from_iterable(news):
                        if self.hear is not None and told.answers is not None:
                            self.hear(told.places, told.answers)
            unanswered = bool(waiting)
        finally:
            waiting.clear()
        failure = next(iter([*mistakes, *(failed.values() if unanswered else ())]), None)
        places = [place for part, _ in answered for place in part]
        if failure is not None and not places:
            raise failure
        merged = request.join([answers for _, answers in answered if answers is not None], places)
        if failure is not None:
            raise Interrupted(str(failure), sorted(places), merged) from failure
        self._lose(failed)
        return merged

    def _left(self, failed: Mapping[int, EngineError]) -> list[tuple[int, Engine]]:
        """Return the engines, with their numbers, that have not failed."""
        numbered = enumerate(self._engines)
        return [(n, engine) for n, engine in numbered if n not in failed and n not in self._lost]

    def _lose(self, failed: Mapping[int, EngineError]) -> None:
        """Take note of engines that failed where others did not."""
        for number, error in failed.items():
            self._lost[number] = str(error)
            _LOG.warning("%s The other servers go on.", error)


def _common(infos: Sequence[EngineInfo]) -> EngineInfo:
    """Return the description that all share, with every url."""
    first, *others = (info.asdict() for info in infos)
    for number, other in enumerate(others, start=2):
        differ = [
            f"{name} is {first.get(name)!r} and {other.get(name)!r}"
            for name in first | other
            if name not in ("url", "refused") and first.get(name) != other.get(name)
        ]
        if differ:
            raise EngineError(
                f"Engines 1 and {number} do not answer alike ({'; '.join(differ)}): give engines "
                "of the same model with the same settings."
            )
    return replace(infos[0], url=", ".join(info.url for info in infos if info.url))


def _parts(prompts: Sequence[Prompt], engines: int) -> list[list[int]]:
    """Return the prompts' places in parts: large ones first, so that all engines end together.

    An empty batch is one empty part: an engine still checks what it is asked.
    """
    groups: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        groups.setdefault(prompt.shared, []).append(place)
    order = [place for group in groups.values() for place in group]
    least = max(1, min(_SMALL, -(-len(order) // engines)))
    parts = [order[:0]] if not order else []
    while order:
        size = max(least, len(order) // (2 * engines))
        parts.append(order[:size])
        order = order[size:]
    return parts


def _told_before(request: Request[Reply], error: EngineError, part: list[int]) -> _Told[Reply]:
    """Return what an engine had answered of a part when it failed."""
    if not isinstance(error, Interrupted):
        return _Told([], None)
    return _Told([part[place] for place in error.done], request.given(error))


def _put_told(
    put: Callable[[Any], None], part: list[int], places: Sequence[int], answers: Any
) -> None:
    """Pass on what an engine tells of a part, by the places in the whole batch."""
    put(_Told([part[place] for place in places], answers))


def _next(waiting: deque[list[int]]) -> list[int] | None:
    """Return the next part, or None if nothing is waiting; several threads may ask at once."""
    try:
        return waiting.popleft()
    except IndexError:
        return None
