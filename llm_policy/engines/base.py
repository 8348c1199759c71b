"""The batch-first protocol between prompts and language models, its records and its errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

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


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What answers: the kind of engine, versions, model, revision, numbers, template, weights.

    What is not known, or means nothing for an engine, is "" or None. `context` is the number of
    tokens that prompt and answer may have together, 0 if unknown, and `temperature` that of texts.
    A `tokenizer` that is "estimated" counts a token per four characters. `taught` and `letters` say
    what a model has learned to answer (see `provenance`), `refused` and `lost` what was found out
    since, of servers, and `currency` in what money prompts speak, if not in dollars.
    """

    engine: str
    version: str = ""
    server: str = ""
    url: str = ""
    model: str
    revision: str = ""
    dtype: str = ""
    quantization: str = ""
    temperature: float = 0.0
    seed: int | None = None
    extra: str = ""
    context: int = 0
    tokenizer: Literal["exact", "estimated"] = "exact"
    chat_template: str = ""
    system_role: bool | None = None
    noise: bool = False
    weights: str = ""
    taught: str = ""
    letters: str = ""
    refused: str = ""
    lost: str = ""
    currency: str = ""
    currency_scale: float | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Return what `asdict` returned; what this version does not know is left out."""
        facts: dict[str, Any] = {"engine": "", "model": ""}
        facts |= {field.name: said[field.name] for field in fields(cls) if field.name in said}
        return cls(**facts)

    def asdict(self) -> dict[str, str | int | float | bool]:
        """Return what is known, by name."""
        found = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in found if value is not None and value != ""}

    @property
    def is_exact(self) -> bool:
        """Whether tokens are the model's own, not estimated."""
        return self.tokenizer == "exact"

    def was_taught(self, who: str, mode: str) -> bool:
        """Tell whether the model has learned to answer so: choice or text."""
        return f"{who} in {mode} mode" in self.taught.split(", ")


class Engine(Protocol):
    """Batch in, batch out, in order. Wrappers (journal, dedupe, budget, parallel) speak it too."""

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return `samples` texts under a JSON schema for every prompt; under None, any text.

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
        characters, and `describe().tokenizer` is "estimated" instead of "exact".
        """
        ...

    def describe(self) -> EngineInfo:
        """Say what answers."""
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


@runtime_checkable
class Renewable(Protocol):
    """An engine in this process that several runs may ask, one after the other."""

    def renew(self, seed: int) -> None:
        """Answer from now on as an engine that has just been started with this seed."""
        ...


JournalRows = tuple[str, Sequence[tuple[Any, ...]]]
"""A table of a journal, and rows of it."""


@runtime_checkable
class Posting(Protocol):
    """An engine that takes every row which a journal of it writes, so as to keep it elsewhere."""

    def post(self, written: Sequence[JournalRows]) -> None:
        """Take rows that were written together; no answer among them has been given yet.

        Raises:
            EngineError: they cannot be kept.
        """
        ...


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

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what it is made of again, in another process."""
        return type(self), (str(self), self.done, self.answers)


class Unread(EngineError):
    """Too many answers could not be read: the last `times` to each of `prompts`."""

    def __init__(self, message: str, prompts: Sequence[Prompt], times: int = 1) -> None:
        super().__init__(message)
        self.prompts = list(prompts)
        self.times = times

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what it is made of again, in another process."""
        return type(self), (str(self), self.prompts, self.times)
