"""Winners and losers of a reform: a table, a Parquet, a figure, and the schedules as JSON."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import AbstractSchedule, BracketSchedule, Economy, us_federal
from econjax.laws import load_schedule, save_schedule
from econjax.measures import (
    GroupEffects,
    ReformEffects,
    effects_by,
    quantile_groups,
    reform_effects,
)
from experiments.core.economy import EconomyConfig
from experiments.economies.records import as_groups
from experiments.reform.config import ReformConfig
from experiments.report.console import mistakes, results
from experiments.report.figures import panels_of, save_figure
from experiments.runs.directory import new_run_path, write_table
from llm_policy.personas.draw import draw_personas
from llm_policy.personas.tables import of_sex

Grouping = tuple[str, tuple[str, ...], Int[Array, " agents"]]
"""What people are grouped by, the groups' names, and each worker's number among them."""
_AGES = (25, 35, 45, 55, 65)


def run_reform(config: ReformConfig) -> None:
    """Compute, write what came out into a directory, print.

    Raises:
        Mistake: a choice that makes no reform.
    """
    with mistakes():
        config.check()
        base, after = (schedule_named(name, config) for name in (config.base, config.reform))
        path = new_run_path(config.runs, config.name, command="reform")
    economy = config.economy()
    effects = reform_effects(economy, base, after)
    rows = reform_rows(config, economy, effects)
    path.mkdir(parents=True)
    for name, data in config.carried().items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(data)
    for name, schedule in (("base", base), ("reform", after)):
        save_schedule(schedule, path / f"{name}.json")
    write_table(path / "effects.parquet", rows)
    plot_effects(rows, incomes_by_schedule(economy, effects), path / "effects.png")
    if config.json:
        print(json.dumps({"run": str(path), "effects": rows}, indent=2, allow_nan=False))
        return
    console = results(config.words())
    print_effects(rows, console)
    console.print(config.source.words())
    console.print(f"Directory: {path}")


def schedule_named(name: str, config: EconomyConfig) -> AbstractSchedule:
    """Return the schedule that a word names: "law", "us_federal:YEAR", or a JSON file.

    Raises:
        ValueError: there is no such year or file, or the file holds no schedule.
    """
    if name == "law":
        return config.status_quo()
    country, _, year = name.partition(":")
    if country == "us_federal":
        if year and not year.isdigit():
            raise ValueError(
                f"The federal law is us_federal:YEAR, such as us_federal:2026; got {name}."
            )
        return us_federal(int(year or config.year), config.source.tax_status)
    found, groups = load_schedule(name), len(config.statuses)
    if isinstance(found, BracketSchedule) and found.groups not in (None, groups):
        raise ValueError(
            f"{name} holds schedules of {found.groups} groups, and the people are of "
            f"{groups or 'one schedule'}: give the data and the law that it was made with."
        )
    return found


def reform_rows(
    config: ReformConfig, economy: Economy, effects: ReformEffects
) -> list[dict[str, Any]]:
    """Return a row for all people, then one for every group that has some, in words and numbers."""
    rows = []
    for by, names, places in groupings(config, economy, effects):
        found: GroupEffects = eqx.filter_jit(effects_by)(
            effects,
            economy.population.weight,
            places,
            groups=len(names),
            tolerance=config.tolerance,
        )
        columns = {field: np.asarray(values, float) for field, values in vars(found).items()}
        rows += [
            {"by": by, "group": name} | {field: _known(v[j]) for field, v in columns.items()}
            for j, name in enumerate(names)
            if columns["share"][j] > 0
        ]
    return rows


def groupings(config: ReformConfig, economy: Economy, effects: ReformEffects) -> list[Grouping]:
    """Return all people as one group, deciles of income before, and the groups that data know."""
    weight, income = economy.population.weight, effects.before.income
    deciles = quantile_groups(income, weight)
    found: list[Grouping] = [
        ("all", ("all people",), 0 * deciles),
        ("decile", tuple(str(j) for j in range(1, 11)), deciles),
    ]
    columns = config.source.columns()
    if "age" in columns:
        between = (f"{low} to {high - 1}" for low, high in itertools.pairwise(_AGES))
        bands = (f"under {_AGES[0]}", *between)
        ages = np.searchsorted(_AGES, np.asarray(columns["age"]), side="right")
        found.append(("age", (*bands, f"{_AGES[-1]} and over"), jax.numpy.asarray(ages)))
    if "children" in columns:
        columns["children"] = columns["children"].astype(int)
    found += [
        (name, *as_groups(columns[name]))
        for name in ("status", "children", "group")
        if name in columns
    ]
    if config.personas:
        found.append(_persona_cells(config, economy))
    return found


def _persona_cells(config: ReformConfig, economy: Economy) -> Grouping:
    """Return the cells of sex and education of personas drawn with the workers' skills."""
    drawn = draw_personas(jax.random.key(config.seed), economy.population)
    levels = [row["education"] for row in of_sex("education", "both")]
    names = tuple(f"{sex}, {level}" for sex in ("men", "women") for level in levels)
    cells = np.asarray(drawn.woman, int) * len(levels) + np.asarray(drawn.education)
    return "persona", names, jax.numpy.asarray(cells)


