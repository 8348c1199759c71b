"""Which workers are chosen, corrected ones too, and certificates. Light, for the command line."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from experiments.core.config import FORMULA, RunConfig

if TYPE_CHECKING:
    from experiments.validity.certificates import SavedCertificate

CORRECTED = "corrected:"
"""What the name of corrected workers begins with; a run of econjax people, or its file, follows."""
_COPIES = "certificates"
"""The folder of a run in which it keeps the certificates that it was given."""


def is_corrected(workers: str) -> bool:
    """Return whether workers are language models whose answers are corrected."""
    return workers.startswith(CORRECTED)


def are_models(workers: str) -> bool:
    """Return whether workers are language models, corrected or as they are."""
    return workers == "llm" or is_corrected(workers)


def require_workers(chosen: Sequence[str], known: Sequence[str]) -> None:
    """Check names of workers: some of those `known`, or corrected ones, each once.

    Raises:
        ValueError: others, one twice, or none.
    """
    strange = [name for name in chosen if name not in known and not is_corrected(name)]
    if not chosen or strange or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"--workers takes some of {', '.join(known)} and {CORRECTED}FILE, each once; got "
            f"{' '.join(chosen) or 'none'}."
        )


@dataclass(frozen=True)
class CertifiedConfig(RunConfig):
    """A run whose workers may be language models, with certificates of how near people they are.

    Its `workers`, where it has such a choice, may be corrected.
    """

    certificate: tuple[str, ...] = ()
    """Runs of econjax people of the models that work, whose figures the validity card then cites:
    validity.json in the run directory, which says what the workers may and may not stand for."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of workers that were chosen."""
        chosen = getattr(self, "workers", ())
        return (chosen,) if isinstance(chosen, str) else tuple(chosen)

    @property
    def plain(self) -> tuple[str, ...]:
        """The kinds of workers who are not corrected."""
        return tuple(name for name in self.kinds if not is_corrected(name))

    def correction_of(self, workers: str) -> "SavedCertificate | None":
        """Return the certificate by which workers are corrected, None of those who are not.

        Raises:
            ValueError: it cannot be read, or holds no correction.
        """
        from experiments.validity.certificates import read_correction

        return read_correction(workers.removeprefix(CORRECTED)) if is_corrected(workers) else None

    def label(self, workers: str) -> str:
        """Return what rows call workers, wherever the file of their correction is.

        Raises:
            ValueError: a correction that cannot be read.
        """
        corrected = self.correction_of(workers)
        return workers if corrected is None else f"{CORRECTED}{corrected.of.name}"

    def model_works(self, workers: str) -> bool:
        """Return whether a model is asked of workers: of corrected ones, if it was when fitted.

        Raises:
            ValueError: a correction that cannot be read.
        """
        corrected = self.correction_of(workers)
        return workers == "llm" if corrected is None else corrected.of.worker_model != FORMULA

    def certificates(self) -> "list[SavedCertificate]":
        """Return the certificates of the corrections and of the models, those first.

        Raises:
            ValueError: one cannot be read.
        """
        from experiments.validity.certificates import read_certificate

        return [read_certificate(said) for said in self._said()]

    def _check(self) -> None:
        self.certificates()
        fitted = [(name, self.correction_of(name)) for name in self.kinds if is_corrected(name)]
        if fitted:
            self._check_corrections([(name, one) for name, one in fitted if one is not None])

    def _check_corrections(self, fitted: "Sequence[tuple[str, SavedCertificate]]") -> None:
        """Refuse corrections that are not of this economy, or not to be told apart.

        Raises:
            ValueError: there is one.
        """
        from experiments.validity.certificates import require_same_law

        if getattr(self, "mode", "choice") == "text":
            raise ValueError(
                "A correction tilts known chances of the hours on offer, and of hours in a text "
                f"none are known: give --mode choice, or leave out {fitted[0][0]}."
            )
        if getattr(self, "archetypes", None) is not None:
            raise ValueError(
                f"Archetypes are of answers as they are: leave out --archetypes, or {fitted[0][0]}."
            )
        for name, one in fitted:
            require_same_law(name, one, self.status_quo(), self.currency.name)
        called = [one.of.name for _, one in fitted]
        if len(set(called)) < len(called):
            raise ValueError(
                f"Two corrections are both called {max(called, key=called.count)}, and tables name "
                "workers by them: give the runs of econjax people a --name each."
            )

    def _said(self) -> list[str]:
        """Return where the certificates are."""
        corrected = [name.removeprefix(CORRECTED) for name in self.kinds if is_corrected(name)]
        return list(dict.fromkeys([*corrected, *self.certificate]))

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the economy, and its certificates."""
        from experiments.validity.certificates import certificate_file

        files = [certificate_file(said) for said in self._said()]
        copies = {_copy(place): file.read_bytes() for place, file in enumerate(files)}
        return super().carried() | copies

    def of_run(self, path) -> Self:
        """Return the choices with what a run kept in its directory in place of its sources."""
        own = super().of_run(path)
        kept = {
            said: str(path / _copy(place))
            for place, said in enumerate(self._said())
            if (path / _copy(place)).is_file()
        }
        if not kept:
            return own
        changed: dict = {"certificate": tuple(kept.get(said, said) for said in self.certificate)}
        if any(map(is_corrected, self.kinds)):
            names = tuple(_moved(name, kept) for name in self.kinds)
            one = isinstance(getattr(self, "workers", ()), str)
            changed["workers"] = names[0] if one else names
        return dataclasses.replace(own, **changed)


def _copy(place: int) -> str:
    return f"{_COPIES}/{place + 1}.json"


def _moved(name: str, kept: dict[str, str]) -> str:
    said = name.removeprefix(CORRECTED)
    return f"{CORRECTED}{kept.get(said, said)}" if is_corrected(name) else name
