import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines.base import Choices, Completion, EngineError, Interrupted, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.dedupe import Dedupe

HOURS = {"type": "object"}
OPTIONS = ["A", "B", "C"]
batches = st.lists(st.sampled_from("abcde"), max_size=12).map(
    lambda letters: [Prompt("You work.", f"You are {letter}.") for letter in letters]
)


class Recorder(ScriptedEngine):
    """Never says the same twice, keeps what it was asked, and fails after `most` prompts."""

    def __init__(self, most=10**9):
        numbers = itertools.count()
        super().__init__(
            lambda prompt: f"{prompt.personal} #{next(numbers)}",
            likelihood=lambda prompt, option: 1 + next(numbers),
        )
        self.asked, self.most = [], most

    def complete(self, prompts, schema, *, samples=1, max_tokens=64):
        prompts, rest = prompts[: self.most], prompts[self.most :]
        self.most -= len(prompts)
        self.asked += [(prompt, samples) for prompt in prompts]
        texts = super().complete(prompts, schema, samples=samples)
        answers = [
            Completion(said.texts, 10 + place, samples, place)
            for place, said in enumerate(texts, start=1)
        ]
        if rest:
            raise Interrupted("the line is cut", range(len(prompts)), answers)
        return answers

    def choose(self, prompts, options):
        some = prompts[: self.most]
        self.asked += [(prompt, 1) for prompt in some]
        scores = super().choose(some, options)
        tokens = 10 + np.arange(len(some))
        scores = Choices(scores.logprob, scores.leaked, tokens, tokens - 10)
        if len(some) < len(prompts):
            raise Interrupted("the line is cut", range(len(some)), scores)
        return scores


@given(batches, st.integers(1, 3))
def test_each_distinct_prompt_is_asked_once_for_the_texts_of_all_its_equals(prompts, samples):
    engine = Recorder()
    answers = Dedupe(engine).complete(prompts, HOURS, samples=samples)
    times = Counter(prompts)
    assert dict(engine.asked) == {prompt: samples * count for prompt, count in times.items()}
    assert len(engine.asked) == len(times)
    texts = [text for answer in answers for text in answer.texts]
    assert len(texts) == len(set(texts)) == samples * len(prompts), "every text is dealt out once"
    for prompt, answer in zip(prompts, answers, strict=True):
        assert len(answer.texts) == samples
        assert all(text.startswith(prompt.personal) for text in answer.texts)


def test_texts_are_dealt_in_the_order_in_which_they_were_written():
    a, b = Prompt("", "a"), Prompt("", "b")
    answers = Dedupe(Recorder()).complete([a, b, a, a], HOURS, samples=2)
    assert [answer.texts for answer in answers] == [
        ("a #0", "a #1"),
        ("b #6", "b #7"),
        ("a #2", "a #3"),
        ("a #4", "a #5"),
    ]


@given(batches)
def test_equal_prompts_have_equal_scores_and_each_is_scored_once(prompts):
    engine = Recorder()
    scores = Dedupe(engine).choose(prompts, OPTIONS)
    assert [prompt for prompt, _ in engine.asked] == list(dict.fromkeys(prompts))
    assert scores.logprob.shape == (len(prompts), len(OPTIONS))
    alone = dict(zip(prompts, scores.logprob.tolist(), strict=True))
    assert scores.logprob.tolist() == [alone[prompt] for prompt in prompts]
    assert len({tuple(row) for row in alone.values()}) == len(alone), "distinct prompts differ"


@given(batches)
def test_costs_sum_to_what_was_spent_and_the_first_of_the_equals_carries_them(prompts):
    bare, engine = Recorder(), Dedupe(Recorder())
    distinct = list(dict.fromkeys(prompts))
    whole, scores = bare.choose(distinct, OPTIONS), engine.choose(prompts, OPTIONS)
    first = [prompt not in prompts[:place] for place, prompt in enumerate(prompts)]
    for name in ("prompt_tokens", "cached_tokens"):
        cost = getattr(scores, name)
        assert cost.dtype == np.int64
        assert cost[first].tolist() == getattr(whole, name).tolist()
        assert not cost[np.logical_not(first)].any()
    answers = engine.complete(prompts, HOURS, samples=2)
    assert sum(answer.answer_tokens for answer in answers) == 2 * len(prompts)
    assert [answer.prompt_tokens > 0 for answer in answers] == first
    assert [answer.cached_tokens > 0 for answer in answers] == first


def test_the_share_of_distinct_prompts_is_counted():
    engine = Dedupe(Recorder())
    prompts = [Prompt("", letter) for letter in "abcaab"]
    engine.choose(prompts, OPTIONS)
    engine.complete(prompts[:2], HOURS)
    assert (engine.asked, engine.distinct) == (8, 5)


@pytest.mark.parametrize("most", range(5))
@pytest.mark.parametrize("verb", ["complete", "choose"])
def test_an_interruption_names_the_original_places(verb, most):
    prompts = [Prompt("You work.", letter) for letter in "abacbddeea"]
    engine = Recorder(most)
    with pytest.raises(Interrupted, match="the line is cut") as caught:
        getattr(Dedupe(engine), verb)(prompts, HOURS if verb == "complete" else OPTIONS)
    known = [prompt for prompt, _ in engine.asked]
    done, answers = caught.value.done, caught.value.answers
    assert len(known) == most
    assert done == [place for place, prompt in enumerate(prompts) if prompt in known]
    if verb == "complete":
        assert [answer.texts[0][0] for answer in answers] == [
            prompts[place].personal for place in done
        ]
    else:
        rows = Recorder().choose(known, OPTIONS).logprob.tolist()
        assert answers.logprob.tolist() == [rows[known.index(prompts[place])] for place in done]


def test_other_failures_pass_unchanged():
    def fail(prompt):
        raise EngineError("no server")

    with pytest.raises(EngineError, match="no server") as caught:
        Dedupe(ScriptedEngine(fail)).complete([Prompt("", "a")] * 2, HOURS)
    assert type(caught.value) is EngineError
    with pytest.raises(ValueError, match="the same"):
        Dedupe(Recorder()).choose([Prompt("", "a")], ["A", "A"])


def test_texts_are_counted_once_and_the_rest_is_the_engine_s():
    class Once(Recorder):
        def count(self, texts):
            assert len(set(texts)) == len(texts)
            return super().count(texts)

        def close(self):
            self.asked = "closed"

    bare = Once()
    engine = Dedupe(bare)
    assert engine.count(["a b", "a", "a b"]) == [2, 1, 2]
    assert engine.describe() == bare.describe()
    engine.close()
    assert bare.asked == "closed"
