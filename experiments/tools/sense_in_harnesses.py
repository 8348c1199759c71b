"""Ask the same questions about taxes by `econjax sense`, Inspect and lm-evaluation-harness.

`python -m experiments.tools.sense_in_harnesses` makes an environment for the two, writes the tasks,
lets each side ask a fake server and smollm2-135m, and prints every score beside the others, and how
many questions were answered otherwise. It ends with an error if sides differ that must not.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmarks.peers.environments import make_environment
from experiments.core.choices import EngineOptions
from experiments.core.engines import start_engine
from experiments.sense.command import items_of
from experiments.sense.config import SenseConfig
from experiments.sense.tasks import task_files
from llm_policy.engines.gguf.folder import local_model, model_cache
from llm_policy.engines.wrappers.tally import tallied
from llm_policy.prompts.workers import Mode
from llm_policy.sense.asking import SenseAnswer, ask_items
from llm_policy.sense.items import SenseItem
from llm_policy.sense.scoring import score

BOTH_HARNESSES = (
    ("torch==2.13.0", "transformers==5.19.0", "accelerate==1.15.0"),
    ("inspect-ai==0.3.285", "openai==3.57.0", "lm-eval[api]==0.4.13"),
)
"""What pip is told of the environment of both harnesses."""
SMALL = "smollm2-135m"


class HarnessSide(NamedTuple):
    """What one program found: by a question's id the option chosen and letters' probabilities.

    `scores` are by measure.
    """

    name: str
    answers: dict[str, SenseAnswer]
    scores: dict[str, float]


def main() -> None:
    """Print the scores of all sides, asked about a fake model and a small one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10, help="twelve questions each")
    parser.add_argument("--small-cases", type=int, default=4, help="of smollm2-135m; 0: leave out")
    parser.add_argument("--home", type=Path, default=model_cache().parent / "harnesses")
    chosen = parser.parse_args()
    python = make_environment("harnesses", BOTH_HARNESSES, chosen.home, print)
    with tempfile.TemporaryDirectory() as folder:
        differ = _with_fakes(Path(folder), python, chosen.cases)
        if chosen.small_cases:
            differ += _with_small(Path(folder), python, chosen.small_cases)
    if differ:
        sys.exit(f"Answered otherwise: {', '.join(differ)}")


def _with_fakes(folder: Path, python: Path, cases: int) -> list[str]:
    """Ask a server that answers by the digest of a prompt, and what the harnesses have of fakes."""
    items, tasks = _tasks(folder / "fakes", cases)
    differ = []
    with _serve() as url:
        for mode in ("text", "choice"):
            sides = [_ours(items, mode, EngineOptions(_FAKE, url, 0.0, 8192))]
            served = {"OPENAI_API_KEY": "none", "FAKE_API_KEY": "none", "FAKE_BASE_URL": url}
            sides.append(_inspect(python, tasks, mode, [f"openai-api/{_FAKE}/{_FAKE}"], served))
            if mode == "text":  # servers of chats tell lm-evaluation-harness no likelihoods
                about = f"model={_FAKE},base_url={url}/chat/completions,num_concurrent=8"
                sides.append(
                    _lm_eval(python, tasks, mode, ["local-chat-completions", about], served)
                )
            differ += _compare(f"fake server, {mode}", items, sides)
    own = [
        _inspect(python, tasks, "text", [], {}, program=_MOCK),
        _lm_eval(python, tasks, "choice", ["dummy", ""], {}, template=False),
    ]
    for side in own:
        print(f"{side.name} with its own fake: {len(side.answers)} answers, {side.scores}")
    return differ


