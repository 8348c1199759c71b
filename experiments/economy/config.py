"""What is chosen of the commands on economy files. Light, for the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.core.economy import EconomyConfig


@dataclass(frozen=True)
class InitConfig:
    """Write an economy file, in which every key stands with what it means."""

    file: Annotated[Path, tyro.conf.Positional] = Path("economy.toml")
    """The file to write; one that is there is left as it is."""


@dataclass(frozen=True)
class DescribeConfig(EconomyConfig):
    """Describe the people of an economy, and the law, beside published figures."""

    json: bool = False
    """Print the figures as JSON on standard output instead of a table."""
