import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from llm_policy.engines.base import EngineError, Interrupted, Prompt
from llm_policy.engines.embedded.engine import SHIPPED_FOLDER, EmbeddedEngine
from llm_policy.engines.wrappers.parallel import Parallel

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[3]

PROMPTS = [
    Prompt("You are a worker.", f"Your skill is {skill}. How many hours?") for skill in range(5)
]
OPTIONS = [str(hours) for hours in range(0, 101, 10)]
HOURS = {
    "type": "object",
    "properties": {"hours": {"type": "number", "minimum": 0, "maximum": 100}},
    "required": ["hours"],
    "additionalProperties": False,
}


def test_three_ways_to_serve_the_same_weights_give_the_same_scores(vllm_engine):
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(SHIPPED_FOLDER)
    model = LlamaForCausalLM.from_pretrained(SHIPPED_FOLDER, dtype=torch.float32)
    options = [tokenizer.convert_tokens_to_ids(option) for option in OPTIONS]
    choices, embedded = (
        vllm_engine.choose(PROMPTS, OPTIONS),
        EmbeddedEngine().choose(PROMPTS, OPTIONS),
    )
    assert vllm_engine.temperature != 1.0
    for row, (shared, personal) in enumerate(PROMPTS):
        text = f"<|begin|><|system|>\n{shared}<|end|>\n<|user|>\n{personal}<|end|>\n<|assistant|>\n"
        tokens = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logprob = model(tokens).logits[0, -1].log_softmax(-1).double().numpy()[options]
        mass = np.exp(logprob).sum()
        for engine, atol in ((choices, 1e-3), (embedded, 1e-4)):
            np.testing.assert_allclose(engine.logprob[row], logprob - np.log(mass), atol=atol)
            np.testing.assert_allclose(engine.leaked[row], 1 - mass, atol=atol)
            assert engine.prompt_tokens[row] == tokens.shape[1]


def test_answers_of_several_tokens_have_the_chance_that_transformers_finds(vllm_engine):
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    options = ["4", "41", "41 hours", "no hours at all", "forty"]
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED_FOLDER)
    model = LlamaForCausalLM.from_pretrained(SHIPPED_FOLDER, dtype=torch.float32)
    found = vllm_engine.choose(PROMPTS, options), EmbeddedEngine().choose(PROMPTS, options)
    for row, (shared, personal) in enumerate(PROMPTS):
        text = f"<|begin|><|system|>\n{shared}<|end|>\n<|user|>\n{personal}<|end|>\n<|assistant|>\n"
        before = tokenizer(text, add_special_tokens=False)["input_ids"]
        for column, option in enumerate(options):
            answer = tokenizer(option + "<|end|>", add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([before + answer])).logits[0].double()
            after = logits.log_softmax(-1)[len(before) - 1 : -1]
            expected = float(after[range(len(answer)), answer].sum())
            for engine, atol in zip(found, (1e-3, 1e-4), strict=True):
                mine = engine.logprob[row, column] + np.log1p(-engine.leaked[row])
                np.testing.assert_allclose(mine, expected, atol=atol)


def test_answers_have_the_same_chance_where_vllm_cannot_be_made_to_say_them(
    vllm_engine, monkeypatch
):
    options = ["4", "41", "41 hours", "no hours at all", "forty"]
    forced = vllm_engine.choose(PROMPTS, options)
    monkeypatch.setattr(vllm_engine, "_forces", False)
    asked = vllm_engine.choose(PROMPTS, options)
    np.testing.assert_allclose(asked.logprob, forced.logprob, atol=1e-3)
    np.testing.assert_array_equal(asked.prompt_tokens, forced.prompt_tokens)


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_sent(vllm_engine):
    long = Prompt("word " * 9000, "")
    with pytest.raises(
        EngineError, match=r"Prompt 1 has \d+ tokens and its answer up to 64.*holds 8192"
    ):
        vllm_engine.complete([PROMPTS[0], long], {"type": "integer"})
    with pytest.raises(EngineError, match=r"Prompt 0 has \d+ tokens and its answer up to 1,"):
        vllm_engine.choose([long], OPTIONS)


def test_a_shared_beginning_is_read_once(vllm_engine):
    shared = "A higher tax rate lowers what a worker keeps of the last dollar of income. " * 20
    prompts = [Prompt(shared, f"Your skill is {skill}.") for skill in range(40)]
    first, second = vllm_engine.choose(prompts, OPTIONS), vllm_engine.choose(prompts, OPTIONS)
    assert first.cached_tokens[0] == 0
    assert np.all(first.cached_tokens <= first.prompt_tokens)
    assert second.cached_tokens.sum() > 0.5 * second.prompt_tokens.sum()
    np.testing.assert_allclose(second.logprob, first.logprob, atol=1e-3)
    texts = vllm_engine.complete(prompts[:3], HOURS, samples=2)
    assert [text.cached_tokens for text in texts] == second.cached_tokens[:3].tolist()


def test_thousands_of_prompts_in_one_batch_score_as_they_do_alone(vllm_engine):
    prompts = [Prompt("You are a worker.", f"Your skill is {skill}.") for skill in range(3000)]
    choices = vllm_engine.choose(prompts, OPTIONS)
    some = list(range(0, 3000, 500))
    backwards = vllm_engine.choose([prompts[place] for place in reversed(some)], OPTIONS)
    np.testing.assert_allclose(choices.logprob[some], backwards.logprob[::-1], atol=1e-3)
    np.testing.assert_allclose(np.exp(choices.logprob).sum(axis=1), 1.0, rtol=1e-9)


