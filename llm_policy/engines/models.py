"""Short names of models, and the servers behind which a model may be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from llm_policy.engines.base import EngineError


class ModelAlias(NamedTuple):
    """A model's full name on the hub, or at the one provider that serves it ("" for none)."""

    name: str
    provider: str = ""


class Provider(NamedTuple):
    """The address of a provider's chat protocol, and the environment variable of its key.

    `extra` is what turns thinking off there, in the body of every question ({} where nothing does):
    a model that thinks would spend its few tokens before it answers.
    """

    url: str
    key_variable: str
    extra: Mapping[str, Any]


MODELS = {
    "gemma3-1b": ModelAlias("google/gemma-3-1b-it"),
    "gemma3-4b": ModelAlias("google/gemma-3-4b-it"),
    "gemma3-12b": ModelAlias("google/gemma-3-12b-it"),
    "gemma3-27b": ModelAlias("google/gemma-3-27b-it"),
    "llama-3.1-8b": ModelAlias("meta-llama/Llama-3.1-8B-Instruct"),
    "llama-3.1-70b": ModelAlias("meta-llama/Llama-3.1-70B-Instruct"),
    "llama-3.2-1b": ModelAlias("meta-llama/Llama-3.2-1B-Instruct"),
    "llama-3.2-3b": ModelAlias("meta-llama/Llama-3.2-3B-Instruct"),
    "llama-3.3-70b": ModelAlias("meta-llama/Llama-3.3-70B-Instruct"),
    "mistral-7b": ModelAlias("mistralai/Mistral-7B-Instruct-v0.3"),
    "olmo3-7b": ModelAlias("allenai/Olmo-3-7B-Instruct"),
    "phi-4": ModelAlias("microsoft/phi-4"),
    "qwen2.5-7b": ModelAlias("Qwen/Qwen2.5-7B-Instruct"),
    "qwen3-0.6b": ModelAlias("Qwen/Qwen3-0.6B"),
    "qwen3-1.7b": ModelAlias("Qwen/Qwen3-1.7B"),
    "qwen3-4b": ModelAlias("Qwen/Qwen3-4B"),
    "qwen3-8b": ModelAlias("Qwen/Qwen3-8B"),
    "qwen3-14b": ModelAlias("Qwen/Qwen3-14B"),
    "qwen3-32b": ModelAlias("Qwen/Qwen3-32B"),
    "qwen3-30b-a3b": ModelAlias("Qwen/Qwen3-30B-A3B"),
    "gpt-4o": ModelAlias("gpt-4o", "openai"),
    "gpt-4o-mini": ModelAlias("gpt-4o-mini", "openai"),
    "gpt-4.1-mini": ModelAlias("gpt-4.1-mini", "openai"),
    "gpt-4.1-nano": ModelAlias("gpt-4.1-nano", "openai"),
    "gemini-2.5-flash": ModelAlias("gemini-2.5-flash", "gemini"),
}
"""The instruction-following version of each."""

PROVIDERS = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY", {}),
    "openrouter": Provider(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", {"reasoning": {"enabled": False}}
    ),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        {"reasoning_effort": "none"},
    ),
    "ollama": Provider("http://localhost:11434/v1", "OLLAMA_API_KEY", {"reasoning_effort": "none"}),
}

PAID = frozenset({"openai", "openrouter", "gemini"})
"""The providers that take money for an answer."""


def resolve(name: str) -> ModelAlias:
    """Return what the short `name` stands for; any other name is a full name and stays as it is."""
    return MODELS.get(name, ModelAlias(name))


def provider(name: str) -> Provider:
    """Return the provider called `name`.

    Raises:
        EngineError: there is no such provider.
    """
    if name not in PROVIDERS:
        raise EngineError(
            f"{name!r} is neither the address of a server (http://HOST:PORT/v1) nor a provider: "
            f"{', '.join(PROVIDERS)}."
        )
    return PROVIDERS[name]
