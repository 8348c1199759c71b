"""What a sweep found, point by point: means over seeds with intervals, and paired gains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.intervals import mean_of
from experiments.sweep.chunks import OPTIMAL


def swept_means(metrics: Path, varied: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each point and schedule beside the best: means over seeds, with intervals.

    `gain` is what the best schedule brings more, in dollars a year of equivalent: its interval is
    Student's of the differences seed by seed, for all schedules meet the same draws.
    """
    columns = ["point", *varied, "seed", "schedule", "equivalent", "converged"]
    found: dict[tuple[int, str], dict[str, Any]] = {}
    table = pq.read_table(metrics, columns=list(dict.fromkeys(columns)))
    for row in table.to_pylist():
        own = found.setdefault((row["point"], row["schedule"]), {"row": row, "values": []})
        own["values"].append(row["equivalent"])
        own["converged"] = own.get("converged", 0) + bool(row["converged"])
    return [
        _row(own, best=found[point, OPTIMAL], schedule=name, varied=varied)
        for (point, name), own in found.items()
        if name != OPTIMAL or not any(p == point and n != OPTIMAL for p, n in found)
    ]


def _row(
    own: Mapping[str, Any], *, best: Mapping[str, Any], schedule: str, varied: Sequence[str]
) -> dict[str, Any]:
    values, ahead = np.array(own["values"]), np.array(best["values"])
    return {
        "point": own["row"]["point"],
        **{name: own["row"][name] for name in varied},
        "schedule": schedule,
        "seeds": len(values),
        "optimal": _interval(ahead),
        "equivalent": _interval(values),
        "gain": _interval(ahead - values),
        "converged": best["converged"] / len(ahead),
    }


def _interval(values: Float[np.ndarray, " seeds"]) -> dict[str, float | None]:
    """Return a mean with its 95 % interval, which one value alone does not have."""
    if len(values) == 1:
        return {"value": float(values[0]), "low": None, "high": None}
    return vars(mean_of(values))


_MOST_ROWS = 60


class Swept(NamedTuple):
    """Rows of means, and what varies between points."""

    rows: Sequence[Mapping[str, Any]]
    varied: Sequence[str]


def print_swept(found: Swept, console: Console) -> None:
    """Print the table, of a long one the first rows."""
    rows, varied = found
    table = Table(box=box.SIMPLE_HEAD)
    for title in (*varied, "beside"):
        table.add_column(title)
    for title in ("optimal $", "beside $", "gain $", "95 % of gain", "converged"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows[:_MOST_ROWS]:
        gain = row["gain"]
        known = gain["low"] is not None
        table.add_row(
            *(_said(row[name]) for name in varied),
            row["schedule"],
            *(f"{row[name]['value']:,.2f}" for name in ("optimal", "equivalent", "gain")),
            f"{gain['low']:,.2f} to {gain['high']:,.2f}" if known else "-",
            f"{row['converged']:.0%}",
        )
    console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"The first {_MOST_ROWS} of {len(rows):,} rows; metrics.parquet holds all.")
    console.print(_LEGEND)


_LEGEND = (
    "Means over seeds of the equally-distributed equivalent, dollars a year. gain: what the best "
    "schedule in the law's brackets brings more, on the same draws of workers; its interval is "
    "paired by seed. converged: the share of searches that met their tolerance."
)


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
