import numpy as np
import pytest

from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine

PROMPTS = [Prompt("you work", "skill 1"), Prompt("you work", "skill 2 only")]


def test_answer_is_called_once_per_sample_in_order():
    calls = iter(range(100))
    engine = ScriptedEngine(lambda prompt: f"{prompt.personal} call {next(calls)}")
    first, second = engine.complete(PROMPTS, {}, samples=2)
    assert first.texts == ("skill 1 call 0", "skill 1 call 1")
    assert second.texts == ("skill 2 only call 2", "skill 2 only call 3")
    assert (second.prompt_tokens, second.answer_tokens) == (5, 10)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_choose_normalises_the_likelihood_whatever_its_scale(scale):
    likelihood = {"A": 1 * scale, "B": 3 * scale}
    engine = ScriptedEngine(lambda prompt: "", likelihood=lambda prompt, option: likelihood[option])
    choices = engine.choose(PROMPTS, ["A", "B"])
    np.testing.assert_allclose(np.exp(choices.logprob), [[0.25, 0.75]] * 2, rtol=1e-12)
    assert choices.leaked.tolist() == [0.0, 0.0]
    assert choices.prompt_tokens.tolist() == [4, 5]


def test_choose_without_likelihood_follows_the_answer():
    engine = ScriptedEngine(lambda prompt: "B" if prompt.personal == "skill 1" else "no idea")
    choices = engine.choose(PROMPTS, ["A", "B"])
    np.testing.assert_allclose(np.exp(choices.logprob), [[0.0, 1.0], [0.5, 0.5]])
    assert choices.leaked.tolist() == [0.0, 1.0]


def test_what_cannot_be_scored_is_an_error():
    engine = ScriptedEngine(lambda prompt: "A", likelihood=lambda prompt, option: -1.0)
    with pytest.raises(ValueError, match=r"positive and finite, not -1\.0"):
        engine.choose(PROMPTS, ["A", "B"])
    with pytest.raises(ValueError, match="'A' and 'A' are the same"):
        engine.choose(PROMPTS, ["A", "A"])
    with pytest.raises(ValueError, match="at least one option"):
        engine.choose(PROMPTS, [])


def test_a_word_counts_as_a_token():
    engine = ScriptedEngine(lambda prompt: "")
    assert engine.count(["", "two words", "and\nthree words"]) == [0, 2, 3]
    assert engine.choose(PROMPTS, ["A"]).cached_tokens.tolist() == [0, 0]
