"""Engines of a run whose journals are kept elsewhere too, and whose budget others share."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.cluster.files import Files, files_in, is_of_journal
from llm_policy.engines.base import Engine, EngineInfo, Hear, JournalRows, Telling
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.budget import BudgetError, prompt_tokens
from llm_policy.engines.wrappers.wrapper import Wrapper

AskKeeper = Callable[..., Any]
"""Takes the name of a method of a `Keeper` and its arguments, and returns what that returns."""
_PAUSE = 0.05
"""Seconds before a batch is asked for again that depends on what others are being answered."""


class RunAccount:
    """A run in `path` as its keeper knows it: what it has written, and what it may ask.

    `given` returns the files of its directory as they are to be kept.
    """

    def __init__(
        self,
        ask: AskKeeper,
        run: str,
        path: Path,
        *,
        limited: bool = False,
        given: Callable[[Files], Files] = lambda files: files,
    ) -> None:
        self._ask, self._run, self._path, self._limited = ask, run, path, limited
        self._given = given
        self._engines: list[EngineInfo] = []
        self._begun = False

    def engines(self, engines: Sequence[Engine]) -> list[Engine]:
        """Return the run's engines, whose answers are kept."""
        self._engines = [engine.describe() for engine in engines]
        return [Posted(engine, self, place) for place, engine in enumerate(engines)]

    def post(self, place: int, written: Sequence[JournalRows]) -> None:
        """Have rows of a journal kept."""
        self._begin()
        self._ask("take", self._run, place, written)

    def grant(self, engine: Engine, request: Request[Any]) -> None:
        """Wait until a request may be asked.

        Raises:
            BudgetError: it would pass a limit.
        """
        if not self._limited:
            return
        prompts = request.prompts
        batch = len(prompts), prompt_tokens(engine, prompts), request.most_written
        while (refused := self._ask("grant", self._run, *batch)) is None:
            time.sleep(_PAUSE)
        if refused:
            raise BudgetError(refused)

    def settle(self) -> None:
        """Say that the request has been answered, or will not be."""
        if self._limited:
            self._ask("settle", self._run)

    def end(self, printed: str) -> None:
        """Have the rest of the directory kept, or nothing if there is none."""
        files = None
        if self._path.is_dir():
            self._begin()
            files = self._files()
        self._ask("end", self._run, files, printed)

    def _begin(self) -> None:
        if not self._begun:
            self._ask("begin", self._run, self._files(), self._engines)
            self._begun = True

    def _files(self) -> Files:
        """Return the files of the directory as they are to be kept; journals are kept by rows."""
        found = files_in(self._path)
        return self._given({name: data for name, data in found.items() if not is_of_journal(name)})


class Posted(Wrapper):
    """The same protocol as `engine`: what its journal writes is kept for the run's account too."""

    def __init__(self, engine: Engine, account: RunAccount, place: int) -> None:
        self._engine, self._account, self._place = engine, account, place

    @property
    def hear(self) -> Hear | None:
        """Who is told of answers as they come, by an engine that tells."""
        return self._engine.hear if isinstance(self._engine, Telling) else None

    @hear.setter
    def hear(self, hear: Hear | None) -> None:
        if isinstance(self._engine, Telling):
            self._engine.hear = hear

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the engine's answers, if the budget allows for the request.

        Raises:
            BudgetError: the request would pass a limit.
        """
        self._account.grant(self._engine, request)
        try:
            return request.ask(self._engine)
        finally:
            self._account.settle()

    def post(self, written: Sequence[JournalRows]) -> None:
        """Have rows of the engine's journal kept."""
        self._account.post(self._place, written)
