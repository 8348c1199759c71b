"""Runs that leave a directory: start one, finish one cut short, repeat one without a model."""

import contextlib
import dataclasses
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments.core.commands import COMMANDS
from experiments.core.config import SERVERS, RunConfig
from experiments.core.engines import engine_of, spoken
from experiments.core.session import Session
from experiments.economies.kept import changed_since
from experiments.report.console import NOTES, Mistake, mistakes
from experiments.runs.config import ReplayConfig, ResumeConfig
from experiments.runs.directory import METRICS, make_run, new_run_path, read_manifest
from llm_policy.engines.base import Engine, EngineError
from llm_policy.engines.wrappers.budget import Budget
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.engines.wrappers.journal import Journal


def start(command: str, config: RunConfig) -> None:
    """Do a run in a new directory; a mistake that is found before anything was asked leaves none.

    Raises:
        Mistake: a choice that makes no run.
        EngineError: the engine cannot answer.
    """
    with mistakes():
        config.check()
        path = new_run_path(config.runs, config.name, command=command)
    engines = _start_engines(config)
    try:
        _make(path, command, config, [engine.describe() for engine in engines])
    except BaseException:
        _close(engines)
        raise
    session = None
    try:
        with _open_session(engines, path, config) as session:
            _do(command, config, path, session)
    except Mistake:
        if session is None or not any(each.budget.spent.prompts for each in session.all):
            shutil.rmtree(path)
        raise


def resume(choices: ResumeConfig) -> None:
    """Finish a run that was cut short, in its directory.

    Raises:
        Mistake: the directory holds no run, or a finished one.
        EngineError: the engine cannot answer.
    """
    given = {
        name: value for name, value in dataclasses.asdict(choices).items() if value is not None
    }
    overrides = {name: value for name, value in given.items() if name != "run"}
    with mistakes():
        command, old = _read(choices.run)
        if (choices.run / METRICS).exists():
            raise ValueError(
                f"{choices.run} is finished. To repeat it: econjax replay {choices.run}"
            )
        if "most_unread" in overrides and "most_unread" not in old.asdict():
            raise ValueError(f"--most-unread is for simulations; {choices.run} is a {command}.")
        if alien := sorted({"planner_server", "worker_server"} & set(overrides) - _fields(old)):
            flag = alien[0].replace("_", "-")
            raise ValueError(f"--{flag} is for comparisons; {choices.run} is a {command}.")
        config = dataclasses.replace(old, **overrides)
        config.check()
        for asked, engine in zip(config.models(), _engines_of(choices.run), strict=True):
            if asked.server is None and "url" in engine:
                raise ValueError(
                    f"{choices.run} asked the server {engine['url']} for {asked.model}: give it "
                    "again, with --server, or --planner-server or --worker-server if it had those."
                )
    for name in changed_since(choices.run):
        NOTES.print(
            f"{name} has changed since the run began, which goes on with its own copy.",
            markup=False,
        )
    with _open_session(_start_engines(config), choices.run, config) as session:
        _do(command, config, choices.run, session)


def replay(choices: ReplayConfig) -> None:
    """Repeat a finished run from its journal, in a new directory; if that fails it leaves none.

    Raises:
        Mistake: the directory holds no finished run, or one that cannot be scored anew.
        EngineError: the metrics are not the same.
    """
    with mistakes():
        command, old = _read(choices.run)
        if not (choices.run / METRICS).is_file():
            raise ValueError(
                f"{choices.run} has no {METRICS}: it did not finish. "
                f"To finish it: econjax resume {choices.run}"
            )
        config = dataclasses.replace(old, json=choices.json).scored(choices.score)
        config.check()
        name = choices.name or f"{choices.run.name}-replay"
        path = new_run_path(choices.run.parent, name, command=command)
    with _open_session([None] * len(config.models()), choices.run, config) as session:
        _make(path, command, config, [one.describe() for one in session.all] if session else [])
        try:
            _work(command)(config.tolerant(), path, session)
        except BaseException:
            shutil.rmtree(path)
            raise
    if config.asdict() != old.asdict():
        NOTES.print(
            f"Scored anew, under {', '.join(choices.score)}: {METRICS} differs from {choices.run}"
        )
    elif (path / METRICS).read_bytes() != (choices.run / METRICS).read_bytes():
        raise EngineError(
            f"{METRICS} is NOT identical to that of {choices.run}: the code has changed."
        )
    else:
        NOTES.print(f"{METRICS} is identical to that of {choices.run}")


