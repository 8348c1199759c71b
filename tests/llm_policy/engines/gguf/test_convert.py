"""Small files of the kinds that are read, and all that is refused."""

import json
import shutil
import sys
import threading

import jax
import numpy as np
import pytest
from gguf import GGMLQuantizationType, dequantize, quantize
from tokenizers import Regex, pre_tokenizers

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.embedded.checkpoint import load_weights, named_parameters
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.engines.embedded.llama import Llama, logits
from llm_policy.engines.embedded.random_weights import CORPUS
from llm_policy.engines.embedded.rotary import Stretch
from llm_policy.engines.embedded.tokenizer import Tokens
from llm_policy.engines.gguf import folder as folders
from llm_policy.engines.gguf.folder import Package, convert, local_model
from tests.helpers.gguf_files import SIZES, byte_level, digits_apart, random_weights, write_gguf

FAMILY = {
    "grouped": SIZES,
    "as many keys as heads": SIZES._replace(num_key_value_heads=None),
    "own head size": SIZES._replace(head_size=32),
    "own output": SIZES._replace(tie_word_embeddings=False),
    "qwen2": SIZES._replace(query_bias=True),
    "base": SIZES._replace(rope_theta=100_000.0, rms_norm_eps=1e-6),
}
TEXTS = [
    "You work 40 hours; 1,255 dollars a year, 12.5 % tax.",
    "Ärger über 2024 €: it's  two   spaces,\n\n tabs\tand 日本語 ½ ٣٤.",
    "<|im_start|>user\nHow many?<|im_end|>\n",
    " 7", "  7", "", "\n", "x=3**2 // 'll WE'LL I'm",
]  # fmt: skip


@pytest.fixture
def converted(tmp_path):
    """Return a function that writes a file, converts it, and returns the folder."""

    def make(*args, **options):
        folder = tmp_path / "folder"
        folder.mkdir()
        convert(write_gguf(tmp_path / "model.gguf", *args, **options), folder)
        return folder

    return make


@pytest.mark.parametrize("kind", FAMILY)
def test_weights_come_back_as_they_were_written(kind, converted):
    weights = random_weights(FAMILY[kind])
    found, sizes = load_weights(converted(FAMILY[kind], weights=weights))
    assert sizes == FAMILY[kind]
    jax.tree.map(np.testing.assert_array_equal, found, dict(weights))


@pytest.mark.parametrize(("numbers", "kept"), [("F16", "float16"), ("BF16", "bfloat16")])
def test_sixteen_bits_stay_as_they_are(numbers, kept, converted):
    folder = converted(numbers=numbers)
    found, _ = load_weights(folder)
    how = GGMLQuantizationType[numbers]
    embedding = np.asarray(random_weights(SIZES)["embedding"])
    np.testing.assert_array_equal(found["embedding"], dequantize(quantize(embedding, how), how))
    assert json.loads((folder / "config.json").read_text())["dtype"] == kept
    size = 2 * sum(leaf.size for leaf in jax.tree.leaves(found))
    assert size < (folder / "model.safetensors").stat().st_size < 1.1 * size + 4000


@pytest.mark.parametrize("kind", ["grouped", "qwen2"])
@pytest.mark.parametrize("numbers", ["F32", "Q8_0", "Q4_1"])
def test_transformers_finds_the_same_scores_in_the_file_itself(kind, numbers, converted, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    folder = converted(FAMILY[kind], numbers=numbers)
    options = {"gguf_file": "model.gguf", "dtype": torch.float32}
    model = AutoModelForCausalLM.from_pretrained(tmp_path, **options)
    tokens = np.random.default_rng(0).integers(0, SIZES.vocab_size, (3, 12))
    with torch.no_grad():
        expected = model(torch.tensor(tokens)).logits.numpy()
    weights, sizes = load_weights(folder)
    read = jax.jit(lambda *args: Llama(sizes).apply({"params": weights}, *args)[0])
    states = read(tokens[None], np.full((1, 3), 12))
    np.testing.assert_allclose(logits(weights, states)[0], expected, atol=1e-4)


def llama3_factors(size, factor):
    """Return the factors of Llama 3.1's speeds, by its published code's three cases."""
    wavelengths = 2 * np.pi * 500_000.0 ** (np.arange(0, size, 2) / size)
    smooth = (8192 / wavelengths - 1) / 3
    between = 1 / ((1 - smooth) / factor + smooth)
    cases = [wavelengths < 8192 / 4, wavelengths > 8192]
    return np.select(cases, [np.ones(size // 2), np.full(size // 2, factor)], between)


def test_the_factors_of_llama_3_are_recognised(converted):
    sizes = SIZES._replace(head_size=64, rope_theta=500_000.0)
    factors = {"rope_freqs.weight": llama3_factors(64, 8.0).astype(np.float32)}
    _, found = load_weights(converted(sizes, more=factors))
    assert found == sizes._replace(rope_scaling=Stretch("llama3", 8.0, 1.0, 4.0, 8192))


def test_linear_scaling_is_kept(converted):
    said = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    _, found = load_weights(converted(says=said))
    assert found == SIZES._replace(rope_scaling=Stretch("linear", 4.0))


def cut_as(name):
    """Return how text is cut under a name, as another reader of GGUF files has it."""
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if name == "smollm":
        return digits_apart()
    split = pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[name]), behavior="isolated")
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, whole])


