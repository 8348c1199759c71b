"""Write pages: of a run, or of a folder of runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.collect.sources import found_in
from experiments.pages.comparisons import comparison_sections
from experiments.pages.config import ReportConfig
from experiments.pages.document import Page, PageSection, Prose, charts_in, tables_in
from experiments.pages.drawing import save_chart
from experiments.pages.facts import (
    costs_section,
    disclosures,
    economy_words,
    facts_section,
    validity_section,
)
from experiments.pages.latex import save_table
from experiments.pages.record import RunRecord, is_run, read_run
from experiments.pages.rendering import render
from experiments.pages.simulations import simulation_sections
from experiments.pages.studies import (
    left_out_section,
    pooled_sections,
    result_sections,
    runs_section,
)
from experiments.pages.sweeps import sweep_sections
from experiments.pages.transcripts import Proceedings, recording_of, transcript_of
from experiments.report.console import NOTES, mistakes
from experiments.report.files import whole
from experiments.report.plain import one_line
from experiments.report.speakers import KnownWorkers
from experiments.study.recorded import RecordedStudy, recorded_study
from experiments.validity.cards import read_card
from llm_policy.engines.base import EngineError
from llm_policy.personas.files import load_personas

REPORT = "report.html"
"""The file of a page, in the directory that it is of."""
_SECTIONS = {
    "compare": comparison_sections,
    "simulate": simulation_sections,
    "sweep": sweep_sections,
}


def run_report(config: ReportConfig) -> None:
    """Write the pages of runs, and say how large they are.

    Raises:
        Mistake: a directory that holds no run.
    """
    with mistakes():
        config.check()
        every = {path: _runs_at(path) for path in config.run}
    for path, runs in every.items():
        for run in runs:
            write_page(run_page(run, transcripts=config.transcripts), run.path, config)
        if not is_run(path):
            write_page(study_page(path, runs), path, config)


def _runs_at(path: Path) -> list[RunRecord]:
    """Return the run in a directory, or those in a folder that is none itself.

    Raises:
        ValueError: there is none.
    """
    inner = sorted(place for place in path.iterdir() if is_run(place)) if path.is_dir() else []
    return [read_run(path)] if is_run(path) or not inner else [read_run(p) for p in inner]


def write_page(page: Page, folder: Path, config: ReportConfig) -> None:
    """Write a page into a folder, and what else was chosen beside it."""
    text = render(page)
    with whole(folder / REPORT, shared=True) as file:
        file.write_text(text, encoding="utf-8")
    print(f"{folder / REPORT}: {len(text.encode()) / 1e6:,.2f} MB")
    beside = folder / "figures"
    if config.figures or config.latex:
        beside.mkdir(exist_ok=True)
    if config.figures:
        for name, chart in charts_in(page):
            save_chart(chart, beside, name)
    if config.latex:
        for name, table in tables_in(page):
            save_table(table, beside, name)


def run_page(run: RunRecord, *, transcripts: int = 400) -> Page:
    """Return the page of a run, with so many answers of models at most."""
    recording, trouble = Proceedings(), ""
    try:
        recording = recording_of(run.path, known=_known(run), most=transcripts)
    except EngineError as error:
        trouble = str(error)
    about = tuple(_about(run, recording))
    sections = [PageSection("About this run", about)] if about else []
    try:
        sections += _found(run)
    except (OSError, ValueError, LookupError) as error:
        sections.append(_not_shown(run, error))
    if recording.kept:
        sections.append(PageSection("Transcript", (transcript_of(recording),)))
    sections += _validity(run)
    sections += [costs_section(run, recording, trouble), facts_section(run)]
    return Page(f"{run.path.resolve().name}: econjax {run.command}", _lead(run), tuple(sections))


def study_page(folder: Path, runs: Sequence[RunRecord]) -> Page:
    """Return the page of several runs in a folder, of which those that are finished are pooled.

    Where it holds a study, its effects and the verdicts on its claims come first.
    """
    sources, left_out = found_in([run.path for run in runs])
    study, trouble = _study_of(folder)
    results = result_sections(folder, study, runs) if study else pooled_sections(sources)
    sections = [*trouble, *results, runs_section(runs, REPORT), *left_out_section(left_out)]
    done = sum(run.finished for run in runs)
    lead = f"{study.document.title}. " if study else ""
    lead += f"{len(runs):,} runs, {done:,} of them finished."
    return Page(f"{folder.resolve().name}: runs of econjax", lead, tuple(sections))


def _study_of(folder: Path) -> tuple[RecordedStudy | None, list[PageSection]]:
    """Return the study of a folder, if there is one, and why it cannot be read."""
    try:
        return recorded_study(folder), []
    except ValueError as error:
        return None, [PageSection("Study", (Prose((one_line(error),), warning=True),))]


def _found(run: RunRecord) -> list[PageSection]:
    """Return what a finished run found; of a command without figures of its own what is pooled."""
    sections = _SECTIONS.get(run.command)
    if not run.finished:
        return []
    if run.damage:
        raise ValueError(run.damage)
    if sections is None or (run.command == "sweep" and run.config is None):
        return pooled_sections(found_in([run.path])[0])
    return sections(run)


def _validity(run: RunRecord) -> list[PageSection]:
    """Return what a run's workers may and may not stand for, where it says so."""
    try:
        card = read_card(run.path)
    except ValueError as error:
        return [PageSection("Validity", (Prose((one_line(error),), warning=True),))]
    return [] if card is None else [validity_section(card)]


def _not_shown(run: RunRecord, error: Exception) -> PageSection:
    """Say, on the page and on standard error, why what a run found is not shown."""
    words = f"What {run.path.name} found cannot be shown ({one_line(error)}): its files are not "
    words += "those that this version writes."
    NOTES.print(words)
    return PageSection("What was found", (Prose((words,), warning=True),))


def _about(run: RunRecord, recording: Proceedings) -> list[Prose]:
    """Return what a reader must know before the first figure."""
    blocks = []
    warnings = list(disclosures(run, recording))
    if not run.finished:
        warnings.append(
            f"This run is not finished: econjax resume {run.path.name} goes on with it."
        )
    if run.trouble:
        warnings.append(
            f"Figures that need the economy are left out, because it cannot be made again: "
            f"{run.trouble}"
        )
    blocks += [Prose(tuple(warnings), warning=True)] if warnings else []
    words = economy_words(run)
    return [*blocks, *([Prose(words)] if words else [])]


def _lead(run: RunRecord) -> str:
    models = ", ".join(str(engine.get("model")) for engine in run.engines) or "no model"
    version = run.manifest["versions"].get("econjax", "an unknown version")
    return f"econjax {run.command}, {models}; written by econjax {version}."


def _known(run: RunRecord) -> list[KnownWorkers]:
    """Return the workers who may speak in a run's journal."""
    config = run.config
    if config is None or not run.engines:
        return []
    if run.command == "compare":
        config = config.among("llm")
    economy = config.economy()
    people = run.path / "people.csv"
    try:
        personas = load_personas(people).texts if people.is_file() else ()
    except ValueError:
        personas = ()
    return [KnownWorkers(np.asarray(economy.population.skill, float), personas)]
