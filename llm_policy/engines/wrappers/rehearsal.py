"""An engine that stands in for another to find out what a run will ask of it, and in what time."""

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llm_policy.engines.base import Choices, Completion, Engine, Prompt, Schema
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper

_BATCHES, _PROMPTS = 6, 32
"""Batches of each verb that are kept to be timed, and prompts of each."""
FIRST = 48
"""Prompts of each verb that the engine answers itself: a probe of how it answers comes first."""


@dataclass
class _Heard:
    """Batches of one verb that were answered at random, drawn evenly, and numbers of prompts.

    `itself` are those that the engine answered, `guessed` the others.
    """

    draw: random.Random
    itself: int = 0
    guessed: int = 0
    batches: int = 0
    kept: list[Request[Any]] = field(default_factory=list)

    def hear(self, request: Request[Any]) -> None:
        """Count a batch, and keep its beginning with a chance that is the same for all."""
        some = request.about(request.prompts[:_PROMPTS])
        self.guessed, self.batches = self.guessed + len(request.prompts), self.batches + 1
        place = len(self.kept) if self.batches <= _BATCHES else self.draw.randrange(self.batches)
        if some.prompts and place < _BATCHES:
            self.kept[place:] = [some, *self.kept[place + 1 :]]


class Rehearsal(Wrapper):
    """The same protocol as `engine`, which answers the first `FIRST` prompts of each verb itself.

    To all others come answers at random: any text that the schema allows, any option as likely as
    another. They cost what the engine counts; a chat template adds a few tokens to each prompt.
    """

    def __init__(self, engine: Engine, *, seed: int = 0) -> None:
        self._engine, self._guesser = engine, _Guesser(engine, random.Random(seed))
        self._heard = {verb: _Heard(random.Random(seed)) for verb in ("complete", "choose")}

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the engine's answers, or what comes at random."""
        heard, more = self._heard[request.verb], len(request.prompts)
        if heard.itself + more <= FIRST:
            heard.itself += more
            return request.ask(self._engine)
        heard.hear(request)
        return request.ask(self._guesser)

    def close(self) -> None:
        """Do nothing: whoever started the engine closes it."""

    def missing_seconds(self) -> float:
        """Return how long the engine would have taken for what was answered at random.

        It is asked half of the batches that were kept, so that what they need is compiled, and then
        the others, from which its speed is taken: no prompt is asked twice, which would be quicker.

        Raises:
            EngineError: the engine cannot answer.
        """
        total = 0.0
        for heard in self._heard.values():
            for request in heard.kept[1::2]:
                request.ask(self._engine)
            began = time.perf_counter()
            for request in heard.kept[::2]:
                request.ask(self._engine)
            took = time.perf_counter() - began
            total += (
                took * heard.guessed / max(sum(len(asked.prompts) for asked in heard.kept[::2]), 1)
            )
        return total


class _Guesser:
    """Answers at random whatever `engine` is asked; the costs are what it counts."""

    def __init__(self, engine: Engine, draw: random.Random) -> None:
        self._draw = draw
        self.count, self.describe, self.close = engine.count, engine.describe, engine.close

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return texts that the schema allows."""
        texts = [tuple(_text(schema, self._draw) for _ in range(samples)) for _ in prompts]
        written = self.count([text for own in texts for text in own])
        sums = np.array(written, int).reshape(len(prompts), samples).sum(axis=1).tolist()
        read = self._read(prompts)
        return [Completion(*answer) for answer in zip(texts, read, sums, strict=True)]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return equal scores."""
        return Choices(
            logprob=np.full((len(prompts), len(options)), -math.log(len(options))),
            leaked=np.zeros(len(prompts)),
            prompt_tokens=np.array(self._read(prompts), int),
            cached_tokens=np.zeros(len(prompts), int),
        )

    def _read(self, prompts: Sequence[Prompt]) -> list[int]:
        """Return the tokens of each prompt."""
        texts = list(Counter(text for prompt in prompts for text in prompt))
        tokens = dict(zip(texts, self.count(texts), strict=True))
        return [tokens[prompt.shared] + tokens[prompt.personal] for prompt in prompts]


def _text(schema: Schema | None, draw: random.Random) -> str:
    return _TEXT if schema is None else json.dumps(_allowed(schema, draw))


def _allowed(schema: Schema, draw: random.Random) -> Any:
    """Return something that a schema allows."""
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if "anyOf" in schema:
        return _allowed(draw.choice(schema["anyOf"]), draw)
    kind, least, most = schema["type"], schema.get("minimum", 0), schema.get("maximum", 100)
    if kind == "object":
        return {name: _allowed(one, draw) for name, one in schema["properties"].items()}
    if kind == "array":
        return _list(schema, draw)
    plain = {
        "integer": lambda: draw.randint(math.ceil(least), math.floor(most)),
        "number": lambda: round(draw.uniform(least, most), 1),
        "boolean": lambda: draw.random() < 0.5,
        "string": lambda: _TEXT,
        "null": lambda: None,
    }
    return plain[kind]()


def _list(schema: Schema, draw: random.Random) -> list[Any]:
    """Return a list that a schema allows, whose whole numbers differ as those of a ballot do."""
    item, fewest = schema["items"], schema.get("minItems", 0)
    count = draw.randint(fewest, schema.get("maxItems", fewest))
    if item.get("type") == "integer" and "maximum" in item:
        numbers = range(item.get("minimum", 0), item["maximum"] + 1)
        if len(numbers) >= count:
            return draw.sample(numbers, count)
    return [_allowed(item, draw) for _ in range(count)]


_TEXT = "I weigh what I earn, what I pay and the time that is left for the people I care for."
