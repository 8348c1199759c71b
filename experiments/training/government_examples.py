"""Lessons for planners, voters and candidates, asked as a run would ask them."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from econjax import BracketSchedule
from experiments.training.examples import Example, Part, begin_answer, draw_law
from experiments.training.lives import GROUP, Life
from llm_policy.answers.ballots import FIELDS
from llm_policy.answers.reading import STEPS
from llm_policy.formula import voters as voter_formula
from llm_policy.formula.planner import aim, changes_probabilities, sample_changes
from llm_policy.memory.planner import Trial, records
from llm_policy.prompts.election import OWN_GOAL, ElectionRules, stand_questions, vote_questions
from llm_policy.prompts.planner import (
    LETTERS,
    PlannerStyle,
    Questions,
    bracket_questions,
    planner_question,
)
from llm_policy.prompts.segments import joined
from llm_policy.prompts.welfare import WELFARE
from llm_policy.prompts.workers import economy_text, memory_lines

PLANNERS = 4
"""Planners of one example in JSON: they share brackets and goal, and have seen different years."""
MOST_CANDIDATES = 6
_YEARS = (0, 1, 1, 2, 2, 2, *range(3, 16))


def bracket_example(
    rng: np.random.Generator, *, brief: bool = False, held_out: bool = False
) -> Example:
    """Return `GROUP` questions how one rate changes, to answer with one letter, after one history.

    The planner did as its formula does. In a `brief` example they read no more than they need.
    """
    law = draw_law(rng, held_out=held_out)
    trials, current = _years(rng, law)
    style = _draw_style(rng, brief=brief)
    report: Any = _report(rng, law, current) if trials and rng.random() < 0.9 else None
    asked = bracket_questions(current, _goal(rng), trials, style=style, report=report)
    probabilities = changes_probabilities(np.asarray(current.rates, float).tolist(), trials)
    found = [
        (
            now,
            best,
            np.nan,
            move if best == now else np.nan,
            aim,
        )  # as far as the bracket's line tells it
        for now, best, _, move, aim in _workings(current, trials)
    ]
    places = np.resize(rng.permutation(len(asked)), GROUP).tolist()
    answers = [
        (Part(LETTERS, tuple(probabilities[place].tolist()), single=True, workings=found[place]),)
        for place in places
    ]
    return Example("planner", joined([asked[place] for place in places]), answers)


def planner_example(
    rng: np.random.Generator, *, brief: bool = False, held_out: bool = False
) -> Example:
    """Return the question for the next schedule, in JSON, after histories of `PLANNERS`."""
    law = draw_law(rng, held_out=held_out)
    style = _draw_style(rng, brief=brief)
    style = replace(
        style, answer="changes" if rng.random() < 0.9 else "rates", think=bool(rng.random() < 0.05)
    )
    goal = _goal(rng)
    asks = Questions(int(rng.integers(1, 3))) if rng.random() < 0.03 else Questions()
    questions, answers = [], []
    for _ in range(PLANNERS):
        trials, current = _years(rng, law)
        report: Any = _report(rng, law, current) if trials and rng.random() < 0.9 else None
        question = planner_question(
            current, goal, trials, style=style, report=report, questions=asks
        )
        probabilities = changes_probabilities(np.asarray(current.rates, float).tolist(), trials)
        name = {"changes": "changes", "rates": "rates_percent"}[style.answer]
        first = begin_answer(rng, name, think=style.think)
        if asks.left:
            first = (
                *first[:-1],
                Part((first[-1].texts[0].replace(f'"{name}', f'"what_if": null, "{name}'),)),
            )
        questions.append(question)
        parts = _numbers(style, current, probabilities)
        found = _workings(current, trials)
        parts[1:] = [
            replace(part, workings=tuple(on)) for part, on in zip(parts[1:], found, strict=True)
        ]
        answers.append((*first, *parts))
    return Example("planner", joined(questions), answers)


def vote_example(rng: np.random.Generator, life: Life) -> Example:
    """Return the question how to vote to workers who have lived through something."""
    count = int(rng.integers(1, MOST_CANDIDATES + 1))
    rule = str(rng.choice(list(FIELDS)))
    rules: Any = ElectionRules(
        platforms=bool(rng.random() < 0.7),
        rule=rule,  # type: ignore[arg-type]
        term=int(rng.integers(1, 4)),
        leader="self" if rng.random() < 0.5 else "society",
    )
    law = life.situation.schedule
    rates = np.asarray(law.rates, float)
    members = rng.permutation(len(life.group.lines))[:count]
    others = rng.integers(100, 10_000, count)
    candidates = np.where(rng.random(count) < 0.5, members, others).tolist()
    promised = np.clip(rates + rng.choice(STEPS, (count, len(rates))) / 100, 0, 1).round(4)
    past = [
        int(rng.choice(candidates)) if rng.random() < 0.3 else None
        for _ in range(int(rng.integers(0, 5)))
    ]
    voters, economy = _voters(life)
    questions = vote_questions(
        law,
        voters,
        candidates,
        rules=rules,
        goal=_goal(rng),
        style=PlannerStyle(),
        economy=economy,
        platforms=promised.tolist() if rules.platforms else [],
        past=past,
    )
    own = np.array([candidates.index(i) if i in candidates else -1 for i in range(len(voters))])
    values = voter_formula.candidate_values(
        life.memory.last.income[-1],
        np.asarray(law.thresholds, float),
        rates,
        promised if rules.platforms else np.repeat(rates[None], count, axis=0),
        own=own,
        served=np.isin(candidates, [leader for leader in past if leader is not None]),
    )
    return Example("vote", joined(questions), [_ballot(rng, rule, row) for row in values], law)


def stand_example(rng: np.random.Generator, life: Life) -> Example:
    """Return the question whether to stand for election, and with which rates."""
    law, style = life.situation.schedule, PlannerStyle()
    voters, economy = _voters(life)
    rules = ElectionRules(platforms=True, term=int(rng.integers(1, 4)))
    questions = stand_questions(
        law, voters, rules=rules, goal=_goal(rng), style=style, economy=economy
    )
    income, floors = life.memory.last.income[-1], np.asarray(law.thresholds, float)
    stands = voter_formula.stand_probabilities(
        income, floors, np.asarray(law.rates, float)
    ).tolist()
    promises = voter_formula.promise_probabilities(income, floors)
    answers = [
        (
            *begin_answer(rng, "stands"),
            Part(("true", "false"), (yes, 1 - yes)),
            Part((', "changes": ',)),
            *_numbers(style, law, probabilities),
        )
        for yes, probabilities in zip(stands, promises, strict=True)
    ]
    return Example("stand", joined(questions), answers, law)


def _draw_style(rng: np.random.Generator, *, brief: bool) -> PlannerStyle:
    """Return how a planner is asked."""
    return PlannerStyle(
        explore=bool(rng.random() < 0.85),
        exploit=bool(rng.random() < 0.85),
        reflect=bool(rng.random() < 0.85 and not brief),
        observe=bool(rng.random() < 0.6 and not brief),
        letters="fixed",
        shown=2 if brief else 5 if rng.random() < 0.6 else int(rng.integers(2, 7)),
    )


def _goal(rng: np.random.Generator) -> str:
    return str(rng.choice([OWN_GOAL, *(goal.words for goal in WELFARE.values())]))


def _voters(life: Life) -> tuple[list[str], str]:
    """Return each worker's own situation, and that of the economy, in words."""
    told = memory_lines(life.style, life.memory, unit=life.group.workers.unit)
    own = [f"{worker}\n{lines}" for worker, lines in zip(life.group.lines, told, strict=True)]
    return own, economy_text(life.situation)


