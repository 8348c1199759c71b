"""Do the runs of a study on a cluster: each as a task, which brings its directory back."""

import dataclasses
import json
import tempfile
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from experiments.cluster.connection import Cluster, LostProcess, LostTask, Tasks, call
from experiments.cluster.engines import EngineLease, EnginePool, HostedEngine
from experiments.cluster.files import Files, unpack
from experiments.cluster.keeper import Keeper
from experiments.cluster.posting import RunAccount
from experiments.cluster.tasks import overheard, prepare_process
from experiments.core.checks import COSTS
from experiments.core.choices import RunChoices
from experiments.core.costs import bills
from experiments.core.engines import start_engine
from experiments.core.signals import advising
from experiments.report.console import NOTES
from experiments.runs.directory import MANIFEST
from experiments.runs.rows import FILE_CHOICES
from experiments.study.config import StudyConfig
from experiments.study.plan import PlannedRun
from experiments.study.run import RunOutcome, attempted, begin_or_go_on, is_complete, left_by
from llm_policy.engines.base import Engine, EngineError


def do_runs_on(
    cluster: Cluster, folder: Path, runs: Sequence[PlannedRun], config: StudyConfig, again: str
) -> list[RunOutcome]:
    """Do the runs that are not complete, as many at a time as can be, and return what became.

    `again` is the command that goes on after an interrupt.

    Raises:
        EngineError: the process that keeps what runs write is lost.
    """
    names = [run.name for run in runs]
    keeper = cluster.process_here(Keeper, folder.resolve(), names, config.limits(), config.prices)
    ended = {run.name: RunOutcome(run, "complete") for run in runs if is_complete(folder, run)}
    on = f"What was done and answered is kept; to go on: {again}"
    try:
        with advising(on):
            study = _Study(cluster, keeper, folder, runs, config)
            for outcome in study.outcomes(skip=ended):
                ended[outcome.run.name] = outcome
    except LostProcess as error:
        raise EngineError(f"{error} {on}") from error
    return [ended[name] for name in names]


class _Study:
    """Runs that wait for a place on a cluster, and those that have one."""

    def __init__(
        self,
        cluster: Cluster,
        keeper: Any,
        folder: Path,
        runs: Sequence[PlannedRun],
        config: StudyConfig,
    ) -> None:
        self._cluster, self._keeper, self._folder, self._runs = cluster, keeper, folder, runs
        self._limited = any(most is not None for most in config.limits().values())
        self._engines = EnginePool(cluster)
        self._tasks = Tasks[tuple[PlannedRun, list[Any]]](cluster)

    def outcomes(self, skip: Mapping[str, Any]) -> Any:
        """Yield what became of each run, as they end."""
        waiting = deque(run for run in self._runs if run.name not in skip)
        while waiting or self._tasks:
            while waiting and not self._tasks.full:
                if waiting[0].asks and (limit := call(self._keeper, "reached")):
                    yield left_by(waiting.popleft(), limit)
                    continue
                hosts = self._engines.lease(waiting[0].config.orders())
                if hosts is None:
                    break
                self._begin(waiting.popleft(), hosts)
            if self._tasks:
                (run, hosts), said = self._tasks.next()
                self._engines.give_back(hosts)
                yield self._heard(run, said)

    def _begin(self, run: PlannedRun, hosts: list[Any]) -> None:
        place = self._runs.index(run) + 1
        NOTES.print(f"Run {place} of {len(self._runs)} is handed over: {run.name}")
        for order in run.config.orders():
            for bill in bills(order):
                NOTES.print(bill)
        errand = _Errand(run, run.config.carried(), self._limited, str(self._folder))
        self._tasks.add((run, hosts), self._cluster.task(_do, self._keeper, errand, hosts))

    def _heard(self, run: PlannedRun, said: Any) -> RunOutcome:
        if isinstance(said, LostTask):
            call(self._keeper, "leave", run.name)
            return RunOutcome(run, "failed", f"Its process was lost again and again. {said.why}")
        for line in said.noted.splitlines():
            NOTES.print(f"{run.name}: {line}")
        return said.outcome._replace(run=run)


class _Errand(NamedTuple):
    """A run for a process elsewhere, with the files that it is given, and the study's folder."""

    run: PlannedRun
    files: Files
    limited: bool
    folder: str


class _Said(NamedTuple):
    """What became of a run, and what it noted."""

    outcome: RunOutcome
    noted: str


def _do(keeper: Any, errand: _Errand, hosts: Sequence[Any]) -> _Said:
    """Do a run, or go on with what its keeper has of it, in a folder of this machine."""
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="econjax-") as home, overheard() as (printed, noted):
        here = _Here(errand, Path(home), partial(call, keeper))
        outcome = attempted(errand.run, printed, partial(here.do, hosts))

        def told(text: str) -> str:
            return text.replace(home, errand.folder)  # where the run is kept when it has ended

        here.account.end(told(printed.getvalue()))
    return _Said(outcome._replace(why=told(outcome.why)), told(noted.getvalue()))


class _Here:
    """A run in a folder of the process that does it."""

    def __init__(self, errand: _Errand, home: Path, ask: Any) -> None:
        run, self._ask = errand.run, ask
        self._errand, self._path = errand, home / run.name
        unpack(errand.files, home / "given")
        of_run = run.config.of_run(home / "given")
        self._run = run._replace(config=dataclasses.replace(of_run, runs=home))
        self.account = RunAccount(
            ask, run.name, self._path, limited=errand.limited, given=self._as_given
        )

    def do(self, hosts: Sequence[Any]) -> None:
        """Do the run from where it was left, unless it is finished."""
        found = self._ask("found", self._run.name)
        if found is not None:
            unpack(found, self._path)
        if is_complete(self._path.parent, self._run):
            return
        free: dict[str, Any] = dict.fromkeys(COSTS) if self._run.asks else {}
        begin_or_go_on(self._path, self._run, free, partial(self._engines, hosts))

    def _engines(self, hosts: Sequence[Any], config: RunChoices) -> list[Engine]:
        """Return the engines that answer: a host's, or clients of servers."""
        attempt = uuid.uuid4().hex
        return self.account.engines(
            [
                start_engine(order.options)
                if host is None
                else HostedEngine(host, EngineLease(attempt, order.options.seed))
                for order, host in zip(config.orders(), hosts, strict=True)
            ]
        )

    def _as_given(self, files: Files) -> Files:
        """Return files of the run's directory that speak of its sources where they are."""
        manifest = json.loads(files[MANIFEST])
        said = json.loads(json.dumps(self._errand.run.config.asdict()))
        sources = (*FILE_CHOICES, "workers")
        manifest["config"] |= {name: said[name] for name in sources if name in said}
        text = json.dumps(manifest, indent=2) + "\n"
        return {**files, **self._errand.files, MANIFEST: text.encode()}
