"""What is asked of an engine, whichever verb asks it, so that wrappers are written once."""

import abc
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
from jaxtyping import Int

from llm_policy.engines._scores import join
from llm_policy.engines.base import Choices, Completion, Engine, Interrupted, Prompt, Schema

Reply = TypeVar("Reply", list[Completion], Choices)
"""What an engine answers to a batch: completions to texts, scores to choices."""


class Recorded(NamedTuple):
    """One answer in plain values.

    `said` is a JSON list of texts, or the log probabilities and then the leak as little-endian
    float64.
    """

    said: str | bytes
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int
    seconds: float


@dataclass(frozen=True)
class Request(abc.ABC, Generic[Reply]):
    """Prompts that are asked alike, for texts (`TextRequest`) or for choices (`ChoiceRequest`)."""

    prompts: Sequence[Prompt]

    verb: ClassVar[Literal["complete", "choose"]]

    def about(self, prompts: Sequence[Prompt]) -> Self:
        """Return the same question about other prompts."""
        return replace(self, prompts=prompts)

    @property
    @abc.abstractmethod
    def parameters(self) -> str:
        """How the prompts are asked, as JSON."""

    @property
    @abc.abstractmethod
    def most_written(self) -> int:
        """The tokens that the answers may have, all together."""

    @abc.abstractmethod
    def ask(self, engine: Engine) -> Reply:
        """Return what an engine answers.

        Raises:
            ValueError: it cannot tell the options apart.
            EngineError: it cannot answer; `Interrupted` if it answered some.
        """

    @abc.abstractmethod
    def given(self, error: Interrupted) -> Reply:
        """Return the answers that an engine gave before it failed at this request."""

    @abc.abstractmethod
    def join(self, parts: Sequence[Reply], places: Sequence[int]) -> Reply:
        """Return the answers of all `parts`, sorted by `places`: each one's place in the batch."""

    @abc.abstractmethod
    def part(self, reply: Reply, places: slice) -> Reply:
        """Return some of the answers."""

    @abc.abstractmethod
    def times(self, equals: int) -> int:
        """Return for how many of `equals` a prompt has to be asked so that all are answered."""

    @abc.abstractmethod
    def repeated(self, times: int) -> Self:
        """Return what asks each prompt for so many equals at once."""

    @abc.abstractmethod
    def dealt(self, reply: Reply, equals: Sequence[int]) -> Reply:
        """Return the answers to `repeated` prompts as those to so many equals of each, in turn.

        The first of the equals carries the whole cost and the others none.
        """

    @abc.abstractmethod
    def records(self, reply: Reply, seconds: float) -> list[Recorded]:
        """Return answers in plain values, each of which took `seconds`."""

    @abc.abstractmethod
    def reply(self, records: Sequence[Recorded]) -> Reply:
        """Return the answers of which `records` are the plain values."""


@dataclass(frozen=True)
class TextRequest(Request[list[Completion]]):
    """A request for `samples` texts a prompt, of up to `max_tokens` tokens each.

    They come under a schema, or under None as the model likes.
    """

    schema: Schema | None
    samples: int = 1
    max_tokens: int = 64

    verb = "complete"

    @property
    def parameters(self) -> str:
        """The schema, the number of texts and their length."""
        names = ("schema", "samples", "max_tokens")
        return json.dumps({name: getattr(self, name) for name in names})

    @property
    def most_written(self) -> int:
        """What all texts have at their longest."""
        return len(self.prompts) * self.samples * self.max_tokens

    def ask(self, engine: Engine) -> list[Completion]:
        """Return an engine's texts."""
        return engine.complete(
            self.prompts, self.schema, samples=self.samples, max_tokens=self.max_tokens
        )

    def given(self, error: Interrupted) -> list[Completion]:
        """Return the texts that came before a failure."""
        assert not isinstance(error.answers, Choices), "texts were asked for"
        return list(error.answers)

    def join(self, parts: Sequence[list[Completion]], places: Sequence[int]) -> list[Completion]:
        """Return the completions of all parts, sorted by place."""
        said = [completion for part in parts for completion in part]
        return [said[row] for row in np.argsort(np.array(places, int)).tolist()]

    def part(self, reply: list[Completion], places: slice) -> list[Completion]:
        """Return some of the completions."""
        return reply[places]

    def times(self, equals: int) -> int:
        """Return `equals`: each needs texts of its own."""
        return equals

    def repeated(self, times: int) -> Self:
        """Return what asks for as many times the texts."""
        return replace(self, samples=times * self.samples)

    def dealt(self, reply: list[Completion], equals: Sequence[int]) -> list[Completion]:
        """Return the texts dealt out in order: `samples` to each of the equals."""
        hands = []
        for whole, count in zip(reply, equals, strict=True):
            hands.append(whole if count == 1 else replace(whole, texts=whole.texts[: self.samples]))
            begins = range(self.samples, count * self.samples, self.samples)
            hands += [
                Completion(whole.texts[begin : begin + self.samples], 0, 0) for begin in begins
            ]
        return hands

    def records(self, reply: list[Completion], seconds: float) -> list[Recorded]:
        """Return the texts as JSON, with their cost."""
        return [
            Recorded(
                json.dumps(said.texts),
                int(said.prompt_tokens),
                int(said.cached_tokens),
                int(said.answer_tokens),
                seconds,
            )
            for said in reply
        ]

    def reply(self, records: Sequence[Recorded]) -> list[Completion]:
        """Return the texts that JSON holds."""
        return [
            Completion(tuple(json.loads(said)), prompt_tokens, answer_tokens, cached_tokens)
            for said, prompt_tokens, cached_tokens, answer_tokens, _ in records
        ]


