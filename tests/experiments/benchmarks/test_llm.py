import json
import math
import time
from dataclasses import asdict, replace

import pytest

from experiments.benchmarks import llm
from experiments.benchmarks.llm import LLMBenchmarkConfig, Outside, judge_llm, measure_llm
from experiments.benchmarks.steps import past, script, timed_lives, world
from experiments.benchmarks.timing import Ratio
from experiments.report.console import Mistake
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine

CONFIG = LLMBenchmarkConfig(agents=12, history=3, rounds=1)
PARTS = ("writing", "dedupe", "budget", "journal", "reading")


class Witness(ScriptedEngine):
    """Answers at random, and keeps the prompts of each batch."""

    def __init__(self, *, context: int = 0, seconds: float = 0.0):
        self.batches: list[tuple[str, list[Prompt]]] = []
        self.context, self.seconds = context, seconds
        inner = script()
        super().__init__(inner._answer, likelihood=inner._likelihood)

    def complete(self, prompts, schema, **options):
        self._witness("text", prompts)
        return super().complete(prompts, schema, **options)

    def choose(self, prompts, options):
        self._witness("choice", prompts)
        return super().choose(prompts, options)

    def describe(self):
        return replace(super().describe(), context=self.context)

    def _witness(self, mode, prompts):
        self.batches.append((mode, list(prompts)))
        time.sleep(self.seconds)


@pytest.fixture(scope="module")
def everybody():
    return world(12, distinct=12, history=3, seed=0)


@pytest.fixture(scope="module")
def states(everybody):
    return past(everybody, script(), rounds=2)


@pytest.fixture(scope="module")
def measured():
    engine = Witness()
    return engine, measure_llm(CONFIG, engine)


def test_the_parts_outside_the_engine_sum_to_the_whole(measured):
    _, benchmark = measured
    kinds = [(part.mode, part.replayed) for part in benchmark.outside]
    assert sorted(kinds) == [("choice", False), ("choice", True), ("text", False), ("text", True)]
    for part in benchmark.outside:
        each = [getattr(part, name) for name in PARTS]
        assert all(0 < figure < math.inf for figure in each)
        assert part.total == pytest.approx(sum(each))


def test_figures_of_a_mode_agree_with_each_other(measured):
    _, benchmark = measured
    speeds = {speed.mode: speed for speed in benchmark.speeds}
    for speed in speeds.values():
        assert speed.decisions_per_second == pytest.approx(CONFIG.agents / speed.seconds)
        assert speed.least_seconds <= speed.seconds
        assert (speed.understood, speed.distinct, speed.prefix_hits) == (1, 1, 0)
    assert (speeds["text"].answer_tokens, speeds["choice"].answer_tokens) == (
        2,
        1,
    )  # {"hours": 40} is two words
    quotient = speeds["choice"].decisions_per_second / speeds["text"].decisions_per_second
    assert benchmark.choice_over_text.median == pytest.approx(quotient)
    assert benchmark.choice_over_text.least == pytest.approx(quotient)


def test_modes_take_turns_on_the_same_prompts_and_no_prompt_is_asked_twice(measured):
    engine, benchmark = measured
    assert [mode for mode, _ in engine.batches] == ["text", "choice"] * 2
    asked = [prompt for _, prompts in engine.batches for prompt in prompts]
    assert len(set(asked)) == len(asked) == 4 * CONFIG.agents
    for (_, text), (_, choice) in zip(engine.batches[::2], engine.batches[1::2], strict=True):
        for one, other in zip(text, choice, strict=True):
            assert one.personal == other.personal
            different = set(one.shared.splitlines()) ^ set(other.shared.splitlines())
            assert all(line.startswith("Answer with") for line in different)
            assert len(different) == 2
    assert list(benchmark.answer["properties"]) == ["hours"]
    assert benchmark.tokenizing > 0


def test_every_worker_rereads_the_steps_that_were_asked_for(measured):
    engine, _ = measured
    for prompt in engine.batches[0][1]:
        latest, _, best = prompt.personal.partition("Your best steps")
        assert latest.count("Step ") == CONFIG.history
        assert best.count("step ") > 0


