"""Who speaks in a journal: which worker, voter, leader or planner a question was put to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from llm_policy.engines.base import Prompt
from llm_policy.prompts.numbers import money


class AskedOf(NamedTuple):
    """Whom a question was put to, as what, and what it was about; `person` tells people apart."""

    role: str
    about: str
    person: str


PLANNER, VOTERS, WORKERS, OTHER = "planner", "voters", "workers", "others"
"""The parts that models play in a run."""
_OPENINGS = (
    ("You set the income tax of a country.", PLANNER, "rates"),
    ("The people elect who sets the income tax", VOTERS, "vote"),
    ("You write short portraits", OTHER, "a persona"),
)
_STANDS, _JUDGES = "You may stand for election.", "Judge the taxes and the rebate"


def asked_of(prompt: Prompt) -> AskedOf:
    """Return whom a question of this project was put to; one that none of it put, to others."""
    shared, personal = prompt
    person = _person(personal) or _person_within(shared)
    for opening, role, about in _OPENINGS:
        if shared.startswith(opening):
            if role == PLANNER and person:
                return AskedOf(role, "rates, as leader", person)
            if role == VOTERS and _STANDS in shared:
                about = "whether to stand"
            return AskedOf(role, about, person)
    if not person:
        return AskedOf(OTHER, "", "")
    return AskedOf(WORKERS, "satisfaction" if _JUDGES in shared else "hours", person)


def _person(text: str) -> str:
    """Return how a text says who is asked: all up to what an hour earns, "" if it does not."""
    found = re.search(_EARNS, text)
    return text[: found.end()] if found and found.start() < _FAR else ""


def _person_within(text: str) -> str:
    """Return the same of a text that says other things before: the line alone of what one earns."""
    found = re.search(_EARNS, text)
    return found[0] if found else ""


_EARNS = r"(?m)^Each weekly hour that you work all year earns you (\S+) a year before tax"
_FAR = 20_000
"""Letters that a persona may have."""


@dataclass(frozen=True)
class KnownWorkers:
    """The workers of a run: what each earns by an hour, in money a year, and reads of itself."""

    skill: Float[np.ndarray, " agents"]
    personas: Sequence[str] = ()
    earning: dict[str, list[int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Sort the workers by what they read of their earnings."""
        for number, said in enumerate(money(self.skill)):
            self.earning.setdefault(said, []).append(number)

    def number(self, person: str) -> int | None:
        """Return a worker's number, counted from 0; None if several are described so, or none."""
        found = re.search(_EARNS, person)
        some = self.earning.get(found[1], []) if found else []
        if found and len(some) > 1 and self.personas:
            said = person[: found.start()].removesuffix("\n")
            some = [number for number in some if self.personas[number] == said]
        return some[0] if len(some) == 1 else None
