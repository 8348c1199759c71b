"""What is chosen of a sweep. Light, for the command line."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import tyro

from experiments.cluster.address import cluster_address
from experiments.core.checks import require_at_least
from experiments.core.choices import RunChoices


@dataclass(frozen=True)
class SweepConfig(RunChoices):
    """Find the best schedules of thousands of economies at once, and set them beside the law.

    The file is an economy file with two more tables: [vary] gives values, or a range, for fields
    such as "preferences.elasticity", and [sweep] the design, the number of seeds and the planner.
    All economies of one shape are one program, which keeps within the memory stated beforehand.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """The sweep file."""
    memory: float = 1.0
    """Gigabytes that the program's arrays may take up, which decides how many economies it solves
    side by side."""
    name: str | None = None
    """Name of the run directory; the time if not given."""
    runs: Path = field(default=Path("runs"))
    """Folder that holds run directories."""
    ray: str | None = None
    """Solve chunks on a Ray cluster: local, local:N (so many processes of this machine), auto (the
    cluster that this machine is part of), or HOST:PORT."""
    json: bool = False
    """Print the result as JSON on standard output instead of a table."""

    def _check(self) -> None:
        from experiments.sweep.design import checked_points

        if not 0 < self.memory < 1e6:
            raise ValueError(f"--memory is gigabytes, above 0; got {self.memory}.")
        if self.ray is not None:
            cluster_address(self.ray)
        for point in checked_points(self.file):
            require_at_least(2, "agents", point.source.size)

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the sweep, by name."""
        from experiments.economies.kept import Kept, copies_of
        from experiments.sweep.design import points_of

        named: dict[str, Path] = {}
        for point in points_of(self.file):
            named |= point.source.files
            schedules = (one for one in point.document.sweep.beside if one.endswith(".json"))
            named |= {name: Kept.of(self.file).path(name) for name in schedules}
        return copies_of(self.file, named)

    def of_run(self, path: Path) -> Self:
        """Return the choices with what a run kept in its directory in place of the file."""
        from experiments.economies.kept import ECONOMY, FOLDER

        kept = path / FOLDER / ECONOMY
        return dataclasses.replace(self, file=kept) if kept.is_file() else self

    def asdict(self) -> dict[str, Any]:
        """Return the choices that figures depend on, ready for JSON."""
        return {"file": str(self.file), "memory": self.memory}
