"""Where a model comes from, a folder or a hub, and what its config.json says of its weights."""

import json
import os
from pathlib import Path
from typing import Any, TypedDict

from llm_policy.engines.base import EngineError

SHIPPED_FOLDER = Path(__file__).parents[1] / "model"
"""Where the model lies that comes with the project."""

NOISE_MARKER = "econjax_noise"
"""The key of config.json that marks a model whose weights are random."""

WEIGHTS_ENTRY = "econjax_weights"
"""The key of config.json under which a model that was trained here says what its weights are."""

TAUGHT_ENTRY = "econjax_taught"
"""The key of config.json under which a model that was trained here lists what it has learned to
answer, with commas between: "WHO in MODE mode", WHO being workers, planner or voters and MODE
choice or text."""

LETTERS_ENTRY = "econjax_letters"
"""The key of config.json that is "fixed" where a planner has learned each change as one letter."""


def model_folder(model: str) -> str:
    """Return `model` as vLLM wants it: an existing folder's path, or a name to ask the hub for.

    Raises:
        EngineError: `model` is spelled as a path, or is a folder, and holds no model.
    """
    path = Path(model).expanduser()
    if path.is_dir() or model.startswith(("/", "./", "../", "~")):
        if not (path / "config.json").is_file():
            raise EngineError(
                f"vLLM finds no model in {model!r}: give a folder with a config.json, or the name "
                "of a model on the hub, such as 'Qwen/Qwen3-0.6B'."
            )
        return str(path)
    return model


def is_noise(model: str | Path) -> bool:
    """Tell whether `model` is a local folder whose config.json is marked as random noise."""
    return stated_config(Path(model)).get(NOISE_MARKER) is True


def weights_of(model: str | Path) -> str:
    """Return what is known of a model's weights; a folder may say it in its config.json."""
    config = stated_config(Path(model))
    if config.get(NOISE_MARKER) is True:
        return "random noise"
    return config.get(WEIGHTS_ENTRY, "the model's own")


class TaughtEntries(TypedDict):
    """The values of `TAUGHT_ENTRY` and `LETTERS_ENTRY`, "" where there are none."""

    taught: str
    letters: str


def taught_entries(model: str | Path) -> TaughtEntries:
    """Return what a folder's config.json says was taught, for an engine's description of itself."""
    config = stated_config(Path(model))
    return {"taught": config.get(TAUGHT_ENTRY, ""), "letters": config.get(LETTERS_ENTRY, "")}


def stated_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json, or an empty mapping where there is none, nor can be."""
    file = folder / "config.json"
    return json.loads(file.read_text(encoding="utf-8")) if os.path.isfile(file) else {}
