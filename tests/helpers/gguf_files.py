"""Small GGUF files, written as llama.cpp's converter writes them."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quantize
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llm_policy.engines.embedded.checkpoint import draw_weights, named_parameters
from llm_policy.engines.embedded.llama import Sizes, Weights
from llm_policy.engines.embedded.random_weights import CORPUS
from llm_policy.engines.gguf.network import gguf_names

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "<|im_start|>system\nYou help.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = Sizes(600, 64, 2, 4, 96, 2048, num_key_value_heads=2)


@functools.cache
def random_weights(sizes: Sizes) -> Weights:
    """Return weights of which none is the same as another."""
    drawn = draw_weights(sizes)
    leaves, tree = jax.tree.flatten(drawn)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [
        0.05 * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.map(jnp.add, drawn, tree.unflatten(noise))


def byte_level(cut: pre_tokenizers.PreTokenizer, *, words: int = 600) -> Tokenizer:
    """Return a byte-level tokenizer of so many words, trained on texts that are cut by `cut`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cut
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def digits_apart() -> pre_tokenizers.PreTokenizer:
    """Return how SmolLM cuts a text."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )


def write_gguf(
    path: Path,
    sizes: Sizes = SIZES,
    *,
    weights: Weights | None = None,
    tokenizer: Tokenizer | None = None,
    pre: str = "smollm",
    numbers: str = "F32",
    says: Mapping[str, Any] | None = None,
    silent: Sequence[str] = (),
    more: Mapping[str, np.ndarray] | None = None,
    without: Sequence[str] = (),
) -> Path:
    """Return `path`, where a GGUF file now is.

    Matrices are in `numbers`. What it `says` under further keys, or others, comes on top of what a
    file of these sizes says; `silent` keys are left out, `more` tensors added, others left out.
    """
    kind = "qwen2" if sizes.query_bias else "llama"
    writer = GGUFWriter(path, kind)
    said = {**_network(kind, sizes), **_vocabulary(tokenizer or byte_level(digits_apart()), pre)}
    for key, value in (said | dict(says or {})).items():
        if key in silent:
            continue
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_string(key, value)
    drawn = random_weights(sizes) if weights is None else weights
    tensors = _tensors(sizes, drawn, by_pairs=kind == "llama") | dict(more or {})
    for name, array in tensors.items():
        if name in without:
            continue
        if array.ndim == 1 or numbers == "F32":
            writer.add_tensor(name, array)
        else:
            how = GGMLQuantizationType[numbers]
            writer.add_tensor(name, quantize(array, how), raw_dtype=how)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _network(kind: str, sizes: Sizes) -> dict[str, Any]:
    said = {
        "context_length": sizes.max_position_embeddings,
        "embedding_length": sizes.hidden_size,
        "block_count": sizes.num_hidden_layers,
        "feed_forward_length": sizes.intermediate_size,
        "attention.head_count": sizes.num_attention_heads,
        "attention.head_count_kv": sizes.key_value_heads,
        "attention.key_length": sizes.head_dim,
        "attention.value_length": sizes.head_dim,
        "attention.layer_norm_rms_epsilon": sizes.rms_norm_eps,
        "rope.freq_base": sizes.rope_theta,
        "rope.dimension_count": sizes.head_dim,
    }
    return {f"{kind}.{key}": value for key, value in said.items()}


def _vocabulary(tokenizer: Tokenizer, pre: str) -> dict[str, Any]:

    words = tokenizer.get_vocab()
    ordered = sorted(words, key=words.__getitem__)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": ordered,
        "tokenizer.ggml.token_type": [3 if word in SPECIAL else 1 for word in ordered],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in merges],
        "tokenizer.ggml.bos_token_id": words["<|im_start|>"],
        "tokenizer.ggml.eos_token_id": words["<|im_end|>"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def _tensors(sizes: Sizes, weights: Weights, *, by_pairs: bool) -> dict[str, np.ndarray]:
    """Return the weights under their names in the file, in its layout."""
    from flax.traverse_util import flatten_dict

    flat, names, tensors = flatten_dict(weights, sep="."), gguf_names(sizes), {}
    for place, layer, name in named_parameters(sizes):
        array = np.asarray(flat[place] if layer is None else flat[place][layer])
        array = array.T if place.endswith("kernel") else array
        heads = {"query": sizes.num_attention_heads, "key": sizes.key_value_heads}
        part = place.split(".")[-2] if "." in place else ""
        if by_pairs and part in heads:
            halves = array.reshape(heads[part], 2, -1, *array.shape[1:])
            array = halves.swapaxes(1, 2).reshape(array.shape)
        tensors[names[name]] = np.ascontiguousarray(array)
    return tensors
