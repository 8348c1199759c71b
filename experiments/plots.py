"""Figures of a comparison: the schedules recommended, and welfare by evaluation."""

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
    """Draw the marginal rates that each planner recommends, by income, one panel per welfare function."""
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
    """Draw the best equivalent seen after each evaluation, one panel per welfare function."""
    figure, panels = _panels(len(comparison.tables))
    for panel, (welfare, rows) in zip(panels, comparison.tables.items(), strict=True):
        for row in rows:
            seen = _equivalents(comparison.metrics, welfare, row.planner)
            if not seen:
                panel.axhline(row.equivalent, label=row.planner, **_style(row.planner))
                continue
            best = np.maximum.accumulate(seen)
            panel.plot(np.arange(1, len(seen) + 1), best, label=row.planner, **_style(row.planner))
        panel.set(xlabel="evaluations", ylabel="best equivalent so far, $ a year", title=welfare)
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
    figure, panels = plt.subplots(1, count, figsize=(6.5 * count, 4.5), squeeze=False, layout="constrained")
    return figure, panels[0]


def _save(figure, panels, path: Path) -> None:
    panels[-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)
