"""Kill runs at random moments, again and again, finish them, and count what was lost.

    python -m tests.helpers.kills --kills 200

Seven kinds of runs and four signals take turns, with the engine of `improvising`. It prints how
many answers, and chunks of sweeps, that were recorded before a kill were lost, how many replays
were identical, and how long a process took at most to end; the exit code is 1 if anything was lost
or differed.
"""

import argparse
import contextlib
import faulthandler
import importlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from experiments.sweep import plan

HEAVY = "equinox flax.linen jax.numpy matplotlib.pyplot httpx2 optax scipy.optimize scipy.stats"
"""Modules without native threads, so that each process is a fork which has them already."""
SMALL = ("--agents", "6", "--tax-years", "3", "--tax-year", "4", "--brackets", "three")
TABLE = ("--workers", "llm", "--agents", "6", "--evaluations", "3", "--welfare", "rawlsian")
TABLE = (*TABLE, "--planners", "federal", "llm", "--no-uninformed", "--repetitions", "2")
STUDY = """
title = "Two lengths of a tax year"

[[runs]]
command = "simulate"
seeds = 2
choices = { agents = 4, tax_years = 2, planner = "fixed", mode = "text" }
vary = { tax-year = [2, 4] }
"""
SWEEP = """
[incomes]
agents = 200

[sweep]
seeds = 200

[vary]
"preferences.elasticity" = [0.25, 0.5]
"""
WORKERS_OF_A_CHUNK = 400
"""Of a sweep, which has many chunks then."""
RUNS = {
    "simulate, choice": ("simulate", "--mode", "choice", *SMALL),
    "simulate, text": ("simulate", "--mode", "text", *SMALL),
    "simulate, democratic": ("simulate", "--scenario", "democratic", "--mode", "text", *SMALL),
    "compare, choice": ("compare", "--mode", "choice", *TABLE),
    "compare, text": ("compare", "--mode", "text", *TABLE),
    "study": ("study", "study.toml"),
    "sweep": ("sweep", "sweep.toml"),
}
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
MOST_LINES = 10
"""Lines that a killed run may say."""
LONGEST = 300.0
"""Seconds that a process may take before it counts as hanging."""


class Ended(NamedTuple):
    """How a process ended, by a signal of its own or by the code of `wait`, and after what time."""

    code: int
    seconds: float
    said: str


class Case:
    """One kind of run under one signal: killed, resumed, finished, replayed, begun again."""

    def __init__(self, kind: str, signal_name: str, home: Path, draw: random.Random) -> None:
        self.kind, self.signal, self.home, self.draw = kind, signal_name, home, draw
        self.kills = self.recorded = self.lost = self.replays = self.differ = self.told = 0
        self.slowest = 0.0
        self.faults: list[str] = []
        self.begun = 0
        self._begin()

    def kill_once(self, usual: float) -> None:
        """Let the run go on for up to the `usual` seconds, and kill it if it has not ended."""
        process = self._go_on()
        ended = self._wait(process, self.draw.uniform(0, usual))
        if ended is not None:
            self._finished(ended)
            return
        before = recorded(self.path)
        moment = time.monotonic()
        os.kill(process, getattr(signal, self.signal))
        ended = self._wait(process, LONGEST)
        if ended is None:
            self.faults.append(self._hangs(process))
            return
        if ended.code == 0:  # it had ended before the signal came
            self._finished(ended)
            return
        self.kills += 1
        self.slowest = max(self.slowest, time.monotonic() - moment)
        self._look(ended, before)

    def finish(self) -> None:
        """Let the run go on to its end, and replay it."""
        process = self._go_on()
        ended = self._wait(process, LONGEST)
        self._finished(ended or Ended(-1, LONGEST, self._hangs(process)))

    def _begin(self) -> None:
        self.begun += 1
        place = f"{self.kind} {self.signal} {self.begun}".replace(",", "").replace(" ", "-")
        self.path, self.kept = self.home / "runs" / place, {}

    def _go_on(self) -> int:
        if self.path.exists() and self.kind != "study":
            return start("resume", str(self.path), log=self._log)
        where = ("--runs", str(self.path.parent), "--name", self.path.name)
        return start(*RUNS[self.kind], *where, log=self._log)

    @property
    def _again(self) -> str:
        """What a killed run says of how to go on."""
        return "econjax study" if self.kind == "study" else f"econjax resume {self.path}"

    @property
    def _log(self) -> Path:
        return self.home / f"{self.path.name}.log"

    def _wait(self, process: int, seconds: float) -> Ended | None:
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                code, took = os.waitstatus_to_exitcode(status), time.monotonic() - begun
                return Ended(code, took, self._log.read_text("utf-8", "replace"))
            time.sleep(0.01)
        return None

    def _hangs(self, process: int) -> str:
        """End a process that hangs, and return where all its threads were."""
        os.kill(process, signal.SIGABRT)
        os.waitpid(process, 0)
        return f"hangs: {self._log.read_text('utf-8', 'replace')[-8000:]}"

    def _look(self, ended: Ended, before: int) -> None:
        """See what a killed run left."""
        number = getattr(signal, self.signal)
        if ended.code not in (-number, 128 + number):
            self.faults.append(f"code {ended.code}: {ended.said[-300:]}")
        if "Traceback" in ended.said or len(ended.said.splitlines()) > MOST_LINES:
            self.faults.append(ended.said[-1000:])
        self.told += self._again in ended.said
        kept = answers(self.path, self.home)
        lost = max(before - len(kept), len(self.kept.items() - kept.items()))
        self.lost += lost
        self.recorded += len(kept.items() - self.kept.items())
        self.kept = kept

    def _finished(self, ended: Ended) -> None:
        """Replay a run that has ended, and begin another."""
        if ended.code != 0:
            self.faults.append(f"ended with {ended.code}: {ended.said[-300:]}")
        else:
            kept = {key: said for key, said in self.kept.items() if key[0] != PARTS}
            self.lost += len(kept.items() - answers(self.path, self.home).items())
            for metrics in sorted(self.path.rglob("metrics.parquet")):
                self._replay(metrics.parent)
        self._begin()

    def _replay(self, path: Path) -> None:
        """Replay a run: of a sweep, solve all anew."""
        process = start("replay", str(path), log=self._log)
        again = self._wait(process, LONGEST) or Ended(-1, LONGEST, self._hangs(process))
        same = again.code == 0 and "is identical" in again.said
        self.replays += 1
        self.differ += not same
        if not same:
            self.faults.append(f"replay of {path.name}: {again}")


