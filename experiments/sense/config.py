"""What is chosen of questions about taxes. Light, for the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.core.checks import require_at_least
from experiments.core.choices import ModeName
from experiments.core.config import RunConfig
from experiments.core.economy import EconomyConfig


@dataclass(frozen=True)
class QuestionsConfig(EconomyConfig):
    """The questions: whose wages and which thresholds they are about, and how many there are."""

    agents: int | None = None
    """People on the quantile grid, of whom wages are drawn; 200 if not given."""
    cases: int = 40
    """Cases of each kind of question; twelve questions are asked of each."""
    seed: int = 0
    """Names the questions, and everything else that is random."""

    @property
    def usual(self) -> int:
        """The number of people if none is given."""
        return 200

    def _check(self) -> None:
        require_at_least(1, "cases", self.cases)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"--seed must be from 0 to {2**63 - 1}; got {self.seed}.")
        if self.status_quo().groups is not None:
            raise ValueError(
                "Questions are about one schedule, and groups have their own here: give --status."
            )


@dataclass(frozen=True)
class SenseConfig(QuestionsConfig, RunConfig):
    """Ask a model about taxes: does it respond, does it answer alike, can it reckon."""

    mode: Literal["choice", "text"] = "choice"
    """How it answers: choice takes the letter that the model finds likeliest, text reads one from
    JSON."""
    schema: bool = True
    """In mode text, hold answers to JSON with one of the letters, where the engine or the server
    can; with --no-schema a model writes what it likes, as in other harnesses."""
    temperature: float | None = 0.0
    """Sampling temperature of texts."""

    def _check(self) -> None:
        if self.mode == "choice" and not self.schema:
            raise ValueError("--no-schema is about --mode text: a choice writes nothing.")

    @property
    def questions(self) -> int:
        """The number of questions that the model is asked."""
        return 12 * self.cases

    @property
    def greeting(self) -> ModeName:
        """The mode that was chosen."""
        return self.mode


@dataclass(frozen=True)
class SenseTasksConfig(QuestionsConfig):
    """Write the questions of `sense` as tasks for Inspect and lm-evaluation-harness."""

    folder: Annotated[Path, tyro.conf.Positional] = Path("sense-tasks")
    """The folder to write, which must not be there yet."""
