"""Run a simulation: progress, a figure, files, rows."""

import dataclasses
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from experiments.core.config import FORMULA
from experiments.core.session import Session
from experiments.report.console import NOTES, mistakes, progress_bar
from experiments.report.files import whole
from experiments.runs.directory import write_table
from experiments.runs.result import Result
from experiments.simulate.config import PEOPLE, SimulateConfig
from experiments.simulate.figures import plot_simulation
from experiments.simulate.run import Setup, Simulation, foresee, prepare, run_years
from experiments.simulate.seeds import years_over_seeds
from experiments.simulate.tables import Simulated
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.checks import check_certificates
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.budget import Usage
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.personas.files import save_personas


def run_simulate(config: SimulateConfig, path: Path, session: Session | None) -> Result:
    """Simulate; write people, workers, elections and a figure into the run directory."""
    info = session.describe() if session is not None and config.workers == "llm" else None
    if config.workers != "rational":
        check_certificates(config, [info], config.economy())
    lives = _live(config, path, None if session is None else session.engine)
    setup, done = lives[0].setup, lives[0].done
    _write_files(lives, path, symbol=config.currency.symbol)
    years, scores, seeds = [life.years() for life in lives], config.scores, len(lives)
    figures = (*scores, "labor", "distance", "lost", "gini", "rebate")
    over_seeds = years_over_seeds(years, figures) if seeds > 1 else []
    said = {
        "run": str(path),
        "engine": None if session is None else session.describe().asdict(),
        "spent": dataclasses.asdict(Usage() if session is None else session.budget.spent),
        "tax_years": years[0],
        "government": done.government,
    }
    reforms = [life.done.reform for life in lives if life.done.reform]
    if reforms:
        said["reform"] = reforms
    models, mode = _models(config, session), setup.config.style().mode
    asked = [] if config.workers == "rational" else [asked_workers(info, mode)]
    return Result(
        Simulated(years[0], over_seeds, seeds, scores, config.elects, reforms),
        said | ({"seeds": [dataclasses.asdict(year) for year in over_seeds]} if over_seeds else {}),
        [models | row for life in lives for row in life.done.metrics],
        timings=[row for life in lives for row in life.timings()],
        remarks=[
            *config.notes(),
            *_remarks(setup, [life.done for life in lives]),
            *_of_models(session, setup),
        ],
        card=card_of(config, asked, config.certificates()) if asked else None,
    )


def _of_models(session: Session | None, setup: Setup) -> list[str]:
    """Return what a reader should know of the answers of models, if any was asked."""
    if session is None:
        return []
    models = setup.society.workers if setup.config.workers == "llm" else None
    return session.remarks(setup.config.asked, models)


def _write_files(lives: Sequence["_Life"], path: Path, *, symbol: str) -> None:
    """Write every worker's steps, what governments did, and a figure of the first seed."""
    tables = [table for life in lives for table in life.done.workers]
    write_table(path / "workers.parquet", pa.concat_tables(tables))
    first, *others = (life.done for life in lives)
    plot_simulation(
        first.metrics, lives[0].setup.config.scores, path / "welfare.png", symbol=symbol
    )
    government = first.government
    if others:
        government = government | {"seeds": [life.done.government for life in lives]}
    with whole(path / "government.json") as file:
        file.write_text(json.dumps(government, indent=2) + "\n", encoding="utf-8")


def _models(config: SimulateConfig, session: Session | None) -> dict[str, str | None]:
    """Return who works and who sets the taxes, where that is a model, or the formula."""
    model = None if session is None else session.describe().model
    works = {"llm": model, "formula": FORMULA}.get(config.workers)
    return {"planner_model": model if config.model_plans else None, "worker_model": works}


class _Life(NamedTuple):
    """What came of one seed, and the seconds that each step took."""

    setup: Setup
    done: Simulation
    seconds: list[float]

    def years(self) -> list[dict[str, Any]]:
        """Return the means of every tax year."""
        config = self.setup.config
        return [_year(config, self.done, number) for number in range(1, config.tax_years + 1)]

    def timings(self) -> list[dict[str, Any]]:
        """Return a row for every step."""
        seed = self.setup.config.seed
        return [{"seed": seed, "step": n + 1, "seconds": s} for n, s in enumerate(self.seconds)]


