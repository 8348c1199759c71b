"""What is chosen of a page. Light, for the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.core.checks import require_at_least
from experiments.core.choices import CommandChoices


@dataclass(frozen=True)
class ReportConfig(CommandChoices):
    """Write report.html into run directories: one file with figures, tables and transcripts.

    It needs no network, and asks no model. A folder of run directories gets a page of all its runs,
    beside that of each.
    """

    run: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run directories of compare, simulate or sweep, or folders of run directories."""
    transcripts: int = 400
    """Answers of models that the page holds at most, shared evenly between those who speak; 0:
    none."""
    figures: bool = False
    """Also write every figure as SVG and PDF into the folder "figures" of the directory."""
    latex: bool = False
    """Also write every table for LaTeX, with booktabs, into the same folder."""

    def _check(self) -> None:
        if not self.run:
            raise ValueError("econjax report takes run directories, such as runs/NAME; got none.")
        require_at_least(0, "transcripts", self.transcripts)
