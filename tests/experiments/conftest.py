"""Engines that stand in for models, and the command line run in this process."""

import contextlib
import io
import json
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest import mock

import jax
import pytest

from experiments import cli, compare, jobs, surrogate_planner
from llm_policy.engine import Prompt, Schema
from llm_policy.engines.scripted import ScriptedEngine

WORK = {"type": "integer", "minimum": 20, "maximum": 60}


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Improviser(ScriptedEngine):
    """Answers any schema at random, mumbles sometimes, and never answers alike twice; keeps what it said."""

    def __init__(self, seed: int = 0, *, noise: bool = False, mumbles: float = 0.02) -> None:
        self.said: list[tuple[Prompt, str]] = []
        self.chosen = 0
        self._mumbles = mumbles
        self._draw = random.Random(seed)
        self._schema: Schema = {}
        self._noise = noise
        super().__init__(self._improvise, likelihood=lambda prompt, option: self._draw.uniform(0.1, 1))

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
            return {name: self._value(WORK if name == "hours" else field) for name, field in fields.items()}
        if kind == "array":
            item, fewest, most = schema["items"], schema["minItems"], schema["maxItems"]
            if item["type"] == "integer" and "enum" not in item:  # a ballot, whole or empty
                return draw.sample(range(item["minimum"], item["maximum"] + 1), draw.choice([fewest, most]))
            return [self._value(item) for _ in range(draw.randint(fewest, most))]
        if kind == "integer":
            return draw.randint(schema["minimum"], schema["maximum"])
        if kind == "number":
            return round(draw.uniform(schema["minimum"], schema["maximum"]), 1)
        return {"boolean": draw.random() < 0.5, "null": None, "string": "You do as you like."}[kind]

    def describe(self):
        return super().describe() | {"model": "improviser", "noise": self._noise}


@pytest.fixture(scope="session")
def improviser() -> type[Improviser]:
    return Improviser


@pytest.fixture(scope="session")
def econjax() -> Callable[..., Ran]:
    """Return a function that runs `econjax` with arguments, as the shell would, in this process."""

    def run(*arguments: object) -> Ran:
        precision = jax.config.read("jax_enable_x64")
        out, err, code = io.StringIO(), io.StringIO(), 0
        shell = mock.patch.object(sys, "argv", ["econjax", *map(str, arguments)])
        try:
            with shell, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            jax.config.update("jax_enable_x64", precision)
        return Ran(code, out.getvalue(), err.getvalue())

    return run


def told(ran: Ran, *parts: object) -> None:
    """Check for exit code 2 and one line on standard error that says all `parts`."""
    assert ran.code == 2, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith("econjax: ")
    for part in parts:
        assert str(part) in ran.err


@pytest.fixture(scope="session")
def assert_told() -> Callable[..., None]:
    return told


@pytest.fixture(scope="session")
def brief_fits() -> Callable[[], contextlib.AbstractContextManager]:
    """Return a context in which planners fit their surrogates briefly, for what no fit has a part in."""

    def brief() -> contextlib.AbstractContextManager:
        return mock.patch.multiple(surrogate_planner, _FIRST_STEPS=20, _REFIT_STEPS=20)

    return brief


@pytest.fixture
def brief_search(monkeypatch) -> None:
    """Let comparisons in this process search briefly, where nothing depends on how good the best is."""
    monkeypatch.setattr(compare, "best_found", partial(compare.best_found, steps=4, most=20))


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def play(monkeypatch) -> Callable:
    """Return a function that puts an engine where the command line starts vLLM; None: no engine may start."""

    def put(engine):
        def start(**_):
            assert engine is not None, "no engine may start here"
            return engine

        monkeypatch.setattr(jobs, "start_engine", start)
        return engine

    return put
