"""Write an economy file; describe the people of one beside published figures."""

import dataclasses
import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import REFERENCE_HOURS, BracketSchedule, Population, best_response, gini
from econjax.economy import income_and_tax
from econjax.populations import IncomeTable, us_incomes
from econjax.welfare.inequality import top_share
from experiments.economies.law import status_words
from experiments.economies.source import EconomySource
from experiments.economy.config import DescribeConfig, InitConfig
from experiments.report.console import NOTES, mistakes, results


@dataclass(frozen=True)
class IncomeFigure:
    """A figure of the people, and the published ones of the same name, by source."""

    name: str
    value: float
    published: dict[str, float]


def run_init(config: InitConfig) -> None:
    """Write the template of an economy file.

    Raises:
        Mistake: there is such a file.
    """
    with mistakes():
        if config.file.exists():
            raise ValueError(f"{config.file} exists: give another name, or move it away.")
        template = importlib.resources.files("experiments.economies").joinpath("template.toml")
        config.file.write_text(template.read_text("utf-8"), encoding="utf-8")
    NOTES.print(
        f"Written: {config.file}. To see its people: econjax economy describe --economy "
        f"{config.file}",
        markup=False,
    )


def run_describe(config: DescribeConfig) -> None:
    """Print the figures of an economy's people.

    Raises:
        Mistake: a choice, a file or data that make no economy.
    """
    with mistakes():
        config.check()
    source = config.source
    figures = describe_people(source)
    if config.json:
        rows = [dataclasses.asdict(figure) for figure in figures]
        print(json.dumps({"about": source.words(), "figures": rows}, indent=2, allow_nan=False))
        return
    print_figures(figures, source, results(config.words()))


def describe_people(source: EconomySource) -> list[IncomeFigure]:
    """Return the figures of incomes at 40 hours, with published ones, and those of the law."""
    economy, law = source.economy(), source.schedule()
    weight = np.asarray(economy.population.weight, float)
    income = np.asarray(REFERENCE_HOURS * economy.population.skill, float)
    known = _published(source)
    figures = [
        IncomeFigure(name, value, {who: some[name] for who, some in known.items() if name in some})
        for name, value in _of_incomes(income, weight).items()
    ]
    usual = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
    taxed, tax = (
        np.asarray(values, float) for values in income_and_tax(economy.population, law, usual)
    )
    marginal = law.of(economy.population).marginal_rate(jnp.maximum(jnp.asarray(taxed), 0))
    hours = np.asarray(best_response(economy, law), float)
    idle = weight @ (income == 0)
    off = weight @ ((income > 0) & (np.abs(hours - REFERENCE_HOURS) > 0.01))
    more = {
        "people without income, %": 100 * idle,
        "workers whose best week under the law is not 40 hours, %": 100 * off,
        "tax under the law, mean $": weight @ tax,
        "marginal rate, mean %": 100 * weight @ np.asarray(marginal, float),
    }
    more |= _of_columns(economy.population, weight)
    if source.statuses:
        shares = np.bincount(np.asarray(economy.population.group), weight, len(source.statuses))
        more |= {
            f"people of status {status_words(name)}, %": 100 * share
            for name, share in zip(source.statuses, shares, strict=True)
        }
    if source.records is not None:
        more = {"people": source.records.people, "records": source.records.count} | more
    return figures + [IncomeFigure(name, float(value), {}) for name, value in more.items()]


def _of_columns(population: Population, weight: Float[np.ndarray, " agents"]) -> dict[str, float]:
    """Return the means of what labor does not bring, where people have some."""
    own = {"other income, mean $": population.other_income, "credit, mean $": population.credit}
    if population.credits is not None:
        usual = jnp.full_like(population.skill, REFERENCE_HOURS)
        _, less = income_and_tax(population, BracketSchedule([0.0], [0.0]), usual)
        own["credit, mean $"] = -less
    return {
        name: float(weight @ np.asarray(values, float))
        for name, values in own.items()
        if values is not None
    }


def print_figures(figures: Sequence[IncomeFigure], source: EconomySource, console: Console) -> None:
    """Print a line for each figure, beside what is published, and where all is from."""
    sources = list(dict.fromkeys(name for figure in figures for name in figure.published))
    table = Table(box=box.SIMPLE_HEAD)
    for place, title in enumerate(("figure", "here", *sources)):
        table.add_column(title, justify="right" if place else "left", no_wrap=True)
    for figure in figures:
        beside = (figure.published.get(name) for name in sources)
        table.add_row(figure.name, *map(_cell, (figure.value, *beside)))
    console.print(table)
    console.print(source.words())
    if "SSA 2022" in sources:
        console.print(
            "SSA 2022: wage earners by W-2 (Social Security Administration). CPS 2023: people of "
            "15 and over with money income (Census, PINC-01). Means are published, quantiles "
            "interpolated within the classes of the tables."
        )


_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_NAMES = {"SSA 2022": "ssa_2022", "CPS 2023": "cps_2023"}


def _of_incomes(
    income: Float[np.ndarray, " agents"], weight: Float[np.ndarray, " agents"]
) -> dict[str, float]:
    order = np.argsort(income, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.minimum(np.searchsorted(reached, np.multiply(_SHARES, reached[-1])), income.size - 1)
    quantiles = {
        _quantile_name(p): float(income[order][i]) for p, i in zip(_SHARES, at, strict=True)
    }
    tops = {
        f"income of the top {top:.0%}, %": 100 * float(top_share(income, weight, top=top))
        for top in (0.1, 0.01)
    }
    return (
        {"mean $": float(weight @ income)}
        | quantiles
        | {"Gini": float(gini(income, weight))}
        | tops
    )


def _published(source: EconomySource) -> dict[str, dict[str, float]]:
    """Return published figures by their source: US tables only where money is dollars."""
    said, found = source.document.published, {}
    if said is not None:
        own = {"mean $": said.mean, _quantile_name(0.5): said.median, "Gini": said.gini}
        found[said.source] = {name: value for name, value in own.items() if value is not None}
    if source.document.currency.name == "dollars":
        found |= {title: _of_table(us_incomes(name)) for title, name in _NAMES.items()}
    return found


def _of_table(table: IncomeTable) -> dict[str, float]:
    """Return the mean of a table and its quantiles, but for those in the open class."""
    reached = np.cumsum(table.counts) / table.counts.sum()
    shares, edges = np.concatenate([[0.0], reached[:-1]]), np.asarray(table.edges)
    inside = {p: float(np.interp(p, shares, edges)) for p in _SHARES if p <= shares[-1]}
    return {"mean $": table.mean} | {_quantile_name(p): value for p, value in inside.items()}


def _quantile_name(share: float) -> str:
    return "median $" if share == 0.5 else f"{100 * share:.0f} % earn at most $"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3f}"
