"""Commands on servers that refuse, fail, die, and repeat secrets."""

import json
import os
import re

import pytest

from experiments.compare.config import CompareConfig
from experiments.core.config import ModelConfig
from experiments.core.costs import bills
from experiments.simulate.config import SimulateConfig
from llm_policy.engines.models import PAID, PROVIDERS
from tests.helpers.fake_server import REFUSALS, Strict, fake_server, reply

KEY = "sk-proj-Zq81nVbR5xw0aLmT"
SIMULATE = ("simulate", "--agents", 6, "--tax-years", 2, "--tax-year", 2, "--warmup", 1)
COMPARE = ("compare", "--workers", "llm", "--agents", 6, "--evaluations", 1, "--tax-year", 1)
COMPARE += ("--repetitions", 2, "--welfare", "rawlsian", "--planners", "llm", "federal")


def follows_prompts(body, headers):
    """Answer as the prompt says, whatever of the request was left out."""
    asked = "\n".join(message["content"] for message in body["messages"])
    if found := re.search(r'"rates_percent": \[\.\.\]}, with (\d+)', asked):
        text = json.dumps({"rates_percent": [30] * int(found[1])})
    elif found := re.search(r'"changes": \[\.\.\]}, with (\d+)', asked):
        text = json.dumps({"changes": [10] * int(found[1])})
    elif '"satisfied"' in asked:
        text = '{"satisfied": "yes"}'
    else:
        text = '{"hours": 38}'
    return 200, reply(text, body.get("n", 1))


FORBIDDEN = [kind for kind in REFUSALS if kind != "top_logprobs"]


@pytest.mark.parametrize("command", [SIMULATE, COMPARE], ids=["simulate", "compare"])
@pytest.mark.parametrize("mode", ["text", "auto"])
def test_a_server_that_forbids_everything_at_once_ends_with_a_table(
    command, mode, econjax, runs, brief_search
):
    server = Strict(*FORBIDDEN, answer=follows_prompts)
    with fake_server(server) as url:
        ran = econjax(
            *command, "--mode", mode, "--server", url, "--model", "small", "--runs", runs,
            "--name", "run",
        )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "rawlsian" in ran.out.lower() or "tax year" in ran.out
    assert re.search(r"\d+\.\d", ran.out)
    assert all(times <= 1 for times in server.refused.values())
    assert ran.err.count("refuses part of what was asked") <= len(FORBIDDEN)
    engine = json.loads((runs / "run" / "manifest.json").read_text())["engine"]
    known = {"n", "top_p", "max_tokens", "schema keywords", "schema", "temperature"}
    assert known <= set(engine["refused"].split(", "))
    assert engine["temperature"] == 1.0
    assert "was asked without: top_p" in ran.out


@pytest.mark.parametrize("command", [SIMULATE, COMPARE], ids=["simulate", "compare"])
def test_why_answers_were_not_understood_is_said(command, econjax, runs):
    asked = []

    def mumbles(body, headers):
        asked.append(1)
        odd = len(asked) % 3 == 0
        return (200, reply("about forty")) if odd else follows_prompts(body, headers)

    with fake_server(mumbles) as url:
        ran = econjax(
            *command, "--mode", "text", "--server", url, "--model", "small", "--runs", runs
        )
    assert ran.code == 0, ran.err
    assert re.search(r"ot understood: \d+ x there is no JSON object", " ".join(ran.out.split()))


def test_what_a_server_refuses_in_the_middle_of_a_run_is_in_its_manifest(econjax, runs):
    strict, asked = Strict("max_tokens", answer=follows_prompts), []

    def later(body, headers):
        asked.append(1)
        return (follows_prompts if len(asked) < 6 else strict)(body, headers)

    with fake_server(later) as url:
        ran = econjax(
            *SIMULATE, "--mode", "text", "--server", url, "--model", "small", "--runs", runs,
            "--name", "run",
        )  # fmt: skip
    assert ran.code == 0, ran.err
    engine = json.loads((runs / "run" / "manifest.json").read_text())["engine"]
    assert engine["refused"] == "max_tokens"


def test_a_server_without_scores_is_noticed_before_any_work(econjax, runs, assert_told):
    server = Strict("scores", answer=follows_prompts)
    with fake_server(server) as url:
        ran = econjax(
            *SIMULATE, "--mode", "choice", "--server", url, "--model", "small", "--runs", runs
        )
    assert_told(ran, "gives no scores", "--mode text")
    assert not runs.exists()
    assert len(server.seen) <= 3


def test_when_one_of_several_servers_dies_the_others_go_on_and_the_end_says_so(econjax, runs):
    asked = []

    def dies(body, headers):
        asked.append(1)
        return follows_prompts(body, headers) if len(asked) < 4 else (401, {"error": "gone away"})

    with fake_server(dies) as bad, fake_server(follows_prompts) as good:
        ran = econjax(
            *SIMULATE, "--mode", "text", "--server", f"{bad},{good}", "--model", "small",
            "--runs", runs, "--name", "run",
        )  # fmt: skip
    assert ran.code == 0, ran.err
    engine = json.loads((runs / "run" / "manifest.json").read_text())["engine"]
    assert f"{bad} answered 401" in engine["lost"]
    assert f"some were lost, and the others went on: {bad} answered 401" in " ".join(
        ran.out.split()
    )


ECHO = f"wrong: {KEY}, {KEY[:9]}***{KEY[-4:]}"


