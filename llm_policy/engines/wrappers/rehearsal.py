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
    """Batches of one verb that were answered at random, drawn evenly, and numbers of prompts.

    `itself` are those that the engine answered, `guessed` the others.
    """

    draw: random.Random
    itself: int = 0
    guessed: int = 0
    batches: int = 0
    kept: list[Callable[[Engine], Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def hear(self, prompts: Sequence[Prompt], ask: Callable[[Engine, list[Prompt]], Any]) -> None:
        """Count a batch, and keep its beginning with a chance that is the same for all."""
        some = list(prompts[:_PROMPTS])
        self.guessed, self.batches = self.guessed + len(prompts), self.batches + 1
        place = len(self.kept) if self.batches <= _BATCHES else self.draw.randrange(self.batches)
        if some and place < _BATCHES:
            self.kept[place:] = [lambda engine: ask(engine, some), *self.kept[place + 1 :]]
            self.sizes[place:] = [len(some), *self.sizes[place + 1 :]]


class Rehearsal:
    """The same protocol as `engine`, which answers the first `FIRST` prompts of each verb itself.

    To all others come answers at random: any text that the schema allows, any option as likely as
    another. They cost what the engine counts; a chat template adds a few tokens to each prompt.
    """

    def __init__(self, engine: Engine, *, seed: int = 0) -> None:
        self._engine, self._draw = engine, random.Random(seed)
        self._heard = {verb: _Heard(random.Random(seed)) for verb in ("complete", "choose")}

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
            return ask(self._engine, list(prompts))
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
            return ask(self._engine, list(prompts))
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

    def missing_seconds(self) -> float:
        """Return how long the engine would have taken for what was answered at random.

        It is asked half of the batches that were kept, so that what they need is compiled, and then
        the others, from which its speed is taken: no prompt is asked twice, which would be quicker.

        Raises:
            EngineError: the engine cannot answer.
        """
        total = 0.0
        for heard in self._heard.values():
            for ask in heard.kept[1::2]:
                ask(self._engine)
            began = time.perf_counter()
            for ask in heard.kept[::2]:
                ask(self._engine)
            took = time.perf_counter() - began
            total += took * heard.guessed / max(sum(heard.sizes[::2]), 1)
        return total

    def _first(self, verb: str, prompts: Sequence[Prompt], ask: Any) -> bool:
        """Return whether a batch is among the first, and keep it for later if it is not."""
        heard = self._heard[verb]
        if heard.itself + len(prompts) <= FIRST:
            heard.itself += len(prompts)
            return True
        heard.hear(prompts, ask)
        return False

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