def _years(rng: np.random.Generator, law: BracketSchedule) -> tuple[list[Trial], BracketSchedule]:
    """Return tax years under schedules that a planner tried, and the schedule in force.

    Results fall with the distance from rates that are drawn, with noise or without.
    """
    count = len(law.rates)
    best = np.interp(np.linspace(0, 1, count), [0, 0.5, 1], rng.random(3))
    weight, common = rng.random(count) + 0.1, rng.random() * count
    level, slope = np.exp(rng.normal(10.4, 0.6)), np.exp(rng.normal(8, 1))
    noise, error = (rng.random(2) < 0.5) * np.exp(rng.normal(4, 1.5, 2))
    rates = current = np.asarray(law.rates, float)
    trials = []
    for _ in range(int(rng.choice(_YEARS))):
        away = rates - best
        result = level - slope * ((weight * away**2).sum() + common * away.mean() ** 2)
        trials.append(
            Trial(
                tuple(rates.tolist()),
                float(result + noise * rng.normal()),
                error * float(rng.uniform(0.7, 1.4)),
            )
        )
        probabilities = changes_probabilities(rates.tolist(), trials)
        if rng.random() < 0.15:
            probabilities = np.full_like(probabilities, 1 / len(STEPS))
        changes = sample_changes(rng, probabilities)
        after = np.where(changes == 0, rates, np.clip(rates + changes, 0, 1).round(4))
        current, rates = rates, after
    return trials, BracketSchedule(law.thresholds, current.tolist())


