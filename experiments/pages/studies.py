"""The page of several runs: what each is, and what is worth how much, over seeds and runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from experiments.collect.columns import TITLE, VALUE
from experiments.collect.rows import collected_schema, final_rows, long_rows
from experiments.collect.sources import CollectedRun
from experiments.pages.document import Block, Chart, Curve, DataTable, Links, PageSection, Prose
from experiments.pages.drawing import look_at
from experiments.pages.record import RunRecord
from experiments.report.intervals import Measured, mean_of
from experiments.study.effects import LevelEffect
from experiments.study.plan import PlannedRun
from experiments.study.recorded import RecordedStudy
from experiments.study.results import (
    CLAIMS_EXPLAINED,
    EFFECTS_EXPLAINED,
    PooledMeasure,
    ResultTable,
    alike_in,
    among_words,
    claims_table,
    effects_table,
    figure_text,
    interval_text,
    study_results,
)

_WORTH = "equivalent"
"""The measure that pages pool."""
_WHO = ("planner", "schedule", "planner_model", "worker_model", "economy_name")
"""Columns that tell rows apart, whatever was chosen."""
_MOST_ROWS, _MOST_LINES = 300, 8


@dataclass(frozen=True)
class Pooled:
    """What is pooled: who under which welfare function, what was chosen, and the values by seed."""

    welfare: str
    who: str
    chosen: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def measured(self) -> Measured | None:
        """The mean with its interval, None of one value alone or of equal ones."""
        values = np.array(self.values)
        return mean_of(values) if len(values) > 1 and np.ptp(values) else None

    @property
    def mean(self) -> float:
        """The mean."""
        return float(np.mean(self.values))


def runs_section(runs: Sequence[RunRecord], report: str) -> PageSection:
    """Return a table of runs, and links to the page of each, the file of that name."""
    rows = (
        (
            run.path.name,
            run.command,
            ", ".join(str(engine.get("model")) for engine in run.engines) or "none",
            str(run.manifest["config"].get("seed", "-")),
            run.manifest["versions"].get("econjax", "unknown"),
            "finished" if run.finished else "not finished",
        )
        for run in runs
    )
    columns = ("run", "command", "models", "seed", "version", "status")
    places = tuple((run.path.name, f"{quote(run.path.name)}/{report}") for run in runs)
    blocks = (DataTable("Runs", columns, tuple(rows)), Links("Pages of the runs", places))
    return PageSection("Runs", blocks)


def left_out_section(left_out: Mapping[str, str]) -> list[PageSection]:
    """Return what is not pooled, and why."""
    if not left_out:
        return []
    return [PageSection("Left out", (Prose(tuple(left_out.values()), warning=True),))]


def result_sections(
    folder: Path, study: RecordedStudy, runs: Sequence[RunRecord]
) -> list[PageSection]:
    """Return what `econjax study --results` prints, in tables and figures; none of no result."""
    configs = {run.path.name: run.config for run in runs}
    planned = [
        PlannedRun(name=name, config=configs[name], **said)
        for name, said in study.runs.items()
        if name in configs
    ]
    found = study_results(study.document, folder, planned)
    sections = []
    if found.claims:
        table = _in_page(claims_table(found.claims), CLAIMS_EXPLAINED)
        sections.append(PageSection("Claims", (table,)))
    for pooled in found.pooled:
        title = f"{pooled.measure}, {pooled.runs}"
        blocks: list[Block] = [_in_page(effects_table(pooled), ""), *effect_charts(pooled)]
        sections.append(PageSection(f"Effects on {title}", tuple(blocks)))
    if found.pooled:
        sections.append(PageSection("How effects are measured", (Prose((EFFECTS_EXPLAINED,)),)))
    return sections


def effect_charts(pooled: PooledMeasure) -> list[Chart]:
    """Return a figure for each factor: means over seeds with their intervals, by level."""
    by_factor: dict[str, list[LevelEffect]] = {}
    for one in pooled.effects:
        by_factor.setdefault(one.factor, []).append(one)
    return [_effect_chart(pooled, factor, some) for factor, some in by_factor.items() if factor]


def pooled_sections(sources: Sequence[CollectedRun]) -> list[PageSection]:
    """Return a section for each command: what was chosen, and what that is worth, over seeds."""
    commands = dict.fromkeys(source.manifest["command"] for source in sources)
    return [
        section
        for command in commands
        for section in _section(command, [s for s in sources if s.manifest["command"] == command])
    ]


def _section(command: str, sources: Sequence[CollectedRun]) -> list[PageSection]:
    choices = differing_choices(sources)
    pooled = pool(sources, choices)
    if not pooled:
        return []
    blocks: list[Block] = [pooled_table(command, pooled, choices)]
    for place, name in enumerate(choices):
        chart = choice_chart(command, pooled, place, name)
        blocks += [] if chart is None else [chart]
    return [PageSection(f"Worth by what was chosen, {command}", tuple(blocks))]


def differing_choices(sources: Sequence[CollectedRun]) -> list[str]:
    """Return the choices in which runs differ, seeds aside."""
    names = dict.fromkeys(name for source in sources for name in source.choices)
    return [
        name
        for name in names
        if name not in ("seed", "seeds")
        and len({json.dumps(source.choices.get(name), default=str) for source in sources}) > 1
    ]


def pool(sources: Sequence[CollectedRun], choices: Sequence[str]) -> list[Pooled]:
    """Return the values of what is worth alike: of each run and seed one, the last tax year's."""
    schema = collected_schema(sources)
    found: dict[tuple[str, str, tuple[str, ...]], dict[tuple[str, Any, Any], list[float]]] = {}
    for source in sources:
        chosen = tuple(_said(source.choices.get(name)) for name in choices)
        for row in final_rows(long_rows(source, schema), _WORTH):
            who = ", ".join(str(row[name]) for name in _WHO if row.get(name) is not None)
            key = (row.get(TITLE) or row["welfare"] or "-", who or "-", chosen)
            place = (source.name, row["seed"], row["point"])
            found.setdefault(key, {}).setdefault(place, []).append(row[VALUE])
    return [
        Pooled(*key, tuple(float(np.mean(values)) for values in by_seed.values()))
        for key, by_seed in found.items()
    ]


