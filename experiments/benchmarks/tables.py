"""Benchmarks for people: what was measured, what it is held to, and how to read it."""

import json

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.benchmarks.core import CoreBenchmark, CoreVerdict, TimedRow
from experiments.benchmarks.engines import EnginesBenchmark
from experiments.benchmarks.llm import LLMBenchmark, LLMVerdict
from experiments.report.disclosure import nature
from llm_policy.engines.base import EngineInfo


def print_core(benchmark: CoreBenchmark, console: Console) -> None:
    """Print the machine, the measurements, the bars, and what the columns mean."""
    console.print(", ".join(f"{name} {value}" for name, value in benchmark.machine.items()))
    table = _empty(*_COLUMNS)
    for row, after in zip(benchmark.rows, [*benchmark.rows[1:], None], strict=True):
        table.add_row(*_cells(row), end_section=after is not None and after.workers != row.workers)
    console.print(table)
    bars = _empty("bar", "workers", "measured", "by least times", "bar", "met")
    for verdict in benchmark.bars:
        bars.add_row(*_verdict(verdict))
    console.print(bars)
    for remark in _LEGEND:
        console.print(remark)


def print_llm(benchmark: LLMBenchmark, console: Console) -> None:
    """Print machine, engine, both modes, the work around the engine, the bars and their meaning."""
    for facts in (benchmark.machine, benchmark.engine):
        console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    console.print(
        f"{benchmark.agents:,} workers, who reread {benchmark.history} latest steps and 5 best "
        f"ones; {benchmark.rounds} rounds. Answer in text mode: {json.dumps(benchmark.answer)}"
    )
    for remark in nature(EngineInfo.of(benchmark.engine)).remarks:
        console.print(remark)
    console.print(_speeds(benchmark))
    console.print(_outside(benchmark))
    bars = _empty("bar", "measured", "bar", "met")
    for verdict in benchmark.bars:
        bars.add_row(verdict.figure, f"{verdict.measured:.1f}", *_limit(verdict))
    console.print(bars)
    for remark in _remarks(benchmark):
        console.print(remark)


def print_engines(benchmark: EnginesBenchmark, console: Console) -> None:
    """Print machine and engines, the speed of each by kind of question, and how they compare."""
    for facts in (benchmark.machine, *benchmark.engines.values()):
        console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    console.print(
        f"{benchmark.agents:,} workers, each asked once a round; with a full memory they reread "
        f"{benchmark.history} latest steps and 5 best ones; {benchmark.rounds} rounds."
    )
    table = _empty("mode", "memory", "engine", *_ENGINES)
    for duel in benchmark.duels:
        for speed in duel.speeds:
            figures = (
                speed.seconds,
                speed.least_seconds,
                speed.first_seconds,
                speed.compile_seconds,
            )
            table.add_row(
                *(duel.mode, duel.memory, speed.engine, f"{speed.answers_per_second:,.1f}"),
                *(f"{figure:,.2f}" for figure in figures),
                *(f"{speed.prompt_tokens:,.0f}", f"{speed.answer_tokens:,.1f}"),
                *(f"{speed.prefix_hits:.1%}", f"{speed.understood:.1%}"),
                end_section=speed is duel.speeds[-1],
            )
    console.print(table)
    for remark in _engine_remarks(benchmark):
        console.print(remark)


_WORDS = {"operation", "bar", "mode", "memory", "engine", "us per prompt"}
_ENGINES = (
    "answers/s",
    "round s",
    "least s",
    "first s",
    "compile s",
    "prompt tokens",
    "answer tokens",
    "prefix hits",
    "read",
)
_REFERENCES = ("numpy broadcast", "numpy searchsorted", "power", "copy", "by hand")
_COLUMNS = (
    "operation",
    "workers",
    "compile s",
    "run ms",
    "least ms",
    "rounds",
    "workers/s",
    "bytes/worker",
    "bandwidth",
    "NumPy broadcast /",
    "searchsorted /",
    "/ power",
    "/ copy",
    "/ by hand",
)
_SPEEDS = (
    "mode",
    "decisions/s",
    "step s",
    "least s",
    "first s",
    "understood",
    "prompt tokens",
    "answer tokens",
    "prefix hits",
    "distinct/all",
)
_LEGEND = (
    "compile: tracing, lowering and compiling. run: median of the rounds, after a warm-up; least: "
    "the shortest. bytes: arguments, outputs and temporary buffers as the compiler lays them out. "
    "bandwidth: bytes of arguments and outputs a second, of those that a copy moves.",
    "NumPy broadcast /, searchsorted /: times as fast as that NumPy form on the CPU. / power, / "
    "copy, / by hand: times as long as one pass of jnp.power with a traced exponent over as many "
    "numbers, as one copy of them (the memory limit), as one hand-written function with the same "
    "arithmetic.",
    "Sides of a ratio take turns in one loop; a ratio is the median over the rounds. Workers are "
    "the quantile grid of ACS-2023 incomes in random order, the schedule US federal 2024.",
    "Bars are set for float32 on two CPU cores, and met where both the median and the least times "
    "meet them.",
)


def _empty(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column in _WORDS else "right", no_wrap=True)
    return table


