"""Hold workers against people: each moment beside what is published, and what best hours give."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from econjax import BracketSchedule, Economy, Utilitarian, settle
from econjax.population import REFERENCE_HOURS
from experiments.core.config import FORMULA
from experiments.core.modes import mode_for
from experiments.core.session import Session
from experiments.people.config import PeopleConfig
from experiments.people.found import PeopleCertificate, PeopleLine, certificate_of
from experiments.report.console import NOTES, mistakes
from experiments.runs.result import Result
from experiments.runs.rows import Row
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.certificates import save_certificate
from llm_policy.audit.probe import Probe, probe_workers
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.formula.policy import taught_workers
from llm_policy.moments.correction import FittedCorrection, fit_correction
from llm_policy.moments.hours import HoursShares
from llm_policy.moments.humans import age_groups
from llm_policy.moments.measure import (
    HOURS_CLASSES,
    AskedHours,
    MeasuredMoment,
    ask_situations,
    moments_of,
    rational_workers,
)
from llm_policy.moments.published import PublishedMoment, published_moments
from llm_policy.moments.targets import require_reachable
from llm_policy.personas.draw import Personas, describe, draw_personas
from llm_policy.prompts.workers import Mode, Style
from llm_policy.workers.llm import LLMWorkers, Workers, hours_on_offer
from llm_policy.workers.society import Society


def run_people(config: PeopleConfig, path: Path, session: Session | None) -> Result:
    """Measure the workers' moments, with a row for each.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    tally = Tally()
    engine = None if session is None else Tallied(session.engine, tally)
    with NOTES.status("") as status:
        found = hold_against_people(config, engine, tally, status.update)
    model = session.describe().model if session else config.workers
    certificate = certificate_of(config, found, model, path.resolve().name)
    save_certificate(path, certificate)
    remarks, card = [*config.notes()], None
    if config.workers != "rational":
        asked = asked_workers(session and session.describe(), found.mode)
        card = card_of(config, [asked], [certificate])
    if session is not None:
        remarks += session.remarks({"workers": found.mode})
        remarks.append(tally.words)
    rows = list(people_rows(config, found, model))
    return Result(found, asdict(found), rows, remarks=remarks, card=card)


def people_rows(config: PeopleConfig, found: PeopleCertificate, model: str) -> Iterator[Row]:
    """Yield a row for each moment: what the workers do, and what is published."""
    nobody_plans = dict.fromkeys(("planner_model", "welfare", "aversion"))
    for line in found.lines:
        published = line.published
        yield nobody_plans | {
            "worker_model": model,
            "seed": config.seed,
            "moment": line.moment,
            "group": line.group,
            **{name: getattr(line.estimate, name) for name in ("value", "standard_error")},
            **{name: getattr(line.estimate, name) for name in ("low", "high")},
            "best": line.best,
            "published": None if published is None else published.value,
            "verdict": line.verdict,
            "corrected": None if line.corrected is None else line.corrected.value,
        }


def hold_against_people(
    config: PeopleConfig,
    engine: Engine | None,
    tally: Tally,
    on_stage: Callable[[str], Any] = lambda stage: None,
) -> PeopleCertificate:
    """Return every moment of the workers, and of the same people at their best hours.

    Raises:
        ValueError: a choice that makes no comparison.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    law, economy, key = config.status_quo(), config.economy(), jax.random.key(config.seed)
    personas = draw_personas(key, economy.population)
    usual = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
    rebate = float(settle(economy, law, usual).rebate)

    def said(asked: AskedHours) -> _Said:
        return _Said(ask_situations(key, law, asked, rebate=rebate), asked.values)

    def moments(found: _Said) -> list[MeasuredMoment]:
        return moments_of(economy, law, found.hours, values=found.values, groups=_groups(personas))

    people, targets = _people(config)
    best, mode, found = said(rational_workers(economy)), "choice", []
    if config.workers == "rational":
        found.append(best)
    else:
        mode = _mode(config, engine, economy, law, personas)
        if config.correct and mode == "choice":
            with mistakes():
                require_reachable(targets, np.array(hours_on_offer(economy), float))
        for name, way in _ways(mode, every=config.ways).items():
            on_stage(f"asking {config.size:,} workers{name}")
            workers = _workers(config, engine, economy, personas, way.style, tally)
            found.append(said(_asked(workers, way, law, config.samples)))
    every = [moments(one) for one in found]
    values = found[0].values
    offered = None if values is None else tuple(values.tolist())
    lines = _lines(every, moments(best), people)
    plain = PeopleCertificate(_WHO[config.workers], mode, lines, offered)
    if not config.correct:
        return plain
    try:
        fitted = fit_correction(
            economy, law, found[0].hours, targets, values=values, groups=_groups(personas)
        )
    except ValueError as error:
        return replace(plain, refused=str(error))
    lines = [
        replace(line, corrected=after.estimate)
        for line, after in zip(plain.lines, fitted.after, strict=True)
    ]
    return replace(plain, lines=tuple(lines), fit=_fit(fitted, targets))


class _Said(NamedTuple):
    """What workers find likely in three situations, and the hours that they choose from."""

    hours: list[HoursShares]
    values: Float[np.ndarray, " options"] | None


_TARGETS = {
    row.moment: row.value for row in published_moments() if row.fitted and row.value is not None
}


def _people(config: PeopleConfig) -> tuple[Sequence[PublishedMoment], dict[str, float]]:
    """Return the moments of people, and those to fit to: of a file's people where there is one."""
    people, humans = published_moments(), config.humans()
    if humans is None:
        return people, _TARGETS
    others = [row for row in people if row.moment not in ("mean_hours", *HOURS_CLASSES)]
    return (*humans.held_out, *others), _TARGETS | humans.targets


