"""What a study's runs say together: effects of its factors, and verdicts on its claims."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.console import NOTES
from experiments.report.intervals import Measured
from experiments.study.cells import StudyCell, cells_of, finished, measures_of
from experiments.study.claims import JudgedClaim, judged
from experiments.study.document import StudyDocument
from experiments.study.effects import LevelEffect, level_effects
from experiments.study.plan import PlannedRun


class PooledMeasure(NamedTuple):
    """The effects of a list of runs on a measure."""

    runs: str
    measure: str
    effects: list[LevelEffect]


class StudyResults(NamedTuple):
    """All that a study's finished runs say together."""

    complete: int
    pooled: list[PooledMeasure]
    claims: list[JudgedClaim]


def study_results(
    document: StudyDocument, folder: Path, runs: Sequence[PlannedRun], *, quick: bool = False
) -> StudyResults:
    """Return effects and verdicts from the runs of a study that are finished."""
    sources = finished(folder, runs)
    forms = (document.quickly() if quick else document).runs
    by_part = [[run for run in runs if run.part == place] for place in range(len(forms))]
    known: dict[tuple[int, str], list[StudyCell]] = {}

    def cells(part: int, measure: str) -> list[StudyCell]:
        place = (part, measure)
        if place not in known:
            known[place] = cells_of(forms[part], by_part[part], sources, measure)
        return known[place]

    pooled = []
    for part, some in enumerate(forms):
        done = [run.name for run in by_part[part] if run.name in sources]
        for measure in some.measures:
            if found := level_effects(some, cells(part, measure)):
                pooled.append(PooledMeasure(some.called, measure, found))
            elif done:
                there = measures_of(sources[done[0]])
                why = "no value of" if measure in there else f"only {', '.join(there)}, not"
                NOTES.print(f"The runs {some.called} have {why} {measure}.")
    claims = judged(
        document.claims,
        [cells(document.part_of(claim) or 0, claim.measure) for claim in document.claims],
    )
    return StudyResults(len(sources), pooled, claims)


def print_results(found: StudyResults, console: Console) -> None:
    """Print a table for each measure, and one of verdicts."""
    for pooled in found.pooled:
        console.print(_printed(effects_table(pooled)))
    if found.pooled:
        console.print(EFFECTS_EXPLAINED)
    if found.claims:
        console.print(_printed(claims_table(found.claims)))
        console.print(CLAIMS_EXPLAINED)


def results_as_json(found: StudyResults) -> dict[str, Any]:
    """Return effects and verdicts as JSON has them."""
    return {
        "effects": [
            {"runs": pooled.runs, "measure": pooled.measure}
            | dataclasses.asdict(effect)
            | {"among": dict(effect.among)}
            | {"difference": effect.difference and _plain(dataclasses.asdict(effect.difference))}
            for pooled in found.pooled
            for effect in pooled.effects
        ],
        "claims": [
            _fields(one) | {"claim": one.claim.text, "apart": one.apart and vars(one.apart)}
            for one in found.claims
        ],
    }


EFFECTS_EXPLAINED = (
    "Means over seeds, and paired differences from the baseline, the first level if none is "
    "stated, with 95 % bootstrap intervals; of fewer than 5 seeds these are too narrow. p: paired "
    "t test, corrected for all differences of the table (Holm)."
)
CLAIMS_EXPLAINED = (
    "Supported or not: the paired t test at 5 % over all claims together (Holm). seeds to decide: "
    "with a chance of 80 %, if what was seen goes on."
)


class ResultTable(NamedTuple):
    """A table of texts: its title, its columns, of which the first few hold words, its rows."""

    title: str
    columns: tuple[str, ...]
    words: int
    rows: list[tuple[str, ...]]


def effects_table(pooled: PooledMeasure) -> ResultTable:
    """Return the effects on a measure, a row for each level."""
    alike = alike_in(pooled)
    title = ", ".join([f"{pooled.runs}: {pooled.measure}", *_words(sorted(alike))])
    rows = []
    for one in pooled.effects:
        apart = one.difference
        rows.append(
            (
                among_words(one, alike) or "all",
                one.factor or "-",
                one.level or "-",
                str(one.seeds),
                figure_text(one.mean),
                interval_text(one.interval),
                "-" if apart is None else figure_text(apart.mean, sign=True),
                interval_text(one.ends),
                "-" if one.per_cent is None else f"{one.per_cent:+.2f}",
                "-" if apart is None or apart.pairs == 1 else _chance(apart.p),
            )
        )
    numbers = ("seeds", "mean", _WIDE, "difference", f"{_WIDE} ", "%", "p")
    return ResultTable(title, ("among", "factor", "level", *numbers), 3, rows)


def alike_in(pooled: PooledMeasure) -> set[tuple[str, str]]:
    """Return what is alike among all effects on a measure."""
    return set.intersection(*(set(one.among) for one in pooled.effects))


def among_words(effect: LevelEffect, alike: Collection[tuple[str, str]]) -> str:
    """Return in words among what an effect is, but for what is alike among all."""
    return ", ".join(_words([item for item in effect.among if item not in alike]))


def figure_text(value: float | None, *, sign: bool = False) -> str:
    """Return a figure of a study in a few digits, "-" for none."""
    if value is None:
        return "-"
    form = ",.2f" if abs(value) >= 100 else ".4g"
    return format(value, f"{'+' * sign}{form}")


def interval_text(one: Measured | None) -> str:
    """Return the ends of an interval, "-" for none."""
    return "-" if one is None else f"{figure_text(one.low)} to {figure_text(one.high)}"


_WIDE = "95 % interval"


def _words(place: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{name} {said}" for name, said in place]


def claims_table(claims: Sequence[JudgedClaim]) -> ResultTable:
    """Return the verdicts, a row for each claim."""
    rows = []
    for one in claims:
        apart = None if one.here is None or one.there is None else one.here - one.there
        rows.append(
            (
                one.claim.text,
                one.verdict + f" ({one.why})" * bool(one.why) + _share(one),
                figure_text(one.here),
                figure_text(one.there),
                figure_text(apart, sign=True),
                interval_text(one.apart),
                "-" if one.per_cent is None else f"{one.per_cent:+.2f}",
                "-" if one.p is None else _chance(one.p),
                str(one.seeds),
                "-" if one.needed is None else f"{one.needed:,}",
            )
        )
    numbers = ("here", "there", "difference", _WIDE, "%", "p", "seeds", "seeds to decide")
    return ResultTable("Claims", ("claim", "verdict", *numbers), 2, rows)


def _printed(table: ResultTable) -> Table:
    made = Table(box=box.SIMPLE_HEAD, title=table.title, title_justify="left")
    for place, name in enumerate(table.columns):
        right = place >= table.words
        made.add_column(name, justify="right" if right else "left", no_wrap=right)
    for row in table.rows:
        made.add_row(*row)
    return made


def _share(one: JudgedClaim) -> str:
    """Return how much of the published figures was found, in words."""
    if one.share is None or one.claim.published is None:
        return ""
    (low, high), (least, most) = one.share, one.claim.published
    unit = " %" if one.claim.per_cent else ""
    return f"; {100 * low:.0f} to {100 * high:.0f} % of the published {least:g} to {most:g}{unit}"


def _chance(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _fields(one: JudgedClaim) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    """Return figures of which those that are not known are None."""
    return {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in said.items()}