def _work(command: str) -> Callable[[Any, Path, Session | None], None]:
    """Return what does a run and writes everything but the manifest and the journal."""
    return pkgutil.resolve_name(COMMANDS[command].run)


def _make(path: Path, command: str, config: RunConfig, engines: list[dict[str, Any]]) -> None:
    """Make the directory of a run, whose manifest describes the other engines in the first."""
    engine = engines[0] | ({"others": engines[1:]} if engines[1:] else {}) if engines else None
    make_run(
        path,
        command=command,
        config=config.asdict(),
        limits=config.limits(),
        engine=engine,
        files=config.carried(),
    )


def _engines_of(path: Path) -> list[dict[str, Any]]:
    """Return the descriptions of the engines that a run asked."""
    engine = read_manifest(path)["engine"]
    return [engine, *engine.get("others", [])] if engine else []


def _fields(config: RunConfig) -> set[str]:
    return {field.name for field in dataclasses.fields(config)}


def _start_engines(config: RunConfig) -> list[Engine]:
    """Start an engine for each model that a run asks, or none."""
    engines = []
    try:
        for asked in config.models():
            one = dataclasses.replace(config, model=asked.model, server=asked.server)
            engines.append(engine_of(one))
    except BaseException:
        _close(engines)
        raise
    return engines


def _close(engines: Sequence[Engine | None]) -> None:
    for engine in engines:
        if engine is not None:
            engine.close()


def _read(path: Path) -> tuple[str, RunConfig]:
    """Return the command and the choices of a run."""
    manifest = read_manifest(path)
    command = manifest["command"]
    if command not in COMMANDS or not COMMANDS[command].leaves_run:
        raise ValueError(f"{path} was made by econjax {command}, which this version does not know.")
    kind = COMMANDS[command].kind(loaded=True)
    return command, kind.fromdict(manifest["config"] | manifest["limits"]).of_run(path)


def _do(command: str, config: RunConfig, path: Path, session: Session | None) -> None:
    """Do a run in its directory; say how to go on if it is cut short."""
    server = "".join(f" --{name.replace('_', '-')} ..." for name in SERVERS if _has(config, name))
    on = f"Answers so far are kept; to go on: econjax resume {path}{server}"
    try:
        _work(command)(config, path, session)
    except KeyboardInterrupt:
        NOTES.print(f"econjax: interrupted. {on}", markup=False)
        sys.exit(130)
    except EngineError as error:
        raise EngineError(
            f"{error} {on} (a limit that was met is raised there: see --help)"
        ) from error


def _has(config: RunConfig, name: str) -> bool:
    return bool(dict(vars(config)).get(name))


@contextlib.contextmanager
def _open_session(
    engines: Sequence[Engine | None], run: Path, config: RunConfig
) -> Iterator[Session | None]:
    """Open a journal for each engine and put the wrappers around it; nothing without an engine.

    The first one's journal is journal.sqlite, the second's journal-2.sqlite.
    """
    purse: list[Budget] = []
    with contextlib.ExitStack() as stack:
        sessions = []
        for place, engine in enumerate(engines, start=1):
            file = run / ("journal.sqlite" if place == 1 else f"journal-{place}.sqlite")
            try:
                source = stack.enter_context(contextlib.closing(Journal(engine, file)))
            except EngineError:
                _close(engines[place - 1 :])
                raise
            budget = Budget(
                source,
                tokens=config.limit_tokens,
                dollars=config.limit_dollars,
                seconds=config.limit_seconds,
                prices=config.prices,
                clock=partial(getattr, source, "seconds"),
                purse=purse,
            )
            sessions.append(Session(Dedupe(spoken(budget, config)), budget))
        first, *others = sessions or [None]
        yield first and dataclasses.replace(first, others=tuple(others))
