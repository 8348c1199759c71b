"""The figure of a simulation: welfare by step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.report.figures import panels_of, save_figure


def plot_simulation(
    metrics: list[dict[str, Any]], scores: Sequence[str], path: Path, *, symbol: str
) -> None:
    """Draw each step's equivalent, one panel per welfare function; lines part the tax years."""
    figure, panels = panels_of(len(scores))
    steps = [row["step"] for row in metrics]
    years = np.array([row["tax_year"] for row in metrics])
    for panel, name in zip(panels, scores, strict=True):
        panel.plot(steps, [row[name] for row in metrics], label="equivalent")
        for place in np.flatnonzero(np.diff(years)):
            panel.axvline(steps[place] + 0.5, color="0.8", linewidth=1)
        panel.set(xlabel="steps of labor", ylabel=f"equivalent, {symbol} a year", title=name)
        panel.xaxis.get_major_locator().set_params(integer=True)
    save_figure(figure, panels, path)
