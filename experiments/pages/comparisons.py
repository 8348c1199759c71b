"""The page of a comparison: what planners recommend, how they came to it, and whom it serves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule
from experiments.pages.document import Block, Chart, Curve, DataTable, Look, PageSection, Prose
from experiments.pages.drawing import look_at
from experiments.pages.people import Reform, people_charts
from experiments.pages.record import RunRecord
from experiments.pages.schedules import schedule_charts
from experiments.report.intervals import Measured, mean_of
from experiments.report.rates import rates_text

Rows = Sequence[Mapping[str, Any]]
"""Rows of a run's metrics."""
_LEAST = 0.01
"""The least money that an axis of logarithms shows."""


def comparison_sections(run: RunRecord) -> list[PageSection]:
    """Return a section for each welfare function and kind of workers."""
    titles = dict.fromkeys(row["welfare"] for row in run.rows)
    return [
        _section(run, title, [row for row in run.rows if row["welfare"] == title])
        for title in titles
    ]


def _section(run: RunRecord, title: str, rows: Rows) -> PageSection:
    model = rows[0]["worker_model"] is not None
    heading = title if model or "(" in title else f"{title}, rational workers"
    blocks: list[Block] = [recommended_table(run, rows), evaluations_chart(run, rows)]
    if run.config is not None:
        blocks[1:1] = _schedules(run, rows)
        blocks += _people(run, rows, model=model)
    return PageSection(heading, tuple(blocks))


def recommended_table(run: RunRecord, rows: Rows) -> DataTable:
    """Return what each planner's recommended schedule brings, the best first: means over seeds."""
    final = {name: some for name, some in _by_planner(rows, "recommended").items() if some}
    worth = {name: _values(some) for name, some in final.items()}
    best = np.max([list(values) for values in worth.values()], axis=0)
    lines = []
    for name in sorted(worth, key=lambda name: -worth[name].mean()):
        short = best - worth[name]
        lines.append(
            (
                name,
                _interval(worth[name], final[name]),
                f"{short.mean():,.2f}",
                rates_text(final[name][0]["rates"], ".1f"),
                f"{_mean(final[name], 'labor'):.2f}",
                f"{_mean(final[name], 'gini'):.4f}",
                f"{_mean(final[name], 'rebate'):,.0f}",
            )
        )
    columns = (
        "planner",
        f"equivalent {run.symbol}",
        f"regret {run.symbol}",
        "rates, % by bracket",
        "hours",
        "Gini",
        f"rebate {run.symbol}",
    )
    note = (
        "equivalent: what everyone could get equally, in money a year, for the same welfare. "
        "regret: short of the best planner here. Rates are those of the first seed. "
        f"{_size(run, rows)}."
    )
    return DataTable("What planners recommend", columns, tuple(lines), note=note)


def evaluations_chart(run: RunRecord, rows: Rows) -> Chart:
    """Return welfare by evaluation: exact values as the best so far falls short, others as heard.

    Means over seeds; a band holds all seeds where values are exact, else Student's 95 % interval.
    """
    exact = all(row["standard_error"] == 0 for row in rows)
    heard = {name: some for name, some in _by_planner(rows, "evaluated").items() if some}
    seeds = sorted({row["seed"] for row in rows})
    best = {seed: max(r["equivalent"] for r in rows if r["seed"] == seed) for seed in seeds}
    longest = max((row["step"] for row in rows if row["kind"] == "evaluated"), default=0) + 1
    curves, lines = [], []
    for place, (name, some) in enumerate(heard.items()):
        paths = np.array([_path(some, seed, best[seed], longest, exact) for seed in seeds])
        curves.append(_banded(name, paths, look_at(place), exact))
        lines.append((name, *(f"{paths.mean(axis=0)[n - 1]:,.2f}" for n in _some(longest))))
    what = "best so far, short of the best of all" if exact else "equivalent of each evaluation"
    title = "Welfare by evaluation"
    kind = "from the least to the most" if exact else "95 % intervals of the mean"
    band = f" Bands: {kind} over seeds." if len(seeds) > 1 else ""
    least = min(curves, key=lambda curve: curve.y[-1]) if exact else None
    return Chart(
        title,
        f"{what.capitalize()}, {run.symbol} a year.{band} {_size(run, rows)}.",
        f"After {longest} evaluations {least.label} is nearest to the best, "
        f"{run.symbol}{least.y[-1]:,.2f} short."
        if least
        else f"{len(curves)} planners over {longest} evaluations.",
        "evaluations",
        f"{'short of the best' if exact else 'equivalent'}, {run.symbol} a year",
        tuple(curves),
        DataTable(title, ("planner", *(f"after {n}" for n in _some(longest))), tuple(lines)),
        y_scale="log" if exact else "linear",
    )


