"""What a smaller request avoids is not refused twice, is told once, and is in the description."""

import itertools
import json
import logging

import pytest

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.openai.refusals import Manners
from llm_policy.engines.wrappers.parallel import Parallel
from tests.helpers.fake_server import REFUSALS, Strict, reply, scores

PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(8)]
SCHEMA = {
    "type": "object",
    "properties": {
        "minimum": {"type": "integer", "minimum": 0, "maximum": 5},
        "list": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
    "required": ["minimum", "list"],
}


def healthy(body, headers):
    return 200, reply("40", body.get("n", 1), scores(A=0.5, B=0.25))


def write(engine):
    return [answer.texts for answer in engine.complete(PROMPTS, SCHEMA, samples=3, max_tokens=9)]


BY_TEXT = ("n", "top_p", "max_tokens", "temperature", "schema keywords", "schema", "seed")


@pytest.mark.parametrize("kind", [*BY_TEXT, "system message"])
def test_a_refusal_costs_one_request_is_told_once_and_described(kind, engine_on, caplog):
    server = Strict(kind, answer=healthy)
    with engine_on(server, extra={"seed": 3}) as engine:
        assert kind not in engine.describe().refused
        for _ in range(2):
            assert write(engine) == [("40",) * 3] * len(PROMPTS)
        assert server.refused == {kind: 1}
        assert engine.describe().refused == kind
        assert engine.describe().temperature == (1.0 if kind == "temperature" else 0.7)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "refuses part of what was asked" in caplog.text


def test_a_server_that_refuses_everything_at_once_is_asked_for_texts(engine_on):
    kinds = [*BY_TEXT, "system message", "scores"]
    server = Strict(*kinds, answer=healthy)
    with engine_on(server, extra={"seed": 3}) as engine:
        assert write(engine) == [("40",) * 3] * len(PROMPTS)
        assert all(times <= 1 for times in server.refused.values())
        before = len(server.seen)
        write(engine)
        assert len(server.seen) - before == 3 * len(PROMPTS), "no second failing call"
        last = server.seen[-1]
        assert set(last) == {"model", "messages", "max_completion_tokens"}
        [message] = last["messages"]
        assert message["role"] == "user"
        assert message["content"].startswith("You work.\n\nYour skill is")
        for _ in range(2):
            with pytest.raises(EngineError, match="gives no scores: use --mode text"):
                engine.choose(PROMPTS, ["A", "B"])
        assert server.refused["scores"] == 1
        assert engine.describe().refused.endswith(", scores")


def test_fewer_first_tokens_are_asked_for_where_the_server_allows_no_more(engine_on):
    server = Strict("top_logprobs", answer=healthy)
    with engine_on(server) as engine:
        assert engine.choose(PROMPTS, ["A", "B"]).leaked.tolist() == pytest.approx([0.25] * 8)
        assert [body["top_logprobs"] for body in server.seen] == [20, *[5] * 8]
        assert engine.describe().refused == "top_logprobs"


def test_a_schema_keeps_its_types_and_loses_its_limits(engine_on):
    server = Strict("schema keywords", answer=healthy)
    with engine_on(server) as engine:
        write(engine)
    assert server.seen[-1]["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer"},
            "list": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["minimum", "list"],
    }


WORDS = {
    "n > 1 is not supported": "n",
    "n must be 1 when using greedy sampling, got 3.": "n",
    "'n': multiple completions are not supported": "n",
    "Only one completion choice is allowed": "n",
    "Invalid value for parameter n (parameter n)": "n",
    "candidateCount must be 1: only candidate_count 1 is supported": "n",
    "temperature and top_p cannot both be set": "top_p",
    "Only one of temperature and top_p may be specified": "top_p",
    "Unsupported parameter: 'top_p' is not supported with this model.": "top_p",
    "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.": "max_tokens",
    "max_tokens is deprecated": "max_tokens",
    "Unsupported value: 'temperature' does not support 0.7 with this model.": "temperature",
    "temperature must be 1": "temperature",
    "Extra inputs are not permitted (parameter seed)": "seed",
    "Unrecognized request argument supplied: seed": "seed",
    "unknown field top_k": "sampling",
    "For 'integer' type, property 'minimum' is not supported": "schema keywords",
    "Invalid schema for response_format 'answer': 'maxItems' is not permitted.": "schema keywords",
    "Schema keyword minItems is not implemented": "schema keywords",
    'Invalid JSON payload received. Unknown name "maximum"': "schema keywords",
    "response_format json_schema is not supported": "schema",
    "This model does not support structured outputs": "schema",
    "System role not supported": "system message",
    "Developer instruction is not enabled for models/gemma-3-4b-it": "system message",
}


