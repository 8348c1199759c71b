"""The page of a sweep: what the best schedules bring over the law's, point by point."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from econjax import BracketSchedule
from experiments.pages.document import Block, Chart, Curve, DataTable, PageSection, Prose
from experiments.pages.drawing import look_at
from experiments.pages.people import Reform, people_charts
from experiments.pages.record import RunRecord, seeds_text
from experiments.pages.schedules import schedule_charts
from experiments.runs.directory import METRICS
from experiments.sweep.chunks import OPTIMAL
from experiments.sweep.design import DesignPoint, points_of
from experiments.sweep.tables import swept_means

_MOST_LINES, _MOST_ROWS = 8, 400


def sweep_sections(run: RunRecord) -> list[PageSection]:
    """Return what was gained by point, and the schedules and people of a few points.

    Raises:
        ValueError: the sweep file that the run kept has changed.
    """
    points = points_of(run.config.file)
    varied = list(points[0].values)
    means = swept_means(run.path / METRICS, varied)
    size = sweep_size(run.path / METRICS)
    gains: list[Block] = [gains_table(means, varied, size)]
    gains += [gain_chart(means, varied, name, size) for name in _drawn(means, varied)]
    return [
        PageSection("What the best schedules bring", tuple(gains)),
        PageSection("Schedules and people", tuple(_people(run, points, size))),
    ]


def sweep_size(metrics: Path) -> str:
    """Return what captions say of a sweep's people and draws."""
    table = pq.read_table(metrics, columns=["agents", "seed", "point"])
    agents, seeds = (table[name].unique().to_pylist() for name in ("agents", "seed"))
    points = len(table["point"].unique())
    known = sorted(seed for seed in seeds if seed is not None)
    draws = seeds_text(known) if known else "the quantile grid"
    most, least = max(agents), min(agents)
    people = f"{most:,}" if most == least else f"{least:,} to {most:,}"
    return f"{people} workers, {points:,} points, {draws}"


def gains_table(means: Sequence[Mapping[str, Any]], varied: Sequence[str], size: str) -> DataTable:
    """Return the means by point and schedule, with the intervals of the gains."""
    lines = (
        (
            str(row["point"]),
            *(_said(row[name]) for name in varied),
            row["schedule"],
            *(f"{row[name]['value']:,.2f}" for name in ("optimal", "equivalent", "gain")),
            _between(row["gain"]),
            f"{row['converged']:.0%}",
        )
        for row in means[:_MOST_ROWS]
    )
    columns = (
        "point",
        *varied,
        "beside",
        "optimal",
        "beside it",
        "gain",
        "95 % of gain",
        "converged",
    )
    rest = f" The first {_MOST_ROWS} of {len(means):,} rows." if len(means) > _MOST_ROWS else ""
    note = (
        "Means over seeds of the equally-distributed equivalent, money a year; gains are paired by "
        f"seed. {size}.{rest}"
    )
    return DataTable("Gains by point", columns, tuple(lines), note=note)


def _drawn(means: Sequence[Mapping[str, Any]], varied: Sequence[str]) -> list[str]:
    """Return what varies in numbers, and so makes an axis."""
    return [
        name
        for name in varied
        if all(isinstance(row[name], int | float) for row in means)
        and len({row[name] for row in means}) > 1
    ]


def gain_chart(
    means: Sequence[Mapping[str, Any]], varied: Sequence[str], name: str, size: str
) -> Chart:
    """Return the gain over the law by one of the fields that vary, a line for each of the rest."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for row in means:
        rest = ", ".join(f"{other} {_said(row[other])}" for other in varied if other != name)
        lines.setdefault(f"over {row['schedule']}" + (f", {rest}" if rest else ""), []).append(row)
    loose = all(len(some) == 1 for some in lines.values())  # a drawn design: no lines, but dots
    curves = [] if loose else [_line(label, some, name) for label, some in lines.items()]
    if loose:
        curves = [_line("gain", list(means), name)]
    shown = [
        Curve(c.label, c.x, c.y, c.low, c.high, "dots" if loose else "line", look_at(place))
        for place, c in enumerate(curves[:_MOST_LINES])
    ]
    title = f"Gain by {name}"
    rows = ((c.label, f"{x:g}", f"{y:,.2f}") for c in shown for x, y in zip(c.x, c.y, strict=True))
    rest = f" {_MOST_LINES} of {len(curves)} lines." if len(curves) > _MOST_LINES else ""
    every = [row["gain"]["value"] for row in means]
    return Chart(
        title,
        "What the best schedule brings more, money a year; bands: 95 % intervals, paired by seed. "
        f"{size}.{rest}",
        f"Gains go from {min(every):,.0f} to {max(every):,.0f}.",
        name,
        "gain, money a year",
        tuple(shown),
        DataTable(title, ("line", name, "gain"), tuple(rows)),
    )


def _line(label: str, some: Sequence[Mapping[str, Any]], name: str) -> Curve:
    rows = sorted(some, key=lambda row: row[name])
    gains = [row["gain"] for row in rows]
    known = all(gain["low"] is not None for gain in gains)
    low, high = ([g[end] for g in gains] if known else () for end in ("low", "high"))
    return Curve(label, [row[name] for row in rows], [g["value"] for g in gains], low, high)


def _people(run: RunRecord, points: Sequence[DesignPoint], size: str) -> list[Block]:
    """Return the best schedules of a few points, and the people of the first."""
    places = np.unique(np.linspace(0, len(points) - 1, _MOST_LINES).astype(int))
    rates = _best_rates(run.path / METRICS, [points[place].number for place in places])
    first, law = points[0], points[0].source.schedule()
    symbol = first.source.document.currency.symbol
    alike = [
        points[place]
        for place in places
        if np.array_equal(points[place].source.schedule().thresholds, law.thresholds)
    ]
    shown = {_name(point): rates[point.number] for point in alike}
    blocks: list[Block] = [
        *schedule_charts(
            shown, law, law.thresholds, law_name="the law", size=size, symbol=symbol,
            title="Best schedules",
        )
    ]  # fmt: skip
    best = BracketSchedule(law.thresholds, rates[first.number])
    words = f"The figures below are of point {first.number} ({_name(first)}), without a draw."
    own = f"{first.source.size:,} workers, {_name(first)}"
    reform = Reform(first.source.economy(), law, best, "the law", "the best schedule", own, symbol)
    return [*blocks, Prose((words,)), *people_charts(reform)]


def _best_rates(metrics: Path, points: Sequence[int]) -> dict[int, list[float]]:
    """Return the mean over seeds of the best rates of some points."""
    table = pq.read_table(
        metrics, filters=[("schedule", "==", OPTIMAL), ("point", "in", list(points))]
    )
    names = [name for name in table.column_names if name.startswith("rate_")]
    found: dict[int, list[list[float]]] = {}
    for row in table.select(["point", *names]).to_pylist():
        own = [row[name] for name in names if row[name] is not None]
        found.setdefault(row["point"], []).append(own)
    return {point: np.mean(some, axis=0).tolist() for point, some in found.items()}


def _name(point: DesignPoint) -> str:
    values = ", ".join(f"{name} {_said(value)}" for name, value in point.values.items())
    return values or f"point {point.number}"


def _between(gain: Mapping[str, Any]) -> str:
    return "-" if gain["low"] is None else f"{gain['low']:,.2f} to {gain['high']:,.2f}"


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
