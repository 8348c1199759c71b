"""Where a server is, what may be shown of that, and which key goes there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.models import PROVIDERS
from llm_policy.engines.openai.addresses import key_of, key_variable_of, parse_address
from tests.helpers.fake_server import reply

KEY = "sk-proj-Zq81nVbR5xw0aLmT"

ADDRESSES = {
    "http://h:8000/v1": ("http://h:8000/v1", None, ()),
    "http://h/v1/": ("http://h/v1", None, ()),
    " https://h/v1\n": ("https://h/v1", None, ()),
    "HTTP://H/v1": ("http://h/v1", None, ()),
    "https://user:pass@h/v1": ("https://h/v1", ("user", "pass"), ()),
    "https://us%40er:p%3Ass@h/v1": ("https://h/v1", ("us@er", "p:ss"), ()),
    "https://token@h/v1": ("https://h/v1", ("token", ""), ()),
    "https://h/v1?api-version=3&key=abc": (
        "https://h/v1",
        None,
        (("api-version", "3"), ("key", "abc")),
    ),
    "https://h/v1?": ("https://h/v1", None, ()),
    "https://h/v1#there": ("https://h/v1", None, ()),
    "http://[::1]:8000/v1": ("http://[::1]:8000/v1", None, ()),
    "http://127.0.0.1/v1": ("http://127.0.0.1/v1", None, ()),
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_shown_without_what_may_be_secret(text):
    url, login, query = ADDRESSES[text]
    found = parse_address(text)
    assert (found.url, found.login, found.query) == (url, login, query)


NO_ADDRESSES = {
    "": "write http://HOST:PORT/v1",
    "localhost:8000": "is no address",
    "openai": "is no address",
    "h/v1": "is no address",
    "ftp://h/v1": "is no address",
    "file:///etc/passwd": "is no address",
    "http://": "names no host",
    "http:///v1": "names no host",
    "http://a b/v1": "names no host",
    "http://h:0/v1": "port of 1 to 65535",
    "http://h:99999/v1": "port of 1 to 65535",
    "http://h:port/v1": "is no address",
    "http://user:secret/v1": "is no address",
    "http://[::1/v1": "is no address",
    "http://h/\x00v1": "is no address",
    "http://h\r\nHost: evil/v1": "is no address",
    "http://a..b/v1": "names no host",
    "http://" + "a" * 64 + ".com/v1": "names no host",
    "http://user:secret@/v1": "names no host",
    "http://user:secret@h:port/v1?key=secret": "is no address",
    "user:secret@h/v1": "is no address",
    "https://us/er:secret@h:x/v1": "write / in them as %2F",
    "http://" + "h" * 100_000: "is no address|names no host",
}


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_one_clear_line_without_a_password(text):
    with pytest.raises(EngineError, match=NO_ADDRESSES[text]) as error:
        parse_address(text)
    assert str(error.value).isprintable()
    assert "secret" not in str(error.value)
    assert len(str(error.value)) < 500


@given(
    st.text(max_size=40)
    | st.builds("http://{}:{}@{}:{}/{}?{}".format, *[st.text(max_size=6)] * 6)
    | st.from_regex(r"https?://[a-z0-9.:\[\]@/?#%-]{0,30}", fullmatch=True)
)
def test_any_text_is_an_address_or_a_clear_line(text):
    found, said = read(text)
    assert said.isprintable()
    if found is not None:
        assert found.host
        assert not any(mark in found.url for mark in "@?#")
        again = parse_address(found.url)
        assert again == found._replace(login=None, query=())


def read(text):
    try:
        return parse_address(text), ""
    except EngineError as error:
        return None, str(error)


HERE = ["http://localhost/v1", "http://127.8.9.1/v1", "http://[::1]/v1", "http://a.localhost./v1"]
THERE = ["http://h/v1", "http://10.0.0.1/v1", "http://localhost.evil.com/v1", "http://[fe80::1]/v1"]


def test_this_machine_is_told_from_others():
    assert all(parse_address(text).is_here for text in HERE)
    assert not any(parse_address(text).is_here for text in THERE)


def test_a_providers_key_goes_to_that_provider_alone():
    for one in PROVIDERS.values():
        own = parse_address(one.url)
        assert key_variable_of(own, None) == one.key_variable
        assert key_variable_of(own, one.key_variable) == one.key_variable
        assert key_variable_of(own, "MY_KEY") == "MY_KEY"
        for other in PROVIDERS.values():
            if other is not one:
                with pytest.raises(EngineError, match=rf"{other.key_variable} holds the key of"):
                    key_variable_of(own, other.key_variable)
    evil = ["https://api.openai.com.evil.com/v1", "https://evil.com/api.openai.com/v1",
            "https://api.openai.com@evil.com/v1", "http://localhost:8000/v1"]  # fmt: skip
    for text in evil:
        assert key_variable_of(parse_address(text), None) is None
        with pytest.raises(EngineError, match=r"is not sent to .*--key-variable"):
            key_variable_of(parse_address(text), "OPENAI_API_KEY")


KEYS = {
    KEY: KEY,
    f"{KEY}\n": KEY,
    f"  {KEY}\r\n": KEY,
    "": "",
    "\n": "",
    f"{KEY[:8]}\n{KEY[8:]}": None,
    f"{KEY[:8]} {KEY[8:]}": None,
    f"{KEY}\x00": None,
    f"{KEY}\u200b": None,
    f"“{KEY}”": None,
}


@pytest.mark.parametrize("found", [key for key in KEYS if "\0" not in key])
def test_a_key_is_taken_without_what_surrounds_it_and_nothing_else_is_a_key(found, monkeypatch):
    monkeypatch.setenv("MY_KEY", found)
    here = parse_address("http://127.0.0.1/v1")
    if KEYS[found] is not None:
        assert key_of(here, "MY_KEY") == KEYS[found]
        return
    with pytest.raises(
        EngineError, match=r"The key in MY_KEY holds a space, a line break"
    ) as error:
        key_of(here, "MY_KEY")
    assert KEY[:8] not in str(error.value)
    with pytest.raises(EngineError, match="The key that was given holds"):
        key_of(here, None, found)


@pytest.mark.parametrize("text", THERE)
def test_no_key_crosses_a_network_in_the_open(text):
    plain = parse_address(text)
    with pytest.raises(EngineError, match=r"its key over plain http.*https://"):
        key_of(plain, None, KEY)
    with pytest.raises(EngineError, match="its password over plain http"):
        key_of(parse_address(text.replace("://", "://user:pass@")), None)
    assert key_of(plain, None) == ""
    assert key_of(parse_address(text.replace("http:", "https:")), None, KEY) == KEY
    assert key_of(parse_address(HERE[0]), None, KEY) == KEY
    with pytest.raises(EngineError, match="leave one of them out"):
        key_of(parse_address("https://user:pass@h/v1"), None, KEY)


def test_what_is_sent_is_the_key_of_the_server_or_none(engine_on, monkeypatch):
    """Nor does anything else of the environment go along that other clients send."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Key: {KEY}")
    monkeypatch.setenv("MY_KEY", f"{KEY[::-1]}\n")
    seen = []

    def chat(body, headers):
        seen.append(headers)
        return 200, reply("40")

    for options in ({}, {"key_variable": "MY_KEY"}):
        with engine_on(chat, **options) as engine:
            engine.complete([Prompt("", "")], {})
    assert seen[0]["Authorization"] is None
    assert seen[1]["Authorization"] == f"Bearer {KEY[::-1]}"
    assert not [value for headers in seen for value in headers.values() if KEY in value]


def test_a_login_and_a_query_are_sent_and_never_shown(engine_on, monkeypatch):
    from llm_policy.engines.openai import OpenAIEngine
    from tests.helpers.fake_server import fake_server

    seen = []

    def chat(body, headers):
        seen.append(headers["Authorization"])
        return 400, {"error": {"message": "user Aladdin, password open sesame!, key 12345678"}}

    with fake_server(chat) as url:
        whole = url.replace("://", "://Aladdin:open%20sesame!@") + "?key=12345678"
        engine = OpenAIEngine(whole, "small", max_retries=0)
        with pytest.raises(EngineError) as error:
            engine.complete([Prompt("", "")], {})
        shown = f"{error.value} {engine.describe()} {engine.url}"
        engine.close()
    assert seen == ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE="]
    assert "answered 400" in shown
    assert not [part for part in ("Aladdin", "sesame", "12345678") if part in shown]