@pytest.mark.parametrize("echo", ["never", "in answers", "in errors"])
@pytest.mark.parametrize("where", ["variable", "login", "query"])
def test_no_secret_is_in_any_file_or_output(where, echo, econjax, runs, monkeypatch):
    def chat(body, headers):
        status, content = follows_prompts(body, headers)
        texts = len(chats)
        chats.append(headers)
        if echo == "in errors" and texts > 5:
            return 403, {"error": {"message": ECHO}}
        if echo == "in answers" and texts % 2:
            said = content["choices"][0]["message"]["content"]
            return 200, reply(f'{said[:-1]}, "key": "{KEY}"}}', body.get("n", 1))
        return status, content

    chats = []
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    with fake_server(chat) as url:
        server = {
            "variable": url,
            "login": url.replace("://", f"://user:{KEY}@"),
            "query": f"{url}?key={KEY}",
        }[where]
        more = ("--key-variable", "MY_KEY") if where == "variable" else ()
        ran = econjax(
            *SIMULATE, "--mode", "text", "--server", server, "--model", "small", "--runs", runs,
            "--name", "run", *more,
        )  # fmt: skip
    assert (ran.code == 0) == (echo != "in errors"), ran.err
    if where == "variable":
        assert {headers["Authorization"] for headers in chats} == {f"Bearer {KEY}"}
    pieces = [KEY[at : at + 6] for at in range(len(KEY) - 5)]
    shown = {"out": ran.out.encode(), "err": ran.err.encode()}
    shown |= {path.name: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    assert len(shown) > 3
    assert not [name for name, data in shown.items() for piece in pieces if piece.encode() in data]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--model", "gpt-4o"), ("gpt-4o is a model of openai", "--server openai")),
        (("--server", "http://h:port/v1"), ("is no address of a server",)),
        (("--server", "http://user:secret@h:x/v1"), ("'http://h:…/v1' is no address",)),
        (("--server", "opnai"), ("nor a provider: openai",)),
        (("--server", "http://h/v1", "--key-variable", "HELD"), ("over plain http",)),
        (("--server", "https://h/v1", "--key-variable", "OPENAI_API_KEY"), ("api.openai.com",)),
        (("--server", "https://h/v1", "--key-variable", "BROKEN"), ("BROKEN holds a space",)),
        (("--server", "https://h/v1", "--key-variable", KEY), ("its name, not the key",)),
    ],
)
def test_what_cannot_be_a_server_is_told_before_anything_is_sent(
    arguments, parts, econjax, runs, assert_told, monkeypatch
):
    for name, value in (("HELD", KEY), ("OPENAI_API_KEY", KEY), ("BROKEN", f"{KEY}\n{KEY}")):
        monkeypatch.setenv(name, value)
    ran = econjax(*SIMULATE, "--runs", runs, *arguments)
    assert_told(ran, *parts)
    assert "secret" not in ran.err
    assert KEY[:8] not in ran.err
    assert not runs.exists()


def test_a_provider_that_takes_money_is_named_with_an_estimate_before_it_is_asked(
    econjax, runs, monkeypatch
):
    with fake_server(follows_prompts) as url:
        monkeypatch.setitem(PROVIDERS, "openai", PROVIDERS["openai"]._replace(url=url))
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        for server in ("openai", url):
            ran = econjax(
                *SIMULATE, "--mode", "text", "--server", server, "--model", "small",
                "--runs", runs, "--name", f"run-{len(server)}", "--prices", 1, 10,
            )  # fmt: skip
            assert ran.code == 0, ran.err
            first = ran.err.splitlines()[0]
            assert first.startswith("openai takes money for its answers. small will be asked about")
            assert re.search(r"[\d,]+ tokens read, [\d,]+ written, \$0\.\d\d", first)


CONFIGS = [
    CompareConfig(server="openai"),
    SimulateConfig(server="openai", prices=(1.0, 2.0)),
    ModelConfig(server="https://api.openai.com/v1"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_estimate_is_one_line(config):
    [line] = bills(config.order())
    assert line.startswith("openai takes money")
    assert "\n" not in line


def test_servers_of_ones_own_cost_nothing():
    for server in (None, "ollama", "http://h/v1", "http://[::1/v1", ""):
        assert bills(ModelConfig(server=server).order()) == []
    assert set(PROVIDERS) >= PAID
    assert len(bills(ModelConfig(server="openai, gemini").order())) == 2


def test_resuming_takes_the_key_again(econjax, runs, monkeypatch):
    fails = []

    def chat(body, headers):
        fails.append(1)
        if headers["Authorization"] != f"Bearer {KEY}" or len(fails) == 8:
            return 401, {"error": {"message": "no"}}
        return follows_prompts(body, headers)

    monkeypatch.setenv("MY_KEY", KEY)
    with fake_server(chat) as url:
        ran = econjax(
            *SIMULATE, "--mode", "text", "--server", url, "--model", "small", "--runs", runs,
            "--name", "run", "--key-variable", "MY_KEY",
        )  # fmt: skip
        assert ran.code == 2
        assert "resume" in ran.err
        assert "--key-variable ..." in ran.err
        assert "MY_KEY" not in (runs / "run" / "manifest.json").read_text()
        ran = econjax("resume", runs / "run", "--server", url, "--key-variable", "MY_KEY")
    assert ran.code == 0, ran.err
    assert os.environ["MY_KEY"] == KEY
