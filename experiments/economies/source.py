"""An economy as flags and a file say it: the law, the people, what they want, what is spent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from jaxtyping import Array, Key

from econjax import (
    GHH,
    AbstractPreferences,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    calibrate,
    equilibrium,
)
from econjax.populations import GB2_ACS_2023, AbstractDistribution
from econjax.welfare import AbstractWelfare, require_dollars
from experiments.economies.cps import cps_file, cps_words
from experiments.economies.credits import StatedCredits, stated_credits
from experiments.economies.defaults import FROM_FILE
from experiments.economies.distributions import distribution_of
from experiments.economies.document import Blame, read_document
from experiments.economies.kept import Kept
from experiments.economies.law import LawSource
from experiments.economies.records import PeopleRecords, records_of
from experiments.economies.sections import Document, GroupRates, Incomes
from experiments.economies.statuses import require_schedules, taxed_how, without_a_column

CPS = "cps"


@dataclass(frozen=True)
class EconomySource:
    """What an economy is made of. Whatever it returns is as exact as JAX's default precision.

    `file` is an economy file or None, `incomes` and `law` are names, paths, or `FROM_FILE`;
    `agents` None stands for every record of a data file, or 10,000 of a distribution. All are taxed
    as of the `status`; None: as of their own, where the data and the law have several.
    """

    file: Path | None
    incomes: str
    law: str
    year: int
    status: str | None
    agents: int | None
    elasticity: float
    spending: Literal["none", "federal", "law"] | float
    group_rates: GroupRates | None = None

    @cached_property
    def document(self) -> Document:
        """What the economy file says; nothing without one."""
        if self.file is None:
            return Document()
        Kept.of(self.file)  # a run's copies are as they were, or nothing is read
        return read_document(self.file)

    def check(self, aims: Sequence[AbstractWelfare] = ()) -> None:
        """Make the economy once, so that whatever is wrong is said before any work.

        Raises:
            ValueError: a choice, a file or data that make no economy, or aims that have no meaning
                in it.
        """
        if self.file is None and FROM_FILE in (self.incomes, self.law):
            raise ValueError('What "file" says is in an economy file: give one with --economy.')
        if self.group_rates == "own" and self.status is None and not self.statuses:
            raise self._blame.error(
                ("law", "group_rates"),
                "there is one schedule for all: leave out group_rates, or give schedules by status "
                "and data with a column of it.",
            )
        economy = self.economy()
        for welfare in aims:
            require_dollars(economy, welfare)

    @property
    def law_source(self) -> LawSource:
        """The law, and what it is called."""
        return self._law_of(self.tax_status)

    def _law_of(self, status: str | tuple[str, ...]) -> LawSource:
        return LawSource(
            self.law, self.document.law, self.year, status, self.file, self.group_rates
        )

    def schedule(self) -> BracketSchedule:
        """Return the law as it stands.

        Raises:
            ValueError: a law that is none, or one that this version cannot do.
        """
        return self.law_source.schedule()

    @property
    def law_title(self) -> str:
        """The law in words for a table, such as "US federal"."""
        return self.law_source.title

    @cached_property
    def records(self) -> PeopleRecords | None:
        """The people of a data file; None where incomes are a distribution."""
        found = self._records
        if found is None:
            return None
        columns = dict(found.columns)
        if self.status is not None:  # all are taxed as that, and have its credits
            columns["status"] = np.full(found.count, self.status, object)
        own = stated_credits(self.document.credits, columns, found.weight, self._blame)
        return replace(found, groups=self.statuses, credits=own)

    @cached_property
    def _records(self) -> PeopleRecords | None:
        """The people before they are in groups."""
        path = self._data()
        return None if path is None else records_of(path, self._rules())

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that are groups with a schedule each; none where all have the same."""
        return () if isinstance(self.tax_status, str) else self.tax_status

    @cached_property
    def tax_status(self) -> str | tuple[str, ...]:
        """The one status that all are taxed as, or those in the data, in the order of the law.

        Raises:
            ValueError: schedules by status, and data without a column of it; or people of a status
                that has none.
        """
        if self.status is not None:
            return self.status
        known, found = self._law_of("single").statuses, self._records
        path, there = self._data(), () if found is None else found.statuses
        if not there and self.law == FROM_FILE and len(self.document.law.by_status) > 1:
            keys = "law", "by_status", known[0]
            raise self._blame.error(keys, without_a_column(path, known))
        if found is None or path is None or not there or not known:
            return known[0] if known else "single"
        require_schedules(path, found, known)
        first, *others = (name for name in known if name in there)
        return (first, *others) if others else first

    @property
    def size(self) -> int:
        """The number of workers."""
        if self.agents is not None:
            return self.agents
        return 10_000 if self.records is None else self.records.count

    def population(
        self, agents: int | None = None, key: Key[Array, ""] | None = None
    ) -> Population:
        """Return the workers before calibration: `agents` of them, or as many as there are."""
        agents = self.agents if agents is None else agents
        if self.records is not None:
            return self.records.population(agents, key)
        workers = self.distribution().population(agents or 10_000, key)
        one = self._credits_of_all
        if one is None:
            return workers
        own = one.of_workers(np.zeros(workers.agents, int))
        return replace(workers, **own)

    @property
    def _credits_of_all(self) -> StatedCredits | None:
        """The credits of people of a distribution, who are all alike but for their incomes."""
        said = {"status": np.array([self.status], object)} if self.status else {}
        return stated_credits(self.document.credits, said, np.ones(1), self._blame)

    @property
    def credits(self) -> StatedCredits | None:
        """The credits that the file states, None where it states none."""
        return self._credits_of_all if self.records is None else self.records.credits

    def columns(self) -> dict[str, np.ndarray]:
        """Return what a data file says of each worker of `population()`, beside the income."""
        if self.records is None:
            return {}
        if self.agents is None:
            return dict(self.records.columns)
        places = self.records.places(self.agents)
        return {name: values[places] for name, values in self.records.columns.items()}

    def distribution(self) -> AbstractDistribution:
        """Return the distribution of incomes, where they are one.

        Raises:
            ValueError: an unknown name, or parameters that are not those of the distribution.
        """
        parameters = self.document.incomes.parameters if self.incomes == FROM_FILE else {}
        return distribution_of(self._named_distribution, parameters, self._blame)

    @property
    def _named_distribution(self) -> str:
        said = self.document.incomes.distribution or "acs-2023"
        return said if self.incomes == FROM_FILE else self.incomes

    def preferences(self) -> AbstractPreferences:
        """Return what workers want."""
        said = self.document.preferences
        options = {name: value for name in ("unit",) if (value := said.unit) is not None}
        with self._blame.at("preferences"):
            if said.kind == "isoelastic":
                return Isoelastic(
                    said.curvature or 0.0,
                    exponent=said.exponent or 0.0,
                    scale=said.scale or 0.0,
                    **options,
                )
            if said.kind == "ghh":
                return GHH(said.curvature or 0.0, elasticity=self.elasticity, **options)
        return Quasilinear(self.elasticity)

    @property
    def told(self) -> float | None:
        """The elasticity that a planner can be told: None where there is no one number."""
        own = self.records is not None and "elasticity" in self.records.columns
        return None if own or self.document.preferences.kind == "isoelastic" else self.elasticity

    def words(self) -> str:
        """Return where the people come from, what they want, and the law, in words."""
        if self.records is None:
            known = self.distribution() is GB2_ACS_2023
            name = "ACS-2023" if known else self._named_distribution
            who = f"Workers are on the quantile grid of {name} incomes"
        elif self._named_data == CPS:
            who = f"{cps_words(self.year)} Workers are they"
        else:
            who = f"Workers are those of {self._named_data}"
        remarks = self.records.remarks if self.records else ()
        fitted = self.document.calibration.kind == "40 hours"
        federal, status = self.law_title == "US federal", self.tax_status
        law = f"{self.year} {'federal' if self.statuses else status}" if federal else self.law_title
        how = f", calibrated to {law} law" if fitted else ""
        told = *remarks, *self._of_groups(), *self._of_credits()
        return " ".join((f"{who}{how}, {self._wants()}.", *told))

    def notes(self) -> tuple[str, ...]:
        """Return what is to be said of people in groups, kept apart or with losses, everywhere."""
        said = self.document.incomes
        if self.records is None or not (
            self.statuses or said.zeros == "apart" or said.losses == "keep"
        ):
            return self._of_credits()
        return (*self.records.remarks, *self._of_groups(), *self._of_credits())

    def _of_credits(self) -> tuple[str, ...]:
        own = self.credits
        return () if own is None else own.words()

    def _of_groups(self) -> tuple[str, ...]:
        """Return who is taxed how, in words; nothing where there is one schedule and one status."""
        found = self.records
        if found is None or not self.statuses:
            several = found is not None and self.status is None and len(found.statuses) > 1
            return ("Everybody is taxed by one schedule, whatever the status.",) * several
        return (taxed_how(found, self.schedule()),)

    def _wants(self) -> str:
        said = self.document.preferences
        if said.kind == "isoelastic":
            return f"isoelastic, curvature {said.curvature:g}, exponent {said.exponent:g}"
        kind = f"GHH, curvature {said.curvature:g}, " if said.kind == "ghh" else ""
        own = self.told is None
        return kind + ("elasticities of their own" if own else f"elasticity {self.elasticity:g}")

    def economy(self, agents: int | None = None, key: Key[Array, ""] | None = None) -> Economy:
        """Return the economy, of workers drawn with a key or on the quantile grid.

        Raises:
            ValueError: a choice, a file or data that make no economy.
        """
        law, preferences = self.schedule(), self.preferences()
        population, said = self.population(agents, key), self.document.calibration
        if said.kind == "40 hours":
            if self.records is not None and "taste" in self.records.columns:
                raise self._blame.error(
                    ("calibration", "kind"),
                    "tastes are in the data, so that nothing is left to calibrate: say kind = "
                    '"none" under [calibration], or leave the column out.',
                )
            with self._blame.at("calibration"):
                population = calibrate(population, law, preferences=preferences, rebate=said.rebate)
        economy = Economy(population=population, preferences=preferences)
        spending = self._spending(economy, law)
        return Economy(population=population, preferences=preferences, spending=spending)

    def _spending(self, economy: Economy, law: BracketSchedule) -> Any:
        if self.spending == "none":
            return 0.0
        if isinstance(self.spending, str):
            return equilibrium(economy, law).rebate
        return self.spending

    @property
    def files(self) -> dict[str, Path]:
        """Where each data or law file is that the economy names, by what it is called."""
        data = self._data()
        return self.law_source.files | ({} if data is None else {self._named_data or "": data})

    @property
    def _named_data(self) -> str | None:
        return self.document.incomes.file if self.incomes == FROM_FILE else self.incomes

    def _data(self) -> Path | None:
        """Return the data file of incomes, if they are one."""
        said = self._named_data
        if said == CPS:
            return self._cps()
        if said is None or (self.incomes != FROM_FILE and not _looks_like_a_file(said)):
            return None
        return self._path(said, self.incomes)

    def _cps(self) -> Path:
        kept = Kept.of(self.file)
        return kept.path(CPS) if CPS in kept.copies else cps_file(self.year)

    def _path(self, said: str, flag: str) -> Path:
        """Return where a file is, which a flag names unless the economy file does."""
        return Kept.of(self.file).path(said, by_flag=flag != FROM_FILE)

    def _rules(self) -> Incomes:
        """Return the rules for the data; of CPS a status that is asked for chooses units."""
        said = self.document.incomes
        if self._named_data == CPS and not said.only and self.status is not None:
            return msgspec.structs.replace(said, only=(self.status,))
        return said

    @property
    def _blame(self) -> Blame:
        return Blame(self.file)


def _looks_like_a_file(said: str) -> bool:
    return Path(said).suffix.lower() in (".csv", ".parquet", ".txt", ".tsv") or "/" in said
