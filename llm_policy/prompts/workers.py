"""What workers are asked: pure functions from arrays to text.

A prompt is written for models that remember how texts begin: what all workers share comes first,
then what never changes about a worker, then its steps, to which one is added at a time; what
changes with every step comes last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int

from econjax import BracketSchedule, IncomeCredits
from llm_policy.answers.choice_sets import ChoiceSet, legend
from llm_policy.answers.proposals import listed_rates
from llm_policy.engines.base import Prompt
from llm_policy.memory.workers import Memory, Records, latest, nudge, recent
from llm_policy.prompts.numbers import dollars, money, per_cent, schedule_table

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


class Means(NamedTuple):
    """What workers have beside work: income that labor does not bring, and a credit on the tax.

    In dollars a year. `status` is their tax status, "" where the law knows none; `credits` are
    those that depend on income.
    """

    other_income: Float[np.ndarray, " agents"]
    credit: Float[np.ndarray, " agents"]
    status: Sequence[str]
    credits: IncomeCredits | None = None


class Situation(NamedTuple):
    """What all workers know before a step: law, past laws by tax year, last rebate, its purpose."""

    schedule: BracketSchedule
    tax_year: int
    past: Mapping[int, BracketSchedule]
    rebate: float
    phase: Phase


def labor_prompts(
    style: Style,
    situation: Situation,
    constants: Sequence[str],
    memory: Memory,
    *,
    choice_set: ChoiceSet,
    unit: str,
    most: float = 100,
    group: Int[np.ndarray, " agents"] | None = None,
) -> list[Prompt]:
    """Return the question how long to work next, one prompt per worker.

    `constants` are each worker's own lines that do not change (see `worker_lines`), `unit` is "$"
    where results are in dollars, else their unit in words, and `most` the longest week in hours.
    Of schedules by `group` a worker reads the own group's.
    """

    def shared(own: Situation) -> str:
        explore = [_EXPLORE] if style.explore else []
        lines = _RULES[style.phrasing], *explore, law_text(own), _form(style, choice_set, most)
        return "\n".join(lines)

    late = style.explore and situation.phase == "exploit"
    ask = (_EXPLOIT if late else "") + _QUESTIONS[style.phrasing]
    offers = [""] * len(constants)
    if style.mode == "choice" and choice_set.order is not None:
        offers = [f"{text}.\n" for text in legend(choice_set, reverse=style.reverse)]
    told = memory_lines(style, memory, unit=unit)
    common = _for_each(shared, situation, group, len(constants))
    return [
        Prompt(own, f"{constant}\n{offer}{lines}{ask}")
        for own, constant, offer, lines in zip(common, constants, offers, told, strict=True)
    ]


def satisfaction_prompts(
    situation: Situation,
    constants: Sequence[str],
    memory: Memory,
    *,
    unit: str,
    form: str,
    group: Int[np.ndarray, " agents"] | None = None,
) -> list[Prompt]:
    """Return the question whether the taxes of the step that has just passed satisfy each worker.

    `form` says how to answer. Of schedules by `group` a worker reads the own group's.
    """

    def shared(own: Situation) -> str:
        return f"{_SATISFACTION}\n{economy_text(own)}\n{form}"

    common = _for_each(shared, situation, group, len(constants))
    told = _lines(latest(memory), unit, headed=False)
    return [
        Prompt(own, f"{constant}\n{line}Are you satisfied with the taxes and the rebate?")
        for own, constant, line in zip(common, constants, told, strict=True)
    ]


def _for_each(
    text: Callable[[Situation], str],
    situation: Situation,
    group: Int[np.ndarray, " agents"] | None,
    agents: int,
) -> list[str]:
    """Return what each worker reads of a situation, in which laws are those of the own group."""
    if group is None:
        return [text(situation)] * agents
    each = {number: text(_of_group(situation, number)) for number in set(group.tolist())}
    return [each[number] for number in group.tolist()]


def _of_group(situation: Situation, number: int) -> Situation:
    past = {year: law.of_group(number) for year, law in situation.past.items()}
    return situation._replace(schedule=situation.schedule.of_group(number), past=past)


def worker_lines(
    personas: Sequence[str] | None,
    aims: Sequence[str],
    skill: Float[np.ndarray, " agents"],
    effort: Sequence[str],
    fixed_cost: Float[np.ndarray, " agents"] | None,
    means: Means | None = None,
) -> list[str]:
    """Return what never changes about each worker: person, skill, other means, effort, aim.

    `skill` is in dollars of annual income per weekly hour, `fixed_cost` in dollars a year.
    """
    people = [""] * len(aims) if personas is None else [f"{text}\n" for text in personas]
    per_hour, forty = money(skill), money(40 * skill)
    stay = rest = [""] * len(aims)
    if fixed_cost is not None:
        stay = _amounts(fixed_cost, " Working at all costs you {} a year, which steps do not show.")
    if means is not None:
        rest = _rest(means)
    return [
        f"{person}Each weekly hour that you work all year earns you {hour} a year before tax: "
        f"{income} at 40 hours.{more} {price}{home} {aim}"
        for person, hour, income, more, price, home, aim in zip(
            people, per_hour, forty, rest, effort, stay, aims, strict=True
        )
    ]


def _rest(means: Means) -> list[str]:
    """Return a worker's status, other income and credit, of which some have none."""
    columns = (
        [f" Your tax status is {status}." if status else "" for status in means.status],
        _amounts(means.other_income, " Beside work you have an income of {} a year, taxed too."),
        _credit_lines(means),
    )
    return ["".join(texts) for texts in zip(*columns, strict=True)]


def _amounts(amounts: Float[np.ndarray, " agents"], words: str) -> list[str]:
    """Return a sentence on each worker's amount, none where it is 0."""
    return [words.format(said) if said != "$0" else "" for said in money(amounts)]