def pooled_table(command: str, pooled: Sequence[Pooled], choices: Sequence[str]) -> DataTable:
    """Return means with intervals, the best first."""
    ordered = sorted(pooled, key=lambda one: (one.welfare, one.chosen, -one.mean))
    rows = (
        (
            one.who,
            one.welfare,
            *one.chosen,
            f"{one.mean:,.2f}",
            _between(one.measured),
            str(len(one.values)),
        )
        for one in ordered[:_MOST_ROWS]
    )
    rest = f" The first {_MOST_ROWS} of {len(ordered):,} rows." if len(ordered) > _MOST_ROWS else ""
    return DataTable(
        f"Worth, {command}",
        ("who", "welfare", *choices, _WORTH, "95 % interval", "seeds"),
        tuple(rows),
        note="What everyone could get equally, in money a year: means over runs and seeds that "
        "are alike but for the seed, with Student's interval; of a simulation its last tax year."
        f"{rest}",
    )


def choice_chart(command: str, pooled: Sequence[Pooled], place: int, name: str) -> Chart | None:
    """Return worth by a choice that is a number, a line for each of the rest; None of others."""
    numbers = {one.chosen[place]: _number(one.chosen[place]) for one in pooled}
    if None in numbers.values() or len(numbers) < 2:
        return None
    lines: dict[str, list[Pooled]] = {}
    for one in pooled:
        rest = (value for other, value in enumerate(one.chosen) if other != place)
        lines.setdefault(", ".join((one.who, one.welfare, *rest)), []).append(one)
    curves = [
        _line(label, some, numbers, place, number)
        for number, (label, some) in enumerate(list(lines.items())[:_MOST_LINES])
    ]
    title = f"Worth by {name}, {command}"
    rows = ((c.label, f"{x:g}", f"{y:,.2f}") for c in curves for x, y in zip(c.x, c.y, strict=True))
    rest = f" {_MOST_LINES} of {len(lines)} lines." if len(lines) > _MOST_LINES else ""
    worth = [one.mean for one in pooled]
    return Chart(
        title,
        f"Means over seeds, bands: 95 % intervals. {len(pooled[0].values)} seeds.{rest}",
        f"Means go from {min(worth):,.0f} to {max(worth):,.0f}.",
        name,
        "equivalent, money a year",
        tuple(curves),
        DataTable(title, ("line", name, _WORTH), tuple(rows)),
    )


