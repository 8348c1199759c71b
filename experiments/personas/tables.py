"""Simulated figures beside the published ones, in a table."""

import itertools
from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.personas.command import PublishedFigure


def print_people(figures: Sequence[PublishedFigure], console: Console) -> None:
    """Print every figure, how far off they are and what they are not."""
    console.print(_table(figures))
    away = np.abs([figure.difference for figure in figures])
    console.print(
        f"{np.sum(away <= 0.1)} of {len(away)} figures are within 10 % of the published one; the "
        f"median difference is {np.median(away):.1%}, the largest {away.max():.1%}."
    )
    console.print(_REMARK)


_REMARK = (
    "Published: Current Population Survey, annual averages 2024. Earnings are medians of usual "
    "weekly earnings, of full-time workers but for the last line, as a ratio to that of all "
    "full-time workers (education: both of those of 25 and over). Only ratios can be compared: the "
    "level and the spread of skill are those of the distribution chosen."
)


def _table(figures: Sequence[PublishedFigure]) -> Table:
    lines = Table(box=box.SIMPLE_HEAD)
    for title in ("", "figure", "people", "simulated", "published", "difference"):
        lines.add_column(
            title, justify="left" if title in ("", "figure") else "right", no_wrap=True
        )
    for kind, some in itertools.groupby(figures, key=lambda figure: figure.kind):
        for figure in some:
            numbers = f"{figure.people:,}", f"{figure.simulated:.3f}", f"{figure.published:.3f}"
            lines.add_row(kind, figure.name, *numbers, f"{figure.difference:+.1%}")
        lines.add_section()
    return lines