_COLUMNS = {
    "share %": ("share", 100, ".1f"),
    "income $": ("income", 1, ",.0f"),
    "gain $": ("gain", 1, ",.2f"),
    "gain %": ("gaining", 100, ".1f"),
    "lose %": ("losing", 100, ".1f"),
    "mechanical $": ("mechanical", 1, ",.2f"),
    "behavioural $": ("behavioural", 1, ",.2f"),
    "effective %": ("effective_before", 100, ".2f"),
    "then %": ("effective_after", 100, ".2f"),
    "marginal %": ("marginal_before", 100, ".2f"),
    "after %": ("marginal_after", 100, ".2f"),
}


def print_effects(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a table with a section for each grouping, and what its columns mean."""
    table = Table(box=box.SIMPLE_HEAD)
    for place, title in enumerate(("by", "group", *_COLUMNS)):
        table.add_column(title, justify="right" if place > 1 else "left", no_wrap=True)
    for place, row in enumerate(rows):
        cells = (
            "-" if row[field] is None else f"{unit * row[field]:{form}}"
            for field, unit, form in _COLUMNS.values()
        )
        table.add_row(row["by"], row["group"], *cells)
        if place + 1 < len(rows) and rows[place + 1]["by"] != row["by"]:
            table.add_section()
    console.print(table)
    console.print(_LEGEND)


_LEGEND = (
    "Means per head of a group, a year. gain: change of utility in money, rebate counted. gain %, "
    "lose %: shares of people who gain or lose more than the tolerance. mechanical: change of tax "
    "at the incomes before; behavioural: the rest, because incomes change. effective: taxes over "
    "incomes, before and then; marginal: mean rate on the next dollar, before and after."
)


class IncomeShares(NamedTuple):
    """How many people, in per cent, earn from each of `edges` to the next, by "before", "after"."""

    edges: Float[np.ndarray, " edges"]
    people: dict[str, Float[np.ndarray, " bins"]]


def incomes_by_schedule(economy: Economy, effects: ReformEffects, bins: int = 300) -> IncomeShares:
    """Return the shares of workers in equal intervals of income, narrow enough to show bunching.

    They reach from 0 to the income that nine in ten are below before.
    """
    weight = np.asarray(economy.population.weight, float)
    before, after = (np.asarray(o.income, float) for o in (effects.before, effects.after))
    order = np.argsort(before)
    last = np.searchsorted(np.cumsum(weight[order]), 0.9 * weight.sum())
    edges = np.linspace(0, max(before[order][min(last, len(order) - 1)], 1), bins + 1)
    share = 100 * weight / weight.sum()
    return IncomeShares(
        edges,
        {
            name: np.histogram(income, edges, weights=share)[0]
            for name, income in (("before", before), ("after", after))
        },
    )


def plot_effects(rows: Sequence[dict[str, Any]], incomes: IncomeShares, path: Path) -> None:
    """Draw by decile who gains and loses how much and rates before and after, and all incomes."""
    deciles = [row for row in rows if row["by"] == "decile"]
    names = [row["group"] for row in deciles]
    figure, (gains, rates, people) = panels_of(3)
    gains.bar(names, [row["gain"] for row in deciles], label="gain a head")
    gains.axhline(0, color="black", linewidth=0.8)
    gains.set(xlabel="decile of income before", ylabel="gain, money a year")
    for field, style in (
        ("effective_before", "C0:"),
        ("effective_after", "C0-"),
        ("marginal_before", "C1:"),
        ("marginal_after", "C1-"),
    ):
        shares = [np.nan if row[field] is None else 100 * row[field] for row in deciles]
        rates.plot(names, shares, style, label=field.replace("_", ", "))
    rates.set(xlabel="decile of income before", ylabel="rate, %")
    for name, style in (("before", ":"), ("after", "-")):
        people.stairs(incomes.people[name], incomes.edges, color="C2", linestyle=style, label=name)
    people.set(xlabel="income, money a year", ylabel="people, % in each interval")
    people.legend(fontsize="small")
    save_figure(figure, [gains, rates, people], path)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