def _with_small(folder: Path, python: Path, cases: int) -> list[str]:
    """Ask smollm2-135m; texts come under no schema, as harnesses ask for them."""
    items, tasks = _tasks(folder / "small", cases)
    model = str(local_model(SMALL))
    differ = []
    for mode in ("choice", "text"):
        loaded = ["hf/local", "-M", f"model_path={model}", "-M", "do_sample=false"]
        loaded += ["-M", "dtype=float32"]
        differ += _compare(
            f"{SMALL}, {mode}",
            items,
            [
                _ours(items, mode, EngineOptions(SMALL, None, 0.0, 8192, "embedded"), held=False),
                _inspect(python, tasks, mode, loaded, _OFFLINE),
                _lm_eval(
                    python, tasks, mode, ["hf", f"pretrained={model},dtype=float32"], _OFFLINE
                ),
            ],
        )
    return differ


_FAKE = "fake"
_MOCK = """
import itertools, sys
sys.path.insert(0, "")
from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_tasks import econjax_sense
said = ModelOutput.from_content("mockllm/model", '{"answer": "B"}')
said.usage = ModelUsage()  # without it mockllm fetches a tokenizer from a server
model = get_model("mockllm/model", custom_outputs=itertools.repeat(said))
eval(econjax_sense(), model=model, log_dir=sys.argv[1], log_format="json", display="plain")
"""
"""Inspect's own fake, which always says B."""
_OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def _tasks(folder: Path, cases: int) -> tuple[list[SenseItem], Path]:
    items = items_of(SenseConfig(cases=cases))
    folder.mkdir()
    for name, text in task_files(items).items():
        (folder / name).write_text(text, encoding="utf-8")
    return items, folder


def _ours(
    items: Sequence[SenseItem], mode: Mode, options: EngineOptions, *, held: bool = True
) -> HarnessSide:
    began, engine = time.perf_counter(), start_engine(options)
    try:
        answers = ask_items(tallied(engine), items, mode, held=held)
    finally:
        engine.close()
    pairs = list(zip(items, answers, strict=True))
    scores = score(item.answered(answer.chosen) for item, answer in pairs)
    print(f"econjax, {mode}: {time.perf_counter() - began:.0f} s", flush=True)
    return HarnessSide(
        "econjax",
        {item.id: answer for item, answer in pairs},
        {each.measure: each.value for each in scores},
    )


def _inspect(
    python: Path,
    tasks: Path,
    mode: Mode,
    model: Sequence[str],
    environment: Mapping[str, str],
    *,
    program: str = "",
) -> HarnessSide:
    logs = Path(tempfile.mkdtemp(dir=tasks))
    arguments = ["eval", "inspect_tasks.py", "-T", f"mode={mode}", "--model", *model]
    arguments += ["--log-dir", str(logs), "--log-format", "json", "--display", "plain"]
    if program:
        _run(python, ["-c", program, str(logs)], tasks, environment)
    else:
        _run(python.with_name("inspect"), arguments, tasks, environment)
    (log,) = (json.loads(path.read_text("utf-8")) for path in logs.glob("*.json"))
    if log["status"] != "success":
        raise RuntimeError(f"Inspect ended with {log['status']}: {log.get('error')}")
    told = {one["id"]: one["scores"]["lettered"]["metadata"] for one in log["samples"]}
    found = {name: each["value"] for name, each in log["results"]["scores"][0]["metrics"].items()}
    return HarnessSide(
        "Inspect",
        {key: _answer(said) for key, said in told.items()},
        {name: value for name, value in found.items() if not name.endswith(("_low", "_high"))},
    )


def _lm_eval(
    python: Path,
    tasks: Path,
    mode: Mode,
    model: Sequence[str],
    environment: Mapping[str, str],
    *,
    template: bool = True,
) -> HarnessSide:
    logs = Path(tempfile.mkdtemp(dir=tasks))
    end = "" if mode == "choice" else "_text"
    arguments = ["run", "--model", model[0], "--include_path", str(tasks)]
    arguments += ["--model_args", model[1]] if model[1] else []
    arguments += ["--tasks", f"econjax_sense{end}", "--output_path", str(logs), "--log_samples"]
    arguments += ["--apply_chat_template"] if template else []
    _run(python.with_name("lm_eval"), arguments, tasks, environment)
    (found,) = (json.loads(path.read_text("utf-8")) for path in logs.rglob("results_*.json"))
    scores = {
        name.removesuffix(",none"): value
        for task in found["results"].values()
        for name, value in task.items()
        if name.endswith(",none") and "_stderr" not in name
    }
    answers: dict[str, SenseAnswer] = {}
    for path in logs.rglob("samples_*.jsonl"):
        for line in map(json.loads, path.read_text("utf-8").splitlines()):
            said = next(v for v in line.values() if isinstance(v, dict) and "chosen" in v)
            answers[line["doc"]["id"]] = _answer(said)
    return HarnessSide("lm-evaluation-harness", answers, scores)


