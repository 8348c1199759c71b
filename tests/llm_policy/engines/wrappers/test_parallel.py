import itertools
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from llm_policy.engines.base import EngineError, Interrupted, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.parallel import Parallel

SHARED = ["You are a worker.", "You are the planner.", "You vote."]
PROMPTS = [Prompt(SHARED[place % 3], f"Your skill is {place}.") for place in range(1000)]


def likelihood(prompt, option):
    return 1 + len(prompt.personal) * (option == "A")


class Recorded(ScriptedEngine):
    """Keeps the parts it was given, answers slowly, and fails with `failure` after `calls`."""

    def __init__(self, *, failure=None, calls=0, seconds=0.0, answered=0):
        super().__init__(lambda prompt: prompt.personal, likelihood=likelihood)
        self.failure, self.calls, self.seconds, self.answered = failure, calls, seconds, answered
        self.parts = []
        self.closed = False

    def complete(self, prompts, schema, *, samples=1, max_tokens=64):
        return self._hand_out(prompts, super().complete(prompts, schema, samples=samples))

    def choose(self, prompts, options):
        return self._hand_out(prompts, super().choose(prompts, options))

    def _hand_out(self, prompts, answers):
        time.sleep(self.seconds)
        if self.failure is not None and len(self.parts) == self.calls:
            if self.answered:
                raise Interrupted(
                    str(self.failure), list(range(self.answered)), answers[: self.answered]
                )
            raise self.failure
        self.parts.append(list(prompts))
        return answers

    def close(self):
        self.closed = True


@pytest.mark.parametrize("engines", [1, 2, 7])
@pytest.mark.parametrize("prompts", [0, 1, 5, 1000])
def test_the_split_changes_no_answer(engines, prompts):
    alone, several = Recorded(), Parallel([Recorded() for _ in range(engines)])
    batch = PROMPTS[:prompts]
    assert several.complete(batch, {}, samples=2) == alone.complete(batch, {}, samples=2)
    expected, found = alone.choose(batch, ["A", "B"]), several.choose(batch, ["A", "B"])
    np.testing.assert_array_equal(found.logprob, expected.logprob)
    np.testing.assert_array_equal(found.prompt_tokens, expected.prompt_tokens)


def test_prompts_with_the_same_shared_text_stay_together_and_every_engine_works():
    engines = [Recorded(seconds=0.01) for _ in range(3)]
    Parallel(engines).complete(PROMPTS, {})
    parts = [part for engine in engines for part in engine.parts]
    assert all(engine.parts for engine in engines)
    assert sorted(itertools.chain.from_iterable(parts)) == sorted(PROMPTS)
    borders = sum(
        len(list(itertools.groupby(part, lambda prompt: prompt.shared))) - 1 for part in parts
    )
    assert borders <= len(SHARED) - 1
    for part in parts:
        for _, group in itertools.groupby(part, lambda prompt: prompt.shared):
            places = [PROMPTS.index(prompt) for prompt in group]
            assert places == sorted(places)


def test_engines_answer_at_the_same_time():
    barrier = threading.Barrier(2, timeout=5)
    first = threading.local()

    def answer(prompt):
        if not getattr(first, "met", False):
            first.met = True
            barrier.wait()
        return prompt.personal

    engines = [ScriptedEngine(answer) for _ in range(2)]
    assert len(Parallel(engines).complete(PROMPTS[:2], {})) == 2


def test_when_an_engine_cannot_be_asked_so_the_answers_of_the_others_are_kept():
    failure = ValueError("odd")
    good, bad = Recorded(seconds=0.03), Recorded(failure=failure, calls=1)
    with pytest.raises(Interrupted) as error:
        Parallel([good, bad]).complete(PROMPTS, {})
    assert str(error.value) == str(failure)
    assert error.value.__cause__ is failure
    answered = [PROMPTS[place].personal for place in error.value.done]
    given = [prompt.personal for part in good.parts + bad.parts for prompt in part]
    assert sorted(answered) == sorted(given)
    assert error.value.done == sorted(error.value.done)
    assert [answer.texts for answer in error.value.answers] == [(text,) for text in answered]
    assert len(good.parts) == 1, "it finishes what it has in hand, and takes no more"


