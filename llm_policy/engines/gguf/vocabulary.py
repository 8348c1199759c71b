"""The tokenizer in a GGUF file, under the names of the Hugging Face layout."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from llm_policy.engines.base import EngineError
from llm_policy.engines.gguf.reading import GGUFFile


class _Split(NamedTuple):
    """How text is cut before a byte-level vocabulary is looked up, and what more is special."""

    cut: pre_tokenizers.PreTokenizer
    normalizer: normalizers.Normalizer | None = None
    whole_words: bool = False  # a piece that is a token is one, whatever the merges say
    begins: bool = False  # a text begins with a token of its own, unless the file says otherwise


def tokenizer_of(file: GGUFFile) -> Tokenizer:
    """Return the tokenizer of a file.

    Raises:
        EngineError: the file says of it what cannot be followed exactly.
    """
    kind = file["tokenizer.ggml.model"]
    if kind not in ("gpt2", "llama"):
        raise _unread(file, f"of kind {kind!r}", "gpt2, llama")
    words, kinds = file["tokenizer.ggml.tokens"], file.get("tokenizer.ggml.token_type", [])
    tokenizer, begins = _byte_level(file, words) if kind == "gpt2" else _by_scores(file, words)
    begin = file.get("tokenizer.ggml.bos_token_id", None)
    if file.get("tokenizer.ggml.add_bos_token", begins) and begin is not None:
        tokenizer.post_processor = TemplateProcessing(
            single=f"{words[begin]} $A", special_tokens=[(words[begin], begin)]
        )
    for special, added in ((True, _CONTROL), (False, _USER_DEFINED)):
        found = [word for word, kind in zip(words, kinds, strict=False) if kind == added]
        tokens = [AddedToken(word, normalized=False, special=special) for word in found]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(tokens)
    return tokenizer


def special_tokens(file: GGUFFile) -> dict[str, int]:
    """Return the number of each special token that a file names, such as `eos_token`.

    Raises:
        EngineError: none ends an answer.
    """
    tokens = {name: int(file[key]) for name, key in _SPECIAL.items() if key in file}
    if "eos_token" not in tokens:
        raise EngineError(
            f"{file.path.name} names no token that ends an answer (tokenizer.ggml.eos_token_id): "
            "take another conversion of the model."
        )
    return tokens


def chat_template(file: GGUFFile) -> str:
    """Return the chat template of a file.

    Raises:
        EngineError: there is none.
    """
    template = file.get("tokenizer.chat_template", "")
    if not template:
        raise EngineError(
            f"{file.path.name} has no chat template (tokenizer.chat_template): take a version of "
            "the model that is made for chats, often called instruct."
        )
    return template


def _byte_level(file: GGUFFile, words: Sequence[str]) -> tuple[Tokenizer, bool]:
    """Return a tokenizer of bytes that merges rank, and whether texts begin with a token."""
    split = _splits().get(name := file.get("tokenizer.ggml.pre", "default"))
    if split is None:
        raise _unread(file, f"that splits text as {name!r}", ", ".join(_splits()))
    merges = [tuple(merge.split(" ", 1)) for merge in file["tokenizer.ggml.merges"]]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=split.whole_words))
    if split.normalizer is not None:
        tokenizer.normalizer = split.normalizer
    tokenizer.pre_tokenizer = split.cut
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, split.begins


def _by_scores(file: GGUFFile, words: Sequence[str]) -> tuple[Tokenizer, bool]:
    """Return a tokenizer of characters, as SentencePiece has it, that joins by a word's score.

    Two pieces are joined if together they are a word, those of the highest score first; what is no
    word is spelled in bytes.
    """
    numbers = {word: number for number, word in enumerate(words)}
    pairs = [
        (score, word[:cut], word[cut:])
        for word, score in zip(words, file["tokenizer.ggml.scores"], strict=True)
        for cut in range(1, len(word))
        if word[:cut] in numbers and word[cut:] in numbers
    ]
    pairs.sort(key=lambda pair: (-pair[0], numbers[pair[1]], numbers[pair[2]]))
    unknown = words[file.get("tokenizer.ggml.unknown_token_id", 0)]
    merges = [(first, second) for _, first, second in pairs]
    model = models.BPE(numbers, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    tokenizer, begins = Tokenizer(model), file.get("tokenizer.ggml.add_space_prefix", True)
    spaces = normalizers.Replace(" ", _SPACE)
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if begins else spaces
    )
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] * begins)])
    return tokenizer, True


def _splits() -> Mapping[str, _Split]:
    """Return what is known of the names that files use, which are llama.cpp's."""
    bytes_, words = (
        pre_tokenizers.ByteLevel(False, use_regex=False),
        pre_tokenizers.ByteLevel(False),
    )

    def pattern(regex: str) -> Any:
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), bytes_])

    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
    llama = _Split(pattern(_LLAMA_3.format("{1,3}")), whole_words=True, begins=True)
    qwen = _Split(pattern(_LLAMA_3.format("")), normalizers.NFC())
    return {
        "gpt-2": _Split(words),
        "smollm": _Split(digits),
        "llama-bpe": llama,
        "llama3": llama,
        "llama-v3": llama,
        "qwen2": qwen,
        "deepseek-r1-qwen": qwen,
    }


def _unread(file: GGUFFile, what: str, known: str) -> EngineError:
    return EngineError(
        f"{file.path.name} has a tokenizer {what}, and what can be followed exactly is {known}: "
        "take the model's own folder and vLLM, or serve the file with llama.cpp and give --server."
    )


_CONTROL, _USER_DEFINED = 3, 4
_SPACE = "▁"
_SPECIAL = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
    "eot_token": "tokenizer.ggml.eot_token_id",
}
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
