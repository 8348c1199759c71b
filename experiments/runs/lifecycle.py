"""Runs that leave a directory: start one, finish one cut short, repeat one without a model."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from experiments.core.choices import RunChoices, as_typed
from experiments.core.commands import COMMANDS
from experiments.core.session import Session
from experiments.core.signals import advising
from experiments.economies.kept import changed_since
from experiments.report.console import NOTES, Mistake, mistakes, results
from experiments.report.files import require_own_files
from experiments.runs.alone import alone_in
from experiments.runs.config import ReplayConfig, ResumeConfig
from experiments.runs.directory import (
    METRICS,
    EngineDescription,
    digest_of_prompts,
    make_run,
    new_run_path,
    note_engines,
    note_time,
    read_manifest,
    renew_manifest,
    write_table,
)
from experiments.runs.result import Result
from experiments.runs.rows import in_columns, run_columns
from experiments.runs.sessions import close_all, journal_of, open_session, start_engines
from experiments.validity.cards import save_card
from llm_policy.engines.base import Engine, EngineError, Unread
from llm_policy.engines.wrappers.store import Store


def start(
    command: str,
    config: RunChoices,
    starting: "Starting | None" = None,
) -> None:
    """Do a run in a new directory; a mistake that is found before anything was asked leaves none.

    `starting` gives engines to ask in place of those that the choices name.

    Raises:
        Mistake: a choice that makes no run.
        EngineError: the engine cannot answer.
    """
    with mistakes():
        config.check()
        path = new_run_path(config.runs, config.name, command=command)
    engines = (starting or _named)(config)
    try:
        _make(path, command, config, engines, recorded=True)
    except BaseException:
        close_all(engines)
        raise
    session = None
    try:
        with alone_in(path), _session(engines, path, config) as session:
            _do(command, config, path, session)
    except Mistake:
        if session is None or not any(each.budget.spent.prompts for each in session.all):
            shutil.rmtree(path)
        raise


def resume(
    choices: ResumeConfig,
    limits: Mapping[str, Any] | None = None,
    starting: "Starting | None" = None,
) -> None:
    """Finish a run that was cut short, in its directory; `limits` take the place of all it had.

    `starting` is as in `start`.

    Raises:
        Mistake: the directory holds no run, a finished one, or one that another process does.
        EngineError: the engine cannot answer.
    """
    with alone_in(choices.run):
        _resume(choices, limits or {}, starting or _named)


Starting = Callable[[RunChoices], list[Engine]]
"""Returns an engine for each model that a run asks."""


def _named(config: RunChoices) -> list[Engine]:
    """Return the engines that the choices name."""
    return start_engines(config.orders())


def _resume(choices: ResumeConfig, limits: Mapping[str, Any], starting: Starting) -> None:
    with mistakes():
        command, old = _read(choices.run)
        if (choices.run / METRICS).exists():
            raise ValueError(
                f"{choices.run} is finished. To repeat it: econjax replay {choices.run}"
            )
        require_own_files(choices.run)
        config = dataclasses.replace(old, **_overrides(choices, command, old) | dict(limits))
        config.check()
        _check_servers(choices.run, config)
    for name in changed_since(choices.run):
        NOTES.print(f"{name} has changed since the run began, which goes on with its own copy.")
    engines = starting(config)
    with _session(engines, choices.run, config, mending=choices.mend) as session:
        before = read_manifest(choices.run)["prompts"]
        changed = {name: new for name, new in config.asdict().items() if new != old.asdict()[name]}
        renew_manifest(choices.run, config=changed, limits=config.limits())
        _say_what_is_kept(before, session, ask_again=choices.ask_again)
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
        place = choices.run if choices.run.name not in ("", "..") else choices.run.resolve()
        name = f"{place.name}-replay" if choices.name is None else choices.name
        path = new_run_path(place.parent, name, command=command)
        _descriptions(choices.run, config)
    nobody, tolerant = [None] * len(config.models()), config.tolerant()
    with _session(nobody, choices.run, tolerant) as session:
        _make(path, command, config, [one.engine for one in session.all] if session else [])
        try:
            _work(command, tolerant, path, session)
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


def _work(command: str, config: RunChoices, path: Path, session: Session | None) -> None:
    """Do a run, end its directory with its metrics, and tell what came of it."""
    began, own = time.perf_counter(), COMMANDS[command]
    done: Result = own.load_run()(config, path, session)
    if done.card is not None:
        save_card(path, done.card)
    if done.timings:
        write_table(path / "timings.parquet", in_columns(done.timings))
    if done.metrics is not None:
        kept = config.of_run(path)  # whoever moves or edits a source meanwhile changes nothing
        first = run_columns(command, kept.asdict(), kept.carried()) | kept.columns()
        write_table(path / METRICS, in_columns([first | row for row in done.metrics]))
    if config.json:
        print(json.dumps(done.said, indent=2, allow_nan=False))
        return
    console = results(config.words())
    own.load_tables()(done.found, console)
    for remark in (*done.remarks, *(done.card.lines if done.card else ())):
        console.print(remark)
    console.print(f"{time.perf_counter() - began:.0f} s. Run directory: {path}")


def _session(
    engines: Sequence[Engine | None], run: Path, config: RunChoices, *, mending: bool = False
) -> AbstractContextManager[Session | None]:
    limits, currency = config.limits(), config.currency_of_prompts()
    return open_session(engines, run, limits=limits, currency=currency, mending=mending)


def _make(
    path: Path,
    command: str,
    config: RunChoices,
    engines: Sequence[Engine],
    *,
    recorded: bool = False,
) -> None:
    """Make the directory of a run, whose manifest describes the other engines in the first.

    It holds its economy, and an empty journal for each engine if these are `recorded`.
    """

    def fill(folder: Path) -> None:
        for name, data in config.carried().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        for place, engine in enumerate(engines if recorded else ()):
            Store(journal_of(folder, place), engine.describe).close()

    first, *others = [engine.describe().asdict() for engine in engines] or [None]
    engine = first and first | ({"others": others} if others else {})
    choices, limits = config.asdict(), config.limits()
    make_run(path, command=command, config=choices, limits=limits, engine=engine, fill=fill)


def _descriptions(path: Path, config: RunChoices) -> list[dict[str, Any]]:
    """Return the descriptions of the engines that a run asked, as many as its models."""
    engine, kind = read_manifest(path)["engine"], list[EngineDescription]
    others = engine.get("others", []) if engine else []
    engines = [engine, *as_typed(kind, others, f"The manifest of {path}")] if engine else []
    if len(engines) != len(config.models()):
        raise ValueError(
            f"The manifest of {path} describes {len(engines)} engines, and its choices ask "
            f"{len(config.models())}. Mend it."
        )
    return engines


def _check_servers(path: Path, config: RunChoices) -> None:
    """Check that whoever asked a server names one again."""
    for asked, engine in zip(config.models(), _descriptions(path, config), strict=True):
        if asked.server is None and "url" in engine:
            raise ValueError(
                f"{path} asked the server {engine['url']} for {asked.model}: give it "
                "again, with --server, or --planner-server or --worker-server if it had those."
            )


def _overrides(choices: ResumeConfig, command: str, old: RunChoices) -> dict[str, Any]:
    """Return what a run is to go on with, in place of what it began with."""
    given = {
        name: value for name, value in dataclasses.asdict(choices).items() if value is not None
    }
    found = {name: value for name, value in given.items() if name not in _OF_A_RESUME}
    if alien := sorted(set(found) - _fields(old)):
        flag = alien[0].replace("_", "-")
        raise ValueError(
            f"--{flag} is none of the choices of econjax {command}, of which {choices.run} is a "
            "run: leave it out."
        )
    return found


_OF_A_RESUME = ("run", "ask_again", "mend")


def _say_what_is_kept(before: str, session: Session | None, *, ask_again: bool) -> None:
    """Say how many answers are kept, and what is known to keep some from being used."""
    if session is None:
        return
    dropped = sum(each.journal.drop_unread() for each in session.all) if ask_again else 0
    kept = sum(each.journal.kept for each in session.all)
    NOTES.print(f"Answers kept: {kept:,}.")
    if ask_again:
        NOTES.print(f"Asked again, because they could not be read: {dropped:,} answers.")
    if before and before != (now := digest_of_prompts()):
        NOTES.print(
            f"This version has other prompts than the one before (digest {now}, not {before}): "
            "whatever is asked in other words is asked anew."
        )


def _fields(config: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(config)}


def _read(path: Path) -> tuple[str, Any]:
    """Return the command and the choices of a run."""
    manifest = read_manifest(path)
    command = manifest["command"]
    if command not in COMMANDS or not COMMANDS[command].leaves_run:
        raise ValueError(f"{path} was made by econjax {command}, which this version does not know.")
    kind = COMMANDS[command].kind(loaded=True)
    return command, kind.fromdict(manifest["config"] | manifest["limits"]).of_run(path)


def _do(command: str, config: RunChoices, path: Path, session: Session | None) -> None:
    """Do a run in its directory; say how to go on if it is cut short."""
    server = "".join(f" --{name.replace('_', '-')} ..." for name in config.servers())
    on = f"Answers so far are kept; to go on: econjax resume {path}{server}"
    began = time.perf_counter()
    try:
        with advising(on):
            _work(command, config, path, session)
    except EngineError as error:
        more = "a limit that was met is raised there: see --help"
        if isinstance(error, Unread) and session is not None:
            latest = max(session.all, key=lambda each: each.journal.latest)
            latest.journal.mark_unread(error.prompts, error.times)
            more += "; --ask-again asks again for what could not be read"
        raise EngineError(f"{error} {on} ({more})") from error
    finally:
        if session is not None:
            note_engines(path, [each.journal.describe().asdict() for each in session.all])
        note_time(path, time.perf_counter() - began)
    for each in session.all if session else ():
        each.journal.finish()
        if unused := each.journal.unused:
            NOTES.print(
                f"Answers of {each.describe().model} that were kept and not used: {unused:,}, "
                "because this version or these choices ask otherwise."
            )