@pytest.mark.parametrize("pre", ["smollm", "llama-bpe", "qwen2"])
def test_texts_have_the_tokens_of_the_tokenizer_that_was_written(pre, converted):
    tokenizer = byte_level(cut_as(pre))
    folder = converted(tokenizer=tokenizer, pre=pre)
    read = Tokens(folder)
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        (tokens,) = read([text], add_special_tokens=False)["input_ids"]
        assert tokens == tokenizer.encode(text, add_special_tokens=False).ids
        assert tokens == other.encode(text, add_special_tokens=False)
        assert read.tokenizer.decode(tokens, skip_special_tokens=False) == text
    assert read.end == tokenizer.token_to_id("<|im_end|>")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A SentencePiece model with byte fallback, as Llama 2 and Mistral have."""
    import sentencepiece

    model = tmp_path_factory.mktemp("spm") / "model"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(model),
        model_type="bpe",
        vocab_size=600,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(f"{model}.model")


def vocabulary_of(sentences):
    places = range(sentences.vocab_size())
    kinds = [
        (3 if sentences.is_control(place) else 2 if sentences.is_unknown(place) else 6)
        if place < 259
        else 1
        for place in places
    ]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [sentences.id_to_piece(place) for place in places],
        "tokenizer.ggml.scores": [sentences.get_score(place) for place in places],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": sentences.bos_id(),
        "tokenizer.ggml.eos_token_id": sentences.eos_id(),
        "tokenizer.ggml.unknown_token_id": sentences.unk_id(),
        "tokenizer.ggml.add_bos_token": True,
    }


def test_texts_have_the_tokens_that_sentencepiece_finds(sentences, converted):
    engine = EmbeddedEngine(converted(says=vocabulary_of(sentences)))
    texts = [*(text for text in TEXTS if "<|" not in text), *CORPUS[:60]]
    assert engine._chat.tokens(texts) == [sentences.encode(text) for text in texts]
    for text in texts:
        assert engine._tokenizer.decode(sentences.encode(text)) == text
    hours = {"type": "object", "properties": {"hours": {"type": "integer"}}, "required": ["hours"]}
    (answer,) = engine.complete([Prompt("You work.", "How many hours?")], hours, max_tokens=60)
    assert answer.texts[0].startswith('{"hours": ')


def test_a_begin_token_comes_where_the_file_says_so(converted, tmp_path):
    plain = Tokens(converted())
    (tmp_path / "folder").rename(tmp_path / "plain")
    begun = Tokens(converted(says={"tokenizer.ggml.add_bos_token": True}))
    (with_it,) = begun(["40 hours"], add_special_tokens=True)["input_ids"]
    (without,) = plain(["40 hours"], add_special_tokens=True)["input_ids"]
    assert with_it == [begun.tokenizer.token_to_id("<|im_start|>"), *without]


def test_both_ways_of_ending_an_answer_are_kept(converted):
    folder = converted(says={"tokenizer.ggml.eot_token_id": 0})
    tokens = Tokens(folder)
    assert tokens.ends == [tokens.tokenizer.token_to_id("<|im_end|>"), 0]


def test_the_engine_answers_in_the_chat_form_of_the_file(converted):
    engine = EmbeddedEngine(converted())
    prompt = Prompt("You are a worker.", "How many hours?")
    (tokens,) = engine._chat.encode([prompt])
    assert engine._tokenizer.decode(tokens, skip_special_tokens=False) == (
        "<|im_start|>system\nYou are a worker.<|im_end|>\n<|im_start|>user\nHow many hours?"
        "<|im_end|>\n<|im_start|>assistant\n"
    )
    described = engine.describe()
    assert described.weights.endswith("from model.gguf (F32), converted to float32")
    assert not described.noise


REFUSED = {
    "architecture": ({"says": {"general.architecture": "gemma3"}}, "its architecture is 'gemma3'"),
    "experts": ({"says": {"llama.expert_count": 8}}, "it is a mixture of experts"),
    "window": ({"says": {"llama.attention.sliding_window": 128}}, "a window of 128 tokens"),
    "rotary part": ({"says": {"llama.rope.dimension_count": 8}}, "dimension_count is 8"),
    "yarn": ({"says": {"llama.rope.scaling.type": "yarn"}}, "scaled by 'yarn'"),
    "factors": ({"more": {"rope_freqs.weight": np.full(8, 3.0, np.float32)}}, "factors of its own"),
    "other tensors": (
        {"more": {"blk.0.attn_q_norm.weight": np.ones(16, np.float32)}},
        "it holds 'blk.0.attn_q_norm.weight'",
    ),
    "fewer tensors": ({"without": ["blk.1.ffn_up.weight"]}, "has no tensor 'blk.1.ffn_up.weight'"),
    "no width": ({"silent": ["llama.embedding_length"]}, "nothing under 'llama.embedding_length'"),
    "sentencepiece": ({"says": {"tokenizer.ggml.model": "bert"}}, "a tokenizer of kind 'bert'"),
    "cut": ({"pre": "starcoder"}, "splits text as 'starcoder'.*smollm, llama-bpe"),
    "no template": ({"silent": ["tokenizer.chat_template"]}, "no chat template"),
    "no end": ({"silent": ["tokenizer.ggml.eos_token_id"]}, "no token that ends an answer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_exactly_is_refused_by_name(case, tmp_path):
    options, reason = REFUSED[case]
    file = write_gguf(tmp_path / "model.gguf", **options)
    with pytest.raises(EngineError, match=rf"^model\.gguf .*{reason}.*: \w"):
        local_model(str(file), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.999])
def test_a_file_cut_short_is_named(share, tmp_path):
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: max(int(share * len(whole)), 5)])
    with pytest.raises(EngineError, match=r"cut\.gguf is no whole GGUF file .*again\."):
        local_model(str(tmp_path / "cut.gguf"), cache=tmp_path)
    with pytest.raises(EngineError, match=r"no file '.*gone\.gguf': give the path"):
        local_model(str(tmp_path / "gone.gguf"), cache=tmp_path)
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(EngineError, match=r"text\.gguf is no GGUF file .*: give a GGUF"):
        local_model(str(tmp_path / "text.gguf"), cache=tmp_path)


def test_a_context_shorter_than_a_prompt_is_named(converted):
    engine = EmbeddedEngine(converted(SIZES._replace(max_position_embeddings=32)))
    with pytest.raises(EngineError, match=r"Prompt 0 has \d+ tokens.*holds 32: shorten"):
        engine.choose([Prompt("You work. " * 40, "How many hours?")], ["A"])


def test_a_model_that_is_not_installed_is_named_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(folders.PACKAGED, "elsewhere", Package("no_such_package", "pip this"))
    with pytest.raises(EngineError, match=r"no_such_package.*not installed: pip this, or .*\[smol"):
        local_model("elsewhere", cache=tmp_path)
    monkeypatch.setitem(sys.modules, "gguf", None)
    for name in [name for name in sys.modules if name.startswith("llm_policy.engines.gguf.")]:
        monkeypatch.delitem(sys.modules, name)
    file = write_gguf(tmp_path / "model.gguf")
    with pytest.raises(ImportError, match=r"needs gguf: pip install 'econjax\[gguf\]'"):
        convert(file, tmp_path)


def test_a_file_is_converted_once_and_known_by_what_it_holds(tmp_path):
    file = write_gguf(tmp_path / "model.gguf")
    folder = local_model(str(file), cache=tmp_path / "cache")
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    shutil.copy(file, tmp_path / "copy").rename(file)
    assert local_model(str(file), cache=tmp_path / "cache") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    write_gguf(file, weights=jax.tree.map(lambda leaf: -leaf, random_weights(SIZES)))
    assert local_model(str(file), cache=tmp_path / "cache") != folder


def test_what_was_interrupted_is_not_believed(tmp_path, monkeypatch):
    file, cache = write_gguf(tmp_path / "model.gguf"), tmp_path / "cache"
    with monkeypatch.context() as patch:
        patch.setattr(
            folders, "_write_weights", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            local_model(str(file), cache=cache)
    assert list(cache.iterdir()) == []
    load_weights(local_model(str(file), cache=cache))


def test_who_convert_at_once_get_the_same_whole_folder(tmp_path):
    file, cache, found = write_gguf(tmp_path / "model.gguf"), tmp_path / "cache", []
    both = threading.Barrier(3)

    def start():
        both.wait()
        found.append(local_model(str(file), cache=cache))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert set(found) == set(cache.iterdir())
    load_weights(found[0])


def test_much_is_written_in_several_files(monkeypatch, converted):
    monkeypatch.setattr(folders, "_FILE_BYTES", 100_000)
    folder = converted()
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    found, sizes = load_weights(folder)
    jax.tree.map(np.testing.assert_array_equal, found, dict(random_weights(SIZES)))
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(index) == {name for _, _, name in named_parameters(sizes)}
    EmbeddedEngine(folder).count(["40 hours"])
