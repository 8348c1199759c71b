"""How answers about taxes are read and scored, by the standard library alone.

`econjax sense-tasks` writes this module, as it is, beside the questions: whoever asks them, they
are scored by one rule.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from llm_policy.answers.objects import objects_in

OPTION_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What options are called, from the first."""

ItemAnswer = Mapping[str, Any]
"""A question (family, case, role, values, target), and the place of the option that was `chosen`,
None if the answer could not be read."""


class Measure(NamedTuple):
    """A share of cases in which the answers to the questions of `roles` pass."""

    name: str
    family: str
    roles: tuple[str, ...]
    passes: Callable[[Sequence[float], Sequence[float]], bool]
    """Of what was chosen, and of what is best, in the order of roles."""


class SenseScore(NamedTuple):
    """A measure's share with the ends of its 95 % interval, and what answers at random would have.

    `read` is the share of its questions whose answer could be read; one that could not fails.
    """

    measure: str
    family: str
    cases: int
    value: float
    low: float
    high: float
    chance: float
    read: float


def _same(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return chosen[0] == chosen[1]


def _differ(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return chosen[0] != chosen[1]


def _as_the_best(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return _sign(chosen[1] - chosen[0]) == _sign(best[1] - best[0])


def _right(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return chosen[0] == best[0]


def _progressive(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return chosen[0] == chosen[1] == 1


def _flat(chosen: Sequence[float], best: Sequence[float]) -> bool:
    return chosen[0] == chosen[1] == 0


MEASURES = (
    Measure("responds", "litmus", ("before", "taxed"), _differ),
    Measure("right_direction", "litmus", ("before", "taxed"), _as_the_best),
    Measure("unmoved", "litmus", ("before", "irrelevant"), _as_the_best),
    Measure("asked_again", "reliability", ("first", "again"), _same),
    Measure("other_order", "reliability", ("first", "order"), _same),
    Measure("other_words", "reliability", ("first", "words"), _same),
    Measure("tax_due", "competency", ("tax",), _right),
    Measure("kept_of_more", "competency", ("kept",), _right),
    Measure("best_hours", "competency", ("hours",), _right),
    Measure("prefers_progressive", "preference", ("first", "second"), _progressive),
    Measure("prefers_flat", "preference", ("first", "second"), _flat),
)
"""What is measured, in the order of tables. Preferences are neither right nor wrong."""


def read_letter(text: str, options: int) -> int | None:
    """Return the place of the letter that a text's one JSON object has under "answer", or None."""
    said = [one["answer"] for one in objects_in(text).found if "answer" in one]
    letter = said[0].strip().upper() if len(said) == 1 and isinstance(said[0], str) else ""
    return OPTION_LETTERS.index(letter) if letter in [*OPTION_LETTERS[:options]] else None


def likeliest(logprob: Sequence[float]) -> int | None:
    """Return the place of the likeliest option, the first of equals; None if all are impossible."""
    best = max(logprob)
    return None if best == float("-inf") else list(logprob).index(best)


def score(answers: Iterable[ItemAnswer]) -> list[SenseScore]:
    """Return the scores of all measures for which a case has all its answers."""
    told: dict[tuple[str, int], dict[str, ItemAnswer]] = {}
    for one in answers:
        told.setdefault((one["family"], one["case"]), {})[one["role"]] = one
    scores = []
    for measure in MEASURES:
        roles = set(measure.roles)
        cases = [
            [roles_of[role] for role in measure.roles]
            for (family, _), roles_of in told.items()
            if family == measure.family and roles <= roles_of.keys()
        ]
        if cases:
            scores.append(_scored(measure, cases))
    return scores


def wilson(passed: int, cases: int) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a share (Wilson 1927, without correction)."""
    share, spread = passed / cases, _Z**2 / cases
    middle, half = (
        share + spread / 2,
        _Z * (share * (1 - share) / cases + spread / cases / 4) ** 0.5,
    )
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return (0.0 if passed == 0 else low), (1.0 if passed == cases else high)


_Z = 1.959963984540054


def _scored(measure: Measure, cases: Sequence[Sequence[ItemAnswer]]) -> SenseScore:
    passed = sum(_passes(measure, case, [one["chosen"] for one in case]) for case in cases)
    chances = [
        [_passes(measure, case, places) for places in itertools.product(*map(_places, case))]
        for case in cases
    ]
    every = [one["chosen"] is not None for case in cases for one in case]
    return SenseScore(
        measure=measure.name,
        family=measure.family,
        cases=len(cases),
        value=passed / len(cases),
        low=wilson(passed, len(cases))[0],
        high=wilson(passed, len(cases))[1],
        chance=sum(sum(each) / len(each) for each in chances) / len(cases),
        read=sum(every) / len(every),
    )


def _passes(measure: Measure, case: Sequence[ItemAnswer], places: Sequence[int | None]) -> bool:
    if any(place is None for place in places):
        return False
    chosen = [one["values"][place] for one, place in zip(case, places, strict=True)]
    return measure.passes(chosen, [one["target"] for one in case])


def _places(one: ItemAnswer) -> range:
    return range(len(one["values"]))


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
