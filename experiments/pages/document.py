"""What a page is made of: sections of words, tables, figures as numbers, and transcripts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

Numbers = Sequence[float] | np.ndarray
INK = -1
"""The tone of a curve in the colour of the text: the law, or what others are held against."""


@dataclass(frozen=True)
class DataTable:
    """A table of texts, whose first column names its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Look(NamedTuple):
    """How a curve is drawn: a place in a figure's colours, and one in its patterns of lines."""

    tone: int = 0
    dash: int = 0


_PLAIN = Look()


@dataclass(frozen=True)
class Curve:
    """Numbers against numbers: a line, steps to the right, dots or bars; `low` to `high` a band."""

    label: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    kind: Literal["line", "steps", "dots", "bars"] = "line"
    look: Look = _PLAIN


@dataclass(frozen=True)
class Chart:
    """A figure as numbers, with its caption, a sentence that says what it shows, and its data.

    `marks` are upright lines, and `ticks` name the places 0, 1, ... where x is no number.
    """

    title: str
    caption: str
    alternative: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    data: DataTable
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    marks: tuple[float, ...] = ()
    ticks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prose:
    """Paragraphs; a warning stands out."""

    paragraphs: tuple[str, ...]
    warning: bool = False


@dataclass(frozen=True)
class Links:
    """A list of places in the same folder, each with its name."""

    title: str
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Spoken:
    """An answer: what it was about, the number of what all were told, the question, what was said.

    `unread` says that the answer could not be understood.
    """

    about: str
    told: int
    question: str
    answer: str
    unread: bool = False


@dataclass(frozen=True)
class Transcript:
    """What was asked and answered, by speaker, and the texts that many questions begin with.

    `note` says how much of it is shown.
    """

    note: str
    speakers: dict[str, tuple[Spoken, ...]]
    told: tuple[str, ...]


Block = DataTable | Chart | Prose | Links | Transcript


@dataclass(frozen=True)
class PageSection:
    """A part of a page under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A page: its title, what it is of in a line, its sections."""

    title: str
    lead: str
    sections: tuple[PageSection, ...] = field(default=())


@dataclass(frozen=True)
class Placed:
    """A section with a name that is unique in its page, and its blocks with theirs."""

    name: str
    section: PageSection
    blocks: tuple[tuple[str, Block], ...]


def placed(page: Page) -> list[Placed]:
    """Return the sections of a page with a unique name for each of them and of their blocks.

    Names hold small letters, digits and strokes: they are ids and names of files.
    """
    names = _unique_names()
    found = []
    for section in page.sections:
        own = names(section.title)
        blocks = tuple(
            (names(f"{own} {getattr(block, 'title', type(block).__name__)}"), block)
            for block in section.blocks
        )
        found.append(Placed(own, section, blocks))
    return found


def _unique_names():
    """Return what makes a name of a text, another one each time."""
    used: set[str] = set()

    def name(text: str) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80].strip("-") or "part"
        number, found = 1, slug
        while found in used:
            number += 1
            found = f"{slug}-{number}"
        used.add(found)
        return found

    return name


def charts_in(page: Page) -> Iterator[tuple[str, Chart]]:
    """Yield the figures of a page by name."""
    for section in placed(page):
        for name, block in section.blocks:
            if isinstance(block, Chart):
                yield name, block


def tables_in(page: Page) -> Iterator[tuple[str, DataTable]]:
    """Yield the tables of a page by name, those behind figures too, with the figures' captions."""
    for section in placed(page):
        for name, block in section.blocks:
            if isinstance(block, DataTable):
                yield name, block
            if isinstance(block, Chart):
                yield name, replace(block.data, note=f"{block.data.note} {block.caption}".strip())
