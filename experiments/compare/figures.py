"""Figures of a comparison: the schedules recommended, and welfare by evaluation."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from econjax import BracketSchedule
from experiments.compare.contest import OPTIMISER
from experiments.compare.rows import Comparison
from experiments.report.figures import panels_of, save_figure


def plot_schedules(
    comparison: Comparison,
    law: BracketSchedule,
    path: Path,
    *,
    symbol: str,
    statuses: Sequence[str] = (),
) -> None:
    """Draw the marginal rates that each planner recommends, by income, one panel per table.

    Where `statuses` have schedules of their own, each has a panel in every table.
    """
    groups = range(max(len(statuses), 1))
    places = list(itertools.product(comparison.tables, groups))
    figure, panels = panels_of(len(places))
    every = np.atleast_2d(np.asarray(law.thresholds, float))
    lowest, highest = every[:, 1:2].min(initial=1e4), every[:, -1].max()
    incomes = np.geomspace(min(2e3, lowest / 5), max(1e6, 1.5 * highest), 400)
    for panel, (welfare, group) in zip(panels, places, strict=True):
        thresholds = every[group]
        for row in comparison.tables[welfare]:
            own = np.broadcast_to(np.asarray(row.rates), every.shape)[group]
            rates = own[np.searchsorted(thresholds, incomes, "right") - 1]
            panel.plot(
                incomes,
                100 * rates,
                drawstyle="steps-post",
                label=row.planner,
                **_style(row.planner),
            )
        panel.set(
            xscale="log",
            xlabel=f"income, {symbol} a year",
            ylabel="marginal rate, %",
            title=", ".join((welfare, *statuses[group : group + 1])),
        )
    save_figure(figure, panels, path)


def plot_welfare(comparison: Comparison, path: Path, *, symbol: str) -> None:
    """Draw welfare by evaluation, one panel per table.

    Where evaluations are exact: dollars short of the best row, of the best schedule so far, on a
    log scale from a cent. Where they carry noise: every evaluation, and a line at what the
    recommended schedule brought when evaluated afresh.
    """
    figure, panels = panels_of(len(comparison.tables))
    for panel, (welfare, rows) in zip(panels, comparison.tables.items(), strict=True):
        exact = all(row.standard_error == 0 for row in rows)
        best = max(row.equivalent for row in rows)
        heard = [np.array(_equivalents(comparison.metrics, welfare, row.planner)) for row in rows]
        steps = np.arange(1, max(map(len, heard)) + 1)
        for row, seen in zip(rows, heard, strict=True):
            if exact and len(seen):
                short = np.maximum(best - np.maximum.accumulate(seen), 0.01)
                short = np.pad(short, (0, len(steps) - len(short)), mode="edge")
                panel.plot(steps, short, label=row.planner, **_style(row.planner))
            elif not exact:
                [dots] = panel.plot(steps[: len(seen)], seen, ".", label=row.planner)
                panel.axhline(row.equivalent, color=dots.get_color(), linewidth=1)
        panel.set(xlabel="evaluations", title=welfare)
        panel.xaxis.get_major_locator().set_params(integer=True)
        if exact:
            panel.set(yscale="log", ylabel=f"equivalent short of the best, {symbol} a year")
        else:
            panel.set(ylabel=f"equivalent of each evaluation, {symbol} a year")
    save_figure(figure, panels, path)


def _equivalents(metrics: list[dict[str, Any]], welfare: str, planner: str) -> list[float]:
    return [
        record["equivalent"]
        for record in metrics
        if (record["welfare"], record["planner"], record["kind"]) == (welfare, planner, "evaluated")
    ]


def _style(planner: str) -> dict[str, Any]:
    return {"color": "black", "linestyle": ":"} if planner == OPTIMISER else {"linewidth": 1.5}
