"""What is chosen of a collection. Light, for the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.core.choices import CommandChoices

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class CollectConfig(CommandChoices):
    """Join the metrics of runs, of any command, in one file: a row for each number.

    What is no finished run is named and left out, and the exit status is then 1.
    """

    run: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run directories, or folders of run directories."""
    out: Path = Path("collected.parquet")
    """The file to write, .parquet or .csv; one that is there is replaced, whole."""
    tensorboard: Path | None = None
    """Also write the numbers as TensorBoard's event files into this folder (pip install
    tensorboardX)."""
    wandb: str | None = None
    """Also log the numbers to this project of Weights & Biases (pip install wandb), as its own
    settings say."""
    json: bool = False
    """Print what was collected as JSON on standard output."""

    def _check(self) -> None:
        if not self.run:
            raise ValueError("econjax collect takes run directories, such as runs/*; got none.")
        if self.out.suffix not in SUFFIXES:
            raise ValueError(f"--out is a file .parquet or .csv; got {self.out}.")
        if (self.out.parent / "manifest.json").exists():
            raise ValueError(
                f"--out {self.out} lies in the directory of a run, whose files stay as they are: "
                "name another folder."
            )
