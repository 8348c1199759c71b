"""Which engine answers, from the choices of a run."""

import os
from pathlib import Path

from llm_policy.engine import Engine
from llm_policy.tiny_model import build_tiny_model

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax"


def start_engine(*, model: str, server: str | None, temperature: float) -> Engine:
    """Return vLLM in this process, or the client of a server.

    Raises:
        EngineError: no such model, or no such server.
    """
    if server is not None:
        from llm_policy.engines.openai import OpenAIEngine

        return OpenAIEngine(server, model, temperature=temperature)
    from llm_policy.engines.vllm import VLLMEngine

    path = str(build_tiny_model(_CACHE / "tiny-llama")) if model == "tiny" else model
    return VLLMEngine(path, temperature=temperature)