def _answer(said: Mapping[str, Any]) -> SenseAnswer:
    given = said["scores"]
    return SenseAnswer(said["chosen"], None if given is None else tuple(map(math.exp, given)))


def _run(
    program: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Run a harness in a folder, and tell how long it took, or what it said last."""
    began = time.perf_counter()
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=kept | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"{program.name} failed:\n{(ran.stdout + ran.stderr)[-4000:]}")
    print(f"{program.name} {arguments[-1]}: {time.perf_counter() - began:.0f} s", flush=True)


def _compare(title: str, items: Sequence[SenseItem], sides: Sequence[HarnessSide]) -> list[str]:
    """Print what the sides found, and return who answered otherwise than the first."""
    first, *others = sides
    print(f"\n{title}, {len(items)} questions: {', '.join(side.name for side in sides)}")
    for name in first.scores:
        print(f"  {name:20}", *(f"{side.scores[name]:.4f}" for side in (first, *others)))
    unread = [sum(each.chosen is None for each in side.answers.values()) for side in sides]
    print(f"  {'unread':20}", *unread)
    differ = []
    for side in others:
        assert side.answers.keys() == first.answers.keys(), "everybody asks all questions"
        both = [(side.answers[key], own) for key, own in first.answers.items()]
        apart = sum(other.chosen != own.chosen for other, own in both)
        print(f"  {side.name} answers {apart} questions otherwise{_apart(both)}")
        if apart or any(not math.isclose(side.scores[k], v) for k, v in first.scores.items()):
            differ.append(f"{side.name} ({title})")
    return differ


def _apart(both: Sequence[tuple[SenseAnswer, SenseAnswer]]) -> str:
    """Return how far the letters' probabilities are apart, where they are known."""
    gaps = [
        abs(one - other)
        for pair in both
        for one, other in zip(*(each.probabilities or () for each in pair), strict=True)
    ]
    return f"; probabilities of letters are {max(gaps):.1g} apart at most" if gaps else ""


@contextlib.contextmanager
def _serve() -> Iterator[str]:
    """Serve a model that answers a prompt by its digest, sometimes so that none can read it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"data": [{"id": _FAKE}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(_reply(body))

        def _send(self, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def _reply(body: Mapping[str, Any]) -> dict[str, Any]:
    asked = [[message["role"], _text_of(message["content"])] for message in body["messages"]]
    digest = hashlib.sha256(json.dumps(asked).encode()).digest()
    letter = "ABCDE"[digest[0] % 5]
    texts = (f'{{"answer": "{letter}"}}', f"Well, {letter}.", f'I say {{"answer": "{letter}"}}')
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    text = texts[digest[1] % 3]
    if body.get("logprobs"):
        text = letter
        shares = [(1 + digest[2 + place]) / 2000 for place in range(5)]
        listed = [
            {"token": token, "logprob": math.log(share), "bytes": None}
            for token, share in zip("ABCDE", shares, strict=True)
        ]
        said = {"token": "ABCDE"[shares.index(max(shares))], "logprob": math.log(max(shares))}
        choice["logprobs"] = {"content": [{**said, "bytes": None, "top_logprobs": listed}]}
    return {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": _FAKE,
        "choices": [choice | {"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _text_of(content: Any) -> str:
    """Return the text of a message, which may be a list of parts."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


if __name__ == "__main__":
    main()
