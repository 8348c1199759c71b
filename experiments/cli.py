"""The command line: econjax compare, resume, replay, optimum, parity, benchmark."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from econjax import us_federal
from experiments.benchmarks.core import CoreBenchmarkConfig, measure
from experiments.benchmarks.tables import print_core
from experiments.compare import OPTIMISER, Comparison, compare
from experiments.config import CompareConfig
from experiments.engines import start_engine
from experiments.optimum import OptimumConfig, find_optimum, print_optimum
from experiments.parity import preset, reference_welfare
from experiments.plots import plot_schedules, plot_welfare
from experiments.runs import new_run_path, read_config, write_manifest, write_table
from experiments.tables import print_comparison
from llm_policy.engine import Engine, EngineError
from llm_policy.journal import Journal

_ERRORS = Console(stderr=True, soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class ResumeConfig:
    """Finish a run that was cut short: what its journal holds is not asked again."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run directory to finish."""
    server: str | None = None
    """The server that the run asked, if it asked one."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""


@dataclass(frozen=True)
class ReplayConfig:
    """Repeat a finished run from its journal, with no model, and compare the metrics byte by byte."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run directory to repeat."""
    name: str | None = None
    """Name of the new run directory, beside the old one; the old name with "-replay" if not given."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""


@dataclass(frozen=True)
class ParityConfig:
    """Print the welfare of the LLM Economist's economies at 40 hours and 2024 federal rates."""


def main() -> None:
    """Run a command; what the user can mend is told in one line, with exit code 2."""
    jax.config.update("jax_enable_x64", True)
    commands = {
        "compare": (CompareConfig, _compare),
        "resume": (ResumeConfig, _resume),
        "replay": (ReplayConfig, _replay),
        "optimum": (OptimumConfig, _optimum),
        "parity": (ParityConfig, _parity),
        "benchmark": (CoreBenchmarkConfig, _benchmark_core),
    }
    kinds: dict[str, Any] = {name: kind for name, (kind, _) in commands.items()} | {"benchmark": _BENCHMARKS}
    config = tyro.extras.subcommand_cli_from_dict(kinds, prog="econjax")
    with _told_in_one_line(EngineError, OSError):
        next(run for kind, run in commands.values() if kind is type(config))(config)


_BENCHMARKS = (
    Annotated[CoreBenchmarkConfig, tyro.conf.subcommand("core")] | Annotated[None, tyro.conf.Suppress]
)
"""The benchmarks there are; tyro takes a union of at least two."""


@contextlib.contextmanager
def _told_in_one_line(*kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        _ERRORS.print(f"econjax: {error}", style="red", markup=False)
        sys.exit(2)


def _compare(config: CompareConfig) -> None:
    with _told_in_one_line(ValueError):
        config.check()
        path = new_run_path(config.runs, config.name)
    engine = _engine(config) if config.asks_a_model else None
    path.mkdir(parents=True)
    with _journal(engine, path) as journal:
        write_manifest(path, config=config.asdict(), engine=journal and journal.describe())
        _run(config, path, journal, as_json=config.json)


def _resume(config: ResumeConfig) -> None:
    with _told_in_one_line(ValueError):
        old = CompareConfig.fromdict(read_config(config.run))
        if (config.run / "metrics.parquet").exists():
            raise ValueError(f"{config.run} is finished. To repeat it: econjax replay {config.run}")
    engine = _engine(dataclasses.replace(old, server=config.server)) if old.asks_a_model else None
    with _journal(engine, config.run) as journal:
        _run(old, config.run, journal, as_json=config.json)


def _replay(config: ReplayConfig) -> None:
    with _told_in_one_line(ValueError):
        old = CompareConfig.fromdict(read_config(config.run))
        if not (config.run / "metrics.parquet").is_file():
            raise ValueError(
                f"{config.run} has no metrics.parquet: it did not finish. "
                f"To finish it: econjax resume {config.run}"
            )
        path = new_run_path(config.run.parent, config.name or f"{config.run.name}-replay")
    source = Journal(None, config.run / "journal.sqlite") if old.asks_a_model else None
    with contextlib.nullcontext() if source is None else contextlib.closing(source):
        path.mkdir(parents=True)
        write_manifest(path, config=old.asdict(), engine=source and source.describe())
        _run(old, path, source, as_json=config.json)
    if (path / "metrics.parquet").read_bytes() != (config.run / "metrics.parquet").read_bytes():
        raise EngineError(f"metrics.parquet is NOT identical to that of {config.run}: the code has changed.")
    _ERRORS.print(f"metrics.parquet is identical to that of {config.run}")


def _engine(config: CompareConfig) -> Engine:
    return start_engine(
        model=config.model,
        server=config.server,
        temperature=config.temperature,
        context=config.context,
    )


@contextlib.contextmanager
def _journal(engine: Engine | None, path: Path) -> Iterator[Journal | None]:
    """Open the run's journal around an engine; say how to go on if the engine fails."""
    if engine is None:
        yield None
        return
    with contextlib.closing(Journal(engine, path / "journal.sqlite")) as journal:
        try:
            yield journal
        except KeyboardInterrupt:
            _ERRORS.print(f"econjax: interrupted. Answers so far are kept; to go on: econjax resume {path}")
            sys.exit(130)
        except EngineError as error:
            raise EngineError(f"{error} Answers so far are kept; to go on: econjax resume {path}") from error


def _parity(config: ParityConfig) -> None:
    for tag, origin in _PARITY.items():
        print(f"{tag}: inverse-income welfare {reference_welfare(preset(tag)):.3f} ({origin})")


_PARITY = {
    "E1": "the paper's synchronous code; it gives 165.883",
    "E2": "asynchronous code, variant A1; its published run begins at 166.722 with 40.25 mean hours",
}


def _optimum(config: OptimumConfig) -> None:
    with _told_in_one_line(ValueError):
        config.check()
    with _ERRORS.status("searching with gradients, then without"):
        found = find_optimum(config)
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        print_optimum(found, _console())


def _benchmark_core(config: CoreBenchmarkConfig) -> None:
    with _told_in_one_line(ValueError):
        config.check()
    jax.config.update("jax_enable_x64", config.precision == "float64")
    with _ERRORS.status("") as status:
        benchmark = measure(config, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(benchmark), indent=2, allow_nan=False))
    else:
        print_core(benchmark, _console())


