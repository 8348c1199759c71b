"""The engines of a run with what is around them: journals, budgets, and each question once."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments.core.choices import EngineOrder
from experiments.core.engines import engine_of
from experiments.core.session import Session
from experiments.report.console import NOTES
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.budget import Budget
from llm_policy.engines.wrappers.currency import Currency, Renamed
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.sealing import Damaged
from llm_policy.engines.wrappers.store import mend


def start_engines(orders: Sequence[EngineOrder]) -> list[Engine]:
    """Start all engines of a run, or none.

    Raises:
        EngineError: one cannot be started.
    """
    engines = []
    try:
        for order in orders:
            engines.append(engine_of(order))
    except BaseException:
        close_all(engines)
        raise
    return engines


def close_all(engines: Sequence[Engine | None]) -> None:
    """Close engines, where there are any."""
    for engine in engines:
        if engine is not None:
            engine.close()


def journal_of(run: Path, place: int) -> Path:
    """Return the journal of one of a run's engines: the second's is journal-2.sqlite."""
    return run / (f"journal-{place + 1}.sqlite" if place else "journal.sqlite")


@contextlib.contextmanager
def open_session(
    engines: Sequence[Engine | None],
    run: Path,
    *,
    limits: Mapping[str, Any],
    currency: Currency | None,
    mending: bool = False,
) -> Iterator[Session | None]:
    """Open a journal for each engine and put the wrappers around it; nothing without an engine.

    `limits` are what the run may cost, and `currency` is what prompts speak of if not of dollars.
    """
    purse: list[Budget] = []
    with contextlib.ExitStack() as stack:
        sessions = []
        for place, engine in enumerate(engines):
            try:
                journal = _open_journal(engine, journal_of(run, place), mending=mending)
                source = stack.enter_context(contextlib.closing(journal))
            except BaseException:
                close_all(engines[place:])
                raise
            budget = Budget(
                source,
                tokens=limits["limit_tokens"],
                dollars=limits["limit_dollars"],
                seconds=limits["limit_seconds"],
                prices=limits["prices"],
                clock=partial(getattr, source, "seconds"),
                purse=purse,
            )
            asked = budget if currency is None else Renamed(budget, **currency._asdict())
            sessions.append(Session(Dedupe(asked), budget, source))
        first, *others = sessions or [None]
        yield first and dataclasses.replace(first, others=tuple(others))


def _open_journal(engine: Engine | None, file: Path, *, mending: bool) -> Journal:
    """Return the journal of an engine, which a run began with its directory."""
    try:
        if engine is not None and not (file.is_file() and file.stat().st_size):
            raise Damaged(file, "is missing" if not file.exists() else "is empty")
        return Journal(engine, file)
    except Damaged:
        if engine is None or not mending:
            raise
        kept = mend(file, engine.describe)
        NOTES.print(f"The journal {file} is mended; what there was of it is in {file}-damaged.")
        NOTES.print(f"Answers in it that were sound: {kept:,}.")
        return Journal(engine, file)
