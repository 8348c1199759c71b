"""The command line: one command per experiment."""

import contextlib
import dataclasses
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import tyro

from experiments import jobs
from experiments.audit import AuditConfig, audit, print_audit
from experiments.benchmarks import engines, learning, llm, surrogate
from experiments.benchmarks.core import CoreBenchmarkConfig, measure
from experiments.benchmarks.tables import print_core, print_engines, print_llm
from experiments.config import CompareConfig
from experiments.consoles import NOTES, Mistake, mistakes, results
from experiments.contest import ContestConfig, run_contest
from experiments.fidelity import FidelityConfig, run_fidelity
from experiments.optimum import OptimumConfig, find_optimum, print_optimum
from experiments.optimum_models import run_model_optimum
from experiments.parity import preset, reference_welfare
from experiments.people import PersonasConfig, print_people
from experiments.scoreboard import ScoreboardConfig
from experiments.scoreboard_tables import run_scoreboard
from experiments.simulate_config import SimulateConfig
from experiments.transfer import TransferConfig
from experiments.transfer_tables import run_transfer
from llm_policy.engine import EngineError


@dataclass(frozen=True)
class ParityConfig:
    """Print the welfare of the LLM Economist's economies at 40 hours and 2024 federal rates."""


def main() -> None:
    """Run a command; what the user can mend is told in one line, with exit code 2 (130 if interrupted)."""
    jax.config.update("jax_enable_x64", True)
    commands = {
        "compare": (CompareConfig, functools.partial(jobs.start, "compare")),
        "simulate": (SimulateConfig, functools.partial(jobs.start, "simulate")),
        "resume": (jobs.ResumeConfig, jobs.resume),
        "replay": (jobs.ReplayConfig, jobs.replay),
        "personas": (PersonasConfig, _personas),
        "audit": (AuditConfig, _audit),
        "fidelity": (FidelityConfig, run_fidelity),
        "scoreboard": (ScoreboardConfig, run_scoreboard),
        "contest": (ContestConfig, run_contest),
        "transfer": (TransferConfig, run_transfer),
        "optimum": (OptimumConfig, _optimum),
        "parity": (ParityConfig, _parity),
        "benchmark": (
            CoreBenchmarkConfig,
            functools.partial(_benchmark, lambda *of: measure(*of), print_core),
        ),
    }
    kinds: dict[str, Any] = {name: kind for name, (kind, _) in commands.items()} | {"benchmark": _BENCHMARKS}
    runs = dict(commands.values()) | {
        llm.LLMBenchmarkConfig: functools.partial(_benchmark, llm.run, print_llm),
        engines.EnginesBenchmarkConfig: functools.partial(_benchmark, engines.run, print_engines),
        learning.LearningBenchmarkConfig: functools.partial(
            _benchmark, learning.run, learning.print_learning
        ),
        surrogate.SurrogateBenchmarkConfig: functools.partial(
            _benchmark, surrogate.run, surrogate.print_surrogate
        ),
    }
    config = tyro.extras.subcommand_cli_from_dict(kinds, prog="econjax")
    try:
        runs[type(config)](config)
    except (Mistake, EngineError, OSError) as error:
        NOTES.print(f"econjax: {error}", style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        NOTES.print("econjax: interrupted.")
        sys.exit(130)


_BENCHMARKS = (
    Annotated[CoreBenchmarkConfig, tyro.conf.subcommand("core")]
    | Annotated[llm.LLMBenchmarkConfig, tyro.conf.subcommand("llm")]
    | Annotated[engines.EnginesBenchmarkConfig, tyro.conf.subcommand("engines")]
    | Annotated[learning.LearningBenchmarkConfig, tyro.conf.subcommand("learning")]
    | Annotated[surrogate.SurrogateBenchmarkConfig, tyro.conf.subcommand("surrogate")]
)


def _audit(config: AuditConfig) -> None:
    with mistakes():
        config.check()
    with contextlib.closing(jobs.engine_of(config)) as engine, NOTES.status("") as status:
        found = audit(config, engine, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        print_audit(found, results())


def _personas(config: PersonasConfig) -> None:
    with mistakes():
        config.check()
    print_people(config, results())


def _parity(config: ParityConfig) -> None:
    for tag, origin in _PARITY.items():
        print(f"{tag}: inverse-income welfare {reference_welfare(preset(tag)):.3f} ({origin})")


_PARITY = {
    "E1": "the paper's synchronous code; it gives 165.883",
    "E2": "asynchronous code, variant A1; its published run begins at 166.722 with 40.25 mean hours",
}


def _optimum(config: OptimumConfig) -> None:
    with mistakes():
        config.check()
    if config.workers == "llm":
        return run_model_optimum(config)
    with NOTES.status("searching with gradients, then without"):
        found = find_optimum(config)
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        print_optimum(found, results())


def _benchmark(run: Callable, show: Callable, config: Any) -> None:
    """Check, run and show a benchmark, in the precision that it has if it has one."""
    with mistakes():
        config.check()
    if hasattr(config, "precision"):
        jax.config.update("jax_enable_x64", config.precision == "float64")
    with NOTES.status("") as status:
        benchmark = run(config, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(benchmark), indent=2, allow_nan=False))
    else:
        show(benchmark, results())


if __name__ == "__main__":
    main()
