"""`econjax study`: list the studies, say what one will take, or do its runs."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from experiments.report.console import NOTES, Mistake, mistakes, results
from experiments.runs.alone import alone_in, wait_for_others
from experiments.runs.spending import spent_by
from experiments.study.config import StudyConfig
from experiments.study.document import StudyDocument, find_study, shipped_studies
from experiments.study.forecast import forecasts
from experiments.study.plan import PlannedRun, planned_runs
from experiments.study.recorded import record_runs
from experiments.study.results import print_results, results_as_json, study_results
from experiments.study.run import (
    RunOutcome,
    do_runs,
    is_complete,
    require_unchanged,
)
from llm_policy.engines.base import EngineError
from llm_policy.engines.wrappers.budget import Usage


def run_study(config: StudyConfig) -> None:
    """List studies, forecast the runs of one, or do them.

    Raises:
        Mistake: there is no such study, or it is none, its runs have changed, or another process
            does them.
        EngineError: runs failed or were left; all others are done.
    """
    with mistakes():
        config.check()
        if config.list:
            return _list(config)
        study = find_study(str(config.study))
        folder = config.runs / (config.name or f"{study.name}{'-quick' * config.quick}")
        runs = planned_runs(study, config, folder)
        require_unchanged(folder, runs)
    if config.results:
        return _show(study.document, runs, folder, config)
    if config.dry_run:
        return _foresee(study.document.title, runs, folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        wait_for_others(folder / run.name for run in runs)
        record_runs(folder, study.document, runs, quick=config.quick)
        outcomes = _done(folder, runs, config)
    _tell(study.document, outcomes, folder, config)
    if short := [one for one in outcomes if one.status in ("failed", "left")]:
        raise EngineError(
            f"{len(short)} of {len(runs)} runs are not complete; to go on: {again(config)}"
        )


def _done(folder: Path, runs: Sequence[PlannedRun], config: StudyConfig) -> list[RunOutcome]:
    """Do the runs here, or on a cluster, and return what became of all."""
    if config.ray is None:
        return do_runs(folder, runs, config, again(config))
    from experiments.cluster.connection import joined_cluster
    from experiments.study.cluster import do_runs_on

    with joined_cluster(config.ray) as cluster:
        return do_runs_on(cluster, folder, runs, config, again(config))


def again(config: StudyConfig) -> str:
    """Return the command that goes on with a study, but for limits, which may be raised."""
    words = ["econjax", "study", str(config.study), *(["--quick"] if config.quick else [])]
    for name, value in (config.of_models() | {"name": config.name, "ray": config.ray}).items():
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    if config.runs != Path("runs"):
        words += ["--runs", str(config.runs)]
    return shlex.join(words)


def _list(config: StudyConfig) -> None:
    """Print the name and the title of every study that is shipped."""
    studies = shipped_studies()
    if config.json:
        print(json.dumps({one.name: one.document.title for one in studies}, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("study", no_wrap=True)
    table.add_column("what it finds out")
    for one in studies:
        table.add_row(one.name, one.document.title)
    results().print(table)


def _foresee(title: str, runs: Sequence[PlannedRun], folder: Path, config: StudyConfig) -> None:
    """Print what each run that is not complete will take, and all of them."""
    left = [run for run in runs if not is_complete(folder, run)]
    found = []
    for one in forecasts(left, (config.runs, folder), config.prices):
        found.append(one)
        lasts = "of unknown length" if one.seconds is None else f"{one.seconds:,.1f} s"
        NOTES.print(f"{one.run.name}: {one.usage.prompts:,} questions, {lasts}; {one.source}.")
    whole = sum((one.usage for one in found), Usage())
    times = [one.seconds for one in found]
    unknown = sum(seconds is None for seconds in times)
    lasts = sum(seconds for seconds in times if seconds is not None)
    if config.json:
        rows = [_row(one.run, one.usage, one.seconds) | {"source": one.source} for one in found]
        said = {"complete": len(runs) - len(left), "runs": rows, "unknown_times": unknown}
        print(json.dumps(said | {"in_all": _row(None, whole, lasts)}, indent=2))
        return
    console = results()
    table = _table(title, "known from")
    for one in found:
        table.add_row(one.run.name, *_cells(one.usage, one.seconds), one.source)
    table.add_section()
    unsaid = f"{unknown} runs of unknown length are not counted" if unknown else ""
    table.add_row("in all", *_cells(whole, lasts), unsaid)
    console.print(table)
    console.print(
        f"{len(runs) - len(left)} of {len(runs)} runs are complete in {folder} and cost nothing. "
        "Seconds are of this machine as busy as it is now, without starting a model."
    )


def _show(
    document: StudyDocument, runs: Sequence[PlannedRun], folder: Path, config: StudyConfig
) -> None:
    """Print what the finished runs say together.

    Raises:
        Mistake: there are none.
    """
    found = study_results(document, folder, runs, quick=config.quick)
    if not found.complete:
        raise Mistake(f"No run of the study is complete in {folder}: leave out --results to do it.")
    if config.json:
        said = {"folder": str(folder), "complete": found.complete, "planned": len(runs)}
        print(json.dumps(said | results_as_json(found), indent=2))
        return
    console = results()
    print_results(found, console)
    console.print(f"{found.complete} of {len(runs)} runs are complete in {folder}.")


def _tell(
    document: StudyDocument, outcomes: Sequence[RunOutcome], folder: Path, config: StudyConfig
) -> None:
    """Print what became of each run, what was spent, and what they say together."""
    title, runs = document.title, [one.run for one in outcomes]
    found = study_results(document, folder, runs, quick=config.quick)
    spent = [spent_by(folder / one.run.name, config.prices) for one in outcomes]
    whole = sum(spent, Usage())
    if config.json:
        rows = [
            _row(one.run, usage, None) | {"status": one.status, "why": one.why}
            for one, usage in zip(outcomes, spent, strict=True)
        ]
        said = {"folder": str(folder), "runs": rows, "in_all": _row(None, whole, None)}
        print(json.dumps(said | results_as_json(found), indent=2))
        return
    console = results()
    table = _table(title, "")
    for one, usage in zip(outcomes, spent, strict=True):
        table.add_row(one.run.name, *_cells(usage, usage.seconds), one.status)
    table.add_section()
    table.add_row("in all", *_cells(whole, whole.seconds), "")
    console.print(table)
    for one in outcomes:
        if one.why:
            console.print(f"{one.run.name}: {one.status}. {one.why}")
    print_results(found, console)
    console.print(f"Seconds are inside models. Tables and directories of all runs: {folder}")


def _table(title: str, last: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in ("run", "questions", "tokens read", "written", "$", "seconds", last):
        right = name not in ("run", last)
        table.add_column(name, justify="right" if right else "left", no_wrap=name != last)
    return table


def _cells(usage: Usage, seconds: float | None) -> tuple[str, ...]:
    return (
        f"{usage.prompts:,}",
        f"{usage.prompt_tokens:,}",
        f"{usage.answer_tokens:,}",
        f"{usage.dollars:,.2f}",
        "?" if seconds is None else f"{seconds:,.1f}",
    )


def _row(run: PlannedRun | None, usage: Usage, seconds: float | None) -> dict[str, Any]:
    """Return a run, or all, as JSON has them."""
    who = {} if run is None else {"run": run.name, "command": run.command, "seed": run.seed}
    factors = {} if run is None else {"factors": run.factors}
    return (
        who
        | factors
        | {
            "questions": usage.prompts,
            "tokens_read": usage.prompt_tokens,
            "tokens_written": usage.answer_tokens,
            "dollars": usage.dollars,
            "model_seconds": usage.seconds,
            "seconds": seconds,
        }
    )