def test_a_replayed_step_asks_nothing_and_brings_the_same(everybody, states, tmp_path):
    engine = Witness()
    steps = timed_lives(everybody, states[:2], engine, tmp_path / "steps", replay=True)
    assert len(engine.batches) == 4
    for mode in ("text", "choice"):
        for recorded, replayed in zip(steps[mode, False], steps[mode, True], strict=True):
            assert replayed.engine == 0
            for count in ("asked", "distinct", "understood", "prompt_tokens", "answer_tokens"):
                assert getattr(replayed, count) == getattr(recorded, count)


def test_time_inside_the_engine_is_no_time_outside(everybody, states, tmp_path):
    engine = Witness(seconds=0.05)
    steps = timed_lives(everybody, states[:1], engine, tmp_path / "steps", replay=False)
    for (step,) in steps.values():
        assert step.engine >= 0.05
        assert step.seconds == pytest.approx(step.engine + step.outside)
        assert step.outside == pytest.approx(sum(getattr(step, name) for name in PARTS))


def test_doubles_are_asked_once(tmp_path):
    twins = world(12, distinct=3, history=3, seed=0)
    assert len(set(twins.personas)) == 3
    steps = timed_lives(
        twins, past(twins, script(), rounds=0), script(), tmp_path / "steps", replay=False
    )
    for (step,) in steps.values():
        assert (step.asked, step.distinct, step.understood) == (12, 3, 12)


def test_the_command_prints_tables_or_json(econjax, monkeypatch, measured):
    engine, benchmark = measured
    asked, closed = [], []
    silent = replace(benchmark, tokenizing=None)  # a server that does not say how it counts tokens
    monkeypatch.setattr(engine, "close", lambda: closed.append(engine), raising=False)
    monkeypatch.setattr(
        llm, "start_engine", lambda options: asked.append(options._asdict()) or engine
    )
    monkeypatch.setattr(
        llm, "measure_llm", lambda *given, start_seconds: replace(silent, start_seconds=2.5)
    )
    ran = econjax("benchmark", "llm", "--model", "random:tiny", "--context", 2_000)
    assert ran.code == 0, ran.err
    chosen = {"model": "random:tiny", "server": None, "temperature": 0.7, "context": 2_000}
    chosen |= {"quantization": None, "tensor_parallel": 1}
    assert [{name: said[name] for name in chosen} for said in asked] == [chosen]
    assert closed == [engine]
    for told in (
        "text, recorded",
        "choice, replayed",
        "choice over text",
        '"hours"',
        "2.5 s to start",
    ):
        assert told in ran.out
    ran = econjax("benchmark", "llm", "--json")
    found = json.loads(ran.out)
    assert found == json.loads(json.dumps(asdict(replace(silent, start_seconds=2.5))))
    assert [verdict["bar"] for verdict in found["bars"]] == [150, 100, 150, 100, 5]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--agents", 1), "--agents must be at least 2; got 1"),
        (("--rounds", 0), "--rounds must be at least 1; got 0"),
        (("--history", 0), "--history must be at least 1; got 0"),
        (("--context", 0), "--context must be at least 1; got 0"),
        (("--agents", 10, "--distinct", 11), "--distinct must be 2 to --agents, 10; got 11"),
        (("--distinct", 1), "--distinct must be 2 to --agents, 2000; got 1"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(econjax, wrong, told):
    ran = econjax("benchmark", "llm", *wrong)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


def test_prompts_that_do_not_fit_are_told_before_the_model_is_asked():
    engine = Witness(context=100)
    with pytest.raises(Mistake, match="but the model holds 100"):
        measure_llm(CONFIG, engine)
    assert engine.batches == []


def test_a_bar_is_met_on_its_own_side():
    def verdicts(total, writing, times):
        outside = [
            Outside("text", False, writing, 0, 0, 0, 0, total),
            Outside("text", True, 999, 0, 0, 0, 0, 999),
        ]
        return [verdict.met for verdict in judge_llm(outside, Ratio(times, times))]

    assert verdicts(150, 100, 5) == [True, True, True]
    assert verdicts(150.1, 100.1, 4.9) == [False, False, False]
