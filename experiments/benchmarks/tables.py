"""The core's benchmark for people: what was measured, what it is held to, and how to read it."""

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.benchmarks.core import CoreBenchmark, Row, Verdict


def print_core(benchmark: CoreBenchmark, console: Console) -> None:
    """Print the machine, the measurements, the bars, and what the columns mean."""
    console.print(", ".join(f"{name} {value}" for name, value in benchmark.machine.items()))
    table = _empty(*_COLUMNS)
    for row, after in zip(benchmark.rows, [*benchmark.rows[1:], None], strict=True):
        table.add_row(*_cells(row), end_section=after is not None and after.workers != row.workers)
    console.print(table, crop=False, width=_WIDTH)
    bars = _empty("bar", "workers", "measured", "by least times", "bar", "met")
    for verdict in benchmark.bars:
        bars.add_row(*_verdict(verdict))
    console.print(bars, crop=False, width=_WIDTH)
    for remark in _LEGEND:
        console.print(remark)


_WIDTH = 10_000
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
    "NumPy broadcast /",
    "searchsorted /",
    "/ power",
    "/ copy",
    "/ by hand",
)
_LEGEND = (
    "compile: tracing, lowering and compiling. run: median of the rounds, after a warm-up; least: the "
    "shortest. bytes: arguments, outputs and temporary buffers as the compiler lays them out.",
    "NumPy broadcast /, searchsorted /: times as fast as that NumPy form on the CPU. / power, / copy, / by "
    "hand: times as long as one pass of jnp.power with a traced exponent over as many numbers, as one "
    "copy of them (the memory limit), as one hand-written function with the same arithmetic.",
    "Sides of a ratio take turns in one loop; a ratio is the median over the rounds. Workers are the "
    "quantile grid of ACS-2023 incomes in random order, the schedule US federal 2024.",
    "Bars are set for float32 on two CPU cores, and met where both the median and the least times meet them.",
)


def _empty(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column in ("operation", "bar") else "right", no_wrap=True)
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.operation + (f" ({row.note})" if row.note else ""),
        f"{row.workers:,}",
        f"{row.compile_seconds:.2f}",
        f"{1e3 * row.seconds:,.3f}",
        f"{1e3 * row.least_seconds:,.3f}",
        str(row.rounds),
        f"{row.workers_per_second:.2e}",
        "-" if row.bytes_per_worker is None else f"{row.bytes_per_worker:,.0f}",
        *(f"{row.ratios[name].median:,.2f}" if name in row.ratios else "-" for name in _REFERENCES),
    )


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    measured = verdict.measured
    return (
        f"{verdict.operation}, against {verdict.reference}",
        f"{verdict.workers:,}",
        f"{measured.median:.2f}" if measured else "not run",
        f"{measured.least:.2f}" if measured else "-",
        f"{'at least' if verdict.at_least else 'at most'} {verdict.bar:g}",
        "-" if verdict.met is None else "yes" if verdict.met else "NO",
    )