def _run(config: CompareConfig, path: Path, journal: Journal | None, *, as_json: bool) -> None:
    """Compare, write what came out into the run directory, print."""
    description = journal.describe() if journal else None
    started = time.perf_counter()
    comparison = _with_progress(config, journal)
    write_table(path / "metrics.parquet", comparison.metrics)
    write_table(path / "timings.parquet", _timings(comparison))
    law = us_federal(config.year, config.status)
    plot_schedules(comparison, law, path / "schedules.png")
    plot_welfare(comparison, path / "welfare.png")
    if as_json:
        tables = {w: [dataclasses.asdict(row) for row in rows] for w, rows in comparison.tables.items()}
        print(
            json.dumps({"run": str(path), "engine": description, "tables": tables}, indent=2, allow_nan=False)
        )
        return
    remarks = _remarks(config, description, journal)
    console = _console()
    print_comparison(comparison, console, remarks=remarks)
    console.print(f"{time.perf_counter() - started:.0f} s for the comparison. Run directory: {path}")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 230, highlight=False)


def _with_progress(config: CompareConfig, journal: Journal | None) -> Comparison:
    columns = (TextColumn("{task.description:<50}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_ERRORS) as progress:
        tasks = {}

        def on_progress(welfare: str, planner: str, done: int) -> None:
            name = f"{welfare}: {planner}"
            if name not in tasks:
                tasks[name] = progress.add_task(
                    name, total=None if planner == OPTIMISER else config.evaluations
                )
            progress.update(tasks[name], completed=done)

        return compare(config, journal, on_progress)


def _timings(comparison: Comparison) -> list[dict]:
    return [
        {"welfare": welfare, "planner": row.planner, "seconds": row.seconds, "calls": row.calls}
        for welfare, rows in comparison.tables.items()
        for row in rows
    ]


def _remarks(config: CompareConfig, description: dict | None, journal: Journal | None) -> list[str]:
    people = "language-model" if config.workers == "llm" else "rational"
    remarks = [
        f"{config.size:,} {people} workers on the quantile grid of ACS-2023 incomes, calibrated to "
        f"{config.year} {config.status} law, elasticity {config.elasticity:g}, seed {config.seed}."
    ]
    if config.workers == "llm":
        remarks.append(
            f"One evaluation is a tax year of {config.tax_year} steps; ± is the standard error of its mean, "
            "steps taken as independent. Language models have no gradient: the gradient planner hears that "
            "of rational workers."
        )
    if journal and description:
        remarks.append(
            f"Model: {description['model']}; {journal.calls:,} answers, {journal.prompt_tokens:,} tokens "
            f"read, {journal.answer_tokens:,} written."
        )
        if description.get("noise"):
            remarks.append("THIS MODEL HAS RANDOM WEIGHTS: ITS ANSWERS ARE NOISE. See --model and --server.")
    return remarks


if __name__ == "__main__":
    main()
