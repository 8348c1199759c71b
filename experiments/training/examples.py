"""What an example is: prompts with one shared text, and the formula's chances of each answer."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from econjax import BracketSchedule, us_federal
from llm_policy.engines.base import Prompt

Task = Literal["labor", "satisfaction", "planner", "vote", "stand"]


WORKINGS: dict[Task, slice] = {"labor": slice(0, 29), "planner": slice(29, 34)}
"""Where the workings of each task stand among all."""
ALL_WORKINGS = 34
MEANS = 29
"""How many numbers follow from who a worker is and what it earns."""


@dataclass(frozen=True)
class Part:
    """A part of an answer: texts that may stand there, how likely each is, and which one does.

    No text is the beginning of another one. Where `said` is None one is drawn. A `single` part is
    all of the answer and one token; in others digits are tokens of their own. `workings` are what
    its formula found on the way to it, as `WORKINGS` lists them.
    """

    texts: tuple[str, ...]
    probabilities: tuple[float, ...] = (1.0,)
    said: int | None = None
    single: bool = False
    workings: tuple[float, ...] = ()


@dataclass(frozen=True)
class Example:
    """Prompts of one task with the same shared text, and the parts of each one's answer.

    `schedule` is the one that the shared text states, None if it states none. `endowment` are, for
    each prompt that tells a worker's means, what follows from them: at each of the hours offered
    the income after tax, then what effort costs, as shares of full-time income; the decimal
    logarithms of that income, and of the prices of an hour over what it earns; and its attitudes to
    leisure, taxes and risks. `means_end` is where in each prompt a worker's means end, as the count
    of letters before.
    """

    task: Task
    prompts: Sequence[Prompt]
    answers: Sequence[tuple[Part, ...]]
    schedule: BracketSchedule | None = None
    endowment: Sequence[Sequence[float]] = ()
    means_end: Sequence[int] = ()


def begin_answer(rng: np.random.Generator, name: str, think: bool = False) -> tuple[Part, ...]:
    """Return the parts of a JSON answer up to the value of `name`, after a thought if asked for."""
    if not think:
        return (Part((f'{{"{name}": ',)),)
    thoughts = tuple(f'{thought}"' for thought in _THOUGHTS)
    return (
        Part(('{"thought": "',)),
        Part(thoughts, (1 / len(thoughts),) * len(thoughts)),
        Part((f', "{name}": ',)),
    )


@functools.cache
def _federal(year: int, status: str, deduction: bool) -> BracketSchedule:
    return us_federal(year, status, deduction=deduction)


_THOUGHTS = (
    "I weigh what one more hour brings against its effort.",
    "After tax, this is what pays best for me.",
    "I build on what I have seen so far.",
)

HELD_OUT_YEAR = 2019
"""The tax year whose brackets no example shows."""
YEARS = tuple(year for year in range(2013, 2026) if year != HELD_OUT_YEAR)
STATUSES = ("single", "single", "joint", "separate", "head_of_household")
MOST_BRACKETS = 9


def draw_law(rng: np.random.Generator, *, held_out: bool = False) -> BracketSchedule:
    """Return brackets of a federal law or drawn ones, with rates of many shapes."""
    year = HELD_OUT_YEAR if held_out else int(rng.choice([2024, *YEARS]))
    law = _federal(year, str(rng.choice(STATUSES)), bool(rng.random() < 0.1))
    floors, rates = np.asarray(law.thresholds, float), np.asarray(law.rates, float)
    if rng.random() < 0.2 and not held_out:
        count = int(rng.integers(1, MOST_BRACKETS + 1))
        tops = np.unique(np.round(np.exp(rng.uniform(np.log(5e3), np.log(1e6), count - 1)), -2))
        floors = np.append(0.0, tops)
        rates = np.interp(np.arange(len(floors)), np.arange(len(rates)), rates)
    return BracketSchedule(floors, draw_rates(rng, rates).round(4).tolist())


def draw_rates(rng: np.random.Generator, law: np.ndarray) -> np.ndarray:
    """Return rates between 0 and 1, near those of a law or far from them."""
    count, shape = len(law), rng.random()
    if shape < 0.1:
        return law
    if shape < 0.35:
        return np.clip(
            law + rng.integers(-3, 8, count) / 10 * (rng.random(count) < rng.random()), 0, 1
        )
    if shape < 0.55:
        return rng.integers(0, 101, count) / 100
    if shape < 0.65:
        return np.full(count, rng.integers(0, 100) / 100)
    ends = np.interp(np.linspace(0, 1, count), [0, 0.5, 1], rng.random(3))
    rough = ends + rng.normal(0, 0.05, count)
    return np.clip(rough, 0, 1).round(int(rng.integers(2, 5)))
