"""What all wrappers share: both of an engine's verbs are one request."""

import abc
from collections.abc import Sequence

from llm_policy.engines.base import Choices, Completion, Engine, EngineInfo, Prompt, Schema
from llm_policy.engines.requests import ChoiceRequest, Reply, Request, TextRequest


class Answering(abc.ABC):
    """What answers requests of either kind in one way, and so has both verbs of an engine."""

    @abc.abstractmethod
    def answer(self, request: Request[Reply]) -> Reply:
        """Return the answers to a request."""

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return `samples` texts under a schema for every prompt: see `answer`.

        Raises:
            EngineError: the engine cannot answer; `Interrupted` if it answered some.
        """
        return self.answer(TextRequest(prompts, schema, samples, max_tokens))

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the scores of every option after every prompt: see `answer`.

        Raises:
            ValueError: the engine cannot score these options.
            EngineError: the engine cannot answer; `Interrupted` if it answered some.
        """
        return self.answer(ChoiceRequest(prompts, options))


class Wrapper(Answering):
    """The same protocol as `engine`, which does whatever is not said otherwise."""

    _engine: Engine

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the engine's numbers of tokens."""
        return self._engine.count(texts)

    def describe(self) -> EngineInfo:
        """Return the engine's description."""
        return self._engine.describe()

    def close(self) -> None:
        """Close the engine. No call may follow."""
        self._engine.close()
