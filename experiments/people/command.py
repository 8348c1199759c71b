"""Hold workers against people: each moment beside what is published, and what best hours give."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.core.config import FORMULA
from experiments.core.session import Session
from experiments.people.asking import AskedPeople, published_groups, ways_of
from experiments.people.config import PeopleConfig
from experiments.people.found import PeopleCertificate, PeopleLine, certificate_of
from experiments.report.console import NOTES, mistakes
from experiments.runs.result import Result
from experiments.runs.rows import Row
from experiments.validity.cards import asked_workers, card_of
from experiments.validity.certificates import save_certificate
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.moments.correction import FittedCorrection, fit_correction
from llm_policy.moments.measure import HOURS_CLASSES, MeasuredMoment
from llm_policy.moments.published import PublishedMoment, published_moments
from llm_policy.moments.targets import require_reachable
from llm_policy.workers.llm import hours_on_offer


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
        remarks += session.remarks({"workers": found.mode, "voters on a reform": found.mode})
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
    people, (published, targets) = AskedPeople(config, engine, tally), _published(config)
    best, mode, found = people.at_best(), "choice", []
    if config.workers == "rational":
        found.append(best)
    else:
        mode = people.mode()
        if config.correct and mode == "choice":
            with mistakes():
                require_reachable(targets, np.array(hours_on_offer(people.economy), float))
        renames = engine is not None and config.currency.name == "dollars"
        for name, way in ways_of(mode, every=config.ways, renames=renames).items():
            on_stage(f"asking {config.size:,} workers{name}")
            found.append(people.said(way))
    first = found[0]
    offered = None if first.values is None else tuple(first.values.tolist())
    lines = _lines([people.moments(one) for one in found], people.moments(best), published)
    plain = PeopleCertificate(_WHO[config.workers], mode, lines, offered, unvoted=first.unvoted)
    if not config.correct:
        return plain
    groups = published_groups(people.personas)
    try:
        fitted = fit_correction(
            people.economy, people.law, first.hours, targets, values=first.values, groups=groups
        )
    except ValueError as error:
        return replace(plain, refused=str(error))
    after = {(one.moment, one.group): one.estimate for one in fitted.after}
    corrected = [
        replace(line, corrected=after.get((line.moment, line.group))) for line in plain.lines
    ]
    return replace(plain, lines=tuple(corrected), fit=_fit(fitted, targets))


_TARGETS = {
    row.moment: row.value for row in published_moments() if row.fitted and row.value is not None
}


def _published(config: PeopleConfig) -> tuple[Sequence[PublishedMoment], dict[str, float]]:
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


_WHO = {
    "llm": "language models",
    FORMULA: "the formula that econjax-small was taught",
    "rational": "people who choose best",
}


def _lines(
    found: Sequence[Sequence[MeasuredMoment]],
    best: Sequence[MeasuredMoment],
    people: Sequence[PublishedMoment],
) -> tuple[PeopleLine, ...]:
    """Return a line for each moment, of those who were asked in one way after the other."""
    published = {(row.moment, row.group): row for row in people}
    ideal, *every = (
        {(one.moment, one.group): one.estimate for one in moments} for moments in (best, *found)
    )
    return tuple(
        PeopleLine(
            *name,
            estimate,
            ideal[name].value,
            _spread([one[name].value for one in every if name in one]),
            published.get(name),
        )
        for name, estimate in every[0].items()
    )


def _spread(values: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if len(known) == len(values) > 1 else None