def test_an_engine_answers_in_a_thread_of_parallel(vllm_engine):
    alone, shared_out = (
        vllm_engine.choose(PROMPTS, OPTIONS),
        Parallel([vllm_engine]).choose(PROMPTS, OPTIONS),
    )
    np.testing.assert_allclose(shared_out.logprob, alone.logprob, atol=1e-3)


def test_a_number_under_a_schema_is_bounded_and_short(vllm_engine):
    answers = vllm_engine.complete(PROMPTS, HOURS, samples=20, max_tokens=24)
    hours = [json.loads(text)["hours"] for answer in answers for text in answer.texts]
    assert len(hours) == 20 * len(PROMPTS)
    assert all(0 <= hour <= 100 for hour in hours)


def test_an_engine_that_dies_within_a_batch_gives_what_it_had_answered(vllm_engine, monkeypatch):
    from vllm.v1.engine.exceptions import EngineDeadError

    engine = vllm_engine._llm.llm_engine
    step, finished = engine.step, []

    def dying():
        if finished:
            raise EngineDeadError
        outputs = step()
        finished.extend(output for output in outputs if output.finished)
        return outputs

    prompts = PROMPTS * 200
    with monkeypatch.context() as patched:
        patched.setattr(engine, "step", dying)
        with pytest.raises(Interrupted, match=r"has died .* start it again") as error:
            vllm_engine.complete(prompts, HOURS)
    assert error.value.done == sorted(error.value.done)
    assert 0 < len(error.value.done) == len(finished) < len(prompts)
    lengths = [answer.prompt_tokens for answer in vllm_engine.complete(PROMPTS, HOURS)]
    assert all(
        answer.prompt_tokens == lengths[place % len(PROMPTS)]
        for place, answer in zip(error.value.done, error.value.answers, strict=True)
    )


def test_a_dead_engine_is_an_engine_error(vllm_engine, monkeypatch):
    from vllm.v1.engine.exceptions import EngineDeadError

    def dead(*arguments, **options):
        raise EngineDeadError

    monkeypatch.setattr(vllm_engine._llm, "enqueue", dead)
    with pytest.raises(EngineError, match=r"has died .* start it again"):
        vllm_engine.choose(PROMPTS, OPTIONS)


@pytest.mark.parametrize("model", ["/no/such/folder", "./nothing", "~/nothing-here"])
def test_a_missing_folder_is_named_at_once(model):
    from llm_policy.engines.vllm import VLLMEngine

    start = time.monotonic()
    with pytest.raises(EngineError, match=f"vLLM finds no model in '{model}': give a folder"):
        VLLMEngine(model)
    assert time.monotonic() - start < 5


def test_a_model_the_hub_cannot_give_is_named(monkeypatch):
    from llm_policy.engines.vllm import VLLMEngine

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match="cannot start with the model 'no-such/model'") as error:
        VLLMEngine("no-such/model")
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is not None


def left_of(group, seconds=10):
    """Return a group's processes that still run; they get some time to end after their parent."""
    deadline = time.monotonic() + seconds
    while (left := running_in(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def running_in(group):
    """Return the processes of a group; one that has ended may wait for its parent."""
    running = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def run(tmp_path, code, *arguments):
    """Run Python code as a user's script in its own process group; return it and its output."""
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-W", "error::RuntimeWarning", str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        start_new_session=True,
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "leaked" not in errors
    return process, output, errors


WITH_VLLM = """
from experiments.cli import main

if __name__ == "__main__":
    main()
"""
WITHOUT_VLLM = "import sys; sys.modules['vllm'] = None" + WITH_VLLM


def test_the_command_line_asks_a_real_model_and_repeats_the_run_without_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    size = ("--agents", 20, "--evaluations", 2, "--tax-year", 2, "--welfare", "rawlsian")
    how = ("--workers", "llm", "--mode", "text", "--model", "tiny", "--context", 4096)
    planners = ("--planners", "federal", "llm", "--no-uninformed")
    process, told, _ = run(tmp_path, WITH_VLLM, "compare", *size, *how, *planners, "--name", "one")
    assert left_of(process.pid) == []
    assert "Rawlsian (workers are noise)" in told
    assert "ITS ANSWERS ARE NOISE" in told
    _, again, notes = run(tmp_path, WITHOUT_VLLM, "replay", "runs/one", "--json")
    assert "is identical" in notes
    result = json.loads(again)
    assert result["engine"]["noise"] is True
    [rows] = result["tables"].values()
    assert [row["planner"] for row in rows] == ["US federal", "language model (noise)"]
    # The last evaluation is of the schedule recommended; one that never changes has one before.
    assert all(row["calls"] >= 20 * 2 * n for row, n in zip(rows, (2, 3), strict=True))
    assert all(0 < row["understood"] <= 1 for row in rows)


STARTED = """
from llm_policy.engines.vllm import VLLMEngine

if __name__ == "__main__":
    VLLMEngine({model!r}, max_model_len=2048)
"""


def test_nothing_is_left_of_a_command_that_is_killed_while_vllm_starts(tiny_model, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(STARTED.format(model=str(tiny_model)))
    with open(tmp_path / "said.txt", "w") as said:
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=said,
            stderr=said,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
    others = 2  # vLLM's engine, and Python's tracker of what processes share
    while len(running_in(process.pid)) < 1 + others:
        assert process.poll() is None, (tmp_path / "said.txt").read_text()
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert left_of(process.pid, seconds=60) == []
