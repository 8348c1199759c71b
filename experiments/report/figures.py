"""Panels of a figure, and one legend for all."""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from experiments.report.files import whole
from experiments.report.plain import plain


def panels_of(count: int):
    """Return a figure with `count` panels, two to a row."""
    rows, columns = -(-count // 2), min(count, 2)
    size = 6.5 * columns, 4.5 * rows
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat[count:]:
        panel.remove()
    return figure, list(panels.flat[:count])


def save_figure(figure, panels, path: Path) -> None:
    """Write the figure with the legend of the panel with most lines, which holds the others'.

    Titles and labels are drawn as they are: what looks like a formula in them is none.
    """
    lines = max(
        (panel.get_legend_handles_labels() for panel in panels), key=lambda found: len(found[1])
    )
    legend = figure.legend(*lines, fontsize="small", loc="outside right upper")
    labels = [label for panel in panels for label in (panel.title, panel.xaxis.label)]
    for text in (*labels, *legend.get_texts()):
        text.set_parse_math(False)
        text.set_text(plain(text.get_text()))
    with whole(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # which is drawn as a box
        figure.savefig(file, dpi=130)
    plt.close(figure)
