"""The law of an economy: federal by year, a file, or as an economy file states it."""

from dataclasses import dataclass
from pathlib import Path

from econjax import BracketSchedule, us_federal
from econjax.laws import US_FEDERAL_STEPS, indexed, load_schedule
from experiments.economies.defaults import FROM_FILE
from experiments.economies.document import Blame
from experiments.economies.kept import Kept
from experiments.economies.sections import Brackets, Law

US_FEDERAL = "us_federal"


@dataclass(frozen=True)
class LawSource:
    """The law that `named` names, which is `said` in the economy file where that is `FROM_FILE`."""

    named: str
    said: Law
    year: int
    status: str
    file: Path | None

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
            ValueError: a law that is none, or one that this version cannot do.
        """
        law, index = self._unindexed(), self.said.index
        if index is None or self.named != FROM_FILE:
            return law
        with self._blame.at("law", "index"):
            return indexed(law, index.factor, step=index.step, rounding=index.rounding, of=index.of)

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
            return self._of_status(self.said.by_status)
        stated = Brackets(self.said.thresholds or (), self.said.rates or ())
        return self._brackets(("law",), stated)

    def _of_status(self, laws: dict[str, Brackets]) -> BracketSchedule:
        if self.status not in laws and len(laws) > 1:
            raise self._blame.error(
                ("law", "by_status"),
                f"several schedules are not solved together yet ({', '.join(laws)}): choose one by "
                f'status = "{next(iter(laws))}" under [law], or --status.',
            )
        chosen = self.status if self.status in laws else next(iter(laws))
        return self._brackets(("law", "by_status", chosen), laws[chosen])

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


def _brackets_of(path: Path) -> BracketSchedule:
    law = load_schedule(path)
    if not isinstance(law, BracketSchedule):
        raise ValueError(
            f"{path} is {type(law).__name__}: planners set rates in brackets; give those."
        )
    return law