def _line(
    label: str, some: Sequence[Pooled], numbers: Mapping[str, Any], place: int, number: int
) -> Curve:
    """Return the means of a line, with their intervals where all have one."""
    ordered = sorted(some, key=lambda one: numbers[one.chosen[place]])
    spread = [one.measured for one in ordered]
    known = [one for one in spread if one is not None]
    ends: Any = ((), ())
    if len(known) == len(spread):
        ends = ([one.low for one in known], [one.high for one in known])
    x, y = [numbers[one.chosen[place]] for one in ordered], [one.mean for one in ordered]
    return Curve(label, x, y, *ends, look=look_at(number))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _between(measured: Measured | None) -> str:
    return "-" if measured is None else f"{measured.low:,.2f} to {measured.high:,.2f}"


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    return "not given" if value is None else str(value)


def _effect_chart(pooled: PooledMeasure, factor: str, some: Sequence[LevelEffect]) -> Chart:
    alike, lines = alike_in(pooled), dict[str, list[LevelEffect]]()
    for one in some:
        lines.setdefault(among_words(one, alike) or "all", []).append(one)
    levels = list(dict.fromkeys(one.level for one in some))
    places, ticks = _level_places(levels)
    shown = list(lines.items())[:_MOST_LINES]
    curves = tuple(
        _effect_curve(label, own, places, look, loose=bool(ticks))
        for look, (label, own) in enumerate(shown)
    )
    title = f"{pooled.measure} by {factor}, {pooled.runs}"
    rows = tuple(
        (label, one.level, figure_text(one.mean), interval_text(one.interval), str(one.seeds))
        for label, own in shown
        for one in own
    )
    rest = f" {_MOST_LINES} of {len(lines)} lines." if len(lines) > _MOST_LINES else ""
    means = [one.mean for one in some]
    return Chart(
        title,
        f"Means over seeds, the other factors averaged, with 95 % bootstrap intervals.{rest}",
        f"Means go from {figure_text(min(means))} to {figure_text(max(means))}.",
        factor,
        pooled.measure,
        curves,
        DataTable(title, ("among", factor, "mean", "95 % interval", "seeds"), rows),
        ticks=ticks,
    )


def _level_places(levels: Sequence[str]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return where levels stand on an axis, and their names where some are no numbers."""
    try:
        return {level: float(level) for level in levels}, ()
    except ValueError:
        return {level: float(place) for place, level in enumerate(levels)}, tuple(levels)


def _effect_curve(
    label: str,
    some: Sequence[LevelEffect],
    places: Mapping[str, float],
    look: int,
    *,
    loose: bool,
) -> Curve:
    """Return a line, or dots of levels that are no numbers, with intervals where all have one."""
    ordered = sorted(some, key=lambda one: places[one.level])
    known = [one.interval for one in ordered if one.interval is not None]
    whole = len(known) == len(ordered)
    return Curve(
        label,
        [places[one.level] for one in ordered],
        [one.mean for one in ordered],
        [one.low for one in known] if whole else (),
        [one.high for one in known] if whole else (),
        "dots" if loose else "line",
        look_at(look),
    )


def _in_page(table: ResultTable, note: str) -> DataTable:
    return DataTable(table.title, table.columns, tuple(table.rows), note=note)
