"""What a server replies is decoded by declared types, or asked again; only that is recorded."""

import contextlib
import json
import math
import sqlite3

import numpy as np
import pytest

from experiments.tools.fuzz_replies import fuzz
from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.openai.replies import (
    Card,
    ReportedFailure,
    Unreadable,
    read_cards,
    read_completion,
)
from llm_policy.engines.openai.scores import NoScores, read_firsts, read_places
from llm_policy.engines.wrappers.journal import Journal
from tests.helpers.fake_server import reply, scores

PROMPT = Prompt("You work.", "Your skill is 1.")


def encoded(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def answer(**parts):
    return {"choices": [{"message": {"content": "40"}, **parts}]}


TEXTS = {
    "a text": ("40", "40"),
    "no text": (None, ""),
    "an empty list": ([], ""),
    "parts": ([{"type": "text", "text": "4"}, {"type": "text", "text": "0"}], "40"),
    "parts of other kinds": ([{"type": "image"}, {"text": None}, {"text": "40"}], "40"),
    "parts that are texts": (["4", {"text": "0"}], "40"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_comes_whole_or_in_parts(case):
    content, text = TEXTS[case]
    assert read_completion(encoded(reply(content)), samples=1).texts == (text,)


UNREADABLE = {
    "a number": reply(40),
    "a truth": reply(True),
    "an object": reply({"hours": 40}),
    "a part that is a number": reply([40]),
    "a part whose text is a number": reply([{"text": 40}]),
    "no message": {"choices": [{}]},
    "a message that is a text": {"choices": [{"message": "40"}]},
    "no choices": {},
    "choices without an end": {"choices": []},
    "choices that are a number": {"choices": 3},
    "choices that are null": {"choices": None},
    "too many choices": reply("40", samples=2),
    "a list": [1],
    "a text": "40",
    "null": None,
    "nothing": b"",
    "half": encoded(reply("40"))[:30],
    "not a number": b'{"choices": [{"message": {"content": NaN}}]}',
    "half a character": b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    "no text at all": b'{"choices": [{"message": {"content": "\xff"}}]}',
    "too deep": b'{"choices": ' + b"[" * 100_000,
    "too deep elsewhere": b'{"id": ' + b"[" * 100_000,
    "a page": b"<html>try later</html>",
    "a reason that is a number": answer(finish_reason=3),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_reply_is_unreadable(case):
    with pytest.raises(Unreadable) as error:
        read_completion(encoded(UNREADABLE[case]), samples=1)
    assert str(error.value)


FAILURES = {
    "an object": ({"error": {"message": "Oops", "code": 429}}, 429, "Oops"),
    "beside an answer": ({**reply("40"), "error": {"message": "Oops"}}, 0, "Oops"),
    "where choices are null": ({"choices": None, "error": "Oops"}, 0, "Oops"),
    "a text": ({"error": "Oops"}, 0, "Oops"),
    "a status as text": ({"error": {"message": "Oops", "code": "503"}}, 503, "Oops"),
    "a word for a code": ({"error": {"message": "Oops", "code": "invalid"}}, 0, "Oops"),
    "no status": ({"error": {"message": "Oops", "code": 10**30}}, 0, "Oops"),
    "in a choice": (answer(error={"message": "Oops", "code": 502}), 502, "Oops"),
    "as the reason": (answer(finish_reason="error"), 0, "the answer ended with an error"),
    "a list": ({"error": [{"msg": "Oops"}, {"msg": "again"}]}, 0, "Oops; again"),
    "handed on": (
        {"error": {"message": "Provider failed", "metadata": {"raw": '{"error": "Oops"}'}}},
        0,
        "Provider failed: Oops",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_reported_where_an_answer_should_be_is_a_failure(case):
    content, status, words = FAILURES[case]
    for read in (
        lambda body: read_completion(body, samples=1),
        lambda body: read_firsts(body, ["A"]),
        lambda body: read_places(body, ["A"], places=1),
    ):
        with pytest.raises(ReportedFailure) as error:
            read(encoded(content))
        assert (error.value.status, error.value.words) == (status, words)


@pytest.mark.parametrize("nothing", [None, {}, [], "", 0, False])
def test_an_empty_error_beside_an_answer_is_none(nothing):
    assert read_completion(encoded({**reply("40"), "error": nothing}), samples=1).texts == ("40",)


COUNTS = {
    "whole": ({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3, 0)),
    "cached": ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}}, (7, 0, 5)),
    "more cached than read": (
        {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 9}},
        (7, 0, 7),
    ),
    "null": (None, (0, 0, 0)),
    "nulls": ({"prompt_tokens": None, "prompt_tokens_details": None}, (0, 0, 0)),
    "text": ({"prompt_tokens": "7"}, (0, 0, 0)),
    "huge": ({"prompt_tokens": 1e30}, (0, 0, 0)),
    "huge and whole": ({"prompt_tokens": 10**30}, (0, 0, 0)),
    "negative": ({"completion_tokens": -3}, (0, 0, 0)),
    "a part": ({"prompt_tokens": 7.5}, (0, 0, 0)),
    "a list": ([7, 3], (0, 0, 0)),
    "a number": (7, (0, 0, 0)),
}


@pytest.mark.parametrize("case", COUNTS)
def test_of_odd_counts_nothing_is_believed_and_the_answer_stays(case):
    usage, counts = COUNTS[case]
    found = read_completion(encoded({**reply("40"), "usage": usage}), samples=1)
    assert found.texts == ("40",)
    assert (found.prompt_tokens, found.answer_tokens, found.cached_tokens) == counts


def first(*entries, said=None):
    top = [{"token": token, "logprob": logprob} for token, logprob in entries]
    return answer(logprobs={"content": [{**(said or top[0]), "top_logprobs": top}]})


def one(logprob):
    return first(("A", logprob), ("B", -2.0))


NO_PROBABILITIES = {
    "null": one(None),
    "text": one("-1"),
    "positive": one(0.5),
    "huge": one(1e30),
    "a truth": one(True),
    "a list": one([-1]),
    "more than one in all": first(("A", -0.1), ("B", -0.1)),
    "one of the others": first(("A", -1.0), ("B", None)),
    "a token that is a number": first((3, -1.0)),
    "no tokens": answer(logprobs={"content": []}),
    "content that is a text": answer(logprobs={"content": "A"}),
    "scores that are a list": answer(logprobs=[1, 2]),
    "scores that are a text": answer(logprobs="A"),
    "others that are no list": answer(
        logprobs={"content": [{"token": "A", "logprob": -1.0, "top_logprobs": 3}]}
    ),
}


@pytest.mark.parametrize("case", NO_PROBABILITIES)
def test_scores_that_are_no_probabilities_are_unread(case):
    found = read_firsts(encoded(NO_PROBABILITIES[case]), ["A", "B"])
    assert found.logprob.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "Infinity", "-Infinity", "NaN"])
