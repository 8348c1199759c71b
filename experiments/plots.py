"""Figures: the schedules recommended, and welfare by evaluation or by step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from econjax import BracketSchedule
from experiments.compare import OPTIMISER, Comparison

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_INCOMES = np.geomspace(2e3, 1e6, 400)


def plot_schedules(comparison: Comparison, law: BracketSchedule, path: Path) -> None:
    """Draw the marginal rates that each planner recommends, by income, one panel per table."""
    figure, panels = _panels(len(comparison.tables))
    for panel, (welfare, rows) in zip(panels, comparison.tables.items(), strict=True):
        for row in rows:
            rates = np.asarray(row.rates)[np.searchsorted(np.asarray(law.thresholds), _INCOMES, "right") - 1]
            panel.plot(
                _INCOMES, 100 * rates, drawstyle="steps-post", label=row.planner, **_style(row.planner)
            )
        panel.set(xscale="log", xlabel="income, $ a year", ylabel="marginal rate, %", title=welfare)
    _save(figure, panels, path)


def plot_welfare(comparison: Comparison, path: Path) -> None:
    """Draw welfare by evaluation, one panel per table.

    Where evaluations are exact: dollars short of the best row, of the best schedule so far, on a log
    scale from a cent. Where they carry noise: every evaluation, and a line at what the recommended
    schedule brought when evaluated afresh.
    """
    figure, panels = _panels(len(comparison.tables))
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
    _save(figure, panels, path)


def plot_simulation(metrics: list[dict[str, Any]], scores: Sequence[str], path: Path) -> None:
    """Draw the equivalent of every step, one panel per welfare function; lines part the tax years."""
    figure, panels = _panels(len(scores))
    steps = [row["step"] for row in metrics]
    years = np.array([row["tax_year"] for row in metrics])
    for panel, name in zip(panels, scores, strict=True):
        panel.plot(steps, [row[name] for row in metrics], label="equivalent")
        for place in np.flatnonzero(np.diff(years)):
            panel.axvline(steps[place] + 0.5, color="0.8", linewidth=1)
        panel.set(xlabel="steps of labor", ylabel="equivalent, $ a year", title=name)
        panel.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, panels, path)


def _equivalents(metrics: list[dict[str, Any]], welfare: str, planner: str) -> list[float]:
    return [
        record["equivalent"]
        for record in metrics
        if (record["welfare"], record["planner"], record["kind"]) == (welfare, planner, "evaluated")
    ]


def _style(planner: str) -> dict[str, Any]:
    return {"color": "black", "linestyle": ":"} if planner == OPTIMISER else {"linewidth": 1.5}


def _panels(count: int):
    """Return a figure with `count` panels, two to a row."""
    rows, columns = -(-count // 2), min(count, 2)
    size = 6.5 * columns, 4.5 * rows
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat[count:]:
        panel.remove()
    return figure, list(panels.flat[:count])


def _save(figure, panels, path: Path) -> None:
    """Write the figure with one legend: that of the panel with the most lines, which holds the others'."""
    lines = max((panel.get_legend_handles_labels() for panel in panels), key=lambda found: len(found[1]))
    figure.legend(*lines, fontsize="small", loc="outside right upper")
    figure.savefig(path, dpi=130)
    plt.close(figure)
