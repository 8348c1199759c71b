"""Figures by matplotlib: for a page in its own colours, light and dark, and as SVG and PDF."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.pages.document import INK, Chart, Curve, Look
from experiments.report.files import whole
from experiments.report.plain import plain

TONES = (
    ("#0b62a4", "#6db3f2"),
    ("#b3420c", "#ff9a62"),
    ("#1b7a3d", "#6fd08c"),
    ("#8e2a8c", "#e08be0"),
    ("#7a5c00", "#e0b84a"),
    ("#c2185b", "#ff8fb8"),
    ("#00707a", "#4fd1d9"),
    ("#5d5d5d", "#b8b8b8"),
)
"""The colours of curves, on a light ground and on a dark one: at least 4.5 to 1 against either."""
DASHES = ("", "6 2.5", "1.5 2", "7 2 1.5 2")
"""Patterns of lines, in points drawn and left out."""
_BLACK = "#000000"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "econjax",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.size": 8.5,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.5,
    "axes.edgecolor": _BLACK,
    "text.color": _BLACK,
    "axes.labelcolor": _BLACK,
    "xtick.color": _BLACK,
    "ytick.color": _BLACK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.unicode_minus": True,
}
_SIZE = 3.7, 2.6
"""Inches: text of this figure can be read on a telephone, where it is as wide as the screen."""


def look_at(place: int) -> Look:
    """Return the looks of the curve at a place in a figure: no two of the first 32 are alike."""
    return Look(place % len(TONES), place // len(TONES) % len(DASHES))


def inline_svg(chart: Chart, name: str) -> str:
    """Return a chart as an SVG element for a page, without a legend.

    Its colours are the page's variables `--tone-0`, ... and that of its text, its ids begin with
    `name`, and it has no size: it is as wide as what it stands in. Equal charts give equal texts.
    """
    text = _svg(chart, legend=False)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    box = re.search(r'viewBox="[^"]+"', text)
    assert box is not None, "matplotlib gives every figure a box"
    text = re.sub(r"<svg[^>]*>", f'<svg aria-hidden="true" focusable="false" {box[0]}>', text)
    for place, (light, _) in enumerate(TONES):
        text = text.replace(light, f"var(--tone-{place})")
    text = text.replace(_BLACK, "currentColor").replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    return re.sub(r'\b(?:d|x|y|transform)="[^"]+"', _shortened, text).strip()


def save_chart(chart: Chart, folder: Path, name: str) -> list[Path]:
    """Write a chart with its legend as SVG and PDF, and return where. Equal charts, equal bytes."""
    paths = [folder / f"{name}.svg", folder / f"{name}.pdf"]
    with whole(paths[0]) as file:
        file.write_text(_svg(chart, legend=True), encoding="utf-8")
    with whole(paths[1]) as file, matplotlib.rc_context(_STYLE):
        facts = {"CreationDate": None, "Creator": None, "Producer": None}
        _drawn(chart, legend=True).savefig(file, format="pdf", metadata=facts)
    return paths


def _svg(chart: Chart, *, legend: bool) -> str:
    file = io.StringIO()
    facts = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context(_STYLE):
        _drawn(chart, legend=legend).savefig(file, format="svg", metadata=facts)
    return file.getvalue()


def _drawn(chart: Chart, *, legend: bool) -> Figure:
    """Return the figure of a chart."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale=chart.x_scale, yscale=chart.y_scale)
    for place in chart.marks:
        axes.axvline(place, color=_BLACK, linewidth=0.5, alpha=0.35)
    bars = [curve for curve in chart.curves if curve.kind == "bars"]
    for curve in chart.curves:
        _add(axes, curve, bars)
    axes.set_xlabel(plain(chart.x_label))
    axes.set_ylabel(plain(chart.y_label))
    _number(axes, chart)
    if legend and len(chart.curves) > 1:
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return figure


def _add(axes: Axes, curve: Curve, bars: Sequence[Curve]) -> None:
    """Draw a curve and its band."""
    color = _BLACK if curve.look.tone == INK else TONES[curve.look.tone][0]
    label, x, y = plain(curve.label), np.asarray(curve.x, float), np.asarray(curve.y, float)
    if curve.kind == "bars":
        width = 0.8 / len(bars)
        shift = (bars.index(curve) - (len(bars) - 1) / 2) * width
        axes.bar(x + shift, y, width, color=color, label=label)
        axes.axhline(0, color=_BLACK, linewidth=0.7)
    elif curve.kind == "dots":
        axes.plot(x, y, "o", color=color, markersize=3.5, alpha=0.75, label=label)
    else:
        style: Any = "steps-post" if curve.kind == "steps" else "default"
        axes.plot(
            x, y, color=color, linestyle=_pattern(curve.look.dash), drawstyle=style, label=label
        )
    if len(curve.low) and curve.kind == "dots":
        axes.vlines(x, curve.low, curve.high, color=color, linewidth=1)
    elif len(curve.low):
        axes.fill_between(x, curve.low, curve.high, color=color, alpha=0.14, linewidth=0)


def _number(axes: Axes, chart: Chart) -> None:
    """Put numbers, short ones, or names along the axes."""
    for axis, scale in ((axes.xaxis, chart.x_scale), (axes.yaxis, chart.y_scale)):
        axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_locator(LogLocator(numticks=6) if scale == "log" else _round())
    if chart.ticks:
        axes.set_xticks(range(len(chart.ticks)), [plain(text) for text in chart.ticks])
    elif chart.x_scale == "linear" and _whole_numbers(chart):
        axes.xaxis.set_major_locator(_round(integer=True))


def _whole_numbers(chart: Chart) -> bool:
    return all(float(x).is_integer() for curve in chart.curves for x in curve.x)


def _round(**choices: Any) -> MaxNLocator:
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], **choices)


def short_number(value: float) -> str:
    """Return a number of an axis in few letters: 20k for 20,000, 1.5M for 1,500,000."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"


def _pattern(dash: int) -> Any:
    """Return a pattern for matplotlib, in units of the line's width."""
    lengths = [float(length) for length in DASHES[dash].split()]
    return (0, tuple(length / 1.5 for length in lengths)) if lengths else "solid"


def _shortened(found: re.Match[str]) -> str:
    """Return an attribute with two decimals in its numbers."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", found[0])