def test_numbers_that_json_does_not_have_are_no_scores(literal):
    body = json.dumps(one(-1.0)).replace("-1.0", literal).encode()
    with contextlib.suppress(Unreadable):
        assert not np.isfinite(read_firsts(body, ["A", "B"]).logprob).any()


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["A"]}])
def test_no_scores_are_told_from_odd_ones(logprobs):
    with pytest.raises(NoScores):
        read_firsts(encoded(answer(logprobs=logprobs)), ["A", "B"])


def test_equal_texts_are_summed_and_the_token_that_was_said_counts_once():
    half, tenth = math.log(0.5), math.log(0.1)
    for said, mass in (
        (None, 0.6),
        ({"token": "A", "logprob": tenth}, 0.6),
        ({"token": "A", "logprob": math.log(0.05)}, 0.65),
        ({"token": "B", "logprob": math.log(0.05)}, 0.6),
    ):
        body = encoded(first(("A", half), ("A", tenth), said=said))
        found = np.exp(read_firsts(body, ["A", "B"]).logprob)
        np.testing.assert_allclose(found[0], mass)
    assert read_firsts(encoded(first(("A", -9999.0))), ["A"]).logprob.tolist() == [-9999.0]


def test_the_places_of_a_tree_come_in_order_or_not_at_all():
    def place(index, **tokens):
        return {"index": index, "logprobs": {"top_logprobs": [tokens]}}

    fine = {"choices": [place(1, A=-3.0, B=-4.0), place(0, A=-1.0, B=-2.0)]}
    found = read_places(encoded(fine), ["A", "B"], places=2)
    assert found.logprob.tolist() == [[-1.0, -2.0], [-3.0, -4.0]]
    odd = {"choices": [place(0, A=-1.0, B=-2.0), place(1, A=0.7, B=-4.0)]}
    assert not np.isfinite(read_places(encoded(odd), ["A", "B"], places=2).logprob).any()
    for wrong in (
        [place(0, A=-1.0, B=-2.0)],
        [place(0, A=-1.0, B=-2.0), place(0, A=-1.0, B=-2.0)],
        [place(0, A=-1.0), place(1, A=-1.0, B=-2.0)],
        [{"index": 0}, place(1, A=-1.0, B=-2.0)],
        [{"index": "0"}, place(1, A=-1.0, B=-2.0)],
    ):
        with pytest.raises(Unreadable):
            read_places(encoded({"choices": wrong}), ["A", "B"], places=2)


