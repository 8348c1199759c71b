"""What is chosen of a search for the optimum. Light, for the command line."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from experiments.core.config import (
    EconomyConfig,
    ModelConfig,
    WorkersName,
)

if TYPE_CHECKING:
    from econjax.welfare import AbstractWelfare


@dataclass(frozen=True)
class OptimumConfig(EconomyConfig, ModelConfig):
    """Search the best schedule on today's brackets two ways, and bound what any could bring.

    Among language models there is no bound: a search, and a confidence band of the best found.
    """

    workers: WorkersName = "rational"
    """Who works: exact best responses, or language models that read personas (100 of them if
    --agents is not given)."""
    welfare: Literal["atkinson", "rawlsian"] = "atkinson"
    """Welfare function to maximise."""
    aversion: float = 1.0
    """Aversion to inequality of the Atkinson function."""
    generations: int = 40
    """Generations of the gradient-free search among rational workers."""
    seed: int = 0
    """Seed of the gradient-free search."""
    json: bool = False
    """Print the result as JSON on standard output instead of lines."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no search.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        if self.generations < 1:
            raise ValueError(f"--generations must be at least 1; got {self.generations}.")
        if not 0 <= self.aversion < math.inf:
            raise ValueError(
                f"--aversion must be 0 or more (Rawls: --welfare rawlsian); got {self.aversion}."
            )

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.agents or (100 if self.workers == "llm" else 10_000)

    @property
    def function(self) -> "AbstractWelfare":
        """The welfare function."""
        from econjax import Atkinson, Rawlsian

        return Rawlsian() if self.welfare == "rawlsian" else Atkinson(self.aversion)
