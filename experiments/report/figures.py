"""Panels of a figure, and one legend for all."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.text import Text

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

    Every text is drawn as it is: what looks like a formula or a control character is neither.
    """
    lines = max(
        (panel.get_legend_handles_labels() for panel in panels), key=lambda found: len(found[1])
    )
    figure.legend(*lines, fontsize="small", loc="outside right upper")
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(plain(text.get_text()))
    with whole(path) as file:
        figure.savefig(file, dpi=130)
    plt.close(figure)
