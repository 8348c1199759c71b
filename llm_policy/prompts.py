"""What workers are asked: pure functions from arrays to text, shared text first, numbers with units."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from llm_policy.answers import HOURS
from llm_policy.engine import Prompt
from llm_policy.memory import Memory, Records, latest, nudge

Phase = Literal["explore", "exploit"]


@dataclass(frozen=True)
class Style:
    """How workers are asked.

    `mode` is how they answer: "text" (JSON, any hours from 0 to 100) or "choice" (the probabilities of 11
    hours, of which one is drawn). `think` lets them write a thought before the answer (text mode). They
    reread `history` latest steps and `best` best ones; the rest switches sentences off. `phrasing` picks one
    of two wordings, `reverse` lists the options from the last to the first: an audit varies both.

    Raises:
        ValueError: thoughts in choice mode, or no history.
    """

    mode: Literal["text", "choice"] = "text"
    think: bool = False
    history: int = 10
    best: int = 5
    averages: bool = True
    nudges: bool = True
    explore: bool = True
    phrasing: Literal[0, 1] = 0
    reverse: bool = False

    def __post_init__(self) -> None:
        """Check what does not go together."""
        if self.think and self.mode == "choice":
            raise ValueError(
                "In choice mode the model says one token, so it cannot think first: use text mode."
            )
        if self.history < 1 or self.best < 0:
            raise ValueError(
                f"Workers reread at least 1 latest step and 0 best ones; got {self.history} and {self.best}."
            )


class Menu(NamedTuple):
    """The hours offered in choice mode, and the single tokens that stand for them.

    `order[worker, place]` is the place in `values` of what the code at `place` means to a worker; None if the
    codes are the numbers themselves.
    """

    values: tuple[int, ...]
    codes: tuple[str, ...]
    order: np.ndarray | None


def letters(agents: int, values: Sequence[int] = HOURS) -> Menu:
    """Return letter codes in an order that differs between workers, so that no hours gain by their place.

    Of as many workers as there are values, each finds each value at another letter.
    """
    count = len(values)
    turn = np.arange(agents) % count
    order = (np.arange(count)[None, :] + turn[:, None]) % count
    order[(np.arange(agents) // count) % 2 == 1] = order[(np.arange(agents) // count) % 2 == 1, ::-1]
    return Menu(tuple(values), tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:count]), order)


def numbers(values: Sequence[int] = HOURS) -> Menu:
    """Return the menu whose codes are the numbers themselves."""
    return Menu(tuple(values), tuple(map(str, values)), None)


class Situation(NamedTuple):
    """What all workers know before a step: law, past laws by tax year, last rebate, what the step is for."""

    schedule: BracketSchedule
    tax_year: int
    past: Mapping[int, BracketSchedule]
    rebate: float
    phase: Phase


def labor_prompts(
    style: Style, situation: Situation, constants: Sequence[str], memory: Memory, *, menu: Menu, unit: str
) -> list[Prompt]:
    """Return the question how long to work next, one prompt per worker.

    `constants` are each worker's own lines that do not change (see `worker_lines`), `unit` is "$" where
    results are in dollars, else their unit in words.
    """
    shared = "\n".join(
        (_RULES[style.phrasing], economy_text(situation), _phase(style, situation), _form(style, menu))
    )
    ask = _QUESTIONS[style.phrasing]
    told = memory_lines(style, memory, unit=unit)
    offers = _offers(style, menu, len(constants))
    return [
        Prompt(shared, f"{constant}\n{lines}{offer}{ask}")
        for constant, lines, offer in zip(constants, told, offers, strict=True)
    ]


def satisfaction_prompts(
    situation: Situation, constants: Sequence[str], memory: Memory, *, unit: str
) -> list[Prompt]:
    """Return the question whether the taxes of the step that has just passed satisfy each worker."""
    shared = f"{_SATISFACTION}\n{economy_text(situation)}"
    now = latest(memory)
    lines = _step_lines(Records(*(values[None] for values in now)), unit)
    return [
        Prompt(shared, f"{constant}\n{line}Are you satisfied with the taxes and the rebate?")
        for constant, line in zip(constants, lines, strict=True)
    ]


def worker_lines(
    personas: Sequence[str] | None,
    aims: Sequence[str],
    skill: Float[np.ndarray, " agents"],
    effort: Sequence[str],
    fixed_cost: Float[np.ndarray, " agents"] | None,
) -> list[str]:
    """Return what never changes about each worker: person, aim, skill, effort.

    `skill` is in dollars of annual income per weekly hour, `fixed_cost` in dollars a year.
    """
    people = [""] * len(aims) if personas is None else [f"{text}\n" for text in personas]
    per_hour, forty = money(skill), money(40 * skill)
    fixed = [""] * len(aims)
    if fixed_cost is not None:
        fixed = [
            f" Working at all costs you {cost} a year." if cost != "$0" else "" for cost in money(fixed_cost)
        ]
    return [
        f"{person}{aim} Each weekly hour that you work all year earns you {hour} a year before tax: {income} "
        f"at 40 hours. {cost}{stay}"
        for person, aim, hour, income, cost, stay in zip(
            people, aims, per_hour, forty, effort, fixed, strict=True
        )
    ]


def price_lines(prices: Float[np.ndarray, "agents 3"]) -> list[str]:
    """Return the price of an hour's effort at 20, 40 and 60 hours, in words; `prices` in dollars a year."""
    columns = zip(*(money(column) for column in prices.T), strict=True)
    return [
        f"The effort of one more weekly hour is to you like losing {low} a year when you work 20 hours, "
        f"{middle} at 40 hours and {high} at 60 hours."
        for low, middle, high in columns
    ]


