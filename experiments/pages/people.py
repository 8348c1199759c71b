"""What a law and another schedule do to people who choose best: the figures of any economy."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule, Economy
from econjax.measures import ReformEffects, effects_by, quantile_groups, reform_effects
from experiments.pages.document import INK, Block, Chart, Curve, DataTable, Look
from experiments.reform.command import incomes_by_schedule

_POINTS = 120
"""Points of a line over all people."""
_TOLERANCE = 1.0
"""Money a year that counts neither as a gain nor as a loss."""


class Reform(NamedTuple):
    """A law and a schedule in its place, with their names, and what a caption says of the people.

    `symbol` is that of the money.
    """

    economy: Economy
    law: BracketSchedule
    after: BracketSchedule
    law_name: str
    name: str
    size: str
    symbol: str


def people_charts(reform: Reform) -> list[Block]:
    """Return the figures of the people under a law and under another schedule, all choosing best.

    Lorenz curves, hours by skill, incomes with who bunches, winners and losers.
    """
    effects = reform_effects(reform.economy, reform.law, reform.after)
    return [
        lorenz_chart(reform, effects),
        hours_chart(reform, effects),
        bunching_chart(reform, effects),
        winners_chart(reform, effects),
    ]


def lorenz_curve(
    values: Float[np.ndarray, " agents"], weight: Float[np.ndarray, " agents"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Return shares of people from the poorest, and their share of all, both from 0 to 1."""
    order = np.argsort(values, kind="stable")
    people = np.concatenate([[0], np.cumsum(weight[order])]) / weight.sum()
    held = np.concatenate([[0], np.cumsum((weight * values)[order])])
    grid = np.linspace(0, 1, _POINTS + 1)
    return grid, np.interp(grid, people, held / (held[-1] or 1.0))