@pytest.mark.parametrize("words", WORDS)
def test_servers_word_a_refusal_in_many_ways(words, engine_on):
    def chat(body, headers):
        sent.append(body)
        return (200, reply("40")) if len(sent) > 1 else (400, {"error": {"message": words}})

    sent = []
    with engine_on(chat, extra={"seed": 3, "top_k": 0}) as engine:
        assert engine.complete(PROMPTS[:1], SCHEMA)[0].texts == ("40",)
        assert engine.describe().refused == WORDS[words]
    assert len(sent) == 2
    assert len(json.dumps(sent[1])) < len(json.dumps(sent[0])) or "max_completion_tokens" in sent[1]


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("top_logprobs must be less than or equal to 5, got 20", 5),
        ("Invalid 'top_logprobs': must be between 0 and 11", 11),
        ("top_logprobs: 20 is too many", 5),
        ("Requested sample logprobs of 20, which is greater than max allowed: 8", 8),
    ],
)
def test_the_number_of_first_tokens_is_what_the_words_allow(words, most):
    manners = Manners()
    body = {"logprobs": True, "top_logprobs": 20}
    assert manners.learn(body, words)
    assert manners.fit(body)["top_logprobs"] == most


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens. Reduce the length of the messages.",
        "Invalid API key",
        "The model is overloaded",
        "Your account is not active",
        "",
        "Reasoning is mandatory for this endpoint and cannot be disabled",
    ],
)
def test_what_no_smaller_request_avoids_is_an_error_at_once(words, engine_on):
    asked = []

    def chat(body, headers):
        asked.append(1)
        return 400, {"error": {"message": words}}

    with engine_on(chat) as engine:
        with pytest.raises(EngineError, match=words or "answered 400"):
            engine.complete(PROMPTS, SCHEMA)
        assert not engine.describe().refused
    assert len(asked) == 1


@pytest.mark.parametrize("kinds", list(itertools.permutations(BY_TEXT, 2))[::3])
def test_refusals_are_learned_in_any_order(kinds, engine_on):
    server = Strict(*kinds, answer=healthy)
    with engine_on(server, extra={"seed": 3}) as engine:
        assert write(engine)[0] == ("40",) * 3
    assert all(times <= 1 for times in server.refused.values())


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_server_that_lists_no_models_is_asked_whether_it_answers(status, engine_on):
    server = Strict("max_tokens", answer=healthy)
    models = (status, {"error": {"message": "you may not list models"}})
    with engine_on(server, models=models, model="mine") as engine:
        assert engine.describe().model == "mine"
        write(engine)
    assert {body["model"] for body in server.seen} == {"mine"}
    assert server.refused == {"max_tokens": 1}
    with (
        pytest.raises(EngineError, match="you may not list models"),
        engine_on(lambda *_: (404, "no such model"), models=models),
    ):
        pass


class TestGreeting:
    def test_everything_is_known_before_work(self, engine_on):
        server = Strict(*BY_TEXT, "top_logprobs", answer=healthy)
        with engine_on(server, extra={"seed": 3}) as engine:
            engine.greet("auto")
            before, known = dict(server.refused), engine.describe()
            write(engine)
            engine.choose(PROMPTS, ["A", "B"])
            assert (server.refused, engine.describe()) == (before, known)
        assert known.refused.split(", ") == [
            "top_p", "max_tokens", "n", "top_logprobs", "schema keywords", "schema", "temperature",
            "seed",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("mode", "refused", "message"),
        [
            ("choice", ("scores",), "gives no scores: use --mode text"),
            ("text", ("scores",), None),
            ("auto", ("scores",), None),
            ("auto", ("everything",), "no way"),
            ("text", ("everything",), "no way"),
            ("choice", ("everything",), "no way"),
        ],
    )
    def test_a_server_that_cannot_do_what_a_mode_needs_is_noticed(
        self, mode, refused, message, engine_on, monkeypatch
    ):
        monkeypatch.setitem(REFUSALS, "everything", (lambda body: True, (400, "no way")))
        with engine_on(Strict(*refused, answer=healthy)) as engine:
            if message is None:
                engine.greet(mode)
            else:
                with pytest.raises(EngineError, match=message):
                    engine.greet(mode)


def test_servers_that_refuse_different_things_still_share_the_work(engine_on):
    with (
        engine_on(Strict("n", answer=healthy)) as one,
        engine_on(Strict(answer=healthy)) as other,
    ):
        one.greet("text")
        other.greet("text")
        assert len(Parallel([one, other]).complete(PROMPTS, SCHEMA, samples=2)) == len(PROMPTS)
