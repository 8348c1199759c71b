"""What is chosen of an audit. Light, for the command line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from experiments.core.config import (
    EconomyConfig,
    ModelConfig,
    WelfareName,
    require_at_least,
)

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class AuditConfig(EconomyConfig, ModelConfig):
    """Compare a model's answers, as workers and as a planner, to questions asked in many ways."""

    agents: int | None = None
    """Workers on the quantile grid; 20 if not given."""
    scenario: Literal["rational", "bounded"] = "bounded"
    """rational: workers are told their utility; bounded: they have personas."""
    samples: int = 16
    """Texts asked for each worker, and for each question to the planner."""
    welfare: WelfareName = "atkinson"
    """Welfare function that the planner is told to maximise."""
    temperature: float | None = 1.0
    """Sampling temperature of texts. Choices are scored at 1: at another one the two modes differ
    more."""
    seed: int = 0
    """Names the draw of personas."""
    json: bool = False
    """Print the figures as JSON on standard output instead of a table."""

    @property
    def usual(self) -> int:
        """The number of workers if none is given."""
        return 20

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no audit.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        require_at_least(1, "samples", self.samples)