def _live(config: SimulateConfig, path: Path, engine: Engine | None) -> list[_Life]:
    """Return what came of each seed; all answer in the mode that is right for the first.

    A seed's people are kept as it begins, in a file with the seed in its name after the first.
    """
    lives, mode = [], config.mode
    for seed in range(config.seed, config.seed + config.seeds):
        with mistakes():
            setup = prepare(dataclasses.replace(config, seed=seed, mode=mode), engine)
        mode, first = setup.config.mode, seed == config.seed
        if setup.people is not None and config.population is None:
            name = PEOPLE if first else PEOPLE.replace(".", f"-{seed}.")
            with whole(path / name) as file:
                save_personas(file, setup.people)
        if first and engine is not None and config.workers == "llm":
            usage = sum([foresee(setup, engine, config.prices)] * config.seeds, Usage())
            NOTES.print(
                f"The workers' answers, with full memories and none asked again, will take {usage}."
            )
        lives.append(_Life(setup, *_with_progress(setup.config, setup)))
    return lives


def _with_progress(config: SimulateConfig, setup: Setup) -> tuple[Simulation, list[float]]:
    """Return the simulation, and the seconds that each step took."""
    with progress_bar() as progress:
        task, times = progress.add_task("steps of labor", total=config.steps), [time.perf_counter()]

        def on_step(steps: int) -> None:
            times.append(time.perf_counter())
            progress.update(task, completed=steps)

        done = run_years(setup, on_step)
        return done, [after - before for before, after in itertools.pairwise(times)]


def _year(config: SimulateConfig, done: Simulation, number: int) -> dict[str, Any]:
    """Return a tax year's means."""
    year, rows = done.years[number - 1], [row for row in done.metrics if row["tax_year"] == number]
    scores = {name: float(np.mean([row[name] for row in rows])) for name in config.scores}
    figures = {
        name: float(getattr(year.report, name))
        for name in ("labor", "gini", "rebate", "understood")
    }
    figures |= {name: float(np.mean([row[name] for row in rows])) for name in ("distance", "lost")}
    rates = np.asarray(year.schedule.rates, float).tolist()
    return {
        "tax_year": number,
        "leader": year.leader,
        "rates": rates,
        "satisfied": year.satisfied,
    } | (scores | figures | {"standard_error": float(year.report.standard_error)})


def _remarks(setup: Setup, done: Sequence[Simulation]) -> list[str]:
    config, tally = setup.config, Tally.of_all(one.tally for one in done)
    remarks = [
        f"{_who(setup)}, {config.tax_year} steps a tax year; equivalents in dollars a year under "
        f"each welfare function, ± the standard error under {config.welfare}, steps taken as "
        "dependent.",
        "off best: hours a week between what workers did and their own best at that rebate, on "
        "average; errors: the dollars a year that this costs them.",
        *([tally.words] if tally.asked else []),
    ]
    if setup.people is not None and config.people == "written":
        remarks.append(
            f"Personas in the model's own words: {setup.people.written.sum():,} of {config.size:,}."
        )
    if config.mode == "choice" and config.workers == "llm":
        leaked = np.mean([row["leaked"] for one in done for row in one.metrics])
        remarks.append(
            f"Probability that workers' models gave to none of the hours offered: {leaked:.1%}."
        )
    if config.model_plans and not config.elects and config.warmup >= config.tax_years:
        remarks.append(
            f"The planner was never asked: --warmup {config.warmup} covers all tax years."
        )
    if config.elects:
        found, of_first = done[0].government, " (first seed)" * (len(done) > 1)
        changed = _known(found["turnover"], ".0%")
        remarks.append(
            f"Elections{of_first} that changed the leader: {changed}. A leader's "
            f"utility less that of the others: {_known(found['leader_advantage'], ',.0f')} $ a "
            "year. Utility of who voted otherwise over that of the winner's voters: "
            f"{_known(found['minority_ratio'], '.2f')}."
        )
    return remarks


def _known(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _who(setup: Setup) -> str:
    """Return in words who works, and how they come to their hours."""
    config, asked = setup.config, len(setup.society.workers.asked)
    words = {
        "llm": f"{asked:,} language-model workers ({config.scenario}), answers in {config.mode} "
        "mode",
        "formula": f"{asked:,} workers of the formula",
        "rational": f"{config.size:,} workers who choose best",
    }[config.workers]
    if config.stand_for > 1:
        words += f", each hours decided for {config.stand_for} of neighbouring skills"
    if config.adapt < 1:
        words += f", who go {config.adapt:.0%} of the way to chosen hours in a step"
    if config.skill_sigma:
        words += (
            f", log skills moving by {config.skill_sigma:g} a step with persistence "
            f"{config.skill_persistence:g}"
        )
    return words
