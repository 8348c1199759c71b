"""What a study's runs say together: effects of its factors, and verdicts on its claims."""

import dataclasses
import math
from collections.abc import Sequence
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
    forms = [some.quickly() if quick else some for some in document.runs]
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
                there = ", ".join(measures_of(sources[done[0]]))
                NOTES.print(f"The runs {some.called} have no {measure}; they have {there}.")
    claims = judged(
        document.claims,
        [cells(document.part_of(claim) or 0, claim.measure) for claim in document.claims],
    )
    return StudyResults(len(sources), pooled, claims)


def print_results(found: StudyResults, console: Console) -> None:
    """Print a table for each measure, and one of verdicts."""
    for pooled in found.pooled:
        console.print(_effects_table(pooled))
    if found.pooled:
        console.print(_EXPLAINED)
    if found.claims:
        console.print(_claims_table(found.claims))
        console.print(_JUDGED)


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


_EXPLAINED = (
    "Means over seeds, and paired differences from the baseline, the first level if none is "
    "stated, with 95 % bootstrap intervals; of fewer than 5 seeds these are too narrow. p: paired "
    "t test, corrected for all differences of the table (Holm)."
)
_JUDGED = (
    "Supported or not: the paired t test at 5 % over all claims together (Holm). seeds to decide: "
    "with a chance of 80 %, if what was seen goes on."
)


def _effects_table(pooled: PooledMeasure) -> Table:
    alike = set.intersection(*(set(one.among) for one in pooled.effects))
    title = ", ".join([f"{pooled.runs}: {pooled.measure}", *_words(sorted(alike))])
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("among", "factor", "level"):
        table.add_column(name)
    for name in ("seeds", "mean", _WIDE, "difference", f"{_WIDE} ", "%", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in pooled.effects:
        among, apart = _words([item for item in one.among if item not in alike]), one.difference
        table.add_row(
            ", ".join(among) or "all",
            one.factor or "-",
            one.level or "-",
            str(one.seeds),
            _figure(one.mean),
            _between(one.interval),
            "-" if apart is None else _figure(apart.mean, sign=True),
            _between(one.ends),
            "-" if one.per_cent is None else f"{one.per_cent:+.2f}",
            "-" if apart is None or apart.pairs == 1 else _chance(apart.p),
        )
    return table


_WIDE = "95 % interval"


def _words(place: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{name} {said}" for name, said in place]


def _claims_table(claims: Sequence[JudgedClaim]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Claims", title_justify="left")
    table.add_column("claim")
    table.add_column("verdict")
    for name in ("here", "there", "difference", _WIDE, "%", "p", "seeds", "seeds to decide"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in claims:
        apart = None if one.here is None or one.there is None else one.here - one.there
        table.add_row(
            one.claim.text,
            one.verdict + f" ({one.why})" * bool(one.why) + _share(one),
            _figure(one.here),
            _figure(one.there),
            _figure(apart, sign=True),
            _between(one.apart),
            "-" if one.per_cent is None else f"{one.per_cent:+.2f}",
            "-" if one.p is None else _chance(one.p),
            str(one.seeds),
            "-" if one.needed is None else f"{one.needed:,}",
        )
    return table


def _share(one: JudgedClaim) -> str:
    """Return how much of the published figures was found, in words."""
    if one.share is None or one.claim.published is None:
        return ""
    (low, high), (least, most) = one.share, one.claim.published
    unit = " %" if one.claim.per_cent else ""
    return f"; {100 * low:.0f} to {100 * high:.0f} % of the published {least:g} to {most:g}{unit}"


def _figure(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    form = ",.2f" if abs(value) >= 100 else ".4g"
    return format(value, f"{'+' * sign}{form}")


def _between(one: Measured | None) -> str:
    return "-" if one is None else f"{_figure(one.low)} to {_figure(one.high)}"


def _chance(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _fields(one: JudgedClaim) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    """Return figures of which those that are not known are None."""
    return {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in said.items()}
