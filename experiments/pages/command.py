"""Write pages: of a run, or of a folder of runs."""

from pathlib import Path

import numpy as np

from experiments.pages.comparisons import comparison_sections
from experiments.pages.config import ReportConfig
from experiments.pages.document import Page, PageSection, Prose, charts_in, tables_in
from experiments.pages.drawing import save_chart
from experiments.pages.facts import costs_section, disclosures, economy_words, facts_section
from experiments.pages.latex import save_table
from experiments.pages.record import RunRecord, read_run
from experiments.pages.rendering import render
from experiments.pages.simulations import simulation_sections
from experiments.pages.speakers import KnownWorkers
from experiments.pages.sweeps import sweep_sections
from experiments.pages.transcripts import Proceedings, recording_of, transcript_of
from experiments.report.console import mistakes
from experiments.report.files import whole
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
        runs = [read_run(path) for path in config.run]
    for run in runs:
        write_page(run_page(run, transcripts=config.transcripts), run.path, config)


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
    sections += _found(run)
    if recording.kept:
        sections.append(PageSection("Transcript", (transcript_of(recording),)))
    sections += [costs_section(run, recording, trouble), facts_section(run)]
    return Page(f"{run.path.resolve().name}: econjax {run.command}", _lead(run), tuple(sections))


def _found(run: RunRecord) -> list[PageSection]:
    """Return what a finished run found; of one with other choices what its rows say alone."""
    sections = _SECTIONS.get(run.command)
    if not run.finished or sections is None or (run.command == "sweep" and run.config is None):
        return []
    return sections(run)


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
