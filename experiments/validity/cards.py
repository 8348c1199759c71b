"""The validity card of a run: what its workers may and may not stand for, and what was measured."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.core.choices import as_typed
from experiments.core.config import FORMULA, RunConfig
from experiments.report.files import whole
from experiments.validity.certificates import (
    CertifiedMoment,
    SavedCertificate,
    counted_verdicts,
    law_digest,
)
from llm_policy.engines.base import EngineInfo
from llm_policy.prompts.workers import Mode

CARD = "validity.json"
"""The file of a card, in the directory of a run."""


@dataclass(frozen=True)
class AskedWorkers:
    """Workers of a run: the model's name, what it is, how it answers, and what corrects it."""

    model: str
    what: str
    mode: Mode
    corrected: SavedCertificate | None = None


@dataclass(frozen=True)
class CitedCertificate:
    """What a card cites: a certificate's name, on whom it is, its verdicts counted, its figures.

    `differs` says where the run is not as the certificate.
    """

    name: str
    workers: int
    mode: Mode
    people: str
    verdicts: dict[str, int]
    differs: tuple[str, ...]
    moments: tuple[CertifiedMoment, ...]


@dataclass(frozen=True)
class WorkersCard:
    """What workers of one model may and may not be used for; no certificate: not measured."""

    model: str
    what: str
    mode: Mode
    corrected_by: str | None
    certificate: CitedCertificate | None
    may: tuple[str, ...]
    may_not: tuple[str, ...]

    @property
    def line(self) -> str:
        """The card in a line below a table."""
        who = f"{self.model} ({self.mode})"
        if self.corrected_by is not None:
            who += f", corrected by {self.corrected_by}"
        cited = self.certificate
        if cited is None:
            return f"Validity of {who}: not measured beside people. What it may stand for: {CARD}."
        counts = cited.verdicts
        known, off = sum(counts.values()), counts["above"] + counts["below"]
        source = "; ".join((f"{cited.workers:,} workers", *cited.differs))
        return (
            f"Validity of {who}: of {known} moments of people {counts['agrees']} agree, {off} do "
            f"not, {counts['undecided']} are undecided (certificate {cited.name}: {source}). What "
            f"it may stand for: {CARD}."
        )


@dataclass(frozen=True)
class ValidityCard:
    """The cards of all workers of a run who answer as language models, or as the formula."""

    workers: tuple[WorkersCard, ...]

    @property
    def lines(self) -> list[str]:
        """The lines below a table."""
        return [card.line for card in self.workers]


def asked_workers(
    info: EngineInfo | None, mode: Mode, corrected: SavedCertificate | None = None
) -> AskedWorkers:
    """Return the workers that an engine answers for, or the formula without one."""
    if info is None:
        return AskedWorkers(FORMULA, FORMULA_WORKS, mode, corrected)
    what = NOISE_WORKS if info.noise else MODEL_WORKS
    if info.taught and not info.noise:
        what = IMITATION_WORKS if info.was_taught("workers", mode) else UNTAUGHT_WORKS
    return AskedWorkers(info.model, what, mode, corrected)


FORMULA_WORKS = "a formula of a quantal response, which is an assumption"
IMITATION_WORKS = "a model that imitates a formula, which is an assumption"
UNTAUGHT_WORKS = "a small model that was not taught to answer so"
NOISE_WORKS = "a model with random weights"
MODEL_WORKS = "a language model"


def card_of(
    config: RunConfig, asked: Sequence[AskedWorkers], certificates: Sequence[SavedCertificate]
) -> ValidityCard:
    """Return the card of a run's workers, citing what certificates measured of the same model.

    One of the same mode goes before another; a correction's own goes before all. A certificate of
    another law, currency or mode is cited with that difference.
    """
    here = law_digest(config.status_quo()), config.currency.name
    return ValidityCard(tuple(_workers(one, certificates, *here) for one in asked))


def read_card(path: Path) -> ValidityCard | None:
    """Return the card in the directory of a run, None where there is none.

    Raises:
        ValueError: it is not what a run writes.
    """
    file = path / CARD
    if not file.is_file():
        return None
    return as_typed(ValidityCard, json.loads(file.read_text("utf-8")), str(file))


