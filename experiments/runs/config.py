"""What is said to resume or replay a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class ResumeConfig:
    """Finish a run that was cut short, within its limits: nothing in its journal is asked again."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run directory to finish."""
    server: str | None = None
    """The server that the run asked, if it asked one."""
    planner_server: tuple[str, ...] | None = None
    """The servers of a comparison's --planner-model, as they were given."""
    worker_server: tuple[str, ...] | None = None
    """The servers of a comparison's --worker-model, as they were given."""
    key_variable: str | None = None
    """The environment variable that holds the key of an address, if one did."""
    limit_tokens: int | None = None
    """Stop before the whole run has read and written more tokens than this."""
    limit_dollars: float | None = None
    """Stop before the whole run has cost more than this; needs --prices."""
    limit_seconds: float | None = None
    """Stop before the model has worked longer than this on the whole run."""
    prices: tuple[float, float] | None = None
    """Dollars per million tokens read, and per million tokens written."""
    most_unread: float | None = None
    """Another limit than the simulation began with on the share of answers that cannot be read."""
    ray: str | None = None
    """The Ray cluster on which to go on with a sweep: local, local:N, auto or HOST:PORT."""
    ask_again: bool = False
    """Ask again what stopped the run because too many answers could not be read."""
    mend: bool = False
    """Go on although the journal lost answers, or holds damaged ones: they are asked again."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""


@dataclass(frozen=True)
class ReplayConfig:
    """Repeat a finished run from its journal, with no model, and compare metrics byte by byte."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run directory to repeat."""
    score: tuple[str, ...] = ()
    """Score a simulation under these welfare functions instead; its metrics then differ."""
    name: str | None = None
    """Name of the new run directory, beside the old one; the old name with "-replay" if not
    given."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""
