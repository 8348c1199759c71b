"""What a model is asked: pure functions from arrays to text, shared text first, numbers with units."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from llm_policy.answers import STEPS
from llm_policy.engine import Prompt
from llm_policy.personas import Personas


class WorkerRecord(NamedTuple):
    """A year as its workers remember it: hours a week, and dollars a year."""

    labor: Float[np.ndarray, " agents"]
    income: Float[np.ndarray, " agents"]
    tax: Float[np.ndarray, " agents"]
    rebate: float


def worker_prompts(
    personas: Personas,
    schedule: BracketSchedule,
    record: WorkerRecord,
    *,
    skill: Float[np.ndarray, " agents"],
    effort_cost: Float[np.ndarray, "agents 3"],
) -> list[Prompt]:
    """Return the question how long to work next year, one prompt per worker.

    `skill` is in dollars of annual income per weekly hour; `effort_cost` is what one more weekly hour
    costs the worker in effort at 20, 40 and 60 hours, in dollars a year.
    """
    shared = _WORKER_RULES.format(table=schedule_table(schedule), rebate=_dollars(record.rebate))
    prompts = []
    for i in range(len(personas.occupation)):
        low, middle, high = effort_cost[i]
        prompts.append(
            Prompt(
                shared,
                f"You are a {personas.sex[i]}, {personas.age[i]} years old. Occupation: "
                f"{personas.occupation[i].lower()}. Each weekly hour that you work all year earns you "
                f"{_dollars(skill[i])} a year before tax. The effort of one more weekly hour is to you like "
                f"losing {_dollars(low)} a year when you work 20 hours, {_dollars(middle)} at 40 hours and "
                f"{_dollars(high)} at 60 hours. At {record.labor[i]:.3g} hours a week you earn "
                f"{_dollars(record.income[i])} a year, pay {_dollars(record.tax[i])} in tax, receive the "
                f"rebate and keep {_dollars(record.income[i] - record.tax[i] + record.rebate)}.\n"
                "How many hours a week do you work next year?",
            )
        )
    return prompts


class Trial(NamedTuple):
    """A schedule that was tried: rates as shares, and the equivalent it brought, in dollars a year."""

    rates: tuple[float, ...]
    equivalent: float
    standard_error: float


def planner_prompt(
    thresholds: Float[np.ndarray, " brackets"], goal: str, trials: Sequence[Trial], best: Sequence[Trial]
) -> Prompt:
    """Return the question how to change the last of `trials`, with the `best` ones beside it.

    `goal` says in words what the planner maximises.
    """
    steps = ", ".join(f"{step:+d}" if step else "0" for step in STEPS)
    shared = _PLANNER_RULES.format(
        goal=goal, brackets="; ".join(_bracket_names(thresholds)), count=len(thresholds), steps=steps
    )
    lines = ["The best schedules so far, best first:", *(_trial(trial) for trial in best)]
    lines += ["The latest schedules, latest last:", *(_trial(trial) for trial in trials)]
    lines.append(f"Current rates in per cent: {_rates(trials[-1].rates)}.")
    lines.append("By how many percentage points do you change each rate?")
    return Prompt(shared, "\n".join(lines))


def schedule_table(schedule: BracketSchedule) -> str:
    """Return the brackets and their rates in per cent, one line each."""
    names = _bracket_names(np.asarray(schedule.thresholds))
    rates = np.asarray(schedule.rates)
    return "\n".join(f"- {name}: {100 * rate:.4g} %" for name, rate in zip(names, rates, strict=True))


_WORKER_RULES = """You take part in a study of work and taxes. You decide how many hours a week to work.
You want money to live on, and you want your effort to be worth it.
Annual income tax; each rate applies only to the income within its bracket:
{table}
Tax revenue beyond public spending is paid back in equal shares: everyone gets a rebate of {rebate} a year.
Answer with JSON only: {{"hours": H}}, where H is a whole number of weekly hours from 0 to 100."""

_PLANNER_RULES = """You set the income tax of a country. {goal}
Tax revenue beyond public spending is paid back in equal shares. Higher rates make people work less.
The {count} brackets of annual income: {brackets}.
Each rate may change by {steps} percentage points; rates stay between 0 and 100 per cent.
Try schedules that you have not tried, and come back to the best if they are worse.
Answer with JSON only: {{"changes": [..]}}, with {count} numbers, one for each bracket from the lowest."""


def _bracket_names(thresholds: Float[np.ndarray, " brackets"]) -> list[str]:
    between = [f"{_dollars(low)} to {_dollars(high)}" for low, high in itertools.pairwise(thresholds)]
    return [*between, f"above {_dollars(thresholds[-1])}"]


def _trial(trial: Trial) -> str:
    error = f" (standard error {_dollars(trial.standard_error)})" if trial.standard_error else ""
    return f"- rates in per cent {_rates(trial.rates)}: result {_dollars(trial.equivalent)} a year{error}"


def _rates(rates: Sequence[float]) -> str:
    return ", ".join(f"{100 * rate:.4g}" for rate in rates)


def _dollars(amount: float) -> str:
    whole = round(float(amount))
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"
