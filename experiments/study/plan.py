"""The runs of a study: every combination of what varies, checked before any of them begins."""

import dataclasses
import difflib
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from experiments.core.commands import COMMANDS
from experiments.core.config import COSTS, RunConfig
from experiments.economies.document import Source
from experiments.economies.kept import FOLDER, INDEX
from experiments.study.config import StudyConfig
from experiments.study.document import Choices, RunList, StudyFile


class PlannedRun(NamedTuple):
    """A run of a study: the name of its directory, its command, its choices, and what varies.

    `factors` are the choices that differ between the runs of its list, without the seed.
    """

    name: str
    command: str
    config: Any
    factors: Choices
    seed: int | None

    @property
    def asks(self) -> bool:
        """Whether it asks a model."""
        return bool(self.config.models())

    def identity(self) -> dict[str, Any]:
        """Return all that its figures depend on, ready for JSON: command, choices, files."""
        return {"command": self.command, "config": _said(self.config), "files": _files(self.config)}


def planned_runs(study: StudyFile, config: StudyConfig, folder: Path) -> list[PlannedRun]:
    """Return the runs of a study, whose directories are in `folder`, in the order of the file.

    Raises:
        ValueError: choices that make no run, with the line of the file, or two runs that are one.
    """
    document = study.document.quickly() if config.quick else study.document
    runs = []
    for place, some in enumerate(document.runs):
        reader = _Reader(Source(study.path), ("runs", str(place)), some, config, folder)
        runs += list(reader.runs())
    names = [run.name for run in runs]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(
                f"{study.path}: two runs would be called {name}: give their lists a name each, or "
                "values that differ."
            )
    return runs


class _Reader(NamedTuple):
    """Makes runs of a list of the file, and says in which line something is wrong."""

    source: Source
    where: tuple[str, ...]
    some: RunList
    config: StudyConfig
    folder: Path

    def runs(self) -> Iterator[PlannedRun]:
        kind = COMMANDS[self.some.command].kind(loaded=True)
        for factors in _combinations(self.some):
            choices = {
                self.known(kind, name): value
                for name, value in (self.some.choices | factors).items()
            }
            typed = self.typed(kind, self.beside(choices))
            for seed in self.some.all_seeds:
                yield self.run(kind, typed, factors, seed)

    def run(self, kind: type, typed: Choices, factors: Choices, seed: int) -> PlannedRun:
        """Return a run, whose choices have been checked."""
        seeded = "seed" in _fields(kind)
        if not seeded and self.some.all_seeds != [0]:
            words = f"a {self.some.command} has its seeds in a file of its own: leave seeds out."
            raise self.source.at((*self.where, "seeds"), words)
        name = _name(self.some.name or self.some.command, factors, seed if seeded else None)
        own = typed | {"name": name, "runs": self.folder} | ({"seed": seed} if seeded else {})
        try:
            file = own.get("economy_file")
            made = kind(**own) if file is None else kind.of_file(file, **own)
            made = self.with_models(made, own)
            made.check()
        except ValueError as error:
            raise self.blamed(error, factors) from error
        return PlannedRun(name, self.some.command, made, factors, seed if seeded else None)

    def with_models(self, made: Any, own: Choices) -> Any:
        """Return choices with the study's model, if they ask one and name none, and its prices."""
        if not isinstance(made, RunConfig):
            return made
        given = self.config.of_models() if made.models() and "model" not in own else {}
        return dataclasses.replace(made, prices=self.config.prices, **given)

    def known(self, kind: type, said: str) -> str:
        """Return the name of the choice that a key of the file means."""
        name = said.replace("-", "_")
        name = "economy_file" if name == "economy" else name
        fields = sorted(_fields(kind) - _OF_THE_STUDY)
        if name in fields:
            return name
        if name in _OF_THE_STUDY:
            words = f"{said} is not chosen by run: {_INSTEAD.get(name, 'econjax study has it.')}"
            raise self.source.at((*self.where, said), words)
        close = difflib.get_close_matches(name, fields, n=1)
        meant = f"did you mean {close[0]}?" if close else f"see econjax {self.some.command} --help."
        words = f"econjax {self.some.command} has no choice {said}: {meant}"
        raise self.source.at((*self.where, said), words)

    def beside(self, choices: Choices) -> Choices:
        """Return choices in which files are beside the study file, where they are there."""
        near = self.source.path.parent
        return {
            name: str(near / value)
            if isinstance(value, str) and value and (near / value).is_file()
            else value
            for name, value in choices.items()
        }

    def typed(self, kind: type, choices: Choices) -> Choices:
        """Return choices as the types that they must be of."""
        try:
            whole = msgspec.convert(choices, kind, dec_hook=lambda known, value: known(value))
        except msgspec.ValidationError as error:
            what, _, place = str(error).partition(" - at ")
            name = next(iter(re.findall(r"\w+", place)), "")
            words = f"{name}: {what[0].lower()}{what[1:]}. See econjax {self.some.command} --help."
            raise self.source.at((*self.where, name), words) from error
        return {name: getattr(whole, name) for name in choices}

    def blamed(self, error: ValueError, factors: Choices) -> ValueError:
        """Return an error at the line of the choice that it speaks of, with what varies."""
        flag = re.search(r"--([a-z][a-z-]*)", str(error))
        keys = (flag[1].replace("-", "_"),) if flag else ()
        those = ", ".join(f"{name} {value}" for name, value in factors.items())
        return self.source.at((*self.where, *keys), f"{error}" + f" (With {those}.)" * bool(those))


_OF_THE_STUDY = {"name", "runs", "json", "seed", "prices", *COSTS}
_INSTEAD = {"seed": "say seeds beside choices."}
_LONGEST = 120


def _fields(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _combinations(some: RunList) -> Iterator[Choices]:
    """Yield what varies, in every combination, in every case."""
    for case in some.cases or [{}]:
        for values in itertools.product(*some.vary.values()):
            yield case | dict(zip(some.vary, values, strict=True))


def _name(first: str, factors: Choices, seed: int | None) -> str:
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


def _said(config: Any) -> dict[str, Any]:
    """Return choices as a manifest has them, without where an economy file is: see `_files`."""
    said = json.loads(json.dumps(config.asdict()))
    return {name: value for name, value in said.items() if name not in ("economy_file", "file")}


def _files(config: Any) -> dict[str, str]:
    """Return the digests of the files that a run keeps."""
    files, index = config.carried().items(), f"{FOLDER}/{INDEX}"
    return {name: hashlib.sha256(data).hexdigest() for name, data in files if name != index}
