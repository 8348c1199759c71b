"""Who keeps what runs in other processes write, in one folder, and the budget that all share."""

import contextlib
import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.cluster.files import Files, files_in, fresh, put, unpack
from experiments.report.files import require_own_files
from experiments.runs.alone import alone_in
from experiments.runs.directory import MANIFEST, METRICS
from experiments.runs.sessions import journal_of
from experiments.runs.spending import spent_by
from llm_policy.engines.base import EngineInfo, JournalRows
from llm_policy.engines.wrappers.budget import Usage, limit_passed, price_of
from llm_policy.engines.wrappers.store import Store, cost_of


class Keeper:
    """The run directories of a folder, each as its run has it, whichever process does that.

    `limits` (of `COSTS`, for each None if there is none) hold over all `runs` together: what their
    journals hold counts, and what was granted and is not answered yet. Every method may be called
    again by a run that was begun anew; what it says twice is kept once.
    """

    def __init__(
        self,
        folder: Path,
        runs: Sequence[str],
        limits: Mapping[str, Any],
        prices: tuple[float, float],
    ) -> None:
        self._folder, self._prices = folder, prices
        self._limits = {name.removeprefix("limit_"): most for name, most in limits.items()}
        self._spent = {run: spent_by(folder / run, prices) for run in runs}
        self._granted: dict[str, Usage] = {}
        self._begun: set[str] = set()
        self._stores: dict[str, dict[int, Store]] = {}
        self._alone: dict[str, contextlib.ExitStack] = {}

    def found(self, run: str) -> dict[str, bytes] | None:
        """Return what there is of a run that is begun, or gone on with, from now on.

        Raises:
            Mistake: another process is at work in its directory.
            ValueError: a file of it is a symbolic link.
        """
        self.leave(run)
        path = self._folder / run
        if not (path / MANIFEST).is_file():
            return None
        require_own_files(path)
        self._enter(run)
        self._begun.discard(run)
        return files_in(path)

    def begin(self, run: str, files: Files, engines: Sequence[EngineInfo]) -> None:
        """Make the directory of a run, with an empty journal for each engine."""
        path = self._folder / run
        if path.exists():
            return
        partial = fresh(path)
        unpack(files, partial)
        for place, engine in enumerate(engines):
            Store(journal_of(partial, place), lambda info=engine: info).close()
        put(partial, path)
        self._begun.add(run)
        self._enter(run)

    def take(self, run: str, place: int, written: Sequence[JournalRows]) -> None:
        """Keep rows of one of a run's journals."""
        store = self._store(run, place)
        for table, rows in written:
            before = len(store)
            store.take(table, rows)
            if table != "calls":
                continue
            if len(store) < before + len(rows):  # some of them were known
                self._spent[run] = spent_by(self._folder / run, self._prices)
                continue
            _, read, cached, answered, seconds = cost_of(rows)
            dollars = price_of(self._prices, read, answered)
            self._spent[run] += Usage(len(rows), read, cached, answered, dollars, seconds)

    def grant(self, run: str, prompts: int, read: int, written: int) -> str | None:
        """Let a run ask a batch, of so many tokens at most, until it settles.

        Returns why not, "" if it may, and None if that depends on what others are being answered.
        """
        own, price = self._spent[run], price_of(self._prices, read, written)
        more = Usage(prompts, read, 0, written, price, prompts * own.seconds_a_prompt)
        spent = sum(self._spent.values(), Usage())
        if passed := limit_passed(self._limits, spent, more):
            return passed
        if limit_passed(self._limits, sum(self._granted.values(), spent), more):
            return None
        self._granted[run] = more
        return ""

    def reached(self) -> str:
        """Return the limit that all runs together have reached, or nothing."""
        spent = sum(self._spent.values(), Usage())
        given = ((unit, most) for unit, most in self._limits.items() if most is not None)
        return next((f"limit {unit}" for unit, most in given if getattr(spent, unit) >= most), "")

    def settle(self, run: str) -> None:
        """Hear that a batch has been answered, or will not be."""
        self._granted.pop(run, None)

    def end(self, run: str, files: Files | None, printed: str) -> None:
        """Keep the other files of a run, which ends or is left.

        Without any, a run whose directory was made since it was last `found` leaves none.
        """
        path = self._folder / run
        if printed:
            with (self._folder / f"{run}.txt").open("a", encoding="utf-8") as file:
                file.write(printed)
        if files is None:
            self.leave(run)
            if run in self._begun:
                shutil.rmtree(path, ignore_errors=True)
            return
        if METRICS in files:
            places = itertools.takewhile(
                lambda place: journal_of(path, place).is_file(), itertools.count()
            )
            for place in places:  # those too to which nothing came since another command was killed
                self._store(run, place).finish()
        unpack(files, path)
        self.leave(run)

    def leave(self, run: str) -> None:
        """Close what is open of a run that nobody does any more."""
        self.settle(run)
        for store in self._stores.pop(run, {}).values():
            store.close()
        self._alone.pop(run, contextlib.ExitStack()).close()

    def _enter(self, run: str) -> None:
        """Keep other commands out of a run's directory."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(alone_in(self._folder / run))
            self._alone[run] = stack.pop_all()

    def _store(self, run: str, place: int) -> Store:
        """Return one of a run's journals, which are in its directory."""
        stores = self._stores.setdefault(run, {})
        if place not in stores:
            path = journal_of(self._folder / run, place)
            described = EngineInfo(engine="", model="")  # of a journal that is there already
            stores[place] = Store(path, lambda: described)
        return stores[place]
