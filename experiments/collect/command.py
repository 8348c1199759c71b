"""Collect: read runs, write one file whole, say what was left out."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from experiments.collect.config import CollectConfig
from experiments.collect.rows import collected_schema, long_rows
from experiments.collect.sinks import Sink, to_tensorboard, to_wandb
from experiments.collect.sources import CollectedRun, found_in
from experiments.report.console import NOTES, Mistake, mistakes
from experiments.report.files import whole

LEFT_OUT = 1
"""The exit status where a directory was left out."""


def run_collect(config: CollectConfig) -> None:
    """Collect, write, and say what of.

    Raises:
        Mistake: there is nothing to collect.
        SystemExit: a directory was left out; the others are collected.
    """
    with mistakes():
        config.check()
    sinks = _sinks(config)
    sources, left_out = found_in(config.run)
    for why in left_out.values():
        NOTES.print(f"Left out: {why}")
    if not sources:
        raise Mistake("None of these is a finished run: there is nothing to collect.")
    _say_versions(sources)
    _say_copies(sources)
    schema = collected_schema(sources)
    rows = write_rows((long_rows(source, schema) for source in sources), schema, config.out)
    for source in sources if sinks else ():
        table = long_rows(source, schema)
        for sink in sinks:
            sink(source.name, table)
    _print(config, sources, rows, left_out)
    if left_out:
        sys.exit(LEFT_OUT)


def write_rows(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> int:
    """Write tables into one file, whole or not at all, and return how many rows they have."""
    kind = csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
    count = 0
    with whole(path, shared=True) as file, kind(str(file), schema) as writer:
        for table in tables:
            writer.write_table(table)
            count += len(table)
    return count


def _sinks(config: CollectConfig) -> list[Sink]:
    sinks = []
    if config.tensorboard is not None:
        sinks.append(to_tensorboard(config.tensorboard))
    if config.wandb is not None:
        sinks.append(to_wandb(config.wandb))
    return sinks


def _say_versions(sources: Sequence[CollectedRun]) -> None:
    """Say which runs another version wrote than most of those collected."""
    counts = Counter(source.version for source in sources)
    usual = max(counts, key=lambda version: (counts[version], version))
    for version in sorted(set(counts) - {usual}):
        names = ", ".join(source.name for source in sources if source.version == version)
        NOTES.print(
            f"Written by econjax {version}, most others by {usual}: {names}. The column version "
            "tells them apart."
        )


def _say_copies(sources: Sequence[CollectedRun]) -> None:
    """Say which runs hold the same metrics, as a run and its replay do."""
    for place, source in enumerate(sources):
        same = [other.name for other in sources[:place] if other.metrics.equals(source.metrics)]
        if same:
            NOTES.print(f"{source.name} holds the same metrics as {same[0]}; both are collected.")


def _print(
    config: CollectConfig, sources: Sequence[CollectedRun], rows: int, left_out: Mapping[str, str]
) -> None:
    if config.json:
        said = {"out": str(config.out), "rows": rows, "runs": [s.name for s in sources]}
        print(json.dumps(said | {"left_out": dict(left_out)}, indent=2))
        return
    commands = Counter(source.manifest["command"] for source in sources)
    kinds = ", ".join(f"{number} of {name}" for name, number in sorted(commands.items()))
    print(f"{config.out}: {rows:,} numbers of {len(sources):,} runs ({kinds}).")