def _report(
    rng: np.random.Generator, law: BracketSchedule, current: BracketSchedule
) -> SimpleNamespace:
    """Return what a planner reads of a report, for a lognormal population."""
    income = np.sort(np.exp(rng.normal(rng.normal(10.6, 0.3), rng.uniform(0.5, 1.0), 200)))
    utility = income * rng.uniform(0.5, 0.8) + rng.uniform(0, 20_000)
    places = np.searchsorted(np.asarray(law.thresholds, float), income, side="right") - 1
    tenths = np.arange(0.1, 0.95, 0.1)
    return SimpleNamespace(
        brackets=SimpleNamespace(share=np.bincount(places, minlength=len(law.rates)) / len(income)),
        income=income.mean(),
        income_spread=income.std(),
        income_deciles=np.quantile(income, tenths),
        utility=utility.mean(),
        utility_spread=utility.std(),
        utility_deciles=np.quantile(utility, tenths),
        rebate=rng.uniform(0, 30_000),
        labor=rng.uniform(15, 45),
    )


def _numbers(
    style: PlannerStyle, current: BracketSchedule, probabilities: np.ndarray
) -> list[Part]:
    """Return the list of numbers that names the next schedule, one part for each bracket."""
    rates, parts = 100 * np.asarray(current.rates, float), [Part(("[",))]
    for place, (rate, row) in enumerate(zip(rates, probabilities, strict=True)):
        end = ", " if place < len(rates) - 1 else "]}"
        said: dict[str, float] = {}
        for step, chance in zip(STEPS, row.tolist(), strict=True):
            number = step if style.answer == "changes" else np.clip(rate + step, 0, 100)
            text = f"{number:.4g}{end}"
            said[text] = said.get(text, 0.0) + chance
        parts.append(Part(tuple(said), tuple(said.values())))
    return parts


def _workings(current: BracketSchedule, trials: Sequence[Trial]) -> list[list[float]]:
    """Return by bracket the rates that the formula compares, their mean move, and its aim."""
    now = np.asarray(current.rates, float)
    seen = [np.asarray(record.rates, float) for record in records(trials)[:2]]
    best, second = (*seen, *[np.full_like(now, np.nan)] * 2)[:2]
    move = np.full_like(now, 10 * (best - second).mean())
    aims = np.clip(aim(100 * now, trials), -20, 20) / 20 if len(seen) > 1 else np.zeros_like(now)
    return np.stack([now, best, second, move, aims], axis=1).tolist()


def _ballot(rng: np.random.Generator, rule: str, values: np.ndarray) -> tuple[Part, ...]:
    """Return a ballot under a rule."""
    first = begin_answer(rng, FIELDS[rule])  # type: ignore[index]
    numbers = [str(place + 1) for place in range(len(values))]
    if rule == "plurality":
        (probabilities,) = voter_formula.vote_probabilities(values[None])
        return (
            *first,
            Part(tuple(f"{number}}}" for number in ["0", *numbers]), tuple(probabilities.tolist())),
        )
    if rule == "borda":
        return (*first, *_ranking(rng, values, numbers))
    return (*first, *_approved(rng, voter_formula.approval_probabilities(values[None])[0], numbers))


def _ranking(rng: np.random.Generator, values: np.ndarray, numbers: Sequence[str]) -> list[Part]:
    """Return a ranking whose places are filled one after the other."""
    (probabilities,) = voter_formula.vote_probabilities(values[None])
    (order,) = voter_formula.sample_rankings(rng, values[None])
    if order[0] < 0:
        return [Part(("[",)), _said(["]}", *numbers], probabilities, 0)]
    left, parts = list(range(len(values))), [Part(("[",))]
    parts.append(_said(["]}", *numbers], probabilities, int(order[0]) + 1))
    left.remove(order[0])
    for place in order[1:].tolist():
        parts.append(Part((", ",)))
        parts.append(
            _said([numbers[other] for other in left], probabilities[1:][left], left.index(place))
        )
        left.remove(place)
    return [*parts, Part(("]}",))]


def _approved(
    rng: np.random.Generator, probabilities: np.ndarray, numbers: Sequence[str]
) -> list[Part]:
    """Return the list of those approved of, in the order of the ballot."""
    yes, parts, last = rng.random(len(probabilities)) < probabilities, [Part(("[",))], -1
    while True:
        rest = range(last + 1, len(numbers))
        missed = np.cumprod(np.append(1.0, 1 - probabilities[list(rest)]))
        texts = [*(numbers[place] if last < 0 else f", {numbers[place]}" for place in rest), "]}"]
        weights = np.append(missed[:-1] * probabilities[list(rest)], missed[-1])
        chosen = next((place for place in rest if yes[place]), None)
        parts.append(_said(texts, weights, len(texts) - 1 if chosen is None else chosen - last - 1))
        if chosen is None:
            return parts
        last = chosen


def _said(texts: Sequence[str], probabilities: np.ndarray, said: int) -> Part:
    return Part(tuple(texts), tuple(probabilities.tolist()), said=said)
