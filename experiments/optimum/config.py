"""What is chosen of a search for the optimum. Light, for the command line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.core.archetypes import WorkforceConfig
from experiments.core.checks import require_at_least
from experiments.core.config import WelfareName, WorkersName

if TYPE_CHECKING:
    from econjax.welfare import AbstractWelfare


@dataclass(frozen=True)
class OptimumConfig(WorkforceConfig):
    """Search the best schedule on today's brackets two ways, and bound what any could bring.

    Among language models there is no bound: a search, and a confidence band of the best found.
    """

    workers: WorkersName = "rational"
    """Who works: exact best responses, or language models that read personas (100 of them if
    --agents is not given)."""
    welfare: WelfareName = "atkinson"
    """Welfare function to maximise."""
    generations: int = 40
    """Generations of the gradient-free search among rational workers."""

    def _check(self) -> None:
        require_at_least(1, "generations", self.generations)
        self.check_archetypes(self.size, "choice", models_work=self.workers == "llm")

    @property
    def asks_a_model(self) -> bool:
        """Whether the workers are language models."""
        return self.workers == "llm"

    @property
    def usual(self) -> int | None:
        """The number of workers if none is given."""
        return 100 if self.workers == "llm" else super().usual

    @property
    def function(self) -> "AbstractWelfare":
        """The welfare function."""
        return self.aim(self.welfare).welfare