def start(*arguments: str, log: Path) -> int:
    """Start the command line in a fork that writes all it says into a file; return its number."""
    from experiments.core.signals import leave, stoppable

    sys.stdout.flush()
    numbers = {getattr(signal, name) for name in SIGNALS}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # until the fork heeds them
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        return process
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.enable()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["econjax", *arguments]
        with stoppable():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
            try:
                from tests.helpers.improvising import main

                main()
            except KeyboardInterrupt as stop:
                leave(stop)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def recorded(path: Path) -> int:
    """Return how many answers a run says it has recorded, while it writes."""
    found = len(list(path.glob(f"{PARTS}/[0-9]*.parquet")))
    for count in path.rglob("journal.sqlite-count"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            found += int(count.read_bytes().split()[0])
    return found


PARTS = "parts"
"""The folder of a sweep with its chunks."""


def answers(path: Path, home: Path) -> dict[tuple[str, bytes], object]:
    """Return what the journals of a run, or of a study's, hold, by key, and chunks of a sweep.

    From a copy: whoever opens a journal mends it.
    """
    if not path.exists():
        return {}
    copy = Path(tempfile.mkdtemp(dir=home))
    shutil.copytree(path, copy, dirs_exist_ok=True)
    found: dict[tuple[str, bytes], object] = {}
    for file in copy.rglob("journal.sqlite"):
        place = file.parent.relative_to(copy).as_posix()
        with contextlib.closing(sqlite3.connect(file)) as journal:
            calls = journal.execute("SELECT key, answer FROM calls").fetchall()
        found |= {(place, key): answer for key, answer in calls}
    for part in copy.glob(f"{PARTS}/[0-9]*.parquet"):
        found[PARTS, part.name.encode()] = part.read_bytes()
    shutil.rmtree(copy)
    return found


def main() -> int:
    """Kill so many times, print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=RUNS, default=[*RUNS], help="kinds of runs")
    choices = parser.parse_args()
    draw, kinds = random.Random(choices.seed), choices.kinds
    plan._WORKERS_OF_A_CHUNK = WORKERS_OF_A_CHUNK
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.chdir(home)
        for name, text in (("study.toml", STUDY), ("sweep.toml", SWEEP)):
            Path(name).write_text(text, "utf-8")
        usual = {kind: seconds_of(kind, home, draw) for kind in kinds}
        cases = [Case(kind, name, home, draw) for kind in kinds for name in SIGNALS]
        draw.shuffle(cases)
        for case in itertools.cycle(cases):
            if sum(each.kills for each in cases) >= choices.kills or any(c.faults for c in cases):
                break
            case.kill_once(usual[case.kind])
        for case in cases:
            if case.kills:
                case.finish()
    return report(cases)


def seconds_of(kind: str, home: Path, draw: random.Random) -> float:
    """Return how long a run of a kind takes that nobody kills."""
    case = Case(kind, "unkilled", home, draw)
    begun = time.monotonic()
    case.finish()
    assert not case.faults, case.faults
    return (time.monotonic() - begun) / 2  # the replay aside


def report(cases: list[Case]) -> int:
    """Print what came of all cases."""
    for kind in RUNS:
        some = [case for case in cases if case.kind == kind]
        print(f"{kind}: " + ", ".join(f"{case.signal} {case.kills}" for case in some))
    total = {
        name: sum(getattr(case, name) for case in cases)
        for name in ("kills", "recorded", "lost", "replays", "differ", "told")
    }
    faults = [fault for case in cases for fault in case.faults]
    print(
        "kills {kills}; answers recorded {recorded}, lost {lost}; replays {replays}, of which "
        "{differ} differ; told how to go on {told}".format(**total)
    )
    print(f"seconds from the signal to the end, at most: {max(case.slowest for case in cases):.2f}")
    for fault in faults:
        print(f"FAULT {fault}")
    return int(bool(faults or total["lost"] or total["differ"]))


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads would not be in the forks
    for module in HEAVY.split():
        importlib.import_module(module)
    sys.exit(main())
