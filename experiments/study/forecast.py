"""What a run will ask, take and last: from an earlier run that was like it, or by a rehearsal."""

import contextlib
import dataclasses
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.core.checks import COSTS
from experiments.report.console import NOTES
from experiments.report.plain import one_line
from experiments.runs.directory import MANIFEST, METRICS, read_manifest
from experiments.runs.lifecycle import start
from experiments.runs.sessions import start_engines
from experiments.runs.spending import spent_by
from experiments.study.clock import compile_clock
from experiments.study.plan import PlannedRun
from llm_policy.engines.wrappers.budget import Usage
from llm_policy.engines.wrappers.rehearsal import Rehearsal

_KEPT_APART = ("name", "seed")


class Forecast(NamedTuple):
    """What a run will spend, the seconds it lasts (None: nobody knows), and how that is known.

    The usage's own seconds are those inside the model, `compiling` those of `seconds` that the next
    run of its kind need not take.
    """

    run: PlannedRun
    usage: Usage
    seconds: float | None
    source: str
    compiling: float = 0.0


class _Earlier(NamedTuple):
    """A finished run of the runs folder, and how long it took."""

    path: Path
    command: str
    config: dict[str, Any]
    seconds: float | None


def forecasts(
    runs: Sequence[PlannedRun], places: Sequence[Path], prices: tuple[float, float]
) -> Iterator[Forecast]:
    """Yield a forecast for each run; those that differ in their seed alone have the same.

    `places` are the folders whose finished runs are known.
    """
    earlier = [found for place in places for found in _finished(place)]
    known: dict[str, Forecast] = {}
    for run in runs:
        alike = _alike(run)
        if alike in known:
            first = known[alike]
            again = None if first.seconds is None else first.seconds - first.compiling
            yield first._replace(run=run, seconds=again, source=f"as {first.run.name}")
            continue
        known[alike] = _forecast(run, earlier, prices)
        yield known[alike]


def _forecast(
    run: PlannedRun, earlier: Sequence[_Earlier], prices: tuple[float, float]
) -> Forecast:
    same = [one for one in earlier if one.command == run.command and not _differ(run, one.config)]
    if same:
        found = same[-1]
        return Forecast(run, spent_by(found.path, prices), found.seconds, f"the run {found.path}")
    if run.asks:
        return _rehearsed(run, prices)
    near = [one for one in earlier if one.command == run.command and one.seconds is not None]
    if not near:
        return Forecast(run, Usage(), None, "asks no model; no earlier run says how long it takes")
    found = min(near, key=lambda one: len(_differ(run, one.config)))
    differ = ", ".join(_differ(run, found.config))
    words = f"asks no model; time of the run {found.path}, which has another {differ}"
    return Forecast(run, Usage(), found.seconds, words)


def _rehearsed(run: PlannedRun, prices: tuple[float, float]) -> Forecast:
    """Return what a run takes whose model answers a few questions itself, and the rest at random.

    Its time is that of the rehearsal, and of the model for the questions that it did not answer.
    """
    NOTES.print(f"Rehearsing {run.name}.")
    engines = start_engines(run.config.orders())
    actors = [Rehearsal(engine) for engine in engines]
    try:
        with tempfile.TemporaryDirectory() as home, _silence():
            free = dataclasses.replace(
                run.config, runs=Path(home), name="rehearsal", **dict.fromkeys(COSTS)
            )
            clock = compile_clock()
            before = clock.compiled
            start(run.command, free, lambda config: list(actors))
            path, compiled = Path(home) / "rehearsal", clock.compiled - before
            usage, took = spent_by(path, prices), sum(read_manifest(path)["seconds"])
        missing = sum(actor.missing_seconds() for actor in actors)
    except Exception as error:  # a run that cannot be rehearsed is told of, as one that fails
        words = f"could not be rehearsed: {one_line(error)}"
        return Forecast(run, Usage(), None, words)
    finally:
        for engine in engines:
            engine.close()
    usage = dataclasses.replace(usage, seconds=usage.seconds + missing)
    words = "a rehearsal, and a probe of the model's speed"
    return Forecast(run, usage, took + missing, words, compiled)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Print nothing of a rehearsal."""
    before, NOTES.quiet = NOTES.quiet, True
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        NOTES.quiet = before


def _finished(place: Path) -> Iterator[_Earlier]:
    """Yield the finished runs in a folder, the oldest first; others' folders are passed over."""
    found = [path.parent for path in place.glob(f"*/{METRICS}")]
    for path in sorted(found, key=lambda path: (path / METRICS).stat().st_mtime):
        if not (path / MANIFEST).is_file():
            continue
        with contextlib.suppress(ValueError):  # a manifest of who knows what says nothing of time
            manifest = read_manifest(path)
            seconds = sum(manifest["seconds"]) or None
            yield _Earlier(path, manifest["command"], manifest["config"], seconds)


def _alike(run: PlannedRun) -> str:
    """Return what runs that differ in their seed alone have in common."""
    identity = run.identity()
    rest = {name: said for name, said in identity["config"].items() if name not in _KEPT_APART}
    return json.dumps(identity | {"config": rest}, sort_keys=True)


def _differ(run: PlannedRun, config: dict[str, Any]) -> list[str]:
    """Return the choices in which an earlier run differs from one, but for the seed."""
    own = run.identity()["config"]
    return [name for name in own if name != "seed" and own[name] != config.get(name)]
