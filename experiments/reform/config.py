"""What is chosen of a reform. Light, for the command line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments.core.economy import EconomyConfig


@dataclass(frozen=True)
class ReformConfig(EconomyConfig):
    """Show who wins, who loses, and how much, where one schedule takes the place of another."""

    base: Annotated[str, tyro.conf.Positional] = "law"
    """The schedule before: law (as it stands), us_federal:YEAR, or a JSON file."""
    reform: Annotated[str, tyro.conf.Positional] = "law"
    """The schedule after, given likewise."""
    personas: bool = False
    """Also show the cells of personas, by sex and education, drawn with the workers' skills."""
    tolerance: float = 1.0
    """Who gains or loses so much money a year, or less, counts for neither."""
    seed: int = 0
    """Names the draw of personas."""
    name: str | None = None
    """Name of the directory of results; the time if not given."""
    runs: Path = field(default=Path("runs"))
    """Folder that holds it."""
    json: bool = False
    """Print the result as JSON on standard output instead of a table."""

    def _check(self) -> None:
        if not self.tolerance >= 0:
            raise ValueError(f"--tolerance is money a year, 0 or more; got {self.tolerance}.")
        if self.base == self.reform:
            raise ValueError(
                f"Before and after are the same, {self.base}: give two schedules, such as law "
                "reform.json."
            )
