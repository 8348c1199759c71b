"""Models of the Llama family in the Hugging Face layout, which vLLM and transformers load too."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from llm_policy.engines.embedded.llama import Llama, Sizes, Weights
from llm_policy.engines.embedded.rotary import Stretch

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
"""Says which of several files holds which weights, where there is no `WEIGHTS_FILE`."""


def save_weights(folder: Path, weights: Weights, sizes: Sizes, more: Mapping[str, Any]) -> None:
    """Write model.safetensors (bfloat16) and config.json, with `more` entries, into `folder`."""
    flat = jax.tree.map(np.asarray, flatten_dict(weights, sep="."))
    tensors = {
        name: _turned(place, flat[place] if layer is None else flat[place][layer])
        for place, layer, name in named_parameters(sizes)
    }
    halves = {name: array.astype(jnp.bfloat16) for name, array in tensors.items()}
    save_file(halves, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    config = json.dumps({**config_of(sizes), **more}, indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")


def load_weights(folder: Path) -> tuple[Weights, Sizes]:
    """Return the float32 weights and the sizes of a Llama, Mistral or Qwen2.

    Weights may be in float32, float16 or bfloat16, in one file or in several with an index.

    Raises:
        ValueError: the model is of another kind, or a file is not whole.
    """
    sizes = load_sizes(folder)
    wanted = list(named_parameters(sizes))
    found = _read(folder, {name for _, _, name in wanted})
    flat: dict[str, Any] = {}
    for place, layer, name in wanted:
        array = _turned(place, found.pop(name)).astype(np.float32)
        flat[place] = array if layer is None else [*flat.get(place, []), array]
    stacked = {
        place: jnp.asarray(np.stack(value) if isinstance(value, list) else value, jnp.float32)
        for place, value in flat.items()
    }
    return unflatten_dict(stacked, sep="."), sizes


def load_sizes(folder: Path) -> Sizes:
    """Return the sizes of a Llama, Mistral or Qwen2, which its config.json states.

    Raises:
        ValueError: the model is of another kind.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if reasons := list(_unread(config)):
        raise ValueError(
            f"{folder} is no Llama that can be read ({'; '.join(reasons)}): serve it with vLLM."
        )
    return _sizes(config)


def draw_weights(sizes: Sizes, seed: int = 0) -> Weights:
    """Return random float32 weights of these sizes, drawn on the device."""
    one = jnp.ones((1, 1), jnp.int32)
    with jax.enable_x64(False):
        return jax.jit(Llama(sizes).init)(jax.random.key(seed), one[..., None], one)["params"]


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a folder's weights, none if there are no weights."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if not (folder / INDEX_FILE).is_file():
        return []
    index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    return [folder / name for name in sorted(set(index["weight_map"].values()))]


def config_of(sizes: Sizes, dtype: str = "bfloat16") -> dict[str, Any]:
    """Return the config.json of a model of these sizes, whose weights are in `dtype`."""
    kind = "Qwen2" if sizes.query_bias and not sizes.output_bias else "Llama"
    config = {
        "architectures": [f"{kind}ForCausalLM"],
        "model_type": kind.lower(),
        "dtype": dtype,
        "hidden_act": "silu",
        "attention_bias": sizes.query_bias,
        "mlp_bias": sizes.mlp_bias,
        "tie_word_embeddings": sizes.tie_word_embeddings,
        **{name: getattr(sizes, name) for name in (*_NEEDED, "rope_theta", "rms_norm_eps")},
        "num_key_value_heads": sizes.key_value_heads,
    }
    if sizes.head_size:
        config["head_dim"] = sizes.head_size
    if sizes.rope_scaling:
        config["rope_scaling"] = sizes.rope_scaling._asdict()
    return config


