"""The transcript of a run: what was asked of whom and answered, within a bound on its length."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.pages.document import Spoken, Transcript
from experiments.report.speakers import OTHER, PLANNER, AskedOf, KnownWorkers, asked_of
from llm_policy.engines.wrappers.recorded import RecordedCall, recorded_calls

_MOST_LETTERS = 20_000
"""Letters of one text that a page shows."""


@dataclass
class Proceedings:
    """What a run's journals hold: answers by speaker, how they were given, and what they took.

    `modes` counts by role how often a model answered by "text" and by "choice"; `kept` is what is
    shown, `total` how many answers there are. Of a choice one token was written.
    """

    kept: dict[str, list[tuple[AskedOf, RecordedCall]]] = field(default_factory=dict)
    modes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    total: int = 0
    unread: int = 0
    read_tokens: int = 0
    written_tokens: int = 0
    seconds: float = 0.0

    @property
    def asked(self) -> dict[str, str]:
        """In which mode models answered, by the parts that they played."""
        return {
            role: modes.most_common(1)[0][0]
            for role, modes in sorted(self.modes.items())
            if role != OTHER
        }


def journals_of(run: Path) -> list[Path]:
    """Return the journals of a run, the first engine's first."""
    return sorted(run.glob("journal*.sqlite"), key=lambda path: (len(path.name), path.name))


def recording_of(run: Path, *, known: Sequence[KnownWorkers], most: int) -> Proceedings:
    """Return what a run's journals hold, of the answers as many as a bound leaves to each speaker.

    Those of a speaker are its first and its last ones. Where that would be very few, later speakers
    have none.

    Raises:
        EngineError: a journal is damaged or cannot be opened.
    """
    found, counts, name_of = Proceedings(), Counter[str](), _Names(known)
    for call in _calls(run):
        asked = asked_of(call.prompt)
        _count(found, asked, call)
        counts[name_of(asked)] += 1
    shown = _shown(counts, most)
    found.kept = {name: [] for name in shown}
    seen = Counter[str]()
    for call in _calls(run):
        asked = asked_of(call.prompt)
        name = name_of(asked)
        first, last = shown.get(name, (0, 0))
        if seen[name] < first or seen[name] >= counts[name] - last:
            found.kept.setdefault(name, []).append((asked, call))
        seen[name] += 1
    return found


def _calls(run: Path) -> Iterator[RecordedCall]:
    for path in journals_of(run):
        yield from recorded_calls(path)


def _shown(counts: Counter[str], most: int) -> dict[str, tuple[int, int]]:
    """Return how many of the first and of the last answers of each speaker are shown."""
    each, left = max(most // max(len(counts), _FEW), _FEW), most
    shown = {}
    for name in sorted(counts, key=_order):
        number = min(each, counts[name], left)
        left -= number
        shown[name] = (number - number // 2, number // 2)
    return {name: ends for name, ends in shown.items() if any(ends)}


_FEW = 6
"""Answers of a speaker below which more speakers make no sense of any, and parts of the bound of
which a speaker has one at most."""


def _count(found: Proceedings, asked: AskedOf, call: RecordedCall) -> None:
    found.total += 1
    found.unread += call.unread
    found.read_tokens += call.tokens[0]
    found.written_tokens += call.tokens[1]
    found.seconds += call.seconds
    found.modes[asked.role]["choice" if call.verb == "choose" else "text"] += 1


@dataclass
class _Names:
    """What a page calls the speakers of a run: by number, or else by what is known of them.

    Who has the same number and another persona, as with another seed, is someone else.
    """

    known: Sequence[KnownWorkers]
    names: dict[str, str] = field(default_factory=dict)
    personas: Counter[str] = field(default_factory=Counter)

    def __call__(self, asked: AskedOf) -> str:
        if not asked.person:
            return asked.role
        if asked.person not in self.names:
            self.names[asked.person] = self._named(asked.person)
        return self.names[asked.person]

    def _named(self, person: str) -> str:
        numbers = {workers.number(person) for workers in self.known}
        persona, _, line = f"\n{person}".rpartition("\n")
        base = f"worker, {_short(persona or line)}"
        if len(numbers) == 1 and None not in numbers:
            base = f"worker {numbers.pop()}"
        if not persona:
            return base
        self.personas[base] += 1
        number = self.personas[base]
        return base if number == 1 else f"{base}, persona {number}"


def _short(text: str) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:60]} …"


def _order(name: str) -> tuple[int, int, str]:
    """Return where a speaker stands in the list: planner, workers by number, others."""
    number = re.match(r"worker (\d+)", name)
    part = 0 if name == PLANNER else 3 if name == OTHER else 2 - bool(number)
    return (part, int(number[1]) if number else 0, name)


def transcript_of(found: Proceedings) -> Transcript:
    """Return what is shown of a recording."""
    told: dict[str, int] = {}
    speakers = {
        name: tuple(
            Spoken(
                asked.about,
                told.setdefault(_cut(call.prompt.shared), len(told)),
                _cut(call.prompt.personal),
                _cut(_said(call)),
                call.unread,
            )
            for asked, call in some
        )
        for name, some in found.kept.items()
    }
    shown = sum(map(len, speakers.values()))
    note = (
        f"{shown:,} of {found.total:,} answers are shown, the first and the last of each speaker: "
        "--transcripts shows more."
        if shown < found.total
        else f"All {found.total:,} answers are shown."
    )
    return Transcript(note, speakers, tuple(told))


def _said(call: RecordedCall) -> str:
    """Return an answer in words: a text, or the likeliest options with their chances."""
    if call.verb == "complete":
        return "\n".join(call.texts)
    likely = sorted(zip(call.chances.tolist(), call.options, strict=True), reverse=True)
    shown = (f"{option}: {chance:.1%}" for chance, option in itertools.islice(likely, 5))
    return f"{', '.join(shown)}; to none of the options: {call.leaked:.2%}"


def _cut(text: str) -> str:
    if len(text) <= _MOST_LETTERS:
        return text
    return f"{text[:_MOST_LETTERS]} … ({len(text) - _MOST_LETTERS:,} letters more)"
