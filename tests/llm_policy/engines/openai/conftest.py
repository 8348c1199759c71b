"""An engine on a server that does as it is told."""

import contextlib

import pytest

from llm_policy.engines.openai import OpenAIEngine
from tests.helpers.fake_server import fake_server


@contextlib.contextmanager
def asked(chat, *, models=None, model="small", **options):
    given = {} if models is None else {"models": models}
    with (
        fake_server(chat, **given) as url,
        contextlib.closing(OpenAIEngine(url, model, **options)) as engine,
    ):
        yield engine


@pytest.fixture
def engine_on():
    """Return a context manager that yields an engine whose server answers by a function."""
    return asked
