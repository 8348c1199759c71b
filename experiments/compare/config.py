"""What a comparison is: every choice that its figures depend on. Light, for the command line."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from experiments.core.config import (
    COMPARED,
    PlannerName,
    RunConfig,
    WelfareName,
    WorkersName,
    require_at_least,
    require_some,
)


@dataclass(frozen=True)
class CompareConfig(RunConfig):
    """Compare planners on the same economy, with the same seed and number of evaluations."""

    workers: tuple[WorkersName, ...] = get_args(WorkersName)
    """Who works, in tables of their own: exact best responses, and language models that read
    personas."""
    agents: int | None = None
    """Workers on the quantile grid; 10,000 rational ones and 20 language models if not given."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise, each in a comparison of its own."""
    planners: tuple[PlannerName, ...] = COMPARED
    """Planners to run, separated by spaces; rational workers also get an optimiser without a
    limit."""
    evaluations: int | None = None
    """Evaluations of every planner that learns from them; 40 with rational workers and 6 with
    language models if not given."""
    tax_year: int = 2
    """Steps of labor in one evaluation of language-model workers: a length, not a calendar year."""
    repetitions: int = 4
    """Independent tax years that language-model workers live under each recommended schedule, from
    which standard errors and what cannot be told apart are known."""
    keep_memory: bool = False
    """Let language-model workers remember the tax years before, under every planner alike: all
    start from the same 40 hours, and the order of a planner's schedules is part of its result."""
    mode: Literal["text", "choice"] = "choice"
    """How language models answer: choice (one token, drawn from the model's own probabilities of
    0, 10, ... 100 hours, or of a planner's changes of one rate), or text (any hours from 0 to
    100; all changes)."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no comparison.
        """
        RunConfig.check(self)
        for name in ("evaluations", "tax_year", "repetitions"):
            require_at_least(1, name, getattr(self, name))
        require_some("workers", self.workers, get_args(WorkersName))
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, get_args(PlannerName))
        nobody_left = self.planners == ("surrogate",) and "rational" in self.workers
        if "surrogate" in self.planners and (
            "llm" not in self.workers or self.mode == "text" or nobody_left
        ):
            raise ValueError(
                "The planner surrogate plans for language models who choose: give --workers llm "
                "and --mode choice, and another planner as well if others work."
            )

        if self.keep_memory and "surrogate" in self.planners:
            raise ValueError(
                "The planner surrogate predicts tax years that begin anew: leave out "
                "--keep-memory, or that planner."
            )

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return "llm" in self.workers or "llm" in self.planners

    def among(self, workers: WorkersName) -> "CompareConfig":
        """Return the comparison among workers of one kind, with its numbers filled in."""
        agents, evaluations = _NUMBERS[workers]
        return dataclasses.replace(
            self,
            workers=(workers,),
            agents=self.agents or agents,
            evaluations=self.evaluations or evaluations,
        )

    def asdict(self) -> dict[str, Any]:
        """Return the choices that figures depend on, ready for JSON."""
        numbers = self.among(self.workers[0]) if len(self.workers) == 1 else self
        filled = {"agents": numbers.agents, "evaluations": numbers.evaluations}
        return RunConfig.asdict(self) | filled


_NUMBERS: dict[WorkersName, tuple[int, int]] = {"rational": (10_000, 40), "llm": (20, 6)}
"""Workers, and evaluations of a planner, if not given."""
