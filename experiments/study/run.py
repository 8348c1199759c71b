"""Do the runs of a study: skip the complete, finish the begun, keep within one budget."""

import contextlib
import dataclasses
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

from experiments.core.config import SERVERS
from experiments.core.signals import advising
from experiments.report.console import NOTES
from experiments.report.plain import one_line
from experiments.runs.config import ResumeConfig
from experiments.runs.directory import MANIFEST, METRICS
from experiments.runs.lifecycle import Starting, resume, start
from experiments.runs.spending import spent_by
from experiments.study.config import StudyConfig
from experiments.study.plan import PlannedRun
from experiments.study.recorded import recorded_identities
from llm_policy.engines.wrappers.budget import BudgetError, Usage

Status = Literal["complete", "done", "failed", "left"]
"""Was complete before, is now, could not be done, or was left because the budget is spent."""


class RunOutcome(NamedTuple):
    """What became of a run, and why where it is not complete."""

    run: PlannedRun
    status: Status
    why: str = ""


def require_unchanged(folder: Path, runs: Sequence[PlannedRun]) -> None:
    """Check that what a study's folder holds are runs of the study as it is now.

    New runs may have come to it, and a choice that another version did not have, as it is if
    nothing is said.

    Raises:
        ValueError: a run of the folder is none of the study any more, or has other choices.
    """
    planned = {run.name: run for run in runs}
    for name, old in recorded_identities(folder).items():
        if name not in planned:
            raise ValueError(
                f"{folder} holds the run {name}, which the study does not have any more: put it "
                "back into the file, or give the study another --name."
            )
        if differ := _differences(old, planned[name].identity(), _unsaid(planned[name].config)):
            raise ValueError(
                f"The run {name} in {folder} was begun with other choices ({differ}): put them "
                "back, or give the study another --name."
            )


def do_runs(
    folder: Path, runs: Sequence[PlannedRun], config: StudyConfig, again: str
) -> list[RunOutcome]:
    """Do the runs that are not complete, one after the other, and return what became of all.

    What a run prints goes into a text file beside its directory. `again` is the command that goes
    on after an interrupt.
    """
    done: list[RunOutcome] = []
    for place, run in enumerate(runs, start=1):
        if is_complete(folder, run):
            done.append(RunOutcome(run, "complete"))
            continue
        limits = _limits_left(folder, run, runs, config)
        if spent := [name for name, left in limits.items() if left is not None and left <= 0]:
            done.append(left_by(run, spent[0].replace("_", " ")))
            continue
        NOTES.print(f"Run {place} of {len(runs)}: {run.name}")
        try:
            done.append(_attempt(folder, run, limits, config))
        except KeyboardInterrupt:
            with advising(f"What was done and answered is kept; to go on: {again}"):
                raise
    return done


def is_complete(folder: Path, run: PlannedRun) -> bool:
    """Whether a run is finished."""
    return (folder / run.name / METRICS).is_file()


def left_by(run: PlannedRun, limit: str) -> RunOutcome:
    """Return that a run was left, because a limit of the study is reached."""
    return RunOutcome(run, "left", f"{limit} of the study is reached")


def _attempt(
    folder: Path, run: PlannedRun, limits: dict[str, Any], config: StudyConfig
) -> RunOutcome:
    with (folder / f"{run.name}.txt").open("a", encoding="utf-8") as file:
        return attempted(run, file, lambda: begin_or_go_on(folder / run.name, run, limits))


def attempted(run: PlannedRun, file: TextIO, work: Callable[[], None]) -> RunOutcome:
    """Do a run, or say why it could not be done: whatever it raises ends no other run.

    What it prints goes into the file.
    """
    try:
        with contextlib.redirect_stdout(file):
            work()
    except Exception as error:  # a fault of one run is told, and costs the others nothing
        traceback.print_exc(file=file)
        why = one_line(error) or type(error).__name__
        return RunOutcome(run, "left" if _is_of_budget(error) else "failed", why)
    return RunOutcome(run, "done")


def begin_or_go_on(
    path: Path, run: PlannedRun, limits: dict[str, Any], starting: Starting | None = None
) -> None:
    """Do a run in its directory, within limits; `starting` is as in `lifecycle.start`."""
    if not (path / MANIFEST).is_file():
        return start(run.command, dataclasses.replace(run.config, **limits), starting)
    said = dict(vars(run.config))
    servers: Any = {name: said[name] for name in SERVERS if said.get(name)}
    prices = {"prices": run.config.prices} if run.asks else {}
    resume(ResumeConfig(path, **servers), limits | prices, starting)


def _is_of_budget(error: BaseException | None) -> bool:
    """Whether an error came of a limit."""
    return error is not None and (isinstance(error, BudgetError) or _is_of_budget(error.__cause__))


def _limits_left(
    folder: Path, run: PlannedRun, runs: Sequence[PlannedRun], config: StudyConfig
) -> dict[str, Any]:
    """Return what a run may cost: the study's limits less what all its other runs have spent.

    One that asks no model has no limits.
    """
    if not run.asks:
        return {}
    others = [other for other in runs if other.name != run.name]
    spent = sum((spent_by(folder / other.name, config.prices) for other in others), Usage())
    taken = {
        "limit_tokens": spent.prompt_tokens + spent.answer_tokens,
        "limit_dollars": spent.dollars,
        "limit_seconds": spent.seconds,
    }
    return {
        name: None if limit is None else limit - taken[name]
        for name, limit in config.limits().items()
    }


def _unsaid(config: Any) -> dict[str, Any]:
    """Return the choices of a command where nothing is said, as JSON has them."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return {name: list(x) if isinstance(x, tuple) else x for name, x in defaults.items()}


def _differences(old: dict[str, Any], new: dict[str, Any], unsaid: Mapping[str, Any]) -> str:
    """Return in words in what two runs differ, or nothing."""
    if old["command"] != new["command"]:
        return f"command: {old['command']} then, {new['command']} now"
    before, now = old["config"], new["config"]
    words = [
        f"{name}: {before.get(name)!r} then, {now.get(name)!r} now"
        for name in {**before, **now}
        if before.get(name, unsaid.get(name)) != now.get(name)
    ]
    files = [f"the file {name}" for name in {**old["files"], **new["files"]}]
    changed = [name for name in files if old["files"] != new["files"]]
    return "; ".join([*words, *changed])