@dataclass(frozen=True)
class ChoiceRequest(Request[Choices]):
    """A request for the scores of `options` as the answer to each prompt."""

    options: Sequence[str]

    verb = "choose"

    @property
    def parameters(self) -> str:
        """The options."""
        return json.dumps(list(self.options))

    @property
    def most_written(self) -> int:
        """A token for every prompt."""
        return len(self.prompts)

    def ask(self, engine: Engine) -> Choices:
        """Return an engine's scores."""
        return engine.choose(self.prompts, self.options)

    def given(self, error: Interrupted) -> Choices:
        """Return the scores that came before a failure."""
        assert isinstance(error.answers, Choices) or not error.done, "choices were asked for"
        return error.answers if isinstance(error.answers, Choices) else self.reply([])

    def join(self, parts: Sequence[Choices], places: Sequence[int]) -> Choices:
        """Return the rows of all parts, sorted by place."""
        return join(parts, places)

    def part(self, reply: Choices, places: slice) -> Choices:
        """Return some of the rows."""
        return Choices(*(getattr(reply, each.name)[places] for each in fields(reply)))

    def times(self, equals: int) -> int:
        """Return 1: equal prompts have equal scores."""
        return 1

    def repeated(self, times: int) -> Self:
        """Return the same request."""
        return self

    def dealt(self, reply: Choices, equals: Sequence[int]) -> Choices:
        """Return a row for every one of the equals."""
        rows = np.repeat(np.arange(len(equals)), np.array(equals, int))
        first = np.diff(rows, prepend=-1) > 0
        return Choices(
            logprob=reply.logprob[rows],
            leaked=reply.leaked[rows],
            prompt_tokens=np.where(first, reply.prompt_tokens[rows], 0),
            cached_tokens=np.where(first, reply.cached_tokens[rows], 0),
        )

    def records(self, reply: Choices, seconds: float) -> list[Recorded]:
        """Return the scores as bytes, with their cost: a choice costs one answer token."""
        scores = np.column_stack([reply.logprob, reply.leaked]).astype("<f8")
        tokens = zip(reply.prompt_tokens.tolist(), reply.cached_tokens.tolist(), strict=True)
        return [
            Recorded(row.tobytes(), *read, 1, seconds)
            for row, read in zip(scores, tokens, strict=True)
        ]

    def reply(self, records: Sequence[Recorded]) -> Choices:
        """Return the scores that bytes hold."""
        said: Any = (record.said for record in records)
        scores = np.frombuffer(b"".join(said), "<f8").astype(np.float64)
        scores = scores.reshape(len(records), len(self.options) + 1)

        def tokens(name: str) -> Int[np.ndarray, " records"]:
            return np.array([getattr(record, name) for record in records], np.int64)

        read, cached = tokens("prompt_tokens"), tokens("cached_tokens")
        return Choices(scores[:, :-1], scores[:, -1], read, cached)
