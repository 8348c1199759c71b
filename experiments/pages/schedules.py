"""Figures of schedules: marginal rates by income, and by bracket in their tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from experiments.pages.document import INK, Chart, Curve, DataTable, Look
from experiments.pages.drawing import look_at


def schedule_charts(
    schedules: Mapping[str, Any],
    law: BracketSchedule,
    thresholds: Any,
    *,
    law_name: str,
    size: str,
    symbol: str,
    statuses: Sequence[str] = (),
    title: str = "Schedules",
) -> list[Chart]:
    """Return the rates of schedules against the law's, by income: a figure for each group.

    `schedules` holds rates by name, `thresholds` where their brackets begin, of every group where
    `statuses` are groups with schedules of their own.
    """
    begin = np.atleast_2d(np.asarray(thresholds, float))
    of_law = np.atleast_2d(np.asarray(law.thresholds, float))
    charts = []
    for group in range(max(len(statuses), 1)):
        words = f"{title}, {statuses[group]}" if statuses else title
        rates = {name: _own(values, len(begin), group) for name, values in schedules.items()}
        lawful = _own(law.rates, len(of_law), group)
        curves = [
            _curve(name, own, begin[group % len(begin)], look_at(place))
            for place, (name, own) in enumerate(rates.items())
        ]
        ink = Look(INK, 1)
        curves.append(_curve(law_name, lawful, of_law[group % len(of_law)], ink))
        data = _table(words, rates, begin[group % len(begin)], symbol)
        charts.append(
            Chart(
                words,
                f"Marginal rates by income, and those of {law_name}. {size}.",
                f"Rates go from {100 * min(map(min, rates.values())):.0f} % to "
                f"{100 * max(map(max, rates.values())):.0f} % over {len(rates)} schedules.",
                f"income, {symbol} a year",
                "marginal rate, %",
                tuple(curves),
                data,
                x_scale="log",
            )
        )
    return charts


def _own(rates: Any, groups: int, group: int) -> Float[np.ndarray, " brackets"]:
    """Return a group's rates, of rates in common or by group."""
    values = np.atleast_2d(np.asarray(rates, float))
    return values[group % len(values)]


def _curve(name: str, rates: Any, thresholds: Float[np.ndarray, " brackets"], look: Look) -> Curve:
    """Return rates as steps, from an income that shows the first bracket to one past the last."""
    first = min(2e3, thresholds[1:].min(initial=1e4) / 5)
    last = max(1e6, 1.5 * thresholds[-1])
    incomes = np.concatenate([[first], thresholds[1:], [last]])
    heights = 100 * np.asarray(rates, float)
    return Curve(name, incomes, np.append(heights, heights[-1]), kind="steps", look=look)


def _table(
    title: str, rates: Mapping[str, Any], thresholds: Float[np.ndarray, " brackets"], symbol: str
) -> DataTable:
    columns = ("schedule", *(f"from {symbol}{place:,.0f}" for place in thresholds))
    rows = ((name, *(f"{100 * rate:.1f} %" for rate in own)) for name, own in rates.items())
    return DataTable(title, columns, tuple(rows))
