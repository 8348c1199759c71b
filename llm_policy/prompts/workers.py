"""What workers are asked: pure functions from arrays to text.

A prompt is written for models that remember how texts begin: what all workers share comes first,
then what never changes about a worker, then its steps, to which one is added at a time; what
changes with every step comes last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Int

from econjax import BracketSchedule
from llm_policy.answers.choice_sets import ChoiceSet, legend
from llm_policy.answers.proposals import listed_rates
from llm_policy.memory.workers import Memory, latest, nudge, recent
from llm_policy.prompts.memories import best_text, results_text, step_text, steps_text
from llm_policy.prompts.numbers import dollars, per_cent, schedule_table
from llm_policy.prompts.segments import Question, WorkerLines, WorkerQuestion, WorkersShared

Phase = Literal["explore", "exploit"]
Mode = Literal["text", "choice"]


@dataclass(frozen=True)
class Style:
    """How workers are asked.

    `mode` is how they answer: "text" (JSON, any hours from 0 to 100) or "choice" (the probabilities
    of 11 hours, of which one is drawn). `statuses` are the names of groups that have schedules of
    their own. `think` lets them write a thought before the answer (text
    mode). They reread `history` latest steps (or up to half as many more, see `memory.recent`) and
    `best` best ones; the rest switches sentences off. `phrasing` picks one of two wordings,
    `reverse` lists the options from the last to the first: an audit varies both.

    Raises:
        ValueError: an unknown mode or phrasing, thoughts in choice mode, or no history.
    """

    mode: Mode = "text"
    think: bool = False
    history: int = 10
    best: int = 5
    averages: bool = True
    nudges: bool = True
    explore: bool = True
    phrasing: Literal[0, 1] = 0
    reverse: bool = False
    statuses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what is not known, or does not go together."""
        if self.mode not in get_args(Mode) or self.phrasing not in (0, 1):
            raise ValueError(
                "Workers answer in mode text or choice, in phrasing 0 or 1; got "
                f"{self.mode!r} and {self.phrasing!r}."
            )
        if self.think and self.mode == "choice":
            raise ValueError(
                "In choice mode the model says one token, so it cannot think first: use text mode."
            )
        if self.history < 1 or self.best < 0:
            raise ValueError(
                f"Workers reread at least 1 latest step and 0 best ones; got {self.history} and "
                f"{self.best}."
            )


class Situation(NamedTuple):
    """What all workers know before a step: law, past laws by tax year, last rebate, its purpose."""

    schedule: BracketSchedule
    tax_year: int
    past: Mapping[int, BracketSchedule]
    rebate: float
    phase: Phase


def labor_questions(
    style: Style,
    situation: Situation,
    workers: Sequence[WorkerLines],
    memory: Memory,
    *,
    choice_set: ChoiceSet,
    unit: str,
    most: float = 100,
    group: Int[np.ndarray, " agents"] | None = None,
) -> list[Question[WorkersShared, WorkerQuestion]]:
    """Return the question how long to work next, to each worker.

    `workers` are each worker's own lines that do not change (see `worker_lines`), `unit` is "$"
    where results are in dollars, else their unit in words, and `most` the longest week in hours.
    Of schedules by `group` a worker reads the own group's.
    """
    rules = "\n".join([_RULES[style.phrasing], *[_EXPLORE] * style.explore])
    form = _form(style, choice_set, most)

    def shared(own: Situation) -> WorkersShared:
        return WorkersShared(rules, law_text(own), form)

    advice = _EXPLOIT if style.explore and situation.phase == "exploit" else ""
    offers = [""] * len(workers)
    if style.mode == "choice" and choice_set.order is not None:
        offers = [f"{text}." for text in legend(choice_set, reverse=style.reverse)]
    told = memory_lines(style, memory, unit=unit)
    common = _for_each(shared, situation, group, len(workers))
    question = _QUESTIONS[style.phrasing]
    return [
        Question(own, WorkerQuestion(worker, offer, lines.removesuffix("\n"), advice, question))
        for own, worker, offer, lines in zip(common, workers, offers, told, strict=True)
    ]


def satisfaction_questions(
    situation: Situation,
    workers: Sequence[WorkerLines],
    memory: Memory,
    *,
    unit: str,
    form: str,
    group: Int[np.ndarray, " agents"] | None = None,
) -> list[Question[WorkersShared, WorkerQuestion]]:
    """Return the question whether the taxes of the step that has just passed satisfy each worker.

    `form` says how to answer. Of schedules by `group` a worker reads the own group's.
    """

    def shared(own: Situation) -> WorkersShared:
        return WorkersShared(_SATISFACTION, economy_text(own), form)

    common = _for_each(shared, situation, group, len(workers))
    told = step_text(latest(memory), unit, headed=False)
    return [
        Question(own, WorkerQuestion(worker, "", line.removesuffix("\n"), "", _SATISFIED))
        for own, worker, line in zip(common, workers, told, strict=True)
    ]