def _cells(row: TimedRow) -> tuple[str, ...]:
    return (
        row.operation + (f" ({row.note})" if row.note else ""),
        f"{row.workers:,}",
        f"{row.compile_seconds:.2f}",
        f"{1e3 * row.seconds:,.3f}",
        f"{1e3 * row.least_seconds:,.3f}",
        str(row.rounds),
        f"{row.workers_per_second:.2e}",
        "-" if row.bytes_per_worker is None else f"{row.bytes_per_worker:,.0f}",
        "-" if row.bandwidth is None else f"{row.bandwidth:.0%}",
        *(f"{row.ratios[name].median:,.2f}" if name in row.ratios else "-" for name in _REFERENCES),
    )


def _verdict(verdict: CoreVerdict) -> tuple[str, ...]:
    measured = verdict.measured
    return (
        f"{verdict.operation}, against {verdict.reference}",
        f"{verdict.workers:,}",
        f"{measured.median:.2f}" if measured else "not run",
        f"{measured.least:.2f}" if measured else "-",
        *_limit(verdict),
    )


def _limit(verdict: CoreVerdict | LLMVerdict) -> tuple[str, str]:
    return (
        f"{'at least' if verdict.at_least else 'at most'} {verdict.bar:g}",
        "-" if verdict.met is None else "yes" if verdict.met else "NO",
    )


def _speeds(benchmark: LLMBenchmark) -> Table:
    table = _empty(*_SPEEDS)
    for speed in benchmark.speeds:
        table.add_row(
            speed.mode,
            f"{speed.decisions_per_second:,.1f}",
            f"{speed.seconds:,.2f}",
            f"{speed.least_seconds:,.2f}",
            f"{speed.first_seconds:,.2f}",
            f"{speed.understood:.1%}",
            f"{speed.prompt_tokens:,.0f}",
            f"{speed.answer_tokens:,.1f}",
            f"{speed.prefix_hits:.1%}",
            f"{speed.distinct:.3f}",
        )
    return table


def _outside(benchmark: LLMBenchmark) -> Table:
    table = _empty("us per prompt", "writing", "dedupe", "budget", "journal", "reading", "total")
    for part in benchmark.outside:
        figures = (part.writing, part.dedupe, part.budget, part.journal, part.reading, part.total)
        mode = f"{part.mode}, {'replayed' if part.replayed else 'recorded'}"
        table.add_row(mode, *(f"{figure:,.1f}" for figure in figures))
    return table


def _remarks(benchmark: LLMBenchmark) -> list[str]:
    return [
        f"Choice mode decides {benchmark.choice_over_text.median:.1f} times as fast as text mode "
        f"({benchmark.choice_over_text.least:.1f} by least times): the ratio is the median over "
        "the rounds, where the modes take turns on the same step of the same workers; their "
        "prompts differ in the sentence that says how to answer. Both read the whole prompt, and "
        "only text mode goes on to write: the more of the prompts is new to the engine, the nearer "
        "the ratio is to 1.",
        "decisions: answers that were understood, each worker being asked once; step: all workers, "
        "engine, journal and economy included, the median of the rounds; first: the step that "
        "warms up. Tokens are means per distinct prompt; prefix hits: tokens of prompts that the "
        "engine had read before.",
        "us per prompt: microseconds outside the engine, in the round with the median total, while "
        "a script in this process answers at random. writing: from the memory to the prompts; "
        "reading: from answers or probabilities to the settled economy and the new memory; "
        "recorded: in a new file.",
        *(
            [
                f"Tokenizing, inside the engine: {benchmark.tokenizing:,.1f} microseconds per "
                "personal text."
            ]
            if benchmark.tokenizing is not None
            else []
        ),
        *(
            [f"The engine took {benchmark.start_seconds:,.1f} s to start."]
            if benchmark.start_seconds is not None
            else []
        ),
        "Bars are set for ten remembered steps, one CPU core outside the engine, and an answer of "
        "one field.",
    ]


def _engine_remarks(benchmark: EnginesBenchmark) -> list[str]:
    one, other = benchmark.engines
    remarks = []
    for duel in benchmark.duels:
        line = (
            f"{duel.mode}, {duel.memory}: {one} is {duel.times.median:.2f} times as fast as "
            f"{other} ({duel.times.least:.2f} by least times)"
        )
        if duel.apart is not None:
            line += f"; their log probabilities of an option differ by {duel.apart:.1e} at most"
        remarks.append(line + ".")
        late = sum(speed.late_compile_seconds for speed in duel.speeds)
        if late:
            remarks.append(f"Of the timed rounds {late:.2f} s in all went into compiling.")
    starts = ", ".join(
        f"{name} {seconds:.1f} s" for name, seconds in benchmark.start_seconds.items()
    )
    return [
        *remarks,
        "Both get the same prompts as one batch and take turns; a ratio is the median over the "
        "rounds. No prompt comes twice: first steps are those of new people each round, and "
        "workers with a full memory go one step on. In text mode each engine draws answers of its "
        "own, at temperature 1.",
        "round: median of the rounds; first: the round that warms up, of which compile is XLA's "
        "compiler. Tokens are means per prompt; prefix hits: tokens of prompts that the engine had "
        "read before; read: answers understood.",
        f"Start: {starts}.",
    ]
