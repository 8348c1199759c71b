"""The runs of a study: every combination of what varies, checked before any of them begins."""

import dataclasses
import difflib
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from experiments.core.checks import COSTS
from experiments.core.commands import COMMANDS
from experiments.core.config import RunConfig
from experiments.economies.document import Source
from experiments.runs.rows import identity
from experiments.study.config import StudyConfig
from experiments.study.document import FlagValues, Quick, RunList, StudyFile


class PlannedRun(NamedTuple):
    """A run of a study: the name of its directory, its command, its choices, and what varies.

    `factors` are the choices that differ between the runs of its list, without the seed, and
    `part` is that list's place in the file.
    """

    name: str
    command: str
    config: Any
    factors: FlagValues
    seed: int | None
    part: int

    @property
    def asks(self) -> bool:
        """Whether it asks a model."""
        return bool(self.config.models())

    def identity(self) -> dict[str, Any]:
        """Return all that its figures depend on, ready for JSON: command, choices, files."""
        return {"command": self.command} | identity(self.config.asdict(), self.config.carried())


def planned_runs(study: StudyFile, config: StudyConfig, folder: Path) -> list[PlannedRun]:
    """Return the runs of a study, whose directories are in `folder`, in the order of the file.

    Raises:
        ValueError: choices that make no run, with the line of the file, or two runs that are one.
    """
    runs = []
    for place, some in enumerate(study.document.runs):
        form = some.quickly() if config.quick else some
        where = ("runs", str(place))
        runs += list(_Reader(Source(study.path), where, some, form, config, folder).runs())
    names = [run.name for run in runs]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(
                f"{study.path}: two runs would be called {name}: give their lists a name each, or "
                "values that differ."
            )
    return runs


class _Reader(NamedTuple):
    """Makes runs of a list of the file, and says in which line something is wrong.

    `some` is the list as it stands there, `form` its quick form where that is asked for.
    """

    source: Source
    where: tuple[str, ...]
    some: RunList
    form: RunList
    config: StudyConfig
    folder: Path

    @property
    def part(self) -> int:
        """The place of the list in the file."""
        return int(self.where[-1])

    def runs(self) -> Iterator[PlannedRun]:
        kind = COMMANDS[self.form.command].kind(loaded=True)
        for factors in _combinations(self.form):
            typed = self.typed(kind, self.form.choices | factors)
            for seed in self.form.all_seeds:
                yield self.run(kind, typed, factors, seed)

    def run(self, kind: type, typed: FlagValues, factors: FlagValues, seed: int) -> PlannedRun:
        """Return a run, whose choices have been checked with the first seed."""
        seeded = "seed" in _fields(kind)
        if not seeded and self.form.all_seeds != [0]:
            words = f"a {self.form.command} has its seeds in a file of its own: leave seeds out."
            raise self.at("seeds", words)
        name = _name(self.form.called, factors, seed if seeded else None)
        own = typed | {"name": name, "runs": self.folder} | ({"seed": seed} if seeded else {})
        try:
            file = own.get("economy_file")
            made = kind(**own) if file is None else kind.of_file(file, **own)
            made = self.with_models(made, own)
            if seed == self.form.all_seeds[0]:  # no other seed makes other choices wrong
                made.check()
        except ValueError as error:
            raise self.blamed(error, factors) from error
        return PlannedRun(
            name, self.form.command, made, factors, seed if seeded else None, self.part
        )

    def with_models(self, made: Any, own: FlagValues) -> Any:
        """Return choices with the study's model, if they ask one and name none, and its prices."""
        if not isinstance(made, RunConfig):
            return made
        given = self.config.of_models() if made.models() and "model" not in own else {}
        return dataclasses.replace(made, prices=self.config.prices, **given)

    def typed(self, kind: type, said: FlagValues) -> FlagValues:
        """Return choices by the names of their fields, as the types that they must be of."""
        names = {self.known(kind, key): key for key in said}
        near = self.source.path.parent
        choices = {name: _beside(near, said[key]) for name, key in names.items()}
        try:
            whole = msgspec.convert(choices, kind, dec_hook=lambda known, value: known(value))
        except msgspec.ValidationError as error:
            what, _, place = str(error).partition(" - at ")
            key = names.get(next(iter(re.findall(r"\w+", place)), ""), "choices")
            words = f"{key}: {what[0].lower()}{what[1:]}. See econjax {self.form.command} --help."
            raise self.at(key, words) from error
        return {name: getattr(whole, name) for name in choices}

    def known(self, kind: type, said: str) -> str:
        """Return the name of the choice that a key of the file means."""
        name = said.replace("-", "_")
        name = "economy_file" if name == "economy" else name
        fields = sorted(_fields(kind) - _OF_THE_STUDY)
        if name in fields:
            return name
        if name in _OF_THE_STUDY:
            words = f"{said} is not chosen by run: {_INSTEAD.get(name, 'econjax study has it.')}"
            raise self.at(said, words)
        close = difflib.get_close_matches(name, fields, n=1)
        meant = f"did you mean {close[0]}?" if close else f"see econjax {self.form.command} --help."
        raise self.at(said, f"econjax {self.form.command} has no choice {said}: {meant}")

    def blamed(self, error: ValueError, factors: FlagValues) -> ValueError:
        """Return an error at the line of the choice that it speaks of, with what varies."""
        flag = re.search(r"--([a-z][a-z-]*)", str(error))
        those = ", ".join(f"{name} {value}" for name, value in factors.items())
        words = f"{error}" + f" (With {those}.)" * bool(those)
        return self.at(flag[1].replace("-", "_") if flag else "choices", words)

    def at(self, said: str, words: str) -> ValueError:
        """Return an error at the line of a choice, wherever in the list of runs it is made."""
        quick = {("quick", *keys) for keys in _places(self.some.quick, said)}
        places = (quick if self.config.quick else set()) or _places(self.some, said)
        keys = min(places, default=(said,))
        return self.source.at((*self.where, *keys), words)


def _places(form: RunList | Quick, said: str) -> set[tuple[str, ...]]:
    """Return the keys under which a choice is made in a list of runs."""
    found = {(name, said) for name in ("choices", "vary") if said in getattr(form, name)}
    return found | {("cases", said) for case in form.cases or () if said in case}


def _beside(near: Path, value: Any) -> Any:
    """Return a value, or the path of the file beside the study file that it names."""
    named = isinstance(value, str) and value and (near / value).is_file()
    return str(near / value) if named else value


_OF_THE_STUDY = {"name", "runs", "json", "seed", "prices", *COSTS}
_INSTEAD = {"seed": "say seeds beside choices."}
_LONGEST = 120


def _fields(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _combinations(some: RunList) -> Iterator[FlagValues]:
    """Yield what varies, in every combination, in every case."""
    for case in some.cases or [{}]:
        for values in itertools.product(*some.vary.values()):
            yield case | dict(zip(some.vary, values, strict=True))


def _name(first: str, factors: FlagValues, seed: int | None) -> str:
    """Return a name for a directory that says what varies; a long one ends in a digest."""
    parts = [first, *(f"{name}-{_slug(value)}" for name, value in factors.items())]
    whole = "-".join(parts).replace("_", "-")
    if len(whole) > _LONGEST:
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        whole = f"{whole[:_LONGEST]}-{digest}"
    return whole if seed is None else f"{whole}-seed-{seed}"


def _slug(value: Any) -> str:
    words = "+".join(map(str, value)) if isinstance(value, list) else str(value).lower()
    return re.sub(r"[^A-Za-z0-9.+]+", "-", words).strip("-.") or "none"
