"""Figures of a comparison: the schedules recommended, and welfare by evaluation."""

from pathlib import Path
from typing import Any

import numpy as np

from econjax import BracketSchedule
from experiments.compare.rows import Comparison
from experiments.compare.run import OPTIMISER
from experiments.report.figures import panels_of, save_figure

_INCOMES = np.geomspace(2e3, 1e6, 400)


def plot_schedules(comparison: Comparison, law: BracketSchedule, path: Path) -> None:
    """Draw the marginal rates that each planner recommends, by income, one panel per table."""
    figure, panels = panels_of(len(comparison.tables))
    for panel, (welfare, rows) in zip(panels, comparison.tables.items(), strict=True):
        for row in rows:
            rates = np.asarray(row.rates)[
                np.searchsorted(np.asarray(law.thresholds), _INCOMES, "right") - 1
            ]
            panel.plot(
                _INCOMES,
                100 * rates,
                drawstyle="steps-post",
                label=row.planner,
                **_style(row.planner),
            )
        panel.set(xscale="log", xlabel="income, $ a year", ylabel="marginal rate, %", title=welfare)
    save_figure(figure, panels, path)


def plot_welfare(comparison: Comparison, path: Path) -> None:
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
            panel.set(yscale="log", ylabel="equivalent short of the best, $ a year")
        else:
            panel.set(ylabel="equivalent of each evaluation, $ a year")
    save_figure(figure, panels, path)


def _equivalents(metrics: list[dict[str, Any]], welfare: str, planner: str) -> list[float]:
    return [
        record["equivalent"]
        for record in metrics
        if (record["welfare"], record["planner"], record["kind"]) == (welfare, planner, "evaluated")
    ]


def _style(planner: str) -> dict[str, Any]:
    return {"color": "black", "linestyle": ":"} if planner == OPTIMISER else {"linewidth": 1.5}