def _path(
    rows: Rows, seed: int, best: float, longest: int, exact: bool
) -> Float[np.ndarray, " steps"]:
    """Return a seed's values by evaluation, the last one to the end."""
    seen = np.array([row["equivalent"] for row in rows if row["seed"] == seed])
    if exact:
        seen = np.maximum(best - np.maximum.accumulate(seen), _LEAST)
    return np.pad(seen, (0, longest - len(seen)), mode="edge")


def _banded(name: str, paths: Float[np.ndarray, "seeds steps"], look: Look, exact: bool) -> Curve:
    """Return the mean of some paths, with all of them or its interval as a band."""
    steps, mean = np.arange(1, paths.shape[1] + 1), paths.mean(axis=0)
    if len(paths) == 1 or not np.ptp(paths, axis=0).any():
        return Curve(name, steps, mean, look=look)
    if exact:
        return Curve(name, steps, mean, paths.min(axis=0), paths.max(axis=0), look=look)
    spread = [mean_of(values) for values in paths.T]
    return Curve(
        name, steps, mean, [one.low for one in spread], [o.high for o in spread], look=look
    )


def _some(longest: int) -> list[int]:
    """Return a few numbers of evaluations for a table, the last among them."""
    return sorted({n for n in (1, 2, 3, 5, 10, 20, 40, 100, 200, 400) if n < longest} | {longest})


def _schedules(run: RunRecord, rows: Rows) -> list[Chart]:
    config = run.config
    final = _by_planner(rows, "recommended")
    law = config.status_quo()
    shown = {n: some[0]["rates"] for n, some in final.items() if some and n != config.law_title}
    return schedule_charts(
        shown,
        law,
        law.thresholds,
        law_name=config.law_title,
        size=_size(run, rows),
        symbol=run.symbol,
        statuses=config.statuses,
    )


def _people(run: RunRecord, rows: Rows, *, model: bool) -> list[Block]:
    """Return the figures of people under the best planner's schedule."""
    config, law = run.config, run.config.status_quo()
    first = [r for r in rows if r["kind"] == "recommended" and r["seed"] == rows[0]["seed"]]
    best = max(first, key=lambda row: row["equivalent"])
    kind = "llm" if model else "rational"
    reform = Reform(
        config.among(kind).economy(),
        law,
        BracketSchedule(law.thresholds, list(best["rates"])),
        config.law_title,
        best["planner"],
        _size(run, rows),
        run.symbol,
    )
    words = (
        "The figures below are of the same people if each of them chose best: hours of "
        "language-model workers in a comparison are in its journal alone."
    )
    return [*([Prose((words,))] if model else []), *people_charts(reform)]


def _by_planner(rows: Rows, kind: str) -> dict[str, list[Mapping[str, Any]]]:
    names = dict.fromkeys(row["planner"] for row in rows)
    return {
        name: [row for row in rows if row["planner"] == name and row["kind"] == kind]
        for name in names
    }


def _values(rows: Rows) -> Float[np.ndarray, " seeds"]:
    return np.array([row["equivalent"] for row in rows])


def _mean(rows: Rows, name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _interval(values: Float[np.ndarray, " seeds"], rows: Rows) -> str:
    """Return a mean with its interval over seeds, or its standard error over years."""
    if len(values) > 1 and np.ptp(values):
        spread: Measured = mean_of(values)
        return f"{spread.value:,.2f} ({spread.low:,.0f} to {spread.high:,.0f})"
    error = rows[0]["standard_error"]
    return f"{values[0]:,.2f}" + (f" ±{error:,.0f}" if error else "")


def _size(run: RunRecord, rows: Rows) -> str:
    return run.size(rows[0]["agents"], sorted({row["seed"] for row in rows}))
