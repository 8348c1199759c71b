"""The figures of a study's runs: each one's place among what varies, its seed, and its value."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from experiments.collect.columns import KNOWN, MEASURE, TITLE
from experiments.collect.rows import collected_schema, final_rows, long_rows
from experiments.collect.sources import CollectedRun, found_in
from experiments.core.registry import REGISTRY
from experiments.report.disclosure import MODEL
from experiments.study.document import FlagValues, RunList
from experiments.study.lived import LIVED, lived_measures
from experiments.study.plan import PlannedRun

CASE = "case"
"""The factor whose levels are the cases of a list of runs."""
CellPlace = tuple[tuple[str, str], ...]
"""What a figure is of: names and what is said there, in order."""


class StudyCell(NamedTuple):
    """A figure, of what, and with which seed."""

    where: dict[str, str]
    seed: int
    value: float

    def is_of(self, said: Mapping[str, Any]) -> bool:
        """Whether it is of all that is said, in the words of a study file."""
        return all(self.where.get(name.replace("-", "_")) == word(x) for name, x in said.items())

    def rest(self, names: Sequence[str]) -> CellPlace:
        """Return what it is of besides the names."""
        return tuple(sorted(item for item in self.where.items() if item[0] not in names))


def word(value: Any) -> str:
    """Return a value of a study file in one word for tables and for comparisons."""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(word, value)) if isinstance(value, list | tuple) else str(value)


def finished(folder: Path, runs: Sequence[PlannedRun]) -> dict[str, CollectedRun]:
    """Return the finished runs of a study in its folder, by name."""
    paths = [folder / run.name for run in runs]
    sources, _ = found_in([path for path in paths if path.is_dir()])
    return {source.path.name: source for source in sources}


def cells_of(
    some: RunList, runs: Sequence[PlannedRun], sources: Mapping[str, CollectedRun], measure: str
) -> list[StudyCell]:
    """Return a measure of the finished ones of a list's runs, a cell for each place and seed.

    Of evaluations that is what is recommended, of a simulation the mean of its last tax year, or
    what its government came to.
    """
    known = [(run, sources[run.name]) for run in runs if run.name in sources]
    schema = collected_schema([source for _, source in known])
    values: dict[tuple[CellPlace, int], list[float]] = defaultdict(list)
    for run, source in known:
        varied = _varied(some, run)
        for where, seed, value in _figures(run, source, schema, measure):
            values[_sorted(where | varied), seed].append(value)
    return [StudyCell(dict(where), seed, float(np.mean(v))) for (where, seed), v in values.items()]


def measures_of(source: CollectedRun) -> list[str]:
    """Return what can be pooled of a run."""
    names = long_rows(source, collected_schema([source]))[MEASURE].unique().to_pylist()
    return sorted({*names, *lived_measures(source)})


def _figures(
    run: PlannedRun, source: CollectedRun, schema: pa.Schema, measure: str
) -> Iterator[tuple[dict[str, str], int, float]]:
    """Yield of what a figure of a run is, its seed, and its value."""
    lived = lived_measures(source) if measure in LIVED else {}
    if measure in lived:
        if (value := lived[measure]) is not None:
            yield {}, run.seed or 0, value
        return
    rows = list(final_rows(long_rows(source, schema), measure))
    several = len({row["worker_model"] for row in rows} - {None}) > 1
    for row in rows:
        seed = run.seed if row["seed"] is None else row["seed"]
        yield _where(run, row, several), seed or 0, row["value"]


def _where(run: PlannedRun, row: Mapping[str, Any], several: bool) -> dict[str, str]:
    """Return of what a row is, in the words of flags; `several` says that many models work."""
    said = {name: row[name] for name in row if row[name] is not None and name not in _NOT_A_PLACE}
    where = {name: x for name, x in said.items() if isinstance(x, str) and "." not in name}
    if "planner" in where:
        where["planner"] = _flag_of(where["planner"], getattr(run.config, "law_title", ""))
    if TITLE in row and row[TITLE] is not None:
        where["workers"] = "rational" if row["worker_model"] is None else "llm"
    if several and row["worker_model"] is not None:
        where["worker_model"] = row["worker_model"]
    return where


_NOT_A_PLACE = {*KNOWN, MEASURE, TITLE, "observes"} - {"welfare", "planner", "schedule"}


def _flag_of(title: str, law: str) -> str:
    """Return the planner of a title by the name of its flag, or the title of one without."""
    plain = re.sub(rf"^{MODEL} \([^)]*\)", MODEL, title)
    names = {entry.name: flag for flag, entry in REGISTRY.items()} | {law: "federal"}
    return names.get(plain, title)


def _varied(some: RunList, run: PlannedRun) -> dict[str, str]:
    """Return what varies between the runs of a list, as it is in one."""
    said = {name.replace("-", "_"): word(run.factors[name]) for name in some.vary}
    case: FlagValues = {name: x for name, x in run.factors.items() if name not in some.vary}
    words = ", ".join(f"{name} {word(value)}" for name, value in case.items())
    return said | ({CASE: words} if words else {})


def _sorted(where: Mapping[str, str]) -> CellPlace:
    return tuple(sorted(where.items()))