CARDS = {
    "plain": ({"id": "a"}, Card("a")),
    "vllm": (
        {"id": "a", "owned_by": "vllm", "root": "/m", "max_model_len": 9},
        Card("a", "vllm", "/m", 9),
    ),
    "another word": ({"id": "a", "context_length": 9}, Card("a", context=9)),
    "a list for a number": ({"id": "a", "max_model_len": [4096]}, Card("a")),
    "a text for a number": ({"id": "a", "context_length": "4096"}, Card("a")),
    "a negative number": ({"id": "a", "context_length": -1}, Card("a")),
    "a huge number": ({"id": "a", "context_length": 10**30}, Card("a")),
    "a broken number": ({"id": "a", "context_length": 1e30}, Card("a")),
    "a truth": ({"id": "a", "context_length": True}, Card("a")),
    "an object for a name": ({"id": "a", "owned_by": {"name": "vllm"}, "root": 3}, Card("a")),
    "no name": ({"object": "model"}, None),
    "a number for a name": ({"id": 3}, None),
    "an empty name": ({"id": ""}, None),
    "an endless name": ({"id": "a" * 10_000}, None),
    "a text": ("a", None),
    "null": (None, None),
}


@pytest.mark.parametrize("case", CARDS)
def test_of_a_card_only_what_can_be_believed_is_taken(case):
    raw, card = CARDS[case]
    found = read_cards(encoded({"data": [raw, {"id": "other"}]}))
    assert found == ({} if card is None else {"a": card}) | {"other": Card("other")}


@pytest.mark.parametrize("root", ["a" * 5000, "/a\0b", "/proc/self/mem/x", "~", ""])
def test_a_folder_that_cannot_be_is_none_of_this_machine(root, engine_on):
    models = {"data": [{"id": "small", "root": root}]}
    with engine_on(None, models=models) as engine:
        assert engine.describe().noise is False


@pytest.mark.parametrize(
    "bad",
    [
        reply(40),
        reply({"hours": 40}),
        {"error": {"message": "Oops", "code": 500}},
        answer(finish_reason="error"),
        b"<html>",
        {**reply("40"), "choices": [3]},
    ],
)
def test_what_cannot_be_decoded_is_asked_again_and_never_recorded(bad, engine_on, tmp_path):
    """A run that met it for good goes on with a healthy server."""
    healthy, asked = [], []

    def chat(body, headers):
        asked.append(1)
        return 200, reply('{"hours": 40}') if healthy else bad

    file = tmp_path / "journal.sqlite"
    with engine_on(chat, max_retries=2) as engine:
        journal = Journal(engine, file)
        with pytest.raises(EngineError):
            journal.complete([PROMPT], {})
        assert len(asked) == 3
        database = sqlite3.connect(file)
        assert database.execute("SELECT count(*) FROM calls").fetchone() == (0,)
        database.close()
        healthy.append(1)
        assert journal.complete([PROMPT], {})[0].texts == ('{"hours": 40}',)
        journal.close()


def test_an_odd_reply_between_good_ones_is_asked_again(engine_on):
    replies = iter([(200, reply([1])), (200, reply(["4", "0"])), (200, reply())])
    with engine_on(lambda *_: next(replies)) as engine:
        assert engine.complete([PROMPT], {})[0].texts == ("40",)


def test_unread_scores_are_told_as_such(engine_on):
    with engine_on(lambda *_: (200, one(None))) as engine:
        assert engine.choose([PROMPT], ["A", "B"]).leaked.tolist() == [1.0]
    with engine_on(lambda *_: (200, reply(logprobs=scores(A=0.5)))) as engine:
        assert engine.choose([PROMPT], ["A", "B"]).leaked.tolist() == [0.5]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hostile_replies_raise_nothing_and_whatever_is_decoded_is_legal(seed):
    """A sample of `python -m experiments.tools.fuzz_replies`."""
    found = fuzz(1000, seed)
    assert found.total() == 1000
    assert {"completion: Unreadable", "first tokens: unread", "places: scores"} <= set(found)
