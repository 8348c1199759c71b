"""What a lesson is: prompts with one shared text, and how likely their teacher finds each answer."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from econjax import BracketSchedule, us_federal
from llm_policy.engine import Prompt

Task = Literal["labor", "satisfaction", "planner", "vote", "stand"]


WORKINGS: dict[Task, slice] = {"labor": slice(0, 29), "planner": slice(29, 34)}
"""Where the workings of each task stand among all."""
ALL_WORKINGS = 34
MEANS = 29
"""How many numbers follow from who a worker is and what it earns."""
MEANS_BEGIN, MEANS_END = "Each weekly hour", " Your aim"
"""What the sentences that tell a worker's means begin with, and what stands after them."""


@dataclass(frozen=True)
class Part:
    """A part of an answer: texts that may stand there, how likely each is, and which one does.

    No text is the beginning of another one. Where `said` is None one is drawn. A `single` part is all of the
    answer and one token; in others digits are tokens of their own. `workings` are what its teacher found on
    the way to it, as `WORKINGS` lists them.
    """

    texts: tuple[str, ...]
    chances: tuple[float, ...] = (1.0,)
    said: int | None = None
    single: bool = False
    workings: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """Prompts of one task with the same shared text, and the parts of each one's answer.

    `schedule` is the one that the shared text states, None if it states none. `means` are, for each prompt
    that tells a worker's means, what follows from them: at each of the hours offered the income after tax,
    then what effort costs, as shares of full-time income; the decimal logarithms of that income, and of the
    prices of an hour over what it earns; and its attitudes to leisure, taxes and risks.
    """

    task: Task
    prompts: Sequence[Prompt]
    answers: Sequence[tuple[Part, ...]]
    schedule: BracketSchedule | None = None
    means: Sequence[Sequence[float]] = ()


def begin(rng: np.random.Generator, name: str, think: bool = False) -> tuple[Part, ...]:
    """Return the parts of a JSON answer up to the value under `name`, after a thought if asked for."""
    if not think:
        return (Part((f'{{"{name}": ',)),)
    thoughts = tuple(f'{thought}"' for thought in _THOUGHTS)
    return (
        Part(('{"thought": "',)),
        Part(thoughts, (1 / len(thoughts),) * len(thoughts)),
        Part((f', "{name}": ',)),
    )


def rephrased(rng: np.random.Generator, prompts: Sequence[Prompt], *, held_out: bool = False) -> list[Prompt]:
    """Return the prompts, some of them in other words; `held_out` ones in words that no lesson uses."""
    if not held_out and rng.random() < 0.6:
        return list(prompts)
    chosen = {
        words: others[0] if held_out else str(rng.choice([words, *others[1:]]))
        for words, others in PARAPHRASES.items()
    }
    return [
        Prompt(_replaced(prompt.shared, chosen), _replaced(prompt.personal, chosen)) for prompt in prompts
    ]


@functools.cache
def _federal(year: int, status: str, deduction: bool) -> BracketSchedule:
    return us_federal(year, status, deduction=deduction)


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


PARAPHRASES = {
    "You take part in a study of work and taxes. You decide how many hours a week to work, step after step. "
    "More hours bring more income and take more effort. You keep your income less tax, and the rebate.": (
        "We study how people choose their hours under an income tax. At every step you pick your weekly "
        "hours. Longer hours are paid and cost effort; income after tax and the rebate are yours.",
        "You are one of many workers. Again and again you settle on a number of hours a week. Work pays and "
        "tires. Tax is taken from your income, and a rebate is added.",
        "Choose how long you work each week. Whatever you earn is taxed, all receive a rebate, and every "
        "hour of work takes effort.",
        "In this study about taxes you are a worker who sets a working week, step by step. You are left with "
        "your income minus tax plus the rebate. Effort grows with hours.",
    ),
    "How many hours a week do you work next?": (
        "Which weekly hours do you pick now?",
        "How long is your next week of work, in hours?",
        "What number of hours do you choose for the next step?",
        "Your weekly hours in the next step?",
    ),
    "Annual income tax; each rate applies only to the income within its bracket": (
        "The tax on a year's income, bracket by bracket; a rate is for the part of income in its bracket",
        "Brackets of the yearly income tax (every rate is charged on the income inside the bracket alone)",
        "Income tax per year, as marginal rates by bracket",
    ),
    "Tax revenue beyond public spending is paid back in equal shares: everyone gets the same rebate.": (
        "What the tax brings beyond public spending is handed back, the same amount to everybody.",
        "The state returns the revenue that it does not spend as an equal rebate for all.",
        "All receive the same rebate, out of the revenue that is left after public spending.",
    ),
    "No more trying: choose the best hours that you know of.": (
        "Do not experiment any more: pick what you know to be best.",
        "The time for experiments is over: take the hours that you know as best.",
        "Now choose the best hours you have found; no further experiments.",
    ),
}
"""Sentences of workers' prompts, and other words for them: the first ones are held out of all lessons."""

_THOUGHTS = (
    "I weigh what one more hour brings against its effort.",
    "After tax, this is what pays best for me.",
    "I build on what I have seen so far.",
)

HELD_OUT_YEAR = 2019
"""The tax year whose brackets no lesson shows."""
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
        return np.clip(law + rng.integers(-3, 8, count) / 10 * (rng.random(count) < rng.random()), 0, 1)
    if shape < 0.55:
        return rng.integers(0, 101, count) / 100
    if shape < 0.65:
        return np.full(count, rng.integers(0, 100) / 100)
    ends = np.interp(np.linspace(0, 1, count), [0, 0.5, 1], rng.random(3))
    rough = ends + rng.normal(0, 0.05, count)
    return np.clip(rough, 0, 1).round(int(rng.integers(2, 5)))
