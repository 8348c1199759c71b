"""Engines that stand in for models, and the command line run in this process."""

import json
import random
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import pytest

from experiments import cli
from llm_policy.engine import Prompt, Schema
from llm_policy.engines.scripted import ScriptedEngine


WORK = {"type": "integer", "minimum": 20, "maximum": 60}


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Improviser(ScriptedEngine):
    """Answers any schema at random, mumbles sometimes, and never answers alike twice."""

    def __init__(self, seed: int = 0, *, noise: bool = False) -> None:
        self._draw = random.Random(seed)
        self._schema: Schema = {}
        self._noise = noise
        super().__init__(self._improvise, likelihood=lambda prompt, option: self._draw.uniform(0.1, 1))

    def complete(self, prompts, schema, **options):
        self._schema = schema
        return super().complete(prompts, schema, **options)

    def _improvise(self, prompt: Prompt) -> str:
        return "well, it depends" if self._draw.random() < 0.02 else json.dumps(self._value(self._schema))

    def _value(self, schema: Schema):
        """Return something that the schema allows; hours are those of people who work."""
        draw = self._draw
        if "enum" in schema:
            return draw.choice(schema["enum"])
        kind = schema["type"]
        if kind == "object":
            fields = schema["properties"]
            return {name: self._value(WORK if name == "hours" else field) for name, field in fields.items()}
        if kind == "array":
            count = draw.randint(schema["minItems"], schema["maxItems"])
            return [self._value(schema["items"]) for _ in range(count)]
        if kind == "integer":
            return draw.randint(schema["minimum"], schema["maximum"])
        if kind == "number":
            return round(draw.uniform(schema["minimum"], schema["maximum"]), 1)
        return draw.random() < 0.5 if kind == "boolean" else "because"

    def describe(self):
        return super().describe() | {"model": "improviser", "noise": self._noise}


@pytest.fixture(scope="session")
def improviser() -> type[Improviser]:
    return Improviser


@pytest.fixture
def econjax(monkeypatch, capsys) -> Callable[..., Ran]:
    """Return a function that runs `econjax` with arguments, as the shell would, in this process."""

    def run(*arguments: object) -> Ran:
        precision = jax.config.read("jax_enable_x64")
        monkeypatch.setattr(sys, "argv", ["econjax", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            jax.config.update("jax_enable_x64", precision)
        return Ran(code, *capsys.readouterr())

    return run