def _for_each(
    shared: Callable[[Situation], WorkersShared],
    situation: Situation,
    group: Int[np.ndarray, " agents"] | None,
    agents: int,
) -> list[WorkersShared]:
    """Return what each worker reads of a situation, in which laws are those of the own group."""
    if group is None:
        return [shared(situation)] * agents
    each = {number: shared(_of_group(situation, number)) for number in set(group.tolist())}
    return [each[number] for number in group.tolist()]


def _of_group(situation: Situation, number: int) -> Situation:
    past = {year: law.of_group(number) for year, law in situation.past.items()}
    return situation._replace(schedule=situation.schedule.of_group(number), past=past)


def law_text(situation: Situation, statuses: Sequence[str] = ()) -> str:
    """Return the law, and the laws of earlier tax years; of several groups, `statuses` by name."""
    rules = "Annual income tax; each rate applies only to the income within its bracket"
    year = f" (tax year {situation.tax_year})" if situation.tax_year else ""
    lines = [f"{rules}{year}:", schedule_table(situation.schedule, statuses)]
    lines += [
        f"In tax year {year} the rates were {per_cent(listed_rates(schedule))}."
        for year, schedule in sorted(situation.past.items())
    ]
    lines.append(
        "Tax revenue beyond public spending is paid back in equal shares: everyone gets the same "
        "rebate."
    )
    return "\n".join(lines)


def economy_text(situation: Situation, statuses: Sequence[str] = ()) -> str:
    """Return the law, earlier tax years' laws, and the last rebate: what is the same for all."""
    return f"{law_text(situation, statuses)} The last one was {dollars(situation.rebate)} a year."


def memory_lines(style: Style, memory: Memory, *, unit: str) -> list[str]:
    """Return what each worker remembers, in words: latest steps, best ones, averages, a nudge."""
    shown = recent(memory, style.history)
    parts = [steps_text(shown, unit)]
    if style.best:
        first = shown.step[0, 0] if len(shown.step) else 0.0
        parts.append(best_text(memory.best, unit, first_shown=first))
    if style.averages:
        hours, results = memory.mean_labor.tolist(), results_text(memory.mean_result, unit)
        parts.append(
            [
                f"On average you chose {hour:.3g} hours a week, with a result of {result}.\n"
                if steps
                else ""
                for hour, result, steps in zip(hours, results, memory.steps.tolist(), strict=True)
            ]
        )
    if style.nudges:
        words = {1.0: _MORE, -1.0: _FEWER, 0.0: ""}
        parts.append([words[direction] for direction in nudge(memory).tolist()])
    return ["".join(lines) for lines in zip(*parts, strict=True)]


def _form(style: Style, choice_set: ChoiceSet, most: float) -> str:
    """Return how to answer."""
    if style.mode == "text":
        thought = '"thought": "one or two short sentences", ' if style.think else ""
        answer = f'Answer with JSON only: {{{thought}"hours": H}}'
        return f"{answer}, where H is any number of weekly hours from 0 to {most:g}."
    if choice_set.order is None:
        values = choice_set.values[::-1] if style.reverse else choice_set.values
        numbers = ", ".join(map(str, values))
        return f"Answer with one of these numbers of weekly hours and nothing else: {numbers}."
    first, last = choice_set.codes[0], choice_set.codes[-1]
    return f"Answer with one letter from {first} to {last} and nothing else."


_RULES = (
    "You take part in a study of work and taxes. You decide how many hours a week to work, step "
    "after step. More hours bring more income and take more effort. You keep your income less tax, "
    "and the rebate.",
    "This is a study about taxes and work. In every step each person chooses a working week. "
    "Longer weeks pay more, and they are more tiring. What you keep is income less tax, plus the "
    "rebate.",
)
_QUESTIONS = (
    "How many hours a week do you work next?",
    "What is your next working week, in hours?",
)
_EXPLORE = (
    "Unless you are told otherwise, you may try hours that you have not tried, and learn from the "
    "result."
)
_EXPLOIT = "No more trying: choose the best hours that you know of."
_SATISFACTION = (
    "You take part in a study of work and taxes. Judge the taxes and the rebate as the person you "
    "are."
)
_SATISFIED = "Are you satisfied with the taxes and the rebate?"
_MORE = "Your last change of hours speaks for more hours, as far as one change can tell.\n"
_FEWER = "Your last change of hours speaks for fewer hours, as far as one change can tell.\n"
