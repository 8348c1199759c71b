"""What every engine must do, whoever answers."""

import hashlib
import itertools
import json

import numpy as np
import pytest

from llm_policy.engines.base import EngineInfo, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.parallel import Parallel

HOURS = {
    "type": "object",
    "properties": {"hours": {"type": "integer", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}
OPTIONS = [str(hours) for hours in range(0, 101, 10)]
SECRET = "sk-a-secret-that-nobody-may-see"
SHARED = "You are a worker. You decide how many hours to work each week."
LENGTHS = [7, 2, 9, 0, 5, 1, 8, 3, 6, 4]
PROMPTS = [
    Prompt(SHARED, "Your skill is high." + " The tax is low." * length) for length in LENGTHS
]
MODELS = ["embedded", *(pytest.param(name, marks=pytest.mark.vllm) for name in ("vllm", "openai"))]
ENGINES = ["scripted", "parallel", "journal", "replay", *MODELS]
TOLERANCE = 1e-3  # of a log probability: sums in another order in another batch


def scripted():
    def number(*parts):
        return int(hashlib.sha256("".join(parts).encode()).hexdigest(), 16) % 101

    return ScriptedEngine(
        lambda prompt: json.dumps({"hours": number(*prompt)}),
        likelihood=lambda prompt, option: 1 + number(*prompt, option),
    )


class Replay:
    """Records every call in a file of its own, and answers from the file, without an engine."""

    def __init__(self, folder):
        self._paths = (folder / f"{number}.sqlite" for number in itertools.count())

    def __getattr__(self, verb):
        def call(*arguments, **options):
            path = next(self._paths)
            for engine in (scripted(), None):
                journal = Journal(engine, path)
                answer = getattr(journal, verb)(*arguments, **options)
                journal.close()
            return answer

        return call


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path, monkeypatch):
    if request.param == "vllm":
        yield request.getfixturevalue("vllm_engine")
        return
    if request.param == "openai":
        from llm_policy.engines.openai import OpenAIEngine

        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        server = request.getfixturevalue("vllm_server")
        made = OpenAIEngine(server.url, server.model)
    elif request.param == "embedded":
        from llm_policy.engines.embedded.engine import EmbeddedEngine

        made = EmbeddedEngine(request.getfixturevalue("small_llama"))
    elif request.param == "scripted":
        made = scripted()
    elif request.param == "parallel":
        made = Parallel([scripted() for _ in range(3)])
    elif request.param == "journal":
        made = Journal(scripted(), tmp_path / "journal.sqlite")
    else:
        made = Replay(tmp_path)
    yield made
    if request.param != "replay":
        made.close()


def test_answers_come_in_order_and_count_their_tokens(engine):
    answers = engine.complete(PROMPTS, HOURS)
    tokens = [answer.prompt_tokens for answer in answers]
    assert np.argsort(tokens).tolist() == np.argsort(LENGTHS).tolist()
    assert len(set(tokens)) == len(LENGTHS)
    assert all(answer.answer_tokens > 0 for answer in answers)
    assert engine.choose(PROMPTS, OPTIONS).prompt_tokens.tolist() == tokens


def test_longer_texts_count_more_tokens_and_the_empty_text_none(engine):
    texts = [prompt.personal for prompt in PROMPTS]
    counts = engine.count(texts)
    assert np.argsort(counts).tolist() == np.argsort(LENGTHS).tolist()
    assert engine.count(["", texts[0]]) == [0, counts[0]]
    assert engine.count([]) == []


def test_cached_tokens_are_part_of_the_prompt(engine):
    for answer in engine.complete(PROMPTS, HOURS):
        assert 0 <= answer.cached_tokens <= answer.prompt_tokens
    choices = engine.choose(PROMPTS, OPTIONS)
    assert choices.cached_tokens.shape == (len(PROMPTS),)
    assert np.all((choices.cached_tokens >= 0) & (choices.cached_tokens <= choices.prompt_tokens))


def test_texts_are_json_under_the_schema_one_per_sample(engine):
    for samples in (1, 3):
        answers = engine.complete(PROMPTS, HOURS, samples=samples)
        assert len(answers) == len(PROMPTS)
        for text in itertools.chain.from_iterable(answer.texts for answer in answers):
            assert list(answer := json.loads(text)) == ["hours"]
            assert type(answer["hours"]) is int
            assert 0 <= answer["hours"] <= 100
        assert all(len(answer.texts) == samples for answer in answers)


def test_without_a_schema_a_text_is_what_the_model_likes(engine):
    for samples in (1, 3):
        answers = engine.complete(PROMPTS, None, samples=samples, max_tokens=8)
        assert [len(answer.texts) for answer in answers] == [samples] * len(PROMPTS)
        assert all(answer.answer_tokens > 0 for answer in answers)
        texts = {text for answer in answers for text in answer.texts}
        assert len(texts) > 1
        assert engine.describe().engine == "scripted" or not all("hours" in text for text in texts)


def test_probabilities_sum_to_one_and_the_leak_is_a_share(engine):
    choices = engine.choose(PROMPTS, OPTIONS)
    assert choices.logprob.shape == (len(PROMPTS), len(OPTIONS))
    assert choices.leaked.shape == choices.prompt_tokens.shape == (len(PROMPTS),)
    assert choices.logprob.dtype == choices.leaked.dtype == np.float64
    np.testing.assert_allclose(np.exp(choices.logprob).sum(axis=1), 1.0, rtol=1e-9)
    assert np.all((choices.leaked >= 0) & (choices.leaked <= 1))


def test_neither_the_batch_nor_the_order_changes_a_score(engine):
    whole = engine.choose(PROMPTS, OPTIONS)
    backwards = engine.choose(PROMPTS[::-1], OPTIONS)
    alone = [engine.choose([prompt], OPTIONS) for prompt in PROMPTS]
    np.testing.assert_allclose(backwards.logprob[::-1], whole.logprob, atol=TOLERANCE)
    np.testing.assert_allclose([one.logprob[0] for one in alone], whole.logprob, atol=TOLERANCE)
    np.testing.assert_allclose([one.leaked[0] for one in alone], whole.leaked, atol=TOLERANCE)
    differences = np.abs(whole.logprob - whole.logprob[:1]).max(axis=1)
    assert np.all(differences[1:] > 0), "different prompts have different scores"


def test_the_order_of_the_options_does_not_matter(engine):
    forwards = engine.choose(PROMPTS, OPTIONS)
    backwards = engine.choose(PROMPTS, OPTIONS[::-1])
    np.testing.assert_allclose(backwards.logprob[:, ::-1], forwards.logprob, atol=TOLERANCE)


def test_fewer_options_leak_more_and_keep_their_ratios(engine):
    every, some = engine.choose(PROMPTS, OPTIONS), engine.choose(PROMPTS, OPTIONS[:3])
    ratios = [choices.logprob[:, :3] - choices.logprob[:, :1] for choices in (every, some)]
    np.testing.assert_allclose(*ratios, atol=2 * TOLERANCE)
    assert np.all(some.leaked >= every.leaked - TOLERANCE)


@pytest.mark.parametrize("engine", MODELS, indirect=True)
def test_an_option_of_several_tokens_is_an_answer_whatever_else_is_offered(engine):
    options = ["forty hours", "40", "forty", "forty hours a week"]
    every, some = engine.choose(PROMPTS[:4], options), engine.choose(PROMPTS[:4], options[:2])
    whole = every.logprob + np.log1p(-every.leaked)[:, None]
    part = some.logprob + np.log1p(-some.leaked)[:, None]
    np.testing.assert_allclose(part, whole[:, :2], atol=TOLERANCE)
    assert np.all(np.ptp(whole, axis=0) > 0)
    assert np.all(some.leaked >= every.leaked - 1e-6)


def test_options_are_distinct_and_at_least_one(engine):
    for options in ([], ["A", "B", "A"]):
        with pytest.raises(ValueError, match=r"at least one option|'A' and 'A' are the same"):
            engine.choose(PROMPTS, options)


def test_an_empty_batch_is_an_empty_answer(engine):
    assert engine.complete([], HOURS) == []
    choices = engine.choose([], OPTIONS)
    assert choices.logprob.shape == (0, len(OPTIONS))
    assert (
        choices.leaked.shape == choices.prompt_tokens.shape == choices.cached_tokens.shape == (0,)
    )


def test_the_description_is_plain_and_holds_no_secret(engine):
    info = engine.describe()
    description = info.asdict()
    text = json.dumps(description)
    assert json.loads(text) == description
    assert EngineInfo.of(description) == info == engine.describe()
    assert {"engine", "model", "temperature", "context", "tokenizer", "noise", "weights"} <= set(
        description
    )
    assert isinstance(description["context"], int)
    assert description["context"] >= 0
    assert description["tokenizer"] in ("exact", "estimated")
    assert all(isinstance(value, str | int | float | bool) for value in description.values())
    assert isinstance(description["noise"], bool)
    assert SECRET not in text + repr(engine)


@pytest.mark.parametrize("engine", MODELS, indirect=True)
def test_what_the_weights_are_is_said(engine):
    said = engine.describe()
    if said.noise:
        assert said.weights == "random noise"
    else:
        assert "imitate documented formulas" in said.weights


@pytest.mark.parametrize("engine", MODELS, indirect=True)
@pytest.mark.parametrize("verb", ["complete", "choose"])
def test_an_interrupt_leaves_what_was_told_and_nothing_to_wait_for(engine, verb):
    # More than any of them works on at a time: vLLM on 256 at most.
    prompts = [Prompt(SHARED, f"Your skill is {place}.") for place in range(400)]
    told = {}

    def tell(places, answers):
        assert not told.keys() & set(places)
        told.update(zip(places, answers if verb == "complete" else answers.logprob, strict=True))

    def stop(places, answers):
        tell(places, answers)
        raise KeyboardInterrupt

    def ask():
        if verb == "complete":
            return engine.complete(prompts, HOURS)
        return engine.choose(prompts, OPTIONS).logprob

    try:
        engine.hear = stop
        with pytest.raises(KeyboardInterrupt):
            ask()
        kept = dict(told)
        told.clear()
        engine.hear = tell
        whole = ask()
    finally:
        engine.hear = None  # others ask the same engine
    assert 0 < len(kept) < len(prompts)
    assert sorted(told) == list(range(len(prompts)))
    if verb == "choose":
        for place, scores in kept.items():
            np.testing.assert_allclose(scores, whole[place], atol=TOLERANCE)
    else:
        assert [told[place] for place in range(len(prompts))] == whole
