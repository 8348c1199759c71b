"""What is chosen of a look at personas. Light, for the command line."""

from dataclasses import dataclass

from experiments.core.choices import CommandChoices

_FEWEST = 10_000


@dataclass(frozen=True)
class PersonasConfig(CommandChoices):
    """Compare personas, for skills on the ACS-2023 income quantile grid, with published figures."""

    agents: int = 100_000
    """People to draw; a figure's sampling error falls with the square root of their number."""
    seed: int = 0
    """Names the draw."""
    json: bool = False
    """Print the figures as JSON on standard output instead of a table."""

    def _check(self) -> None:
        if self.agents < _FEWEST:
            raise ValueError(
                f"--agents must be {_FEWEST:,} at least, so that every group has people; got "
                f"{self.agents}."
            )
