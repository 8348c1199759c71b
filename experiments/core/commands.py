"""Every command in one table: what it does in a line, and where its choices and its work are.

Nothing of a command is imported before it is chosen: the line of help is all that its neighbours
show.
"""

import dataclasses
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple


class Command(NamedTuple):
    """A command: its line of help, its choices' dataclass, its work and its tables.

    The last three as "module:name". `run(choices, progress)` returns what `tables(found, console)`
    prints, or what stands in JSON in their place; without `tables` it prints by itself. One that
    `leaves_run` is begun, resumed and replayed by `runs.lifecycle`: its choices are `RunChoices`,
    and `run(choices, directory, session)` returns a `runs.result.Result`.
    """

    summary: str
    config: str
    run: str
    tables: str = ""
    leaves_run: bool = False

    def kind(self, *, loaded: bool) -> Any:
        """Return the dataclass of its choices or, without importing it, an empty stand-in."""
        return (
            pkgutil.resolve_name(self.config)
            if loaded
            else dataclasses.make_dataclass("Unnamed", [])
        )

    def load_run(self) -> Callable[..., Any]:
        """Return what does its work."""
        return pkgutil.resolve_name(self.run)

    def load_tables(self) -> Callable[..., None]:
        """Return what prints its tables."""
        return pkgutil.resolve_name(self.tables)


