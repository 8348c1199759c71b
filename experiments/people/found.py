"""What a comparison with people finds: a line for each moment, and the certificate made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.people.config import PeopleConfig
from experiments.runs.directory import digest_of_prompts
from experiments.validity.certificates import (
    CertifiedMoment,
    CertifiedTilt,
    CertifiedWorkers,
    SavedCertificate,
    law_digest,
)
from llm_policy.moments.estimates import MomentEstimate
from llm_policy.moments.measure import ALL
from llm_policy.moments.published import PublishedMoment
from llm_policy.prompts.workers import Mode


@dataclass(frozen=True)
class PeopleLine:
    """One moment: of the workers, of the same people at their best hours, and as published.

    `spread` are the least and the greatest value over the ways of asking, None where there is one
    way or no value; `published` is None where nothing is, and `corrected` where no correction was
    fitted.
    """

    moment: str
    group: str
    estimate: MomentEstimate
    best: float | None
    spread: tuple[float, float] | None
    published: PublishedMoment | None
    corrected: MomentEstimate | None = None

    @property
    def verdict(self) -> str:
        """How the workers' interval lies to what is published."""
        return self._verdict(self.estimate)

    @property
    def then(self) -> str:
        """The verdict after the correction."""
        return "-" if self.corrected is None else self._verdict(self.corrected)

    def _verdict(self, estimate: MomentEstimate) -> str:
        low, high, published = estimate.low, estimate.high, self.published
        if published is None or low is None or high is None:
            return "-"
        return published.verdict(low, high)


@dataclass(frozen=True)
class PeopleCertificate:
    """How far workers are from people, moment by moment; `who` says in words who they are.

    `fit` says what a correction is made of, by name, and `refused` why there is none: empty where
    none was asked for. `hours` are those on offer, None of workers who say any. `unvoted` says why
    no votes could be read, empty if some could.
    """

    who: str
    mode: Mode
    lines: tuple[PeopleLine, ...]
    hours: tuple[float, ...] | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    unvoted: str = ""


def certificate_of(
    config: PeopleConfig, found: PeopleCertificate, model: str, name: str
) -> SavedCertificate:
    """Return what was found as other commands read it, by the name of the run."""
    law, fit = config.status_quo(), found.fit
    held_out = [one for one in found.lines if not _is_fitted(one, fit)]
    tilt = None
    if fit:
        tilt = CertifiedTilt(
            held_out=tuple(f"{one.moment}, {one.group}" for one in held_out),
            effective_sample_size=fit["left"] * config.size,
            **fit,
        )
    return SavedCertificate(
        of=CertifiedWorkers(
            name=name,
            worker_model=model,
            mode=found.mode,
            workers=config.size,
            seed=config.seed,
            economy=config.source.words(),
            law=law_digest(law),
            thresholds=tuple(np.asarray(law.thresholds, float).tolist()),
            rates=tuple(np.asarray(law.rates, float).tolist()),
            currency=config.currency.name,
            hours=found.hours,
            prompts=digest_of_prompts(),
            people=_people(config),
        ),
        moments=tuple(_certified(one, found.fit) for one in found.lines),
        correction=tilt,
        refused=found.refused,
    )


def _people(config: PeopleConfig) -> str:
    if config.human is None:
        return "published figures"
    return f"{Path(config.human).name}, {1 - config.human_share:.0%} of whom were held out"


def _certified(line: PeopleLine, fit: Mapping[str, Any]) -> CertifiedMoment:
    people = line.published
    return CertifiedMoment(
        moment=line.moment,
        group=line.group,
        workers=line.estimate,
        people=people and people.value,
        low=people and people.low,
        high=people and people.high,
        source="" if people is None else people.source,
        verdict=line.verdict,
        fitted=_is_fitted(line, fit),
        corrected=line.corrected,
        then=line.then,
    )


def _is_fitted(line: PeopleLine, fit: Mapping[str, Any]) -> bool:
    return line.group == ALL and line.moment in fit.get("targets", ())
