"""The page of a simulation: how its steps went, what workers did against their best, who ruled."""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from econjax import BracketSchedule, best_response
from econjax.measures import reform_effects
from experiments.pages.document import Block, Chart, Curve, DataTable, Look, PageSection
from experiments.pages.elections import election_blocks
from experiments.pages.people import (
    Reform,
    bunching_chart,
    hours_chart,
    lorenz_chart,
    lorenz_curve,
    winners_chart,
)
from experiments.pages.record import RunRecord
from experiments.pages.schedules import schedule_charts
from experiments.report.intervals import mean_of
from experiments.report.rates import rates_text
from experiments.simulate.tables import REFORM_TITLE, reform_cells

_MOST_SCHEDULES = 8
_STEPPED = (
    ("labor", "Hours by step", "hours a week", 1.0, ".2f"),
    ("distance", "Hours off the own best by step", "hours a week", 1.0, ".2f"),
    ("lost", "What errors cost by step", "{symbol} a year", 1.0, ",.0f"),
    ("rebate", "Rebate by step", "rebate, {symbol} a year", 1.0, ",.0f"),
    ("gini", "Inequality by step", "Gini after tax and rebate", 1.0, ".4f"),
    ("satisfied", "Satisfaction by step", "satisfied, %", 100.0, ".0f"),
    ("understood", "Answers understood by step", "understood, %", 100.0, ".1f"),
)


def simulation_sections(run: RunRecord) -> list[PageSection]:
    """Return what happened by step, the schedules and the people, and the elections."""
    rows, size = run.rows, _size(run)
    scores = [name for name in ("atkinson", "rawlsian", "utilitarian") if name in rows[0]]
    steps: list[Block] = [
        step_chart(run, name, f"Welfare by step, {name}", "equivalent, {symbol} a year", 1, ",.0f")
        for name in scores
    ]
    steps += [step_chart(run, *what) for what in _STEPPED if _known(rows, what[0])]
    sections = [PageSection("Step by step", (years_table(run, scores), *steps))]
    if run.manifest["config"].get("reform_year") is not None:
        sections.append(PageSection("The reform", (_reform_table(run),)))
    if run.config is not None:
        sections.append(PageSection("Schedules and people", tuple(_people(run, size))))
    government = run.path / "government.json"
    if government.is_file():
        found = json.loads(government.read_text("utf-8"))
        blocks = election_blocks(
            found, [_leader(some[-1]) for some in _years(_first_seed(run))], size
        )
        sections += [PageSection("Elections", tuple(blocks))] if blocks else []
    return sections


def step_chart(run: RunRecord, name: str, title: str, label: str, scale: float, form: str) -> Chart:
    """Return a figure of the metrics by step; upright lines part the tax years."""
    rows = [row for row in run.rows if row[name] is not None]
    steps = sorted({row["step"] for row in rows})
    by_step = [[scale * r[name] for r in rows if r["step"] == step] for step in steps]
    values = [float(np.mean(some)) for some in by_step]
    first_rows = [row for row in rows if row["step"] in steps and row.get("seed") == _seeds(run)[0]]
    label = label.format(symbol=run.symbol)
    years = [[scale * r[name] for r in some if r[name] is not None] for some in _years(run.rows)]
    lines = (
        (str(n), *(format(value, form) for value in (np.mean(own), min(own), max(own))))
        for n, own in enumerate(years, start=1)
        if own
    )
    first, last = values[0], values[-1]
    several = len(_seeds(run)) > 1
    words = "; mean over seeds, with its 95 % interval" if several else ""
    return Chart(
        title,
        f"{title}{words}; upright lines part the tax years. {_size(run)}.",
        f"From {format(first, form)} in the first step to {format(last, form)} in the last.",
        "steps of labor",
        label,
        (_banded_by_seed(title, steps, by_step),),
        DataTable(title, ("tax year", "mean", "least", "most"), tuple(lines)),
        marks=tuple(
            after["step"] - 0.5
            for before, after in itertools.pairwise(first_rows)
            if before["tax_year"] != after["tax_year"]
        ),
    )


def _banded_by_seed(title: str, steps: Sequence[int], by_step: Sequence[Sequence[float]]) -> Curve:
    """Return the mean over seeds by step, with its interval where there are several."""
    values = [float(np.mean(some)) for some in by_step]
    if min(map(len, by_step)) < 2:
        return Curve(title, steps, values)
    spread = [mean_of(np.array(some)) for some in by_step]
    return Curve(title, steps, values, [s.low for s in spread], [s.high for s in spread])


def years_table(run: RunRecord, scores: Sequence[str]) -> DataTable:
    """Return a row for each tax year: means over its steps."""
    elected = any(_leader(row) is not None for row in run.rows)
    lines = []
    for number, some in enumerate(_years(run.rows), start=1):
        first = [row for row in some if row.get("seed") == _seeds(run)[0]]
        leader = _leader(first[-1])
        lines.append(
            (
                str(number),
                *(["nobody" if leader is None else f"worker {leader}"] if elected else []),
                rates_text(first[-1]["rates"]),
                *(f"{np.mean([row[name] for row in some]):,.0f}" for name in scores),
                f"{np.mean([row['labor'] for row in some]):.1f}",
                f"{np.mean([row['gini'] for row in some]):.4f}",
                f"{np.mean([row['rebate'] for row in some]):,.0f}",
            )
        )
    symbol = run.symbol
    columns = (
        "tax year",
        *(["leader"] if elected else []),
        "rates, % by bracket",
        *(f"{name} {symbol}" for name in scores),
        "hours",
        "Gini",
        f"rebate {symbol}",
    )
    note = (
        "Means over steps and seeds; rates and leaders are those of the first seed. Welfare: what "
        f"everyone could get equally, in money a year. {_size(run)}."
    )
    return DataTable("Tax years", columns, tuple(lines), note=note)


