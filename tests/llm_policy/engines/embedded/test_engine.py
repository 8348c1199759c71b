import collections
import itertools
import json
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from llm_policy.answers.proposals import question_answer
from llm_policy.answers.reading import (
    SATISFIED_ANSWER,
    changes_answer,
    hours_answer,
    rates_answer,
    read_changes,
    read_field,
    read_hours,
    read_rates,
    read_satisfied,
    schema,
)
from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.engines.embedded.prefixes import BLOCK

OPTIONS = [str(hours) for hours in range(0, 101, 10)]
DIGITS = [str(digit) for digit in range(10)]
DIGIT = {"type": "integer", "minimum": 0, "maximum": 9}
LAW = (
    "You are a worker. A higher tax rate lowers what a worker keeps of the last dollar of income. "
)
PROMPTS = [
    *(
        Prompt(LAW, f"Your skill is {skill}." + " The tax is low." * (skill % 3))
        for skill in range(6)
    ),
    Prompt("You are the planner.", "Which rates?"),
    *(Prompt(LAW * 2, f"Your skill is {skill}.") for skill in range(5)),
]


@pytest.fixture(scope="module")
def engine(small_llama):
    return EmbeddedEngine(small_llama)


def understood(name, text):
    """Return whether the reader of an answer understands a text."""
    if name == "hours":
        return read_hours([text])[1][0]
    if name == "satisfied":
        return read_satisfied([text])[1][0]
    if name == "question":
        asked = json.dumps({"rates_percent": read_field(text, "what_if")})
        return any(part is not None for part in (read_changes(text, 3), read_rates(asked, 3))) or (
            json.loads(text) == {"what_if": None, "changes": None}
        )
    return (read_changes(text, 7) if name == "changes" else read_rates(text, 2)) is not None


