"""The batch-first protocol between prompts and language models, its records and its errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

Schema = Mapping[str, Any]
"""A JSON schema (draft 2020-12) that an answer must satisfy."""


class Prompt(NamedTuple):
    """One question to a model: the text shared by a whole batch first, the text of one asker last.

    `shared` becomes the system message and `personal` the user message, so that an engine with a
    prefix cache reads the shared text once.
    """

    shared: str
    personal: str


@dataclass(frozen=True)
class Completion:
    """The texts that a model wrote to one prompt, one per sample, and their cost in tokens."""

    texts: tuple[str, ...]
    prompt_tokens: int
    answer_tokens: int
    cached_tokens: int = 0
    """Tokens of the prompt that the engine had read before: of its beginning, or all."""


@dataclass(frozen=True)
class Choices:
    """How likely a model finds each option, after each of a batch of prompts.

    `logprob` is renormalised over the options (each row's probabilities sum to 1); `leaked` is the
    probability that the model gave to anything else, in [0, 1].
    """

    logprob: Float[np.ndarray, "prompts options"]
    leaked: Float[np.ndarray, " prompts"]
    prompt_tokens: Int[np.ndarray, " prompts"]
    cached_tokens: Int[np.ndarray, " prompts"]


class Engine(Protocol):
    """Batch in, batch out, in order. Wrappers (journal, dedupe, budget, parallel) speak it too."""

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return `samples` texts under a JSON schema for every prompt.

        A text may be cut at `max_tokens` and then be no JSON: reading it is the caller's business.

        Raises:
            EngineError: the engine cannot answer (no server, no model, no room for a prompt);
                `Interrupted` if it answered some.
        """
        ...

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score every option as the answer to every prompt.

        Where each option is a single token of the model, it is scored as the first thing said;
        otherwise an option is a whole answer, with the probability of all its tokens and of the
        end. Engines that do not know the tokens score the options that are a likely first token.

        Raises:
            ValueError: there is no option, or the model cannot tell two of them apart.
            EngineError: the engine cannot answer; `Interrupted` if it answered some.
        """
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without special tokens.

        Where nobody but the model knows its tokens this is an estimate: a token per four
        characters, and `describe()["tokenizer"]` is "estimated" instead of "exact".
        """
        ...

    def describe(self) -> dict[str, str | int | float | bool]:
        """Say what answers: engine, versions, model, revision, dtype, temperature, template, noise.

        `context` is the number of tokens that prompt and answer may have together, 0 if unknown.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds. No call may follow."""
        ...


Hear = Callable[[Sequence[int], Sequence[Completion] | Choices], None]
"""Takes places in a batch, and the completions or the rows of `Choices` that came for them."""


@runtime_checkable
class Telling(Protocol):
    """An engine that tells `hear`, where there is one, of answers as they come.

    It is called in the thread that asked, and once for every answer of the batch. What was told
    stays told, however the call ends: by an error, or by an interrupt, which then waits for nobody.
    """

    hear: Hear | None


class EngineError(RuntimeError):
    """An engine cannot answer at all; the message names the engine and the remedy."""


class Interrupted(EngineError):
    """An engine failed within a batch, having answered the prompts in `done` with `answers`.

    `done` holds places in the batch, ascending; `answers` are the completions of these prompts, or
    the `Choices` with one row for each.
    """

    def __init__(
        self, message: str, done: Sequence[int], answers: Sequence[Completion] | Choices
    ) -> None:
        super().__init__(message)
        self.done = list(done)
        self.answers = answers


class Unread(EngineError):
    """Too many answers could not be read: the last `times` to each of `prompts`."""

    def __init__(self, message: str, prompts: Sequence[Prompt], times: int = 1) -> None:
        super().__init__(message)
        self.prompts = list(prompts)
        self.times = times
