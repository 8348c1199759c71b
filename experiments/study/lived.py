"""What the years of a simulation came to: elections, and whether welfare still moves."""

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import linregress

from experiments.collect.sources import CollectedRun

GOVERNMENT = "government.json"
IMPROVING = "improving_turnover"
"""The share of leaders who follow another under whom welfare is more than in the year before."""
DRIFT = "drift"
"""The slope of welfare over the steps of a tax year's later half, a mean over the tax years."""
DRIFT_ERROR = "drift_error"
"""The standard error that least squares give each of these slopes, a mean over the tax years."""
_ELECTED = ("turnover", "leader_advantage", "minority_ratio")
LIVED = (DRIFT, DRIFT_ERROR, *_ELECTED, IMPROVING)
"""All that `lived_measures` may return."""


def lived_measures(source: CollectedRun) -> dict[str, float | None]:
    """Return what the years of a simulation came to: None where they do not say."""
    if source.manifest["command"] != "simulate":
        return {}
    years = _years(source)
    path = source.path / GOVERNMENT
    said = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    drift, error = _drift(years)
    found = {DRIFT: drift, DRIFT_ERROR: error}
    if "turnover" not in said:
        return found
    return found | {name: said[name] for name in _ELECTED} | {IMPROVING: _improving(years)}


class _Year(NamedTuple):
    """A tax year of a seed: who led, and welfare in its steps."""

    seed: int
    leader: str | None
    welfare: list[float]


def _years(source: CollectedRun) -> list[_Year]:
    """Return the tax years of a simulation, in order, each seed's after another's."""
    years: dict[Any, _Year] = {}
    aim, there = source.choices["welfare"], source.metrics.column_names
    columns = [name for name in ("seed", "step", "tax_year", "leader", aim) if name in there]
    for row in sorted(
        source.metrics.select(columns).to_pylist(), key=lambda row: (row["seed"], row["step"])
    ):
        place = row["seed"], row["tax_year"]
        years.setdefault(place, _Year(row["seed"], row.get("leader"), [])).welfare.append(row[aim])
    return list(years.values())


def _drift(years: Sequence[_Year]) -> tuple[float | None, float | None]:
    """Return how welfare still moves with steps in the later halves of tax years, and its error."""
    halves = [year.welfare[len(year.welfare) // 2 :] for year in years]
    fits: list[Any] = [linregress(range(len(half)), half) for half in halves if len(half) > 2]
    if not fits:
        return None, None
    return float(np.mean([fit.slope for fit in fits])), float(np.mean([fit.stderr for fit in fits]))


def _improving(years: Sequence[_Year]) -> float | None:
    """Return how many of the leaders who follow another bring more welfare than the year before."""
    changes = [
        np.mean(now.welfare) > np.mean(before.welfare)
        for before, now in itertools.pairwise(years)
        if now.seed == before.seed and now.leader != before.leader
    ]
    return float(np.mean(changes)) if changes else None
