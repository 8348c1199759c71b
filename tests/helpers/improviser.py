"""An engine that stands in for models: it answers any schema at random."""

import json
import random
from dataclasses import replace

from llm_policy.engines.base import Prompt, Schema
from llm_policy.engines.scripted import ScriptedEngine

WORK = {"type": "integer", "minimum": 20, "maximum": 60}


class Improviser(ScriptedEngine):
    """Answers any schema at random, never alike twice, mumbles sometimes; keeps what it said."""

    def __init__(self, seed: int = 0, *, noise: bool = False, mumbles: float = 0.02) -> None:
        self.said: list[tuple[Prompt, str]] = []
        self.chosen = 0
        self._mumbles = mumbles
        self._draw = random.Random(seed)
        self._schema: Schema = {}
        self._noise = noise
        super().__init__(
            self._improvise, likelihood=lambda prompt, option: self._draw.uniform(0.1, 1)
        )

    def complete(self, prompts, schema, **options):
        self._schema = schema
        return super().complete(prompts, schema, **options)

    def choose(self, prompts, options):
        self.chosen += len(prompts)
        return super().choose(prompts, options)

    def _improvise(self, prompt: Prompt) -> str:
        mumbles = self._draw.random() < self._mumbles
        text = "well, it depends" if mumbles else json.dumps(self._value(self._schema))
        self.said.append((prompt, text))
        return text

    def _value(self, schema: Schema):
        """Return something that the schema allows; hours are those of people who work."""
        draw = self._draw
        if "enum" in schema:
            return draw.choice(schema["enum"])
        if "anyOf" in schema:
            return self._value(draw.choice(schema["anyOf"]))
        kind = schema["type"]
        if kind == "object":
            fields = schema["properties"]
            return {
                name: self._value(WORK if name == "hours" else field)
                for name, field in fields.items()
            }
        if kind == "array":
            item, fewest, most = schema["items"], schema["minItems"], schema["maxItems"]
            if item["type"] == "integer" and "enum" not in item:  # a ballot, whole or empty
                return draw.sample(
                    range(item["minimum"], item["maximum"] + 1), draw.choice([fewest, most])
                )
            return [self._value(item) for _ in range(draw.randint(fewest, most))]
        if kind == "integer":
            return draw.randint(schema["minimum"], schema["maximum"])
        if kind == "number":
            return round(draw.uniform(schema["minimum"], schema["maximum"]), 1)
        return {"boolean": draw.random() < 0.5, "null": None, "string": "You do as you like."}[kind]

    def describe(self):
        return replace(super().describe(), model="improviser", noise=self._noise)