def _fit(fitted: FittedCorrection, targets: dict[str, float]) -> dict[str, Any]:
    """Return a correction ready for JSON."""
    correction = fitted.correction
    tilt = dict(zip(correction.names, np.asarray(correction.tilt, float).tolist(), strict=True))
    return {
        "targets": targets,
        "tilt": tilt,
        "response": float(correction.response),
        "left": fitted.left,
    }


def _asked(workers: Workers, way: "_Way", law: BracketSchedule, samples: int) -> AskedHours:
    models = workers.models
    memory = Society(workers, Utilitarian()).begin(law).memory if way.remembers else None
    chosen = models.style.mode == "choice"
    values = np.array(models.choice_set.values, float) if chosen else None
    return AskedHours(workers.labor, memory or models.begin(), values, samples)


class _Way(NamedTuple):
    """How workers are asked, and whether they remember a step of 40 hours."""

    style: Style
    remembers: bool = False


_WHO = {
    "llm": "language models",
    FORMULA: "the formula that econjax-small was taught",
    "rational": "people who choose best",
}


def _ways(mode: Mode, *, every: bool) -> dict[str, _Way]:
    """Return the ways of asking, by what is added to the sentence that says so."""
    plain = Style(mode=mode, history=1, best=0, averages=False, nudges=False, explore=False)
    ways = {"": _Way(plain)}
    if every:
        ways[" in other words"] = _Way(replace(plain, phrasing=1))
        ways[" with a memory of 40 hours"] = _Way(plain, remembers=True)
        if mode == "choice":
            ways[" with the options in reverse"] = _Way(replace(plain, reverse=True))
    return ways


def _mode(
    config: PeopleConfig,
    engine: Engine | None,
    economy: Economy,
    law: BracketSchedule,
    personas: Personas,
) -> Mode:
    if engine is None:
        return "choice"

    def probe(engine: Engine) -> Probe:
        style = Style(mode="choice")
        return probe_workers(LLMWorkers(engine, economy, describe(personas), style=style), law)

    return mode_for("workers", config.mode, [engine], probe, most_leaked=config.most_leaked)


def _workers(
    config: PeopleConfig,
    engine: Engine | None,
    economy: Economy,
    personas: Personas,
    style: Style,
    tally: Tally,
) -> Workers:
    options = {"style": style, "most_unread": config.most_unread}
    if engine is None:
        return taught_workers(economy, personas, tally=tally, **options)
    options |= {"most_leaked": config.most_leaked}
    return LLMWorkers(engine, economy, describe(personas), **options)


def _groups(personas: Personas) -> dict[str, Bool[np.ndarray, " agents"]]:
    """Return who is in each group of the published table."""
    return {"men": ~personas.woman, "women": personas.woman} | age_groups(personas.age)


def _lines(
    found: Sequence[Sequence[MeasuredMoment]],
    best: Sequence[MeasuredMoment],
    people: Sequence[PublishedMoment],
) -> tuple[PeopleLine, ...]:
    """Return a line for each moment, of those who were asked in one way after the other."""
    published = {(row.moment, row.group): row for row in people}
    return tuple(
        PeopleLine(
            first.moment,
            first.group,
            first.estimate,
            ideal.estimate.value,
            _spread([one.estimate.value for one in (first, *others)]),
            published.get((first.moment, first.group)),
        )
        for ideal, first, *others in zip(best, *found, strict=True)
    )


def _spread(values: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) == len(values) > 1 else None
