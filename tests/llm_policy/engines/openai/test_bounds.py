"""A reply has a largest size and a latest time, whatever the server does."""

import gzip
import threading
import time

import pytest

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.openai import OpenAIEngine, client
from tests.helpers.fake_server import fake_server, reply

PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(4)]
MOST = 2**16


def head(handler, *lines):
    handler.send_response(200)
    for name, value in lines:
        handler.send_header(name, value)
    handler.end_headers()


def endless(handler):
    head(handler)
    while True:
        handler.wfile.write(b" " * 2**14)


def announced(handler):
    head(handler, ("Content-Length", str(200 * 2**20)))
    while True:
        handler.wfile.write(b" " * 2**14)


def chunked(handler):
    handler.protocol_version = "HTTP/1.1"
    head(handler, ("Transfer-Encoding", "chunked"))
    while True:
        handler.wfile.write(b"4000\r\n" + b" " * 2**14 + b"\r\n")


def blown_up(handler):
    body = gzip.compress(b" " * (64 * MOST))
    head(handler, ("Content-Encoding", "gzip"), ("Content-Length", str(len(body))))
    handler.wfile.write(body)


def endless_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"x" * 2**12 + b"\r\n")


TOO_LARGE = {"endless": endless, "announced": announced, "chunked": chunked, "blown up": blown_up}


@pytest.mark.parametrize("case", TOO_LARGE)
@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_without_end_is_not_read(case, status, engine_on, monkeypatch):
    monkeypatch.setattr(client, "MOST_REPLY_BYTES", MOST)
    asked = []

    def chat(body, headers):
        asked.append(1)
        return status, TOO_LARGE[case]

    with engine_on(chat, timeout=20.0) as engine:
        started = time.monotonic()
        with pytest.raises(EngineError, match=r"sent more than 65,536 bytes.*does the URL end"):
            engine.complete(PROMPTS[:1], {})
        assert time.monotonic() - started < 15
    assert len(asked) == 1, "it is not asked again"


def test_headers_without_end_are_not_read(engine_on):
    options = {"max_retries": 0, "timeout": 20.0}
    with (
        engine_on(lambda *_: (200, endless_headers), **options) as engine,
        pytest.raises(EngineError, match="does not answer"),
    ):
        engine.complete(PROMPTS[:1], {})


def drip(handler, text):
    for byte in text:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.05)


def slow_body(handler):
    head(handler, ("Content-Length", "100000"))
    drip(handler, b" " * 100)


def slow_headers(handler):
    drip(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-More: " + b"x" * 60)


def slow_line(handler):
    drip(handler, b"HTTP/1.1 200 OK" + b"K" * 80)


def silent(handler):
    time.sleep(2.0)


SLOW = {"body": slow_body, "headers": slow_headers, "first line": slow_line, "silent": silent}


@pytest.mark.parametrize("case", SLOW)
def test_a_byte_now_and_then_does_not_outlive_the_timeout(case, engine_on):
    with engine_on(lambda *_: (200, SLOW[case]), max_retries=0, timeout=0.5) as engine:
        started = time.monotonic()
        with pytest.raises(EngineError, match="did not answer in time"):
            engine.complete(PROMPTS[:1], {})
        assert time.monotonic() - started < 1.9, "the server takes longer"


@pytest.mark.parametrize("what", ["models", "list"])
def test_the_list_of_models_is_bounded_too(what, monkeypatch):
    monkeypatch.setattr(client, "MOST_REPLY_BYTES", MOST)
    models = (200, endless) if what == "models" else {"data": [{"id": "x" * 400}] * 1000}
    with fake_server(None, models) as url, pytest.raises(EngineError, match="more than 65,536"):
        OpenAIEngine(url, "small")


def test_an_interrupt_waits_for_nobody(engine_on):
    """What had come by then has been told, as it came."""
    told, stop = [], threading.Event()

    def chat(body, headers):
        if body["messages"][1]["content"] in (PROMPTS[2].personal, PROMPTS[3].personal):
            stop.wait(5)
        return 200, reply("40")

    def hear(places, answers):
        told.extend(places)
        if len(told) == 2:
            raise KeyboardInterrupt

    try:
        with engine_on(chat) as engine:
            engine.hear = hear
            started = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                engine.complete(PROMPTS, {})
            assert time.monotonic() - started < 2
            assert sorted(told) == [0, 1]
            stop.set()
    finally:
        stop.set()