def economy_text(situation: Situation) -> str:
    """Return the law, the laws of earlier tax years, and the last rebate: what is the same for all."""
    rules = "Annual income tax; each rate applies only to the income within its bracket"
    lines = [f"{rules} (tax year {situation.tax_year}):", schedule_table(situation.schedule)]
    lines += [
        f"In tax year {year} the rates were {per_cent(np.asarray(schedule.rates).tolist())}."
        for year, schedule in sorted(situation.past.items())
    ]
    lines.append(
        "Tax revenue beyond public spending is paid back in equal shares: the last rebate was "
        f"{dollars(situation.rebate)} a year for everyone."
    )
    return "\n".join(lines)


def memory_lines(style: Style, memory: Memory, *, unit: str) -> list[str]:
    """Return what each worker remembers, in words: latest steps, best ones, averages, a nudge."""
    parts = [_step_lines(memory.last, unit)]
    if style.best:
        parts.append(_under("Your best steps so far, best first:\n", _step_lines(memory.best, unit)))
    if style.averages:
        hours, results = memory.mean_labor.tolist(), _results(memory.mean_result, unit)
        parts.append(
            [
                f"On average you worked {hour:.3g} hours a week, with a result of {result}.\n"
                if steps
                else ""
                for hour, result, steps in zip(hours, results, memory.steps.tolist(), strict=True)
            ]
        )
    if style.nudges:
        words = {1.0: _MORE, -1.0: _FEWER, 0.0: ""}
        parts.append([words[direction] for direction in nudge(memory).tolist()])
    return ["".join(lines) for lines in zip(*parts, strict=True)]


def schedule_table(schedule: BracketSchedule) -> str:
    """Return the brackets and their rates in per cent, one line each."""
    names = bracket_names(np.asarray(schedule.thresholds))
    rates = np.asarray(schedule.rates)
    return "\n".join(f"- {name}: {100 * rate:.4g} %" for name, rate in zip(names, rates, strict=True))


def bracket_names(thresholds: Float[np.ndarray, " brackets"]) -> list[str]:
    """Return the brackets in words: "$0 to $11,600", the last one "above $609,350"."""
    between = [f"{dollars(low)} to {dollars(high)}" for low, high in itertools.pairwise(thresholds)]
    return [*between, f"above {dollars(thresholds[-1])}"]


def per_cent(rates: Sequence[float]) -> str:
    """Return rates, which are shares, as "10 %, 12.5 %"."""
    return ", ".join(f"{100 * rate:.4g} %" for rate in rates)


def dollars(amount: float) -> str:
    """Return an amount in whole dollars: "$1,234", "-$5"."""
    whole = round(float(amount))
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def money(amounts: Float[np.ndarray, " n"]) -> list[str]:
    """Return many amounts as `dollars` does; "?" for NaN."""
    known = ~np.isnan(amounts)
    whole = np.where(known, np.rint(amounts), 0).astype(np.int64).tolist()
    texts = [f"${value:,}" if value >= 0 else f"-${-value:,}" for value in whole]
    return (
        texts if known.all() else [text if k else "?" for text, k in zip(texts, known.tolist(), strict=True)]
    )


