"""A GGUF file, as the `gguf` package reads it: what it says, and its tensors as numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from llm_policy.engines.base import EngineError

try:
    from gguf import GGMLQuantizationType, GGUFReader, dequantize
except ImportError as error:
    raise ImportError(
        f"Reading a GGUF file needs {error.name}: pip install 'econjax[gguf]'", name=error.name
    ) from error


class GGUFFile:
    """What a GGUF file says under its keys, and its `tensors`, last axis first as in the file.

    Raises:
        EngineError: there is no such file, or it is no whole GGUF file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise EngineError(f"There is no file {str(path)!r}: give the path of a GGUF file.")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise EngineError(
                    f"{path.name} is no GGUF file (it does not begin with 'GGUF'): give a GGUF "
                    "file, or a folder with a config.json."
                )
        try:
            self._reader = GGUFReader(path)
        except (ValueError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
            raise EngineError(
                f"{path.name} is no whole GGUF file ({error}): copy or download it again."
            ) from error
        self.tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def __contains__(self, key: str) -> bool:
        return key in self._reader.fields

    def __getitem__(self, key: str) -> Any:
        """Return what the file says under a key.

        Raises:
            EngineError: it says nothing there.
        """
        field = self._reader.fields.get(key)
        if field is None:
            raise EngineError(
                f"{self.path.name} says nothing under {key!r}: convert the model again with a "
                "current convert_hf_to_gguf.py of llama.cpp."
            )
        return field.contents()

    def get(self, key: str, default: Any) -> Any:
        """Return what the file says under a key, else `default`."""
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()

    def tensor(self, name: str) -> np.ndarray:
        """Return a tensor: 16 and 32 bit numbers as they are, quantised ones in float32.

        Raises:
            EngineError: there is no such tensor.
        """
        if name not in self.tensors:
            raise EngineError(
                f"{self.path.name} has no tensor {name!r}: copy or download it again."
            )
        tensor = self.tensors[name]
        kind, shape = tensor.tensor_type, tuple(int(size) for size in reversed(tensor.shape))
        if kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
            return np.asarray(tensor.data).reshape(shape)
        if kind == GGMLQuantizationType.BF16:
            return np.ascontiguousarray(tensor.data).view(bfloat16).reshape(shape)
        try:
            return dequantize(tensor.data, kind).reshape(shape)
        except NotImplementedError as error:
            raise EngineError(
                f"{self.path.name} is quantised in a way that gguf cannot read ({kind.name}): "
                "take the model in another quantisation."
            ) from error

    def kinds(self, names: Sequence[str]) -> list[str]:
        """Return in which kinds of numbers some tensors are, such as Q4_1."""
        return sorted({self.tensors[name].tensor_type.name for name in names})
