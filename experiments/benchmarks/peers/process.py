"""A peer at work: a program in its own environment that runs one operation whenever it is told."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, Self

import numpy as np
from jaxtyping import Float

from econjax import us_federal
from experiments.benchmarks.references import NumpySchedule
from experiments.report.console import Mistake

_PROGRAMS = Path(__file__).with_name("programs")


class PeerLaw(NamedTuple):
    """A bracket schedule: thresholds in dollars a year, and rates."""

    thresholds: list[float]
    rates: list[float]


class Contender(Protocol):
    """Whoever runs a peer's operations."""

    def prepare(
        self, operation: str, incomes: Float[np.ndarray, " people"]
    ) -> tuple[PeerLaw, Float[np.ndarray, " people"] | None]:
        """Return the law under which the operation runs and what it found, in a first run."""
        ...

    def seconds(self, calls: int) -> float:
        """Return the seconds that so many more runs take together, one after the other."""
        ...


def seconds_of(run: Callable[[], Any], calls: int) -> float:
    """Return the seconds that so many runs take in this process, one after the other."""
    begun = time.perf_counter()
    for _ in range(calls):
        run()
    return time.perf_counter() - begun


class InNumpy:
    """NumPy in this process: US federal taxes of single people, a side to be entered."""

    _run: Callable[[], Any]

    def prepare(
        self, operation: str, incomes: Float[np.ndarray, " people"]
    ) -> tuple[PeerLaw, Float[np.ndarray, " people"]]:
        """Return federal law and everybody's tax, "broadcast" or by "searchsorted"."""
        law = us_federal(2024)
        thresholds, rates = (np.asarray(part, np.float64) for part in (law.thresholds, law.rates))
        schedule = NumpySchedule(thresholds, rates)
        taxes = {"broadcast": schedule.broadcast_tax, "searchsorted": schedule.searchsorted_tax}
        self._run = lambda: taxes[operation](incomes)
        return PeerLaw(thresholds.tolist(), rates.tolist()), self._run()

    def seconds(self, calls: int) -> float:
        """Return the seconds that so many more runs take together."""
        return seconds_of(self._run, calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Peer:
    """A peer's program, to be used as a context manager.

    Raises:
        Mistake: of every method, if the program fails; the message ends with its last line.
    """

    def __init__(self, name: str, python: Path):
        self.name = name
        self._folder = tempfile.TemporaryDirectory()
        self._said = (Path(self._folder.name) / "said.txt").open("w+", encoding="utf-8")
        program = [str(_PROGRAMS / "serving.py"), f"run_{name.replace('-', '_')}"]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(python), *program],
            cwd=self._folder.name,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def prepare(
        self, operation: str, incomes: Float[np.ndarray, " people"]
    ) -> tuple[PeerLaw, Float[np.ndarray, " people"] | None]:
        """Return the law under which the operation runs and what it found, after a first run."""
        given, found = (Path(self._folder.name) / name for name in ("incomes.npy", "result.npy"))
        found.unlink(missing_ok=True)
        np.save(given, incomes)
        answer = self._ask({"prepare": operation, "incomes": str(given), "result": str(found)})
        law = PeerLaw(answer["thresholds"], answer["rates"])
        return law, np.load(found) if found.is_file() else None

    def seconds(self, calls: int) -> float:
        """Return the seconds that so many more runs take together, by the peer's own clock."""
        return self._ask({"calls": calls})["seconds"]

    def _ask(self, order: dict[str, str] | dict[str, int]) -> dict[str, Any]:
        orders, answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        try:
            orders.write(json.dumps(order) + "\n")
            orders.flush()
            answer = answers.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        self._said.seek(0)
        last = self._said.read().strip().splitlines()[-1:] or ["nothing was said"]
        raise Mistake(f"The program of {self.name} failed: {last[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()
        self._said.close()
        self._folder.cleanup()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