def lorenz_chart(reform: Reform, effects: ReformEffects) -> Chart:
    """Return the Lorenz curves of income, and of what is left under the two schedules."""
    weight = np.asarray(reform.economy.population.weight, float)
    kinds = {
        f"income before tax, {reform.law_name}": effects.before.income,
        f"after tax and rebate, {reform.law_name}": effects.before.consumption,
        f"after tax and rebate, {reform.name}": effects.after.consumption,
    }
    found = {name: lorenz_curve(np.asarray(v, float), weight) for name, v in kinds.items()}
    looks = Look(INK, 2), Look(INK, 1), Look()
    curves = [
        Curve(name, 100 * x, 100 * y, look=look)
        for (name, (x, y)), look in zip(found.items(), looks, strict=True)
    ]
    even = Curve("equality", (0.0, 100.0), (0.0, 100.0), look=Look(7, 2))
    tenths = [place * _POINTS // 10 for place in range(1, 11)]
    rows = (
        (f"{10 * n} %", *(f"{100 * y[place]:.1f} %" for _, y in found.values()))
        for n, place in enumerate(tenths, start=1)
    )
    half = ", ".join(f"{100 * y[_POINTS // 2]:.0f} % ({name})" for name, (_, y) in found.items())
    title = "Lorenz curves"
    return Chart(
        title,
        f"Share of the total that the poorest hold. Everybody chooses best. {reform.size}.",
        f"The poorer half of people holds {half}.",
        "people, % from the poorest",
        "share of the total, %",
        (*curves, even),
        DataTable(title, ("poorest", *found), tuple(rows)),
    )


def hours_chart(
    reform: Reform, effects: ReformEffects, lived: Sequence[Curve] = (), lived_words: str = ""
) -> Chart:
    """Return hours by skill under the two schedules, and dots of hours as `lived`."""
    population = reform.economy.population
    skill, weight = (np.asarray(v, float) for v in (population.skill, population.weight))
    order = np.argsort(skill, kind="stable")
    place = order[np.unique(np.linspace(0, len(order) - 1, 2 * _POINTS).astype(int))]
    both = {reform.law_name: effects.before.labor, reform.name: effects.after.labor}
    hours = {name: np.asarray(labor, float) for name, labor in both.items()}
    looks = Look(INK, 1), Look()
    curves = [
        Curve(f"best response, {name}", skill[place], labor[place], look=look)
        for (name, labor), look in zip(hours.items(), looks, strict=True)
    ]
    tenth = np.asarray(quantile_groups(population.skill, population.weight))
    columns = hours | {curve.label: _spread_out(curve, skill) for curve in lived}
    rows = (
        (
            str(n + 1),
            f"{np.average(skill[tenth == n], weights=weight[tenth == n]):,.0f}",
            *(_mean_in(values, weight, tenth == n) for values in columns.values()),
        )
        for n in range(10)
        if (tenth == n).any()
    )
    low, high = (hours[reform.name][order[end]] for end in (0, -1))
    positive = bool((skill[place] > 0).all())
    title = "Hours by skill"
    head = ("tenth by skill", f"skill, {reform.symbol} a year for a weekly hour", *columns)
    return Chart(
        title,
        f"Hours a week of exact best responses. {lived_words}{reform.size}.",
        f"Under {reform.name} the least skilled work best {low:.0f} hours a week and the most "
        f"skilled {high:.0f}.",
        f"skill, {reform.symbol} a year for a weekly hour",
        "hours a week",
        (*curves, *lived),
        DataTable(title, head, tuple(rows), note="Means of each tenth of people."),
        x_scale="log" if positive else "linear",
    )


def bunching_chart(reform: Reform, effects: ReformEffects) -> Chart:
    """Return the shares of people by income under the two schedules, fine enough for bunching."""
    bins = int(np.clip(reform.economy.population.agents // 4, 20, 150))
    shares = incomes_by_schedule(reform.economy, effects, bins)
    names = {"before": reform.law_name, "after": reform.name}
    looks = {"before": Look(INK, 1), "after": Look()}
    curves = [
        Curve(names[key], shares.edges[:-1], people, kind="steps", look=looks[key])
        for key, people in shares.people.items()
    ]
    weight = np.asarray(reform.economy.population.weight, float)
    incomes = [np.asarray(o.income, float) for o in (effects.before, effects.after)]
    thresholds = np.unique(np.asarray(reform.law.thresholds, float))[1:]
    near = [[_near(z, weight, place) for z in incomes] for place in thresholds]
    rows = (
        (f"{reform.symbol}{place:,.0f}", *(f"{100 * share:.2f} %" for share in own))
        for place, own in zip(thresholds, near, strict=True)
    )
    most = max((own[1] for own in near), default=0.0)
    title = "Incomes and bunching"
    return Chart(
        title,
        "People in each of equal intervals of income, up to what nine in ten earn under "
        f"{reform.law_name}; upright lines: where brackets begin. Best responses. {reform.size}.",
        f"Under {reform.name} up to {100 * most:.1f} % of people earn within 1 % of a threshold.",
        f"income, {reform.symbol} a year",
        "people, % in each interval",
        tuple(curves),
        DataTable(
            title,
            ("threshold", *names.values()),
            tuple(rows),
            note="Share of people whose income lies within 1 % of a threshold.",
        ),
        marks=tuple(place for place in thresholds.tolist() if place <= shares.edges[-1]),
    )


def winners_chart(reform: Reform, effects: ReformEffects) -> Chart:
    """Return who gains and who loses, by tenths of income under the law."""
    weight = reform.economy.population.weight
    tenth = quantile_groups(effects.before.income, weight)
    found = eqx.filter_jit(effects_by)(effects, weight, tenth, groups=10, tolerance=_TOLERANCE)
    columns = {name: np.asarray(values, float) for name, values in vars(found).items()}
    known = np.flatnonzero(columns["share"] > 0)
    gain = columns["gain"][known]
    rows = tuple(_winners(columns, place) for place in known)
    title = "Winners and losers"
    winning = 100 * np.average(columns["gaining"][known], weights=columns["share"][known])
    return Chart(
        title,
        f"Gain of {reform.name} over {reform.law_name} a head, by tenths of income under the "
        "latter: the change of utility in money, rebate counted, where everybody chooses best. "
        f"{reform.size}.",
        f"{winning:.0f} % of people gain; the mean gain goes from {gain[0]:,.0f} in the lowest "
        f"tenth to {gain[-1]:,.0f} in the highest.",
        "tenth by income",
        f"gain, {reform.symbol} a year",
        (Curve("gain", np.arange(len(known)), gain, kind="bars"),),
        DataTable(title, _WINNERS, rows, note=_WINNERS_NOTE),
        ticks=tuple(str(place + 1) for place in known),
    )


_WINNERS = ("tenth", "income", "gain", "gain %", "lose %", "mechanical", "behavioural")
_WINNERS_NOTE = (
    "Money a year a head. gain %, lose %: people who gain or lose more than 1 a year. mechanical: "
    "change of tax at the incomes before; behavioural: the rest of it."
)


def _winners(columns: dict[str, Any], place: int) -> tuple[str, ...]:
    money = (f"{columns[name][place]:,.0f}" for name in ("mechanical", "behavioural"))
    return (
        str(place + 1),
        f"{columns['income'][place]:,.0f}",
        f"{columns['gain'][place]:,.0f}",
        f"{100 * columns['gaining'][place]:.1f}",
        f"{100 * columns['losing'][place]:.1f}",
        *money,
    )


def _near(
    income: Float[np.ndarray, " agents"], weight: Float[np.ndarray, " agents"], place: float
) -> float:
    return float(weight[np.abs(income - place) <= 0.01 * place].sum() / weight.sum())


def _spread_out(curve: Curve, skill: Float[np.ndarray, " agents"]) -> Float[np.ndarray, " agents"]:
    """Return the heights of dots by worker, whose places along x are the workers' skills."""
    values = np.full(len(skill), np.nan)
    values[: len(curve.y)] = np.asarray(curve.y, float)
    return values


def _mean_in(
    values: Float[np.ndarray, " agents"], weight: Float[np.ndarray, " agents"], some: np.ndarray
) -> str:
    known = some & ~np.isnan(values)
    return f"{np.average(values[known], weights=weight[known]):.2f}" if known.any() else "-"
