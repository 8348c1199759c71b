"""Steps of language-model workers, taken apart: the seconds of each part, and the tokens."""

import math
import time
import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import jax
import numpy as np

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    calibrate,
    gb2,
    us_federal,
)
from llm_policy.engines.base import Engine, Prompt
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.budget import Budget
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.wrapper import Wrapper
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.workers import Mode, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society, State


@dataclass(frozen=True)
class TimedStep:
    """One step of all workers: the seconds of its parts, and counts of prompts, answers and tokens.

    `writing` runs from the memory to the prompts, `reading` from the answers to the settled economy
    and the new memory; `engine` is the engine itself, the rest the wrappers around it.
    """

    writing: float
    dedupe: float
    budget: float
    journal: float
    reading: float
    engine: float
    asked: int
    distinct: int
    understood: int
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int

    @property
    def outside(self) -> float:
        """Seconds of all parts but the engine."""
        return self.writing + self.dedupe + self.budget + self.journal + self.reading

    @property
    def seconds(self) -> float:
        """Seconds of the whole step."""
        return self.outside + self.engine

    @property
    def seconds_per_decision(self) -> float:
        """Seconds of the whole step for each answer that was understood."""
        return self.seconds / self.understood


class TimedWorkers(NamedTuple):
    """Bounded workers with personas and skills, who reread so many latest steps."""

    economy: Economy
    law: BracketSchedule
    personas: list[str]
    history: int


def world(agents: int, *, distinct: int, history: int, seed: int) -> TimedWorkers:
    """Return workers under US federal law 2024: the first `distinct` differ, others are doubles.

    Skills of those who differ are on the quantile grid of ACS-2023 incomes.
    """
    law, grid = us_federal(2024), gb2(distinct)
    personas = describe(draw_personas(jax.random.key(seed), grid))
    population = calibrate(Population(np.resize(grid.skill, agents)), law)
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    return TimedWorkers(economy, law, [personas[i % distinct] for i in range(agents)], history)


def script() -> ScriptedEngine:
    """Return an engine of no model: random legal answers, the same whenever the prompt is."""
    return ScriptedEngine(_hours, likelihood=lambda prompt, option: 1.0)


def society(world: TimedWorkers, engine: Engine, mode: Mode) -> Society:
    """Return workers asked once a step each, so that its length does not depend on the answers."""
    style = Style(mode=mode, history=world.history)
    workers = LLMWorkers(
        engine, world.economy, world.personas, style=style, attempts=1, most_unread=1.0
    )
    return Society(workers, Atkinson())


def past(world: TimedWorkers, engine: Engine, *, rounds: int) -> list[State]:
    """Return where workers stand with full memories, and after each of so many further steps."""
    key, alive = jax.random.key(0), society(world, engine, "text")
    _, state = alive.tax_year(key, alive.begin(world.law), world.law, steps=world.history)
    states = [state]
    for _ in range(rounds):
        states.append(_go_on(alive, states[-1], world))
    return states


def timed_lives(
    world: TimedWorkers, states: Sequence[State], engine: Engine, folder: Path, *, replay: bool
) -> dict[tuple[Mode, bool], list[TimedStep]]:
    """Return the steps by mode and whether replayed: one from each state, the modes in turns.

    Every step is recorded in a new journal in `folder`, and replayed from it if so asked.
    """
    folder.mkdir()
    steps = defaultdict(list)
    for number, state in enumerate(states):
        for mode in get_args(Mode):
            for again in (False, True)[: 1 + replay]:
                path = folder / f"{mode}-{number}.sqlite"
                steps[mode, again].append(_live(world, mode, state, engine, path))
    return dict(steps)


def _go_on(alive: Society, state: State, world: TimedWorkers) -> State:
    """Return the state after one more step of the same tax year."""
    before = replace(state, tax_year=state.tax_year - 1)
    return alive.tax_year(jax.random.key(0), before, world.law, steps=1)[1]


def _hours(prompt: Prompt) -> str:
    return f'{{"hours": {zlib.crc32(prompt.personal.encode()) % 101}}}'


class _Clocked(Wrapper):
    """The protocol of `engine`: `began` is when it was first asked, `seconds` the time within."""

    def __init__(self, engine: Engine) -> None:
        self.began, self.seconds = math.inf, 0.0
        self._engine = engine

    def answer(self, request: Request[Reply]) -> Reply:
        begun = time.perf_counter()
        self.began = min(self.began, begun)
        reply = request.ask(self._engine)
        self.seconds += time.perf_counter() - begun
        return reply

    def close(self) -> None:
        """Leave the engine open: the next step needs it."""


def _live(world: TimedWorkers, mode: Mode, state: State, engine: Engine, path: Path) -> TimedStep:
    """Live one step with every wrapper around the engine, each under a clock."""
    model = _Clocked(engine)
    with closing(Journal(model, path)) as journal:
        recorder = _Clocked(journal)
        budget = _Clocked(Budget(recorder))
        dedupe = Dedupe(budget)
        outermost = _Clocked(dedupe)
        alive = society(world, outermost, mode)
        begun = time.perf_counter()
        _go_on(alive, state, world)
        whole = time.perf_counter() - begun
    writing = outermost.began - begun
    return TimedStep(
        writing=writing,
        dedupe=outermost.seconds - budget.seconds,
        budget=budget.seconds - recorder.seconds,
        journal=recorder.seconds - model.seconds,
        reading=whole - writing - outermost.seconds,
        engine=model.seconds,
        asked=dedupe.asked,
        distinct=dedupe.distinct,
        understood=alive.workers.asker.tally.read,
        prompt_tokens=journal.prompt_tokens,
        cached_tokens=journal.cached_tokens,
        answer_tokens=journal.answer_tokens,
    )
