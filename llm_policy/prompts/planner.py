"""What a planner is asked: pure functions from trials and reports to text, numbers with units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Int

from econjax import BracketSchedule
from econjax.planning import VALUE, Observation, Report
from llm_policy.answers.orders import balanced_orders
from llm_policy.answers.proposals import Answer, listed_rates
from llm_policy.answers.reading import STEPS
from llm_policy.memory.planner import History, Trial, last_two
from llm_policy.prompts.numbers import dollars, groups_text, per_cent, rate_names
from llm_policy.prompts.segments import (
    BracketQuestion,
    BracketsShared,
    PlannerFacts,
    PlannerQuestion,
    PlannerRules,
    Question,
)
from llm_policy.prompts.trials import (
    observation_text,
    rate_differences,
    reflection_text,
    trial_lines,
)

LetterOrder = Literal["balanced", "fixed"]
"""How the changes are listed where a planner answers with one letter."""


@dataclass(frozen=True)
class PlannerStyle:
    """How a planner is asked.

    `answer` is what it names: "changes" of the rates in percentage points, or the "rates"
    themselves in per cent. `think` lets it write a thought first. The rest switches sentences off:
    `explore` and `exploit` are advice, `reflect` compares the last two schedules, `observe`
    describes the people of the last tax year. `letters` is how a planner who answers with one
    letter finds the changes listed: "balanced" (each question is asked in as many orders as there
    are changes, so that each change is each letter once) or "fixed" (once, from the lowest change).
    None is as the model was taught, and balanced where it was not. `statuses` are the names of
    groups that have schedules of their own. It rereads the `shown` best schedules and as many of
    the latest tax years; without its `history` it reads the current rates and of no tax year.

    Raises:
        ValueError: an unknown answer, an unknown order of letters, or nothing shown.
    """

    answer: Answer = "changes"
    think: bool = False
    explore: bool = True
    exploit: bool = True
    reflect: bool = True
    observe: bool = True
    letters: LetterOrder | None = None
    statuses: tuple[str, ...] = ()
    shown: int = 5
    history: History = "kept"

    @property
    def observes(self) -> tuple[Observation, ...]:
        """The parts of a report that the prompts show."""
        people = self.observe and self.history != "none"
        return (*VALUE, "distribution", "brackets") if people else VALUE

    def __post_init__(self) -> None:
        """Check the answer and the letters."""
        if self.answer not in ("changes", "rates"):
            raise ValueError(f'A planner answers "changes" or "rates"; got {self.answer!r}.')
        if self.letters not in (None, *get_args(LetterOrder)):
            raise ValueError(f'Letters are "balanced" or "fixed"; got {self.letters!r}.')
        if self.shown < 1:
            raise ValueError(f"A planner rereads at least 1 tax year; got {self.shown}.")


class Questions(NamedTuple):
    """The what-if questions of a tax year: how many are `allowed`, and what was `heard`."""

    allowed: int = 0
    heard: tuple[Trial, ...] = ()

    @property
    def left(self) -> int:
        """How many may still be asked."""
        return self.allowed - len(self.heard)

    def hear(self, trial: Trial) -> "Questions":
        """Return the questions after one more answer."""
        return self._replace(heard=(*self.heard, trial))


NO_QUESTIONS = Questions()
LETTERS = tuple("ABCDE")
"""What a planner says who answers with one letter: `letter_orders` says for which of `STEPS`."""


def letter_orders(style: PlannerStyle, brackets: int) -> Int[np.ndarray, "brackets orders changes"]:
    """Return which of `STEPS` each letter is, in each order in which a bracket is asked about.

    Balanced orders are the rotations of `STEPS` for one bracket, those backwards for the next.
    """
    count = len(STEPS)
    if style.letters == "fixed":
        return np.tile(np.arange(count), (brackets, 1, 1))
    return balanced_orders(brackets * count, count).reshape(brackets, count, count)


def planner_question(
    current: BracketSchedule,
    goal: str,
    trials: Sequence[Trial],
    *,
    style: PlannerStyle,
    report: Report | None = None,
    person: str = "",
    questions: Questions = NO_QUESTIONS,
) -> Question[PlannerRules, PlannerQuestion]:
    """Return the question which schedule follows `current`.

    `goal` says in words what is maximised, `person` who is asked. It shows the best `trials`, the
    latest ones, and the `report` on the last.
    """
    rules = _rules(current, goal, style)
    queries, count = questions.allowed, current.rates.size
    name = {"changes": "changes", "rates": "rates_percent"}[style.answer]
    what_if = _WHAT_IF.format(queries=queries, count=count, name=name) if queries else ""
    facts = _facts(current, trials, style, report, person)
    left = f"What-if questions left this tax year: {questions.left}." if questions.left else ""
    facts = replace(facts, answers=_answers(questions.heard), left=left)
    return Question(
        replace(rules, what_if=what_if), PlannerQuestion(facts, _QUESTIONS[style.answer])
    )


def bracket_questions(
    current: BracketSchedule,
    goal: str,
    trials: Sequence[Trial],
    *,
    style: PlannerStyle,
    report: Report | None = None,
    person: str = "",
) -> list[Question[BracketsShared, BracketQuestion]]:
    """Return the one-letter questions how each rate of `current` changes, bracket by bracket.

    Arguments are as for `planner_question`. A bracket has one question after the other for each of
    its `letter_orders`. All share what the planner reads, the meaning of the letters too where it
    is fixed. The line of a bracket says how its rate in the best schedule so far differs.
    """
    names = rate_names(current, style.statuses)
    orders, fixed = letter_orders(style, len(names)), style.letters == "fixed"
    rules = _rules(current, goal, replace(style, answer="changes"))
    letters = _LETTERS.format(meaning=f": {_meaning(orders[0, 0])}" if fixed else "")
    facts = _facts(current, trials, style, report, person)
    shared = BracketsShared(replace(rules, form=letters), facts)
    differences = rate_differences(100 * np.asarray(listed_rates(current), float), trials)
    return [
        Question(shared, BracketQuestion(f"Bracket {name}: {difference}", legend, _ONE_RATE))
        for name, difference, own in zip(names, differences, orders, strict=True)
        for legend in ("" if fixed else f"{_meaning(order)}." for order in own)
    ]


def form(style: PlannerStyle, brackets: int, *, before: str = "") -> str:
    """Return how a proposal is written in JSON, after the fields `before`."""
    thought = thought_form(style)
    if style.answer == "changes":
        return (
            f'{{{thought}{before}"changes": [..]}}, with {brackets} numbers of percentage points, '
            f"each one of {_STEPS}, one for each bracket from the lowest"
        )
    return (
        f'{{{thought}{before}"rates_percent": [..]}}, with {brackets} rates in per cent from 0 to '
        "100 (35 is 35 %), one for each bracket from the lowest"
    )


def thought_form(style: PlannerStyle) -> str:
    """Return the field of a thought that comes first, "" where there is none."""
    return '"thought": "a few short sentences", ' if style.think else ""


_STEPS = ", ".join(map(str, STEPS))
_TASK = "You set the income tax of a country. {goal}"
_ECONOMY = (
    "Tax revenue beyond public spending is paid back in equal shares. Higher rates make people "
    "work less."
)
_BRACKETS = "The {count} brackets of annual income: {brackets}."
_CHANGE = {
    "changes": (
        f"Each rate may change by {_STEPS} percentage points a tax year; rates stay from 0 % to "
        "100 %."
    ),
    "rates": "Each rate may be anything from 0 % to 100 %, every tax year anew.",
}
_EXPLORE = "Try schedules that you have not tried: one of them may be better than all so far."
_EXPLOIT = "Stay near the best schedule so far, and come back to it when others turn out worse."
_WHAT_IF = (
    "Before you answer you may ask, up to {queries} times a tax year, what a schedule would bring "
    "if all workers did exactly what is best for themselves, which real ones may not. To ask, give "
    '{count} rates in per cent under "what_if", and null under "{name}"; to answer, give null '
    'under "what_if".'
)
_ANSWERED = "Your questions, answered for workers who all do what is best for themselves:"
_LETTERS = (
    "You are asked bracket by bracket. Answer with one letter and nothing else, for the change in "
    "percentage points{meaning}."
)
_ONE_RATE = "By how many percentage points do you change this rate?"
_QUESTIONS = {
    "changes": "By how many percentage points do you change each rate?",
    "rates": "What is each rate to be, in per cent?",
}


def _rules(current: BracketSchedule, goal: str, style: PlannerStyle) -> PlannerRules:
    """Return what a planner is to do where it answers in JSON and asks nothing."""
    names = rate_names(current, style.statuses)
    return PlannerRules(
        task=_TASK.format(goal=goal),
        economy=_ECONOMY,
        brackets=_BRACKETS.format(count=len(names), brackets="; ".join(names)),
        change=_CHANGE[style.answer],
        groups=_of_groups(current, style),
        explore=_EXPLORE if style.explore else "",
        exploit=_EXPLOIT if style.exploit else "",
        form=f"Answer with JSON only: {form(style, len(names))}.",
    )


def _facts(
    current: BracketSchedule,
    trials: Sequence[Trial],
    style: PlannerStyle,
    report: Report | None,
    person: str,
) -> PlannerFacts:
    """Return what a planner is told where it asked nothing."""
    seen = report if style.observe else None
    pair = last_two(trials) if style.reflect else None
    names = rate_names(current, style.statuses)
    return PlannerFacts(
        person=person,
        people=observation_text(current, seen, style.statuses) if seen is not None else "",
        trials="\n".join(trial_lines(trials, style.shown)),
        comparison=reflection_text(*pair, names=names) if pair else "",
        answers="",
        in_force=f"Current rates, from the lowest bracket: {per_cent(listed_rates(current))}.",
        left="",
    )


def _answers(heard: Sequence[Trial]) -> str:
    """Return what schedules would bring, of which the planner asked; nothing if of none."""
    lines = [
        f"- rates {per_cent(trial.rates)}: {dollars(trial.equivalent)} a year" for trial in heard
    ]
    return "\n".join([_ANSWERED, *lines]) if lines else ""


def _meaning(order: Int[np.ndarray, " changes"]) -> str:
    """Return what each letter stands for."""
    return ", ".join(
        f"{letter} = {STEPS[place]}" for letter, place in zip(LETTERS, order.tolist(), strict=True)
    )


def _of_groups(current: BracketSchedule, style: PlannerStyle) -> str:
    """Return what is set where people have schedules by status; nothing where all have the same."""
    if current.groups is None:
        return ""
    if current.rates.ndim == 2:
        return "You set the rates of each tax status: they follow one status after the other."
    return f"{groups_text(current, style.statuses)} You set one list of rates for all of them."
