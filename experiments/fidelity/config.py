"""What is chosen of a measure of the small model. Light, for the command line."""

import math
from dataclasses import dataclass
from pathlib import Path

from experiments.core.choices import CommandChoices


@dataclass(frozen=True)
class FidelityConfig(CommandChoices):
    """Measure the small model against the known formula it imitates, as worker and as planner."""

    model: Path | None = None
    """Folder of the model; the one that comes with the project if not given."""
    size: float = 1.0
    """How many times the usual number of workers and planners to ask: less is faster and less
    exact."""
    seed: int = 0
    """Names the draws of questions and workers."""
    json: bool = False
    """Print the figures as JSON on standard output instead of tables."""

    def _check(self) -> None:
        if not 0 < self.size < math.inf:
            raise ValueError(f"--size must be positive; got {self.size}.")
        if self.seed < 0:
            raise ValueError(f"--seed must not be negative; got {self.seed}.")
