import pytest

from llm_policy.engines.base import EngineError
from llm_policy.engines.models import MODELS, PROVIDERS, ModelAlias, provider, resolve


def test_a_short_name_stands_for_one_model():
    assert resolve("llama-3.1-8b") == ModelAlias("meta-llama/Llama-3.1-8B-Instruct")
    assert resolve("gpt-4o-mini") == ModelAlias("gpt-4o-mini", "openai")
    assert len({model.name for model in MODELS.values()}) == len(MODELS)
    assert all(resolve(model.name).name == model.name for model in MODELS.values())


@pytest.mark.parametrize(
    "name", ["meta-llama/Llama-3.1-8B", "openai/gpt-oss-20b", "./my-gpt", "LLAMA-3.1-8b", ""]
)
def test_any_other_name_stays_as_it_is_and_says_nothing_of_a_provider(name):
    assert resolve(name) == ModelAlias(name)


def test_a_model_that_only_a_provider_has_names_one_there_is():
    assert {model.provider for model in MODELS.values()} <= {"", *PROVIDERS}
    assert all("/" in model.name for model in MODELS.values() if not model.provider)


def test_every_provider_has_an_address_and_a_key_of_its_own():
    assert {"openai", "openrouter", "gemini", "ollama"} <= set(PROVIDERS)
    assert len({one.key_variable for one in PROVIDERS.values()}) == len(PROVIDERS)
    for name in PROVIDERS:
        url, key_variable, extra = provider(name)
        assert url.startswith("http")
        assert not url.endswith("/")
        assert key_variable.endswith("_API_KEY")
        assert not {"model", "messages", "n", "temperature", "max_tokens"} & set(extra)


def test_an_unknown_provider_lists_those_there_are():
    with pytest.raises(
        EngineError, match=r"'opnai' is neither .* nor a provider: openai, openrouter"
    ):
        provider("opnai")