def _credit_lines(means: Means) -> list[str]:
    """Return each worker's credits: a lump sum, or what all are at the incomes where they turn."""
    same = " Your tax is lower by a credit of {} a year."
    if means.credits is None:
        return _amounts(means.credit, same)
    starts, rates = (
        np.asarray(values, float) for values in (means.credits.thresholds, means.credits.rates)
    )
    rises = -np.cumsum(rates[:, :-1] * np.diff(starts), axis=1)
    rises = np.concatenate([np.zeros((len(starts), 1)), rises], axis=1)
    kind = np.asarray(means.credits.kind)
    turns = np.any(rates, axis=1)[kind]
    lump = _amounts(np.where(turns, 0, means.credit), same)
    own = zip(kind.tolist(), means.credit, turns.tolist(), lump, strict=True)
    return [
        _turns(starts[k], rates[k], rises[k] + least) if turn else text
        for k, least, turn, text in own
    ]


def _turns(
    starts: Float[np.ndarray, " brackets"],
    rates: Float[np.ndarray, " brackets"],
    amounts: Float[np.ndarray, " brackets"],
) -> str:
    turn = np.append(True, np.diff(rates) != 0)
    said = zip(money(amounts[turn]), money(starts[turn]), strict=True)
    points = ", ".join(f"{amount} at {income}" for amount, income in said)
    return (
        f" Your tax is lower by a credit that depends on your income: {points} and above, evenly "
        "changing in between; what is more than the tax is paid out."
    )


def price_lines(prices: Float[np.ndarray, "agents 3"]) -> list[str]:
    """Return the price of an hour's effort at 20, 40 and 60 hours, in words.

    `prices` are in dollars a year.
    """
    columns = zip(*(money(column) for column in prices.T), strict=True)
    return [
        f"The effort of one more weekly hour is to you like losing {low} a year when you work 20 "
        f"hours, {middle} at 40 hours and {high} at 60 hours."
        for low, middle, high in columns
    ]


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
    parts = [_step_lines(shown, unit)]
    if style.best:
        first = shown.step[0, 0] if len(shown.step) else 0.0
        parts.append(_best_lines(memory.best, unit, first_shown=first))
    if style.averages:
        hours, results = memory.mean_labor.tolist(), _results(memory.mean_result, unit)
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


def _step_lines(records: Records, unit: str) -> list[str]:
    """Return each worker's lines of a few steps [kept, agents], joined.

    Steps of NaN hours are left out.
    """
    kept, agents = records.labor.shape
    texts = [[""] * agents]
    year = 0.0
    for place in range(kept):
        now = Records(*(values[place] for values in records))
        new_year = bool(now.tax_year[0] != year)
        year = now.tax_year[0]
        texts.append(_lines(now, unit, headed=new_year and year > 0))
    return ["".join(lines) for lines in zip(*texts, strict=True)]


def _lines(now: Records, unit: str, *, headed: bool) -> list[str]:
    """Return each worker's line of one step."""
    read, told = ~np.isnan(now.labor), np.isfinite(now.result)
    amounts = (now.income, now.tax, now.rebate, now.income - now.tax + now.rebate)
    columns = zip(
        np.round(now.labor, 2).tolist(),
        *(money(np.nan_to_num(values)) for values in amounts),
        _results(np.where(told, now.result, 0.0), unit),
        told.tolist(),
        [_FEELINGS.get(feeling, "") for feeling in now.satisfied.tolist()],
        read.tolist(),
        now.step.tolist(),
        strict=True,
    )
    head = f"Tax year {now.tax_year[0]:.0f}:\n" if headed else ""
    return [
        f"{head}Step {n:.0f}: {h:g} hours a week, income {z}, tax {t}, rebate {r}, kept {c}"
        f"{f', result {u}' if known else ''}{s}\n"
        if ok
        else head
        for h, z, t, r, c, u, known, s, ok, n in columns
    ]


def _best_lines(best: Records, unit: str, *, first_shown: float) -> list[str]:
    """Return each worker's best steps [kept, agents] in one line.

    Those shown above are there by their number alone.
    """
    kept, agents = best.labor.shape
    known = ~np.isnan(best.labor)
    texts = [["Your best steps, best first"] * agents]
    for place in range(kept):
        now = Records(*(np.where(known[place], values[place], 0.0) for values in best))
        columns = zip(
            known[place].tolist(),
            now.step.tolist(),
            now.tax_year.tolist(),
            np.round(now.labor, 2).tolist(),
            _results(now.result, unit),
            strict=True,
        )
        mark = ";" if place else ":"
        texts.append(
            [
                (
                    f"{mark} step {n:.0f}"
                    if n >= first_shown
                    else f"{mark} step {n:.0f} (tax year {y:.0f}, {h:g} hours a week, result {u})"
                )
                if ok
                else ""
                for ok, n, y, h, u in columns
            ]
        )
    lines = ["".join(parts) for parts in zip(*texts, strict=True)]
    return [f"{line}.\n" if ok else "" for line, ok in zip(lines, known[0].tolist(), strict=True)]


def _results(values: Float[np.ndarray, " n"], unit: str) -> list[str]:
    return money(values) if unit == "$" else [f"{value:.5g} {unit}" for value in values.tolist()]


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
_EXPLOIT = "No more trying: choose the best hours that you know of.\n"
_SATISFACTION = (
    "You take part in a study of work and taxes. Judge the taxes and the rebate as the person you "
    "are."
)
_MORE = "Your last change of hours speaks for more hours, as far as one change can tell.\n"
_FEWER = "Your last change of hours speaks for fewer hours, as far as one change can tell.\n"
_FEELINGS = {1.0: ", satisfied", 0.0: ", not satisfied"}
