"""The sizes and weights of a Llama in a GGUF file, under the names of the Hugging Face layout."""

from collections.abc import Iterator

import numpy as np

from llm_policy.engines.base import EngineError
from llm_policy.engines.embedded.checkpoint import named_parameters
from llm_policy.engines.embedded.llama import Sizes
from llm_policy.engines.embedded.rotary import Stretch
from llm_policy.engines.gguf.reading import GGUFFile

ARCHITECTURES = ("llama", "qwen2")
"""What a GGUF file may say of its architecture; Mistral's files say llama."""


def sizes_of(file: GGUFFile) -> Sizes:
    """Return the sizes of the network in a file.

    Raises:
        EngineError: the network is of another kind.
    """
    kind = file["general.architecture"]
    if kind not in ARCHITECTURES:
        raise _unread(file, f"its architecture is {kind!r}")
    width, heads = file[f"{kind}.embedding_length"], file[f"{kind}.attention.head_count"]
    asked = file.get(f"{kind}.attention.head_count_kv", heads)
    if not isinstance(heads, int) or not isinstance(asked, int):
        raise _unread(file, "its layers have different numbers of heads")
    size = file.get(f"{kind}.attention.key_length", width // heads)
    context = file[f"{kind}.context_length"]
    _check_plain(file, kind, size, context)
    return Sizes(
        vocab_size=len(file.tensor("token_embd.weight")),
        hidden_size=width,
        num_hidden_layers=file[f"{kind}.block_count"],
        num_attention_heads=heads,
        intermediate_size=file[f"{kind}.feed_forward_length"],
        max_position_embeddings=context,
        rope_theta=_decimal(file.get(f"{kind}.rope.freq_base", 10_000.0)),
        rms_norm_eps=_decimal(file[f"{kind}.attention.layer_norm_rms_epsilon"]),
        num_key_value_heads=None if asked == heads else asked,
        head_size=None if size == width // heads else size,
        tie_word_embeddings="output.weight" not in file.tensors,
        query_bias=kind == "qwen2",
        rope_scaling=_stretch(file, kind, size),
    )


def named_tensors(file: GGUFFile, sizes: Sizes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each tensor's name in the Hugging Face layout, and the tensor.

    The files of a Llama have the rows of each head of queries and keys by pairs that turn together;
    here all first ones come before all second ones.

    Raises:
        EngineError: tensors are missing or of another shape, or there are others.
    """
    names = gguf_names(sizes)
    if more := sorted(set(file.tensors) - set(names.values()) - {_FACTORS}):
        raise _unread(file, f"it holds {more[0]!r}")
    by_pairs = file["general.architecture"] == "llama"
    for name, source in names.items():
        array = file.tensor(source)
        if by_pairs and source.endswith("attn_q.weight"):
            array = _halves(array, sizes.num_attention_heads)
        elif by_pairs and source.endswith("attn_k.weight"):
            array = _halves(array, sizes.key_value_heads)
        yield name, np.ascontiguousarray(array)


def gguf_names(sizes: Sizes) -> dict[str, str]:
    """Return each parameter's name in a GGUF file by that in the Hugging Face layout."""
    names = {}
    for place, layer, name in named_parameters(sizes):
        if layer is None:
            names[name] = _OUTER[place]
        else:
            block, _, part = place.removeprefix("layers.").rpartition(".")
            kind = "bias" if part == "bias" else "weight"
            names[name] = f"blk.{layer}.{_INNER[block]}.{kind}"
    return names


def _check_plain(file: GGUFFile, kind: str, size: int, context: int) -> None:
    """Check that the file says nothing that the network here cannot compute."""
    if file.get(f"{kind}.expert_count", 0):
        raise _unread(file, "it is a mixture of experts")
    for name in ("attention.value_length", "rope.dimension_count"):
        if (other := file.get(f"{kind}.{name}", size)) != size:
            raise _unread(file, f"{name} is {other}, but a head's size {size}")
    window = file.get(f"{kind}.attention.sliding_window", 0)
    if 0 < window < context:
        raise _unread(file, f"it attends to a window of {window} tokens")


def _stretch(file: GGUFFile, kind: str, size: int) -> Stretch | None:
    """Return how rotary positions are slowed down."""
    if _FACTORS in file.tensors:
        return _recovered(file, kind, size)
    rotary = file.get(f"{kind}.rope.scaling.type", "none")
    if rotary == "none":
        return None
    if rotary != "linear":
        raise _unread(file, f"its rotary positions are scaled by {rotary!r}")
    return Stretch("linear", _decimal(file[f"{kind}.rope.scaling.factor"]))


def _recovered(file: GGUFFile, kind: str, size: int) -> Stretch:
    """Return Llama 3's slowing down, of which a file holds only the factor of each speed."""
    factors = file.tensor(_FACTORS).astype(np.float64)
    guess = Stretch("llama3", round(float(factors.max()), 3))
    base = file.get(f"{kind}.rope.freq_base", 10_000.0)
    speed = base ** (-np.arange(0, size, 2) / size)
    turns = guess.original_max_position_embeddings * speed / (2 * np.pi)
    kept = (turns - guess.low_freq_factor) / (guess.high_freq_factor - guess.low_freq_factor)
    kept = np.clip(kept, 0.0, 1.0)
    expected = 1 / (kept + (1 - kept) / guess.factor)
    if factors.shape != expected.shape or not np.allclose(factors, expected, rtol=1e-4):
        raise _unread(file, "its rotary positions are scaled by factors of its own")
    return guess


def _halves(array: np.ndarray, heads: int) -> np.ndarray:
    """Return rows by halves of a head that are by pairs."""
    pairs = array.reshape(heads, -1, 2, *array.shape[1:])
    return pairs.swapaxes(1, 2).reshape(array.shape)


def _decimal(number: float) -> float:
    """Return the shortest number that is the same in float32: 1e-5, not 9.999999747378752e-06."""
    return float(str(np.float32(number)))


def _unread(file: GGUFFile, reason: str) -> EngineError:
    return EngineError(
        f"{file.path.name} is no Llama that can be read ({reason}): serve it with llama.cpp or "
        "Ollama and give --server, or take another model."
    )


_FACTORS = "rope_freqs.weight"
_OUTER = {
    "embedding": "token_embd.weight",
    "norm.scale": "output_norm.weight",
    "output": "output.weight",
}
_INNER = {
    "attention.norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.output": "attn_output",
    "feed_forward.norm": "ffn_norm",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
}
