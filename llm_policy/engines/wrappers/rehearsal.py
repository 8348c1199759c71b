"""An engine that stands in for another to find out what a run will ask of it, and in what time."""

import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llm_policy.engines.base import Choices, Completion, Engine, Prompt, Schema

_BATCHES, _PROMPTS = 6, 32
"""Batches of each verb that are kept to be timed, and prompts of each."""
FIRST = 48
"""Prompts of each verb that the engine answers itself: a probe of how it answers comes first."""


@dataclass
class _Heard:
    """Batches of one verb, drawn evenly from all that came, and how many prompts these held."""

    draw: random.Random
    prompts: int = 0
    batches: int = 0
    kept: list[Callable[[Engine], Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def hear(self, prompts: Sequence[Prompt], ask: Callable[[Engine, list[Prompt]], Any]) -> None:
        """Count a batch, and keep its beginning with a chance that is the same for all."""
        some = list(prompts[:_PROMPTS])
        self.prompts, self.batches = self.prompts + len(prompts), self.batches + 1
        place = len(self.kept) if self.batches <= _BATCHES else self.draw.randrange(self.batches)
        if some and place < _BATCHES:
            self.kept[place:] = [lambda engine: ask(engine, some), *self.kept[place + 1 :]]
            self.sizes[place:] = [len(some), *self.sizes[place + 1 :]]


class Rehearsal:
    """The same protocol as `engine`, which answers the first `FIRST` prompts of each verb itself.

    To all others come answers at random: any text that the schema allows, any option as likely as
    another. They cost what the engine counts; a chat template adds a few tokens to each prompt.
    `inside` counts the seconds that the engine took, by the `clock`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._engine, self._draw, self._clock = engine, random.Random(seed), clock
        self._heard = {verb: _Heard(random.Random(seed)) for verb in ("complete", "choose")}
        self.inside = 0.0

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return the engine's texts, or any that the schema allows.

        Raises:
            EngineError: the engine cannot answer.
        """

        def ask(engine: Engine, some: list[Prompt]) -> list[Completion]:
            return engine.complete(some, schema, samples=samples, max_tokens=max_tokens)

        if self._first("complete", prompts, ask):
            return self._itself(lambda: ask(self._engine, list(prompts)))
        texts = [
            tuple(json.dumps(_allowed(schema, self._draw)) for _ in range(samples)) for _ in prompts
        ]
        written = self._engine.count([text for own in texts for text in own])
        sums = np.array(written, int).reshape(len(prompts), samples).sum(axis=1).tolist()
        read = self._read(prompts)
        return [Completion(*answer) for answer in zip(texts, read, sums, strict=True)]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the engine's scores, or equal ones.

        Raises:
            ValueError: the engine cannot tell the options apart.
            EngineError: the engine cannot answer.
        """

        def ask(engine: Engine, some: list[Prompt]) -> Choices:
            return engine.choose(some, options)

        if self._first("choose", prompts, ask):
            return self._itself(lambda: ask(self._engine, list(prompts)))
        return Choices(
            logprob=np.full((len(prompts), len(options)), -math.log(len(options))),
            leaked=np.zeros(len(prompts)),
            prompt_tokens=np.array(self._read(prompts), int),
            cached_tokens=np.zeros(len(prompts), int),
        )

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the engine's numbers of tokens."""
        return self._engine.count(texts)

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return the engine's description."""
        return self._engine.describe()

    def close(self) -> None:
        """Do nothing: whoever started the engine closes it."""

    def model_seconds(self) -> float:
        """Return how long the engine would take for all that was asked, without compiling.

        It is asked the batches that were kept once, so that all is compiled, and once more.

        Raises:
            EngineError: the engine cannot answer.
        """
        total = 0.0
        for heard in self._heard.values():
            if not heard.kept:
                continue
            for ask in heard.kept:
                ask(self._engine)
            began = self._clock()
            for ask in heard.kept:
                ask(self._engine)
            total += (self._clock() - began) * heard.prompts / sum(heard.sizes)
        return total

    def _first(self, verb: str, prompts: Sequence[Prompt], ask: Any) -> bool:
        """Count a batch, and return whether it is among the first."""
        heard = self._heard[verb]
        heard.hear(prompts, ask)
        return heard.prompts <= FIRST

    def _itself(self, ask: Callable[[], Any]) -> Any:
        began = self._clock()
        try:
            return ask()
        finally:
            self.inside += self._clock() - began

    def _read(self, prompts: Sequence[Prompt]) -> list[int]:
        """Return the tokens of each prompt."""
        texts = list(Counter(text for prompt in prompts for text in prompt))
        tokens = dict(zip(texts, self._engine.count(texts), strict=True))
        return [tokens[prompt.shared] + tokens[prompt.personal] for prompt in prompts]


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
