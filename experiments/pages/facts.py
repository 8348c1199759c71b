"""What a run was, as its manifest says it, what it took, and what failed."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from experiments.pages.document import Block, DataTable, PageSection, Prose
from experiments.pages.record import RunRecord
from experiments.pages.transcripts import Proceedings
from experiments.report.disclosure import nature
from experiments.validity.cards import CitedCertificate, ValidityCard, WorkersCard
from llm_policy.engines.base import EngineInfo
from llm_policy.moments.estimates import MomentEstimate


def disclosures(run: RunRecord, recording: Proceedings) -> tuple[str, ...]:
    """Return what must be known of the models that answered, as it stands wherever they are."""
    asked = recording.asked or {"workers": "choice", "planner": "choice"}
    infos = map(EngineInfo.of, run.engines)
    remarks = [remark for info in infos for remark in nature(info, asked).remarks]
    return tuple(dict.fromkeys(remarks))


def economy_words(run: RunRecord) -> tuple[str, ...]:
    """Return in words what the economy of a run is made of."""
    if run.config is None or not hasattr(run.config, "source"):
        return ()
    return (run.config.source.words(), *run.config.notes())


def validity_section(card: ValidityCard) -> PageSection:
    """Return what a run's workers may and may not stand for, with what was measured of them."""
    blocks: list[Block] = []
    for workers in card.workers:
        blocks.append(Prose((workers.line,)))
        said = [("may", one) for one in workers.may] + [("may not", one) for one in workers.may_not]
        blocks.append(DataTable(f"What {workers.model} stands for", ("use", "what"), tuple(said)))
        if workers.certificate is not None:
            blocks.append(_moments_table(workers, workers.certificate))
    return PageSection("Validity", tuple(blocks))


def _moments_table(workers: WorkersCard, cited: CitedCertificate) -> DataTable:
    """Return the moments of a certificate, those after a correction where one was applied."""
    after = workers.corrected_by is not None
    rows = (
        (
            one.moment,
            one.group,
            *_estimated(one.corrected if after and one.corrected else one.workers),
            "-" if one.people is None else f"{one.people:.4g}",
            one.then if after else one.verdict,
        )
        for one in cited.moments
    )
    words = "corrected, as measured when it was fitted" if after else "as answered"
    return DataTable(
        f"{workers.model} beside people",
        ("moment", "of", "workers", "99 % interval", "people", "verdict"),
        tuple(rows),
        note=f"Certificate {cited.name}: {cited.workers:,} workers, {words}; people are "
        f"{cited.people}.",
    )


def _estimated(found: MomentEstimate) -> tuple[str, str]:
    if found.value is None or found.low is None or found.high is None:
        return "-", "-"
    return f"{found.value:.4g}", f"{found.low:.4g} to {found.high:.4g}"


def facts_section(run: RunRecord) -> PageSection:
    """Return what the manifest says: the run, models, versions, choices."""
    manifest = json.loads((run.path / "manifest.json").read_text("utf-8"))
    hardware = manifest.get("hardware") or {}
    status = "finished" if run.finished else "not finished: there is no metrics.parquet"
    rows = {
        "command": run.command,
        "status": status,
        "begun": manifest.get("started"),
        "gone on with": ", ".join(one.get("at", "?") for one in run.manifest["resumed"]) or "never",
        "commit": manifest.get("git_commit"),
        "prompts, digest": run.manifest["prompts"],
        "machine": f"{hardware.get('machine')}, {hardware.get('cores')} cores, "
        f"{', '.join(map(str, hardware.get('devices') or []))}",
    }
    blocks: list[Block] = [DataTable("The run", ("fact", "value"), _pairs(rows))]
    for place, engine in enumerate(run.engines, start=1):
        title = "Model" if len(run.engines) == 1 else f"Model {place}"
        blocks.append(DataTable(title, ("fact", "value"), _pairs(engine)))
    blocks.append(DataTable("Versions", ("package", "version"), _pairs(run.manifest["versions"])))
    blocks.append(DataTable("Choices", ("choice", "value"), _pairs(run.manifest["config"])))
    return PageSection("What was run", tuple(blocks))


def costs_section(run: RunRecord, recording: Proceedings, trouble: str) -> PageSection:
    """Return what a run took, its limits, and what failed; `trouble` is with its journal."""
    prices = run.manifest["limits"].get("prices") or (0.0, 0.0)
    dollars = (prices[0] * recording.read_tokens + prices[1] * recording.written_tokens) / 1e6
    rows: dict[str, Any] = {"seconds, all": _seconds(run)}
    if run.engines:
        rows |= {
            "answers of models": f"{recording.total:,}",
            "tokens read": f"{recording.read_tokens:,}",
            "tokens written": f"{recording.written_tokens:,}",
            "seconds inside models": f"{recording.seconds:,.1f}",
            "dollars, at the prices given": f"{dollars:,.4f}" if any(prices) else "no prices given",
            "answers that stopped the run, as they could not be read": f"{recording.unread:,}",
            "answers understood": _understood(run),
        }
    limits = {n.replace("_", " "): v for n, v in run.manifest["limits"].items() if n != "prices"}
    rows |= {name: "none" if value is None else value for name, value in limits.items()}
    for engine in run.engines:
        rows |= {
            f"server: {name}": engine[name] for name in ("refused", "lost") if engine.get(name)
        }
    blocks: list[Block] = [Prose((trouble,), warning=True)] if trouble else []
    blocks.append(DataTable("Costs and failures", ("what", "how much"), _pairs(rows)))
    return PageSection("Costs and failures", tuple(blocks))


def _understood(run: RunRecord) -> str:
    shares = [row["understood"] for row in run.rows if row.get("understood") is not None]
    if not shares:
        return "unknown"
    return f"{sum(shares) / len(shares):.1%} on average, {min(shares):.1%} at least"


def _seconds(run: RunRecord) -> str:
    file = run.path / "timings.parquet"
    if not file.is_file():
        return "unknown"
    table = pq.read_table(file)
    name = "whole" if "whole" in table.column_names else "seconds"
    return f"{sum(table[name].to_pylist()):,.1f}"


def _pairs(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(value)) for name, value in facts.items())


def _text(value: Any) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "not given"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value)) or "none"
    return str(value)