COMMANDS = {
    "compare": Command(
        "Compare planners on the same economy, with the same seed and number of evaluations.",
        "experiments.compare.config:CompareConfig",
        "experiments.compare.command:run_compare",
        "experiments.compare.tables:print_compared",
        leaves_run=True,
    ),
    "simulate": Command(
        "Let workers live through tax years, under a planner or elected leaders.",
        "experiments.simulate.config:SimulateConfig",
        "experiments.simulate.command:run_simulate",
        "experiments.simulate.tables:print_simulated",
        leaves_run=True,
    ),
    "resume": Command(
        "Finish a run that was cut short, within its limits: nothing in its journal is asked "
        "again.",
        "experiments.runs.config:ResumeConfig",
        "experiments.runs.lifecycle:resume",
    ),
    "replay": Command(
        "Repeat a finished run from its journal, with no model, and compare metrics byte by byte.",
        "experiments.runs.config:ReplayConfig",
        "experiments.runs.lifecycle:replay",
    ),
    "personas": Command(
        "Compare personas, for skills on the ACS-2023 income quantile grid, with published "
        "figures.",
        "experiments.personas.config:PersonasConfig",
        "experiments.personas.command:compare_people",
        "experiments.personas.tables:print_people",
    ),
    "audit": Command(
        "Compare a model's answers, as workers and as a planner, to questions asked in many ways.",
        "experiments.audit.config:AuditConfig",
        "experiments.audit.command:run_audit",
        "experiments.audit.tables:print_audit",
        leaves_run=True,
    ),
    "people": Command(
        "Hold workers against published moments of people: hours, elasticities, bunching, votes.",
        "experiments.people.config:PeopleConfig",
        "experiments.people.command:run_people",
        "experiments.people.tables:print_certificate",
        leaves_run=True,
    ),
    "sense": Command(
        "Ask a model about taxes: does it respond, does it answer alike, can it reckon.",
        "experiments.sense.config:SenseConfig",
        "experiments.sense.command:run_sense",
        "experiments.sense.tables:print_sense",
        leaves_run=True,
    ),
    "sense-tasks": Command(
        "Write the questions of `sense` as tasks for Inspect and lm-evaluation-harness.",
        "experiments.sense.config:SenseTasksConfig",
        "experiments.sense.tasks:run_sense_tasks",
    ),
    "fidelity": Command(
        "Measure the small model against the known formula it imitates, as worker and as planner.",
        "experiments.fidelity.config:FidelityConfig",
        "experiments.fidelity.command:run_fidelity",
        "experiments.fidelity.command:print_fidelity",
    ),
    "scoreboard": Command(
        "Let planners plan on several economies, each drawn several times, and print their regret.",
        "experiments.scoreboard.config:ScoreboardConfig",
        "experiments.scoreboard.command:run_scoreboard",
        "experiments.scoreboard.tables:print_scoreboard",
        leaves_run=True,
    ),
    "contest": Command(
        "Let planners ask the same language-model workers equally often, one by surrogate "
        "gradient.",
        "experiments.contest.config:ContestConfig",
        "experiments.contest.command:run_contest",
        "experiments.contest.tables:print_contest",
        leaves_run=True,
    ),
    "transfer": Command(
        "Let planners learn from rational workers and from language models, and set taxes for "
        "both.",
        "experiments.transfer.config:TransferConfig",
        "experiments.transfer.command:run_transfer",
        "experiments.transfer.tables:print_transfer",
        leaves_run=True,
    ),
    "optimum": Command(
        "Search the best schedule on today's brackets two ways, and bound what any could bring.",
        "experiments.optimum.config:OptimumConfig",
        "experiments.optimum.command:run_optimum",
        "experiments.optimum.tables:print_optimum",
        leaves_run=True,
    ),
    "sweep": Command(
        "Find the best schedules of thousands of economies at once, and set them beside the law.",
        "experiments.sweep.config:SweepConfig",
        "experiments.sweep.command:run_sweep",
        "experiments.sweep.tables:print_swept",
        leaves_run=True,
    ),
    "study": Command(
        "Do a list of runs with factors and seeds, each in a directory, under one budget.",
        "experiments.study.config:StudyConfig",
        "experiments.study.command:run_study",
    ),
    "collect": Command(
        "Join the metrics of runs, of any command, in one file: a row for each number.",
        "experiments.collect.config:CollectConfig",
        "experiments.collect.command:run_collect",
    ),
    "report": Command(
        "Write report.html into run directories: one file with figures, tables and transcripts.",
        "experiments.pages.config:ReportConfig",
        "experiments.pages.command:run_report",
    ),
    "reform": Command(
        "Show who wins, who loses, and how much, where one schedule takes the place of another.",
        "experiments.reform.config:ReformConfig",
        "experiments.reform.command:run_reform",
    ),
    "parity": Command(
        "Print the welfare of the LLM Economist's economies at 40 hours and 2024 federal rates.",
        "experiments.parity.config:ParityConfig",
        "experiments.parity.command:run_parity",
    ),
}
ECONOMY = "economy"
ECONOMY_COMMANDS = {
    "init": Command(
        "Write an economy file, in which every key stands with what it means.",
        "experiments.economy.config:InitConfig",
        "experiments.economy.command:run_init",
    ),
    "describe": Command(
        "Describe the people of an economy, and the law, beside published figures.",
        "experiments.economy.config:DescribeConfig",
        "experiments.economy.command:run_describe",
    ),
}
BENCHMARK = "benchmark"
BENCHMARKS = {
    "core": Command(
        "Time taxes, responses and welfare gradients against NumPy and the machine's own limits.",
        "experiments.benchmarks.config:CoreBenchmarkConfig",
        "experiments.benchmarks.core:measure_core",
        "experiments.benchmarks.tables:print_core",
    ),
    "llm": Command(
        "Time language-model workers in text and choice mode, and the work around the model.",
        "experiments.benchmarks.config:LLMBenchmarkConfig",
        "experiments.benchmarks.llm:run_llm",
        "experiments.benchmarks.tables:print_llm",
    ),
    "engines": Command(
        "Ask the embedded engine and vLLM the same prompts on the same weights, in turns.",
        "experiments.benchmarks.config:EnginesBenchmarkConfig",
        "experiments.benchmarks.engines:run_engines",
        "experiments.benchmarks.tables:print_engines",
    ),
    "learning": Command(
        "Let a planner and workers learn together by PPO, and a network learn to plan in one call.",
        "experiments.benchmarks.config:LearningBenchmarkConfig",
        "experiments.benchmarks.learning:run_learning",
        "experiments.benchmarks.learning:print_learning",
    ),
    "surrogate": Command(
        "Distil language-model workers into a network, and test it on laws and people it never "
        "saw.",
        "experiments.benchmarks.config:SurrogateBenchmarkConfig",
        "experiments.benchmarks.surrogate:run_surrogate",
        "experiments.benchmarks.surrogate:print_surrogate",
    ),
    "against": Command(
        "Measure this checkout beside another, in turns: ratios, spreads, and tables to the cent.",
        "experiments.benchmarks.config:AgainstBenchmarkConfig",
        "experiments.benchmarks.against:run_against",
        "experiments.benchmarks.against:print_against",
    ),
    "peers": Command(
        "Measure the core beside what users would pick instead, each in an environment of its own.",
        "experiments.benchmarks.config:PeersBenchmarkConfig",
        "experiments.benchmarks.peers.command:run_peers",
        "experiments.benchmarks.peers.command:print_peers",
    ),
}
GROUPS = {
    BENCHMARK: (
        "Measure how fast, and with how much memory, parts of the project are, and against what.",
        BENCHMARKS,
    ),
    ECONOMY: ("Write and describe economy files, which --economy takes.", ECONOMY_COMMANDS),
}
"""Commands of commands, each with its line of help."""
EVERY_COMMAND = COMMANDS | BENCHMARKS | ECONOMY_COMMANDS
