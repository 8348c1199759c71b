"""An error says the server's own words, on one clean line, and then what to do."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.openai import OpenAIEngine
from llm_policy.engines.openai.words import MOST_WORDS, clean, said
from tests.helpers.fake_server import fake_server, reply

PROMPTS = [Prompt("You work.", "Your skill is 1.")]
KEY = "sk-proj-Zq81nVbR5xw0aLmT"


def of(message, **more):
    return {"error": {"message": message, **more}}


CASES = {
    "a quota as 403": (403, of("You exceeded your current quota"), "exceeded", "add credit"),
    "a quota as 429": (429, of("insufficient_quota: check your plan"), "check", "add credit"),
    "a quota as 402": (402, of("Insufficient credits"), "Insufficient", "add credit"),
    "a quota in a 200": (200, of("Billing limit reached", code=402), "Billing", "add credit"),
    "full": (429, of("Slow down"), "Slow down", "lower concurrency, or wait"),
    "full in a 200": (200, of("Slow down", code=429), "Slow down", "lower concurrency, or wait"),
    "no key": (401, of("No key"), "No key", "refuses the API key: set MY_KEY"),
    "a key that may not": (403, of("Invalid API key"), "Invalid", "refuses the API key"),
    "a model that may not": (403, of("Not in your region"), "Not in your", "choose a model"),
    "not found": (404, "nothing here", "nothing here", "does the URL end in /v1?"),
    "no such way": (405, "", "answered 405", "failed"),
    "moved": (301, "", "answered 301", "give the address that it names"),
    "failing": (500, of("CUDA out of memory"), "CUDA out of memory", "ask again later"),
    "failing in a 200": (200, of("upstream broke", code=502), "upstream broke", "ask again later"),
    "failing without a code": (
        200,
        of("upstream broke"),
        "upstream broke",
        "see its log, or ask later",
    ),
    "a wrong question": (
        400,
        of("bad seed value xyz"),
        "bad seed value xyz",
        "use another model or server",
    ),
    "no words": (400, b"", "answered 400", "use another model"),
    "words of FastAPI": (422, {"detail": [{"msg": "field required"}]}, "field required", "422"),
    "words of an old vLLM": (
        400,
        {"object": "error", "message": "odd"},
        "odd",
        "use another model",
    ),
    "a text": (400, {"error": "odd"}, "odd", "answered 400"),
    "a page": (502, "<html><style>b{}</style><h1>Bad\nGateway</h1></html>", "Bad Gateway", "502"),
    "too long": (400, of("prompt is too long: 9000 tokens"), "9000 tokens", "longer context"),
    "no scores": (403, of("logprobs are not allowed"), "logprobs", "use --mode text"),
    "words without an end": (400, of("odd " * 9999), "odd odd", "…"),
    "binary": (500, bytes(range(256)), "answered 500", "ask again later"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_failure_is_told_in_the_servers_words_and_with_what_to_do(case, engine_on):
    status, content, words, remedy = CASES[case]
    with (
        engine_on(lambda *_: (status, content), key_variable="MY_KEY", max_retries=0) as engine,
        pytest.raises(EngineError) as error,
    ):
        engine.complete(PROMPTS, {})
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < MOST_WORDS + 250
    assert message.startswith(engine.url)
    assert words in message
    assert remedy in message
    assert error.value.__cause__ is None


DIRTY = {
    "colours": ("\x1b[31mred\x1b[0m", "red"),
    "a title": ("\x1b]0;title\x07text", "text"),
    "an unfinished escape": ("text\x1b", "text"),
    "lines": ("one\r\ntwo\n\n\tthree", "one two three"),
    "nothing": ("\0\x07\x08\x7f", ""),
    "a turned text": ("\u202egnp.exe", "gnp.exe"),
    "widths": ("a\u200b\u2028b", "a b"),
    "another escape": ("\x9b31mred", "31mred"),
    "long": ("x" * 1000, "x" * (MOST_WORDS - 1) + "…"),
}


@pytest.mark.parametrize("case", DIRTY)
def test_words_are_cleaned(case):
    text, shown = DIRTY[case]
    assert clean(text) == shown


ECHOES = [
    f"wrong key {KEY}",
    f"Incorrect API key provided: {KEY[:8]}{'*' * 12}{KEY[-4:]}. See https://example.com.",
    f"key ...{KEY[-4:]} is disabled",
    f"the key ending in {KEY[-6:]}",
    f"begins with {KEY[:12]}…",
    f"Bearer {KEY}",
    f"api-key={KEY}&x=1",
    f"{KEY}{KEY}",
    "another one: sk-ant-REDACTED-abcdefgh",
    "Bearer abcdefgh12345678",
]


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_key_that_the_server_repeats_in_part_is_not_shown(echo, status, engine_on, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    content = {"error": {"message": echo, "code": 500}}
    with (
        engine_on(lambda *_: (status, content), key_variable="MY_KEY", max_retries=0) as engine,
        pytest.raises(EngineError) as error,
    ):
        engine.complete(PROMPTS, {})
    pieces = {KEY[at : at + 6] for at in range(len(KEY) - 5)} | {KEY[-4:], "REDACTED", "abcdefgh"}
    assert not [piece for piece in pieces if piece in str(error.value)]
    assert "***" in str(error.value)


@given(
    secret=st.text("abcdefghijkXYZ0123456789-_", min_size=8, max_size=40),
    before=st.text(max_size=30),
    after=st.text(max_size=30),
    cut=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_no_piece_of_a_secret_is_shown(secret, before, after, cut):
    piece = secret[min(cut) : max(cut)]
    shown = clean(f"{before}{piece}{after}", [secret])
    assert not [at for at in range(len(secret) - 5) if secret[at : at + 6] in shown]
    assert shown.isprintable()
    assert len(shown) <= MOST_WORDS


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: json.dumps(text).encode()))
def test_whatever_a_body_holds_it_says_a_text(body):
    assert isinstance(said(body), str)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["error", "message", "detail", "metadata", "raw", "param"]),
                      inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_whatever_a_failure_looks_like_it_says_a_text(found):
    assert isinstance(said(json.dumps(found).encode()), str)


def test_a_secret_that_an_answer_repeats_is_not_kept(engine_on, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with engine_on(lambda *_: (200, reply(f"your key is {KEY}")), key_variable="MY_KEY") as engine:
        assert engine.complete(PROMPTS, {})[0].texts == ("your key is ***",)


def test_names_of_models_are_cleaned_where_they_are_listed():
    models = {"data": [{"id": f"a\x1b[31m\n{number}"} for number in range(3)]}
    with fake_server(None, models) as url, pytest.raises(EngineError) as error:
        OpenAIEngine(url, "b")
    assert str(error.value).isprintable()
    assert "Name one it has: a 0, a 1, a 2." in str(error.value)


PROXIES = {
    "socks": ("ALL_PROXY", "socks5://user:pass@127.0.0.1:9", "pip install 'httpx2[socks]'"),
    "socks for https": ("HTTPS_PROXY", "socks5h://user:pass@127.0.0.1:9", "NO_PROXY=example.com"),
    "another": ("ALL_PROXY", "ftp://user:pass@127.0.0.1:9", "correct HTTP_PROXY"),
    "no address": ("ALL_PROXY", "http://[::1", "correct HTTP_PROXY"),
    "dead": ("HTTPS_PROXY", "http://user:pass@127.0.0.1:9", "example.com/v1"),
}


@pytest.mark.parametrize("case", PROXIES)
def test_a_proxy_of_the_environment_is_named_as_the_cause(case, monkeypatch):
    variable, value, remedy = PROXIES[case]
    monkeypatch.setenv(variable, value)
    with pytest.raises(EngineError) as error:
        OpenAIEngine("https://example.com/v1", "small", timeout=5.0)
    assert remedy in str(error.value)
    assert not re.search("user|pass", str(error.value))
    with fake_server(None) as url:  # this machine is reached without
        OpenAIEngine(url, "small").close()
