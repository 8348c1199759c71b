"""What is chosen of a study. Light, for the command line."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.cluster.address import cluster_address
from experiments.core.checks import COSTS, check_limits
from experiments.core.choices import CommandChoices


@dataclass(frozen=True)
class StudyConfig(CommandChoices):
    """Do a list of runs with factors and seeds, each in a directory, under one budget.

    Runs that are complete are skipped, and one that was cut short is finished: the same command
    goes on. A run that fails does not stop the others, and is listed at the end.
    """

    study: Annotated[str | None, tyro.conf.Positional] = None
    """A study file, or the name of a study that is shipped."""
    list: bool = False
    """List the studies that are shipped, each with a line, and do nothing else."""
    dry_run: bool = False
    """Say what each run will ask, read, write, cost and last, and where that is known from. A run
    that has no like among earlier ones is rehearsed: with everything but the model, which answers a
    few of its questions."""
    results: bool = False
    """Do nothing, and print what the runs that are complete say together: means by factor, paired
    differences with intervals, and a verdict on each claim of the study."""
    quick: bool = False
    """Take the quick form of the study, which the file states: seconds, not hours."""
    model: str | None = None
    """The model of all runs that ask one and name none themselves."""
    server: str | None = None
    """The server of --model, where it has one."""
    key_variable: str | None = None
    """The environment variable that holds the key of --server, where that is an address."""
    limit_tokens: int | None = None
    """Stop before all runs together have read and written more tokens than this."""
    limit_dollars: float | None = None
    """Stop before all runs together have cost more than this; needs --prices."""
    limit_seconds: float | None = None
    """Stop before models have worked longer than this on all runs together."""
    prices: tuple[float, float] = (0.0, 0.0)
    """Dollars per million tokens read, and per million tokens written."""
    name: str | None = None
    """Name of the folder of the study's runs; that of the study if not given."""
    runs: Path = field(default=Path("runs"))
    """Folder that holds it, among run directories, whose timings --dry-run reads."""
    ray: str | None = None
    """Do the runs on a Ray cluster, as many at a time as it has cores: local, local:N (so many
    processes of this machine), auto (the cluster that this machine is part of), or HOST:PORT."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        if self.study is None and not self.list:
            raise ValueError(
                "Which study? Give a study file or the name of one; econjax study --list names "
                "those that are shipped."
            )
        check_limits(self.limits(), self.prices)
        if self.ray is not None:
            cluster_address(self.ray)

    def limits(self) -> dict[str, Any]:
        """Return what all runs together may cost."""
        return {name: getattr(self, name) for name in COSTS}

    def of_models(self) -> dict[str, Any]:
        """Return the choices that all runs take over that ask a model."""
        said = dataclasses.asdict(self)
        names = ("model", "server", "key_variable")
        return {name: said[name] for name in names if said[name] is not None}
