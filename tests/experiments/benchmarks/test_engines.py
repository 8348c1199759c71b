import json
import math
from dataclasses import asdict, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmarks import engines
from experiments.benchmarks.engines import EnginesBenchmarkConfig, measure_engines
from experiments.benchmarks.steps import script
from experiments.benchmarks.tables import print_engines
from llm_policy.engines.scripted import ScriptedEngine

CONFIG = EnginesBenchmarkConfig(agents=5, history=2, rounds=2)
KINDS = [(mode, memory) for memory in ("first step", "full memory") for mode in ("text", "choice")]


class Witness(ScriptedEngine):
    """Answers at random, keeps what it was asked, and at first compiles `compiles` programs."""

    def __init__(self, said, *, likelihood=None, compiles=0):
        self.said, self.compiles = said, compiles
        inner = script()
        super().__init__(inner._answer, likelihood=likelihood or inner._likelihood)

    def complete(self, prompts, schema, **options):
        self._witness("text", prompts)
        return super().complete(prompts, schema, **options)

    def choose(self, prompts, options):
        self._witness("choice", prompts)
        return super().choose(prompts, options)

    def _witness(self, mode, prompts):
        self.said.append((self, mode, list(prompts)))
        for number in range(self.compiles):
            jax.jit(lambda x, number=number: x + number)(jnp.zeros(3 + number)).block_until_ready()
        self.compiles = 0


@pytest.fixture(scope="module")
def measured():
    said = []
    pair = {
        "embedded": Witness(said, compiles=2),
        "vllm": Witness(said, likelihood=lambda prompt, option: 2.0 if option == "40" else 1.0),
    }
    return pair, said, measure_engines(CONFIG, pair, start_seconds={"embedded": 1.0, "vllm": 9.5})


def test_the_engines_take_turns_on_the_same_prompts_and_none_comes_twice(measured):
    pair, said, benchmark = measured
    one, other = pair.values()
    assert [engine for engine, _, _ in said] == [one, other] * (len(KINDS) * 3)
    assert [(duel.mode, duel.memory) for duel in benchmark.duels] == KINDS
    assert [mode for _, mode, _ in said] == [mode for mode, _ in KINDS for _ in range(6)]
    for (_, _, left), (_, _, right) in zip(said[::2], said[1::2], strict=True):
        assert left == right
    asked = [prompt for _, _, prompts in said[::2] for prompt in prompts]
    assert len(set(asked)) == len(asked) == 3 * CONFIG.agents * len(KINDS)


def test_only_workers_with_a_full_memory_reread_steps(measured):
    _, said, _ = measured
    for place, (_, _, prompts) in enumerate(said):
        steps = [
            prompt.personal.partition("Your best steps")[0].count("\nStep ") for prompt in prompts
        ]
        assert set(steps) == ({1} if place < len(said) // 2 else {CONFIG.history})


def test_figures_agree_with_each_other(measured):
    _, _, benchmark = measured
    for duel in benchmark.duels:
        one, other = duel.speeds
        assert duel.times.least == pytest.approx(other.least_seconds / one.least_seconds)
        for speed in duel.speeds:
            assert speed.answers_per_second == pytest.approx(CONFIG.agents / speed.seconds)
            assert 0 < speed.least_seconds <= speed.seconds < math.inf
            assert (speed.understood, speed.prefix_hits) == (1, 0)
            assert speed.answer_tokens == (
                1 if duel.mode == "choice" else 2
            )  # {"hours": 40} is two words
        assert one.prompt_tokens == other.prompt_tokens
    # eleven options, of which one is twice as likely to one engine: log 2/12 against log 1/11
    apart = [duel.apart for duel in benchmark.duels]
    assert apart == [None, pytest.approx(np.log(22 / 12)), None, pytest.approx(np.log(22 / 12))]


def test_compilation_is_counted_where_it_happens(measured):
    _, _, benchmark = measured
    compiled = [[speed.compile_seconds > 0 for speed in duel.speeds] for duel in benchmark.duels]
    assert compiled == [[True, False], *[[False, False]] * 3]
    assert all(speed.late_compile_seconds == 0 for duel in benchmark.duels for speed in duel.speeds)


def test_the_command_prints_tables_or_json(econjax, monkeypatch, measured, tmp_path):
    pair, _, benchmark = measured
    started, closed = [], []
    for name, engine in pair.items():
        monkeypatch.setattr(engine, "close", lambda name=name: closed.append(name), raising=False)
        monkeypatch.setattr(
            engines,
            f"_{name}",
            lambda *given, name=name: started.append((name, *given)) or pair[name],
        )
    monkeypatch.setattr(engines, "measure_engines", lambda *given, start_seconds: benchmark)
    ran = econjax("benchmark", "engines", "--model", tmp_path)
    assert ran.code == 0, ran.err
    assert started == [("embedded", str(tmp_path)), ("vllm", str(tmp_path), "float32")]
    assert closed == ["vllm", "embedded"]
    for told in ("choice", "full memory", "embedded is", "times as fast as vllm", "vllm 9.5 s"):
        assert told in ran.out
    assert "went into compiling" not in ran.out
    ran = econjax("benchmark", "engines", "--json")
    assert json.loads(ran.out) == json.loads(json.dumps(asdict(benchmark)))


def test_compilation_in_timed_rounds_is_told(measured, capsys):
    _, _, benchmark = measured
    late = replace(benchmark.duels[0].speeds[0], late_compile_seconds=1.25)
    duel = replace(benchmark.duels[0], speeds=(late, benchmark.duels[0].speeds[1]))
    print_engines(replace(benchmark, duels=(duel,)), Console(width=200))
    assert "1.25 s in all went into compiling" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "least"), [("agents", 2), ("rounds", 1), ("history", 1)])
def test_what_cannot_be_measured_is_told_in_one_line(econjax, assert_told, name, least):
    told = econjax("benchmark", "engines", f"--{name}", least - 1)
    assert_told(told, f"--{name} must be at least {least}; got {least - 1}")


def test_a_folder_without_a_model_is_told(econjax, assert_told, tmp_path):
    assert_told(econjax("benchmark", "engines", "--model", tmp_path), "finds no model in", tmp_path)
