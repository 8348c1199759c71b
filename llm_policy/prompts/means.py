"""What never changes about a worker, in words: its means, what effort is worth to it, its aim."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from econjax import IncomeCredits, Population
from llm_policy.prompts.numbers import money
from llm_policy.prompts.segments import WorkerLines


class Means(NamedTuple):
    """What workers have beside work: income that labor does not bring, and a credit on the tax.

    In dollars a year. `status` is their tax status, "" where the law knows none; `credits` are
    those that depend on income.
    """

    other_income: Float[np.ndarray, " agents"]
    credit: Float[np.ndarray, " agents"]
    status: Sequence[str]
    credits: IncomeCredits | None = None


def means_of(population: Population, statuses: Sequence[str]) -> Means:
    """Return what workers have beside work; groups without names have numbers."""
    other, credit = (
        np.zeros(population.agents) if values is None else np.asarray(values, float)
        for values in (population.other_income, population.credit)
    )
    if population.group is None:
        return Means(other, credit, [""] * population.agents, population.credits)
    called = list(statuses) or [f"group {number + 1}" for number in range(population.groups)]
    status = [called[number] for number in np.asarray(population.group).tolist()]
    return Means(other, credit, status, population.credits)


def worker_lines(
    personas: Sequence[str] | None,
    aims: Sequence[str],
    skill: Float[np.ndarray, " agents"],
    effort: Sequence[str],
    fixed_cost: Float[np.ndarray, " agents"] | None,
    means: Means | None = None,
) -> list[WorkerLines]:
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
        WorkerLines(
            person,
            f"Each weekly hour that you work all year earns you {hour} a year before tax: "
            f"{income} at 40 hours.{more} {price}{home}",
            f" {aim}",
        )
        for person, hour, income, more, price, home, aim in zip(
            people, per_hour, forty, rest, effort, stay, aims, strict=True
        )
    ]


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