def _step_lines(records: Records, unit: str) -> list[str]:
    """Return each worker's lines of a few steps [kept, agents], joined; NaN hours are left out."""
    kept, agents = records.labor.shape
    order = [values.T.ravel() for values in records]  # worker by worker
    step, year, labor, income, tax, rebate, result, satisfied = order
    whole = [np.nan_to_num(values).astype(np.int64).tolist() for values in (step, year)]
    hours = [f"{hour:g}" for hour in np.round(labor, 2).tolist()]
    amounts = [money(values) for values in (income, tax, rebate, income - tax + rebate)]
    feelings = [_FEELINGS.get(feeling, "") for feeling in satisfied.tolist()]
    columns = zip(*whole, hours, *amounts, _results(result, unit), feelings, strict=True)
    lines = [
        f"Step {n} (tax year {y}): {h} hours a week, income {z}, tax {t}, rebate {r}, kept {c}; result "
        f"{u}{s}\n"
        for n, y, h, z, t, r, c, u, s in columns
    ]
    if np.isnan(labor).any():
        lines = [line if ok else "" for line, ok in zip(lines, (~np.isnan(labor)).tolist(), strict=True)]
    return ["".join(lines[kept * i : kept * (i + 1)]) for i in range(agents)]


def _results(values: Float[np.ndarray, " n"], unit: str) -> list[str]:
    return money(values) if unit == "$" else [f"{value:.5g} {unit}" for value in values.tolist()]


def _under(title: str, lines: list[str]) -> list[str]:
    return [title + text if text else "" for text in lines]


def _phase(style: Style, situation: Situation) -> str:
    return _PHASES[situation.phase] if style.explore else ""


def _form(style: Style, menu: Menu) -> str:
    """Return how to answer."""
    if style.mode == "text":
        thought = '"thought": "one or two short sentences", ' if style.think else ""
        answer = f'Answer with JSON only: {{{thought}"hours": H}}'
        return f"{answer}, where H is any number of weekly hours from 0 to 100."
    if menu.order is None:
        values = menu.values[::-1] if style.reverse else menu.values
        numbers = ", ".join(map(str, values))
        return f"Answer with one of these numbers of weekly hours and nothing else: {numbers}."
    return f"Answer with one letter from {menu.codes[0]} to {menu.codes[-1]} and nothing else."


def _offers(style: Style, menu: Menu, agents: int) -> list[str]:
    """Return what the letters mean to each worker; nothing where the options are numbers."""
    if style.mode == "text" or menu.order is None:
        return [""] * agents
    step = -1 if style.reverse else 1
    texts = {}
    for order in map(tuple, menu.order.tolist()):
        if order not in texts:
            pairs = list(zip(menu.codes, order, strict=True))[::step]
            texts[order] = ", ".join(f"{code} = {menu.values[place]} hours a week" for code, place in pairs)
    return [f"{texts[order]}.\n" for order in map(tuple, menu.order.tolist())]


_RULES = (
    "You take part in a study of work and taxes. You decide how many hours a week to work, step after step. "
    "More hours bring more income and take more effort.",
    "This is a study about taxes and work. In every step each person chooses a working week. Longer weeks "
    "pay more, and they are more tiring.",
)
_QUESTIONS = ("How many hours a week do you work next?", "What is your next working week, in hours?")
_PHASES: dict[Phase, str] = {
    "explore": "You may still try hours that you have not tried, and learn from the result.",
    "exploit": "No more trying: choose the best hours that you know of.",
}
_SATISFACTION = (
    "You take part in a study of work and taxes. Judge the taxes and the rebate as the person you are.\n"
    'Answer with JSON only: {"satisfied": "yes"} or {"satisfied": "no"}.'
)
_MORE = "Your last change of hours speaks for more hours, as far as one change can tell.\n"
_FEWER = "Your last change of hours speaks for fewer hours, as far as one change can tell.\n"
_FEELINGS = {1.0: "; satisfied", 0.0: "; not satisfied"}
