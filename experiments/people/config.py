"""What is chosen of a comparison with people. Light, for the command line."""

from dataclasses import dataclass
from typing import Literal

from experiments.core.checks import require_at_least
from experiments.core.config import AnsweringConfig


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
    table, and print what that does to all others."""
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
        if self.workers != "llm" and self.mode == "text":
            raise ValueError(
                f"Workers who are {self.workers} write no texts: leave out --mode text."
            )
        if self.status_quo().groups is not None:
            raise ValueError(
                "Moments are of people under one schedule, not of groups that have their own: give "
                "--status."
            )
