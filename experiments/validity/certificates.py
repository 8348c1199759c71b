"""Certificates as files: how far workers were from people, and what tilts them nearer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from econjax import BracketSchedule
from experiments.core.choices import as_typed
from experiments.economies.kept import digest_of
from experiments.report.files import whole
from llm_policy.moments.correction import Correction
from llm_policy.moments.estimates import MomentEstimate
from llm_policy.prompts.workers import Mode

CERTIFICATE = "certificate.json"
"""The file of a certificate, in the directory of a run of `econjax people`."""
_REMEDY = "Give a run of econjax people, or its certificate.json, as the run wrote it."


@dataclass(frozen=True)
class CertifiedWorkers:
    """Who was measured, and where: `name` is that of the run, `hours` those on offer, if some were.

    `law` is a digest of the schedule, and `people` says whose moments they were held against.
    """

    name: str
    worker_model: str
    mode: Mode
    workers: int
    seed: int
    economy: str
    law: str
    thresholds: tuple[float, ...]
    rates: tuple[float, ...]
    currency: str
    hours: tuple[float, ...] | None
    prompts: str
    people: str


@dataclass(frozen=True)
class CertifiedMoment:
    """A moment of workers beside people's, whose `low` and `high` are a range where one is known.

    `fitted` marks what the correction was fitted to; `corrected` and `then`, its verdict, are what
    comes after the correction, None and "-" without one.
    """

    moment: str
    group: str
    workers: MomentEstimate
    people: float | None
    low: float | None
    high: float | None
    source: str
    verdict: str
    fitted: bool = False
    corrected: MomentEstimate | None = None
    then: str = "-"


@dataclass(frozen=True)
class CertifiedTilt:
    """What a correction is made of, by name: see `llm_policy.moments.correction.Correction`.

    `left` is the share of the answers that it leaves, and `effective_sample_size` that many of the
    workers who were asked.
    """

    targets: dict[str, float]
    held_out: tuple[str, ...]
    tilt: dict[str, float]
    response: float
    left: float
    effective_sample_size: float


@dataclass(frozen=True)
class SavedCertificate:
    """A certificate as its file holds it; `refused` says why a correction asked for is none."""

    of: CertifiedWorkers
    moments: tuple[CertifiedMoment, ...]
    correction: CertifiedTilt | None = None
    refused: str = ""
    format: Literal["econjax certificate 1"] = "econjax certificate 1"

    def as_correction(self) -> Correction:
        """Return the correction, as it is applied to chances of hours."""
        made, of = self.correction, self.of
        assert made is not None, "certificates of corrected workers are checked when they are read"
        return Correction(
            tuple(made.tilt),
            jnp.asarray([made.targets[name] for name in made.tilt], float),
            jnp.asarray(list(made.tilt.values()), float),
            jnp.asarray(made.response, float),
            BracketSchedule(list(of.thresholds), list(of.rates)),
        )


def law_digest(law: BracketSchedule) -> str:
    """Return a digest of a schedule that does not depend on the precision of its numbers."""
    said = {
        name: [f"{value:.6g}" for value in np.asarray(values, float).ravel().tolist()]
        for name, values in (("thresholds", law.thresholds), ("rates", law.rates))
    }
    return digest_of(said)


def save_certificate(path: Path, certificate: SavedCertificate) -> None:
    """Write a certificate into the directory of a run."""
    with whole(path / CERTIFICATE) as file:
        text = json.dumps(asdict(certificate), indent=2, allow_nan=False)
        file.write_text(text + "\n", encoding="utf-8")


def certificate_file(said: str) -> Path:
    """Return the file that is meant by a run of `econjax people`, or by the file itself.

    Raises:
        ValueError: there is none.
    """
    path = Path(said).expanduser()
    file = path / CERTIFICATE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"There is no certificate {file}. {_REMEDY}")
    return file


def read_certificate(said: str) -> SavedCertificate:
    """Return the certificate of a run of `econjax people`, or in a file.

    Raises:
        ValueError: there is none, or it is not what such a run writes.
    """
    file = certificate_file(said)
    try:
        found = json.loads(file.read_text("utf-8"), parse_constant=_no_number)
        certificate = as_typed(SavedCertificate, found, str(file))
        _check_shape(certificate)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{file} is no certificate that can be read ({error}). {_REMEDY}"
        ) from error
    return certificate


def read_correction(said: str) -> SavedCertificate:
    """Return a certificate that holds a correction.

    Raises:
        ValueError: it cannot be read, it has no correction, or its correction was refused.
    """
    certificate = read_certificate(said)
    if certificate.refused:
        raise ValueError(
            f"The correction of {said} was refused, so nobody can be corrected by it: "
            f"{certificate.refused}"
        )
    if certificate.correction is None:
        raise ValueError(
            f"{said} holds no correction: run econjax people with --correct, and give that run."
        )
    return certificate


def require_same_law(
    said: str, certificate: SavedCertificate, law: BracketSchedule, currency: str
) -> None:
    """Check that a correction was fitted under a law, in its currency.

    Raises:
        ValueError: under another, or in another.
    """
    of = certificate.of
    if of.currency != currency:
        raise ValueError(
            f"{said} corrects answers in {of.currency}, and this economy's money is {currency}: "
            "fit one here, by econjax people --correct with the same --economy."
        )
    if of.law != law_digest(law):
        raise ValueError(
            f"{said} was fitted under another law (digest {of.law}, here {law_digest(law)}), which "
            "its response is measured from: fit one under this law, by econjax people --correct "
            "with the same --law, --year and --status."
        )


def require_same_model(said: str, certificate: SavedCertificate, models: Sequence[str]) -> None:
    """Check that a certificate, or a correction, is of one of the models that work.

    Raises:
        ValueError: of none of them.
    """
    if certificate.of.worker_model not in models:
        raise ValueError(
            f"{said} is of {certificate.of.worker_model}, and here works "
            f"{' '.join(models) or 'no model'}: let that model work, or give a run of econjax "
            "people of this one."
        )


def require_same_hours(said: str, certificate: SavedCertificate, offered: Sequence[float]) -> None:
    """Check that a correction is of chances of the hours on offer.

    Raises:
        ValueError: of others, or of hours in texts, of which no chances are known.
    """
    of = certificate.of
    if of.mode == "text" or of.hours is None:
        raise ValueError(
            f"{said} was fitted to hours in texts, of which no chances are known: fit one by "
            "econjax people --correct --mode choice."
        )
    if [float(hours) for hours in offered] != list(of.hours):
        raise ValueError(
            f"{said} corrects chances of {_listed(of.hours)} hours, and {_listed(offered)} are on "
            "offer here: fit one for these, by econjax people --correct in the same economy."
        )


def _check_shape(certificate: SavedCertificate) -> None:
    """Check what types do not say."""
    of, made = certificate.of, certificate.correction
    if not of.thresholds or len(of.thresholds) != len(of.rates):
        raise ValueError("as many thresholds as rates are wanted")
    if made is not None and not set(made.tilt) <= set(made.targets):
        raise ValueError("every tilt has its target")


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no finite number")


def _listed(hours: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in hours)


def counted_verdicts(moments: Sequence[CertifiedMoment], *, corrected: bool) -> Mapping[str, int]:
    """Return how many moments agree with people's, lie above or below, or are undecided."""
    verdicts = [one.then if corrected else one.verdict for one in moments]
    return {word: verdicts.count(word) for word in ("agrees", "above", "below", "undecided")}
