"""The study file: lists of runs by command, what they choose, what varies, with which seeds."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from experiments.core.commands import COMMANDS
from experiments.economies.document import Source, read_tables

FlagValues = dict[str, Any]
Factors = dict[str, list[Any]]
EQUIVALENT = "equivalent"
"""What is pooled if nothing else is said: what everyone could get equally, in dollars a year."""


class Quick(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the quick form of a list of runs has in place of what it says."""

    choices: FlagValues = msgspec.field(default_factory=dict)
    vary: Factors = msgspec.field(default_factory=dict)
    cases: list[FlagValues] | None = None
    seeds: int | list[int] | None = None


class RunList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs of one command: all combinations of what varies, in every case, with every seed.

    `choices` are the command's flags, which all runs have. `vary` holds the values of a flag;
    `cases` are choices that stand together. `seeds` are so many from 0, or a list of them.
    `measures` are what is pooled in the end, and `baseline` says to which value of a factor others
    are compared, if not to the first.
    """

    command: str
    name: str = ""
    choices: FlagValues = msgspec.field(default_factory=dict)
    vary: Factors = msgspec.field(default_factory=dict)
    cases: list[FlagValues] = msgspec.field(default_factory=list)
    seeds: int | list[int] = 1
    measures: list[str] = msgspec.field(default_factory=lambda: [EQUIVALENT])
    baseline: FlagValues = msgspec.field(default_factory=dict)
    quick: Quick = Quick()

    def quickly(self) -> "RunList":
        """Return the quick form: its choices and factors go over those of the same name."""
        quick = self.quick
        return msgspec.structs.replace(
            self,
            choices=self.choices | quick.choices,
            vary=self.vary | quick.vary,
            cases=self.cases if quick.cases is None else quick.cases,
            seeds=self.seeds if quick.seeds is None else quick.seeds,
            quick=Quick(),
        )

    @property
    def called(self) -> str:
        """The list's name, which is its command's if it has none."""
        return self.name or self.command

    @property
    def all_seeds(self) -> list[int]:
        """The seeds."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a study is to decide: that a measure is more, or less, here than there, by so much.

    `of` and `against` are choices and columns of rows that name the two; without `against` the
    measure itself is more or less than `by`. `by` is in the measure's units, or in per cent of
    there. An `exact` claim is about figures without chance: one run decides it. `published` are the
    least and the most that somebody else found, in the units of `by`. `runs` is the name of the
    list of runs, the first if left out.
    """

    text: str
    of: FlagValues
    against: FlagValues = msgspec.field(default_factory=dict)
    measure: str = EQUIVALENT
    direction: Literal["more", "less"] = "more"
    by: float = 0.0
    per_cent: bool = False
    exact: bool = False
    published: tuple[float, float] | None = None
    runs: str = ""


class StudyDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study file: its title in one line, its lists of runs, and what they are to decide."""

    title: str
    runs: list[RunList]
    claims: list[Claim] = msgspec.field(default_factory=list)

    def quickly(self) -> "StudyDocument":
        """Return the quick form of all lists of runs."""
        return msgspec.structs.replace(self, runs=[some.quickly() for some in self.runs])

    def part_of(self, claim: Claim) -> int | None:
        """Return the place of the list of runs that a claim is about; None if there is none."""
        names = [some.called for some in self.runs]
        if not claim.runs:
            return 0
        return names.index(claim.runs) if claim.runs in names else None


class StudyFile(NamedTuple):
    """A study, what it is called, and the file that it stands in."""

    name: str
    path: Path
    document: StudyDocument


def shipped_studies() -> list[StudyFile]:
    """Return the studies that come with the project, by name."""
    return [find_study(path.stem) for path in sorted(_SHIPPED.glob("*.toml"))]


def find_study(said: str) -> StudyFile:
    """Return the study of a file, or one that is shipped by its name.

    Raises:
        ValueError: there is neither, or the file is no study: in one line, with the file's.
    """
    shipped = {path.stem: path for path in _SHIPPED.glob("*.toml")}
    path = shipped.get(said, Path(said).expanduser())
    if not path.is_file():
        close = difflib.get_close_matches(said, shipped, n=1)
        meant = f"Did you mean {close[0]}?" if close else "econjax study --list names them."
        raise ValueError(f"There is no study file {said}, and no study of that name. {meant}")
    source = Source(path)
    document = read_tables(source, StudyDocument)
    for keys, message in _wrong(document):
        raise source.at(keys, message)
    return StudyFile(path.stem, path, document)


def commands_of_runs() -> list[str]:
    """Return the commands that a study can run: those that leave a run directory."""
    return [name for name, command in COMMANDS.items() if command.leaves_run]


_SHIPPED = Path(str(resources.files("experiments.study"))) / "shipped"


def _wrong(document: StudyDocument) -> list[tuple[tuple[str, ...], str]]:
    """Return what is no study, each with the key to blame."""
    wrong = []
    if not document.title.strip() or "\n" in document.title:
        wrong.append((("title",), "title is one line of text that says what is found out."))
    if not document.runs:
        wrong.append((("runs",), "a study has one list of runs at least: add [[runs]]."))
    for place, some in enumerate(document.runs):
        where, known = ("runs", str(place)), commands_of_runs()
        if some.command not in known:
            words = f"{some.command!r} is no command that leaves a run: take one of "
            wrong.append(((*where, "command"), f"{words}{', '.join(known)}."))
        for form in (some, some.quickly()):
            wrong += [((*where, *keys), message) for keys, message in _wrong_of(form)]
    for place, claim in enumerate(document.claims):
        where = ("claims", str(place))
        wrong += [((*where, *keys), said) for keys, said in _wrong_claim(document, claim)]
    return wrong


def _wrong_claim(document: StudyDocument, claim: Claim) -> list[tuple[tuple[str, ...], str]]:
    wrong = []
    if document.part_of(claim) is None:
        names = ", ".join(some.called for some in document.runs)
        wrong.append((("runs",), f"{claim.runs!r} is no list of runs here: take one of {names}."))
    if claim.per_cent and not claim.against:
        words = "per_cent is of another figure: say against which, or leave it out."
        wrong.append((("per_cent",), words))
    if not claim.of:
        wrong.append((("of",), 'of names what the claim is about, such as { planner = "llm" }.'))
    return wrong


def _wrong_of(some: RunList) -> list[tuple[tuple[str, ...], str]]:
    wrong = []
    empty = [name for name, values in some.vary.items() if not values]
    if empty:
        wrong.append((("vary", empty[0]), f"{empty[0]} varies over no value: give some, or none."))
    seeds = some.all_seeds
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        said = "seeds are a number of them, 1 or more, or a list of numbers, each once"
        wrong.append((("seeds",), f"{said}; got {some.seeds}."))
    return wrong