SCHEMAS = {
    "hours": schema(hours_answer()),
    "satisfied": schema(SATISFIED_ANSWER),
    "changes": schema(changes_answer(7)),
    "rates": schema(rates_answer(2)),
    "question": schema(question_answer("changes", 3)),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_texts_are_what_json_dumps_would_write_under_the_schema(engine, name):
    for answer in engine.complete(PROMPTS[:6], SCHEMAS[name], samples=3, max_tokens=250):
        for text in answer.texts:
            assert understood(name, text), text
            assert list(json.loads(text)) == list(SCHEMAS[name]["properties"])
            bare = re.sub(r"-?[0-9]+(\.[0-9]+)?", "0", text)
            assert json.dumps(json.loads(bare)) == bare


def test_what_is_read_once_for_all_is_as_if_read_for_each(small_llama):
    together = EmbeddedEngine(small_llama).choose(PROMPTS, OPTIONS)
    alone = [EmbeddedEngine(small_llama).choose([prompt], OPTIONS) for prompt in PROMPTS]
    np.testing.assert_allclose(together.logprob, [one.logprob[0] for one in alone], atol=1e-4)
    np.testing.assert_allclose(together.leaked, [one.leaked[0] for one in alone], atol=1e-5)
    assert all(one.cached_tokens.tolist() == [0] for one in alone)
    assert [
        answer.cached_tokens for answer in EmbeddedEngine(small_llama).complete(PROMPTS, DIGIT)
    ] == together.cached_tokens.tolist()


def test_cached_are_the_blocks_in_common_with_an_earlier_prompt(small_llama):
    engine = EmbeddedEngine(small_llama)
    encoded = engine._chat.encode(PROMPTS)
    for place, cached in enumerate(engine.choose(PROMPTS, OPTIONS).cached_tokens.tolist()):
        pairs = [zip(encoded[place], other, strict=False) for other in encoded[:place]]
        same = [
            sum(1 for _ in itertools.takewhile(lambda two: two[0] == two[1], pair))
            for pair in pairs
        ]
        assert cached == max((tokens // BLOCK * BLOCK for tokens in same), default=0)


def memories(step):
    """Return the prompts of workers who remember so many steps."""
    lines = [
        "".join(f"Step {n}: {n * skill % 50} hours.\n" for n in range(step)) for skill in range(9)
    ]
    return [
        Prompt(LAW, f"Your skill is {skill}.\n{told}How many?") for skill, told in enumerate(lines)
    ]


def test_what_is_kept_changes_no_score(small_llama):
    keeping, forgetful = EmbeddedEngine(small_llama), EmbeddedEngine(small_llama, cache_bytes=0)
    room = 1024 // BLOCK
    for step in range(1, 17, 3):
        prompts = memories(step)
        fresh = EmbeddedEngine(small_llama).choose(prompts, OPTIONS)
        for engine in (keeping, forgetful):
            kept = engine.choose(prompts, OPTIONS)
            np.testing.assert_allclose(kept.logprob, fresh.logprob, atol=1e-5)
            np.testing.assert_allclose(kept.leaked, fresh.leaked, atol=1e-5)
        assert len(forgetful._known) <= room
    assert len(keeping._known) > room


def test_a_memory_that_grows_by_a_line_costs_that_line(small_llama):
    engine = EmbeddedEngine(small_llama)
    engine.choose(memories(12), OPTIONS)
    line, end = engine.count(["Step 12: 40 hours.\n", "How many?"])
    later = engine.choose(memories(13), OPTIONS)
    read = later.prompt_tokens - later.cached_tokens
    template = 10
    assert np.all(read <= line + end + template + BLOCK)
    assert np.all(later.prompt_tokens > 2 * read)


def test_a_prompt_that_comes_again_costs_nothing(small_llama):
    engine = EmbeddedEngine(small_llama)
    first, again = engine.choose(PROMPTS, OPTIONS), engine.choose([*PROMPTS, *PROMPTS], OPTIONS)
    np.testing.assert_array_equal(again.cached_tokens, np.tile(first.prompt_tokens, 2))
    np.testing.assert_array_equal(again.logprob, np.tile(first.logprob, (2, 1)))
    other = EmbeddedEngine(small_llama).choose([*PROMPTS, *PROMPTS], OPTIONS)
    np.testing.assert_array_equal(other.cached_tokens[len(PROMPTS) :], first.prompt_tokens)
    for answer in engine.complete(PROMPTS, DIGIT):
        assert answer.cached_tokens == answer.prompt_tokens


def test_what_is_kept_changes_no_text(small_llama):
    keeping = EmbeddedEngine(small_llama)
    for step in (3, 9):
        keeping.choose(memories(step), OPTIONS)
    fresh, forgetful = EmbeddedEngine(small_llama), EmbeddedEngine(small_llama, cache_bytes=0)
    for name in ("hours", "rates"):
        texts = [
            [answer.texts for answer in engine.complete(memories(10), SCHEMAS[name], samples=2)]
            for engine in (keeping, fresh, forgetful)
        ]
        assert texts[0] == texts[1] == texts[2]


def test_what_was_not_read_to_the_end_is_forgotten(small_llama, monkeypatch):
    engine = EmbeddedEngine(small_llama)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("llm_policy.engines.embedded.known.lay", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.choose(PROMPTS, OPTIONS)
    expected = EmbeddedEngine(small_llama).choose(PROMPTS, OPTIONS)
    found = engine.choose(PROMPTS, OPTIONS)
    np.testing.assert_array_equal(found.logprob, expected.logprob)
    np.testing.assert_array_equal(found.cached_tokens, expected.cached_tokens)


def test_transformers_finds_the_same_scores_after_the_same_tokens(engine, small_llama):
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(small_llama)
    model = LlamaForCausalLM.from_pretrained(small_llama, dtype=torch.float32)
    options = tokenizer.convert_tokens_to_ids(OPTIONS)
    choices = engine.choose(PROMPTS, OPTIONS)
    for row, (shared, personal) in enumerate(PROMPTS):
        chat = [{"role": "system", "content": shared}, {"role": "user", "content": personal}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logprob = model(tokens).logits[0, -1].log_softmax(-1).double().numpy()[options]
        mass = np.exp(logprob).sum()
        np.testing.assert_allclose(choices.logprob[row], logprob - np.log(mass), atol=1e-4)
        np.testing.assert_allclose(choices.leaked[row], 1 - mass, atol=1e-4)
        assert choices.prompt_tokens[row] == tokens.shape[1]


@pytest.fixture(scope="module")
def bytes_llama(tmp_path_factory):
    """A model whose tokens are single bytes, so that numbers are several, with random weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from experiments.training.encoding import save_tokenizer
    from llm_policy.engines.embedded.checkpoint import draw_weights, save_weights
    from llm_policy.engines.embedded.llama import Sizes

    folder = tmp_path_factory.mktemp("bytes")
    special = ["<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({text: place for place, text in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    save_tokenizer(folder, tokenizer)
    sizes = Sizes(len(alphabet), 32, 2, 2, 64, 512)
    weights = draw_weights(sizes, 1)
    save_weights(folder, jax.tree.map(lambda array: 4 * array, weights), sizes, {})
    return folder


def test_all_numbers_of_up_to_three_digits_have_the_chance_that_transformers_finds(bytes_llama):
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    digits = "0123456789"
    options = ["".join(n) for k in (1, 2, 3) for n in itertools.product(digits, repeat=k)]
    prompt = Prompt("Numbers.", "Which?")
    found = EmbeddedEngine(bytes_llama).choose([prompt], options)
    tokenizer = AutoTokenizer.from_pretrained(bytes_llama)
    model = LlamaForCausalLM.from_pretrained(bytes_llama, dtype=torch.float32)
    chat = [{"role": "system", "content": "Numbers."}, {"role": "user", "content": "Which?"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    expected = []
    for length in (1, 2, 3):
        some = [text + option for option in options if len(option) == length]
        tokens = tokenizer(some, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            after = model(tokens).logits.double().log_softmax(-1)[:, -length - 1 :]
        said = after[:, :-1].gather(-1, tokens[:, -length:, None])[..., 0].sum(-1)
        expected.append(said + after[:, -1, tokenizer.eos_token_id])
    chances = torch.cat(expected).exp().numpy()
    mine = np.exp(found.logprob[0]) * (1 - found.leaked[0])
    np.testing.assert_allclose(mine, chances, atol=1e-6)
    assert mine.sum() == pytest.approx(chances.sum(), abs=1e-6)
    assert 0 < mine.sum() < 1


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_texts_are_drawn_with_the_probabilities_that_choose_gives(small_llama, temperature):
    samples, prompts = 1000, PROMPTS[6:8]
    engine = EmbeddedEngine(small_llama, temperature=temperature)
    logprob = engine.choose(prompts, DIGITS).logprob
    for scores, answer in zip(
        logprob, engine.complete(prompts, DIGIT, samples=samples), strict=True
    ):
        counts = collections.Counter(answer.texts)
        drawn = np.array([counts[digit] for digit in DIGITS]) / samples
        if temperature:
            expected = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
        else:
            expected = np.eye(10)[scores.argmax()]
        assert np.all(
            np.abs(drawn - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / samples)
        )


def test_the_nth_text_of_a_prompt_is_the_same_whatever_else_is_asked(small_llama):
    def texts(order, samples, seed=0):
        answers = EmbeddedEngine(small_llama, seed=seed).complete(
            [PROMPTS[place] for place in order], SCHEMAS["hours"], samples=samples
        )
        told = collections.defaultdict(list)
        for place, answer in zip(order, answers, strict=True):
            told[place] += answer.texts
        return dict(told)

    asked_twice, two_samples = texts([*range(6), *range(6)], 1), texts(range(5, -1, -1), 2)
    assert asked_twice == two_samples
    assert any(first != second for first, second in two_samples.values())
    assert texts(range(6), 2, seed=1) != two_samples


def test_an_answer_is_cut_where_it_may_go_no_further(small_llama):
    engine = EmbeddedEngine(small_llama, temperature=0.0)
    thoughtful = schema(changes_answer(7), thought=True)
    whole = engine.complete(PROMPTS[:3], thoughtful)
    for most in (1, 12):
        for answer, cut in zip(
            whole, engine.complete(PROMPTS[:3], thoughtful, max_tokens=most), strict=True
        ):
            assert answer.texts[0].startswith(cut.texts[0].rstrip("\N{REPLACEMENT CHARACTER}"))
            assert answer.texts[0].startswith('{"thought": "')
            assert cut.answer_tokens == most < answer.answer_tokens <= 64


def test_an_answer_without_a_choice_is_given(engine):
    assert engine.complete(PROMPTS[:2], {"const": "yes"}, samples=2)[1].texts == ('"yes"', '"yes"')


def test_other_texts_of_the_same_sizes_compile_nothing(engine, compilations):
    def ask(word):
        prompts = [prompt._replace(personal=word + prompt.personal) for prompt in PROMPTS]
        engine.choose(prompts, OPTIONS)
        engine.complete(prompts, DIGIT)

    ask("Now. ")
    with compilations() as compiled:
        ask("Then. ")
    assert compiled == []


def test_a_run_in_float64_has_the_same_scores(small_llama, x64):
    scores = EmbeddedEngine(small_llama).choose(PROMPTS, OPTIONS)
    assert scores.logprob.dtype == np.float64
    with jax.enable_x64(False):
        other = EmbeddedEngine(small_llama).choose(PROMPTS, OPTIONS)
    np.testing.assert_array_equal(scores.logprob, other.logprob)


def test_what_answers_is_described(engine, small_llama, tmp_path):
    description = engine.describe()
    assert (description.engine, description.dtype) == ("embedded", "float32")
    assert (description.context, description.tokenizer) == (1024, "exact")
    assert (description.noise, description.weights) == (True, "random noise")
    assert description.model == str(small_llama)
    folder = shutil.copytree(small_llama, tmp_path / "formula")
    config = json.loads((folder / "config.json").read_text())
    formula = config | {"econjax_noise": False, "econjax_weights": "imitates a known formula"}
    (folder / "config.json").write_text(json.dumps(formula))
    other = EmbeddedEngine(folder, name="mine").describe()
    assert other.model == "mine"
    assert (other.noise, other.weights) == (False, "imitates a known formula")
    assert other.revision == description.revision


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_read(engine):
    long = Prompt("word " * 1100, "")
    with pytest.raises(
        EngineError, match=r"Prompt 1 has \d+ tokens and its answer up to 64.*holds 1024"
    ):
        engine.complete([PROMPTS[0], long], DIGIT)
    with pytest.raises(
        EngineError, match=r"Prompt 0 has \d+ tokens and its answer up to 1,.*shorten"
    ):
        engine.choose([long], OPTIONS)


def test_what_the_grammar_cannot_say_is_named(engine):
    with pytest.raises(EngineError, match="cannot write under this schema"):
        engine.complete(PROMPTS, {"type": "no such type"})


def test_a_folder_without_a_model_of_the_kind_is_named(small_llama, tmp_path):
    with pytest.raises(
        EngineError, match=rf"no model in '{tmp_path}': config.json, model.safetensors, .* missing"
    ):
        EmbeddedEngine(tmp_path)
    folder = shutil.copytree(small_llama, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    with pytest.raises(
        EngineError, match=r"cannot read the model.*hidden_act 'gelu'.*serve it with vLLM"
    ):
        EmbeddedEngine(folder)


def test_the_template_may_be_a_file_of_its_own(small_llama, tmp_path):
    folder = shutil.copytree(small_llama, tmp_path / "model")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "chat_template.jinja").write_text(config.pop("chat_template"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    engine, other = EmbeddedEngine(small_llama), EmbeddedEngine(folder)
    assert other.describe().chat_template == engine.describe().chat_template
    np.testing.assert_array_equal(
        other.choose(PROMPTS, OPTIONS).logprob, engine.choose(PROMPTS, OPTIONS).logprob
    )


def test_a_tokenizer_that_cannot_end_an_answer_is_named(small_llama, tmp_path):
    folder = shutil.copytree(small_llama, tmp_path / "model")
    (folder / "tokenizer_config.json").write_text("{}")
    config = json.loads((folder / "config.json").read_text())
    EmbeddedEngine(folder)  # config.json says it too
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": None}))
    with pytest.raises(EngineError, match="names no eos_token"):
        EmbeddedEngine(folder)


ALONE = """
import sys

sys.modules |= dict.fromkeys(("torch", "transformers", "vllm"))
from llm_policy.engines.base import Prompt
from llm_policy.engines.embedded.engine import EmbeddedEngine

engine = EmbeddedEngine(sys.argv[1])
prompts = [Prompt("You are a worker.", "How many hours?")]
chosen = engine.choose(prompts, ["0", "10"])
print(chosen.logprob.shape, len(engine.complete(prompts, {"type": "null"})))
"""


def test_nothing_but_jax_is_needed(small_llama):
    result = subprocess.run(
        [sys.executable, "-c", ALONE, small_llama],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.stdout == "(1, 2) 1\n", result.stderr


def test_a_renewed_engine_answers_as_one_that_has_just_been_started(small_llama):
    used, new = EmbeddedEngine(small_llama), EmbeddedEngine(small_llama, seed=5)
    used.complete(PROMPTS, DIGIT)
    used.choose(PROMPTS[::2], DIGITS)
    used.renew(5)
    assert used.complete(PROMPTS, DIGIT, samples=2) == new.complete(PROMPTS, DIGIT, samples=2)
    again, first = used.choose(PROMPTS, DIGITS), new.choose(PROMPTS, DIGITS)
    assert all(np.array_equal(vars(again)[name], vars(first)[name]) for name in vars(first))
    assert used.describe() == new.describe()