def _reform_table(run: RunRecord) -> DataTable:
    """Return elasticities about the reform, which the last row of each seed holds."""
    last = {row.get("seed"): row for row in run.rows}
    columns, rows = reform_cells(list(last.values()))
    return DataTable(REFORM_TITLE, columns, tuple(rows), note=f"{_size(run)}.")


def _people(run: RunRecord, size: str) -> list[Block]:
    """Return the schedules, and the people of the last tax year as they lived and at their best."""
    config, years = run.config, _years(_first_seed(run))
    law, start = config.status_quo(), config.schedule()
    last = BracketSchedule(start.thresholds, list(years[-1][-1]["rates"]))
    economy, name = config.economy(), f"schedule of tax year {len(years)}"
    reform = Reform(economy, law, last, config.law_title, name, size, run.symbol)
    effects = reform_effects(economy, law, last)
    hours = _lived(run, "labor", len(years))
    rebate = float(np.mean([row["rebate"] for row in years[-1]]))
    best = np.asarray(best_response(economy, last, rebate), float)
    skill = np.asarray(economy.population.skill, float)
    dots = [Curve("as lived, mean of the last tax year", skill, hours, kind="dots", look=Look(1))]
    off = float(np.nanmean(np.abs(hours - best)))
    words = (
        f"Dots: what workers did in tax year {len(years)}, on average {off:.1f} hours from the "
        "best response to the rebate that they lived with. "
    )
    if run.manifest["config"].get("skill_sigma"):
        words += "Skills moved; here they are everybody's own, about which they moved. "
    return [
        *_schedules(run, years, size),
        _with_lived(lorenz_chart(reform, effects), run, len(years)),
        hours_chart(reform, effects, dots, words),
        bunching_chart(reform, effects),
        winners_chart(reform, effects),
    ]


def _schedules(run: RunRecord, years: Sequence[Any], size: str) -> list[Chart]:
    """Return the tax years' schedules, of many a few, the first and the last among them."""
    config = run.config
    places = np.unique(np.linspace(0, len(years) - 1, _MOST_SCHEDULES).astype(int))
    return schedule_charts(
        {f"tax year {place + 1}": years[place][-1]["rates"] for place in places},
        config.status_quo(),
        config.schedule().thresholds,
        law_name=config.law_title,
        size=size,
        symbol=run.symbol,
        statuses=config.statuses,
    )


def _with_lived(chart: Chart, run: RunRecord, year: int) -> Chart:
    """Return Lorenz curves with that of what workers had in a tax year, those understood."""
    kept = _lived(run, "consumption", year)
    kept = kept[~np.isnan(kept)]
    if not kept.size:
        return chart
    x, y = lorenz_curve(kept, np.ones(len(kept)))
    own = Curve("after tax and rebate, as lived", 100 * x, 100 * y, look=Look(1))
    return dataclasses.replace(chart, curves=(*chart.curves, own))


def _lived(run: RunRecord, name: str, year: int) -> Float[np.ndarray, " agents"]:
    """Return each worker's mean over a tax year's steps in which it was understood, else NaN.

    Of several seeds it is the first one's.
    """
    seed, steps = _seeds(run)[0], [row["step"] for row in _years(_first_seed(run))[year - 1]]
    of_seed = [] if seed is None else [("seed", "==", seed)]
    table = pq.read_table(
        run.path / "workers.parquet",
        columns=["step", "worker", "understood", name],
        filters=[("step", "in", steps), *of_seed],
    )
    columns = {key: table[key].to_numpy() for key in table.column_names}
    agents = int(columns["worker"].max()) + 1
    known = columns["understood"].astype(bool)
    count = np.bincount(columns["worker"][known], minlength=agents)
    total = np.bincount(columns["worker"][known], weights=columns[name][known], minlength=agents)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _years(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the rows of each tax year."""
    numbers = dict.fromkeys(row["tax_year"] for row in rows)
    return [[row for row in rows if row["tax_year"] == number] for number in numbers]


def _leader(row: Mapping[str, Any]) -> int | None:
    return None if row["leader"] < 0 else row["leader"]


def _known(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(row.get(name) is not None for row in rows)


def _size(run: RunRecord) -> str:
    rows = pq.read_metadata(run.path / "workers.parquet").num_rows
    begun = run.manifest["config"]["seed"]
    return run.size(rows // len(run.rows), [begun if s is None else s for s in _seeds(run)])


def _seeds(run: RunRecord) -> list[int | None]:
    """Return the seeds of the rows, None alone where they are of the run's only one."""
    return list(dict.fromkeys(row.get("seed") for row in run.rows))


def _first_seed(run: RunRecord) -> list[Mapping[str, Any]]:
    return [row for row in run.rows if row.get("seed") == _seeds(run)[0]]
