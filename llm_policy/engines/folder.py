"""Whether a model is a folder here, or a name on a hub."""

from pathlib import Path

from llm_policy.engine import EngineError


def model_folder(model: str) -> str:
    """Return `model` as vLLM wants it: the path of an existing folder, or a name to ask the hub for.

    Raises:
        EngineError: `model` is spelled as a path, or is a folder, and holds no model.
    """
    path = Path(model).expanduser()
    if path.is_dir() or model.startswith(("/", "./", "../", "~")):
        if not (path / "config.json").is_file():
            raise EngineError(
                f"vLLM finds no model in {model!r}: give a folder with a config.json, or the name of a "
                "model on the hub, such as 'Qwen/Qwen3-0.6B'."
            )
        return str(path)
    return model