@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("answered", [0, 3])
@pytest.mark.parametrize("seconds", [0.0, 0.03])
@pytest.mark.parametrize("dead", [1, 2])
def test_when_engines_die_the_others_go_on_and_it_is_said(calls, answered, seconds, dead, caplog):
    """Whether the living engine has long ended or is slow, and whatever the dead had answered."""
    failure = EngineError("http://b/v1 does not answer.")
    bad = [Recorded(failure=failure, calls=calls, answered=answered) for _ in range(dead)]
    good = Recorded(seconds=seconds)
    several = Parallel([*bad, good])
    for _ in range(3):
        assert several.complete(PROMPTS, {}) == Recorded().complete(PROMPTS, {})
    lost = [one for one in bad if len(one.parts) == calls]
    assert caplog.text.count("http://b/v1 does not answer. The other servers go on.") == len(lost)
    assert several.describe().lost.count("http://b/v1") == len(lost)
    assert lost
    assert several.count(["a", "b"]) == good.count(["a", "b"])
    scored = several.choose(PROMPTS, ["A", "B"])
    np.testing.assert_array_equal(scored.logprob, Recorded().choose(PROMPTS, ["A", "B"]).logprob)


def test_a_question_that_none_can_answer_costs_no_engine():
    class Wordless(Recorded):
        def choose(self, prompts, options):
            raise EngineError("no scores")

    several = Parallel([Wordless(), Wordless()])
    with pytest.raises(EngineError, match="no scores"):
        several.choose(PROMPTS, ["A", "B"])
    assert len(several.complete(PROMPTS, {})) == len(PROMPTS)
    assert not several.describe().lost


def test_what_an_engine_had_answered_when_it_failed_is_kept():
    bad = Recorded(failure=EngineError("gone"), answered=3)
    with pytest.raises(Interrupted, match="gone") as error:
        Parallel([bad]).complete(PROMPTS, {})
    assert error.value.done == [0, 3, 6], "the first three with the first shared text"
    assert [answer.texts[0] for answer in error.value.answers] == [
        PROMPTS[n].personal for n in (0, 3, 6)
    ]


def test_scores_that_were_given_before_a_failure_are_kept():
    good, bad = Recorded(seconds=0.03), Recorded(failure=ValueError("gone"))
    with pytest.raises(Interrupted) as error:
        Parallel([good, bad]).choose(PROMPTS, ["A", "B"])
    expected = Recorded().choose([PROMPTS[place] for place in error.value.done], ["A", "B"])
    np.testing.assert_array_equal(error.value.answers.logprob, expected.logprob)


def test_nothing_answered_is_the_failure_itself():
    with pytest.raises(ValueError, match="'A' and 'A' are the same"):
        Parallel([Recorded(), Recorded()]).choose(PROMPTS, ["A", "A"])
    with pytest.raises(EngineError, match="gone") as error:
        Parallel([Recorded(failure=EngineError("gone"))]).complete(PROMPTS, {})
    assert not isinstance(error.value, Interrupted)


class Elsewhere(ScriptedEngine):
    def __init__(self, **description):
        super().__init__(json.dumps)
        self._more = description

    def describe(self):
        return replace(super().describe(), **self._more)


def test_engines_must_be_alike_but_for_their_address():
    both = Parallel([Elsewhere(url="http://a/v1"), Elsewhere(url="http://b/v1")])
    assert both.describe() == Elsewhere(url="http://a/v1, http://b/v1").describe()
    with pytest.raises(
        EngineError, match=r"Engines 1 and 2 .* \(context is 8 and 9\): give engines"
    ):
        Parallel([Elsewhere(context=8), Elsewhere(context=9)])
    with pytest.raises(EngineError, match="give at least one"):
        Parallel([])


def test_closing_closes_all():
    engines = [Recorded(), Recorded()]
    Parallel(engines).close()
    assert all(engine.closed for engine in engines)
