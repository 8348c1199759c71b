"""`econjax benchmark llm`: decisions a second by text and choice, and work around the engine."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from experiments.benchmarks.config import LLMBenchmarkConfig
from experiments.benchmarks.steps import (
    TimedStep,
    TimedWorkers,
    past,
    script,
    society,
    timed_lives,
    world,
)
from experiments.benchmarks.timing import Ratio, machine, ratio, take_turns
from experiments.core.engines import start_engine
from experiments.report.console import mistakes
from llm_policy.answers.reading import hours_answer, schema
from llm_policy.engines.base import Engine, Schema
from llm_policy.prompts.workers import Mode
from llm_policy.workers.context import check_context, longest_question
from llm_policy.workers.society import State


@dataclass(frozen=True)
class Outside:
    """Microseconds per prompt of a step without its engine, by part, in the round of median total.

    `writing` runs from the memory to the prompts, `reading` from the answers, or the draws from
    their probabilities, to the settled economy and the new memory. With `replayed` every answer
    comes from the journal, else each is recorded in a new one.
    """

    mode: Mode
    replayed: bool
    writing: float
    dedupe: float
    budget: float
    journal: float
    reading: float
    total: float


@dataclass(frozen=True)
class DecisionSpeed:
    """How fast all workers decide in one mode, the work around the engine included.

    A decision is an answer that was understood. `seconds` are the median of the rounds,
    `first_seconds` those of the step that warmed up. The rest is over all rounds: `understood` and
    `prefix_hits` (tokens of prompts that the engine had read before) are shares, `distinct` is
    distinct prompts over all prompts, and tokens are means per distinct prompt.
    """

    mode: Mode
    decisions_per_second: float
    seconds: float
    least_seconds: float
    first_seconds: float
    understood: float
    prompt_tokens: float
    answer_tokens: float
    prefix_hits: float
    distinct: float


@dataclass(frozen=True)
class LLMVerdict:
    """What a figure is held to, and whether it is met."""

    figure: str
    measured: float
    bar: float
    at_least: bool
    met: bool


@dataclass(frozen=True)
class LLMBenchmark:
    """Everything that was measured, and on what.

    `answer` is the schema of text mode. `start_seconds` are what the engine took to start, None if
    it ran already. `tokenizing` is its time to count the tokens of the personal texts, in
    microseconds per prompt, which every step spends inside the engine; None if it only estimates
    them. `choice_over_text` are decisions per second, round by round.
    """

    machine: dict[str, Any]
    engine: Mapping[str, Any]
    agents: int
    history: int
    rounds: int
    answer: Schema
    start_seconds: float | None
    tokenizing: float | None
    outside: list[Outside]
    speeds: list[DecisionSpeed]
    choice_over_text: Ratio
    bars: list[LLMVerdict]


def run_llm(
    config: LLMBenchmarkConfig, on_start: Callable[[str], None] = lambda what: None
) -> LLMBenchmark:
    """Start the engine, measure, and close it.

    Raises:
        Mistake: a prompt does not fit into the model's context, or choice mode finds no single
        tokens.
        EngineError: the engine cannot start or cannot answer.
    """
    on_start("the engine starts")
    begun = time.perf_counter()
    engine = start_engine(config.order().options._replace(greet=None))
    seconds = time.perf_counter() - begun
    with closing(engine):
        return measure_llm(config, engine, on_start, start_seconds=seconds)


def measure_llm(
    config: LLMBenchmarkConfig,
    engine: Engine,
    on_start: Callable[[str], None] = lambda what: None,
    *,
    start_seconds: float | None = None,
) -> LLMBenchmark:
    """Measure a running engine and the work around it; `on_start` hears what is measured next.

    Every round is one more step of the same workers, so that no prompt is asked twice. Text and
    choice mode take turns on the same step, and their prompts differ in the sentence that says how
    to answer.

    Raises:
        Mistake: a prompt does not fit into the model's context, or choice mode finds no single
        tokens.
        EngineError: the engine cannot answer.
    """
    on_start(f"the past of {config.agents:,} workers")
    everybody = world(
        config.agents,
        distinct=config.distinct or config.agents,
        history=config.history,
        seed=config.seed,
    )
    states = past(everybody, script(), rounds=config.rounds)
    with mistakes():
        for mode in get_args(Mode):
            alive = society(everybody, engine, mode)
            check_context(engine, [longest_question(alive.workers, everybody.law)])
    with tempfile.TemporaryDirectory() as folder:
        on_start("steps outside the engine")
        scripted = timed_lives(everybody, states, script(), Path(folder, "script"), replay=True)
        on_start("steps of the model")
        asked = timed_lives(everybody, states, engine, Path(folder, "model"), replay=False)
    outside = [_outside(*kind, steps[1:]) for kind, steps in scripted.items()]
    quotient = _choice_over_text(asked["text", False][1:], asked["choice", False][1:])
    return LLMBenchmark(
        machine=machine(),
        engine=engine.describe().asdict(),
        agents=config.agents,
        history=config.history,
        rounds=config.rounds,
        answer=schema(hours_answer()),
        start_seconds=start_seconds,
        tokenizing=_tokenizing(engine, everybody, states[0]),
        outside=outside,
        speeds=[_speed(mode, steps) for (mode, _), steps in asked.items()],
        choice_over_text=quotient,
        bars=judge_llm(outside, quotient),
    )


def judge_llm(outside: Sequence[Outside], choice_over_text: Ratio) -> list[LLMVerdict]:
    """Return verdicts by bars for ten remembered steps, a new journal and a one-field answer."""
    verdicts = []
    for part in outside:
        if not part.replayed:
            for figure, measured, bar in (
                ("prompt outside the engine", part.total, 150.0),
                ("prompt written", part.writing, 100.0),
            ):
                name = f"microseconds per {figure}, {part.mode} mode"
                verdicts.append(
                    LLMVerdict(name, measured, bar, at_least=False, met=measured <= bar)
                )
    name, times = "decisions per second, choice over text mode", choice_over_text.median
    return [*verdicts, LLMVerdict(name, times, 5.0, at_least=True, met=times >= 5)]


def _choice_over_text(text: Sequence[TimedStep], choice: Sequence[TimedStep]) -> Ratio:
    return ratio(*([step.seconds_per_decision for step in steps] for steps in (text, choice)))


def _outside(mode: Mode, replayed: bool, steps: Sequence[TimedStep]) -> Outside:
    typical = sorted(steps, key=lambda step: step.outside)[(len(steps) - 1) // 2]
    names = ("writing", "dedupe", "budget", "journal", "reading")
    parts = {name: 1e6 * getattr(typical, name) / typical.asked for name in names}
    return Outside(mode, replayed, **parts, total=1e6 * typical.outside / typical.asked)


def _speed(mode: Mode, steps: Sequence[TimedStep]) -> DecisionSpeed:
    first, *rounds = steps
    seconds = [step.seconds for step in rounds]
    asked, distinct = (
        sum(getattr(step, count) for step in rounds) for count in ("asked", "distinct")
    )
    read, cached, written = (
        sum(getattr(step, f"{kind}_tokens") for step in rounds)
        for kind in ("prompt", "cached", "answer")
    )
    return DecisionSpeed(
        mode=mode,
        decisions_per_second=1 / statistics.median(step.seconds_per_decision for step in rounds),
        seconds=statistics.median(seconds),
        least_seconds=min(seconds),
        first_seconds=first.seconds,
        understood=sum(step.understood for step in rounds) / asked,
        prompt_tokens=read / distinct,
        answer_tokens=written / distinct,
        prefix_hits=cached / max(read, 1),
        distinct=distinct / asked,
    )


def _tokenizing(engine: Engine, everybody: TimedWorkers, state: State) -> float | None:
    """Return the engine's median microseconds to count a personal text's tokens, once warm."""
    if not engine.describe().is_exact:
        return None
    alive = society(everybody, engine, "text")
    texts = [prompt.personal for prompt in alive.workers.prompts(state.situation(), state.memory)]
    seconds = take_turns({"count": lambda: engine.count(texts)}, repeats=5, patience=5.0)["count"]
    return 1e6 * statistics.median(seconds) / len(texts)