def save_card(path: Path, card: ValidityCard) -> None:
    """Write a card into the directory of a run."""
    with whole(path / CARD) as file:
        text = json.dumps(asdict(card), indent=2, allow_nan=False)
        file.write_text(text + "\n", encoding="utf-8")


def _workers(
    asked: AskedWorkers, certificates: Sequence[SavedCertificate], law: str, currency: str
) -> WorkersCard:
    own = [one for one in certificates if one.of.worker_model == asked.model]
    own.sort(key=lambda one: one.of.mode != asked.mode)
    found = asked.corrected or (own[0] if own else None)
    corrected = asked.corrected is not None
    cited = None if found is None else _cited(found, asked, law, currency, corrected=corrected)
    return WorkersCard(
        model=asked.model,
        what=asked.what,
        mode=asked.mode,
        corrected_by=None if asked.corrected is None else asked.corrected.of.name,
        certificate=cited,
        may=_may(asked, cited),
        may_not=_may_not(asked, cited),
    )


def _cited(
    found: SavedCertificate, asked: AskedWorkers, law: str, currency: str, *, corrected: bool
) -> CitedCertificate:
    of = found.of
    pairs = (("mode", of.mode, asked.mode), ("money", of.currency, currency))
    differs = [
        f"measured with {name} {there}, here {now}" for name, there, now in pairs if there != now
    ]
    if of.law != law:
        differs.append("measured under another law")
    verdicts = dict(counted_verdicts(found.moments, corrected=corrected))
    return CitedCertificate(
        of.name, of.workers, of.mode, of.people, verdicts, tuple(differs), found.moments
    )


def _may(asked: AskedWorkers, cited: CitedCertificate | None) -> tuple[str, ...]:
    if asked.what == NOISE_WORKS:
        return ("Test the software.",)
    said = [
        "Compare laws, planners and prompts among these very workers: what is found holds of them."
    ]
    if asked.what in _ASSUMED:
        said.append("Test instruments against a truth that is known, for it was assumed.")
    elif cited is not None and (alike := _named(cited, asked, ("agrees",))):
        said.append(
            f"Say that in the situations of the certificate {cited.name} these moments were as "
            f"people's, within its intervals: {alike}."
        )
    return tuple(said)


_ASSUMED = (FORMULA_WORKS, IMITATION_WORKS)


def _may_not(asked: AskedWorkers, cited: CitedCertificate | None) -> tuple[str, ...]:
    said = []
    if asked.what != MODEL_WORKS:
        said.append(f"Make any claim about people: they answer as {asked.what}.")
    if cited is None:
        said.append(
            "Speak of people's labor supply: how far these workers are from people is not "
            f"measured. To measure it: econjax people with this model and --mode {asked.mode}; "
            "then --certificate RUN here."
        )
    else:
        if off := _named(cited, asked, ("above", "below")):
            said.append(
                f"Speak of people where these moments matter, which were not theirs: {off}."
            )
        if unknown := _named(cited, asked, ("undecided", "-")):
            said.append(
                "Rely on moments that were not decided, not measured, or have no figure of people: "
                f"{unknown}."
            )
        said += [f"Take the certificate as it stands: {one}." for one in cited.differs]
    if asked.corrected is not None:
        said.append(
            "Take the correction for more than a tilt to the moments that it was fitted to: "
            "whether somebody works, and votes, stay as answered, what it does to bunching is not "
            "measured, and it was fitted to workers without a memory."
        )
    return (
        *said,
        "Forecast what a law would make people do: nothing here is held against a reform that "
        "people lived through.",
        "Stand for the people whose personas they read, one by one or in groups that no "
        "certificate names.",
    )


def _named(cited: CitedCertificate, asked: AskedWorkers, verdicts: Sequence[str]) -> str:
    """Return the moments with some verdicts, with their groups: corrected where the workers are."""
    return ", ".join(
        one.moment + (f" of {one.group}" if one.group != "all" else "")
        for one in cited.moments
        if (one.verdict if asked.corrected is None else one.then) in verdicts
    )
