"""One tiny model, one vLLM in this process and one vLLM server for the whole session."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_policy.engines.base import Engine
from llm_policy.engines.embedded.random_weights import CORPUS, build_tiny_model
from llm_policy.engines.provenance import NOISE_MARKER

START_SECONDS = 300


@dataclass
class Server:
    """A vLLM server in a process group of its own."""

    url: str
    model: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> "Server":
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url.removesuffix("/v1") + "/health", timeout=5):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(
            f"The vLLM server did not start:\n{self.log.read_text(errors='replace')[-4000:]}"
        )

    def stop(self) -> None:
        """Ask the server to end, and end what is left of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=20)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def small_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the embedded engine's kind, with random weights."""
    import jax

    from experiments.training.encoding import save_tokenizer, train_tokenizer
    from llm_policy.engines.embedded.checkpoint import draw_weights, save_weights
    from llm_policy.engines.embedded.llama import Sizes

    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_tokenizer(CORPUS)
    save_tokenizer(folder, tokenizer)
    sizes = Sizes(tokenizer.get_vocab_size(), 32, 2, 2, 64, 1024)
    weights = draw_weights(sizes)
    loud = jax.tree.map(lambda array: 4 * array, weights)  # so that prompts matter
    save_weights(
        folder, loud, sizes, {NOISE_MARKER: True, "eos_token_id": tokenizer.token_to_id("<|end|>")}
    )
    return folder


@pytest.fixture(scope="session")
def starting_server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the server without waiting for it, so that the in-process engine loads meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(tiny_model)),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny"),
        *("--enforce-eager", "--dtype", "float32", "--enable-prompt-tokens-details"),
        *("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}'),
    ]
    environment = os.environ | {
        "VLLM_NO_USAGE_STATS": "1",
        "TORCH_COMPILE_DISABLE": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}/v1", "tiny", process, log)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def vllm_engine(starting_server: Server) -> Iterator[Engine]:
    """The project's own model, in float32, which other forward passes are compared with."""
    from llm_policy.engines.embedded.engine import SHIPPED_FOLDER
    from llm_policy.engines.vllm import VLLMEngine

    engine = VLLMEngine(str(SHIPPED_FOLDER), dtype="float32")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def vllm_server(starting_server: Server) -> Server:
    return starting_server.wait()