def named_parameters(sizes: Sizes) -> Iterator[tuple[str, int | None, str]]:
    """Yield each parameter's place in the network, its layer, and its name in the file."""
    yield "embedding", None, "model.embed_tokens.weight"
    yield "norm.scale", None, "model.norm.weight"
    if not sizes.tie_word_embeddings:
        yield "output", None, "lm_head.weight"
    biased = {
        "self_attn.q_proj": sizes.query_bias,
        "self_attn.k_proj": sizes.query_bias,
        "self_attn.v_proj": sizes.query_bias,
        "self_attn.o_proj": sizes.output_bias,
        **dict.fromkeys(("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"), sizes.mlp_bias),
    }
    for place, name in _INNER.items():
        for layer in range(sizes.num_hidden_layers):
            kind = "scale" if place.endswith("norm") else "kernel"
            yield f"layers.{place}.{kind}", layer, f"model.layers.{layer}.{name}.weight"
            if biased.get(name):
                yield f"layers.{place}.bias", layer, f"model.layers.{layer}.{name}.bias"


def _read(folder: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """Return the tensors called so, after checking that the files hold no others."""
    found: dict[str, np.ndarray] = {}
    try:
        with ExitStack() as stack:
            for file in weight_files(folder):
                tensors = stack.enter_context(safe_open(file, framework="numpy"))
                names = tensors.keys()
                for name in names:
                    if name in wanted:
                        found[name] = tensors.get_tensor(name)
                    elif not name.endswith(_NEEDLESS):
                        raise ValueError(
                            f"{file} holds {name!r}, which a model of this config.json does not "
                            "have: serve it with vLLM."
                        )
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder} holds no whole weights ({error}): copy them again.") from error
    if missing := sorted(wanted - set(found)):
        raise ValueError(f"{folder} has no weights called {missing[0]!r}: copy them again.")
    return found


def _unread(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of a model the network here cannot compute."""
    kind, context = config.get("model_type"), config.get("max_position_embeddings", 0)
    window = config.get("sliding_window", 4096) if kind == "mistral" else None
    if kind == "qwen2" and config.get("use_sliding_window"):
        window = config.get("sliding_window")
    if kind not in _KINDS:
        yield f"model_type {kind!r}"
    if (activation := config.get("hidden_act", "silu")) != "silu":
        yield f"hidden_act {activation!r}"
    if window is not None and window < context:
        yield f"sliding_window {window}"
    if quantised := config.get("quantization_config"):
        yield f"quantization_config {quantised.get('quant_method')!r}"
    if (part := config.get("partial_rotary_factor", 1.0)) != 1:
        yield f"partial_rotary_factor {part}"
    if (rotary := _rotary(config)["rope_type"]) not in ("default", "linear", "llama3"):
        yield f"rope_type {rotary!r}"
    if missing := [name for name in _NEEDED if name not in config]:
        yield f"no {', '.join(missing)} in config.json"


def _sizes(config: Mapping[str, Any]) -> Sizes:
    rotary, heads = _rotary(config), config["num_attention_heads"]
    asked, size = config.get("num_key_value_heads") or heads, config.get("head_dim")
    query_bias = config["model_type"] == "qwen2" or config.get("attention_bias", False)
    kept = {name: rotary[name] for name in Stretch._fields if name in rotary}
    return Sizes(
        **{name: config[name] for name in _NEEDED},
        rope_theta=rotary["rope_theta"],
        rms_norm_eps=config.get("rms_norm_eps", 1e-6),
        num_key_value_heads=None if asked == heads else asked,
        head_size=None if size in (None, config["hidden_size"] // heads) else size,
        tie_word_embeddings=config.get("tie_word_embeddings", False),
        query_bias=query_bias,
        output_bias=query_bias and config["model_type"] != "qwen2",
        mlp_bias=config.get("mlp_bias", False),
        rope_scaling=None if rotary["rope_type"] == "default" else Stretch(**kept),
    )


def _rotary(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config.json of any age says of rotary positions."""
    stated = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return {
        "rope_theta": config.get("rope_theta", 10_000.0),
        "rope_type": stated.get("type", "default"),
        **stated,
    }


_KINDS = ("llama", "mistral", "qwen2")
_NEEDED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
_NEEDLESS = ("rotary_emb.inv_freq", "lm_head.weight")
_INNER = {
    "attention.norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "feed_forward.norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}


def _turned(place: str, array: np.ndarray) -> np.ndarray:
    """Return a parameter as the other side stores it: inputs are first here, last in the file."""
    return np.ascontiguousarray(array.swapaxes(-1, -2)) if place.endswith("kernel") else array
