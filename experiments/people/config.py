"""What is chosen of a comparison with people. Light, for the command line."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from experiments.core.checks import require_at_least
from experiments.core.config import AnsweringConfig

if TYPE_CHECKING:
    from llm_policy.moments.humans import HumanSplit

_KEPT = "humans.csv"
"""The file of people's hours that a run keeps."""


@dataclass(frozen=True)
class PeopleConfig(AnsweringConfig):
    """Hold workers against published moments of people: hours, elasticities, bunching, votes."""

    workers: Literal["llm", "formula", "rational"] = "llm"
    """Who works: language models that read personas, the formula that econjax-small was taught, or
    people who choose best (no model is asked of these two)."""
    agents: int | None = None
    """Workers on the quantile grid; 200 if not given."""
    samples: int = 4
    """Answers of each worker in each situation, in text mode; choices are asked once."""
    ways: bool = True
    """Ask in other words, with the options in reverse, with a memory of 40 hours, and in another
    currency too, and print how far the figures spread."""
    correct: bool = False
    """Tilt the answers so that they have the moments that are marked as fitted in the published
    table, print what that does to all others, and keep the correction in certificate.json, which
    other commands take: --workers corrected:RUN."""
    human: str | None = None
    """A CSV file of people's weekly hours, in place of the published ones: a column hours, and
    maybe weight, sex (man or woman) and age. Corrections are fitted to a share of these people, and
    the table shows the rest. Elasticities are as published."""
    human_share: float = 0.5
    """The share of the people of --human that a correction is fitted to; the rest is held out."""
    most_unread: float = 0.2
    """Stop when more than this share of the workers' answers cannot be read."""

    @property
    def usual(self) -> int:
        """The number of workers if none is given."""
        return 200

    @property
    def asks_a_model(self) -> bool:
        """Whether the workers are language models."""
        return self.workers == "llm"

    @property
    def questions(self) -> int:
        """About how many questions the model is asked.

        Hours in three situations, without a kink and under four, and three votes, which a memory
        does not change: in one way or five.
        """
        return self.size * (5 * 8 + 4 * 3 if self.ways else 8 + 3)

    def _check(self) -> None:
        require_at_least(2, "agents", self.size)
        require_at_least(1, "samples", self.samples)
        if not 0 <= self.most_unread <= 1:
            raise ValueError(f"--most-unread is a share from 0 to 1; got {self.most_unread}.")
        if not 0 < self.human_share < 1:
            raise ValueError(f"--human-share lies between 0 and 1; got {self.human_share}.")
        self.humans()
        if self.workers != "llm" and self.mode == "text":
            raise ValueError(
                f"Workers who are {self.workers} write no texts: leave out --mode text."
            )
        if self.status_quo().groups is not None:
            raise ValueError(
                "Moments are of people under one schedule, not of groups that have their own: give "
                "--status."
            )

    def humans(self) -> "HumanSplit | None":
        """Return the moments of the people of a file, to fit to and to test on, if there is one.

        Raises:
            ValueError: it cannot be read, or holds too few people.
        """
        if self.human is None:
            return None
        from llm_policy.moments.humans import read_humans, split_humans

        path = Path(self.human).expanduser()
        people, share = read_humans(path), self.human_share
        return split_humans(people, name=path.name, share=share, seed=self.seed)

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the economy, and of people's hours."""
        own = {} if self.human is None else {_KEPT: Path(self.human).expanduser().read_bytes()}
        return super().carried() | own

    def of_run(self, path: Path) -> Self:
        """Return the choices with the hours of people that a run kept, where it was given some."""
        kept, own = path / _KEPT, super().of_run(path)
        taken = own.human is not None and kept.is_file()
        return dataclasses.replace(own, human=str(kept)) if taken else own
