"""The law of an economy: federal by year, a file, or as an economy file states it."""

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp

from econjax import BracketSchedule, us_federal
from econjax.laws import US_FEDERAL_STEPS, indexed, load_schedule
from experiments.economies.defaults import FROM_FILE
from experiments.economies.document import Blame
from experiments.economies.kept import Kept
from experiments.economies.sections import Brackets, GroupRates, Law

US_FEDERAL = "us_federal"


@dataclass(frozen=True)
class LawSource:
    """The law that `named` names, which is `said` in the economy file where that is `FROM_FILE`.

    It is that of the `status`, or of several, each a group with a schedule of its own.
    """

    named: str
    said: Law
    year: int
    status: str | tuple[str, ...]
    file: Path | None
    group_rates: GroupRates | None = None

    @property
    def title(self) -> str:
        """The law in words for a table, such as "US federal"."""
        return "US federal" if self._is_federal else self.said.name or "the law"

    @property
    def statuses(self) -> list[str]:
        """The statuses that the law has schedules for, as far as it names any."""
        if self._is_federal:
            return list(US_FEDERAL_STEPS)
        return list(self.said.by_status) if self.named == FROM_FILE else []

    @property
    def files(self) -> dict[str, Path]:
        """Where the file is that holds the law, by what it is called; none if it is stated."""
        name = self.said.file if self.named == FROM_FILE else self.named
        if name is None or name == US_FEDERAL:
            return {}
        return {name: Kept.of(self.file).path(name, by_flag=self.named != FROM_FILE)}

    def schedule(self) -> BracketSchedule:
        """Return the schedule, moved to another year if the economy file says so.

        Raises:
            ValueError: a law that is none, or one that cannot have the rates asked for.
        """
        law, index = self._unindexed(), self.said.index
        if index is not None and self.named == FROM_FILE:
            with self._blame.at("law", "index"):
                law = indexed(
                    law, index.factor, step=index.step, rounding=index.rounding, of=index.of
                )
        return self._with_rates(law)

    def _with_rates(self, law: BracketSchedule) -> BracketSchedule:
        """Return the law with rates in common, or of each group, as is asked for."""
        if law.groups is None or self.group_rates is None:
            return law
        if self.group_rates == "own":
            return BracketSchedule(*law.each_group())
        if law.rates.ndim == 1:
            return law
        raise self._blame.error(
            ("law", "group_rates"),
            "rates in common are set where those of the law are, and here they differ between "
            f'{self._named_groups}: say group_rates = "own" under [law], or --group-rates own.',
        )

    @property
    def _named_groups(self) -> str:
        return ", ".join(self.status)

    @property
    def _blame(self) -> Blame:
        return Blame(self.file)

    @property
    def _is_federal(self) -> bool:
        return self.named == US_FEDERAL or (self.named == FROM_FILE and not self.said.is_own)

    def _unindexed(self) -> BracketSchedule:
        if self._is_federal:
            deduction = self.named == FROM_FILE and self.said.deduction
            return us_federal(self.year, self.status, deduction=deduction)
        for path in self.files.values():
            return _brackets_of(path)
        if self.said.by_status:
            return self._by_status(self.said.by_status)
        stated = Brackets(self.said.thresholds or (), self.said.rates or ())
        return self._brackets(("law",), stated)

    def _by_status(self, laws: dict[str, Brackets]) -> BracketSchedule:
        """Return the schedule of the status, or of all, with one list of rates if it is theirs."""
        if isinstance(self.status, str):
            return self._brackets_of_status(laws, self.status)
        each = [self._brackets_of_status(laws, status) for status in self.status]
        first = self.status[0]
        for status, law in zip(self.status, each, strict=True):
            if law.rates.shape != each[0].rates.shape:
                raise self._blame.error(
                    ("law", "by_status", status, "thresholds"),
                    f"{law.rates.size} brackets of {status} and {each[0].rates.size} of {first}: "
                    "give all as many, by splitting one in two of the same rate.",
                )
        rates = jnp.stack([law.rates for law in each])
        common = bool(jnp.all(rates == rates[:1]))
        thresholds = jnp.stack([law.thresholds for law in each])
        return BracketSchedule(thresholds, rates[0] if common else rates)

    def _brackets_of_status(self, laws: dict[str, Brackets], status: str) -> BracketSchedule:
        if status not in laws:
            raise self._blame.error(
                ("law", "status"),
                f"the status {status} has no schedule, only {', '.join(laws)} have: add "
                f"[law.by_status.{status}], or choose another by status under [law] or --status.",
            )
        return self._brackets(("law", "by_status", status), laws[status])

    def _brackets(self, keys: tuple[str, ...], said: Brackets) -> BracketSchedule:
        bad_rate = next((rate for rate in said.rates if not abs(rate) <= 1), None)
        if bad_rate is not None:
            raise self._blame.error(
                (*keys, "rates"),
                f"a rate is a share of money from -1 to 1: 35 % is 0.35; got {bad_rate}.",
            )
        if len(said.rates) != len(said.thresholds):
            raise self._blame.error(
                (*keys, "rates"),
                f"{len(said.rates)} rates for {len(said.thresholds)} thresholds: each bracket has "
                "one of both.",
            )
        with self._blame.at(*keys, "thresholds"):
            return BracketSchedule(list(said.thresholds), list(said.rates))


def status_words(status: str) -> str:
    """Return a status as people write it: "head of household"."""
    return status.replace("_", " ")


def _brackets_of(path: Path) -> BracketSchedule:
    law = load_schedule(path)
    if not isinstance(law, BracketSchedule):
        raise ValueError(
            f"{path} is {type(law).__name__}: planners set rates in brackets; give those."
        )
    if law.groups is not None:
        raise ValueError(
            f"{path} holds the schedules of {law.groups} groups without their names: state them "
            "under [law.by_status] of an economy file."
        )
    return law
