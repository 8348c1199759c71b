"""Which lessons come when: drills, then first steps, then all tasks side by side and longer histories."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from experiments.training.government_lessons import planner_lesson, stand_lesson, vote_lesson
from experiments.training.lessons import Lesson
from experiments.training.worker_lessons import (
    CROWD,
    GROUP,
    draw_crowd,
    drills,
    lives,
    worker_lessons,
)

_PLANNERS, _VOTERS, _CANDIDATES = 4, 16, 32
"""After so many groups of workers there is a lesson for planners, for voters, for candidates."""


class Mix(NamedTuple):
    """How easy the lessons of a crowd are.

    `drilled` is the share of workers who are drilled; `easy` that of the others who have not chosen hours
    yet, and of planners who read no more than they need; `others` that of the other tasks' lessons that are
    heard.
    """

    drilled: float
    easy: float
    others: float


DRILLS_ONLY = 0.2
"""The share of a training run before anything but drills is heard."""
EVERYTHING = Mix(0.0, 0.3, 1.0)
"""The lessons that a tokenizer learns from and a model is tested on."""


def mix(progress: float) -> Mix:
    """Return the mix after a share of a training run."""
    drilled = np.interp(progress, [DRILLS_ONLY, DRILLS_ONLY + 0.01, 0.7], [1.0, 0.6, 0.1])
    easy = np.interp(progress, [DRILLS_ONLY, 0.9], [0.95, 0.3])
    others = np.interp(progress, [0.9, 1.0], [0.0, 0.5])
    return Mix(float(drilled), float(easy), float(others))


def lessons(rng: np.random.Generator, mixes: Iterable[Mix], *, held_out: bool = False) -> Iterator[Lesson]:
    """Yield the lessons of one crowd of workers after the other, and between them those of the other tasks.

    There is a mix for each crowd. `held_out` lessons have brackets, occupations and words that no other
    lesson has.
    """
    for drilled, easy, others in mixes:
        crowd = draw_crowd(rng, held_out=held_out)
        drill = drills(rng, crowd, held_out=held_out)
        living = lives(rng, crowd, first_step=easy, held_out=held_out)
        for place in range(CROWD // GROUP):
            if rng.random() < drilled:
                yield from itertools.islice(drill, 1)
                continue
            life = next(living)
            yield from worker_lessons(rng, life, held_out=held_out)
            if rng.random() >= others:
                continue
            if place % _PLANNERS == 0:
                yield planner_lesson(rng, brief=bool(rng.random() < easy), held_out=held_out)
            if place % _VOTERS == 0 and life.memory.seen:
                yield vote_lesson(rng, life)
            if place % _CANDIDATES == _CANDIDATES // 4:
                yield stand_lesson(rng, life)


def texts(lesson: Lesson) -> list[str]:
    """Return the texts of a lesson that a tokenizer learns from."""
    answers = ["".join(part.texts[0] for part in parts) for parts in lesson.answers[:1]]
    return [lesson.prompts[0].shared, *(prompt.personal for prompt in lesson.prompts[:3]), *answers]
