"""`econjax benchmark against`: ratios of this checkout to another, in turns, with their spread."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

import experiments
from experiments.benchmarks.config import AgainstBenchmarkConfig, RowName
from experiments.benchmarks.probes import AVERSIONS, ELASTICITIES
from experiments.benchmarks.timing import machine, ratio
from experiments.report.console import Mistake

_CENT = 0.005
_DOLLARS = ("equivalent", "regret", "rebate")


class Side(NamedTuple):
    """A checkout: what it is called, and its folder."""

    name: str
    tree: Path


class Sample(NamedTuple):
    """What one side took in one turn, by figure; `tables` are what it printed, if it compares."""

    figures: Mapping[str, float]
    tables: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AgainstRow:
    """One figure on both sides: the medians over turns, and this side's over the other's by turn.

    The ratio is the median of the turns' ratios, `least` and `most` the ends of their range; None
    where the other side has nothing to divide by.
    """

    row: str
    figure: str
    this: float
    other: float
    ratio: float | None
    least: float | None
    most: float | None


@dataclass(frozen=True)
class AgainstBenchmark:
    """Both sides, all figures, and the cells where a comparison's tables differ by a cent or more.

    `differences` is None where no comparison was run.
    """

    machine: dict[str, Any]
    sides: dict[str, str]
    turns: int
    rows: list[AgainstRow]
    differences: list[str] | None


def run_against(
    config: AgainstBenchmarkConfig, on_start: Callable[[str], None] = lambda what: None
) -> AgainstBenchmark:
    """Let both sides take turns at every row that was chosen.

    Raises:
        Mistake: there is no checkout there, or a side cannot do what is measured.
    """
    this, other = Side("this", _HERE), Side("other", config.other.resolve())
    if not (other.tree / "experiments" / "cli.py").is_file():
        raise Mistake(
            f"{other.tree} is no checkout of this project: it holds no experiments/cli.py."
        )
    probes = _probes(config)
    rows, differences = [], None
    for row in config.rows:
        samples = measure_in_turns(row, probes[row], (this, other), config.turns, on_start)
        rows += _rows(row, samples)
        if row == "compare":
            differences = _differences(
                *(samples[name][-1].tables or {} for name in ("this", "other"))
            )
    sides = {side.name: f"{side.tree} {_commit(side.tree)}".strip() for side in (this, other)}
    return AgainstBenchmark(machine(), sides, config.turns, rows, differences)


def measure_in_turns(
    row: str,
    probe: Callable[[Side], Sample],
    sides: tuple[Side, Side],
    turns: int,
    on_start: Callable[[str], None] = lambda what: None,
) -> dict[str, list[Sample]]:
    """Return what each side took in each turn; who begins a turn changes: A B, B A, A B, ..."""
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    for turn in range(turns):
        for side in sides if turn % 2 == 0 else sides[::-1]:
            on_start(f"{row}: {side.name} side, turn {turn + 1} of {turns}")
            samples[side.name].append(probe(side))
    return samples


def print_against(found: AgainstBenchmark, console: Console) -> None:
    """Print both sides, a line for each figure, and where the tables of the comparison differ."""
    console.print(", ".join(f"{name} {value}" for name, value in found.machine.items()))
    for name, where in found.sides.items():
        console.print(f"{name}: {where}", markup=False)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("row", "figure", "this", "other", "ratio", "least", "most"):
        table.add_column(
            column, justify="left" if column in ("row", "figure") else "right", no_wrap=True
        )
    for row in found.rows:
        ratios = (
            "–" if value is None else f"{value:.3f}" for value in (row.ratio, row.least, row.most)
        )
        table.add_row(row.row, row.figure, f"{row.this:,.4g}", f"{row.other:,.4g}", *ratios)
    console.print(table)
    console.print(
        f"Medians over {found.turns} turns. A ratio is this side's figure over the other's in the "
        "same turn: its median, and the least and the most. Of seconds, less is better; of answers "
        "a second, more."
    )
    if found.differences is not None:
        console.print(
            f"Cells of the comparison's tables that differ by a cent: {len(found.differences)}"
        )
        for line in found.differences:
            console.print(line, markup=False)


_HERE = Path(experiments.__file__).resolve().parents[1]
_CLI = ("-m", "experiments.cli")
_PROBES = Path(__file__).with_name("probes.py")


def _probes(config: AgainstBenchmarkConfig) -> dict[RowName, Callable[[Side], Sample]]:
    """Return how each row is measured on a side."""
    brackets = [str(number) for number in config.brackets]
    sizes = ["--sizes", *(str(size) for size in config.sizes)]
    return {
        "help": _help,
        "compare": _compare,
        "compile": lambda side: _script(
            side, "compile", *brackets, name="{} brackets, CPU seconds"
        ),
        "eager": lambda side: _script(side, "eager", name="{}, compilations of a second call"),
        "core": lambda side: _core(side, sizes),
        "engines": lambda side: _script(side, "answers", name="{}, answers a second"),
        "sweep": lambda side: _sweep(side, config.sweep_seeds),
        "tests": _tests,
    }


class _Ran(NamedTuple):
    """What a process printed and took, with all that it started."""

    out: str
    seconds: float
    processor_seconds: float


def _python(side: Side, *arguments: str, cache: str = "off", cwd: Path | None = None) -> _Ran:
    """Run this Python on a side's code, which keeps what it compiles where `cache` says.

    Raises:
        Mistake: it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(side.tree), "ECONJAX_CACHE": cache}
    before, begun = _processor(), time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:
        ran = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=cwd or empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        last = (ran.stderr or ran.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise Mistake(f"{side.tree} failed at python {' '.join(arguments)}: {last[0]}")
    return _Ran(ran.stdout, time.perf_counter() - begun, _processor() - before)


def _processor() -> float:
    """Return the CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _help(side: Side) -> Sample:
    ran = _python(side, *_CLI, "--help")
    return Sample({"econjax --help, CPU seconds": ran.processor_seconds})


_FEWER = ("--no-uninformed", "--repetitions", "1")
"""What a comparison is told to ask no more than before it had uninformed planners and years."""


def _compare(side: Side) -> Sample:
    """Compare as everybody does, and by the questions that both sides ask."""
    everything = _compare_twice(side)
    helped = _python(side, *_CLI, "compare", "--help").out
    same = _compare_twice(side, *_FEWER) if _FEWER[0] in helped else everything
    figures = {f"{name}, the same questions": value for name, value in same.figures.items()}
    return Sample({**everything.figures, **figures}, same.tables)


def _compare_twice(side: Side, *told: str) -> Sample:
    """Compare twice, first with nothing kept, then with what the first has kept."""
    figures, tables = {}, {}
    with tempfile.TemporaryDirectory() as home:
        for which in ("first", "second"):
            place = ("--runs", f"{home}/runs", "--name", which)
            ran = _python(side, *_CLI, "compare", "--json", *told, *place, cache=f"{home}/cache")
            figures[f"{which} run, seconds"] = ran.seconds
            figures[f"{which} run, CPU seconds"] = ran.processor_seconds
            tables = json.loads(ran.out)["tables"]
    return Sample(figures, tables)


def _script(side: Side, *arguments: str, name: str) -> Sample:
    found = json.loads(_python(side, str(_PROBES), *arguments).out)
    return Sample({name.format(key): value for key, value in found.items()})


def _core(side: Side, sizes: Sequence[str]) -> Sample:
    ran = _python(side, *_CLI, "benchmark", "core", "--json", *sizes)
    rows = json.loads(ran.out)["rows"]
    return Sample(
        {f"{row['operation']}, {row['workers']:,}, seconds": row["seconds"] for row in rows}
    )


def _sweep(side: Side, seeds: int) -> Sample:
    """Sweep over economies by the side's command or, if it has none, by hand."""
    name = f"{seeds} draws x {len(ELASTICITIES) * len(AVERSIONS)} economies"
    if (side.tree / "experiments" / "sweep").is_dir():
        with tempfile.TemporaryDirectory() as home:
            file = Path(home) / "sweep.toml"
            file.write_text(
                f"[incomes]\nagents = 10_000\n[sweep]\nseeds = {seeds}\n[vary]\n"
                f'"preferences.elasticity" = {list(ELASTICITIES)}\n'
                f'"welfare.aversion" = {list(AVERSIONS)}\n',
                encoding="utf-8",
            )
            ran = _python(side, *_CLI, "sweep", str(file), "--runs", home, "--json")
        gains = [row["gain"]["value"] for row in json.loads(ran.out)["rows"]]
        gain = statistics.fmean(gains)
    else:
        ran = _python(side, str(_PROBES), "sweep", str(seeds))
        gain = json.loads(ran.out)["gain"]
    return Sample(
        {
            f"{name}, seconds": ran.seconds,
            f"{name}, CPU seconds": ran.processor_seconds,
            f"{name}, mean gain $": gain,
        }
    )


def _tests(side: Side) -> Sample:
    ran = _python(side, "-m", "pytest", "-n", "2", cwd=side.tree)
    return Sample(
        {"pytest -n 2, seconds": ran.seconds, "pytest -n 2, CPU seconds": ran.processor_seconds}
    )


def _rows(row: str, samples: Mapping[str, Sequence[Sample]]) -> list[AgainstRow]:
    """Return a line for each figure that both sides have."""
    this, other = samples["this"], samples["other"]
    rows = []
    for figure in this[0].figures:
        if all(figure in sample.figures for sample in other):
            ours, theirs = ([sample.figures[figure] for sample in side] for side in (this, other))
            rows.append(_row(row, figure, ours, theirs))
    return rows


def _row(row: str, figure: str, ours: Sequence[float], theirs: Sequence[float]) -> AgainstRow:
    medians = (statistics.median(ours), statistics.median(theirs))
    if not all(theirs):
        return AgainstRow(row, figure, *medians, None, None, None)
    pairs = [a / b for a, b in zip(ours, theirs, strict=True)]
    return AgainstRow(row, figure, *medians, ratio(ours, theirs).median, min(pairs), max(pairs))


def _differences(this: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the dollar cells where two comparisons differ by a cent or more, or that one lacks."""
    ours, theirs = _cells(this), _cells(other)
    lines = [
        f"{cell}: only {'this' if cell in ours else 'the other'} side"
        for cell in ours.keys() ^ theirs
    ]
    for cell in ours.keys() & theirs:
        if abs(ours[cell] - theirs[cell]) >= _CENT:
            lines.append(f"{cell}: {ours[cell]:,.2f} here, {theirs[cell]:,.2f} there")
    return sorted(lines)


def _cells(tables: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{title}, {row['planner']}, {name}": row[name]
        for title, rows in tables.items()
        for row in rows
        for name in _DOLLARS
        if isinstance(row.get(name), int | float)
    }


def _commit(tree: Path) -> str:
    """Return a checkout's commit, with a + if files differ from it; nothing if git knows none."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(tree), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
