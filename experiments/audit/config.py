"""What is chosen of an audit. Light, for the command line."""

from dataclasses import dataclass
from typing import Literal

from experiments.core.checks import require_at_least
from experiments.core.config import RunConfig, WelfareName


@dataclass(frozen=True)
class AuditConfig(RunConfig):
    """Compare a model's answers, as workers and as a planner, to questions asked in many ways."""

    agents: int | None = None
    """Workers on the quantile grid; 20 if not given."""
    scenario: Literal["rational", "bounded"] = "bounded"
    """rational: workers are told their utility; bounded: they have personas."""
    samples: int = 16
    """Texts asked for each worker, and for each question to the planner."""
    elections: int = 4
    """Elections that the workers vote in, to see whether places on a list count."""
    welfare: WelfareName = "atkinson"
    """Welfare function that the planner is told to maximise."""
    temperature: float | None = 1.0
    """Sampling temperature of texts. Choices are scored at 1: at another one the two modes differ
    more."""

    @property
    def usual(self) -> int:
        """The number of workers if none is given."""
        return 20

    @property
    def questions(self) -> int:
        """About how many questions the model is asked: each worker in some ten ways."""
        return self.size * (10 + self.samples)

    def _check(self) -> None:
        require_at_least(1, "samples", self.samples)
        require_at_least(1, "elections", self.elections)
