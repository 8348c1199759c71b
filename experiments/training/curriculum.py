"""Which lessons come when: all tasks side by side, and with time longer histories."""

from collections.abc import Iterable, Iterator

import numpy as np

from experiments.training.government_lessons import planner_lesson, stand_lesson, vote_lesson
from experiments.training.lessons import Lesson
from experiments.training.worker_lessons import draw_crowd, lives, worker_lessons

_PLANNERS, _VOTERS, _CANDIDATES = 4, 16, 32
"""After so many groups of workers there is a lesson for planners, for voters, for candidates."""


def lessons(rng: np.random.Generator, easy: Iterable[float], *, held_out: bool = False) -> Iterator[Lesson]:
    """Yield the lessons of one crowd of workers after the other, and between them those of the other tasks.

    For each crowd, `easy` is the share of workers who have not chosen hours yet, and of the other tasks'
    lessons that are left out; it is also the share of planners who read no more than they need. `held_out`
    lessons have brackets, occupations and words that no other lesson has.
    """
    for share in easy:
        crowd = draw_crowd(rng, held_out=held_out)
        for place, life in enumerate(lives(rng, crowd, first_step=share, held_out=held_out)):
            yield from worker_lessons(rng, life, held_out=held_out)
            if rng.random() < share:
                continue
            if place % _PLANNERS == 0:
                yield planner_lesson(rng, brief=bool(rng.random() < share), held_out=held_out)
            if place % _VOTERS == 0 and life.memory.seen:
                yield vote_lesson(rng, life)
            if place % _CANDIDATES == _CANDIDATES // 4:
                yield stand_lesson(rng, life)


def texts(lesson: Lesson) -> list[str]:
    """Return the texts of a lesson that a tokenizer learns from."""
    answers = ["".join(part.texts[0] for part in parts) for parts in lesson.answers[:1]]
    return [lesson.prompts[0].shared, *(prompt.personal for prompt in lesson.prompts[:3]), *answers]
