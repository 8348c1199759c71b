"""Lessons for workers: what they are asked in their lives, and what the formula answers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from econjax import BracketSchedule
from econjax.population import REFERENCE_HOURS
from experiments.training.examples import (
    Example,
    Part,
    Task,
    begin_answer,
)
from experiments.training.lives import GROUP, Crowd, Life, draw_life, forty_hours
from experiments.training.paraphrases import rephrased
from llm_policy.answers.reading import HOURS
from llm_policy.formula import workers as formula
from llm_policy.memory.workers import Memory, latest
from llm_policy.prompts.objectives import OBJECTIVES
from llm_policy.prompts.segments import Question, WorkerLines, WorkerQuestion, WorkersShared, joined
from llm_policy.prompts.workers import (
    Phase,
    labor_questions,
    law_text,
    satisfaction_questions,
)
from llm_policy.workers.llm import CODED, WRITTEN


def worker_examples(
    rng: np.random.Generator, life: Life, *, held_out: bool = False
) -> Iterator[Example]:
    """Yield the question for hours, and where workers are asked that, the one for satisfaction."""
    yield _labor_example(rng, life, held_out)
    if life.group.workers.asks_satisfaction and life.memory.seen > 1:
        yield _satisfaction_example(rng, life)


def drills(rng: np.random.Generator, crowd: Crowd, *, held_out: bool = False) -> Iterator[Example]:
    """Yield questions for hours to workers who have chosen none yet, parts of the text left out.

    What an hour earns and what effort costs always stands there. Who reads nothing about itself has
    no attitudes.
    """
    selfish = np.flatnonzero(crowd.workers.aims == OBJECTIVES.index("egotistical"))
    for members in rng.permutation(selfish)[: len(selfish) // GROUP * GROUP].reshape(-1, GROUP):
        life = draw_life(rng, crowd, members, steps=0, written=0.0, held_out=held_out)
        shown = Shown(*(rng.random(len(Shown._fields)) < _SHOWN).tolist())
        attitudes = life.group.attitudes if shown.person else formula.neutral(GROUP)
        group = life.group._replace(attitudes=attitudes)
        yield _labor_example(rng, life._replace(group=group), held_out, shown)


class Shown(NamedTuple):
    """Which parts of a question for hours are not left out."""

    rules: bool
    person: bool
    aim: bool
    step: bool
    question: bool


_SHOWN = 0.4
"""The chance of each part to stand there."""


def _shortened(question: WorkerQuestion, shown: Shown) -> WorkerQuestion:
    """Return the question without the segments that are not shown."""
    person, means, aim = question.worker
    return WorkerQuestion(
        worker=WorkerLines(person * shown.person, means, aim * shown.aim),
        offer=question.offer * shown.step,
        memory=question.memory * shown.step,
        advice=question.advice * shown.step,
        question=question.question * shown.question,
    )


def _labor_example(
    rng: np.random.Generator, life: Life, held_out: bool, shown: Shown | None = None
) -> Example:
    """Return the question for hours, or the parts of it that are shown, and the formula's answers.

    The law stands there in its own words where the rules are left out.
    """
    group, style, situation, memory = life
    workers = group.workers
    choice_set = workers.choice_set
    asked = labor_questions(
        style, situation, group.lines, memory, choice_set=choice_set, unit=workers.unit
    )
    if shown is not None:
        asked = [
            question._replace(personal=_shortened(question.personal, shown)) for question in asked
        ]
    phase: Phase = situation.phase if style.explore else "explore"
    answers = _hours(group.endowment, group.attitudes, situation.schedule, memory, phase)
    if style.mode == "text":
        answers = [
            (*begin_answer(rng, "hours", style.think), _in_json(part)) for (part,) in answers
        ]
    asked = rephrased(rng, asked, held_out=held_out)
    if shown is not None and not shown.rules:
        law = WorkersShared("", law_text(situation), "")
        asked = [question._replace(shared=law) for question in asked]
    return _example("labor", life, asked, answers)


def _example(
    task: Task,
    life: Life,
    asked: Sequence[Question[WorkersShared, WorkerQuestion]],
    answers: Sequence[tuple[Part, ...]],
) -> Example:
    workers = [question.personal.worker for question in asked]
    ends = [len(worker.person) + len(worker.means) for worker in workers]
    return Example(task, joined(asked), answers, life.situation.schedule, _means(life), ends)


def _hours(
    who: formula.Endowment,
    attitudes: formula.Attitudes,
    schedule: BracketSchedule,
    memory: Memory,
    phase: Phase,
) -> list[tuple[Part]]:
    """Return the formula's answers, as single tokens.

    Its workings are in multiples of full-time income and cut off at 3 of it.
    """
    found = formula.perceived_utility(who, attitudes, schedule, memory, phase)
    full_time = np.maximum(REFERENCE_HOURS * who.skill, 1.0)[:, None]
    shares = np.concatenate(
        [found.kept, found.effort, found.overstated[:, 4:5], found.fixed[:, None]], axis=1
    )
    logs = np.log([found.temperature / full_time[:, 0], who.skill / 1000])
    workings = [
        np.minimum(shares / full_time, 3.0).T,
        logs,
        [attitudes.leisure, found.change[:, 0], found.pull],
    ]
    probabilities = formula.hours_probabilities(who, attitudes, schedule, memory, phase).tolist()
    texts = tuple(map(str, HOURS))
    return [
        (Part(texts, tuple(row), single=True, workings=tuple(on)),)
        for row, on in zip(probabilities, np.concatenate(workings).T.tolist(), strict=True)
    ]


def _means(life: Life) -> list[list[float]]:
    """Return what follows from the means of each worker alone, as `Example` lists it."""
    who = life.group.endowment
    nobody, unknown = formula.neutral(GROUP), forty_hours(GROUP)
    found = formula.perceived_utility(who, nobody, life.situation.schedule, unknown, "explore")
    full_time = np.maximum(REFERENCE_HOURS * who.skill, 1.0)[:, None]
    shares = np.minimum(np.concatenate([found.kept, found.effort], axis=1) / full_time, 3.0)
    logs = np.log10(
        np.maximum(who.prices, _LEAST_PRICE) / np.maximum(who.skill, _LEAST_PRICE)[:, None]
    )
    attitudes = life.group.attitudes
    attitudes = np.stack(
        [
            attitudes.leisure / formula.LEISURE,
            attitudes.aversion / formula.AVERSION,
            np.log(attitudes.noise) / np.log(formula.RISK),
        ],
        axis=1,
    )
    return np.concatenate([shares, np.log10(full_time), logs, attitudes], axis=1).tolist()


_LEAST_PRICE = 0.5  # prompts round to dollars


def _in_json(hours: Part) -> Part:
    return replace(hours, texts=tuple(f"{text}}}" for text in hours.texts), single=False)


def _satisfaction_example(rng: np.random.Generator, life: Life) -> Example:
    """Return the question whether the last step satisfies, with the formula's answers."""
    group, _, situation, memory = life
    unsaid = np.full(GROUP, np.nan)  # what is asked here is not known yet
    last = memory.last._replace(
        result=np.concatenate([memory.last.result[:-1], unsaid[None]]),
        satisfied=np.concatenate([memory.last.satisfied[:-1], unsaid[None]]),
    )
    memory = replace(memory, last=last)
    single = bool(rng.random() < 0.6)
    form = CODED["yes", "no"] if single else WRITTEN
    asked = satisfaction_questions(
        situation, group.lines, memory, unit=group.workers.unit, form=form
    )
    yes = formula.satisfied_probabilities(group.attitudes, latest(memory)).tolist()
    if single:
        answers = [(Part(("yes", "no"), (p, 1 - p), single=True),) for p in yes]
    else:
        words = ('"yes"}', '"no"}')
        answers = [(*begin_answer(rng, "satisfied"), Part(words, (p, 1 - p))) for p in yes]
    return _example("satisfaction", life, asked, answers)
