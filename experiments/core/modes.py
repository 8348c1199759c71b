"""In which mode a model answers: as it was taught, or as a probe finds right for it."""

from collections.abc import Callable, Sequence
from typing import Literal

from experiments.core.choices import ModeName
from experiments.report.console import NOTES
from llm_policy.audit.probe import Probe, right_mode
from llm_policy.engines.base import Engine
from llm_policy.prompts.workers import Mode


def mode_for(
    part: Literal["workers", "planner"],
    chosen: ModeName,
    engines: Sequence[Engine],
    probe: Callable[[Engine], Probe],
    *,
    most_leaked: float,
) -> Mode:
    """Return the mode in which all engines can play a part: what was chosen, if not "auto".

    An engine that was not taught the part is probed, and what was found is printed.

    Raises:
        EngineError: an engine cannot answer, or not so that it can be read.
    """
    if chosen != "auto":
        return chosen
    untaught = [engine for engine in engines if not engine.describe().was_taught(part, "choice")]
    if not untaught:
        return "choice"
    found = [probe(engine) for engine in untaught]
    right = right_mode(found, most_leaked=most_leaked)
    for engine, one in zip(untaught, found, strict=True):
        name = engine.describe().model
        NOTES.print(f"Probe of {name} {one}. Mode: {right}.")
    return right
