"""Engines that stand in for models, and the command line run in this process."""

import random
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import pytest

from experiments import cli
from llm_policy.engine import Prompt
from llm_policy.engines.scripted import ScriptedEngine


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Improviser(ScriptedEngine):
    """Plays workers and planners at random, mumbles sometimes, and never answers alike twice."""

    def __init__(self, seed: int = 0, *, noise: bool = False) -> None:
        draw = random.Random(seed)

        def answer(prompt: Prompt) -> str:
            if draw.random() < 0.02:
                return "well, it depends"
            if "hours a week" in prompt.personal:
                return f'{{"hours": {draw.randint(20, 60)}}}'
            return f'{{"changes": {[draw.choice((-20, -10, 0, 10, 20)) for _ in range(7)]}}}'

        super().__init__(answer)
        self._noise = noise

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
