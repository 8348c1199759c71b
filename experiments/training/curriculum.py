"""Which examples come when: drills, first steps, then all tasks at once and longer histories."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from experiments.training.examples import Example
from experiments.training.government_examples import (
    bracket_example,
    planner_example,
    stand_example,
    vote_example,
)
from experiments.training.lives import CROWD, GROUP, draw_crowd, draw_lives
from experiments.training.worker_examples import drills, worker_examples

_PLANNERS, _WRITING_PLANNERS, _VOTERS, _CANDIDATES = 4, 32, 16, 32
"""Groups of workers per example for planners, for those who write JSON, and so on."""


class Mix(NamedTuple):
    """Which examples a crowd hears.

    `drilled` is the share of workers who are drilled; `easy` that of the others who have not chosen
    hours yet, and of planners who read no more than they need; `written` that of workers who answer
    in JSON instead of by one token; `others` that of the other tasks' examples that are heard.
    """

    drilled: float
    easy: float
    written: float
    others: float


EVERYTHING = Mix(0.0, 0.3, 0.35, 1.0)
"""The examples that a tokenizer learns from and a model is tested on."""


def example_mix(progress: float) -> Mix:
    """Return the mix after a share of a training run: reading and reckoning come first."""
    course = {
        "drilled": ([0.2, 0.21, 0.45, 0.6, 0.8], [1.0, 0.5, 0.4, 0.08, 0.04]),
        "easy": ([0.45, 0.55], [1.0, 0.25]),
        "written": ([0.7, 0.75], [0.0, 0.1]),
        "others": ([0.62, 0.65], [0.0, 1.0]),
    }
    return Mix(**{name: float(np.interp(progress, *line)) for name, line in course.items()})


def examples(
    rng: np.random.Generator, mixes: Iterable[Mix], *, held_out: bool = False
) -> Iterator[Example]:
    """Yield one crowd of workers' examples after another, and those of other tasks in between.

    There is a mix for each crowd. `held_out` examples have brackets, occupations and words that no
    other example has.
    """
    for drilled, easy, written, others in mixes:
        crowd = draw_crowd(rng, held_out=held_out)
        drill = drills(rng, crowd, held_out=held_out)
        living = draw_lives(rng, crowd, first_step=easy, written=written, held_out=held_out)
        for place in range(CROWD // GROUP):
            if rng.random() < drilled:
                yield from itertools.islice(drill, 1)
                continue
            life = next(living)
            yield from worker_examples(rng, life, held_out=held_out)
            if rng.random() >= others:
                continue
            if place % _PLANNERS == 0:
                yield bracket_example(rng, brief=bool(rng.random() < easy), held_out=held_out)
            if place % _WRITING_PLANNERS == 0:
                yield planner_example(rng, brief=bool(rng.random() < easy), held_out=held_out)
            if place % _VOTERS == 0 and life.memory.seen:
                yield vote_example(rng, life)
            if place % _CANDIDATES == _CANDIDATES // 4:
                yield stand_example(rng, life)


def texts(example: Example) -> list[str]:
    """Return the texts of an example that a tokenizer learns from."""
    answers = ["".join(part.texts[0] for part in parts) for parts in example.answers[:1]]
    return [
        example.prompts[0].shared,
        *(prompt.personal for prompt in example.prompts[:3]),
        *answers,
    ]
