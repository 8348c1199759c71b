"""The command line run in this process, with engines that stand in for models."""

import contextlib
import io
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest import mock

import jax
import pytest

from baselines import optimum as optima
from experiments import cli
from experiments.compare import contest as compare
from experiments.core import engines
from experiments.optimum import run as optimum
from experiments.scoreboard import run as scoreboard
from llm_policy.surrogate import refit
from tests.helpers.improviser import Improviser


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


PRECISION = jax.config.read("jax_enable_x64")
"""That of the process, which commands change; read here, where no test has its own."""


@pytest.fixture(scope="session")
def improviser() -> type[Improviser]:
    return Improviser


@pytest.fixture(scope="session")
def econjax() -> Callable[..., Ran]:
    """Return a function that runs `econjax` with arguments, as the shell would, in this process."""

    def run(*arguments: object) -> Ran:
        out, err, code = io.StringIO(), io.StringIO(), 0
        shell = mock.patch.object(sys, "argv", ["econjax", *map(str, arguments)])
        try:
            with shell, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                cli.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            jax.config.update("jax_enable_x64", PRECISION)
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
    """Return a context where planners fit surrogates briefly, for what no fit has a part in."""

    def brief() -> contextlib.AbstractContextManager:
        return mock.patch.multiple(refit, _FIRST_STEPS=2, _REFIT_STEPS=2)

    return brief


@pytest.fixture
def brief_search(monkeypatch) -> None:
    """Let commands in this process search briefly, where the best need not be good."""
    whole = optima.simplex
    monkeypatch.setattr(
        optima, "simplex", lambda *where, most, bounds: whole(*where, most=20, bounds=bounds)
    )
    for command in (compare, optimum, scoreboard):
        monkeypatch.setattr(command, "best_found", partial(optima.best_found, steps=4))


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def play(monkeypatch) -> Callable:
    """Return what puts an engine where the command line starts vLLM; None: no engine may start."""

    def put(engine):
        def start(_):
            assert engine is not None, "no engine may start here"
            return engine

        monkeypatch.setattr(engines, "start_engine", start)
        return engine

    return put
