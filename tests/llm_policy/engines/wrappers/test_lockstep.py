import time

import equinox as eqx
import pytest

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.lockstep import in_step

HOW = {"max_tokens": 8}


class Echo(ScriptedEngine):
    """Answers with the question, and keeps its batches."""

    def __init__(self):
        self.batches: list[list[str]] = []
        super().__init__(lambda prompt: prompt.personal)

    def complete(self, prompts, schema, **options):
        self.batches.append([prompt.personal for prompt in prompts])
        if any("break" in prompt.personal for prompt in prompts):
            raise EngineError("The engine broke.")
        return super().complete(prompts, schema, **options)


def asking(name, times, *, seconds=0.0, schema=None):
    """Return a run that asks so many times."""

    def run(engine):
        heard = []
        for number in range(times):
            time.sleep(seconds)
            [said] = engine.complete([Prompt("", f"{name}{number}")], schema or {}, **HOW)
            heard.append(said.texts[0])
        return heard

    return run


def test_all_who_still_ask_are_one_batch_in_their_order_and_hear_what_they_would_alone():
    engine, runs = (
        Echo(),
        [asking("a", 1, seconds=0.02), asking("b", 3), asking("c", 2, seconds=0.01)],
    )
    assert in_step(engine, runs) == [run(Echo()) for run in runs]
    assert engine.batches == [["a0", "b0", "c0"], ["b1", "c1"], ["b2"]]


def test_nobody_and_somebody_who_asks_nothing_need_no_engine():
    engine = Echo()
    assert in_step(engine, []) == []
    assert in_step(engine, [asking("a", 0)]) == [[]]
    assert engine.batches == []


def test_when_the_engine_breaks_all_end():
    with pytest.raises(EngineError, match="The engine broke"):
        in_step(Echo(), [asking("a", 2), asking("break", 1), asking("c", 2)])


def test_when_a_run_fails_the_others_are_asked_no_more():
    def fails(engine):
        asking("b", 1)(engine)
        raise ZeroDivisionError

    engine = Echo()
    with pytest.raises(ZeroDivisionError):
        in_step(engine, [asking("a", 9), fails])
    assert engine.batches == [["a0", "b0"]]


def test_runs_that_ask_differently_are_told():
    with pytest.raises(ValueError, match="under one schema"):
        in_step(Echo(), [asking("a", 1), asking("b", 1, schema={"type": "integer"})])


def test_choices_come_to_those_who_asked_in_one_batch():
    engine = ScriptedEngine(
        str, likelihood=lambda prompt, option: len(prompt.personal) + ord(option)
    )
    scores, asked = engine.choose, []
    engine.choose = lambda prompts, options: asked.append(len(prompts)) or scores(prompts, options)

    def run(texts):
        return lambda some: some.choose([Prompt("", text) for text in texts], "AB")

    runs = [run(["a", "bb"]), run(["cccc"])]
    found = in_step(engine, runs)
    assert asked == [3]
    for heard, alone in zip(found, [run(engine) for run in runs], strict=True):
        assert eqx.tree_equal(vars(heard), vars(alone))
